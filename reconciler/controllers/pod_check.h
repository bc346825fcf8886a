/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a pod's containers: probes asked for when they are due, hooks, and what their
 * answers change. A probe's answer that changes nothing touches neither the pod nor the store.
 */
#pragma once

#include "reconciler/controllers/pod_run.h"
#include "reconciler/reconciler_priv.h"

/* The hooks' names in ids of checks, and their fields. */
#define CHECK_POST_START "postStart"
#define CHECK_PRE_STOP "preStop"

/*
 * The id of CHECK ("readiness", "preStop") of one attempt of a container:
 * "<uid>/<container>/<attempt>/<check>". Owned by the caller.
 */
char *pod_check_id(const char *uid, const char *container, unsigned int attempt, const char *check);

struct pod_check_id {
	char *uid;
	char *container;
	unsigned int attempt;
	char *check;
};

/* The parts of ID, to be given to pod_check_id_deinit; false when it is none of ours. */
bool pod_check_id_parse(struct pod_check_id *ret, const char *id);
void pod_check_id_deinit(struct pod_check_id *id);

/* Queue work: ask for the probes of the pod with uid KEY that are due. */
void pod_check_reconcile(struct reconciler *r, const char *key);

/*
 * Queue the next look at RUN's probes, and give up those that are not run any more as the pod ends.
 */
void pod_check_schedule(struct reconciler *r, struct pod_run *run);

/* Give up every check of C's present attempt: it ended. */
void pod_check_abandon(struct reconciler *r, const struct pod_run *run, struct container_run *c);

/* Ask for the postStart hook of C, or ask again when its answer is missing for long. */
void pod_check_post_start(struct reconciler *r, const json_t *pod, const struct pod_run *run,
			  struct container_run *c);

/*
 * Ask for the preStop hook of C, which may take GRACE_MS; c->stop says when it is over at the
 * latest. False when there is none. A postStart hook that still runs is given up.
 */
bool pod_check_pre_stop(struct reconciler *r, const json_t *pod, const struct pod_run *run,
			struct container_run *c, uint64_t grace_ms);

/* The preStop hook of C is over or out of time: no answer counts any more. */
void pod_check_pre_stop_end(struct reconciler *r, const struct pod_run *run,
			    const struct container_run *c);
