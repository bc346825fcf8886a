/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out the steps of a pod: each is one request to the runtime, or one note in its run.
 */
#pragma once

#include "reconciler/controllers/pod_plan.h"
#include "reconciler/reconciler_priv.h"

/* Carry out step S of POD; false when it was the last: RUN may be gone. */
bool pod_act(struct reconciler *r, const json_t *pod, struct pod_run *run,
	     const struct pod_step *s);

/* The container C could not be made, or its image could not be had: say so and when it is tried
 * again. */
void pod_act_container_failed(struct reconciler *r, const json_t *pod, struct container_run *c,
			      const struct err *err);

/* Is the very image on this host that the container SPEC of POD has to run? */
bool pod_act_image_is_here(struct reconciler *r, const json_t *pod, const json_t *spec);

/* After a failure of a sandbox or a container that only interrupted: how long to wait. */
#define POD_HICCUP_RETRY_MS 500
#define POD_CREATE_RETRY_MS 10000
