/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pods of a ReplicaSet go first when it shrinks: Kubernetes' order but for one
 * rule, pure.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The N of PODS (array) that are deleted first at NOW_NS, in that order: those without a node,
 * pending before unknown before running, not ready before ready, ready for less than MIN_READY_S
 * before available (which Kubernetes does not look at, and so can lose one that serves), a lower
 * controller.kubernetes.io/pod-deletion-cost, ready for a shorter time, more restarts, newer. Times
 * count in powers of two; within one power the uid decides. A new array of references, owned by the
 * caller.
 */
json_t *victims_choose(json_t *pods, size_t n, int64_t min_ready_s, int64_t now_ns);
