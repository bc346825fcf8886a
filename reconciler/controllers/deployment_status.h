/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Deployment's status: counts and conditions with Kubernetes' reasons and messages. Pure but for
 * the time given.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct deployment_view {
	const json_t *deployment;
	const json_t *new_rs; /* NULL when there is none yet */
	json_t *all;          /* array: every ReplicaSet of it, old and new */
	const char *now;      /* RFC 3339 */
	int64_t now_ns;
};

/*
 * The new status. *ret_deadline_s: seconds until the progress deadline has to be looked at, -1 for
 * never. Owned by the caller.
 */
json_t *deployment_status(const struct deployment_view *v, int64_t *ret_deadline_s);

/* Set the Progressing condition of STATUS as a step of a rollout that did something does. */
void deployment_status_progress(json_t *status, const char *value, const char *reason,
				const char *message, const char *now);

/* Sum of an integer member ("spec.replicas", "status.availableReplicas") over ReplicaSets. */
int64_t deployment_sum(json_t *sets, const char *path);
