/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build records: small JSON documents under a key, <state-dir>/build/cache/<hex of key>.json. A
 * record says what this recond made for exactly this key; whether the blobs it names are still
 * stored is for the reader to check. Records are written after what they name is durable, and never
 * for a step that failed.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "runtime/manifest.h"

/* The record of KEY (a digest) in the directory CACHE_FD. 1 with *ret (owned), 0 when there is none
 * that can be read. */
int cache_get(json_t **ret, int cache_fd, const char *key);

/* Write the record, durably. 0 or negative errno with ERR. */
int cache_put(int cache_fd, const char *key, const json_t *record, struct err *err);

/* What a step left behind. */
struct cache_layer {
	struct manifest_layer layer;
	int64_t created_ns;
};

/* The record of a step's layer. Get: 1 with *ret, 0 when there is none. */
int cache_get_layer(struct cache_layer *ret, int cache_fd, const char *key);
int cache_put_layer(int cache_fd, const char *key, const struct cache_layer *l, struct err *err);
