/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next step of a pod, as a pure function of its object, of what is known to run, and of the
 * time. What the kubelet does (start sequence, restart back-off, termination), one step at a time.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/controllers/pod_run.h"

enum pod_step_type {
	POD_STEP_NONE, /* nothing before again_ms */
	POD_STEP_SANDBOX_UP,
	POD_STEP_CONTAINER_START, /* container c */
	POD_STEP_POST_START,      /* container c: run its hook, or ask for it again */
	POD_STEP_STOP_BEGIN,      /* container c: grace counts from now, preStop */
	POD_STEP_STOP_HOOK_END,   /* container c: its preStop is over, or out of time */
	POD_STEP_CONTAINER_STOP,  /* container c: its stop signal */
	POD_STEP_CONTAINER_KILL,  /* container c: SIGKILL */
	POD_STEP_DOWN,            /* take the sandbox down */
	POD_STEP_FORGET,          /* the object may go: nothing of the pod is left */
	POD_STEP_N_,
};

struct pod_step {
	enum pod_step_type type;
	struct container_run *c;
	uint64_t again_ms; /* with POD_STEP_NONE: look again then; UINT64_MAX: only when something
			      happens */
};

/* The step POD (its object) needs, given RUN at NOW_MS. Pure, but for noting RUN's ending. */
struct pod_step pod_plan(const json_t *pod, struct pod_run *run, uint64_t now_ms);

/* The name of a step, for logs and tests. */
const char *pod_step_name(enum pod_step_type type);

/* Why nothing of a pod is started any more. */
enum pod_end {
	POD_GOES_ON,
	POD_DELETED,
	POD_TERMINAL,    /* its phase says so */
	POD_DEADLINE,    /* activeDeadlineSeconds are over */
	POD_INIT_FAILED, /* an init container failed under restartPolicy Never */
	POD_DONE,        /* all but sidecars ended and stay so */
};

enum pod_end pod_plan_end(const json_t *pod, const struct pod_run *run, uint64_t now_ms);

/*
 * Did the init containers do their work in this sandbox: all of them, or is a container that comes
 * after them known to have run in it?
 */
bool pod_plan_initialized(const struct pod_run *run);

/*
 * May container C of POD, which ended (its last end counts), run again? Under the pod's
 * restartPolicy, with the exceptions of init containers and sidecars.
 */
bool pod_may_restart(const json_t *pod, const struct container_run *c);

/*
 * C ended AGE_MS before NOW_MS, having run for RAN_MS: the next attempt may start at once for the
 * first restart, then 10, 20, 40 ... 300 s after the end; a run of more than ten minutes starts the
 * series again. Updates C's counter and retry_ms.
 */
void pod_plan_backoff(struct container_run *c, uint64_t now_ms, uint64_t age_ms, uint64_t ran_ms);

/* The wait in seconds after N failures in a row to create a container or get its image: 10, 20 ...
 * 300. */
uint64_t pod_retry_seconds(unsigned int n_failures);
