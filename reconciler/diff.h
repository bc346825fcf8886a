/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what a source asks for what is there? Both sides are normalised, defaulted and spelt one way,
 * so that a difference is a difference that matters. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"

/* O as it is compared: without what the server writes, with defaults. Owned by the caller. */
json_t *diff_comparable(const json_t *o);

/*
 * DESIRED (comparable) with those fields of LIVE (comparable) that the server gives out when a
 * source does not ask for them: a Service's addresses and node ports. Owned by the caller.
 */
json_t *diff_adopt(const json_t *desired, const json_t *live);

/*
 * Append the unified diff of the YAML of LIVE and DESIRED (objects as stored or decoded); one of
 * them may be NULL. Of a Secret's values it shows only that they change. Returns whether they
 * differ.
 */
bool diff_objects(struct strbuf *out, const json_t *live, const json_t *desired);

/* O (comparable) with the values of a Secret hidden. Owned by the caller. */
json_t *diff_masked(const json_t *o);

/*
 * The path of the first immutable field of LIVE that DESIRED wants changed, owned by the caller, or
 * NULL. Both as stored or decoded.
 */
char *diff_immutable(const json_t *live, const json_t *desired);
