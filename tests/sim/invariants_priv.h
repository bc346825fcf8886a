/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules share: the committed state as it was told to watchers, and helpers to read it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reconciler/store.h"
#include "tests/sim/invariants.h"
#include "tests/sim/world_priv.h"

struct invariants {
	struct world *w;
	unsigned int watch_id;
	uint64_t last_rv;
	json_t *mirror;         /* "Kind/namespace/name" -> object as committed */
	json_t *kinds[KIND_N_]; /* uid -> object, the same ones */
	json_t *ready;  /* uid of a pod -> since when it is ready, by the policy's wall clock, ms */
	json_t *sums;   /* uid of a Deployment -> pods asked for at the end of the last step */
	json_t *floors; /* uid of a Deployment -> lowest floor of this step */
	json_t *ceilings; /* uid of a Deployment -> highest sum allowed in this step */
	json_t *foreign;  /* key -> true */
	json_t *by_hand;  /* uid -> true */
	json_t *decided;  /* uid of a ReplicaSet -> its size when the policy died */
	json_t *inputs;   /* app -> digest of its inputs */
	json_t *since;    /* app -> number of the first revision with these inputs */
	json_t *failed;   /* app -> {inputs that failed for good -> true} */
	uint64_t here_ms, minute_ms;
	unsigned int n_changes, steps_here, calls_before, commits_before;
};

/* The object of the mirror with this uid, or NULL. */
const json_t *invariants_by_uid(const struct invariants *iv, enum kind kind, const char *uid);
/* The Deployment that O (a ReplicaSet, or a Pod of one) belongs to, or NULL. */
const json_t *invariants_deployment_of(const struct invariants *iv, const json_t *o);

/* The wall clock that the policy's time stamps are by: as set when it was started. */
int64_t invariants_wall_ms(const struct invariants *iv);

/* An own reading of the strategy, so that a wrong one of the policy's shows. */
struct invariants_limits {
	int64_t replicas, surge, unavailable, min_ready_s;
	bool recreate;
};
struct invariants_limits invariants_limits(const json_t *deployment);

/* ---- the rules, by the event that can break them ---- */
struct invariants_event {
	const struct store_event *event;
	const json_t *old; /* as it was committed before, or NULL */
};
void rule_versions_rise(struct invariants *iv, const struct invariants_event *e);
void rule_foreign_objects_survive(struct invariants *iv, const struct invariants_event *e);
void rule_floor_is_noted(struct invariants *iv, const struct invariants_event *e);
void rule_floor_is_kept(struct invariants *iv, const struct invariants_event *e);
void rule_sets_are_not_exceeded(struct invariants *iv, const struct invariants_event *e);
void rule_recreate_never_mixes(struct invariants *iv, const struct invariants_event *e);
void rule_failed_input_is_not_retried(struct invariants *iv, const struct invariants_event *e);
void rule_held_set_is_complete(struct invariants *iv, const struct invariants_event *e);

/* The container C of the pod UID is started again, not for the first time. */
void rule_restarts_wait(struct invariants *iv, const char *uid, const json_t *c);

/* The pod UID is given TEXT as the value of KEY, all that its ConfigMap has. */
void rule_config_is_of_the_template(struct invariants *iv, const char *uid, const char *key,
				    const char *text);

/* ---- the rules of a step ---- */
void rule_surge_is_kept(struct invariants *iv);
void rule_time_goes_on(struct invariants *iv);
void rule_work_is_bounded(struct invariants *iv);

/* ---- the rules of rest ---- */
void rule_pods_have_objects(struct invariants *iv);
void rule_objects_have_owners(struct invariants *iv);
void rule_record_is_what_runs(struct invariants *iv);
void rule_memory_is_what_is_on_disk(struct invariants *iv);
