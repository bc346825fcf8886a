/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs which check, and what becomes of it when its worker dies, hangs or talks nonsense. The
 * workers keep the timeouts; a clock here only catches a worker that does not.
 */
#include "runtime/prober.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/worker.h"
#include "runtime/prober_wire.h"

#define IDLE_MS 60000
#define LATE_MS 10000 /* beyond its timeout a check's worker must be broken */

enum role { ROLE_NETWORK, ROLE_EXEC, ROLE_N_ };

static const struct {
	const char *program;
	uint64_t limit_as_bytes;
	bool no_network;
} roles[ROLE_N_] = {
	[ROLE_NETWORK] = {"recond-prober", UINT64_C(1) << 30, false},
	[ROLE_EXEC] = {"recond-exec", 0, true}, /* a limit would be inherited by crun */
};

struct check {
	struct prober_worker *worker;
	char *id;
	uint64_t seq;
	uint64_t timeout_ms;
	char *failure; /* to be reported on the next turn; NULL while it runs */
	sd_event_source *late;
};

struct prober_worker {
	struct prober *prober;
	enum role role;
	struct worker *worker; /* NULL while none is needed */
	size_t open;
	sd_event_source *idle;
};

struct prober {
	sd_event *loop;
	uint64_t idle_ms;
	prober_done_fn done;
	void *data;
	struct prober_worker workers[ROLE_N_];
	struct check **checks;
	size_t n, cap;
	uint64_t last_seq;
	sd_event_source *turn;
};

/* ---- checks ---- */

static void check_free(struct check *c)
{
	(void)sd_event_source_disable_unref(c->late);
	free(c->id);
	free(c->failure);
	free(c);
}

static void on_idle(void *data)
{
	struct prober_worker *w = data;

	w->worker = worker_free(w->worker);
}

/* Forget the check at index I. */
static void drop(struct prober *p, size_t i)
{
	struct check *c = p->checks[i];
	struct prober_worker *w = c->worker;

	assert(i < p->n && w->open > 0);
	p->checks[i] = p->checks[--p->n];
	w->open--;
	if (w->open == 0 && w->worker)
		(void)loop_timer(&w->idle, p->loop, p->idle_ms, on_idle, w);
	check_free(c);
}

/* The check at index I has ended. */
static void end(struct prober *p, size_t i, bool ok, const char *message)
{
	autofree char *id = mem_strdup(p->checks[i]->id);

	drop(p, i);
	p->done(id, ok, message, p->data);
}

static void fail_later(struct check *c, const char *message)
{
	struct prober *p = c->worker->prober;

	loop_timer_stop(c->late);
	free(c->failure);
	c->failure = mem_strdup(message);
	(void)sd_event_source_set_enabled(p->turn, SD_EVENT_ONESHOT);
}

/* A callback may add and cancel checks, so begin again after each. */
static int on_turn(sd_event_source *s UNUSED, void *data)
{
	struct prober *p = data;

	for (size_t i = 0; i < p->n;) {
		autofree char *failure = TAKE_PTR(p->checks[i]->failure);

		if (!failure) {
			i++;
			continue;
		}
		end(p, i, false, failure);
		i = 0;
	}
	return 0;
}

static void on_late(void *data)
{
	struct check *c = data;

	log_warn("a worker does not end its checks in time: killed",
		 LOG_KV("worker", roles[c->worker->role].program), LOG_KV("check", c->id));
	if (c->worker->worker)
		worker_kill(c->worker->worker);
}

/* ---- workers ---- */

static struct check *find_seq(struct prober *p, uint64_t seq, size_t *ret_i)
{
	for (*ret_i = 0; *ret_i < p->n; ++*ret_i)
		if (p->checks[*ret_i]->seq == seq && !p->checks[*ret_i]->failure)
			return p->checks[*ret_i];
	return NULL;
}

static void on_message(struct worker *worker, const struct ipc_msg *m, void *data)
{
	struct prober_worker *w = data;
	autojson *j = NULL;
	struct check *c;
	size_t i;

	if (m->type != PROBER_MSG_DONE ||
	    json_parse(&j, m->data, m->len, PROBER_ANSWER_MAX, NULL) < 0) {
		worker_kill(worker);
		return;
	}
	/* None when it was cancelled meanwhile. */
	c = find_seq(w->prober, (uint64_t)json_path_int(j, "seq", 0), &i);
	if (c && c->worker == w)
		end(w->prober, i, json_path_bool(j, "ok", false), json_path_str(j, "message", ""));
}

static void on_end(struct worker *worker, int status, void *data)
{
	struct prober_worker *w = data;
	struct prober *p = w->prober;
	autofree char *said = mem_strdup(worker_stderr(worker));
	autofree char *message = mem_asprintf("%s ended early (%d)%s%s", roles[w->role].program,
					      status, *said ? ": " : "", said);

	w->worker = worker_free(worker);
	loop_timer_stop(w->idle);
	if (w->open > 0)
		log_warn("a worker of checks died", LOG_KV("worker", roles[w->role].program),
			 LOG_KV("said", said));
	for (size_t i = 0; i < p->n; i++)
		if (p->checks[i]->worker == w && !p->checks[i]->failure)
			fail_later(p->checks[i], message);
}

static int ensure_worker(struct prober_worker *w, struct err *err)
{
	struct worker_options o = {
		.name = roles[w->role].program,
		.pass_fd = -1,
		.no_network = roles[w->role].no_network,
		.on_message = on_message,
		.on_end = on_end,
		.data = w,
	};

#ifndef __SANITIZE_ADDRESS__
	o.limit_as_bytes = roles[w->role].limit_as_bytes;
#endif
	loop_timer_stop(w->idle);
	return w->worker ? 0 : worker_spawn(&w->worker, w->prober->loop, &o, err);
}

/* ---- public ---- */

struct prober *prober_new(sd_event *loop, uint64_t idle_ms, prober_done_fn done, void *data)
{
	struct prober *p = NEW(struct prober);

	assert(done);
	p->loop = sd_event_ref(loop);
	p->idle_ms = idle_ms ? idle_ms : IDLE_MS;
	p->done = done;
	p->data = data;
	for (enum role r = 0; r < ROLE_N_; r++)
		p->workers[r] = (struct prober_worker){.prober = p, .role = r};
	if (sd_event_add_defer(loop, &p->turn, on_turn, p) < 0)
		abort();
	(void)sd_event_source_set_enabled(p->turn, SD_EVENT_OFF);
	return p;
}

struct prober *prober_free(struct prober *p)
{
	if (!p)
		return NULL;
	while (p->n > 0)
		check_free(p->checks[--p->n]);
	for (enum role r = 0; r < ROLE_N_; r++) {
		(void)worker_free(p->workers[r].worker);
		(void)sd_event_source_disable_unref(p->workers[r].idle);
	}
	(void)sd_event_source_disable_unref(p->turn);
	(void)sd_event_unref(p->loop);
	free(p->checks);
	free(p);
	return NULL;
}

static struct check *find_id(const struct prober *p, const char *id, size_t *ret_i)
{
	for (*ret_i = 0; *ret_i < p->n; ++*ret_i)
		if (str_eq(p->checks[*ret_i]->id, id))
			return p->checks[*ret_i];
	return NULL;
}

static struct check *add(struct prober *p, const char *id, const json_t *request)
{
	bool exec = str_eq(json_path_str(request, "type", ""), "exec");
	int64_t timeout = json_path_int(request, "timeoutMs", 1000);
	struct check *c = NEW(struct check);

	c->worker = &p->workers[exec ? ROLE_EXEC : ROLE_NETWORK];
	c->worker->open++;
	c->id = mem_strdup(id);
	c->seq = ++p->last_seq;
	c->timeout_ms = timeout > 0 ? (uint64_t)timeout : 1;
	GROW(p->checks, p->cap, p->n + 1);
	p->checks[p->n++] = c;
	return c;
}

static void send_check(struct check *c, const json_t *request)
{
	autojson *message = json_copy((json_t *)request);
	autofree char *text = NULL;
	struct err err = {0};

	json_set(message, "seq", json_integer((json_int_t)c->seq));
	text = json_dumps(message, JSON_COMPACT);
	if (!text || strlen(text) > PROBER_REQUEST_MAX) {
		fail_later(c, "the check is too large");
		return;
	}
	if (ensure_worker(c->worker, &err) < 0) {
		fail_later(c, err.message);
		return;
	}
	worker_send(c->worker->worker, PROBER_MSG_CHECK, text, strlen(text));
	(void)loop_timer(&c->late, c->worker->prober->loop, c->timeout_ms + LATE_MS, on_late, c);
}

void prober_check(struct prober *p, const char *id, const json_t *request)
{
	size_t i;

	if (!find_id(p, id, &i))
		send_check(add(p, id, request), request);
}

void prober_cancel(struct prober *p, const char *id)
{
	autojson *message = NULL;
	struct check *c;
	size_t i;

	c = find_id(p, id, &i);
	if (!c)
		return;
	message = json_pack("{s:I}", "seq", (json_int_t)c->seq);
	if (c->worker->worker && !c->failure)
		worker_send_json(c->worker->worker, PROBER_MSG_CANCEL, message);
	drop(p, i);
}

size_t prober_open(const struct prober *p)
{
	return p->n;
}
