/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revisions: what may be in one, how it is looked up, and that the JSON form refuses what is not
 * one.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "watch/revision.h"
#include "watch/revision_priv.h"

/* A file of TEXT (kept), a link with TEXT, or a directory (TEXT NULL). */
static int add(struct revision_builder *b, const char *path, uint32_t mode, const char *text,
	       struct err *err)
{
	struct revision_entry e = {
		.path = path, .mode = mode, .content = text, .size = text ? strlen(text) : 0};

	digest_bytes(e.digest, text ?: "", e.size);
	return revision_builder_add(b, &e, err);
}

struct spec {
	const char *path;
	uint32_t mode;
	const char *text;
};

static struct revision *build(const struct spec *specs, size_t n)
{
	_cleanup_(revision_builder_freep) struct revision_builder *b = revision_builder_new(0);
	struct revision *rev = NULL;
	struct err err = {0};

	for (size_t i = 0; i < n; i++)
		cr_assert(add(b, specs[i].path, specs[i].mode, specs[i].text, &err) == 0, "%s",
			  err.message);
	cr_assert(revision_builder_finish(&rev, b, REVISION_FOLDER, NULL, "/srv/apps.git/", &err) ==
			  0,
		  "%s", err.message);
	return rev;
}

/* In no order, with names around '/' in the byte order ('-' before it, '0' after it). */
static const struct spec sample[] = {
	{"web/app.yaml", REVISION_MODE_FILE, "kind: Pod\n"},
	{"web0", REVISION_MODE_FILE, "0"},
	{"web", REVISION_MODE_DIR, NULL},
	{"web-2/x", REVISION_MODE_EXEC, "x"},
	{"web-2", REVISION_MODE_DIR, NULL},
	{"web/deep/er", REVISION_MODE_DIR, NULL},
	{"web/deep", REVISION_MODE_DIR, NULL},
	{"web/deep/er/l.yaml", REVISION_MODE_LINK, "../../app.yaml"},
	{"web/deep/out", REVISION_MODE_LINK, "../../../x"},
	{"web/deep/root", REVISION_MODE_LINK, "../.."},
	{"web/circle", REVISION_MODE_LINK, "./circle"},
	{"top.yaml", REVISION_MODE_LINK, "web/deep/er/l.yaml"},
	{"release", REVISION_MODE_LINK, "web/deep"},
};

Test(revision, is_sorted_and_found_by_path)
{
	_cleanup_(revision_unrefp) struct revision *rev = build(sample, ARRAY_SIZE(sample));
	size_t n;
	const struct revision_entry *e = revision_entries(rev, &n);

	for (size_t i = 1; i < n; i++)
		cr_expect(strcmp(e[i - 1].path, e[i].path) < 0, "%s %s", e[i - 1].path, e[i].path);
	for (size_t i = 0; i < n; i++)
		cr_expect(revision_find(rev, e[i].path) == &e[i]);
	cr_expect_null(revision_find(rev, ""));
	cr_expect_null(revision_find(rev, "we"));
	cr_expect_str_eq(revision_source_name(rev), "apps");
}

Test(revision, below_a_directory_is_neither_its_neighbours_nor_itself)
{
	static const struct {
		const char *dir;
		size_t n;
		const char *first;
	} cases[] = {
		{"web", 7, "web/app.yaml"},
		{"web-2", 1, "web-2/x"},
		{"web/deep/er", 1, "web/deep/er/l.yaml"},
		{"web0", 0, NULL},
		{"nothing", 0, NULL},
	};
	_cleanup_(revision_unrefp) struct revision *rev = build(sample, ARRAY_SIZE(sample));

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n;
		const struct revision_entry *e = revision_below(rev, cases[i].dir, &n);

		cr_expect(n == cases[i].n, "%s: got %zu, want %zu", cases[i].dir, n, cases[i].n);
		if (n > 0)
			cr_expect_str_eq(e->path, cases[i].first);
	}
}

Test(revision, links_are_followed_inside_and_never_outside)
{
	static const struct {
		const char *path;
		const char *leads_to; /* NULL: nowhere */
	} cases[] = {
		{"web/app.yaml", "web/app.yaml"},
		{"web/deep/er/l.yaml", "web/app.yaml"},
		{"top.yaml", "web/app.yaml"},
		{"web/deep/root", NULL},
		{"web/deep/root/web0", "web0"},
		{"web/deep/out", NULL},
		{"web/circle", NULL},
		{"web/circle/x", NULL},
		{"web/app.yaml/x", NULL},
		{"", NULL},
	};
	_cleanup_(revision_unrefp) struct revision *rev = build(sample, ARRAY_SIZE(sample));

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct revision_entry *e = revision_resolve(rev, cases[i].path);

		cr_expect(str_eq(e ? e->path : NULL, cases[i].leads_to), "%s: got %s",
			  cases[i].path, e ? e->path : "(nowhere)");
	}
}

Test(revision, the_target_of_a_link_is_computed_by_names)
{
	static const struct {
		const char *link;
		const char *text;
		const char *target;
	} cases[] = {
		{"a", "b", "b"},
		{"d/a", "b", "d/b"},
		{"d/a", "../b", "b"},
		{"d/a", "..", ""},
		{"d/a", "../..", NULL},
		{"a", "..", NULL},
		{"a", "/etc/passwd", NULL},
		{"a", "", NULL},
		{"d/e/a", "./../..//b/./c/", "b/c"},
		{"d/a", "../../d/b", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = revision_link_target(cases[i].link, cases[i].text);

		cr_expect(str_eq(got, cases[i].target), "%s -> %s: got %s", cases[i].link,
			  cases[i].text, got ?: "(out)");
	}
}

Test(revision, a_release_link_at_the_top_is_an_app_with_real_paths)
{
	_cleanup_(revision_unrefp) struct revision *rev = build(sample, ARRAY_SIZE(sample));
	const struct revision_entry *e = revision_find(rev, "release/er");
	autostrlist apps = {0};

	cr_assert(e);
	cr_expect_str_eq(e->real, "web/deep/er");
	cr_expect_str_eq(revision_dir_digest(rev, "release"), revision_dir_digest(rev, "web/deep"));
	revision_apps(rev, &apps);
	cr_assert(apps.n == 3);
	cr_expect_str_eq(apps.items[0], "release");
	cr_expect_str_eq(apps.items[1], "web");
	cr_expect_str_eq(apps.items[2], "web-2");
}

Test(revision, the_tree_digest_depends_on_content_mode_name_and_place_only)
{
	static const struct {
		const char *what;
		struct spec file;
		bool same;
	} cases[] = {
		{"the same", {"d/a", REVISION_MODE_FILE, "x"}, true},
		{"other content", {"d/a", REVISION_MODE_FILE, "y"}, false},
		{"other mode", {"d/a", REVISION_MODE_EXEC, "x"}, false},
		{"a link with that text", {"d/a", REVISION_MODE_LINK, "x"}, false},
		{"other name", {"d/b", REVISION_MODE_FILE, "x"}, false},
		{"other place", {"a", REVISION_MODE_FILE, "x"}, false},
	};
	const struct spec base[] = {{"d", REVISION_MODE_DIR, NULL},
				    {"d/a", REVISION_MODE_FILE, "x"}};
	_cleanup_(revision_unrefp) struct revision *want = build(base, 2);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct spec specs[] = {{"d", REVISION_MODE_DIR, NULL}, cases[i].file};
		_cleanup_(revision_unrefp) struct revision *got = build(specs, 2);

		cr_expect(str_eq(revision_tree(got), revision_tree(want)) == cases[i].same, "%s",
			  cases[i].what);
	}
	/* The canonical form is a promise: it is compared across restarts and with other hosts. */
	cr_expect_str_eq(revision_tree(want),
			 "sha256:a068081fe04c72e15292d055417b51a7c3c1e4f895fe6b60794cd25fe480f932");
}

Test(revision, what_no_revision_may_hold_is_refused)
{
	static const struct {
		const char *what;
		struct spec file;
	} cases[] = {
		{"an absolute path", {"/etc/passwd", REVISION_MODE_FILE, "x"}},
		{"a parent directory", {"../x", REVISION_MODE_FILE, "x"}},
		{"a parent directory inside", {"a/../x", REVISION_MODE_FILE, "x"}},
		{"a dot", {"./x", REVISION_MODE_FILE, "x"}},
		{"an empty component", {"a//x", REVISION_MODE_FILE, "x"}},
		{"a trailing slash", {"a/", REVISION_MODE_FILE, "x"}},
		{"no path", {"", REVISION_MODE_FILE, "x"}},
		{"a line feed", {"a\nb", REVISION_MODE_FILE, "x"}},
		{"an escape sequence", {"a\033[31m", REVISION_MODE_FILE, "x"}},
		{"invalid UTF-8", {"a\xff", REVISION_MODE_FILE, "x"}},
		{"a device", {"sda", S_IFBLK | 0600, "x"}},
		{"a set-uid file", {"su", S_IFREG | 04755, "x"}},
		{"an odd mode", {"a", S_IFREG | 0600, "x"}},
		{"a link without text", {"a", REVISION_MODE_LINK, NULL}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(revision_builder_freep) struct revision_builder *b =
			revision_builder_new(0);
		struct err err = {0};

		cr_expect(add(b, cases[i].file.path, cases[i].file.mode, cases[i].file.text,
			      &err) == -EINVAL,
			  "%s", cases[i].what);
		cr_expect(err.kind == ERR_INVALID, "%s", cases[i].what);
	}
}

Test(revision, shapes_that_no_tree_has_are_refused)
{
	static const struct {
		const char *what;
		struct spec files[2];
	} cases[] = {
		{"twice the same",
		 {{"a", REVISION_MODE_FILE, "x"}, {"a", REVISION_MODE_FILE, "x"}}},
		{"file and directory",
		 {{"a", REVISION_MODE_FILE, "x"}, {"a", REVISION_MODE_DIR, NULL}}},
		{"below a file",
		 {{"a", REVISION_MODE_FILE, "x"}, {"a/b", REVISION_MODE_FILE, "x"}}},
		{"below a link",
		 {{"d/a", REVISION_MODE_LINK, "x"}, {"d/a/b", REVISION_MODE_FILE, "x"}}},
		{"below nothing",
		 {{"a", REVISION_MODE_DIR, NULL}, {"b/c", REVISION_MODE_FILE, "x"}}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(revision_builder_freep) struct revision_builder *b =
			revision_builder_new(0);
		struct revision *rev = NULL;
		struct err err = {0};

		for (size_t k = 0; k < 2; k++)
			cr_assert(add(b, cases[i].files[k].path, cases[i].files[k].mode,
				      cases[i].files[k].text, &err) == 0);
		cr_expect(revision_builder_finish(&rev, b, REVISION_FOLDER, NULL, "/x", &err) < 0,
			  "%s", cases[i].what);
		cr_expect_str_eq(err.reason, "InvalidTree");
		cr_expect_null(rev);
	}
}

Test(revision, bounds_hold)
{
	_cleanup_(revision_builder_freep) struct revision_builder *few = revision_builder_new(2);
	_cleanup_(revision_builder_freep) struct revision_builder *many = revision_builder_new(0);
	autostrbuf deep = STRBUF_INIT;
	struct err err = {0};
	int r = 0;

	cr_expect(add(few, "a", REVISION_MODE_FILE, "x", &err) == 0 &&
		  add(few, "b", REVISION_MODE_FILE, "x", &err) == 0);
	cr_expect(add(few, "c", REVISION_MODE_FILE, "x", &err) < 0);
	cr_expect_str_eq(err.reason, "SourceTooLarge");
	for (unsigned i = 0; r >= 0 && i <= REVISION_KEPT_FILES_MAX; i++) {
		autofree char *path = mem_asprintf("%u.yaml", i);

		r = add(many, path, REVISION_MODE_FILE, "x", &err);
		cr_expect(r == (i < REVISION_KEPT_FILES_MAX ? 0 : -E2BIG), "%u", i);
	}
	for (unsigned i = 0; i < REVISION_DEPTH_MAX; i++)
		strbuf_adds(&deep, i ? "/d" : "d");
	cr_expect(revision_path_valid(strbuf_str(&deep)));
	strbuf_adds(&deep, "/d");
	cr_expect_not(revision_path_valid(strbuf_str(&deep)));
}

Test(revision, json_there_and_back_is_the_same)
{
	_cleanup_(revision_unrefp) struct revision *rev = build(sample, ARRAY_SIZE(sample)),
						   *back = NULL;
	autojson *j = revision_to_json(rev), *again = NULL;
	struct err err = {0};

	cr_assert(revision_from_json(&back, j, &err) == 0, "%s", err.message);
	again = revision_to_json(back);
	cr_expect(json_equal(j, again));
	cr_expect_str_eq(revision_tree(back), revision_tree(rev));
	cr_expect_str_eq(revision_find(back, "release/er")->real, "web/deep/er");
}

Test(revision, kept_bytes_that_are_no_text_survive_json)
{
	_cleanup_(revision_builder_freep) struct revision_builder *b = revision_builder_new(0);
	_cleanup_(revision_unrefp) struct revision *rev = NULL, *back = NULL;
	struct revision_entry e = {.path = "Dockerfile",
				   .mode = REVISION_MODE_FILE,
				   .size = 4,
				   .content = "\xff\0\n\x80"};
	autojson *j = NULL;
	struct err err = {0};
	size_t len;

	digest_bytes(e.digest, e.content, 4);
	cr_assert(revision_builder_add(b, &e, &err) == 0);
	cr_assert(revision_builder_finish(&rev, b, REVISION_GIT, "0123", "/x", &err) == 0);
	j = revision_to_json(rev);
	cr_assert(revision_from_json(&back, j, &err) == 0, "%s", err.message);
	cr_expect(memcmp(revision_content(back, "Dockerfile", &len), "\xff\0\n\x80", 4) == 0 &&
		  len == 4);
	cr_expect(revision_get_kind(back) == REVISION_GIT && !revision_content_dir(back));
	cr_expect_str_eq(revision_id(back), "0123");
}

Test(revision, json_that_is_no_revision_is_refused)
{
	static const struct {
		const char *what;
		const char *path;  /* member to change */
		const char *value; /* JSON; NULL removes it */
	} cases[] = {
		{"no kind", "kind", NULL},
		{"unknown kind", "kind", "\"svn\""},
		{"no entries", "entries", NULL},
		{"entries of another type", "entries", "{}"},
		{"an entry of another type", "entries.[0]", "7"},
		{"another tree", "tree", "\"sha256:00\""},
		{"no tree", "tree", NULL},
		{"no path", "entries.[0].path", NULL},
		{"a path that leaves", "entries.[0].path", "\"../x\""},
		{"a real path that leaves", "entries.[0].real", "\"../x\""},
		{"a real path of another type", "entries.[0].real", "1"},
		{"a negative mode", "entries.[0].mode", "-1"},
		{"a mode beyond all modes", "entries.[0].mode", "4294967296"},
		{"another mode", "entries.[0].mode", "16384"},
		{"a negative size", "entries.[0].size", "-1"},
		{"another size", "entries.[0].size", "7"},
		{"no digest", "entries.[0].digest", NULL},
		{"a long digest", "entries.[0].digest",
		 "\"sha256:00000000000000000000000000000000000000000000000000000000000000000000000000\""},
		{"other content", "entries.[0].content", "\"y\""},
		{"content of another type", "entries.[0].content", "[]"},
		{"content and hex that differ", "entries.[0].content", NULL},
		{"a content directory of another type", "contentDir", "7"},
	};
	const struct spec one[] = {{"a.yaml", REVISION_MODE_FILE, "x"}};
	_cleanup_(revision_unrefp) struct revision *rev = build(one, 1);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *j = revision_to_json(rev);
		struct revision *back = NULL;
		struct err err = {0};

		if (strstr(cases[i].what, "hex"))
			json_path_set_new(j, "entries.[0].hex", json_string("7g"));
		if (str_eq(cases[i].path, "entries.[0]"))
			json_array_set_new(json_object_get(j, "entries"), 0, json_integer(7));
		else if (cases[i].value)
			json_path_set_new(j, cases[i].path,
					  json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		else
			json_path_del(j, cases[i].path);
		cr_expect(revision_from_json(&back, j, &err) == -EINVAL, "%s", cases[i].what);
		cr_expect(err.kind == ERR_INVALID && !back, "%s", cases[i].what);
		revision_unref(back);
	}
}

Test(revision, which_files_are_kept)
{
	static const struct {
		const char *name;
		bool keeps;
	} cases[] = {
		{"a.yaml", true},         {"a.yml", true},
		{"a.json", true},         {"Dockerfile", true},
		{"Dockerfile.dev", true}, {"web.Dockerfile", true},
		{".dockerignore", true},  {"Dockerfile.dockerignore", true},
		{"a.yaml.bak", false},    {"yaml", false},
		{"index.html", false},    {"dockerfile", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect(revision_keeps(cases[i].name) == cases[i].keeps, "%s", cases[i].name);
}
