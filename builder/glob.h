/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wildcard patterns, matched in one pass without backtracking: time grows with text length times
 * pattern length, whatever the pattern. One engine serves COPY sources, .dockerignore and the
 * ${v#p} family.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#define GLOB_MAX_BYTES 4096

enum glob_syntax {
	GLOB_PATH,   /* * ? [..] \x; none matches "/" */
	GLOB_IGNORE, /* as PATH, and ** for any number of directories (.dockerignore) */
	GLOB_STRING, /* * and ? match any character, [ is literal (${v#p}) */
};

struct glob;

/*
 * Compile PATTERN, at most GLOB_MAX_BYTES long. Text and pattern are UTF-8; "?" takes one
 * character; invalid bytes stand for themselves. 0 with *ret (owned by the caller), or -EINVAL with
 * ERR: "syntax error in pattern".
 */
int glob_new(struct glob **ret, const char *pattern, enum glob_syntax syntax, struct err *err);

/* NULL is fine; returns NULL. */
struct glob *glob_free(struct glob *g);
DEFINE_FREEP(struct glob, glob_free)

/* True when G matches the whole of TEXT. */
bool glob_match(const struct glob *g, const char *text);

/* True when G matches the whole of TEXT or any parent directory of it ("a", "a/b" for "a/b/c"). */
bool glob_match_parents(const struct glob *g, const char *text);

/*
 * Lengths in bytes of the shortest and the longest prefix of TEXT (N bytes) that G matches; false
 * when there is none.
 */
bool glob_prefix(const struct glob *g, const char *text, size_t n, size_t *ret_shortest,
		 size_t *ret_longest);

/* True when PATTERN contains a character that is special in GLOB_PATH. */
bool glob_has_magic(const char *pattern);
