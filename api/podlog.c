/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/NAME/log: which container, which attempt, from where, and following it by inotify until that
 * attempt ended.
 */
#include <assert.h>
#include <libgen.h>
#include <string.h>
#include <sys/inotify.h>

#include "api/api_priv.h"
#include "api/crilog_priv.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"

#define LOG_MAX_LINES 10000000

struct podlog {
	struct stream stream; /* first */
	struct store *store;
	unsigned int watch; /* 0 when it does not follow */
	sd_event_source *inotify;
	struct crilog *log;
	char *uid;
	char *container;
	int64_t restarts; /* of the attempt that is read */
	bool follow;
};

/* The status of CONTAINER of POD, of whichever sort it is; NULL when there is none yet. */
static const json_t *container_status(const json_t *pod, const char *container)
{
	static const char *const lists[] = {"status.containerStatuses",
					    "status.initContainerStatuses"};

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		size_t i;
		json_t *s;

		json_array_foreach(json_path(pod, lists[l]), i, s) {
			if (str_eq(json_path_str(s, "name", ""), container))
				return s;
		}
	}
	return NULL;
}

/* No more will be written to the attempt that is read: it exited, was replaced, or its pod is gone.
 */
static bool attempt_ended(const struct podlog *p)
{
	const json_t *pod = store_get_uid(p->store, p->uid);
	const json_t *status = pod ? container_status(pod, p->container) : NULL;

	if (!pod)
		return true;
	if (!status)
		return false;
	return json_path(status, "state.terminated") ||
	       json_path_int(status, "restartCount", 0) != p->restarts ||
	       (json_path(status, "state.waiting") && json_path(status, "lastState.terminated"));
}

static ssize_t podlog_read(struct stream *s, char *buf, size_t max)
{
	struct podlog *p = (struct podlog *)s;
	bool ended = !p->follow ||
		     attempt_ended(p); /* before reading, so that its last lines are not missed */
	ssize_t n = crilog_read(p->log, buf, max);

	switch (n) {
	case CRILOG_AGAIN:
		return STREAM_AGAIN;
	case CRILOG_END:
		return STREAM_END;
	case 0:
		return ended ? STREAM_END : STREAM_IDLE;
	default:
		return n;
	}
}

static void podlog_free(struct stream *s)
{
	struct podlog *p = (struct podlog *)s;

	if (p->follow)
		store_unwatch(p->store, p->watch);
	sd_event_source_disable_unref(p->inotify);
	crilog_free(p->log);
	free(p->uid);
	free(p->container);
	free(p);
}

static const struct stream_ops podlog_ops = {podlog_read, podlog_free};

static int on_inotify(sd_event_source *source UNUSED, const struct inotify_event *event UNUSED,
		      void *data)
{
	struct podlog *p = data;

	stream_wake(&p->stream);
	return 0;
}

static void on_store_event(const struct store_event *event, void *data)
{
	struct podlog *p = data;

	if (event->kind == KIND_POD && str_eq(object_uid(event->object), p->uid))
		stream_wake(&p->stream);
}

/* Writes and rotations both show in the directory of the log. */
static int start_following(struct api *api, struct podlog *p, const char *path)
{
	autofree char *copy = mem_strdup(path);
	int r;

	r = sd_event_add_inotify(api->loop, &p->inotify, dirname(copy),
				 IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR, on_inotify, p);
	if (r < 0)
		return r;
	p->watch = store_watch(api->store, on_store_event, p);
	p->follow = true;
	return 0;
}

static bool has_container(const json_t *pod, const char *name, struct strbuf *names)
{
	static const char *const lists[] = {"spec.containers", "spec.initContainers"};
	bool found = false;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		size_t i;
		json_t *c;

		json_array_foreach(json_path(pod, lists[l]), i, c) {
			const char *candidate = json_path_str(c, "name", "");

			found |= str_eq(candidate, name);
			if (l == 0)
				strbuf_addf(names, "%s%s", names->len ? " " : "", candidate);
		}
	}
	return found;
}

/* The container to read, borrowed, or NULL with RET saying why not. */
static const char *choose_container(const json_t *pod, const struct request *req, struct reply *ret)
{
	const char *name = request_get(req, "container");
	const json_t *containers = json_path(pod, "spec.containers");
	autostrbuf names = STRBUF_INIT;

	if (!name || !*name) {
		if (json_array_size(containers) == 1)
			return json_path_str(json_array_get(containers, 0), "name", "");
		(void)has_container(pod, "", &names);
		reply_error(ret, 400, "BadRequest",
			    "a container name must be specified for pod %s, choose one of: [%s]",
			    req->name, strbuf_str(&names));
		return NULL;
	}
	if (!has_container(pod, name, &names)) {
		reply_error(ret, 400, "BadRequest", "container %s is not valid for pod %s", name,
			    req->name);
		return NULL;
	}
	return name;
}

static int parse_options(struct crilog_options *o, const struct request *req, struct err *err)
{
	const char *since = request_get(req, "sinceTime");
	int64_t seconds;
	int r;

	*o = (struct crilog_options){.tail_lines = -1,
				     .timestamps = request_get_bool(req, "timestamps")};
	if (request_get_int(&o->tail_lines, req, "tailLines", 0, LOG_MAX_LINES, err) < 0 ||
	    request_get_int(&o->limit_bytes, req, "limitBytes", 1, INT64_MAX, err) < 0)
		return -EINVAL;
	r = request_get_int(&seconds, req, "sinceSeconds", 1, INT32_MAX, err);
	if (r < 0)
		return r;
	if (r == 1)
		o->since_ns = clock_realtime_ns() - seconds * INT64_C(1000000000);
	if (since && *since && clock_parse_rfc3339(&o->since_ns, since) < 0)
		return err_invalid(err, "invalid value '%s' of parameter sinceTime", since);
	return 0;
}

/* Why there is no log: in Kubernetes' words. */
static void reply_no_log(struct reply *ret, const struct request *req, const json_t *pod,
			 const char *container)
{
	const json_t *status = container_status(pod, container);
	const char *waiting = status ? json_path_str(status, "state.waiting.reason", "") : "";

	if (request_get_bool(req, "previous"))
		reply_error(ret, 400, "BadRequest",
			    "previous terminated container \"%s\" in pod \"%s\" not found",
			    container, req->name);
	else
		reply_error(ret, 400, "BadRequest",
			    "container \"%s\" in pod \"%s\" is waiting to start: %s", container,
			    req->name, *waiting ? waiting : "ContainerCreating");
}

static struct podlog *podlog_new(struct api *api, const json_t *pod, const char *container,
				 struct crilog *log)
{
	const json_t *status = container_status(pod, container);
	struct podlog *p = NEW(struct podlog);

	p->stream.ops = &podlog_ops;
	p->store = api->store;
	p->log = log;
	p->uid = mem_strdup(object_uid(pod));
	p->container = mem_strdup(container);
	p->restarts = status ? json_path_int(status, "restartCount", 0) : 0;
	return p;
}

void podlog_get(struct api *api, const struct request *req, struct reply *ret)
{
	const json_t *pod = store_get(api->store, KIND_POD, req->ns, req->name);
	bool previous = request_get_bool(req, "previous");
	struct crilog_options options;
	autofree char *path = NULL;
	struct err err = {};
	const char *container;
	struct crilog *log;
	struct podlog *p;

	if (!pod) {
		reply_not_found(ret, "", "pods", req->name);
		return;
	}
	container = choose_container(pod, req, ret);
	if (!container)
		return;
	if (parse_options(&options, req, &err) < 0) {
		reply_error(ret, 400, "BadRequest", "%s", err.message);
		return;
	}
	if (api->host.log_path)
		path = api->host.log_path(api->host_data, req->ns, req->name, object_uid(pod),
					  container, previous);
	if (!path || crilog_open(&log, path, &options, &err) < 0) {
		reply_no_log(ret, req, pod, container);
		return;
	}
	p = podlog_new(api, pod, container, log);
	if (request_get_bool(req, "follow") && !previous && start_following(api, p, path) < 0)
		log_warn("cannot watch a log directory, the log is not followed",
			 LOG_KV("path", path));
	reply_stream(ret, REPLY_TEXT, &p->stream);
}
