/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a container: its records and whether its monitor lives decide, never the order of
 * events. The same look serves a finished worker, an inotify event, a dead monitor and a restarted
 * daemon.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/pod_priv.h"

#define CRUN_LOG_MAX (64u << 10)
#define LOST_MESSAGE                                                                               \
	"The monitor of the container died, so nobody knows how it ended; what was left of it was killed"

static int open_bundle(const struct pod_container *c)
{
	autofree char *dir = pod_container_dir(c);

	return fs_open_at(c->pod->rt->run_fd, dir, O_RDONLY | O_DIRECTORY, 0);
}

static int on_monitor_end(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED,
			  void *data)
{
	struct pod_container *c = data;

	c->monitor_source = sd_event_source_disable_unref(c->monitor_source);
	c->monitor_pidfd = mem_close(c->monitor_pidfd);
	pod_look(c);
	return 0;
}

/* True when the monitor lives, and its end will be noticed. */
static bool watch_monitor(struct pod_container *c)
{
	struct monitor_process p;
	autoclose int bundle_fd = -1;

	if (c->monitor_source)
		return true;
	bundle_fd = open_bundle(c);
	if (bundle_fd < 0 || monitor_read_self(&p, bundle_fd) <= 0)
		return false;
	c->monitor_pidfd = monitor_open_process(&p);
	if (c->monitor_pidfd < 0)
		return false;
	if (sd_event_add_io(c->pod->rt->loop, &c->monitor_source, c->monitor_pidfd, EPOLLIN,
			    on_monitor_end, c) < 0) {
		c->monitor_pidfd = mem_close(c->monitor_pidfd);
		return false;
	}
	return true;
}

/*
 * Before what may run of a container is removed: a daemon that finds this does not take it for one
 * that is to go on. Should it fail, the retried removal has to be enough.
 */
static void doom(const struct pod_container *c)
{
	autoclose int bundle_fd = open_bundle(c);
	struct err err = {0};

	if (bundle_fd >= 0 && fs_replace(bundle_fd, POD_DOOMED_FILE, "", 0, 0600, &err) < 0)
		log_warn("cannot mark a container for removal", LOG_KV("container", c->id),
			 LOG_ERR(&err));
}

void pod_start_failed(struct pod_container *c, const struct err *err, bool remains)
{
	struct pod_runtime *rt = c->pod->rt;
	struct pod_container saved = *c;

	/* Forgotten before it is reported: the callback may start the same attempt again. */
	if (remains) {
		doom(c);
		pod_task_add(rt, POD_VERB_CONTAINER_KILL, c->pod, NULL,
			     json_pack("{s:s, s:b}", "id", c->id, "keepRecords", 0));
	}
	c->name = NULL;
	pod_container_drop(c);
	rt->callbacks.container_failed(saved.pod->uid, saved.name, saved.attempt, err, rt->data);
	free(saved.name);
}

static void report_exit(struct pod_container *c, const struct pod_exit *e)
{
	struct pod_runtime *rt = c->pod->rt;

	c->state = CONTAINER_EXITED;
	c->monitor_source = sd_event_source_disable_unref(c->monitor_source);
	c->monitor_pidfd = mem_close(c->monitor_pidfd);
	rt->callbacks.container_exited(c->pod->uid, c->name, c->attempt, e, rt->data);
}

static const char *exit_reason(const struct monitor_exit *e)
{
	if (e->unknown)
		return "ContainerStatusUnknown";
	if (e->oom_killed)
		return "OOMKilled";
	return e->exit_code == 0 ? "Completed" : "Error";
}

static void exited(struct pod_container *c, const struct monitor_exit *e)
{
	autoclose int bundle_fd = open_bundle(c);
	autofree char *log = pod_container_log(c);
	autofree char *message =
		pod_message_read(bundle_fd, log, c->fallback_to_logs, e->exit_code);
	struct pod_exit report = {
		.exit_code = e->exit_code,
		.signal = e->signal,
		.oom_killed = e->oom_killed,
		.started_at = e->started_at,
		.finished_at = e->finished_at,
		.reason = exit_reason(e),
		.message = message,
	};

	if (e->unknown)
		report.message = LOST_MESSAGE;
	else
		pod_task_add(c->pod->rt, POD_VERB_CONTAINER_CLEAN, c->pod, NULL,
			     json_pack("{s:s, s:b}", "id", c->id, "keepRecords", 1));
	report_exit(c, &report);
}

void pod_lost_cleaned(struct pod_container *c)
{
	assert(c->state == CONTAINER_LOST);
	/* There is a record of its end now. */
	c->state = CONTAINER_RUNNING;
	pod_look(c);
}

static void started(struct pod_container *c)
{
	struct pod_runtime *rt = c->pod->rt;
	struct pod_started report = {
		.id = c->id,
		.pid = c->started.init.pid,
		.started_at = c->started.started_at,
	};

	c->state = CONTAINER_RUNNING;
	rt->callbacks.container_started(c->pod->uid, c->name, c->attempt, &report, rt->data);
}

/* Started, failed, or still on the way. True when it is worth another look: it runs now. */
static bool look_at_start(struct pod_container *c)
{
	struct pod_runtime *rt = c->pod->rt;
	autoclose int bundle_fd = -1;
	autofree char *log = NULL;
	struct err err = {0};
	size_t n;
	int r = monitor_read_start(&c->started, rt->events_fd, c->id);

	if (r > 0 && c->started.init.pid > 0) {
		started(c);
		return true;
	}
	if (r == 0 && watch_monitor(c))
		return false;
	bundle_fd = open_bundle(c);
	if (r > 0 && fs_read_at(&log, &n, bundle_fd, "crun.log", CRUN_LOG_MAX) == 0)
		(void)monitor_crun_error(&err, log);
	else
		(void)err_set(&err, ERR_TRANSIENT, EINTR, "CreateContainerError",
			      "the start was interrupted");
	pod_start_failed(c, &err, true);
	return false;
}

/*
 * The records of earlier attempts have served once a later one runs. The log of the attempt before
 * it stays readable ("logs --previous"), the one before that goes.
 */
static void forget_older(struct pod_container *c)
{
	struct pod *pod = c->pod;
	struct pod_log old = {pod->ns, pod->name, pod->uid, c->name, c->attempt - 2};

	for (size_t i = 0; i < pod->n;) {
		struct pod_container *o = pod->containers[i];
		autofree char *log = NULL;
		json_t *extra;

		if (o->state != CONTAINER_EXITED || o->attempt >= c->attempt ||
		    !str_eq(o->name, c->name)) {
			i++;
			continue;
		}
		extra = json_pack("{s:s, s:b}", "id", o->id, "keepRecords", 0);
		if (c->attempt >= 2) {
			log = pod_log_path(pod->rt, &old);
			json_set(extra, "removeLog", json_text(log));
		}
		pod_task_add(pod->rt, POD_VERB_CONTAINER_CLEAN, pod, NULL, extra);
		pod_container_drop(o);
	}
}

static void look_at_run(struct pod_container *c)
{
	struct pod_runtime *rt = c->pod->rt;
	struct monitor_exit e;
	bool alive = watch_monitor(c);
	int r = monitor_read_exit(&e, rt->events_fd, c->id);

	if (r > 0) {
		exited(c, &e);
		return;
	}
	if (r == 0 && alive)
		return;
	log_warn("the monitor of a container is gone: the container is killed",
		 LOG_KV("pod", c->pod->uid), LOG_KV("container", c->name));
	c->state = CONTAINER_LOST;
	pod_task_add(rt, POD_VERB_CONTAINER_KILL, c->pod, c,
		     json_pack("{s:s, s:b, s:b}", "id", c->id, "keepRecords", 1, "lost", 1));
}

void pod_look(struct pod_container *c)
{
	if (c->pod->state == POD_GOING)
		return;
	if (c->start_error) {
		struct err err = *c->start_error;

		pod_start_failed(c, &err, false);
		return;
	}
	if (c->state == CONTAINER_STARTING && !c->has_worker) {
		if (!look_at_start(c))
			return;
		/* The callback may have sent the pod down. */
		if (c->pod->state == POD_GOING)
			return;
		forget_older(c);
	}
	if (c->state == CONTAINER_RUNNING)
		look_at_run(c);
}

static void look_at_all(struct pod_runtime *rt)
{
	for (size_t i = 0; i < rt->n_pods; i++)
		for (size_t k = 0; k < rt->pods[i]->n; k++)
			rt->pods[i]->report_containers = true;
	pod_turn(rt);
}

static void look_at_id(struct pod_runtime *rt, const char *name)
{
	size_t n = strcspn(name, ".");

	for (size_t i = 0; n == POD_CONTAINER_ID_SIZE - 1 && i < rt->n_pods; i++)
		for (size_t k = 0; k < rt->pods[i]->n; k++)
			if (strncmp(rt->pods[i]->containers[k]->id, name, n) == 0) {
				pod_look(rt->pods[i]->containers[k]);
				return;
			}
}

static int on_inotify(sd_event_source *s UNUSED, int fd, uint32_t revents UNUSED, void *data)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct pod_runtime *rt = data;
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		if (e->mask & IN_Q_OVERFLOW)
			look_at_all(rt);
		else if (e->len > 0)
			look_at_id(rt, e->name);
	}
	return 0;
}

int pod_look_init(struct pod_runtime *rt, struct err *err)
{
	autofree char *events = mem_asprintf("%s/events", rt->run_dir);
	int r;

	rt->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (rt->inotify_fd < 0)
		return err_errno(err, errno, "make an inotify instance");
	if (inotify_add_watch(rt->inotify_fd, events, IN_MOVED_TO | IN_ONLYDIR) < 0)
		return err_errno(err, errno, "watch '%s'", events);
	r = sd_event_add_io(rt->loop, &rt->inotify_source, rt->inotify_fd, EPOLLIN, on_inotify, rt);
	return r < 0 ? err_errno(err, r, "watch '%s'", events) : 0;
}
