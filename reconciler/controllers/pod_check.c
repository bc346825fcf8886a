/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acting half of probes and hooks: asking through the ports and feeding answers to the state
 * machines. Probes have a queue class of their own, so that a run of one costs no look at its pod.
 */
#include "reconciler/controllers/pod_check.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/controllers/check_request.h"
#include "reconciler/controllers/pod_request.h"
#include "reconciler/events.h"

#define HOOK_ASK_AGAIN_MS (60ull * 1000) /* ports ignore it while the first one runs */
#define HOOK_MAX_MS INT32_MAX            /* a postStart hook may take as long as it likes */

static void probe_answered(struct reconciler *r, struct pod_run *run, struct container_run *c,
			   enum probe_type type, const char *failure);

/* ---- ids ---- */

char *pod_check_id(const char *uid, const char *container, unsigned int attempt, const char *check)
{
	assert(*uid && *container && *check);
	return mem_asprintf("%s/%s/%u/%s", uid, container, attempt, check);
}

bool pod_check_id_parse(struct pod_check_id *ret, const char *id)
{
	const char *container = strchr(id, '/'), *attempt, *check;
	char *end = NULL;
	unsigned long n;

	attempt = container ? strchr(container + 1, '/') : NULL;
	check = attempt ? strchr(attempt + 1, '/') : NULL;
	if (!check || check[1] == '\0' || attempt[1] < '0' || attempt[1] > '9')
		return false;
	errno = 0;
	n = strtoul(attempt + 1, &end, 10);
	if (errno || end != check || n > UINT_MAX)
		return false;
	*ret = (struct pod_check_id){
		.uid = mem_strndup(id, (size_t)(container - id)),
		.container = mem_strndup(container + 1, (size_t)(attempt - container - 1)),
		.attempt = (unsigned int)n,
		.check = mem_strdup(check + 1),
	};
	return true;
}

void pod_check_id_deinit(struct pod_check_id *id)
{
	free(id->uid);
	free(id->container);
	free(id->check);
	*id = (struct pod_check_id){0};
}

/* ---- asking ---- */

static void give_up(struct reconciler *r, const struct pod_run *run, const struct container_run *c,
		    const char *check)
{
	autofree char *id = pod_check_id(run->uid, c->name, c->attempt, check);

	effect_check_cancel(r, id);
}

static struct check_target target_of(const struct reconciler *r, const json_t *pod,
				     const struct pod_run *run, const struct container_run *c)
{
	return (struct check_target){
		.pod_uid = run->uid,
		.container = c->name,
		.attempt = c->attempt,
		.address = run->ip && *run->ip ? run->ip : r->host_ip,
		.spec = pod_request_container_spec(pod, c->name),
	};
}

static void ask_probe(struct reconciler *r, struct pod_run *run, struct container_run *c,
		      enum probe_type type)
{
	const json_t *pod = store_get_uid(r->store, run->uid);
	struct check_target target = target_of(r, pod, run, c);
	struct probe *p = &c->probes[type];
	autofree char *id = pod_check_id(run->uid, c->name, c->attempt, probe_name(type));
	json_t *request = NULL;
	struct err err = {0};

	target.timeout_ms = p->timeout_ms;
	probe_ask(p, reconciler_now_ms(r));
	if (check_request_probe(&request, &target, json_path(target.spec, probe_field(type)),
				&err) < 0)
		probe_answered(r, run, c, type, err.message);
	else
		effect_check(r, id, request);
}

static void look_at_probe(struct reconciler *r, struct pod_run *run, struct container_run *c,
			  enum probe_type type)
{
	struct probe *p = &c->probes[type];
	uint64_t now = reconciler_now_ms(r);

	if (!probes_run(c->probes, type, run->ending) || p->due_ms > now)
		return;
	if (probe_overdue(p, now)) {
		give_up(r, run, c, probe_name(type));
		probe_answered(r, run, c, type, "no answer within its time");
	} else {
		ask_probe(r, run, c, type);
	}
}

void pod_check_reconcile(struct reconciler *r, const char *key)
{
	struct pod_run *run = pods_get(r->pods, key);

	if (!run || !r->recovered || !store_get_uid(r->store, key))
		return;
	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];

		for (int type = 0; type < PROBE_N_ && container_run_up(c); type++)
			look_at_probe(r, run, c, (enum probe_type)type);
	}
	pod_check_schedule(r, run);
}

static void drop_probes_of_ending(struct reconciler *r, struct pod_run *run,
				  struct container_run *c)
{
	for (int type = 0; type < PROBE_N_; type++) {
		if (!c->probes[type].asked || probes_run(c->probes, (enum probe_type)type, true))
			continue;
		give_up(r, run, c, probe_name((enum probe_type)type));
		c->probes[type].asked = false;
	}
}

void pod_check_schedule(struct reconciler *r, struct pod_run *run)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];
		uint64_t at =
			container_run_up(c) ? probes_next_ms(c->probes, run->ending) : UINT64_MAX;

		if (run->ending)
			drop_probes_of_ending(r, run, c);
		if (at < next)
			next = at;
	}
	queue_remove(r->queue, WORK_PROBE, run->uid);
	if (next != UINT64_MAX)
		queue_add(r->queue, WORK_PROBE, run->uid, next);
}

void pod_check_abandon(struct reconciler *r, const struct pod_run *run, struct container_run *c)
{
	for (int type = 0; type < PROBE_N_; type++) {
		if (c->probes[type].asked)
			give_up(r, run, c, probe_name((enum probe_type)type));
		c->probes[type].asked = false;
	}
	if (c->post_start == HOOK_RUNNING)
		give_up(r, run, c, CHECK_POST_START);
	if (c->stop.phase == STOP_HOOK)
		give_up(r, run, c, CHECK_PRE_STOP);
}

/* ---- probes answer ---- */

static void kill_for_probe(struct reconciler *r, const json_t *pod, struct container_run *c,
			   enum probe_type type)
{
	int64_t grace_s = json_path_int(pod, "spec.terminationGracePeriodSeconds", 30);
	const char *policy = json_path_str(pod, "spec.restartPolicy", "Always");
	bool again = c->role == CONTAINER_SIDECAR || !str_eq(policy, "Never");

	if (c->probes[type].grace_s >= 0)
		grace_s = c->probes[type].grace_s;
	if (c->stop.phase != STOP_NONE)
		return;
	stop_move(&c->stop, STOP_WANTED);
	c->stop.grace_ms = (uint64_t)grace_s * 1000;
	events_normal(r, pod, "kubelet", "Killing", "Container %s failed %s probe%s", c->name,
		      probe_name(type), again ? ", will be restarted" : "");
}

/* FAILURE: what the probe complains about; NULL: it succeeded. */
static void probe_answered(struct reconciler *r, struct pod_run *run, struct container_run *c,
			   enum probe_type type, const char *failure)
{
	const json_t *pod = store_get_uid(r->store, run->uid);
	enum probe_verdict verdict = probes_answer(c->probes, type, !failure, reconciler_now_ms(r));

	if (pod && failure)
		events_warning(r, pod, "kubelet", "Unhealthy", "%s probe failed: %s",
			       probe_title(type), failure);
	if (pod && verdict == PROBE_KILL)
		kill_for_probe(r, pod, c, type);
	if (verdict != PROBE_UNCHANGED)
		reconciler_queue(r, WORK_POD, run->uid);
}

/* ---- hooks ---- */

static uint64_t sleep_ms(const json_t *hook)
{
	return json_path(hook, "sleep") ? (uint64_t)json_path_int(hook, "sleep.seconds", 0) * 1000
					: UINT64_MAX;
}

static void post_start_failed(struct reconciler *r, const json_t *pod, struct container_run *c,
			      const char *message)
{
	int64_t grace_s = json_path_int(pod, "spec.terminationGracePeriodSeconds", 30);

	c->post_start = HOOK_FAILED;
	(void)err_set(&c->hook_failure, ERR_TRANSIENT, EIO, "PostStartHookError", "%s", message);
	if (c->stop.phase != STOP_NONE)
		return;
	stop_move(&c->stop, STOP_WANTED);
	c->stop.grace_ms = (uint64_t)grace_s * 1000;
	events_warning(r, pod, "kubelet", "FailedPostStartHook", "PostStartHook failed");
	events_normal(r, pod, "kubelet", "Killing", "FailedPostStartHook");
}

static void post_start_over(const json_t *pod, struct container_run *c)
{
	c->post_start = HOOK_OVER;
	probes_begin(c->probes, pod_request_container_spec(pod, c->name), c->started_ms);
}

void pod_check_post_start(struct reconciler *r, const json_t *pod, const struct pod_run *run,
			  struct container_run *c)
{
	struct check_target target = target_of(r, pod, run, c);
	const json_t *hook = json_path(target.spec, "lifecycle.postStart");
	autofree char *id = pod_check_id(run->uid, c->name, c->attempt, CHECK_POST_START);
	bool again = c->post_start == HOOK_RUNNING;
	uint64_t sleep = sleep_ms(hook);
	json_t *request = NULL;
	struct err err = {0};

	assert(c->post_start == HOOK_DUE || again);
	if (sleep != UINT64_MAX && again) {
		post_start_over(pod, c);
		return;
	}
	c->post_start = HOOK_RUNNING;
	c->hook_ms = reconciler_now_ms(r) + (sleep != UINT64_MAX ? sleep : HOOK_ASK_AGAIN_MS);
	target.timeout_ms = HOOK_MAX_MS;
	if (sleep != UINT64_MAX)
		return;
	if (check_request_hook(&request, &target, hook, &err) < 0)
		post_start_failed(r, pod, c, err.message);
	else
		effect_check(r, id, request);
}

bool pod_check_pre_stop(struct reconciler *r, const json_t *pod, const struct pod_run *run,
			struct container_run *c, uint64_t grace_ms)
{
	struct check_target target = target_of(r, pod, run, c);
	const json_t *hook = json_path(target.spec, "lifecycle.preStop");
	autofree char *id = pod_check_id(run->uid, c->name, c->attempt, CHECK_PRE_STOP);
	uint64_t sleep = sleep_ms(hook);
	json_t *request = NULL;
	struct err err = {0};

	if (c->post_start == HOOK_RUNNING)
		give_up(r, run, c, CHECK_POST_START);
	if (!hook || grace_ms == 0)
		return false;
	c->stop.hook_end_ms = sleep == UINT64_MAX ? UINT64_MAX : reconciler_now_ms(r) + sleep;
	target.timeout_ms = grace_ms;
	if (sleep != UINT64_MAX)
		return true;
	if (check_request_hook(&request, &target, hook, &err) < 0) {
		events_warning(r, pod, "kubelet", "FailedPreStopHook", "PreStopHook failed");
		return false;
	}
	effect_check(r, id, request);
	return true;
}

void pod_check_pre_stop_end(struct reconciler *r, const struct pod_run *run,
			    const struct container_run *c)
{
	if (c->stop.hook_end_ms == UINT64_MAX)
		give_up(r, run, c, CHECK_PRE_STOP);
}

static void hook_answered(struct reconciler *r, const json_t *pod, struct pod_run *run,
			  struct container_run *c, const char *check, const char *failure)
{
	if (str_eq(check, CHECK_POST_START) && c->post_start == HOOK_RUNNING) {
		if (failure)
			post_start_failed(r, pod, c, failure);
		else
			post_start_over(pod, c);
	} else if (str_eq(check, CHECK_PRE_STOP) && c->stop.phase == STOP_HOOK) {
		if (failure)
			events_warning(r, pod, "kubelet", "FailedPreStopHook",
				       "PreStopHook failed");
		c->stop.hook_end_ms = reconciler_now_ms(r);
	} else {
		return;
	}
	reconciler_queue(r, WORK_POD, run->uid);
}

/*
 * An answer that nobody waits for (a container that ended meanwhile, a check asked for by an
 * earlier life of the daemon) is dropped.
 */
void reconciler_check_done(struct reconciler *r, const char *id, bool ok, const char *message)
{
	struct pod_check_id parts = {0};
	struct pod_run *run = pod_check_id_parse(&parts, id) ? pods_get(r->pods, parts.uid) : NULL;
	struct container_run *c = run ? pod_run_container(run, parts.container) : NULL;
	const json_t *pod = run ? store_get_uid(r->store, run->uid) : NULL;
	enum probe_type type;

	if (pod && c && c->state == CONTAINER_RUNNING && c->attempt == parts.attempt) {
		if (!probe_type_parse(&type, parts.check)) {
			hook_answered(r, pod, run, c, parts.check, ok ? NULL : message);
		} else if (c->probes[type].asked) {
			probe_answered(r, run, c, type, ok ? NULL : message);
			pod_check_schedule(r, run);
		}
	}
	pod_check_id_deinit(&parts);
}
