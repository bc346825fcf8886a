/* SPDX-License-Identifier: Apache-2.0 */
/* The context listing: what is found, where links lead, what a digest covers. */
#include "builder/context.h"

#include "base/strbuf.h"
#include "lib.h"

#define TREE                                                                                       \
	"a=1\nd/\nd/x=2\nd/y*=3\nd-e=4\nd/s/\nd/s/z=5\nl@d\nabs@/d/x\nup@../../../etc/shadow\n"    \
	"loop@loop\ndeep@l/s\n"

Test(context, symlinks_are_followed_inside_only)
{
	/* clang-format off */
	static const struct {
		const char *path;
		const char *want; /* NULL: nothing there */
	} cases[] = {
		{ "", "" }, { "a", "a" }, { "d/x", "d/x" }, { "l", "d" }, { "l/x", "d/x" }, { "abs", "d/x" },
		{ "deep", "d/s" }, { "deep/z", "d/s/z" }, { "up", NULL }, { "nope", NULL }, { "a/b", NULL },
	};
	/* clang-format on */
	_cleanup_(context_freep) struct context *c = make_context(TREE, "");
	struct err err = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = NULL;
		int r = context_resolve(&got, c, cases[i].path, &err);

		cr_expect_eq(r, cases[i].want != NULL, "%s: %d", cases[i].path, r);
		cr_expect(str_eq(got, cases[i].want), "%s: %s", cases[i].path, got);
	}
	cr_expect_lt(context_resolve(&(char *){NULL}, c, "loop", &err), 0);
}

static char *glob_all(const struct context *c, const char *pattern)
{
	autostrlist found = {};
	autostrbuf sb = STRBUF_INIT;
	struct err err = {};

	cr_assert_eq(context_glob(&found, c, pattern, &err), 0);
	for (size_t i = 0; i < found.n; i++)
		strbuf_addf(&sb, "%s ", found.items[i]);
	return strbuf_take(&sb);
}

Test(context, patterns_match_component_by_component_in_walk_order)
{
	_cleanup_(context_freep) struct context *c = make_context(TREE, "");
	autofree char *top = glob_all(c, "d*");
	autofree char *below = glob_all(c, "d/*");
	autofree char *two = glob_all(c, "*/[xz]");

	cr_expect_str_eq(top, "d d-e deep ");
	cr_expect_str_eq(below, "d/s d/x d/y ");
	cr_expect_str_eq(two, "d/x ");
}

Test(context, below_a_directory_are_only_its_own)
{
	_cleanup_(context_freep) struct context *c = make_context(TREE, "");
	size_t n;
	const struct context_entry *e = context_below(c, "d", &n);

	cr_assert_eq(n, 4);
	cr_expect_str_eq(e[0].path, "d/s");
	cr_expect_str_eq(e[1].path, "d/s/z");
	cr_expect_str_eq(e[3].path, "d/y");
	(void)context_below(c, "", &n);
	cr_expect_eq(n, 12);
	(void)context_below(c, "a", &n);
	cr_expect_eq(n, 0);
}

Test(context, ignored_paths_are_not_there_but_parents_of_kept_ones_are)
{
	_cleanup_(context_freep) struct context *c = make_context(TREE, "*\n!d/s/z\n");

	cr_expect_null(context_find(c, "a"));
	cr_expect_null(context_find(c, "d/x"));
	cr_expect(context_find(c, "d"));
	cr_expect(context_find(c, "d/s"));
	cr_expect(context_find(c, "d/s/z"));
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *tree;
	const char *ignore;
	bool same;
} changes[] = {
	{ "nothing", "d/\nd/a=1\nd/b@a\nx=1", "", true },
	{ "another order of the listing", "x=1\nd/b@a\nd/a=1\nd/", "", true },
	{ "a file outside", "d/\nd/a=1\nd/b@a\nx=2", "", true },
	{ "an ignored file inside", "d/\nd/a=1\nd/b@a\nd/c=1\nx=1", "d/c", true },
	{ "content", "d/\nd/a=2\nd/b@a\nx=1", "", false },
	{ "mode", "d/\nd/a*=1\nd/b@a\nx=1", "", false },
	{ "a name", "d/\nd/aa=1\nd/b@a\nx=1", "", false },
	{ "the text of a link", "d/\nd/a=1\nd/b@x\nx=1", "", false },
	{ "a new file", "d/\nd/a=1\nd/b@a\nd/c=1\nx=1", "", false },
	{ "an empty directory", "d/\nd/a=1\nd/b@a\nd/c/\nx=1", "", false },
	{ "a file less", "d/\nd/a=1\nx=1", "", false },
	{ "a link that became a file with its text", "d/\nd/a=1\nd/b=a\nx=1", "", false },
};
/* clang-format on */

Test(context, digest_covers_names_modes_and_contents)
{
	_cleanup_(context_freep) struct context *base = make_context(changes[0].tree, "");
	char want[DIGEST_STR_SIZE];

	context_digest(want, base, "d");
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_(context_freep) struct context *c =
			make_context(changes[i].tree, changes[i].ignore);
		char got[DIGEST_STR_SIZE];

		context_digest(got, c, "d");
		cr_expect_eq(str_eq(got, want), changes[i].same, "%s", changes[i].sentence);
	}
}

Test(context, a_hostile_listing_is_refused)
{
	/* clang-format off */
	static const char *const bad[] = {
		"[{\"path\":\"../a\",\"mode\":33188,\"size\":0,\"digest\":\"x\"}]",
		"[{\"path\":\"/a\",\"mode\":16384}]",
		"[{\"path\":\"a//b\",\"mode\":16384}]",
		"[{\"path\":\"a\",\"mode\":33188,\"digest\":\"sha256:1\"}]",
		"[{\"path\":\"a\",\"mode\":4096}]",
		"[{\"path\":\"a\",\"mode\":16384,\"real\":\"../b\"}]",
		"[{\"path\":\"a\",\"mode\":16384},{\"path\":\"a\",\"mode\":16384}]",
		"[{\"mode\":16384}]",
		"[7]",
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autojson *j = json_loads(bad[i], 0, NULL);
		struct context *c = NULL;
		struct err err = {};

		cr_assert(j);
		cr_expect_eq(context_new(&c, j, NULL, &err), -EINVAL, "%s", bad[i]);
		cr_expect_eq(err.kind, ERR_INVALID);
	}
}
