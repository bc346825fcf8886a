/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacked layers from outside: where they are, and asking for them. On the daemon's loop a task is
 * one layer that is missing, run by one worker; a job is one caller who waits for several layers.
 * Jobs look at what is there, not at who did what: a task's end only makes every job look again,
 * from a deferred event, so that callbacks never run inside calls of their owners.
 */
#include "runtime/layer.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/ipc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "runtime/layer_message_priv.h"
#include "runtime/layer_staging_priv.h"

#define MAX_RUNNING 2
#define DEFAULT_DEADLINE_MS (10u * 60 * 1000)
#define MAX_RESULT (64u << 10)
#define WORKER_NAME "recond-layer"

struct task {
	struct layer_unpacker *unpacker;
	struct manifest_layer layer;
	struct worker *worker; /* NULL while it is queued, and when it ended */
	json_t *result;        /* the worker's, when it came */
	struct err err;        /* why it failed; kept until the jobs have looked */
	bool failed;
};

struct layer_job {
	struct layer_unpacker *unpacker; /* NULL once it is done */
	struct manifest_layer *layers;
	size_t n_layers;
	layer_done_fn done;
	void *data;
};

struct layer_unpacker {
	sd_event *loop;
	struct image_store *store;
	struct layer_limits limits;
	sd_event_source *settle; /* deferred: look at all jobs */
	struct worker *collector;
	struct task **tasks;
	size_t n_tasks, cap_tasks;
	struct layer_job **jobs;
	size_t n_jobs, cap_jobs;
};

/* --- what is there */

int layer_open(struct image_store *store, const char *diff_id)
{
	char path[DIGEST_STR_SIZE];

	(void)snprintf(path, sizeof(path), "%s/fs", digest_hex(diff_id));
	return fs_open_beneath(image_store_layers_fd(store), path, O_PATH | O_DIRECTORY, 0);
}

bool layer_exists(struct image_store *store, const char *diff_id)
{
	autoclose int fd = layer_open(store, diff_id);

	return fd >= 0;
}

char *layer_path(struct image_store *store, const char *diff_id)
{
	return mem_asprintf("%s/layers/%s/fs", image_store_state_dir(store), digest_hex(diff_id));
}

int layer_adopt(struct image_store *store, const char *diff_id, int dirfd, const char *name,
		struct err *err)
{
	_cleanup_(layer_staging_deinit) struct layer_staging staging = {.fd = -1};
	autofree char *path = NULL;
	bool mine;
	int r;

	if (layer_exists(store, diff_id))
		return 0;
	r = layer_staging_begin(&staging, store, err);
	if (r < 0)
		return r;
	path = mem_asprintf("%s/fs", staging.name);
	if (renameat2(dirfd, name, staging.fd, path, RENAME_NOREPLACE) < 0)
		return err_errno(err, errno, "adopt layer %s", diff_id);
	r = layer_staging_commit(&staging, diff_id, &mine, err);
	if ((r < 0 || !mine) && renameat2(staging.fd, path, dirfd, name, RENAME_NOREPLACE) < 0)
		return err_errno(err, errno, "give back layer %s", diff_id);
	return r < 0 ? err_wrap(err, "adopt layer %s", diff_id) : 0;
}

/* --- tasks */

static void task_free(struct task *t)
{
	worker_free(t->worker);
	json_decref(t->result);
	free(t);
}

static struct task *task_find(struct layer_unpacker *u, const char *diff_id)
{
	for (size_t i = 0; i < u->n_tasks; i++)
		if (str_eq(u->tasks[i]->layer.diff_id, diff_id))
			return u->tasks[i];
	return NULL;
}

static void task_remove(struct layer_unpacker *u, size_t at)
{
	task_free(u->tasks[at]);
	u->n_tasks--;
	memmove(&u->tasks[at], &u->tasks[at + 1], (u->n_tasks - at) * sizeof(*u->tasks));
}

static bool task_is_wanted(const struct layer_unpacker *u, const struct task *t)
{
	for (size_t i = 0; i < u->n_jobs; i++)
		for (size_t l = 0; l < u->jobs[i]->n_layers; l++)
			if (str_eq(u->jobs[i]->layers[l].diff_id, t->layer.diff_id))
				return true;
	return false;
}

static void settle_later(struct layer_unpacker *u)
{
	(void)sd_event_source_set_enabled(u->settle, SD_EVENT_ONESHOT);
}

static void on_task_message(struct worker *w UNUSED, const struct ipc_msg *m, void *data)
{
	struct task *t = data;

	if (m->type == LAYER_FRAME_RESULT && !t->result)
		(void)json_parse(&t->result, m->data, m->len, MAX_RESULT, NULL);
}

static void on_task_end(struct worker *w, int status, void *data)
{
	struct task *t = data;
	int r = 0;

	if (t->result)
		r = layer_error_from_json(t->result, &t->err);
	else if (status == -ETIMEDOUT)
		r = err_set(&t->err, ERR_TRANSIENT, ETIMEDOUT, NULL,
			    "unpacking layer %s took too long", t->layer.digest);
	else
		r = err_set(&t->err, ERR_TRANSIENT, EIO, NULL,
			    "unpacking layer %s: worker ended with status %d: %s", t->layer.digest,
			    status, worker_stderr(w));
	t->failed = r < 0;
	t->worker = worker_free(w);
	settle_later(t->unpacker);
	for (size_t i = 0; !t->failed && i < t->unpacker->n_tasks; i++) {
		if (t->unpacker->tasks[i] == t) {
			task_remove(t->unpacker, i);
			return;
		}
	}
}

static void task_start(struct layer_unpacker *u, struct task *t)
{
	autojson *request = layer_request_new(&t->layer, &u->limits);
	const struct worker_options options = {
		.name = WORKER_NAME,
		.deadline_ms = u->limits.deadline_ms ?: DEFAULT_DEADLINE_MS,
		.pass_fd = -1,
		.no_network = true,
		.on_message = on_task_message,
		.on_end = on_task_end,
		.data = t,
	};

	json_set(request, "stateDir", json_text(image_store_state_dir(u->store)));
	if (worker_spawn(&t->worker, u->loop, &options, &t->err) < 0) {
		t->worker = NULL;
		t->failed = true;
		settle_later(u);
		return;
	}
	worker_send_json(t->worker, LAYER_FRAME_UNPACK, request);
	worker_finish_input(t->worker);
}

/* Drop what nobody waits for, start what may run. */
static void schedule(struct layer_unpacker *u)
{
	size_t running = 0;

	for (size_t i = u->n_tasks; i-- > 0;)
		if (!task_is_wanted(u, u->tasks[i]))
			task_remove(u, i);
	for (size_t i = 0; i < u->n_tasks; i++)
		running += u->tasks[i]->worker != NULL;
	for (size_t i = 0; i < u->n_tasks && running < MAX_RUNNING; i++) {
		if (u->tasks[i]->worker || u->tasks[i]->failed)
			continue;
		task_start(u, u->tasks[i]);
		running++;
	}
}

static void task_add(struct layer_unpacker *u, const struct manifest_layer *layer)
{
	struct task *t = NEW(struct task);

	t->unpacker = u;
	t->layer = *layer;
	GROW(u->tasks, u->cap_tasks, u->n_tasks + 1);
	u->tasks[u->n_tasks++] = t;
}

/* --- jobs */

static void job_unlink(struct layer_job *job)
{
	struct layer_unpacker *u = job->unpacker;

	if (!u)
		return;
	job->unpacker = NULL;
	for (size_t i = 0; i < u->n_jobs; i++) {
		if (u->jobs[i] != job)
			continue;
		u->n_jobs--;
		memmove(&u->jobs[i], &u->jobs[i + 1], (u->n_jobs - i) * sizeof(*u->jobs));
		return;
	}
}

/* 1 when every layer is there, 0 while some are to come, negative errno with ERR when one failed.
 */
static int job_look(struct layer_unpacker *u, const struct layer_job *job, struct err *err)
{
	bool complete = true;

	for (size_t i = 0; i < job->n_layers; i++) {
		const char *diff_id = job->layers[i].diff_id;
		struct task *t = task_find(u, diff_id);

		if (t && t->failed) {
			*err = t->err;
			return t->err.code;
		}
		if (!t && !layer_exists(u->store, diff_id))
			return err_set(err, ERR_TRANSIENT, ENOENT, NULL, "layer %s vanished",
				       diff_id);
		complete = complete && !t;
	}
	return complete;
}

/* Tell every job that is decided. A callback may free any job and start new ones: look from the
 * start again. */
static int on_settle(sd_event_source *source UNUSED, void *data)
{
	struct layer_unpacker *u = data;

	for (size_t i = 0; i < u->n_jobs;) {
		struct layer_job *job = u->jobs[i];
		struct err err = {};
		int r = job_look(u, job, &err);

		if (r == 0) {
			i++;
			continue;
		}
		job_unlink(job);
		job->done(job, r < 0 ? r : 0, &err, job->data);
		i = 0;
	}
	for (size_t i = u->n_tasks; i-- > 0;)
		if (u->tasks[i]->failed)
			task_remove(u, i);
	schedule(u);
	return 0;
}

int layer_ensure(struct layer_job **ret, struct layer_unpacker *u,
		 const struct manifest_layer *layers, size_t n, layer_done_fn done, void *data,
		 struct err *err)
{
	struct layer_job *job;
	size_t missing = 0;

	assert(ret && u && done);

	for (size_t i = 0; i < n; i++) {
		if (!digest_valid(layers[i].diff_id) || !digest_valid(layers[i].digest))
			return err_invalid(err, "layer %zu has no digests", i);
		missing += !layer_exists(u->store, layers[i].diff_id);
	}
	if (missing == 0)
		return 1;
	job = NEW(struct layer_job);
	job->unpacker = u;
	job->layers = mem_memdup(layers, n * sizeof(*layers));
	job->n_layers = n;
	job->done = done;
	job->data = data;
	GROW(u->jobs, u->cap_jobs, u->n_jobs + 1);
	u->jobs[u->n_jobs++] = job;
	for (size_t i = 0; i < n; i++)
		if (!layer_exists(u->store, layers[i].diff_id) && !task_find(u, layers[i].diff_id))
			task_add(u, &layers[i]);
	schedule(u);
	*ret = job;
	return 0;
}

struct layer_job *layer_job_free(struct layer_job *job)
{
	struct layer_unpacker *u;

	if (!job)
		return NULL;
	u = job->unpacker;
	job_unlink(job);
	if (u)
		settle_later(u); /* drops the tasks that only this job wanted */
	free(job->layers);
	free(job);
	return NULL;
}

/* --- unpacker */

static void on_collector_end(struct worker *w, int status UNUSED, void *data)
{
	struct layer_unpacker *u = data;

	u->collector = worker_free(w);
}

/* Leftovers cost space and nothing else: if this fails, the next start tries again. */
static void collect(struct layer_unpacker *u)
{
	const char *const args[] = {"collect", image_store_state_dir(u->store), NULL};
	const struct worker_options options = {
		.name = WORKER_NAME,
		.args = args,
		.pass_fd = -1,
		.no_network = true,
		.on_end = on_collector_end,
		.data = u,
	};

	if (worker_spawn(&u->collector, u->loop, &options, NULL) < 0)
		u->collector = NULL;
}

int layer_unpacker_new(struct layer_unpacker **ret, sd_event *loop, struct image_store *store,
		       const struct layer_limits *limits, struct err *err)
{
	_cleanup_(layer_unpacker_freep) struct layer_unpacker *u = NEW(struct layer_unpacker);
	int r;

	assert(ret && loop && store);

	u->loop = sd_event_ref(loop);
	u->store = store;
	if (limits)
		u->limits = *limits;
	r = sd_event_add_defer(loop, &u->settle, on_settle, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->settle, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "layer unpacker");
	collect(u);
	*ret = TAKE_PTR(u);
	return 0;
}

struct layer_unpacker *layer_unpacker_free(struct layer_unpacker *u)
{
	if (!u)
		return NULL;
	assert(u->n_jobs == 0);
	for (size_t i = 0; i < u->n_tasks; i++)
		task_free(u->tasks[i]);
	worker_free(u->collector);
	(void)sd_event_source_disable_unref(u->settle);
	(void)sd_event_unref(u->loop);
	free(u->tasks);
	free(u->jobs);
	free(u);
	return NULL;
}

/* --- blocking */

/* Send the request to the worker at SOCK and wait for its result. 0 with *ret, or negative errno.
 */
static int ask(json_t **ret, int sock, const json_t *request, struct err *err)
{
	_cleanup_(ipc_msg_deinit) struct ipc_msg m = {};
	int r = ipc_send_json(sock, LAYER_FRAME_UNPACK, request);

	if (r >= 0)
		r = ipc_recv(sock, &m);
	if (r < 0)
		return err_errno(err, r, "talk to %s", WORKER_NAME);
	if (r == 0 || m.type != LAYER_FRAME_RESULT)
		return err_set(err, ERR_TRANSIENT, EIO, NULL, "%s ended without a result",
			       WORKER_NAME);
	return json_parse(ret, m.data, m.len, MAX_RESULT, err);
}

int layer_ensure_sync(struct image_store *store, const struct manifest_layer *layer,
		      const struct layer_limits *limits, struct err *err)
{
	autofree char *path = proc_libexec(WORKER_NAME);
	const char *const argv[] = {path, NULL};
	autojson *request = layer_request_new(layer, limits), *result = NULL;
	autoclose int ours = -1, theirs = -1, pidfd = -1;
	int pair[2], r, status;
	pid_t pid;

	if (layer_exists(store, layer->diff_id))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	{
		const int fds[] = {-1, -1, 2, theirs};
		const struct proc_spec spec = {
			.path = path,
			.argv = argv,
			.fds = fds,
			.n_fds = ARRAY_SIZE(fds),
			.die_with_parent = true,
			.new_netns = true,
		};

		r = proc_spawn(&pid, &pidfd, &spec, err);
		if (r < 0)
			return r;
	}
	theirs = mem_close(theirs);
	json_set(request, "stateDir", json_text(image_store_state_dir(store)));
	r = ask(&result, ours, request, err);
	ours = mem_close(ours);
	(void)proc_reap(&status, pidfd);
	return r < 0 ? r : layer_error_from_json(result, err);
}
