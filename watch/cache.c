/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest cache's file and look-ups. The bytes are trusted as far as their own digest goes: a
 * torn or foreign file is an empty cache.
 */
#include "watch/cache_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "watch/revision.h"

/* The file: magic, records sorted by key in host byte order (it never leaves the host), digest of
 * all before. */
static const char magic[16] = "recond-digest-2";

struct record {
	struct cache_key key;
	uint64_t size;
	uint64_t flags;
	char digest[DIGEST_STR_SIZE];
};

#define RECORD_KEPT 1u
#define RECORDS_MAX (2 * REVISION_ENTRIES_MAX)

struct cache {
	struct record *old; /* as loaded, sorted */
	bool *used;
	size_t n_old;
	size_t n_used;
	struct record *fresh;
	size_t n_fresh;
	size_t cap_fresh;
};

uint64_t cache_name_kind(const char *name)
{
	if (!revision_keeps(name))
		return 0;
	return str_has_suffix(name, ".json") ? 2 : 1;
}

static int compare(const void *a, const void *b)
{
	return memcmp(&((const struct record *)a)->key, &((const struct record *)b)->key,
		      sizeof(struct cache_key));
}

/* Number of records in DATA, 0 when it is not a whole and sound cache. */
static size_t check(const char *data, size_t n)
{
	char digest[DIGEST_STR_SIZE];
	size_t body;

	if (n < sizeof(magic) + DIGEST_STR_SIZE || memcmp(data, magic, sizeof(magic)) != 0)
		return 0;
	body = n - DIGEST_STR_SIZE;
	if ((body - sizeof(magic)) % sizeof(struct record) ||
	    (body - sizeof(magic)) / sizeof(struct record) > RECORDS_MAX)
		return 0;
	digest_bytes(digest, data, body);
	if (memcmp(digest, data + body, DIGEST_STR_SIZE) != 0)
		return 0;
	return (body - sizeof(magic)) / sizeof(struct record);
}

struct cache *cache_load(const char *data, size_t n)
{
	struct cache *c = NEW(struct cache);

	c->n_old = check(data, n);
	c->used = mem_calloc(c->n_old + 1, sizeof(*c->used));
	if (c->n_old > 0)
		c->old = mem_memdup(data + sizeof(magic), c->n_old * sizeof(struct record));
	return c;
}

struct cache *cache_free(struct cache *c)
{
	if (!c)
		return NULL;
	free(c->old);
	free(c->used);
	free(c->fresh);
	free(c);
	return NULL;
}

bool cache_get(struct cache *c, const struct cache_key *key, struct cache_hit *ret)
{
	struct record wanted = {.key = *key};
	struct record *found = NULL;

	if (c->n_old > 0)
		found = bsearch(&wanted, c->old, c->n_old, sizeof(wanted), compare);
	if (!found || !digest_valid(found->digest))
		return false;
	if (!c->used[found - c->old]) {
		c->used[found - c->old] = true;
		c->n_used++;
	}
	memcpy(ret->digest, found->digest, sizeof(ret->digest));
	ret->size = found->size;
	ret->kept = found->flags & RECORD_KEPT;
	return true;
}

void cache_put(struct cache *c, const struct cache_key *key, const struct cache_hit *hit)
{
	struct record *r;

	assert(digest_valid(hit->digest));
	if (c->n_fresh >= RECORDS_MAX)
		return;
	GROW(c->fresh, c->cap_fresh, c->n_fresh + 1);
	r = &c->fresh[c->n_fresh++];
	*r = (struct record){.key = *key, .size = hit->size, .flags = hit->kept ? RECORD_KEPT : 0};
	memcpy(r->digest, hit->digest, sizeof(r->digest));
}

bool cache_save(struct cache *c, struct strbuf *out)
{
	char digest[DIGEST_STR_SIZE] = "";
	size_t start = out->len;

	if (c->n_fresh == 0 && c->n_used == c->n_old)
		return false;
	for (size_t i = 0; i < c->n_old && c->n_fresh < RECORDS_MAX; i++) {
		if (!c->used[i])
			continue;
		GROW(c->fresh, c->cap_fresh, c->n_fresh + 1);
		c->fresh[c->n_fresh++] = c->old[i];
	}
	if (c->n_fresh > 0)
		qsort(c->fresh, c->n_fresh, sizeof(*c->fresh), compare);
	strbuf_add(out, magic, sizeof(magic));
	strbuf_add(out, c->fresh, c->n_fresh * sizeof(*c->fresh));
	digest_bytes(digest, out->data + start, out->len - start);
	strbuf_add(out, digest, sizeof(digest));
	return true;
}
