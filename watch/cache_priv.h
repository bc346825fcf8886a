/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest cache: what was hashed once is not read again. A key is what stands for one unchanging
 * content: device, inode, size and times of a file, or the id of a git blob; and which kind of name
 * it has, since that decides whether its text is kept. Workers load and save it; the daemon keeps
 * the bytes between two runs without looking at them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define CACHE_KEY_WORDS 6

struct cache_key {
	uint64_t word[CACHE_KEY_WORDS];
};

struct cache_hit {
	char digest[DIGEST_STR_SIZE];
	uint64_t size;
	bool kept; /* its text belongs into the revision */
};

struct cache;

/* The kind of a NAME, as the last word of its key. */
uint64_t cache_name_kind(const char *name);

/* From N bytes written by cache_save(); anything else (empty, cut, an older form) gives an empty
 * cache. */
struct cache *cache_load(const char *data, size_t n);
struct cache *cache_free(struct cache *c);
DEFINE_FREEP(struct cache, cache_free)

/* True with *ret when KEY was there when the cache was loaded; it is then kept by the next save. */
bool cache_get(struct cache *c, const struct cache_key *key, struct cache_hit *ret);
/* Remember; KEY must not have been found before. */
void cache_put(struct cache *c, const struct cache_key *key, const struct cache_hit *hit);

/* Append what was looked up or put to OUT. False, and nothing appended, when that is what was
 * loaded. */
bool cache_save(struct cache *c, struct strbuf *out);
