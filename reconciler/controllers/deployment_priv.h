/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Deployment controller share: one pass over a Deployment, and the steps that
 * look after its ReplicaSets (deployment_sets.c) or take it back to an older template
 * (deployment_back.c).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reconciler/controllers/deployment.h"
#include "reconciler/controllers/rolling.h"

#define DEPLOYMENT_COMPONENT "deployment-controller"

/* What one pass knows of a Deployment. References are held, and renewed by rollout_refresh after
 * writes. */
struct rollout {
	struct reconciler *r;
	json_t *d;
	json_t *sets;      /* array, oldest first: all ReplicaSets of it */
	const json_t *new; /* the one of the current template, or NULL */
	json_t *olds;      /* array: the others, oldest first */
	int64_t replicas;
	struct rolling_limits limits;
	bool recreate;
	uint64_t seen; /* resourceVersion of the store that all this is of */
};

/* ---- deployment_sets.c ---- */

/* The pass over D: claims its ReplicaSets. / Let go of what is held. */
struct rollout rollout_observe(struct reconciler *r, const json_t *d);
void rollout_deinit(struct rollout *o);

/* Look again at the Deployment and its sets, as the store has them now. */
void rollout_refresh(struct rollout *o);

/* TEMPLATE without the label that tells ReplicaSets apart. Owned by the caller. */
json_t *rollout_template(const json_t *template);

/* Is the template of RS, but for that label, the one of the Deployment D? */
bool rollout_same_template(const json_t *rs, const json_t *d);

/* Annotations, revision and minReadySeconds of the new set, and what of it the Deployment shows. */
void rollout_keep_new(struct rollout *o);

/* Make the set of the current template; without effect when something stands against it, which the
 * Deployment's conditions then say. */
void rollout_create_new(struct rollout *o);

/* Give RS the size SIZE and note what it was sized for. True when the size changed. */
bool rollout_scale_set(struct rollout *o, const json_t *rs, int64_t size);

/* An annotation that holds a number; -1 when it is missing or is none. */
int64_t rollout_annotation_int(const json_t *rs, const char *key);

/* ---- deployment_back.c ---- */

/*
 * Take the Deployment back to an older template: because the annotation of the removed rollback API
 * asks for it, or because the image of the new one cannot be had and no app decides about it. True
 * when it was written.
 */
bool rollout_go_back(struct rollout *o);

/* Note on the new set that it once was available as a whole, for rollout_go_back. */
void rollout_remember_available(struct rollout *o);
