/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build context as a plan sees it: the listing of an immutable tree less what .dockerignore
 * takes away. Pure; the content behind the entries is read by the build worker (tree.h) and
 * compared with their digests.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "builder/ignore.h"

#define CONTEXT_MAX_ENTRIES 100000u

struct context_entry {
	const char *path;   /* clean, relative; borrowed from the listing's JSON */
	const char *real;   /* where the bytes lie beneath the content directory: PATH, or another
			       place */
	const char *link;   /* a symlink's text, or NULL */
	const char *digest; /* of content or link text; "" for a directory */
	uint64_t size;
	uint32_t mode; /* type and permissions; a directory without any has 0755 */
	bool ignored;
};

struct context;

/*
 * Take ENTRIES, a JSON array of {"path","mode","size","digest","real"?,"content"?} where the
 * content of a symlink is its text, in any order; IGNORE may be NULL and is only used during the
 * call. 0 with *ret (owned by the caller; keeps a reference to ENTRIES), or -EINVAL with ERR: a
 * path that is not clean, a bad digest, too many.
 */
int context_new(struct context **ret, json_t *entries, const struct ignore *ignore,
		struct err *err);

/* NULL is fine; returns NULL. */
struct context *context_free(struct context *c);
DEFINE_FREEP(struct context, context_free)

/* The entry at the clean PATH that is not ignored, or NULL. "" has no entry. */
const struct context_entry *context_find(const struct context *c, const char *path);

/*
 * The entries strictly below the directory PATH ("" is the root), sorted by path, ignored ones
 * among them; *ret_n may be 0.
 */
const struct context_entry *context_below(const struct context *c, const char *path, size_t *ret_n);

/*
 * PATH with the symlinks in it and at its end followed inside the context; "" is the root. 1 with
 * *ret (owned by the caller), 0 when there is nothing, -EINVAL with ERR for a loop.
 */
int context_resolve(char **ret, const struct context *c, const char *path, struct err *err);

/* Append the paths PATTERN matches, component by component, in walk order. 0, or -EINVAL with ERR.
 */
int context_glob(struct strlist *ret, const struct context *c, const char *pattern,
		 struct err *err);

/*
 * The digest of what COPY would take from the resolved PATH: of a file its mode and content; of a
 * directory the paths, modes, and contents below it, not its own. Never a time stamp or an owner.
 */
void context_digest(char ret[DIGEST_STR_SIZE], const struct context *c, const char *path);
