/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which fields of an object a manifest owns (those it states, not those that defaults filled in),
 * and the three-way merge that changes those and no others. Pure.
 *
 * An object that was decoded may carry the member OWNERSHIP_DEFAULTED beside its own: a tree of the
 * fields that only defaults gave it ({"spec": {"replicas": true}}; elements of lists by position).
 * Without the member everything is stated.
 */
#pragma once

#include <jansson.h>

#include "reconciler/kind.h"

#define OWNERSHIP_DEFAULTED "defaulted"

/*
 * The tree for COMPLETE, the object that became of STATED, a document as it was written. NULL when
 * defaults added nothing. Owned by the caller.
 */
json_t *ownership_defaulted(enum kind kind, const json_t *stated, const json_t *complete);

/* O, as decoded, as it goes into the store: without the tree. Owned by the caller. */
json_t *ownership_complete(const json_t *o);

/*
 * What LIVE is to become when DESIRED is applied over what was LAST applied (NULL: nothing), both
 * as decoded. Stated fields get their value; what only LAST stated goes, or falls back to its
 * default; what neither states stays as it is in LIVE, or gets its default when it is missing.
 * Lists with keys are merged by element. Small structures that only make sense as a whole
 * (strategies, probes, volumes, environment variables, ports, selectors) are owned as a whole.
 * Owned by the caller.
 */
json_t *ownership_merge(const json_t *live, const json_t *last, const json_t *desired);

/*
 * The paths in which A and B differ, for people: "spec.replicas,
 * spec.template.spec.containers[web].image", the rest counted when there are many. Owned by the
 * caller.
 */
char *ownership_differences(const json_t *a, const json_t *b);
