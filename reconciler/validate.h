/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a document a valid object of its kind? First its shape, by the schema table; then what the
 * table can't say: fields that depend on each other. Everything wrong is found at once. Pure; the
 * document is not changed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/finding.h"
#include "reconciler/kind.h"

struct validation {
	struct finding_place at;
	struct findings *errors;
	struct findings *notes; /* what is valid but has no effect here */
	/*
	 * What objects may ask for beyond a usual container, of the source they come from:
	 * {"source": its name, "file": where it is configured (may be missing), "allow": the
	 * spec.policy of its configuration}. NULL: nothing.
	 */
	const json_t *policy;
	bool trusted; /* whoever asks may have anything: POLICY does not count */
};

/*
 * Check the document O, an object of KIND as written (before defaults). Returns how many errors
 * were added.
 */
size_t validate_object(const struct validation *v, enum kind kind, const json_t *o);
