/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object is a JSON document in Kubernetes shape (jansson). These are the accessors that
 * everybody needs: names, labels, owners, selectors, conditions. Nothing here reads a clock or
 * touches the store.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "reconciler/kind.h"

/* Borrowed strings out of metadata; "" when absent (namespace of a cluster-scoped object is ""). */
const char *object_name(const json_t *o);
const char *object_namespace(const json_t *o);
const char *object_uid(const json_t *o);
const char *object_label(const json_t *o, const char *key);      /* NULL when absent */
const char *object_annotation(const json_t *o, const char *key); /* NULL when absent */

/* Set the annotation KEY of O to VALUE (copied); metadata and annotations are made when absent. */
void object_set_annotation(json_t *o, const char *key, const char *value);

/* The kind of O; asserts that it is one of ours. */
enum kind object_kind(const json_t *o);

/*
 * A copy of O to be changed and written. Its metadata and status are its own, of its spec the first
 * level: what is deeper in there is O's, to be replaced as a whole and never changed in place.
 */
json_t *object_draft(const json_t *o);

/*
 * "Deployment/web" in cluster or default namespace, else "Deployment/ns/web". Owned by the caller.
 */
char *object_describe(const json_t *o);

/* True once a deletion was requested (metadata.deletionTimestamp). */
bool object_deleting(const json_t *o);

/* The controlling owner reference (controller: true), borrowed, or NULL. */
const json_t *object_controller_ref(const json_t *o);

/* True when OWNER's uid is the controlling owner of O. */
bool object_is_controlled_by(const json_t *o, const json_t *owner);

/* Make OWNER the controller of O / leave O without one. Other owners stay. */
void object_set_controller(json_t *o, const json_t *owner);
void object_drop_controller(json_t *o);

/* A new controller ownerReference to OWNER. Owned by the caller. */
json_t *object_owner_ref(const json_t *owner);

/*
 * Does LabelSelector SELECTOR (matchLabels and matchExpressions; NULL matches nothing, {}
 * everything) select LABELS?
 */
bool object_selector_matches(const json_t *selector, const json_t *labels);

/*
 * Set condition TYPE in O's status: STATUS "True"/"False"/"Unknown", REASON, MESSAGE, NOW as RFC
 * 3339. lastTransitionTime moves only when status changes. Deployments alone have a lastUpdateTime:
 * it moves with any change, and for Progressing with every call, which is how the controller notes
 * progress. An empty or NULL REASON or MESSAGE removes the member. Returns true when anything but
 * lastUpdateTime changed.
 */
bool object_set_condition(json_t *o, const char *type, const char *status, const char *reason,
			  const char *message, const char *now);

/* Remove condition TYPE from O's status, and the list when it becomes empty. */
void object_drop_condition(json_t *o, const char *type);

/* The condition TYPE of O, borrowed, or NULL. */
json_t *object_condition(const json_t *o, const char *type);

/*
 * The revision annotation and what else the server writes removed: what is left is what a source
 * can ask for. For diffs and comparisons. Owned by the caller.
 */
json_t *object_normalised(const json_t *o);

/* Does recond, or a controller, write ANNOTATION itself? A copy of a live object has it. */
bool object_is_bookkeeping(const char *annotation);
