/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ReplicaSet controller: as many pods of a template as are wanted. Adopts matching orphans,
 * releases what no longer matches; whom to delete is in victims.h.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/reconciler_priv.h"

#define REPLICASET_BURST 500 /* pods made or deleted in one pass, Kubernetes' limit */

/* Queue work: bring the ReplicaSet KEY ("namespace/name") to its size and write its status. */
void replicaset_reconcile(struct reconciler *r, const char *key);

/* Queue the ReplicaSets whose selector matches the orphan POD. */
void replicaset_queue_matching(struct reconciler *r, const json_t *pod);

/* Is POD Ready, and has it been for MIN_READY_SECONDS at NOW_NS, when it became so at SINCE_NS?
 * *ret_wait_ms (may be NULL) is lowered to how long is missing. */
bool replicaset_pod_available(const json_t *pod, int64_t min_ready_seconds, int64_t since_ns,
			      int64_t now_ns, uint64_t *ret_wait_ms);
bool replicaset_pod_ready(const json_t *pod);

/*
 * Call CREATE up to N times in batches of 1, 2, 4 … and stop after the batch in which one failed
 * (returned false): what cannot be made is not tried N times. How many succeeded.
 */
size_t replicaset_slow_start(size_t n, bool (*create)(void *data), void *data);
