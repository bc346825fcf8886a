/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dockerignore: which paths of a build context are not there. The last pattern that matches a path
 * or one of its parent directories decides; "!" re-includes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "builder/diag.h"

#define IGNORE_MAX_BYTES (64u << 10)

struct ignore;

/* Read N bytes of patterns, one per line. 0 with *ret (owned by the caller), or -EINVAL with errors
 * in D. */
int ignore_parse(struct ignore **ret, const char *text, size_t n, struct diag *d);

/* NULL is fine; returns NULL. */
struct ignore *ignore_free(struct ignore *ig);
DEFINE_FREEP(struct ignore, ignore_free)

/* True when the clean relative PATH is left out by its own patterns. IG may be NULL: nothing is
 * ignored. */
bool ignore_match(const struct ignore *ig, const char *path);
