/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images the policy may need again: what runs, what each app's sets pin (effective, on its
 * way, held, of its history, deleted but not for good), what builds made and rest on. For the
 * collection of all others.
 */
#pragma once

#include <jansson.h>

#include "reconciler/reconciler.h"

/*
 * {"digests": [...], "references": [...]}: digests of images, and names by which an image is used
 * without being pinned. Owned by the caller.
 */
json_t *image_use_collect(struct reconciler *r);

/* Add what the document J mentions, in whatever depth, to the objects DIGESTS and REFERENCES (name
 * -> true). For image_use_collect, and tests. */
void image_use_look(json_t *digests, json_t *references, const json_t *j);
