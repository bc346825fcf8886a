/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of workers: four at most, one per pod, in order. Each verb has a row with its deadline
 * and what follows.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "runtime/pod_priv.h"

#define MESSAGE_JOB 1
#define RETRY_MAX_MS 30000

static void network_done(struct pod_task *t, const struct err *err);
static void sandbox_done(struct pod_task *t, const struct err *err);
static void start_done(struct pod_task *t, const struct err *err);
static void clean_done(struct pod_task *t, const struct err *err);
static void kill_done(struct pod_task *t, const struct err *err);
static void down_done(struct pod_task *t, const struct err *err);
static void host_done(struct pod_task *t, const struct err *err);
static void queue_run(struct pod_runtime *rt);

/* clang-format off */
static const struct {
	const char *name;
	uint64_t deadline_ms;
	void (*done)(struct pod_task *t, const struct err *err); /* ERR NULL: it succeeded */
} verbs[POD_VERB_N_] = {
	[POD_VERB_NETWORK_UP]      = {"network-up",      30000, network_done},
	[POD_VERB_SANDBOX_UP]      = {"sandbox-up",      60000, sandbox_done},
	[POD_VERB_CONTAINER_START] = {"container-start", 90000, start_done},
	[POD_VERB_CONTAINER_CLEAN] = {"container-clean", 60000, clean_done},
	[POD_VERB_CONTAINER_KILL]  = {"container-clean", 60000, kill_done},
	[POD_VERB_POD_DOWN]        = {"pod-down",        90000, down_done},
	[POD_VERB_HOST_DOWN]       = {"host-down",       60000, host_done},
};
/* clang-format on */

static void task_free(struct pod_task *t)
{
	(void)worker_free(t->worker);
	json_decref(t->message);
	json_decref(t->reply);
	free(t);
}

static json_t *make_message(struct pod_runtime *rt, enum pod_verb verb, struct pod *pod)
{
	json_t *m = json_object();

	json_set(m, "verb", json_text(verbs[verb].name));
	json_set(m, "runDir", json_text(rt->run_dir));
	json_set(m, "stateDir", json_text(rt->state_dir));
	json_set(m, "bridge", json_text(rt->bridge));
	json_set(m, "podCidr", json_text(rt->pod_cidr));
	json_set(m, "cgroupRoot", json_text(rt->cgroup_root));
	json_set(m, "monitorsApart", json_boolean(rt->monitors_apart));
	json_set(m, "crun", json_text(rt->crun_path));
	json_set(m, "logBytes", json_integer((json_int_t)rt->log_bytes));
	json_set(m, "logFiles", json_integer((json_int_t)rt->log_files));
	json_set(m, "uid", json_text(pod ? pod->uid : ""));
	if (pod && pod->qos)
		json_set(m, "qos", json_text(pod->qos));
	return m;
}

void pod_task_add(struct pod_runtime *rt, enum pod_verb verb, struct pod *pod,
		  struct pod_container *container, json_t *extra)
{
	struct pod_task *t = NEW(struct pod_task), **at = &rt->queue;

	assert(verb < POD_VERB_N_);
	*t = (struct pod_task){
		.rt = rt,
		.verb = verb,
		.pod = pod,
		.container = container,
		.message = make_message(rt, verb, pod),
	};
	(void)json_object_update(t->message, extra);
	json_decref(extra);
	while (*at)
		at = &(*at)->next;
	*at = t;
	/* From the loop, so that nothing is reported before the operation returned. */
	pod_turn(rt);
}

void pod_task_cancel(struct pod *pod)
{
	struct pod_task **at = &pod->rt->queue;

	while (*at) {
		struct pod_task *t = *at;

		if (t->pod != pod || t->verb == POD_VERB_POD_DOWN) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		task_free(t);
	}
}

void pod_task_free_all(struct pod_runtime *rt)
{
	while (rt->queue) {
		struct pod_task *t = rt->queue;

		rt->queue = t->next;
		task_free(t);
	}
	for (size_t i = 0; i < rt->n_running; i++)
		task_free(rt->running[i]);
	rt->n_running = 0;
}

static void on_message(struct worker *w UNUSED, const struct ipc_msg *m, void *data)
{
	struct pod_task *t = data;

	if (m->type != MESSAGE_JOB || t->reply)
		return;
	(void)json_parse(&t->reply, m->data, m->len, IPC_MAX_BYTES, NULL);
}

/* The worker's answer as an error: true when it is one. */
static bool read_error(struct err *ret, const struct pod_task *t, int status)
{
	const json_t *e = json_object_get(t->reply, "error");

	if (json_object_get(t->reply, "ok"))
		return false;
	if (!e) {
		(void)err_set(ret, ERR_TRANSIENT, EIO, NULL, "recond-pod %s %s (%d)%s%s",
			      verbs[t->verb].name,
			      status == -ETIMEDOUT ? "did not end in time" : "ended early", status,
			      *worker_stderr(t->worker) ? ": " : "", worker_stderr(t->worker));
		return true;
	}
	(void)err_set(ret, (enum err_kind)json_path_int(e, "kind", ERR_TRANSIENT),
		      (int)json_path_int(e, "code", -EIO), json_path_str(e, "reason", ""), "%s",
		      json_path_str(e, "message", ""));
	return true;
}

/* What T was for is done, or has failed with ERR. A task that is to be repeated is put first. */
static void finish(struct pod_task *t, const struct err *err)
{
	verbs[t->verb].done(t, err);
	if (!t->again) {
		task_free(t);
		return;
	}
	t->again = false;
	t->worker = worker_free(t->worker);
	json_decref(t->reply);
	t->reply = NULL;
	t->next = t->rt->queue;
	t->rt->queue = t;
}

static void on_end(struct worker *w UNUSED, int status, void *data)
{
	struct pod_task *t = data;
	struct pod_runtime *rt = t->rt;
	struct err err = {0};
	bool failed = read_error(&err, t, status);

	for (size_t i = 0; i < rt->n_running; i++)
		if (rt->running[i] == t)
			rt->running[i--] = rt->running[--rt->n_running];
	if (t->pod)
		t->pod->busy = false;
	finish(t, failed ? &err : NULL);
	queue_run(rt);
}

static bool is_runnable(const struct pod_task *t)
{
	if (t->pod && (t->pod->busy || (t->pod->stalled && t->verb != POD_VERB_POD_DOWN)))
		return false;
	return t->verb != POD_VERB_SANDBOX_UP || t->rt->network_ready;
}

static void spawn(struct pod_task *t)
{
	struct worker_options o = {
		.name = "recond-pod",
		.deadline_ms = verbs[t->verb].deadline_ms,
		.pass_fd = -1,
		.on_message = on_message,
		.on_end = on_end,
		.data = t,
	};
	struct pod_runtime *rt = t->rt;
	struct err err = {0};

	if (worker_spawn(&t->worker, rt->loop, &o, &err) < 0) {
		finish(t, &err);
		return;
	}
	worker_send_json(t->worker, MESSAGE_JOB, t->message);
	worker_finish_input(t->worker);
	/* It may hold secrets, and the worker has its copy now. */
	if (t->verb != POD_VERB_CONTAINER_KILL) {
		json_decref(t->message);
		t->message = NULL;
	}
	if (t->pod)
		t->pod->busy = true;
	GROW(rt->running, rt->cap_running, rt->n_running + 1);
	rt->running[rt->n_running++] = t;
}

static void queue_run(struct pod_runtime *rt)
{
	struct pod_task **at = &rt->queue;

	while (*at && rt->n_running < POD_MAX_WORKERS) {
		struct pod_task *t = *at;

		if (!is_runnable(t)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->next = NULL;
		spawn(t);
		at = &rt->queue;
	}
}

void pod_task_run(struct pod_runtime *rt)
{
	queue_run(rt);
}

static void network_done(struct pod_task *t, const struct err *err)
{
	struct pod_runtime *rt = t->rt;
	struct pod_task **at = &rt->queue, *failed = NULL;

	rt->network_wanted = false;
	rt->network_ready = !err;
	if (!err) {
		if (!json_path_bool(t->reply, "ok.masquerade", true))
			log_warn("no nft program: pods cannot reach beyond this host",
				 LOG_KV("bridge", rt->bridge));
		return;
	}
	/* The next sandbox tries again; a callback may ask for it, so first take out those of now.
	 */
	while (*at) {
		struct pod_task *s = *at;

		if (s->verb != POD_VERB_SANDBOX_UP) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = failed;
		failed = s;
	}
	while (failed) {
		struct pod_task *s = failed;

		failed = s->next;
		sandbox_done(s, err);
		task_free(s);
	}
}

static void sandbox_done(struct pod_task *t, const struct err *err)
{
	struct pod *pod = t->pod;
	struct pod_runtime *rt = t->rt;
	char ip[CIDR_ADDRESS_SIZE] = "";

	if (pod->state == POD_GOING)
		return;
	pod->state = err ? POD_FAILED : POD_READY;
	if (pod->ip)
		cidr_format_address(ip, pod->ip);
	if (err)
		rt->callbacks.sandbox_failed(pod->uid, err, rt->data);
	else
		rt->callbacks.sandbox_ready(pod->uid, ip, rt->data);
}

static void start_done(struct pod_task *t, const struct err *err)
{
	struct pod_container *c = t->container;

	if (t->pod->state == POD_GOING)
		return;
	c->has_worker = false;
	/* Without an answer nobody knows how far it came. */
	if (err)
		pod_start_failed(c, err,
				 !t->reply || json_path_bool(t->reply, "error.remains", false));
	else
		pod_look(c);
}

static void clean_done(struct pod_task *t, const struct err *err)
{
	if (err)
		log_warn("removing a container's remains failed", LOG_KV("pod", t->pod->uid),
			 LOG_ERR(err));
}

static void on_retry(void *data)
{
	struct pod *pod = data;

	pod->stalled = false;
	if (pod->state == POD_GOING)
		pod_task_add(pod->rt, POD_VERB_POD_DOWN, pod, NULL, pod_down_extra(pod));
	else
		queue_run(pod->rt);
}

static void retry_later(struct pod *pod)
{
	uint64_t wait_ms = UINT64_C(250) << (pod->failures < 8 ? pod->failures : 8);

	pod->failures++;
	(void)loop_timer(&pod->retry, pod->rt->loop,
			 wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS, on_retry, pod);
}

static void kill_done(struct pod_task *t, const struct err *err)
{
	struct pod *pod = t->pod;

	if (pod->state == POD_GOING)
		return;
	if (err) {
		log_warn("what may run of a container cannot be removed; trying again",
			 LOG_KV("pod", pod->uid), LOG_ERR(err));
		t->again = true;
		pod->stalled = true;
		retry_later(pod);
		return;
	}
	pod->failures = 0;
	if (t->container)
		pod_lost_cleaned(t->container);
}

static void down_done(struct pod_task *t, const struct err *err)
{
	struct pod_runtime *rt = t->rt;
	struct pod *pod = t->pod;
	autofree char *uid = NULL;

	if (err) {
		retry_later(pod);
		rt->callbacks.pod_down_failed(pod->uid, err, rt->data);
		return;
	}
	uid = mem_strdup(pod->uid);
	pod_drop(pod);
	t->pod = NULL;
	rt->callbacks.pod_gone(uid, rt->data);
}

static void host_done(struct pod_task *t, const struct err *err)
{
	struct pod_runtime *rt = t->rt;

	if (rt->callbacks.host_down)
		rt->callbacks.host_down(err ? NULL : json_path(t->reply, "ok.kept"), err, rt->data);
}
