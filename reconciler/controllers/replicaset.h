/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ReplicaSet controller: as many pods of a template as are wanted. Adopts matching orphans,
 * releases what no longer matches, and chooses whom to delete as Kubernetes does.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/reconciler_priv.h"

/* Queue work: bring the ReplicaSet KEY ("namespace/name") to its size and write its status. */
void replicaset_reconcile(struct reconciler *r, const char *key);

/* Queue the ReplicaSets whose selector matches the orphan POD. */
void replicaset_queue_matching(struct reconciler *r, const json_t *pod);

/* Is POD Ready, and has it been for MIN_READY_SECONDS at NOW_NS? *ret_wait_ms (may be NULL) is
 * lowered to how long is missing. */
bool replicaset_pod_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_ns,
			      uint64_t *ret_wait_ms);
bool replicaset_pod_ready(const json_t *pod);

/*
 * Negative when pod A is to be deleted before pod B: pending before running, not ready before
 * ready, more restarts, shorter ready, newer. Pure.
 */
int replicaset_compare_victims(const json_t *a, const json_t *b);
