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
	int64_t started_ns; /* when the process was */
};

/* What the Progressing condition is to say. */
struct deployment_progress {
	const char *value; /* "True", "False", "Unknown" */
	const char *reason;
	const char *message;
};

/*
 * The new status with the rollout judged: complete, progressing, or timed out; and what a
 * ReplicaSet could not do. *ret_deadline_s: seconds until the progress deadline has to be looked
 * at, -1 for never. Owned by the caller.
 */
json_t *deployment_status(const struct deployment_view *v, int64_t *ret_deadline_s);

/* Counts and availability alone: while scaling, paused or being deleted. Owned by the caller. */
json_t *deployment_status_counts(const struct deployment_view *v);

/*
 * Set the Progressing condition of DEPLOYMENT. Same value and reason change nothing, except for
 * ReplicaSetUpdated, which tells of progress each time.
 */
void deployment_status_note(json_t *deployment, const struct deployment_progress *progress,
			    const char *now);

/* Has DEPLOYMENT a progress deadline? Without one it has no Progressing condition. */
bool deployment_has_deadline(const json_t *deployment);

/* Are all replicas that DEPLOYMENT wants updated and available, and no other there, as STATUS
 * counts them? */
bool deployment_counts_complete(const json_t *deployment, const json_t *status);

/* Sum of an integer member ("spec.replicas", "status.availableReplicas") over ReplicaSets. */
int64_t deployment_sum(json_t *sets, const char *path);
