/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a commit's trees. Whatever git itself would not have written ("..", ".git", a slash
 * in a name, an unknown mode) makes the whole revision invalid: it was made by hand, to hurt.
 */
#include <strings.h>

#include "watch/gitdb_priv.h"
#include "watch/ignore_priv.h"
#include "watch/revision_priv.h"

static int walk(struct gitdb *g, const git_tree *tree, const char *dir, unsigned depth,
		struct err *err);

int gitdb_read(git_odb_object **ret, struct gitdb *g, const git_oid *id, git_object_t type,
	       const char *what, struct err *err)
{
	git_object_t found;
	size_t size;

	if (git_odb_read_header(&size, &found, g->odb, id) < 0)
		return gitdb_fail(err, what);
	if (found != type)
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree", "%s: is a %s", what,
			       git_object_type2string(found));
	if (size > GITDB_BLOB_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "SourceTooLarge",
			       "%s: more than %u bytes in a git repository", what, GITDB_BLOB_MAX);
	g->n_bytes += size;
	if (g->n_bytes > GITDB_BYTES_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "SourceTooLarge",
			       "more than %llu bytes in one source",
			       (unsigned long long)GITDB_BYTES_MAX);
	return git_odb_read(ret, g->odb, id) < 0 ? gitdb_fail(err, what) : 0;
}

static int note(struct gitdb *g, const char *path, const char *what)
{
	autofree char *text = mem_asprintf("%s: %s", path, what);

	return wire_note(&g->wire, text);
}

static struct cache_key blob_key(const git_oid *id, const char *name)
{
	struct cache_key key = {0};

	_Static_assert(sizeof(id->id) <= sizeof(key) - sizeof(key.word[0]),
		       "an id fits beside the kind of name");
	memcpy(&key, id->id, sizeof(id->id));
	key.word[CACHE_KEY_WORDS - 1] = cache_name_kind(name);
	return key;
}

static int add_file(struct gitdb *g, struct revision_entry *e, const git_oid *id, const char *name,
		    struct err *err)
{
	struct cache_key key = blob_key(id, name);
	git_odb_object *blob = NULL;
	struct cache_hit hit;
	int r;

	if (cache_get(g->cache, &key, &hit) && !(hit.kept && !g->have_content)) {
		memcpy(e->digest, hit.digest, sizeof(e->digest));
		e->size = hit.size;
		return hit.kept ? wire_entry_known(&g->wire, e, err) : wire_entry(&g->wire, e, err);
	}
	r = gitdb_read(&blob, g, id, GIT_OBJECT_BLOB, e->path, err);
	if (r < 0)
		return r;
	e->size = git_odb_object_size(blob);
	digest_bytes(e->digest, git_odb_object_data(blob), e->size);
	if (revision_keeps(name) && e->size <= REVISION_KEPT_FILE_MAX &&
	    wire_keeps_text(name, git_odb_object_data(blob), e->size))
		e->content = git_odb_object_data(blob);
	if (!cache_get(g->cache, &key, &hit)) {
		hit = (struct cache_hit){.size = e->size, .kept = e->content != NULL};
		memcpy(hit.digest, e->digest, sizeof(hit.digest));
		cache_put(g->cache, &key, &hit);
	}
	r = wire_entry(&g->wire, e, err);
	git_odb_object_free(blob);
	return r;
}

static int add_link(struct gitdb *g, struct revision_entry *e, const git_oid *id, struct err *err)
{
	autofree char *target = NULL, *text = NULL;
	git_odb_object *blob = NULL;
	int r;

	r = gitdb_read(&blob, g, id, GIT_OBJECT_BLOB, e->path, err);
	if (r < 0)
		return r;
	e->size = git_odb_object_size(blob);
	if (e->size <= REVISION_LINK_MAX)
		text = mem_strndup(git_odb_object_data(blob), e->size);
	git_odb_object_free(blob);
	if (!text || !*text || strlen(text) != e->size)
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
			       "%s: not the text of a symlink", e->path);
	digest_bytes(e->digest, text, e->size);
	e->content = text;
	target = revision_link_target(e->path, text);
	if (!target)
		(void)note(g, e->path, "a symlink that leads out of the source is not followed");
	r = wire_entry(&g->wire, e, err);
	e->content = NULL;
	return r;
}

static int add_dir(struct gitdb *g, struct revision_entry *e, const git_oid *id, unsigned depth,
		   struct err *err)
{
	git_odb_object *raw = NULL;
	git_tree *tree = NULL;
	int r;

	if (depth >= REVISION_DEPTH_MAX)
		return err_set(err, ERR_INVALID, ELOOP, "SourceTooLarge",
			       "more than %u directories deep: %.200s", REVISION_DEPTH_MAX,
			       e->path);
	r = wire_entry(&g->wire, e, err);
	/* Bounds the size before libgit2 parses it. */
	if (r >= 0)
		r = gitdb_read(&raw, g, id, GIT_OBJECT_TREE, e->path, err);
	git_odb_object_free(raw);
	if (r < 0)
		return r;
	if (git_tree_lookup(&tree, g->repo, id) < 0)
		return gitdb_fail(err, e->path);
	r = walk(g, tree, e->path, depth + 1, err);
	git_tree_free(tree);
	return r;
}

static int add(struct gitdb *g, const git_tree_entry *te, const char *path, unsigned depth,
	       struct err *err)
{
	struct revision_entry e = {.path = path};
	const git_oid *id = git_tree_entry_id(te);

	switch ((unsigned)git_tree_entry_filemode_raw(te)) {
	case 0100644:
	case 0100664: /* written by early versions of git */
		e.mode = REVISION_MODE_FILE;
		return add_file(g, &e, id, git_tree_entry_name(te), err);
	case 0100755:
		e.mode = REVISION_MODE_EXEC;
		return add_file(g, &e, id, git_tree_entry_name(te), err);
	case 0120000:
		e.mode = REVISION_MODE_LINK;
		return add_link(g, &e, id, err);
	case 0040000:
		e.mode = REVISION_MODE_DIR;
		return add_dir(g, &e, id, depth, err);
	case 0160000:
		(void)note(g, path, "submodules are not followed");
		return 0;
	default:
		return err_set(err, ERR_INVALID, EINVAL, "InvalidTree", "%s: mode %o", path,
			       (unsigned)git_tree_entry_filemode_raw(te));
	}
}

static bool is_hostile(const char *name)
{
	return !*name || str_eq(name, ".") || str_eq(name, "..") || strchr(name, '/') ||
	       strcasecmp(name, ".git") == 0;
}

static int walk(struct gitdb *g, const git_tree *tree, const char *dir, unsigned depth,
		struct err *err)
{
	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *te = git_tree_entry_byindex(tree, i);
		const char *name = git_tree_entry_name(te);
		autofree char *path = *dir ? mem_asprintf("%s/%s", dir, name) : mem_strdup(name);

		if (is_hostile(name))
			return err_set(err, ERR_INVALID, EINVAL, "InvalidTree",
				       "a name that git forbids: %.200s", path);
		if (ignore_name(name) != IGNORE_NO)
			continue;
		if (!revision_name_valid(name)) {
			(void)note(g, path, "names that are not printable UTF-8 are left out");
			continue;
		}
		if (strlen(path) > REVISION_PATH_MAX)
			return err_set(err, ERR_INVALID, ENAMETOOLONG, "SourceTooLarge",
				       "a path is longer than %u bytes", REVISION_PATH_MAX);
		if (add(g, te, path, depth, err) < 0)
			return err->code;
	}
	return 0;
}

int gitdb_walk(struct gitdb *g, git_tree *tree, struct err *err)
{
	return walk(g, tree, "", 1, err);
}
