/* SPDX-License-Identifier: Apache-2.0 */
/* Unified diffs: chosen ones by text, random ones by applying them. */
#include "reconciler/textdiff.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* clang-format off */
static const struct {
	const char *sentence, *a, *b, *want;
} diffs[] = {
	{ "equal texts have no diff", "a\nb\n", "a\nb\n", "" },
	{ "empty texts have no diff", "", "", "" },
	{ "all new", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
	{ "all gone", "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n" },
	{ "one line changes", "a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n" },
	{ "three lines of context", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
	  "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
	{ "near changes share a hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "x\n1\n2\n3\n4\n5\n6\ny\n",
	  "@@ -1,8 +1,8 @@\n-a\n+x\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+y\n" },
	{ "far changes have their own", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "x\n1\n2\n3\n4\n5\n6\n7\ny\n",
	  "@@ -1,4 +1,4 @@\n-a\n+x\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+y\n" },
	{ "an insertion in the middle", "a\nb\n", "a\nx\ny\nb\n", "@@ -1,2 +1,4 @@\n a\n+x\n+y\n b\n" },
};
/* clang-format on */

Test(textdiff, texts)
{
	for (size_t i = 0; i < ARRAY_SIZE(diffs); i++) {
		autostrbuf out = STRBUF_INIT;
		bool differs = textdiff_unified(&out, diffs[i].a, diffs[i].b);

		cr_expect_str_eq(strbuf_str(&out), diffs[i].want, "%s: got\n%s", diffs[i].sentence,
				 strbuf_str(&out));
		cr_expect_eq(differs, *diffs[i].want != '\0', "%s", diffs[i].sentence);
	}
}

static const char *line_end(const char *s)
{
	s += strcspn(s, "\n");
	return *s ? s + 1 : s;
}

/* Apply DIFF to A; owned by the caller. */
static char *apply(const char *a, const char *diff)
{
	struct strbuf out = STRBUF_INIT;
	size_t line = 1;

	while (*diff) {
		const char *end = line_end(diff);
		size_t from = 0, n = 0;

		if (*diff == '@') {
			cr_assert_eq(sscanf(diff, "@@ -%zu,%zu", &from, &n), 2);
			for (from += n == 0; line < from; line++) {
				const char *next = line_end(a);

				strbuf_add(&out, a, (size_t)(next - a));
				a = next;
			}
		} else if (*diff == '+') {
			strbuf_add(&out, diff + 1, (size_t)(end - diff - 1));
		} else {
			cr_assert(!strncmp(a, diff + 1, (size_t)(end - diff - 1)),
				  "a line that is not there");
			if (*diff == ' ')
				strbuf_add(&out, diff + 1, (size_t)(end - diff - 1));
			a = line_end(a);
			line++;
		}
		diff = end;
	}
	strbuf_adds(&out, a);
	return strbuf_take(&out);
}

static char *random_text(unsigned int *seed, unsigned int max)
{
	struct strbuf out = STRBUF_INIT;

	*seed = *seed * 1664525u + 1013904223u;
	for (unsigned int n = (*seed >> 8) % max; n > 0; n--) {
		*seed = *seed * 1664525u + 1013904223u;
		strbuf_addf(&out, "%u\n", (*seed >> 8) % 6);
	}
	return strbuf_take(&out);
}

Test(textdiff, applying_a_diff_gives_the_other_text)
{
	for (unsigned int i = 0; i < 2000; i++) {
		unsigned int seed = i;
		autofree char *a = random_text(&seed, 40), *b = random_text(&seed, 40);
		autostrbuf diff = STRBUF_INIT;
		autofree char *got = NULL;

		(void)textdiff_unified(&diff, a, b);
		got = apply(a, strbuf_str(&diff));
		cr_assert_str_eq(got, b, "from\n%s\nby\n%s", a, strbuf_str(&diff));
	}
}

Test(textdiff, texts_that_differ_everywhere_are_replaced_in_bounded_time)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	autostrbuf diff = STRBUF_INIT;

	for (int i = 0; i < 20000; i++) {
		strbuf_addf(&a, "a%d\n", i);
		strbuf_addf(&b, "b%d\n", i);
	}
	cr_expect(textdiff_unified(&diff, strbuf_str(&a), strbuf_str(&b)));
	strbuf_deinit(&a);
	strbuf_deinit(&b);
}
