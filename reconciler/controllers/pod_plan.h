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

/* The step POD (its object) needs, given RUN at NOW_MS. Pure. */
struct pod_step pod_plan(const json_t *pod, struct pod_run *run, uint64_t now_ms);

/* The name of a step, for logs and tests. */
const char *pod_step_name(enum pod_step_type type);

/*
 * May a container of POD that ended with EXIT_CODE run again under its restartPolicy?
 */
bool pod_may_restart(const json_t *pod, int64_t exit_code);

/*
 * When the attempt after an exit may start: at once for the first restart, then 10, 20, 40 ... 300
 * s after the exit; a run of more than ten minutes starts the series again. Updates C's counter and
 * retry_ms.
 */
void pod_plan_backoff(struct container_run *c, uint64_t now_ms);

/* The wait in seconds after N failures in a row to create a container or get its image: 10, 20 ...
 * 300. */
uint64_t pod_retry_seconds(unsigned int n_failures);
