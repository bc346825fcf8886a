/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds on the daemon's loop: one worker each, its messages as callbacks.
 */
#include "builder/build.h"

#include <assert.h>

#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "builder/build_priv.h"

#define BUILD_DEADLINE_MS (UINT64_C(3600) * 1000)
#define BUILD_PLAN_DEADLINE_MS (UINT64_C(60) * 1000)
#define BUILD_MAX_MESSAGE (64u << 20)

struct build {
	struct worker *worker;
	build_plan_fn plan; /* NULL for a real build */
	struct build_callbacks cb;
	void *data;
	uint64_t deadline_ms;
	json_t *result; /* of the PLAN or DONE message */
	struct err err; /* of the ERROR message */
};

struct build *build_cancel(struct build *b)
{
	if (!b)
		return NULL;
	worker_free(b->worker);
	json_decref(b->result);
	free(b);
	return NULL;
}

static void read_error(struct build *b, const json_t *j)
{
	int64_t kind = json_path_int(j, "kind", ERR_FATAL);

	if (kind <= ERR_NONE || kind >= ERR_KIND_N_)
		kind = ERR_FATAL;
	(void)err_set(&b->err, (enum err_kind)kind, (int)json_path_int(j, "code", -EIO),
		      json_path_str(j, "reason", ""), "%s", json_path_str(j, "message", "failed"));
}

static void on_message(struct worker *w, const struct ipc_msg *m, void *data)
{
	struct build *b = data;
	struct build_progress p;
	autojson *j = NULL;

	(void)w;
	if (json_parse(&j, m->data, m->len, BUILD_MAX_MESSAGE, NULL) < 0)
		return;
	switch (m->type) {
	case BUILD_MSG_PROGRESS:
		p = (struct build_progress){
			.step = (size_t)json_path_int(j, "i", 0),
			.n_steps = (size_t)json_path_int(j, "n", 0),
			.line = (unsigned)json_path_int(j, "line", 0),
			.text = json_path_str(j, "text", ""),
			.cached = json_path_bool(j, "cached", false),
		};
		if (b->cb.progress)
			b->cb.progress(b, &p, b->data);
		break;
	case BUILD_MSG_LOG:
		if (b->cb.log)
			b->cb.log(b, json_path_str(j, "line", ""), b->data);
		break;
	case BUILD_MSG_PLAN:
	case BUILD_MSG_DONE:
		json_decref(b->result);
		b->result = TAKE_PTR(j);
		break;
	case BUILD_MSG_ERROR:
		read_error(b, j);
		break;
	}
}

/* The worker ended without having said why. */
static void guess_error(struct build *b, const struct worker *w, int status)
{
	if (status == -ETIMEDOUT)
		(void)err_set(&b->err, ERR_INVALID, ETIMEDOUT, "BuildFailed",
			      "the build did not end within %llu seconds",
			      (unsigned long long)b->deadline_ms / 1000);
	else
		(void)err_set(&b->err, ERR_TRANSIENT, EIO, "BuildFailed",
			      "the build worker ended with status %d: %s", status,
			      worker_stderr(w));
}

static void on_end(struct worker *w, int status, void *data)
{
	struct build *b = data;
	const char *digest = json_path_str(b->result, "digest", NULL);
	bool ok = b->result && status == 0 && b->err.kind == ERR_NONE && (b->plan || digest);

	if (!ok && b->err.kind == ERR_NONE)
		guess_error(b, w, status);
	if (b->plan)
		b->plan(b, ok ? b->result : NULL, ok ? NULL : &b->err, b->data);
	else
		b->cb.end(b, ok ? digest : NULL, ok ? NULL : &b->err, b->data);
}

/* Takes over B, also on failure. */
static int start(struct build **ret, struct build *b, sd_event *loop, const json_t *request,
		 struct err *err)
{
	_cleanup_(build_cancelp) struct build *owned = b;
	autojson *copy = json_copy((json_t *)request);
	bool host = str_eq(json_path_str(request, "network", "none"), "host");
	struct worker_options o = {
		.name = BUILD_WORKER,
		.deadline_ms = b->deadline_ms,
		.pass_fd = -1,
		.no_network = !host && !b->plan,
		.on_message = on_message,
		.on_end = on_end,
		.data = b,
	};
	int r;

	json_set(copy, "planOnly", json_boolean(b->plan != NULL));
	r = worker_spawn(&b->worker, loop, &o, err);
	if (r < 0)
		return r;
	worker_send_json(b->worker, BUILD_MSG_REQUEST, copy);
	*ret = TAKE_PTR(owned);
	return 0;
}

int build_plan_start(struct build **ret, sd_event *loop, const json_t *request, build_plan_fn fn,
		     void *data, struct err *err)
{
	struct build *b = NEW(struct build);

	assert(fn);
	*b = (struct build){.plan = fn, .data = data, .deadline_ms = BUILD_PLAN_DEADLINE_MS};
	return start(ret, b, loop, request, err);
}

int build_start(struct build **ret, sd_event *loop, const json_t *request,
		const struct build_callbacks *cb, void *data, struct err *err)
{
	int64_t deadline = json_path_int(request, "deadlineMs", 0);
	struct build *b = NEW(struct build);

	assert(cb->end);
	*b = (struct build){.cb = *cb,
			    .data = data,
			    .deadline_ms = deadline > 0 ? (uint64_t)deadline : BUILD_DEADLINE_MS};
	return start(ret, b, loop, request, err);
}
