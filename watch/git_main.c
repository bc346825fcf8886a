/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-git: reads the tree of one commit, or writes files of it into an empty directory. It can
 * open nothing but the repository's objects, and that directory. See watch/wire_priv.h for what is
 * said.
 */
#include <stdlib.h>

#include "base/json.h"
#include "watch/confine_priv.h"
#include "watch/gitdb_priv.h"
#include "watch/gitref_priv.h"

#define WINDOW_BYTES ((size_t)32 << 20)
#define MAPPED_BYTES ((size_t)256 << 20)

int gitdb_fail(struct err *err, const char *what)
{
	const git_error *e = git_error_last();

	return err_set(err, ERR_TRANSIENT, EIO, "SourceUnreadable", "%s: %s", what,
		       e ? e->message : "unknown error");
}

static void gitdb_deinit(struct gitdb *g)
{
	git_repository_free(g->repo);
	git_odb_free(g->odb);
	cache_free(g->cache);
	wire_deinit(&g->wire);
	git_libgit2_shutdown();
}

/* Nothing of the host's or the user's git configuration, small maps, every hash verified. */
static int init(struct err *err)
{
	static const git_config_level_t levels[] = {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
						    GIT_CONFIG_LEVEL_GLOBAL,
						    GIT_CONFIG_LEVEL_PROGRAMDATA};

	if (git_libgit2_init() < 0)
		return gitdb_fail(err, "libgit2");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, WINDOW_BYTES);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, MAPPED_BYTES);
	return 0;
}

int gitdb_open_tree(git_tree **ret, struct gitdb *g, const char *objects, const char *commit,
		    struct err *err)
{
	git_commit *c = NULL;
	git_oid oid;
	int r;

	if (git_oid_fromstr(&oid, commit) < 0 || git_odb_open(&g->odb, objects) < 0 ||
	    git_repository_wrap_odb(&g->repo, g->odb) < 0)
		return gitdb_fail(err, objects);
	if (git_commit_lookup(&c, g->repo, &oid) < 0)
		return gitdb_fail(err, "commit");
	r = git_commit_tree(ret, c);
	git_commit_free(c);
	return r < 0 ? gitdb_fail(err, "tree of the commit") : 0;
}

/* A branch that does not contain what it pointed to before was rewritten. */
static void note_rewritten(struct gitdb *g, const char *commit, const char *previous)
{
	autofree char *text = NULL;
	git_oid now, before;

	if (!previous || git_oid_fromstr(&now, commit) < 0 ||
	    git_oid_fromstr(&before, previous) < 0 ||
	    git_graph_descendant_of(g->repo, &now, &before) == 1)
		return;
	text = mem_asprintf("the branch was rewritten (force-push): %.12s does not contain %.12s",
			    commit, previous);
	(void)wire_note(&g->wire, text);
}

static int run(struct gitdb *g, const json_t *request, struct err *err)
{
	const char *objects = json_path_str(request, "objects", "");
	const char *commit = json_path_str(request, "commit", "");
	bool export = str_eq(json_path_str(request, "op", ""), "export");
	git_tree *tree = NULL;
	int r;

	if (!gitref_oid_valid(commit))
		return err_invalid(err, "not a commit id");
	g->have_content = json_path_bool(request, "haveContent", false);
	r = init(err);
	if (r >= 0)
		r = confine_to(export ? WATCH_ROOT_FD : -1, objects, export, err);
	if (r >= 0)
		r = gitdb_open_tree(&tree, g, objects, commit, err);
	if (r >= 0)
		r = export ? gitdb_export(g, tree, request, err) : gitdb_walk(g, tree, err);
	if (r >= 0 && !export)
		note_rewritten(g, commit, json_path_str(request, "previous", NULL));
	git_tree_free(tree);
	return r;
}

int main(void)
{
	_cleanup_(gitdb_deinit) struct gitdb g = {0};
	autojson *request = NULL;
	struct err err = {0};
	int r;

	r = wire_begin(&g.wire, &request, &g.cache);
	if (r < 0)
		return EXIT_FAILURE;
	r = run(&g, request, &err);
	r = r < 0 ? wire_fail(&g.wire, &err) : wire_finish(&g.wire, g.cache, json_object());
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
