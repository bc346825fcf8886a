/* SPDX-License-Identifier: Apache-2.0 */
/* Variables: every form of section 2 of the Dockerfile reference, and the pattern engine behind
 * some of them. */
#include "builder/expand.h"

#include <criterion/criterion.h>

#include "base/strbuf.h"
#include "builder/glob.h"

static const char *lookup(const char *name, void *data)
{
	(void)data;
	if (str_eq(name, "v") || str_eq(name, "ü"))
		return "val";
	if (str_eq(name, "path"))
		return "/a/b.tar.gz";
	if (str_eq(name, "empty"))
		return "";
	if (str_eq(name, "uni"))
		return "aé";
	if (str_eq(name, "quote"))
		return "a \"b' $v \\c";
	return NULL;
}

static char *run(const char *word, char escape)
{
	struct expand x = {.escape = escape, .lookup = lookup};
	struct err err = {};
	char *out;

	if (expand_word(&out, &x, word, &err) < 0)
		return mem_asprintf("error: %s", err.message);
	return out;
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *word;
	const char *want;
} cases[] = {
	{ "text stays", "abc", "abc" },
	{ "a name ends at the first other character", "$v-$v.x", "val-val.x" },
	{ "braces end a name", "${v}x", "valx" },
	{ "unset is empty", "[$nope${nope}]", "[]" },
	{ "names may be in any script", "$ü", "val" },
	{ "digits are one name", "a$12b", "ab" },
	{ "special parameters are one character", "$$v$?x", "vx" },
	{ "a dollar before anything else is itself", "$.$ $", "$.$ $" },
	{ "single quotes are literal", "'$v\\n'", "$v\\n" },
	{ "double quotes expand", "\"$v x\"", "val x" },
	{ "double quotes keep an escape before ordinary characters", "\"a\\b\\\"\\$v\\\\\"", "a\\b\"$v\\" },
	{ "an escape outside of quotes takes the next character", "\\$v\\a", "$va" },
	{ "a lone escape at the end is dropped", "x\\", "x" },
	{ "what comes out of a variable is not read again", "$quote", "a \"b' $v \\c" },
	{ ":- for unset", "${nope:-w}", "w" },
	{ ":- for empty", "${empty:-w}", "w" },
	{ ":- for set", "${v:-w}", "val" },
	{ "- for unset", "${nope-w}", "w" },
	{ "- for empty", "${empty-w}", "" },
	{ ":+ for set", "${v:+w}", "w" },
	{ ":+ for empty", "${empty:+w}", "" },
	{ "+ for empty", "${empty+w}", "w" },
	{ "+ for unset", "${nope+w}", "" },
	{ "words nest", "${nope:-${empty:-$v}}", "val" },
	{ "words may be quoted", "${nope:-\"a } b\"}", "a } b" },
	{ ":? for set", "${v:?no}", "val" },
	{ ":? for empty", "${empty:?is bad}", "error: failed to process \"${empty:?is bad}\": empty: is bad" },
	{ ":? with the default text", "${nope:?}", "error: failed to process \"${nope:?}\": nope: is not allowed to be empty" },
	{ "? with the default text", "${nope?}", "error: failed to process \"${nope?}\": nope: is not allowed to be unset" },
	{ "? for empty", "${empty?x}", "" },
	{ "# removes the shortest prefix", "${path#*/}", "a/b.tar.gz" },
	{ "## removes the longest prefix", "${path##*/}", "b.tar.gz" },
	{ "% removes the shortest suffix", "${path%.*}", "/a/b.tar" },
	{ "%% removes the longest suffix", "${path%%.*}", "/a/b" },
	{ "no match removes nothing", "${path#x}${path%x}", "/a/b.tar.gz/a/b.tar.gz" },
	{ "? takes one character, not one byte", "${uni%?}", "a" },
	{ "/ replaces the first", "${path/a/X}", "/X/b.tar.gz" },
	{ "// replaces all", "${path//a/X}", "/X/b.tXr.gz" },
	{ "a replacement match is greedy", "${path/b*/X}", "/a/X" },
	{ "\\/ writes a slash in a pattern", "${path//\\//-}", "-a-b.tar.gz" },
	{ "[ is literal in a pattern", "${nope/[/x}", "" },
	{ "quoted wildcards are literal", "${path#\"*\"}", "/a/b.tar.gz" },
	{ "an unknown escape in a pattern", "${path#\\c}",
	  "error: failed to process \"${path#\\c}\": invalid pattern (\\c) in substitution: invalid escape '\\c'" },
	{ "an unbalanced single quote", "'x",
	  "error: failed to process \"'x\": unexpected end of statement while looking for matching single-quote" },
	{ "an unbalanced double quote", "\"x",
	  "error: failed to process \"\"x\": unexpected end of statement while looking for matching double-quote" },
	{ "an empty name", "${}", "error: failed to process \"${}\": syntax error: bad substitution" },
	{ "a colon without name", "${:x}", "error: failed to process \"${:x}\": syntax error: bad substitution" },
	{ "a missing brace", "${v", "error: failed to process \"${v\": syntax error: missing '}'" },
	{ "a missing brace behind a word", "${v:-x", "error: failed to process \"${v:-x\": syntax error: missing '}'" },
	{ "an unknown operator", "${v!x}", "error: failed to process \"${v!x}\": unsupported modifier (!) in substitution" },
	{ ":# is none", "${v:#x}", "error: failed to process \"${v:#x}\": unsupported modifier (:#) in substitution" },
};
/* clang-format on */

Test(expand, every_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = run(cases[i].word, '\\');

		cr_expect_str_eq(got, cases[i].want, "%s: %s\ngot  %s\nwant %s", cases[i].sentence,
				 cases[i].word, got, cases[i].want);
	}
}

Test(expand, backtick_as_escape)
{
	autofree char *got = run("`$v c:\\d \"`\"\"", '`');

	cr_expect_str_eq(got, "$v c:\\d \"");
}

Test(expand, words_are_split_after_expansion_unless_quoted)
{
	struct expand x = {.escape = '\\', .lookup = lookup};
	autostrlist words = {};
	struct err err = {};

	cr_assert_eq(expand_words(&words, &x, "$quote \"$quote\" ''", &err), 0);
	cr_assert_eq(words.n, 6);
	cr_expect_str_eq(words.items[1], "\"b'");
	cr_expect_str_eq(words.items[4], "a \"b' $v \\c");
	cr_expect_str_eq(words.items[5], "");
}

Test(expand, bounded_in_size_and_depth)
{
	autostrbuf deep = STRBUF_INIT, big = STRBUF_INIT;
	autofree char *got = NULL;
	autofree char *huge = NULL;

	for (int i = 0; i < 1000; i++)
		strbuf_adds(&deep, "${nope:-");
	got = run(strbuf_str(&deep), '\\');
	cr_expect(strstr(got, "nested too deeply"), "%s", got);
	for (unsigned i = 0; i <= EXPAND_MAX_BYTES / 3; i++)
		strbuf_adds(&big, "$v");
	huge = run(strbuf_str(&big), '\\');
	cr_expect(strstr(huge, "expands to more than"));
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *pattern;
	enum glob_syntax syntax;
	const char *text;
	bool want;
} globs[] = {
	{ "a star stays in its component", "a*", GLOB_PATH, "a/b", false },
	{ "a star matches dot files", "*", GLOB_PATH, ".x", true },
	{ "a class", "[a-c]x", GLOB_PATH, "bx", true },
	{ "a negated class", "[^a-c]x", GLOB_PATH, "bx", false },
	{ "a bracket by itself", "[[]x", GLOB_PATH, "[x", true },
	{ "an escaped star", "a\\*", GLOB_PATH, "a*", true },
	{ "an escaped star is no star", "a\\*", GLOB_PATH, "ab", false },
	{ "? is one character", "?", GLOB_PATH, "é", true },
	{ "** is two stars outside of ignore files", "a/**", GLOB_PATH, "a/b/c", false },
	{ "a star crosses slashes in strings", "*b", GLOB_STRING, "/a/b", true },
};
/* clang-format on */

Test(glob, matches)
{
	for (size_t i = 0; i < ARRAY_SIZE(globs); i++) {
		_cleanup_(glob_freep) struct glob *g = NULL;
		struct err err = {};

		cr_assert_eq(glob_new(&g, globs[i].pattern, globs[i].syntax, &err), 0);
		cr_expect_eq(glob_match(g, globs[i].text), globs[i].want, "%s: %s on %s",
			     globs[i].sentence, globs[i].pattern, globs[i].text);
	}
}

Test(glob, malformed_patterns_are_refused)
{
	static const char *const malformed[] = {"a[", "[]", "[a-]", "a\\", "[a", "[^]"};

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		struct glob *g = NULL;
		struct err err = {};

		cr_expect_lt(glob_new(&g, malformed[i], GLOB_PATH, &err), 0, "%s", malformed[i]);
	}
}

Test(glob, a_hostile_pattern_costs_no_backtracking)
{
	_cleanup_(glob_freep) struct glob *g = NULL;
	autostrbuf pattern = STRBUF_INIT, text = STRBUF_INIT;
	struct err err = {};

	/* A backtracking matcher would need 4000^1000 steps. */
	for (int i = 0; i < 1000; i++)
		strbuf_adds(&pattern, "*a");
	strbuf_adds(&pattern, "b");
	for (int i = 0; i < 4000; i++)
		strbuf_adds(&text, "a");
	cr_assert_eq(glob_new(&g, strbuf_str(&pattern), GLOB_PATH, &err), 0);
	cr_expect_not(glob_match(g, strbuf_str(&text)));
}
