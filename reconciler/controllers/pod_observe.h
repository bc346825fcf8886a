/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a pod: its run in line with its object, and after a restart of recond with what its
 * status remembers.
 */
#pragma once

#include "reconciler/controllers/pod_run.h"
#include "reconciler/reconciler_priv.h"

/* The run of POD with all containers of its spec, in its order. Borrowed. */
struct pod_run *pod_observe(struct reconciler *r, const json_t *pod);

/*
 * An attempt of container C of POD runs as of STARTED_MS: its postStart hook becomes due, or, when
 * it has none, its probes begin.
 */
void pod_observe_started(const json_t *pod, struct container_run *c, uint64_t started_ms);

/* C was running and nothing is left of it that could tell how it ended. */
void pod_observe_lost(struct reconciler *r, struct container_run *c, const char *started_at,
		      const char *id);

/*
 * What a monitor wrote of a container, INFO, with its time stamps by the policy's clock. The wall
 * clock may have been set since recond was started: what has just happened would lie hours ahead,
 * or behind. Owned by the caller.
 */
json_t *pod_observe_times(struct reconciler *r, const json_t *info);
