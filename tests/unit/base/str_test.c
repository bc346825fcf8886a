/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the string helpers. */
#include "base/str.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(str, equality_knows_null)
{
	cr_expect(str_eq(NULL, NULL));
	cr_expect_not(str_eq(NULL, ""));
	cr_expect_not(str_eq("", NULL));
	cr_expect(str_eq("a", "a"));
	cr_expect_not(str_eq("a", "A"));
}

Test(str, paths_of_two_and_of_three)
{
	autofree char *two = str_path("default", "web", NULL), *three = str_path("Pod", "", "web");

	cr_expect_str_eq(two, "default/web");
	cr_expect_str_eq(three, "Pod//web");
}

Test(str, prefixes_and_suffixes)
{
	cr_expect_str_eq(str_skip_prefix("refs/heads/main", "refs/heads/"), "main");
	cr_expect_str_eq(str_skip_prefix("a", "a"), "");
	cr_expect_null(str_skip_prefix("ref", "refs/"));
	cr_expect(str_has_suffix("a.yaml", ".yaml"));
	cr_expect(str_has_suffix("x", ""));
	cr_expect_not(str_has_suffix("yaml", "a.yaml"));
}

Test(str, unsigned_numbers)
{
	static const struct {
		const char *name, *in;
		uint64_t min, max;
		int want;
		uint64_t value;
	} cases[] = {
		{"zero", "0", 0, 10, 0, 0},
		{"the greatest", "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"one more than the greatest", "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"far too many digits", "99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
		{"too many digits and then garbage is garbage", "99999999999999999999999x", 0,
		 UINT64_MAX, -EINVAL, 0},
		{"the upper bound is inside", "65535", 1, 65535, 0, 65535},
		{"above the upper bound", "65536", 1, 65535, -ERANGE, 0},
		{"below the lower bound", "0", 1, 65535, -ERANGE, 0},
		{"empty", "", 0, 1, -EINVAL, 0},
		{"none", NULL, 0, 1, -EINVAL, 0},
		{"a plus sign", "+1", 0, 9, -EINVAL, 0},
		{"a minus sign", "-1", 0, 9, -EINVAL, 0},
		{"leading space", " 1", 0, 9, -EINVAL, 0},
		{"trailing space", "1 ", 0, 9, -EINVAL, 0},
		{"a leading zero", "08", 0, 9, -EINVAL, 0},
		{"two zeros", "00", 0, 9, -EINVAL, 0},
		{"hex", "0x1", 0, 9, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 4711;
		int r = str_parse_u64(&v, cases[i].in, cases[i].min, cases[i].max);

		cr_expect_eq(r, cases[i].want, "%s: got %d", cases[i].name, r);
		cr_expect_eq(v, r < 0 ? 4711 : cases[i].value, "%s: value", cases[i].name);
	}
}

Test(str, signed_numbers)
{
	static const struct {
		const char *name, *in;
		int64_t min, max;
		int want;
		int64_t value;
	} cases[] = {
		{"the least", "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
		{"one less than the least", "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE,
		 0},
		{"the greatest", "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
		{"one more than the greatest", "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE,
		 0},
		{"below the lower bound", "-2", -1, 1, -ERANGE, 0},
		{"minus zero", "-0", -1, 1, -EINVAL, 0},
		{"two signs", "--1", -9, 9, -EINVAL, 0},
		{"only a sign", "-", -9, 9, -EINVAL, 0},
		{"a leading zero behind the sign", "-01", -9, 9, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t v = 4711;
		int r = str_parse_i64(&v, cases[i].in, cases[i].min, cases[i].max);

		cr_expect_eq(r, cases[i].want, "%s: got %d", cases[i].name, r);
		cr_expect_eq(v, r < 0 ? 4711 : cases[i].value, "%s: value", cases[i].name);
	}
}

Test(str, lists)
{
	autostrlist l = {0};

	strlist_sort(&l);
	cr_expect_not(strlist_contains(&l, "a"));
	strlist_split(&l, "b,,a", ',');
	cr_assert_eq(l.n, 3);
	cr_expect_str_eq(l.items[1], "");
	cr_expect_null(l.items[3]);
	strlist_add(&l, "B");
	strlist_add_take(&l, mem_strdup("c"));
	strlist_sort(&l);
	cr_expect_str_eq(l.items[0], "");
	cr_expect_str_eq(l.items[1], "B");
	cr_expect_str_eq(l.items[4], "c");
	cr_expect(strlist_contains(&l, "b"));
	strlist_deinit(&l);
	strlist_split(&l, "", ',');
	cr_expect_eq(l.n, 1);
}

Test(str, hex)
{
	char out[7];

	str_hex(out, "\x00\xab\xff", 3);
	cr_expect_str_eq(out, "00abff");
}

/* The code points at both ends of every length, and the bytes that never begin a character. */
Test(str, utf8)
{
	static const struct {
		const char *name, *in;
		size_t len;
		uint32_t c;
	} cases[] = {
		{"U+0080", "\xc2\x80", 2, 0x80},
		{"U+07FF", "\xdf\xbf", 2, 0x7ff},
		{"U+0800", "\xe0\xa0\x80", 3, 0x800},
		{"U+D7FF", "\xed\x9f\xbf", 3, 0xd7ff},
		{"U+FFFF", "\xef\xbf\xbf", 3, 0xffff},
		{"U+10000", "\xf0\x90\x80\x80", 4, 0x10000},
		{"U+10FFFF", "\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"U+07FF in three bytes", "\xe0\x9f\xbf", 0, 0},
		{"U+FFFF in four bytes", "\xf0\x8f\xbf\xbf", 0, 0},
		{"the first surrogate", "\xed\xa0\x80", 0, 0},
		{"U+110000", "\xf4\x90\x80\x80", 0, 0},
		{"0xF5 begins nothing", "\xf5\x80\x80\x80", 0, 0},
		{"0xFF begins nothing", "\xff", 0, 0},
		{"a continuation byte begins nothing", "\xbf", 0, 0},
		{"no bytes", "", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t c = 4711;
		size_t n = str_utf8_len(&c, cases[i].in, strlen(cases[i].in));

		cr_expect_eq(n, cases[i].len, "%s: length %zu", cases[i].name, n);
		cr_expect_eq(c, n ? cases[i].c : 4711, "%s: U+%04X", cases[i].name, c);
	}
}

Test(str, nearest_word)
{
	static const char *const fields[] = {"replicas", "selector", "template",
					     "strategy", "image",    "args",
					     "minReady", "env",      NULL};
	static const struct {
		const char *name, *word, *want;
	} cases[] = {
		{"a missing letter", "replica", "replicas"},
		{"a swapped pair is one edit", "evn", "env"},
		{"two edits in a short word", "xnx", NULL},
		{"two edits in a long word", "tmplat", "template"},
		{"three edits in a word of eight", "sxlxctxr", "selector"},
		{"four edits are too many", "sxlxctxx", NULL},
		{"case counts half", "minready", "minReady"},
		{"all capitals of a short word", "ARGS", "args"},
		{"the word itself", "args", "args"},
		{"nothing like it", "volume", NULL},
		{"no word", "", NULL},
		{"a word too long to be a typo",
		 "replicasreplicasreplicasreplicasreplicasreplicasreplicasreplicasreplicas", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = str_nearest(cases[i].word, fields);

		cr_expect(str_eq(got, cases[i].want), "%s: %s gives %s", cases[i].name,
			  cases[i].word, got ? got : "nothing");
	}
}

Test(str, nearest_prefers_the_nearer_and_then_the_first)
{
	static const char *const words[] = {"cart", "card", "care", NULL};
	static const char *const same[] = {"caat", "cabt", NULL};

	cr_expect_str_eq(str_nearest("care", words), "care");
	cr_expect_str_eq(str_nearest("cart", same), "caat");
}

Test(str, nearest_keeps_something_of_the_word)
{
	static const char *const words[] = {"y", NULL};

	cr_expect_null(str_nearest("x", words));
	cr_expect_str_eq(str_nearest("Y", words), "y");
}

Test(str, fnv32_is_the_published_one)
{
	cr_expect_eq(str_fnv32(STR_FNV32_INIT, "", 0), 0x811c9dc5);
	cr_expect_eq(str_fnv32(STR_FNV32_INIT, "foobar", 6), 0xbf9cf968);
	cr_expect_eq(str_fnv32(str_fnv32(STR_FNV32_INIT, "foo", 3), "bar", 3), 0xbf9cf968);
}
