/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a file each node of a decoded document stood: a tree beside the JSON one, asked only
 * when an error has to name a place. Also the path of a node, as a chain of steps on the stack of
 * whoever walks a document.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

struct mark {
	unsigned int line, column;         /* of the value, from 1 */
	unsigned int key_line, key_column; /* of its key; the same for an element of a list */
	char *key;                         /* owned; NULL for an element */
	uint32_t hash;                     /* of the key; set by mark_add */
	struct mark *children;
	size_t n;
	size_t cap;
};

/* Free what M owns, not M. Idempotent. */
void mark_deinit(struct mark *m);

/* Append CHILD, whose contents move into the tree; borrowed until the next append. */
struct mark *mark_add(struct mark *m, struct mark *child);

/* One step from the root: KEY, or, when that is NULL, the element INDEX. UP is NULL for the first
 * step. */
struct path {
	const struct path *up;
	const char *key;
	size_t index;
};

/* The mark of the node behind PATH, or of its nearest ancestor that is in the tree. Never NULL;
 * borrowed. */
const struct mark *mark_find(const struct mark *root, const struct path *path);

/* Append "spec.containers[0].image"; a key with a dot or slash is written as ["a.b"]. Nothing for
 * NULL. */
void path_print(struct strbuf *out, const struct path *path);
