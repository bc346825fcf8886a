/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in the words of a Dockerfile: $v, ${v} with all modifiers, quotes and escapes. Pure;
 * where values come from is the caller's business.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* No word may grow beyond this: execve(2) takes no longer string (MAX_ARG_STRLEN). */
#define EXPAND_MAX_BYTES (128u << 10)

/* The value of NAME, borrowed until the next call; NULL when it is unset. */
typedef const char *(*expand_lookup_fn)(const char *name, void *data);

struct expand {
	char escape; /* '\\' or '`' */
	expand_lookup_fn lookup;
	void *data;
};

/*
 * Expand WORD as one token: quotes and escapes are removed, the result is never split. 0 with *ret
 * (owned by the caller), or -EINVAL with ERR: `failed to process "WORD": ...`.
 */
int expand_word(char **ret, const struct expand *x, const char *word, struct err *err);

/* As expand_word, but unquoted white space of the result separates words, which are appended to
 * RET. */
int expand_words(struct strlist *ret, const struct expand *x, const char *word, struct err *err);
