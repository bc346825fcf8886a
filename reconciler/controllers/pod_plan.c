/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure half of the pod controller. Every decision looks at levels (what is there now), so that
 * a restart of recond between any two steps continues where it was.
 */
#include "reconciler/controllers/pod_plan.h"

#include <assert.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

#define BACKOFF_FIRST_S 10
#define BACKOFF_MAX_S 300
#define BACKOFF_RESET_MS (600ull * 1000)

/* clang-format off */
static const char *const step_names[POD_STEP_N_] = {
	[POD_STEP_NONE]            = "none",
	[POD_STEP_SANDBOX_UP]      = "sandbox-up",
	[POD_STEP_CONTAINER_START] = "container-start",
	[POD_STEP_POST_START]      = "post-start",
	[POD_STEP_STOP_BEGIN]      = "stop-begin",
	[POD_STEP_STOP_HOOK_END]   = "stop-hook-end",
	[POD_STEP_CONTAINER_STOP]  = "container-stop",
	[POD_STEP_CONTAINER_KILL]  = "container-kill",
	[POD_STEP_DOWN]            = "down",
	[POD_STEP_FORGET]          = "forget",
};
/* clang-format on */

const char *pod_step_name(enum pod_step_type type)
{
	assert(type < POD_STEP_N_);
	return step_names[type];
}

static struct pod_step step(enum pod_step_type type, struct container_run *c)
{
	return (struct pod_step){.type = type, .c = c, .again_ms = UINT64_MAX};
}

static struct pod_step wait_until(uint64_t again_ms)
{
	return (struct pod_step){.type = POD_STEP_NONE, .again_ms = again_ms};
}

/* ---- restarting ---- */

/* One of an earlier sandbox has prepared nothing in this one. */
static bool init_may_restart(const char *policy, const struct container_run *c, int64_t code)
{
	return c->stale || (code != 0 && !str_eq(policy, "Never"));
}

bool pod_may_restart(const json_t *pod, const struct container_run *c)
{
	const char *policy = json_path_str(pod, "spec.restartPolicy", "Always");
	int64_t code = json_path_int(c->last, "exit_code", 0);

	assert(c->last);
	if (c->role == CONTAINER_SIDECAR)
		return true;
	if (c->role == CONTAINER_INIT)
		return init_may_restart(policy, c, code);
	if (str_eq(policy, "Never"))
		return false;
	return str_eq(policy, "Always") || code != 0;
}

uint64_t pod_retry_seconds(unsigned int n_failures)
{
	uint64_t s = BACKOFF_FIRST_S;

	for (unsigned int i = 1; i < n_failures && s < BACKOFF_MAX_S; i++)
		s *= 2;
	return s < BACKOFF_MAX_S ? s : BACKOFF_MAX_S;
}

void pod_plan_backoff(struct container_run *c, uint64_t now_ms, uint64_t age_ms, uint64_t ran_ms)
{
	uint64_t wait_ms = 0;

	if (ran_ms > BACKOFF_RESET_MS)
		c->n_backoff = 0;
	if (c->n_backoff > 0)
		wait_ms = pod_retry_seconds(c->n_backoff) * 1000;
	c->retry_ms = now_ms + (wait_ms > age_ms ? wait_ms - age_ms : 0);
	c->n_backoff++;
}

/* ---- the end ---- */

static bool ended_for_good(const json_t *pod, const struct container_run *c)
{
	return c->state == CONTAINER_EXITED && !pod_may_restart(pod, c);
}

static enum pod_end end_of_containers(const json_t *pod, const struct pod_run *run)
{
	bool done = true, any = false;

	for (size_t i = 0; i < run->n_containers; i++) {
		const struct container_run *c = &run->containers[i];

		if (c->role == CONTAINER_INIT && ended_for_good(pod, c) &&
		    json_path_int(c->last, "exit_code", 0) != 0)
			return POD_INIT_FAILED;
		if (c->role == CONTAINER_MAIN) {
			any = true;
			done &= ended_for_good(pod, c);
		}
	}
	return any && done ? POD_DONE : POD_GOES_ON;
}

enum pod_end pod_plan_end(const json_t *pod, const struct pod_run *run, uint64_t now_ms)
{
	const char *phase = json_path_str(pod, "status.phase", "Pending");

	if (object_deleting(pod))
		return POD_DELETED;
	if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
		return POD_TERMINAL;
	if (run->deadline_ms && now_ms >= run->deadline_ms)
		return POD_DEADLINE;
	return end_of_containers(pod, run);
}

/* Sidecars end last, the one that started last first. */
static bool has_turn(const struct pod_run *run, const struct container_run *c)
{
	if (c->role != CONTAINER_SIDECAR || !run->ending)
		return true;
	for (size_t i = 0; i < run->n_containers; i++) {
		const struct container_run *o = &run->containers[i];
		bool before = o->role == CONTAINER_MAIN || (o->role == CONTAINER_SIDECAR && o > c);

		if (before && (o->state == CONTAINER_RUNNING || o->state == CONTAINER_STARTING))
			return false;
	}
	return true;
}

static struct pod_step plan_stop(const struct pod_run *run, struct container_run *c,
				 uint64_t now_ms, uint64_t *again_ms)
{
	static const enum pod_step_type steps[] = {
		[STOP_ACT_NONE] = POD_STEP_NONE,
		[STOP_ACT_BEGIN] = POD_STEP_STOP_BEGIN,
		[STOP_ACT_HOOK_END] = POD_STEP_STOP_HOOK_END,
		[STOP_ACT_SIGNAL] = POD_STEP_CONTAINER_STOP,
		[STOP_ACT_KILL] = POD_STEP_CONTAINER_KILL,
	};
	uint64_t limit_ms = run->grace_end_ms ? run->grace_end_ms : UINT64_MAX;

	return step(steps[stop_plan(&c->stop, limit_ms, has_turn(run, c), now_ms, again_ms)], c);
}

/* What ends: all that runs when ALL, else what failed a probe or a hook. */
static struct pod_step plan_stops(struct pod_run *run, bool all, uint64_t now_ms,
				  uint64_t *again_ms)
{
	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];
		struct pod_step s;

		if (c->state != CONTAINER_RUNNING || (!all && c->stop.phase == STOP_NONE))
			continue;
		s = plan_stop(run, c, now_ms, again_ms);
		if (s.type != POD_STEP_NONE)
			return s;
	}
	return wait_until(*again_ms);
}

/* Everything is told to end and, when all has and the pod was deleted, the way out. */
static struct pod_step plan_ending(struct pod_run *run, enum pod_end end, uint64_t now_ms)
{
	uint64_t again_ms = UINT64_MAX;
	struct pod_step s = plan_stops(run, true, now_ms, &again_ms);

	if (s.type != POD_STEP_NONE || pod_run_busy(run))
		return s;
	if (end != POD_DELETED)
		return wait_until(UINT64_MAX); /* logs and volumes stay until the object goes */
	switch (run->sandbox) {
	case SANDBOX_ABSENT:
	case SANDBOX_GONE:
		return step(POD_STEP_FORGET, NULL);
	case SANDBOX_STARTING: /* its answer comes first: only then is it known what to take down */
	case SANDBOX_STOPPING:
		return wait_until(UINT64_MAX);
	default:
		return step(POD_STEP_DOWN, NULL);
	}
}

/* ---- the beginning ---- */

/* Has anything that comes after container I run in this sandbox? */
static bool went_on(const struct pod_run *run, size_t i)
{
	for (size_t k = i + 1; k < run->n_containers; k++) {
		const struct container_run *c = &run->containers[k];

		if (c->state == CONTAINER_RUNNING || c->state == CONTAINER_STARTING ||
		    (c->last && !c->stale))
			return true;
	}
	return false;
}

static bool prepared(const struct container_run *c)
{
	if (c->role == CONTAINER_SIDECAR)
		return container_run_started(c);
	return c->state == CONTAINER_EXITED && !c->stale &&
	       json_path_int(c->last, "exit_code", 0) == 0;
}

bool pod_plan_initialized(const struct pod_run *run)
{
	bool all = true;

	for (size_t i = 0; i < run->n_containers; i++) {
		const struct container_run *c = &run->containers[i];

		if (c->role != CONTAINER_MAIN)
			all &= prepared(c);
		else if (c->state == CONTAINER_RUNNING || c->state == CONTAINER_STARTING ||
			 (c->last && !c->stale))
			return true;
	}
	return all;
}

static bool container_due(const struct container_run *c, uint64_t now_ms, uint64_t *again_ms)
{
	if (c->retry_ms <= now_ms)
		return true;
	if (c->retry_ms < *again_ms)
		*again_ms = c->retry_ms;
	return false;
}

static struct pod_step plan_post_start(struct container_run *c, uint64_t now_ms, uint64_t *again_ms)
{
	if (c->post_start == HOOK_DUE || (c->post_start == HOOK_RUNNING && c->hook_ms <= now_ms))
		return step(POD_STEP_POST_START, c);
	if (c->post_start == HOOK_RUNNING && c->hook_ms < *again_ms)
		*again_ms = c->hook_ms;
	return wait_until(*again_ms);
}

/* Does what comes after container I wait for it? Init containers have to do their work, but what
 * went on already is not held up by a sidecar that starts again. */
static bool holds_up(const struct pod_run *run, size_t i, bool initialized)
{
	const struct container_run *c = &run->containers[i];

	if (c->state == CONTAINER_STARTING || c->image_wanted ||
	    (c->state == CONTAINER_RUNNING && !container_run_up(c) && c->post_start != HOOK_FAILED))
		return true;
	if (c->role == CONTAINER_MAIN || initialized)
		return false;
	return !prepared(c) && (c->role == CONTAINER_INIT || !went_on(run, i));
}

/* In spec order, each one's start decided before the next one's. */
static struct pod_step plan_starts(const json_t *pod, struct pod_run *run, uint64_t now_ms,
				   uint64_t again_ms)
{
	bool initialized = pod_plan_initialized(run);

	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];
		bool idle = c->state == CONTAINER_WAITING || c->state == CONTAINER_EXITED;
		struct pod_step s;

		if (c->role == CONTAINER_INIT && (initialized || went_on(run, i)))
			continue;
		if (c->state == CONTAINER_RUNNING && c->stop.phase == STOP_NONE) {
			s = plan_post_start(c, now_ms, &again_ms);
			if (s.type != POD_STEP_NONE)
				return s;
		}
		if (idle && !c->image_wanted && !ended_for_good(pod, c) &&
		    container_due(c, now_ms, &again_ms))
			return step(POD_STEP_CONTAINER_START, c);
		if (holds_up(run, i, initialized))
			break;
	}
	return wait_until(again_ms);
}

static struct pod_step plan_running(const json_t *pod, struct pod_run *run, uint64_t now_ms,
				    uint64_t again_ms)
{
	struct pod_step s = plan_stops(run, false, now_ms, &again_ms);

	return s.type != POD_STEP_NONE ? s : plan_starts(pod, run, now_ms, again_ms);
}

struct pod_step pod_plan(const json_t *pod, struct pod_run *run, uint64_t now_ms)
{
	enum pod_end end = pod_plan_end(pod, run, now_ms);
	uint64_t deadline_ms = run->deadline_ms ? run->deadline_ms : UINT64_MAX;

	run->ending = end != POD_GOES_ON;
	if (run->ending)
		return plan_ending(run, end, now_ms);
	switch (run->sandbox) {
	case SANDBOX_FAILED:
		if (run->retry_ms > now_ms)
			return wait_until(run->retry_ms < deadline_ms ? run->retry_ms
								      : deadline_ms);
		return step(POD_STEP_SANDBOX_UP, NULL);
	case SANDBOX_ABSENT:
		return step(POD_STEP_SANDBOX_UP, NULL);
	case SANDBOX_READY:
		return plan_running(pod, run, now_ms, deadline_ms);
	default:
		return wait_until(deadline_ms);
	}
}
