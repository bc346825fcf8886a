/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of a rolling update, pure: how many replicas each ReplicaSet may have next. The
 * rules are Kubernetes' (one action per step: up, or down).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rolling_set {
	int64_t spec;      /* wanted size now */
	int64_t available; /* of its status */
	int64_t next;      /* out: the size it is given; equal to spec when untouched */
};

struct rolling_limits {
	int64_t surge;       /* pods above replicas */
	int64_t unavailable; /* pods below replicas */
};

/*
 * maxSurge and maxUnavailable of STRATEGY (a Deployment's spec.strategy) for REPLICAS: percentages
 * rounded up and down; both zero gives one unavailable. Recreate has neither.
 */
struct rolling_limits rolling_limits(const json_t *strategy, int64_t replicas);

/*
 * One step: sets `next` of NEW and of OLDS (oldest first). True when anything changed. Growing the
 * new set comes first and alone; then unhealthy old replicas go, then healthy ones as far as
 * availability allows.
 */
bool rolling_step(struct rolling_set *new, struct rolling_set *olds, size_t n_olds,
		  int64_t replicas, struct rolling_limits limits);

/* The size of a new ReplicaSet at its creation, given the sum of all others' sizes. */
int64_t rolling_initial(int64_t replicas, int64_t total, struct rolling_limits limits,
			bool recreate);
