/* SPDX-License-Identifier: Apache-2.0 */
/* Growing, cutting, and what is shown of hostile text. */
#include "base/strbuf.h"

#include <criterion/criterion.h>
#include <string.h>

Test(strbuf, an_empty_buffer_is_an_empty_string)
{
	struct strbuf sb = STRBUF_INIT;
	autofree char *s = NULL;

	cr_expect_str_eq(strbuf_str(&sb), "");
	strbuf_reset(&sb);
	strbuf_consume(&sb, 0);
	strbuf_truncate(&sb, 0);
	s = strbuf_take(&sb);
	cr_expect_str_eq(s, "");
	strbuf_deinit(&sb);
	strbuf_deinit(&sb);
}

Test(strbuf, everything_appended_is_terminated)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_add(&sb, "a\0b", 3);
	cr_expect_eq(sb.len, 3);
	cr_expect_eq(sb.data[3], '\0');
	strbuf_reset(&sb);
	strbuf_adds(&sb, "one");
	strbuf_addc(&sb, ',');
	strbuf_addf(&sb, "%d", 2);
	cr_expect_str_eq(strbuf_str(&sb), "one,2");
}

Test(strbuf, printf_output_of_every_length_around_the_capacity)
{
	for (int n = 0; n < 300; n++) {
		autostrbuf sb = STRBUF_INIT;

		strbuf_adds(&sb, "12345");
		strbuf_addf(&sb, "%*s", n, "");
		cr_expect_eq(sb.len, (size_t)n + 5);
		cr_expect_eq(strlen(sb.data), sb.len);
	}
}

Test(strbuf, consume_and_truncate)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "abcdef");
	strbuf_consume(&sb, 2);
	cr_expect_str_eq(strbuf_str(&sb), "cdef");
	strbuf_truncate(&sb, 3);
	cr_expect_str_eq(strbuf_str(&sb), "cde");
	strbuf_consume(&sb, 3);
	cr_expect_str_eq(strbuf_str(&sb), "");
}

Test(strbuf, taking_empties_the_buffer)
{
	autostrbuf sb = STRBUF_INIT;
	autofree char *s = NULL;

	strbuf_adds(&sb, "x");
	s = strbuf_take(&sb);
	cr_expect_str_eq(s, "x");
	cr_expect_null(sb.data);
	cr_expect_eq(sb.len, 0);
}

Test(strbuf, escaping)
{
	static const struct {
		const char *name, *in, *want;
	} cases[] = {
		{"plain ASCII stays", "a b~", "a b~"},
		{"printable UTF-8 stays", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3"},
		{"line breaks and tabs", "a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
		{"terminal escapes", "\x1b[31m", "\\x1b[31m"},
		{"DEL", "\x7f", "\\x7f"},
		{"C1, which some terminals obey", "\xc2\x9b", "\\xc2\\x9b"},
		{"right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae"},
		{"isolates", "\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
		{"Arabic letter mark", "\xd8\x9c", "\\xd8\\x9c"},
		{"line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
		{"a lone continuation byte", "a\x80z", "a\\x80z"},
		{"an overlong slash", "\xc0\xaf", "\\xc0\\xaf"},
		{"a surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"above U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		{"a sequence cut off by the end", "a\xe2\x82", "a\\xe2\\x82"},
		{"a sequence cut off by ASCII", "\xe2\x82q", "\\xe2\\x82q"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autostrbuf sb = STRBUF_INIT;

		strbuf_add_escaped(&sb, cases[i].in, strlen(cases[i].in));
		cr_expect_str_eq(strbuf_str(&sb), cases[i].want, "%s: got %s", cases[i].name,
				 strbuf_str(&sb));
	}
}

Test(strbuf, escaping_shows_nul_bytes)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_add_escaped(&sb, "a\0b", 3);
	cr_expect_str_eq(strbuf_str(&sb), "a\\x00b");
}
