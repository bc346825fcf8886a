/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three patches of the Kubernetes API as pure functions of a document and a patch: JSON merge
 * patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch, whose list keys are the
 * schema's. A patch is foreign input: what it makes a document grow to is bounded.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "reconciler/kind.h"

#define PATCH_OPS_MAX 10000
#define PATCH_COPY_MAX_BYTES (3u << 20) /* that all copies of a JSON patch may add */

/* DOC with the merge patch PATCH. A new document, owned by the caller. */
json_t *patch_merge(const json_t *doc, const json_t *patch);

/*
 * DOC after the operations OPS, all or none. 0 with *ret (owned by the caller), or negative with
 * ERR invalid, which names the operation.
 */
int patch_json(json_t **ret, const json_t *doc, const json_t *ops, struct err *err);

/*
 * DOC, an object of KIND, with the strategic merge patch PATCH: lists that the schema gives a key
 * are merged by it, the directives $patch, $retainKeys, $setElementOrder and
 * $deleteFromPrimitiveList are followed. 0 with *ret (owned by the caller), or negative with ERR
 * invalid.
 */
int patch_strategic(json_t **ret, enum kind kind, const json_t *doc, const json_t *patch,
		    struct err *err);
