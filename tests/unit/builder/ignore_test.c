/* SPDX-License-Identifier: Apache-2.0 */
/* .dockerignore: pattern forms, order, re-inclusion. */
#include "builder/ignore.h"

#include <criterion/criterion.h>

/* clang-format off */
static const struct {
	const char *sentence;
	const char *patterns;
	const char *path;
	bool want;
} cases[] = {
	{ "a name ignores itself", "a", "a", true },
	{ "a name ignores what is below it", "a", "a/b/c", true },
	{ "a name does not ignore its prefix twins", "a", "ab", false },
	{ "a name is anchored at the root", "a", "b/a", false },
	{ "a leading slash means nothing", "/a", "a", true },
	{ "a trailing slash means nothing", "a/", "a", true },
	{ "dots are cleaned away", "x/../a/./b", "a/b", true },
	{ "a comment is in column 0", "#a\na", "a", true },
	{ "a hash elsewhere is a name", " #a", "#a", true },
	{ "white space around is trimmed", "  a\t", "a", true },
	{ "a byte order mark is removed", "\xef\xbb\xbf" "a", "a", true },
	{ "CRLF line ends work", "a\r\nb\r\n", "b", true },
	{ "a star stays in its component", "*.txt", "d/a.txt", false },
	{ "a star matches in its component", "d/*.txt", "d/a.txt", true },
	{ "a matched directory takes all below", "d*", "dir/x/y", true },
	{ "**/x is x at any depth", "**/x", "a/b/x", true },
	{ "**/x is also x at the root", "**/x", "x", true },
	{ "**/x is not the end of a name", "**/x", "ax", false },
	{ "**/*.o at any depth", "**/*.o", "a/b/c.o", true },
	{ "x/** is all below x", "x/**", "x/a/b", true },
	{ "x/** is not x itself", "x/**", "x", false },
	{ "a/**/b has none between", "a/**/b", "a/b", true },
	{ "a/**/b has many between", "a/**/b", "a/x/y/b", true },
	{ "** alone is everything", "**", "a/b", true },
	{ "a class", "[ab]", "b", true },
	{ "an escape", "\\*", "a", false },
	{ "the last match wins: re-included", "*\n!keep", "keep", false },
	{ "the last match wins: ignored again", "*\n!keep\nkeep", "keep", true },
	{ "below a re-included directory", "*\n!keep", "keep/a", false },
	{ "re-included below an ignored parent", "d\n!d/keep", "d/keep", false },
	{ "its neighbours stay ignored", "d\n!d/keep", "d/other", true },
	{ "blanks behind the !", "*\n! keep", "keep", false },
	{ "an empty file ignores nothing", "", "a", false },
};
/* clang-format on */

Test(ignore, last_matching_pattern_decides)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(ignore_freep) struct ignore *ig = NULL;
		autodiag d = {.file = ".dockerignore"};

		cr_assert_eq(ignore_parse(&ig, cases[i].patterns, strlen(cases[i].patterns), &d), 0,
			     "%s", cases[i].sentence);
		cr_expect_eq(ignore_match(ig, cases[i].path), cases[i].want, "%s: '%s' on %s",
			     cases[i].sentence, cases[i].patterns, cases[i].path);
	}
	cr_expect_not(ignore_match(NULL, "a"));
}

Test(ignore, bad_patterns_are_named_with_their_line)
{
	_cleanup_(ignore_freep) struct ignore *ig = NULL;
	autodiag d = {.file = ".dockerignore"};

	cr_assert_lt(ignore_parse(&ig, "a\n!\nb[\n", 7, &d), 0);
	cr_assert_eq(d.errors.n, 2);
	cr_expect_str_eq(d.errors.items[0], ".dockerignore:2: illegal exclusion pattern: \"!\"");
	cr_expect_str_eq(d.errors.items[1], ".dockerignore:3: syntax error in pattern 'b['");
}
