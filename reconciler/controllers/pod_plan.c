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

bool pod_may_restart(const json_t *pod, int64_t exit_code)
{
	const char *policy = json_path_str(pod, "spec.restartPolicy", "Always");

	if (str_eq(policy, "Never"))
		return false;
	return str_eq(policy, "Always") || exit_code != 0;
}

uint64_t pod_retry_seconds(unsigned int n_failures)
{
	uint64_t s = BACKOFF_FIRST_S;

	for (unsigned int i = 1; i < n_failures && s < BACKOFF_MAX_S; i++)
		s *= 2;
	return s < BACKOFF_MAX_S ? s : BACKOFF_MAX_S;
}

void pod_plan_backoff(struct container_run *c, uint64_t now_ms)
{
	if (c->started_ms && now_ms - c->started_ms > BACKOFF_RESET_MS)
		c->n_backoff = 0;
	c->retry_ms = c->n_backoff == 0 ? now_ms : now_ms + pod_retry_seconds(c->n_backoff) * 1000;
	c->n_backoff++;
}

/* Signals and, when all have ended, the way out. */
static struct pod_step plan_deleting(struct pod_run *run, uint64_t now_ms)
{
	bool grace_over = run->kill_ms && now_ms >= run->kill_ms;

	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];

		if (c->state != CONTAINER_RUNNING)
			continue;
		if (grace_over && !c->kill_sent)
			return step(POD_STEP_CONTAINER_KILL, c);
		if (!c->stop_sent)
			return step(POD_STEP_CONTAINER_STOP, c);
	}
	if (pod_run_busy(run))
		return wait_until(grace_over || !run->kill_ms ? UINT64_MAX : run->kill_ms);
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

/* Can C be started now? Sets *again_ms when only time is missing. */
static bool container_due(const json_t *pod, const struct container_run *c, uint64_t now_ms,
			  uint64_t *again_ms)
{
	if (c->state == CONTAINER_STARTING || c->state == CONTAINER_RUNNING || c->image_wanted)
		return false;
	if (c->state == CONTAINER_EXITED &&
	    !pod_may_restart(pod, json_path_int(c->last, "exit_code", 0)))
		return false;
	if (c->retry_ms > now_ms) {
		if (c->retry_ms < *again_ms)
			*again_ms = c->retry_ms;
		return false;
	}
	return true;
}

static struct pod_step plan_containers(const json_t *pod, struct pod_run *run, uint64_t now_ms)
{
	uint64_t again_ms = UINT64_MAX;

	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];

		if (container_due(pod, c, now_ms, &again_ms))
			return step(POD_STEP_CONTAINER_START, c);
		if (c->state == CONTAINER_STARTING || c->image_wanted)
			break; /* in spec order: the next one waits until this one's start is
				  decided */
	}
	return wait_until(again_ms);
}

struct pod_step pod_plan(const json_t *pod, struct pod_run *run, uint64_t now_ms)
{
	const char *phase = json_path_str(pod, "status.phase", "Pending");

	if (object_deleting(pod))
		return plan_deleting(run, now_ms);
	if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
		return wait_until(UINT64_MAX); /* logs and volumes stay until the object goes */
	switch (run->sandbox) {
	case SANDBOX_FAILED:
		if (run->retry_ms > now_ms)
			return wait_until(run->retry_ms);
		return step(POD_STEP_SANDBOX_UP, NULL);
	case SANDBOX_ABSENT:
		return step(POD_STEP_SANDBOX_UP, NULL);
	case SANDBOX_READY:
		return plan_containers(pod, run, now_ms);
	default:
		return wait_until(UINT64_MAX);
	}
}
