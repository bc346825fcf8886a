/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime is made once more, finds what there is, and takes it down. The order is that of the
 * enum; each step begins when nothing of the one before is left.
 */
#include "cmd/cleanup.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "runtime/pod.h"

#define DEADLINE_MS 180000 /* for what comes after the grace */

enum step {
	STEP_LOOKING,  /* the runtime reports what it found */
	STEP_STOPPING, /* containers have their grace */
	STEP_GOING,    /* pods go down */
	STEP_HOST,     /* the rest of the host */
	STEP_DONE,
};

struct cleanup {
	sd_event *loop;
	sd_event_source *timer;
	struct pod_runtime *pods;
	enum step step;
	struct strlist uids;
	json_t *running; /* "uid/name/attempt" -> [uid, name, attempt] */
	struct cleanup_result *result;
	uint64_t grace_ms;
	struct err err; /* of a failure; the last of those that are retried */
	int code;
};

static void finish(struct cleanup *c, int code)
{
	c->code = code;
	c->step = STEP_DONE;
	(void)sd_event_exit(c->loop, 0);
}

/* ---- steps ---- */

static void on_deadline(void *data)
{
	struct cleanup *c = data;

	if (c->err.code == 0)
		(void)err_set(&c->err, ERR_TRANSIENT, ETIMEDOUT, NULL, "the pods do not end");
	finish(c, c->err.code);
}

static void go_on_with_host(struct cleanup *c)
{
	assert(pod_runtime_pods(c->pods) == 0);
	c->step = STEP_HOST;
	pod_host_down(c->pods);
}

static void take_down(struct cleanup *c)
{
	struct err err = {0};

	if (c->step != STEP_STOPPING)
		return;
	c->step = STEP_GOING;
	c->timer = sd_event_source_disable_unref(c->timer);
	(void)loop_timer(&c->timer, c->loop, DEADLINE_MS, on_deadline, c);
	for (size_t i = 0; i < c->uids.n; i++)
		if (pod_down(c->pods, c->uids.items[i], &err) < 0)
			log_warn("a pod cannot be taken down", LOG_KV("pod", c->uids.items[i]),
				 LOG_ERR(&err));
	if (pod_runtime_pods(c->pods) == 0)
		go_on_with_host(c);
}

static void on_grace_over(void *data)
{
	take_down(data);
}

/* Everything found was reported before this runs. */
static int on_looked(sd_event_source *s UNUSED, void *data)
{
	struct cleanup *c = data;
	const char *key;
	json_t *v;

	c->step = STEP_STOPPING;
	json_object_foreach(c->running, key, v)
		(void)pod_container_signal(c->pods, json_path_str(v, "[0]", ""),
					   json_path_str(v, "[1]", ""),
					   (unsigned int)json_path_int(v, "[2]", 0), SIGTERM);
	if (json_object_size(c->running) == 0)
		take_down(c);
	else
		(void)loop_timer(&c->timer, c->loop, c->grace_ms, on_grace_over, c);
	return 0;
}

/* ---- what the runtime says ---- */

static void note_pod(struct cleanup *c, const char *uid)
{
	if (!strlist_contains(&c->uids, uid))
		strlist_add(&c->uids, uid);
}

static void on_sandbox_ready(const char *uid, const char *ip UNUSED, void *data)
{
	note_pod(data, uid);
}

static void on_sandbox_failed(const char *uid, const struct err *err UNUSED, void *data)
{
	note_pod(data, uid);
}

static char *container_key(const char *uid, const char *name, unsigned int attempt)
{
	return mem_asprintf("%s/%s/%u", uid, name, attempt);
}

static void on_started(const char *uid, const char *name, unsigned int attempt,
		       const struct pod_started *started UNUSED, void *data)
{
	struct cleanup *c = data;
	autofree char *key = container_key(uid, name, attempt);

	json_set(c->running, key, json_pack("[s, s, i]", uid, name, (int)attempt));
	if (c->step == STEP_STOPPING)
		(void)pod_container_signal(c->pods, uid, name, attempt, SIGTERM);
}

static void on_failed(const char *uid UNUSED, const char *name UNUSED, unsigned int attempt UNUSED,
		      const struct err *err UNUSED, void *data UNUSED)
{
}

static void on_exited(const char *uid, const char *name, unsigned int attempt,
		      const struct pod_exit *e UNUSED, void *data)
{
	struct cleanup *c = data;
	autofree char *key = container_key(uid, name, attempt);

	(void)json_object_del(c->running, key);
	if (json_object_size(c->running) == 0)
		take_down(c);
}

static void on_gone(const char *uid UNUSED, void *data)
{
	struct cleanup *c = data;

	c->result->pods++;
	if (c->step == STEP_GOING && pod_runtime_pods(c->pods) == 0)
		go_on_with_host(c);
}

static void on_down_failed(const char *uid, const struct err *err, void *data)
{
	struct cleanup *c = data;

	c->err = *err;
	(void)err_wrap(&c->err, "pod %s", uid);
	log_warn("a pod cannot be taken down; trying again", LOG_KV("pod", uid), LOG_ERR(err));
}

static void on_host_down(const json_t *kept, const struct err *err, void *data)
{
	struct cleanup *c = data;
	const json_t *text;
	size_t i;

	if (err) {
		c->err = *err;
		finish(c, err->code);
		return;
	}
	json_array_foreach((json_t *)kept, i, text)
		(void)json_array_append(c->result->kept, (json_t *)text);
	finish(c, 0);
}

/* ---- the whole ---- */

static int start(struct cleanup *c, const struct options *o, struct err *err)
{
	static const struct pod_callbacks callbacks = {
		.sandbox_ready = on_sandbox_ready,
		.sandbox_failed = on_sandbox_failed,
		.container_started = on_started,
		.container_failed = on_failed,
		.container_exited = on_exited,
		.pod_gone = on_gone,
		.pod_down_failed = on_down_failed,
		.host_down = on_host_down,
	};
	const struct pod_config config = {
		.state_dir = o->state_dir,
		.run_dir = o->run_dir,
		.bridge = o->bridge,
		.pod_cidr = o->pod_cidr,
		.cgroup_parent = o->cgroup_parent,
		.retire = true,
	};
	int r = loop_new(&c->loop, err);

	if (r == 0)
		r = pod_runtime_new(&c->pods, c->loop, &config, &callbacks, c, err);
	return r < 0 ? r : pod_runtime_recover(c->pods, err);
}

static int run(struct cleanup *c, const struct options *o, struct err *err)
{
	sd_event_source *looked = NULL;
	int r = start(c, o, err);

	if (r < 0)
		return r;
	r = sd_event_add_defer(c->loop, &looked, on_looked, c);
	if (r >= 0)
		r = sd_event_source_set_priority(looked, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_loop(c->loop);
	(void)sd_event_source_disable_unref(looked);
	if (r < 0)
		return err_errno(err, r, "loop");
	if (c->step != STEP_DONE)
		return err_set(err, ERR_TRANSIENT, EINTR, NULL,
			       "interrupted; run it again for the rest");
	if (c->code < 0)
		*err = c->err;
	return c->code;
}

int cleanup_host(struct cleanup_result *ret, const struct options *o, uint64_t grace_ms,
		 struct err *err)
{
	struct cleanup_result result = {.kept = json_array()};
	struct cleanup c = {
		.result = &result,
		.running = json_object(),
		.grace_ms = grace_ms,
	};
	int r = run(&c, o, err);

	c.timer = sd_event_source_disable_unref(c.timer);
	c.pods = pod_runtime_free(c.pods);
	c.loop = sd_event_unref(c.loop);
	strlist_deinit(&c.uids);
	json_decref(c.running);
	if (r < 0)
		json_decref(result.kept);
	else
		*ret = result;
	return r;
}

/* ---- files ---- */

static const char *const run_files[] = {"bridges", "cgroup_root", "crun",    "events",
					"pods",    "recond.sock", "boot_id", NULL};
/* The store is what a state directory is known by: it goes last. */
static const char *const state_files[] = {"build", "images",     "images.lock",   "layers",
					  "logs",  "pods",       "recond.db-shm", "recond.db-wal",
					  "lock",  "store.lock", "recond.db",     NULL};

/* Say what is left in DIR, or remove it when nothing is. */
static int remove_dir(const char *dir, json_t *kept, struct err *err)
{
	autoclose int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	autofree char *left = NULL;
	const struct dirent *e;
	int r;

	if (!d)
		return fd == -ENOENT ? 0 : err_errno(err, fd, "open '%s'", dir);
	fd = -1; /* the stream owns it */
	while (!left && (e = readdir(d)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			left = mem_strdup(e->d_name);
	(void)closedir(d);
	if (left) {
		autofree char *text =
			mem_asprintf("directory '%s' stays: '%s' is not recond's", dir, left);

		(void)json_array_append_new(kept, json_text(text));
		return 0;
	}
	r = fs_remove_tree(AT_FDCWD, dir);
	/* A mount point of the operator's, and empty. */
	return r < 0 && r != -EBUSY ? err_errno(err, r, "remove '%s'", dir) : 0;
}

/* NAMES in DIR, if that is one of recond's: those have MARK. */
static int remove_files(const char *dir, const char *const *names, const char *mark, json_t *kept,
			struct err *err)
{
	autoclose int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd == -ENOENT ? 0 : err_errno(err, fd, "open '%s'", dir);
	if (faccessat(fd, mark, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return remove_dir(dir, kept, err);
	for (size_t i = 0; names[i]; i++) {
		int r = fs_remove_tree(fd, names[i]);

		if (r < 0)
			return err_errno(err, r, "remove '%s/%s'", dir, names[i]);
	}
	return remove_dir(dir, kept, err);
}

int cleanup_files(const struct options *o, bool purge, json_t *kept, struct err *err)
{
	int r = remove_files(o->run_dir, run_files, "boot_id", kept, err);

	if (r == 0 && purge)
		r = remove_files(o->state_dir, state_files, "recond.db", kept, err);
	return r;
}
