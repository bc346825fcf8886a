/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a finished revision: look-up, ranges, symlinks inside the tree. How one is made is in
 * revision_build.c, its JSON form in revision_json.c.
 */
#include "watch/revision.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "watch/revision_priv.h"

#define LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */

static const char *const kind_names[REVISION_KIND_N_] = {
	[REVISION_FOLDER] = "folder",
	[REVISION_GIT] = "git",
};

const char *revision_kind_name(enum revision_kind kind)
{
	assert(kind < REVISION_KIND_N_);
	return kind_names[kind];
}

struct revision *revision_ref(struct revision *rev)
{
	if (!rev)
		return NULL;
	assert(rev->n_ref > 0);
	rev->n_ref++;
	return rev;
}

struct revision *revision_unref(struct revision *rev)
{
	if (!rev)
		return NULL;
	assert(rev->n_ref > 0);
	if (--rev->n_ref > 0)
		return NULL;
	for (size_t i = 0; i < rev->n_entries; i++)
		revision_entry_deinit(&rev->entries[i]);
	free(rev->entries);
	free(rev->id);
	free(rev->source);
	free(rev->source_name);
	free(rev->content_dir);
	free(rev);
	return NULL;
}

const char *revision_id(const struct revision *rev)
{
	return rev->id;
}

const char *revision_tree(const struct revision *rev)
{
	return rev->tree;
}

enum revision_kind revision_get_kind(const struct revision *rev)
{
	return rev->kind;
}

const char *revision_source(const struct revision *rev)
{
	return rev->source;
}

const char *revision_source_name(const struct revision *rev)
{
	return rev->source_name;
}

const char *revision_content_dir(const struct revision *rev)
{
	return rev->content_dir;
}

const struct revision_entry *revision_entries(const struct revision *rev, size_t *ret_n)
{
	*ret_n = rev->n_entries;
	return rev->entries;
}

/* The first entry whose path is not bytewise smaller than PATH. */
static size_t lower_bound(const struct revision *rev, const char *path)
{
	size_t lo = 0, hi = rev->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(rev->entries[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct revision_entry *revision_find(const struct revision *rev, const char *path)
{
	size_t i = lower_bound(rev, path);

	return i < rev->n_entries && str_eq(rev->entries[i].path, path) ? &rev->entries[i] : NULL;
}

const struct revision_entry *revision_below(const struct revision *rev, const char *dir,
					    size_t *ret_n)
{
	autofree char *prefix = NULL;
	size_t first, end;

	if (!*dir)
		return revision_entries(rev, ret_n);
	prefix = mem_asprintf("%s/", dir);
	first = lower_bound(rev, prefix);
	/* Everything that begins with "dir/" sorts before "dir0": '0' follows '/'. */
	prefix[strlen(prefix) - 1] = '/' + 1;
	end = lower_bound(rev, prefix);
	assert(first <= end);
	*ret_n = end - first;
	return rev->entries + first;
}

const char *revision_dir_digest(const struct revision *rev, const char *dir)
{
	const struct revision_entry *e;

	if (!*dir)
		return rev->tree;
	e = revision_find(rev, dir);
	return e && S_ISDIR(e->mode) ? e->digest : NULL;
}

char *revision_link_target(const char *link_path, const char *text)
{
	autofree char *joined = NULL;
	autostrlist parts = {0};
	autostrbuf out = STRBUF_INIT;
	const char *slash = strrchr(link_path, '/');
	size_t depth = 0;

	if (!*text || *text == '/')
		return NULL;
	joined = mem_asprintf("%.*s/%s", slash ? (int)(slash - link_path) : 0, link_path, text);
	strlist_split(&parts, joined, '/');
	for (size_t i = 0; i < parts.n; i++) {
		const char *part = parts.items[i];

		if (!*part || str_eq(part, "."))
			continue;
		if (str_eq(part, "..")) {
			const char *last;

			if (depth == 0)
				return NULL;
			depth--;
			last = strrchr(strbuf_str(&out), '/');
			strbuf_truncate(&out, last ? (size_t)(last - out.data) : 0);
			continue;
		}
		if (depth++ > 0)
			strbuf_addc(&out, '/');
		strbuf_adds(&out, part);
	}
	return strbuf_take(&out);
}

/*
 * One step of resolving *PATH: the first symlink on the way is replaced by its target. 1 when one
 * was, 0 with *RET when there is none left, -ENOENT when the way ends nowhere or outside.
 */
static int resolve_step(const struct revision *rev, char **path, const struct revision_entry **ret)
{
	const struct revision_entry *e = NULL;
	char *slash = *path;

	while (slash) {
		autofree char *target = NULL;
		char *next = NULL;

		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		e = revision_find(rev, *path);
		if (e && S_ISLNK(e->mode)) {
			target = revision_link_target(*path, e->content);
			if (!target || (!*target && !slash))
				return -ENOENT;
			next = mem_asprintf("%s%s%s", target, slash && *target ? "/" : "",
					    slash ? slash + 1 : "");
			free(*path);
			*path = next;
			return 1;
		}
		if (!e || (slash && !S_ISDIR(e->mode)))
			return -ENOENT;
		if (slash)
			*slash++ = '/';
	}
	*ret = e;
	return 0;
}

const struct revision_entry *revision_resolve(const struct revision *rev, const char *path)
{
	autofree char *at = mem_strdup(path);

	for (unsigned i = 0; i <= LINKS_MAX; i++) {
		const struct revision_entry *e;
		int r = resolve_step(rev, &at, &e);

		if (r < 0)
			return NULL;
		if (r == 0)
			return e;
		if (strlen(at) > REVISION_PATH_MAX)
			return NULL;
	}
	return NULL;
}

const char *revision_content(const struct revision *rev, const char *path, size_t *ret_len)
{
	const struct revision_entry *e = revision_resolve(rev, path);

	if (!e || !S_ISREG(e->mode) || !e->content)
		return NULL;
	*ret_len = e->size;
	return e->content;
}

bool revision_keeps(const char *name)
{
	static const char *const suffixes[] = {".yaml", ".yml", ".json", ".Dockerfile",
					       ".dockerignore"};

	if (str_skip_prefix(name, "Dockerfile"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (str_has_suffix(name, suffixes[i]))
			return true;
	return false;
}

void revision_apps(const struct revision *rev, struct strlist *ret)
{
	for (size_t i = 0; i < rev->n_entries; i++)
		if (S_ISDIR(rev->entries[i].mode) && !strchr(rev->entries[i].path, '/'))
			strlist_add(ret, rev->entries[i].path);
}
