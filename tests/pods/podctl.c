/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime without the policy, for tests: operations come in as JSON lines, callbacks go out as
 * JSON lines.
 *
 *   podctl image STATE-DIR REFERENCE LAYER-TAR CONFIG-JSON    store an image of one layer; prints
 * its digest podctl serve STATE-DIR RUN-DIR BRIDGE POD-CIDR [LOG-BYTES]
 *
 * Lines: {"op": "up"|"start", "request": {...}}, {"op": "signal", "uid", "name", "attempt",
 * "signo"},
 * {"op": "down", "uid"}, {"op": "check", "id", "request": {...}}, {"op": "cancel", "id"}; the end
 * of the input ends the process.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/blob.h"
#include "runtime/image.h"
#include "runtime/layer.h"
#include "runtime/pod.h"
#include "runtime/prober.h"

static struct pod_runtime *rt;
static struct prober *prober;
static struct strbuf input;

static void emit(const char *event, json_t *e)
{
	autofree char *text = NULL;

	json_set(e, "event", json_text(event));
	json_set(e, "ms", json_integer((json_int_t)clock_boottime_ms()));
	text = json_canonical(e);
	printf("%s\n", text);
	(void)fflush(stdout);
	json_decref(e);
}

static json_t *error_event(const struct err *err)
{
	return json_pack("{s:s, s:s, s:i, s:s}", "reason", err->reason, "message", err->message,
			 "code", err->code, "kind", err_kind_name(err->kind));
}

static json_t *container_event(json_t *e, const char *uid, const char *name, unsigned int attempt)
{
	json_set(e, "uid", json_text(uid));
	json_set(e, "name", json_text(name));
	json_set(e, "attempt", json_integer(attempt));
	return e;
}

static void sandbox_ready(const char *uid, const char *ip, void *data)
{
	(void)data;
	emit("sandbox_ready", json_pack("{s:s, s:s}", "uid", uid, "ip", ip));
}

static void sandbox_failed(const char *uid, const struct err *err, void *data)
{
	json_t *e = error_event(err);

	(void)data;
	json_set(e, "uid", json_text(uid));
	emit("sandbox_failed", e);
}

static void container_started(const char *uid, const char *name, unsigned int attempt,
			      const struct pod_started *s, void *data)
{
	json_t *e = json_pack("{s:s, s:i, s:s}", "id", s->id, "pid", (int)s->pid, "started_at",
			      s->started_at);

	(void)data;
	emit("container_started", container_event(e, uid, name, attempt));
}

static void container_failed(const char *uid, const char *name, unsigned int attempt,
			     const struct err *err, void *data)
{
	(void)data;
	emit("container_failed", container_event(error_event(err), uid, name, attempt));
}

static void container_exited(const char *uid, const char *name, unsigned int attempt,
			     const struct pod_exit *x, void *data)
{
	json_t *e = json_pack("{s:i, s:i, s:b, s:s}", "exit_code", x->exit_code, "signal",
			      x->signal, "oom_killed", (int)x->oom_killed, "reason", x->reason);

	(void)data;
	json_set(e, "message", json_text(x->message));
	json_set(e, "started_at", json_text(x->started_at));
	json_set(e, "finished_at", json_text(x->finished_at));
	emit("container_exited", container_event(e, uid, name, attempt));
}

static void pod_gone(const char *uid, void *data)
{
	(void)data;
	emit("pod_gone", json_pack("{s:s}", "uid", uid));
}

static void pod_down_failed(const char *uid, const struct err *err, void *data)
{
	json_t *e = error_event(err);

	(void)data;
	json_set(e, "uid", json_text(uid));
	emit("pod_down_failed", e);
}

static void check_done(const char *id, bool ok, const char *message, void *data)
{
	json_t *e = json_pack("{s:s, s:b}", "id", id, "ok", (int)ok);

	(void)data;
	json_set(e, "message", json_text(message));
	emit("check_done", e);
}

/* As the daemon does: how a command gets into its container is filled in. */
static void check(const char *id, json_t *request)
{
	json_t *target = pod_exec_target(rt, json_path_str(request, "podUid", ""),
					 json_path_str(request, "container", ""),
					 (unsigned int)json_path_int(request, "attempt", 0));

	json_set(request, "target", target ? target : json_null());
	prober_check(prober, id, request);
}

static void do_line(const char *line)
{
	struct err err = {0};
	autojson *j = NULL;
	const char *op;
	int r = json_parse(&j, line, strlen(line), 1u << 24, &err);

	if (r < 0) {
		emit("refused", error_event(&err));
		return;
	}
	op = json_path_str(j, "op", "");
	if (str_eq(op, "up"))
		r = pod_sandbox_up(rt, json_object_get(j, "request"), &err);
	else if (str_eq(op, "start"))
		r = pod_container_start(rt, json_object_get(j, "request"), &err);
	else if (str_eq(op, "down"))
		r = pod_down(rt, json_path_str(j, "uid", ""), &err);
	else if (str_eq(op, "check"))
		check(json_path_str(j, "id", ""), json_object_get(j, "request"));
	else if (str_eq(op, "cancel"))
		prober_cancel(prober, json_path_str(j, "id", ""));
	else if (str_eq(op, "signal"))
		r = pod_container_signal(rt, json_path_str(j, "uid", ""),
					 json_path_str(j, "name", ""),
					 (unsigned int)json_path_int(j, "attempt", 0),
					 (int)json_path_int(j, "signo", 15));
	if (r < 0)
		emit("refused", error_event(&err));
	else
		emit("accepted", json_pack("{s:s}", "op", op));
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	char buf[65536];
	ssize_t n = read(fd, buf, sizeof(buf));
	char *nl;

	(void)revents;
	(void)data;
	if (n <= 0)
		return sd_event_exit(sd_event_source_get_event(s), 0);
	strbuf_add(&input, buf, (size_t)n);
	while (input.len && (nl = memchr(input.data, '\n', input.len))) {
		*nl = '\0';
		do_line(input.data);
		strbuf_consume(&input, (size_t)(nl - input.data) + 1);
	}
	return 0;
}

static int serve(char **argv, const char *log_bytes, struct err *err)
{
	const struct pod_callbacks callbacks = {
		.sandbox_ready = sandbox_ready,
		.sandbox_failed = sandbox_failed,
		.container_started = container_started,
		.container_failed = container_failed,
		.container_exited = container_exited,
		.pod_gone = pod_gone,
		.pod_down_failed = pod_down_failed,
	};
	struct pod_config config = {
		.state_dir = argv[0],
		.run_dir = argv[1],
		.bridge = argv[2],
		.pod_cidr = argv[3],
		.cgroup_parent = getenv("PODCTL_CGROUP_PARENT"),
		.crun_path = getenv("PODCTL_CRUN"),
		.monitors_apart = getenv("PODCTL_MONITORS_APART") != NULL,
		.log_bytes = log_bytes ? strtoull(log_bytes, NULL, 10) : 0,
	};
	sd_event_source *in = NULL;
	sd_event *loop = NULL;
	int r = loop_new(&loop, err);

	if (r < 0 || image_store_open(&config.images, argv[0], err) < 0 ||
	    layer_unpacker_new(&config.layers, loop, config.images, NULL, err) < 0 ||
	    pod_runtime_new(&rt, loop, &config, &callbacks, NULL, err) < 0 ||
	    pod_runtime_recover(rt, err) < 0)
		return -1;
	prober = prober_new(loop, 0, check_done, NULL);
	r = sd_event_add_io(loop, &in, 0, EPOLLIN, on_input, NULL);
	if (r >= 0)
		r = sd_event_loop(loop);
	(void)sd_event_source_disable_unref(in);
	(void)prober_free(prober);
	(void)pod_runtime_free(rt);
	(void)layer_unpacker_free(config.layers);
	(void)image_store_free(config.images);
	(void)sd_event_unref(loop);
	strbuf_deinit(&input);
	return r;
}

static int add_blob(struct image_store *store, const char *path, struct manifest_layer *layer,
		    struct err *err)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	autoclose int fd = fs_open(path, O_RDONLY, 0);
	char buf[65536];
	ssize_t n;
	int r = blob_writer_new(&w, store, err);

	while (r == 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		r = blob_writer_add(w, buf, (size_t)n, err);
	if (r == 0)
		r = blob_writer_commit(w, NULL, layer->digest, &layer->size_bytes, err);
	/* Not compressed: both digests are of the tar. */
	memcpy(layer->diff_id, layer->digest, sizeof(layer->diff_id));
	layer->compression = MANIFEST_PLAIN;
	return r;
}

static int make_image(char **argv, struct err *err)
{
	_cleanup_(image_store_freep) struct image_store *store = NULL;
	struct manifest_layer layer = {0};
	struct image_commit commit = {.layers = &layer, .n_layers = 1, .reference = argv[1]};
	autojson *config = json_loads(argv[3], 0, NULL);
	char digest[DIGEST_STR_SIZE];
	int r = image_store_open(&store, argv[0], err);

	if (r == 0)
		r = add_blob(store, argv[2], &layer, err);
	commit.config = config;
	if (r == 0)
		r = image_store_commit(store, &commit, digest, err);
	if (r == 0)
		printf("%s\n", digest);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int r = -1;

	if (argc == 6 && str_eq(argv[1], "image"))
		r = make_image(argv + 2, &err);
	else if ((argc == 6 || argc == 7) && str_eq(argv[1], "serve"))
		r = serve(argv + 2, argc == 7 ? argv[6] : NULL, &err);
	if (r < 0)
		(void)fprintf(stderr, "podctl: %s\n", err.message);
	return r < 0 ? 1 : 0;
}
