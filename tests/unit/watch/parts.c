/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small pure parts of watch: the ignore table, the debounce arithmetic, the digest cache, and
 * git's ref files.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "watch/cache_priv.h"
#include "watch/debounce_priv.h"
#include "watch/gitref_priv.h"
#include "watch/ignore_priv.h"
#include "watch/source_priv.h"

Test(ignore, names)
{
	static const struct {
		const char *name;
		enum ignore want;
	} cases[] = {
		{"app.yaml", IGNORE_NO},
		{"Dockerfile", IGNORE_NO},
		{".dockerignore", IGNORE_NO},
		{"sedentary", IGNORE_NO},
		{"sedA1b2C3", IGNORE_TEMP},
		{"sedA1b2C3D", IGNORE_NO},
		{"49130", IGNORE_NO},
		{"4913", IGNORE_TEMP},
		{"#", IGNORE_NO},
		{"#a#", IGNORE_TEMP},
		{"#a", IGNORE_NO},
		{"a~", IGNORE_TEMP},
		{"~", IGNORE_TEMP},
		{"a.swp", IGNORE_TEMP},
		{".a.yaml.swp", IGNORE_TEMP},
		{".#a.yaml", IGNORE_TEMP},
		{"a.tmp", IGNORE_TEMP},
		{"tmp", IGNORE_NO},
		{"part", IGNORE_NO},
		{"a.part", IGNORE_TEMP},
		{"a.crdownload", IGNORE_TEMP},
		{"a.yaml___jb_tmp___", IGNORE_TEMP},
		{".git", IGNORE_HIDDEN},
		{"..data", IGNORE_HIDDEN},
		{"..", IGNORE_HIDDEN},
		{"lost+found", IGNORE_HIDDEN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect(ignore_name(cases[i].name) == cases[i].want, "%s: got %d, want %d",
			  cases[i].name, ignore_name(cases[i].name), cases[i].want);
}

struct event {
	uint64_t at;
	enum debounce_kind kind;
};

Test(debounce, when_to_look)
{
	static const struct {
		const char *what;
		struct event events[8];
		size_t n;
		uint64_t due;
	} cases[] = {
		{"nothing happened", {{0, 0}}, 0, UINT64_MAX},
		{"one change waits for quiet", {{1000, DEBOUNCE_CHANGE}}, 1, 1030},
		{"another one starts the window again",
		 {{1000, DEBOUNCE_CHANGE}, {1020, DEBOUNCE_CHANGE}},
		 2,
		 1050},
		{"a busy writer can't move the bound",
		 {{1000, DEBOUNCE_CHANGE},
		  {1100, DEBOUNCE_CHANGE},
		  {1200, DEBOUNCE_CHANGE},
		  {1249, DEBOUNCE_CHANGE}},
		 4,
		 1250},
		{"a deletion alone waits longer", {{1000, DEBOUNCE_REMOVAL}}, 1, 1100},
		{"a deletion after a change does not",
		 {{1000, DEBOUNCE_CHANGE}, {1010, DEBOUNCE_REMOVAL}},
		 2,
		 1040},
		{"a change after a deletion ends the longer wait",
		 {{1000, DEBOUNCE_REMOVAL}, {1010, DEBOUNCE_CHANGE}},
		 2,
		 1040},
		{"deletions without end are bounded too",
		 {{1000, DEBOUNCE_REMOVAL}, {1090, DEBOUNCE_REMOVAL}, {1180, DEBOUNCE_REMOVAL}},
		 3,
		 1250},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct debounce d = {.quiet_ms = 30, .removal_ms = 100, .max_ms = 250};

		for (size_t k = 0; k < cases[i].n; k++)
			debounce_note(&d, cases[i].events[k].kind, cases[i].events[k].at);
		cr_expect(debounce_due(&d) == cases[i].due, "%s: got %lu, want %lu", cases[i].what,
			  (unsigned long)debounce_due(&d), (unsigned long)cases[i].due);
	}
}

Test(debounce, overdue_counts_from_the_first_event_until_cleared)
{
	struct debounce d = {.quiet_ms = 30, .removal_ms = 100, .max_ms = 250};

	cr_expect_not(debounce_overdue(&d, 9999));
	debounce_note(&d, DEBOUNCE_CHANGE, 1000);
	debounce_note(&d, DEBOUNCE_CHANGE, 1200);
	cr_expect_not(debounce_overdue(&d, 1249));
	cr_expect(debounce_overdue(&d, 1250));
	debounce_clear(&d);
	cr_expect_not(debounce_overdue(&d, 1250));
	debounce_note(&d, DEBOUNCE_REMOVAL, 1300);
	cr_expect(debounce_due(&d) == 1400, "a new burst knows nothing of the old");
}

static struct cache_hit hit(const char *text, uint64_t size, bool kept)
{
	struct cache_hit h = {.size = size, .kept = kept};

	digest_bytes(h.digest, text, strlen(text));
	return h;
}

Test(cache, what_was_put_is_found_after_the_next_load_and_what_was_not_used_is_dropped)
{
	const struct cache_key a = {{1, 2, 3, 4, 5, 6}}, b = {{1, 2, 3, 4, 5, 7}}, none = {{9}};
	const struct cache_hit ha = hit("a", 1, true), hb = hit("b", 2, false);
	autostrbuf bytes = STRBUF_INIT, second = STRBUF_INIT;
	struct cache_hit got;

	{
		_cleanup_(cache_freep) struct cache *c = cache_load(NULL, 0);

		cr_expect_not(cache_get(c, &a, &got));
		cache_put(c, &b, &hb);
		cache_put(c, &a, &ha);
		cr_expect(cache_save(c, &bytes));
	}
	{
		_cleanup_(cache_freep) struct cache *c = cache_load(bytes.data, bytes.len);

		cr_expect(cache_get(c, &a, &got) && got.size == 1 && got.kept &&
			  str_eq(got.digest, ha.digest));
		cr_expect(cache_get(c, &b, &got) && got.size == 2 && !got.kept &&
			  str_eq(got.digest, hb.digest));
		cr_expect_not(cache_get(c, &none, &got));
		cr_expect_not(cache_save(c, &second),
			      "nothing new, nothing dropped: nothing to write");
	}
	{
		_cleanup_(cache_freep) struct cache *c = cache_load(bytes.data, bytes.len);

		cr_expect(cache_get(c, &a, &got));
		cr_expect(cache_save(c, &second));
	}
	{
		_cleanup_(cache_freep) struct cache *c = cache_load(second.data, second.len);

		cr_expect(cache_get(c, &a, &got));
		cr_expect_not(cache_get(c, &b, &got));
	}
}

Test(cache, any_changed_byte_and_any_cut_make_it_empty)
{
	const struct cache_key key = {{1}};
	const struct cache_hit h = hit("a", 1, true);
	autostrbuf bytes = STRBUF_INIT;
	struct cache_hit got;

	{
		_cleanup_(cache_freep) struct cache *c = cache_load(NULL, 0);

		cache_put(c, &key, &h);
		cr_assert(cache_save(c, &bytes));
	}
	for (size_t i = 0; i < bytes.len; i++) {
		_cleanup_(cache_freep) struct cache *cut = cache_load(bytes.data, i),
						    *changed = NULL;

		cr_expect_not(cache_get(cut, &key, &got), "cut at %zu", i);
		bytes.data[i] ^= 1;
		changed = cache_load(bytes.data, bytes.len);
		cr_expect_not(cache_get(changed, &key, &got), "changed at %zu", i);
		bytes.data[i] ^= 1;
	}
}

Test(gitref, branch_names)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{"main", true},   {"feature/x-1", true}, {"\xc3\xa4", true},  {"", false},
		{"-x", false},    {"a..b", false},       {"../x", false},     {"a/../b", false},
		{"/a", false},    {"a/", false},         {"a//b", false},     {".a", false},
		{"a/.b", false},  {"a.lock", false},     {"a.lock/b", false}, {"a b", false},
		{"a\tb", false},  {"a~1", false},        {"a^", false},       {"a:b", false},
		{"a?", false},    {"a*", false},         {"a[", false},       {"a\\b", false},
		{"a@{1}", false}, {"a.", false},         {"a\x7f", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect(git_branch_valid(cases[i].name) == cases[i].valid, "'%s'", cases[i].name);
}

#define OID "0123456789abcdef0123456789abcdef01234567"
#define OID2 "fedcba9876543210fedcba9876543210fedcba98"

Test(gitref, loose_refs)
{
	static const struct {
		const char *text;
		int want;
		const char *symbolic;
	} cases[] = {
		{OID "\n", 0, NULL},
		{OID, 0, NULL},
		{"ref: refs/heads/main\n", 1, "refs/heads/main"},
		{"ref: /etc/passwd", 1, "/etc/passwd"}, /* refused by who follows it */
		{"", -EINVAL, NULL},
		{"ref: ", -EINVAL, NULL},
		{"0123", -EINVAL, NULL},
		{OID "0", -EINVAL, NULL},
		{OID OID2, -EINVAL, NULL},
		{"0123456789ABCDEF0123456789abcdef01234567", -EINVAL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *symbolic = NULL;
		char oid[GITREF_OID_SIZE] = "";
		int r = gitref_parse_loose(oid, &symbolic, cases[i].text, strlen(cases[i].text));

		cr_expect(r == cases[i].want, "'%s': got %d", cases[i].text, r);
		cr_expect(str_eq(symbolic, cases[i].symbolic), "'%s'", cases[i].text);
		if (r == 0)
			cr_expect_str_eq(oid, OID);
	}
}

Test(gitref, packed_refs)
{
	static const struct {
		const char *what;
		const char *text;
		int want;
	} cases[] = {
		{"as git writes it",
		 "# pack-refs with: peeled fully-peeled sorted \n" OID2 " refs/heads/a\n" OID
		 " refs/heads/main\n^" OID2 "\n" OID2 " refs/tags/v1\n",
		 GITREF_FOUND},
		{"without a last line feed", OID " refs/heads/main", GITREF_FOUND},
		{"empty", "", GITREF_MISSING},
		{"a longer name", OID " refs/heads/main2\n", GITREF_MISSING},
		{"a shorter name", OID " refs/heads/mai\n", GITREF_MISSING},
		{"the name elsewhere", OID " refs/tags/refs/heads/main\n", GITREF_MISSING},
		{"a line that is none", "hello\n" OID " refs/heads/main\n", -EINVAL},
		{"an id that is none", "0123456789abcdef0123456789abcdef0123456z refs/heads/main\n",
		 -EINVAL},
		{"a SHA-256 id", OID "0123456789abcdef01234567 refs/heads/main\n", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char oid[GITREF_OID_SIZE] = "";
		int r = gitref_parse_packed(oid, cases[i].text, strlen(cases[i].text),
					    "refs/heads/main");

		cr_expect(r == cases[i].want, "%s: got %d", cases[i].what, r);
		if (r == GITREF_FOUND)
			cr_expect_str_eq(oid, OID);
	}
}

Test(spec, what_is_not_acceptable_is_an_error_at_once)
{
	static const char *const specs[] = {"",          "#main",     "/srv/x#", "/srv/x#a..b",
					    "/srv/x#-o", "/srv/x#a b"};
	static const struct watch_callbacks none;
	sd_event *loop = NULL;

	cr_assert(sd_event_new(&loop) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct watch_source *src = NULL;
		struct err err = {0};

		cr_expect(watch_source_new(&src, loop, specs[i], NULL, &none, NULL, &err) ==
				  -EINVAL,
			  "'%s'", specs[i]);
		cr_expect(err.kind == ERR_INVALID && !src, "'%s'", specs[i]);
	}
	sd_event_unref(loop);
}

Test(spec, a_source_read_once_that_is_not_there_is_an_error)
{
	struct revision *rev = NULL;
	struct err err = {0};

	cr_expect(watch_read_once(&rev, "/nonexistent/folder", NULL, &err) < 0);
	cr_expect_str_eq(err.reason, "SourceMissing");
	cr_expect(watch_read_once(&rev, "/nonexistent/repo#main", NULL, &err) < 0);
	cr_expect_str_eq(err.reason, "SourceMissing");
}
