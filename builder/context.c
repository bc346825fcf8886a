/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listing of a build context: sorted by path in walk order, so that a directory's entries
 * follow it at once.
 */
#include "builder/context.h"

#include <assert.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "builder/glob.h"

#define CONTEXT_MAX_LINKS 40

struct context {
	json_t *json;
	struct context_entry *entries;
	size_t n;
};

struct context *context_free(struct context *c)
{
	if (!c)
		return NULL;
	json_decref(c->json);
	free(c->entries);
	free(c);
	return NULL;
}

/* Walk order: "/" sorts below every other byte, so "a/b" comes before "a-x". */
static int path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (*a == '/' ? 1 : (unsigned char)*a * 2) - (*b == '/' ? 1 : (unsigned char)*b * 2);
}

static int entry_compare(const void *a, const void *b)
{
	return path_compare(((const struct context_entry *)a)->path,
			    ((const struct context_entry *)b)->path);
}

static int read_entry(struct context_entry *ret, const json_t *j, struct err *err)
{
	struct context_entry e = {
		.path = json_path_str(j, "path", ""),
		.digest = json_path_str(j, "digest", ""),
		.size = (uint64_t)json_path_int(j, "size", 0),
		.mode = (uint32_t)json_path_int(j, "mode", 0),
	};

	e.real = json_path_str(j, "real", e.path);
	if (!fs_path_is_beneath(e.path) || !fs_path_is_beneath(e.real))
		return err_invalid(err, "context entry '%s' is not a clean relative path", e.path);
	if (S_ISDIR(e.mode)) {
		e.digest = "";
		if (!(e.mode & 07777))
			e.mode |= 0755;
	} else if (!S_ISREG(e.mode) && !S_ISLNK(e.mode)) {
		return err_invalid(err, "context entry '%s' has mode %o", e.path, e.mode);
	} else if (!digest_valid(e.digest)) {
		return err_invalid(err, "context entry '%s' has no valid digest", e.path);
	}
	if (S_ISLNK(e.mode)) {
		char digest[DIGEST_STR_SIZE];

		e.link = json_path_str(j, "content", "");
		digest_bytes(digest, e.link, strlen(e.link));
		if (!*e.link || !str_eq(digest, e.digest))
			return err_invalid(
				err,
				"context entry '%s' has no text or another one than its digest says",
				e.path);
	}
	*ret = e;
	return 0;
}

static struct context_entry *lookup(const struct context *c, const char *path)
{
	struct context_entry key = {.path = path};

	return bsearch(&key, c->entries, c->n, sizeof(key), entry_compare);
}

/* What is re-included below an ignored directory brings its parent directories back. */
static void apply_ignore(struct context *c, const struct ignore *ignore)
{
	for (size_t i = 0; ignore && i < c->n; i++)
		c->entries[i].ignored = ignore_match(ignore, c->entries[i].path);

	for (size_t i = 0; ignore && i < c->n; i++) {
		autofree char *parent = mem_strdup(c->entries[i].path);
		char *slash;

		if (c->entries[i].ignored)
			continue;
		while ((slash = strrchr(parent, '/'))) {
			struct context_entry *e;

			*slash = '\0';
			e = lookup(c, parent);
			if (e)
				e->ignored = false;
		}
	}
}

int context_new(struct context **ret, json_t *entries, const struct ignore *ignore, struct err *err)
{
	_cleanup_(context_freep) struct context *c = NEW(struct context);
	size_t n = json_array_size(entries);
	int r;

	if (n > CONTEXT_MAX_ENTRIES)
		return err_invalid(err, "the build context has more than %u entries",
				   CONTEXT_MAX_ENTRIES);
	c->json = json_incref(entries);
	c->entries = mem_calloc(n, sizeof(*c->entries));
	for (c->n = 0; c->n < n; c->n++) {
		r = read_entry(&c->entries[c->n], json_array_get(entries, c->n), err);
		if (r < 0)
			return r;
	}
	if (n)
		qsort(c->entries, n, sizeof(*c->entries), entry_compare);
	for (size_t i = 1; i < n; i++)
		if (str_eq(c->entries[i - 1].path, c->entries[i].path))
			return err_invalid(err, "context entry '%s' is there twice",
					   c->entries[i].path);
	apply_ignore(c, ignore);
	*ret = TAKE_PTR(c);
	return 0;
}

const struct context_entry *context_find(const struct context *c, const char *path)
{
	const struct context_entry *e = lookup(c, path);

	return e && !e->ignored ? e : NULL;
}

const struct context_entry *context_below(const struct context *c, const char *path, size_t *ret_n)
{
	const struct context_entry *e = *path ? lookup(c, path) : NULL, *first;
	size_t len = strlen(path), n = 0;

	*ret_n = *path ? 0 : c->n;
	if (!e)
		return c->entries;
	first = e + 1;
	while (first + n < c->entries + c->n && strncmp(first[n].path, path, len) == 0 &&
	       first[n].path[len] == '/')
		n++;
	*ret_n = n;
	return first;
}

/* The place LINK of the symlink at PATH points to, with REST behind it; never above the root. */
static char *link_target(const char *path, const char *link, const char *rest)
{
	autofree char *joined = NULL;
	autofree char *clean = NULL;
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) : 0;

	if (*link == '/')
		joined = mem_asprintf("/%s/%s", link, rest);
	else
		joined = mem_asprintf("/%.*s/%s/%s", dir, path, link, rest);
	clean = fs_clean_path(joined);
	return mem_strdup(clean + 1);
}

int context_resolve(char **ret, const struct context *c, const char *path, struct err *err)
{
	autofree char *at = mem_strdup(path);
	unsigned links = 0;
	size_t done = 0; /* bytes of AT that are known to be directories */

	while (at[done]) {
		size_t end = done + (at[done] == '/');
		autofree char *prefix = NULL;
		const struct context_entry *e;

		end += strcspn(at + end, "/");
		prefix = mem_strndup(at, end);
		e = context_find(c, prefix);
		if (!e || (at[end] && S_ISREG(e->mode)))
			return 0;
		done = end;
		if (S_ISLNK(e->mode)) {
			char *target = link_target(prefix, e->link, at + end);

			free(at);
			at = target;
			done = 0;
			if (++links > CONTEXT_MAX_LINKS)
				return err_invalid(err, "too many levels of symbolic links at '%s'",
						   path);
		}
	}
	*ret = TAKE_PTR(at);
	return 1;
}

static size_t count_slashes(const char *s)
{
	size_t n = 0;

	while ((s = strchr(s, '/'))) {
		s++;
		n++;
	}
	return n;
}

int context_glob(struct strlist *ret, const struct context *c, const char *pattern, struct err *err)
{
	_cleanup_(glob_freep) struct glob *g = NULL;
	size_t depth = count_slashes(pattern);
	int r;

	r = glob_new(&g, pattern, GLOB_PATH, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n; i++) {
		const struct context_entry *e = &c->entries[i];

		if (!e->ignored && count_slashes(e->path) == depth && glob_match(g, e->path))
			strlist_add(ret, e->path);
	}
	return 0;
}

static void hash_entry(struct digest_ctx *h, const struct context_entry *e, const char *name)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s%c%o %s", name, 0, e->mode, e->digest);
	strbuf_addc(&sb, '\0');
	digest_update(h, sb.data, sb.len);
}

void context_digest(char ret[DIGEST_STR_SIZE], const struct context *c, const char *path)
{
	_cleanup_(digest_freep) struct digest_ctx *h = digest_new();
	const struct context_entry *e = context_find(c, path), *below;
	size_t skip = *path ? strlen(path) + 1 : 0, n;

	if (e && !S_ISDIR(e->mode)) {
		hash_entry(h, e, "");
	} else {
		below = context_below(c, path, &n);
		for (size_t i = 0; i < n; i++)
			if (!below[i].ignored)
				hash_entry(h, &below[i], below[i].path + skip);
	}
	digest_final(h, ret);
}
