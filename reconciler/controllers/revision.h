/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revision numbers of a Deployment's ReplicaSets: which a set carries, which it once carried, and
 * which sets have had their time. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_HISTORY "deployment.kubernetes.io/revision-history"

#define REVISION_HISTORY_MAX 2000 /* bytes of DEPLOYMENT_HISTORY, Kubernetes' limit */

/* The revision that OBJECT carries, 0 when it has none. */
int64_t revision_of(const json_t *object);

/* The highest revision among SETS (array of ReplicaSets), 0 for none. */
int64_t revision_max(json_t *sets);

/*
 * Give RS the number REVISION unless it has that or a higher one. A number it had goes to its
 * history, whose oldest entries go when it would become too long.
 */
void revision_raise(json_t *rs, int64_t revision);

/*
 * Those of OLDS (array of ReplicaSets) that are beyond LIMIT, the lowest revisions first, and idle:
 * no pods wanted or there, and seen by their controller. One that is not idle is kept and not made
 * up for. A new array of references, owned by the caller.
 */
json_t *revision_surplus(json_t *olds, int64_t limit);
