/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a revision: every entry is checked as if it came from an enemy (it comes from a worker
 * that reads foreign trees), then order, symlinked apps, and the digest of each directory.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "watch/revision_priv.h"

struct revision_builder {
	struct revision_entry *entries;
	size_t n_entries;
	size_t cap;
	size_t max_entries;
	size_t n_kept;
	size_t kept_bytes;
};

struct revision_builder *revision_builder_new(size_t max_entries)
{
	struct revision_builder *b = NEW(struct revision_builder);

	b->max_entries = max_entries && max_entries < REVISION_ENTRIES_MAX ? max_entries
									   : REVISION_ENTRIES_MAX;
	return b;
}

void revision_entry_deinit(struct revision_entry *e)
{
	if (e->real != e->path)
		free((char *)e->real);
	free((char *)e->path);
	free((char *)e->content);
	*e = (struct revision_entry){0};
}

struct revision_builder *revision_builder_free(struct revision_builder *b)
{
	if (!b)
		return NULL;
	for (size_t i = 0; i < b->n_entries; i++)
		revision_entry_deinit(&b->entries[i]);
	free(b->entries);
	free(b);
	return NULL;
}

/* The N bytes at NAME as one component. */
static bool component_valid(const char *name, size_t n)
{
	autostrbuf escaped = STRBUF_INIT;
	size_t plain = 0;

	if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	while (plain < n && name[plain] > ' ' && name[plain] < 0x7f)
		plain++;
	if (plain == n)
		return true;
	/* What a terminal can't be shown as it is may not be a name here: it goes into errors, logs
	 * and JSON. */
	strbuf_add_escaped(&escaped, name, n);
	return escaped.len == n && memcmp(escaped.data, name, n) == 0;
}

bool revision_name_valid(const char *name)
{
	return !strchr(name, '/') && component_valid(name, strlen(name));
}

bool revision_path_valid(const char *path)
{
	const char *end;

	if (strlen(path) > REVISION_PATH_MAX)
		return false;
	for (unsigned depth = 1; depth <= REVISION_DEPTH_MAX; depth++, path = end + 1) {
		end = strchrnul(path, '/');
		if (!component_valid(path, (size_t)(end - path)))
			return false;
		if (!*end)
			return true;
	}
	return false;
}

char *revision_name_of_path(const char *path)
{
	autofree char *clean = fs_clean_path(path);
	const char *slash = strrchr(clean, '/');
	const char *name = slash ? slash + 1 : clean;
	size_t n = strlen(name);

	if (n > 4 && str_has_suffix(name, ".git"))
		n -= 4;
	return n > 0 ? mem_strndup(name, n) : mem_strdup("root");
}

static int entry_check(const struct revision_entry *e, struct err *err)
{
	if (!revision_path_valid(e->path) || (e->real && !revision_path_valid(e->real)))
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
			       "a path is not acceptable: %.200s", e->path);
	if (e->mode != REVISION_MODE_FILE && e->mode != REVISION_MODE_EXEC &&
	    e->mode != REVISION_MODE_LINK && e->mode != REVISION_MODE_DIR)
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree", "%s: mode %o", e->path,
			       e->mode);
	if (S_ISDIR(e->mode))
		return 0;
	if (!digest_valid(e->digest))
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree", "%s: not a digest",
			       e->path);
	if (S_ISLNK(e->mode) && (!e->content || e->size > REVISION_LINK_MAX))
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
			       "%s: symlink without text or too long", e->path);
	if (e->content) {
		char digest[DIGEST_STR_SIZE];

		if (e->size > REVISION_KEPT_FILE_MAX)
			return err_set(err, ERR_INVALID, EINVAL, "SourceTooLarge",
				       "%s: too large to be kept", e->path);
		digest_bytes(digest, e->content, e->size);
		if (!str_eq(digest, e->digest))
			return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
				       "%s: content and digest differ", e->path);
	}
	return 0;
}

/* N bytes, which may hold NULs, and a NUL behind them. */
static char *copy_text(const char *text, size_t n)
{
	char *copy = mem_alloc(n + 1);

	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

static struct revision_entry *push(struct revision_builder *b)
{
	GROW(b->entries, b->cap, b->n_entries + 1);
	b->entries[b->n_entries] = (struct revision_entry){0};
	return &b->entries[b->n_entries++];
}

static int too_large(struct err *err, const char *what, size_t limit)
{
	return err_set(err, ERR_INVALID, E2BIG, "SourceTooLarge", "more than %zu %s in one source",
		       limit, what);
}

int revision_builder_add(struct revision_builder *b, const struct revision_entry *e,
			 struct err *err)
{
	struct revision_entry *copy;
	int r;

	r = entry_check(e, err);
	if (r < 0)
		return r;
	if (b->n_entries >= b->max_entries)
		return too_large(err, "files and directories", b->max_entries);
	if (S_ISREG(e->mode) && e->content) {
		if (b->n_kept >= REVISION_KEPT_FILES_MAX)
			return too_large(err, "manifests", REVISION_KEPT_FILES_MAX);
		if (b->kept_bytes + e->size > REVISION_KEPT_BYTES_MAX)
			return too_large(err, "bytes of manifests", REVISION_KEPT_BYTES_MAX);
		b->n_kept++;
		b->kept_bytes += e->size;
	}
	copy = push(b);
	*copy = *e;
	copy->path = mem_strdup(e->path);
	copy->real = !e->real || str_eq(e->real, e->path) ? copy->path : mem_strdup(e->real);
	copy->content = e->content ? copy_text(e->content, e->size) : NULL;
	if (S_ISDIR(e->mode)) {
		copy->size = 0;
		copy->digest[0] = '\0';
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct revision_entry *)a)->path,
		      ((const struct revision_entry *)b)->path);
}

static void sort(struct revision_builder *b)
{
	if (b->n_entries > 0)
		qsort(b->entries, b->n_entries, sizeof(*b->entries), by_path);
}

static int check_shape(const struct revision *rev, struct err *err)
{
	for (size_t i = 0; i < rev->n_entries; i++) {
		const char *path = rev->entries[i].path;
		const char *slash = strrchr(path, '/');
		autofree char *parent = NULL;
		const struct revision_entry *p;

		if (i > 0 && str_eq(rev->entries[i - 1].path, path))
			return err_set(err, ERR_INVALID, EINVAL, "InvalidTree", "%s is there twice",
				       path);
		if (!slash)
			continue;
		parent = mem_strndup(path, (size_t)(slash - path));
		p = revision_find(rev, parent);
		if (!p || !S_ISDIR(p->mode))
			return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
				       "%s lies in no directory", path);
	}
	return 0;
}

/* The directory of the tree that the top-level symlink E leads to, or NULL. */
static const struct revision_entry *linked_dir(const struct revision *rev,
					       const struct revision_entry *e)
{
	const struct revision_entry *target;

	if (!S_ISLNK(e->mode) || strchr(e->path, '/'))
		return NULL;
	target = revision_resolve(rev, e->path);
	return target && S_ISDIR(target->mode) ? target : NULL;
}

/*
 * Append a directory NAME to B that holds a copy of what lies below TARGET, one of the first
 * N_SORTED entries. Adding moves the array, not the strings in it.
 */
static int copy_tree(struct revision_builder *b, size_t n_sorted, const char *name,
		     struct revision_entry target, struct err *err)
{
	struct revision view = {.entries = b->entries, .n_entries = n_sorted};
	struct revision_entry dir = {.path = name, .real = target.real, .mode = REVISION_MODE_DIR};
	size_t n, first = (size_t)(revision_below(&view, target.path, &n) - b->entries);
	int r;

	r = revision_builder_add(b, &dir, err);
	for (size_t i = first; r >= 0 && i < first + n; i++) {
		struct revision_entry copy = b->entries[i];
		autofree char *path = mem_asprintf("%s%s", name, copy.path + strlen(target.path));

		copy.path = path;
		r = revision_builder_add(b, &copy, err);
	}
	return r;
}

/* "current -> releases/7" at the top is an app like any other: put a directory in the link's place.
 */
static int expand_links(struct revision_builder *b, struct err *err)
{
	autofree bool *expanded = mem_calloc(b->n_entries + 1, sizeof(bool));
	size_t n_sorted = b->n_entries, n = 0;

	for (size_t i = 0; i < n_sorted; i++) {
		struct revision view = {.entries = b->entries, .n_entries = n_sorted};
		const struct revision_entry *target = linked_dir(&view, &b->entries[i]);

		if (!target)
			continue;
		expanded[i] = true;
		if (copy_tree(b, n_sorted, b->entries[i].path, *target, err) < 0)
			return err_wrap(err, "symlink %s", b->entries[i].path);
	}
	for (size_t i = 0; i < b->n_entries; i++) {
		if (i < n_sorted && expanded[i])
			revision_entry_deinit(&b->entries[i]);
		else
			b->entries[n++] = b->entries[i];
	}
	b->n_entries = n;
	sort(b);
	return 0;
}

static void listing_add(struct digest_ctx *ctx, const struct revision_entry *e, const char *name)
{
	autofree char *head = mem_asprintf("%06o %s ", e->mode, e->digest);

	digest_update(ctx, head, strlen(head));
	digest_update(ctx, name, strlen(name) + 1);
}

/*
 * The canonical listing of a directory: for each child in bytewise order "<octal mode> <digest>
 * <name>" and a NUL. Children are hashed first: within the sorted array a directory comes before
 * all that lies below it, so going backwards visits the deepest first.
 */
static void digest_dir(char ret[DIGEST_STR_SIZE], const struct revision *rev, const char *dir)
{
	_cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
	size_t n, skip = *dir ? strlen(dir) + 1 : 0;
	const struct revision_entry *below = revision_below(rev, dir, &n);

	for (size_t i = 0; i < n; i++) {
		const char *name = below[i].path + skip;

		if (!strchr(name, '/'))
			listing_add(ctx, &below[i], name);
	}
	digest_final(ctx, ret);
}

int revision_builder_finish(struct revision **ret, struct revision_builder *b,
			    enum revision_kind kind, const char *id, const char *source,
			    struct err *err)
{
	_cleanup_(revision_unrefp) struct revision *rev = NULL;
	int r;

	assert(kind < REVISION_KIND_N_);
	sort(b);
	r = expand_links(b, err);
	if (r < 0)
		return r;
	rev = NEW(struct revision);
	rev->n_ref = 1;
	rev->kind = kind;
	rev->entries = TAKE_PTR(b->entries);
	rev->n_entries = b->n_entries;
	b->n_entries = b->cap = b->n_kept = b->kept_bytes = 0;
	r = check_shape(rev, err);
	if (r < 0)
		return r;
	for (size_t i = rev->n_entries; i-- > 0;)
		if (S_ISDIR(rev->entries[i].mode))
			digest_dir(rev->entries[i].digest, rev, rev->entries[i].path);
	digest_dir(rev->tree, rev, "");
	rev->id = mem_strdup(id ? id : rev->tree);
	rev->source = mem_strdup(source);
	rev->source_name = revision_name_of_path(source);
	rev->content_dir = kind == REVISION_FOLDER ? mem_strdup(source) : NULL;
	*ret = TAKE_PTR(rev);
	return 0;
}
