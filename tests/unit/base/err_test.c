/* SPDX-License-Identifier: Apache-2.0 */
/* What an error looks like after it was recorded, wrapped, cut. */
#include "base/err.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

Test(err, kinds_have_names)
{
	cr_expect_str_eq(err_kind_name(ERR_NONE), "none");
	cr_expect_str_eq(err_kind_name(ERR_TRANSIENT), "transient");
	cr_expect_str_eq(err_kind_name(ERR_INVALID), "invalid");
	cr_expect_str_eq(err_kind_name(ERR_FATAL), "fatal");
}

Test(err, set_fills_all_fields_and_returns_the_negative_code)
{
	struct err e = {0};

	cr_expect_eq(err_set(&e, ERR_INVALID, ENOENT, "ErrImagePull", "pull '%s'", "web"), -ENOENT);
	cr_expect_eq(e.kind, ERR_INVALID);
	cr_expect_eq(e.code, -ENOENT);
	cr_expect_str_eq(e.reason, "ErrImagePull");
	cr_expect_str_eq(e.message, "pull 'web'");
	cr_expect_eq(err_set(NULL, ERR_FATAL, -EBADF, NULL, "nobody listens"), -EBADF);
}

Test(err, wrapping_adds_one_prefix_per_layer_and_keeps_the_rest)
{
	struct err e = {0};

	(void)err_set(&e, ERR_TRANSIENT, EAGAIN, "Busy", "not found");
	cr_expect_eq(err_wrap(&e, "pull '%s'", "nginx:1"), -EAGAIN);
	cr_expect_eq(err_wrap(&e, "workload 'web'"), -EAGAIN);
	cr_expect_str_eq(e.message, "workload 'web': pull 'nginx:1': not found");
	cr_expect_eq(e.kind, ERR_TRANSIENT);
	cr_expect_str_eq(e.reason, "Busy");
}

Test(err, wrapping_nothing_gives_eio)
{
	struct err e = {0};

	cr_expect_eq(err_wrap(NULL, "x"), -EIO);
	cr_expect_eq(err_wrap(&e, "x"), -EIO);
	cr_expect_str_eq(e.message, "");
}

Test(err, an_error_may_quote_itself)
{
	struct err e = {0};

	(void)err_invalid(&e, "inner");
	(void)err_set(&e, ERR_INVALID, EINVAL, e.reason, "outer <%s>", e.message);
	cr_expect_str_eq(e.message, "outer <inner>");
	(void)err_wrap(&e, "%s", e.message);
	cr_expect_str_eq(e.message, "outer <inner>: outer <inner>");
}

Test(err, the_first_reason_stays)
{
	struct err e = {0};

	(void)err_invalid(&e, "x");
	cr_expect_eq(err_reason(&e, "Deep"), -EINVAL);
	(void)err_reason(&e, "Shallow");
	cr_expect_str_eq(e.reason, "Deep");
	cr_expect_eq(err_reason(NULL, "x"), -EIO);
}

Test(err, errno_kinds)
{
	static const struct {
		const char *name;
		int code;
		enum err_kind kind;
	} cases[] = {
		{"a full disk empties again", ENOSPC, ERR_TRANSIENT},
		{"fds come back", EMFILE, ERR_TRANSIENT},
		{"the sign does not matter", -EAGAIN, ERR_TRANSIENT},
		{"a peer may come back", ECONNREFUSED, ERR_TRANSIENT},
		{"a missing file does not appear", ENOENT, ERR_FATAL},
		{"a bad fd is a bug", EBADF, ERR_FATAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = {0};

		cr_expect_eq(err_errno(&e, cases[i].code, "x"), -abs(cases[i].code), "%s",
			     cases[i].name);
		cr_expect_eq(e.kind, cases[i].kind, "%s: got %s", cases[i].name,
			     err_kind_name(e.kind));
	}
}

Test(err, errno_text_follows_the_message)
{
	struct err e = {0};

	(void)err_errno(&e, ENOENT, "open '%s'", "f");
	cr_expect_str_eq(e.message, "open 'f': No such file or directory");
	(void)err_errno(&e, 4095, "odd");
	cr_expect_str_eq(e.message, "odd: errno 4095");
	cr_expect_eq(err_errno(&e, 0, "no code"), -EIO);
}

static void expect_cut(const struct err *e, const char *end)
{
	size_t n = strlen(e->message), m = strlen(end);

	cr_expect_lt(n, sizeof(e->message));
	cr_assert_gt(n, sizeof(e->message) - 10, "cut too early: %zu", n);
	cr_expect_str_eq(e->message + n - m, end);
}

Test(err, long_messages_are_cut_with_dots)
{
	autofree char *text = mem_alloc(5001);
	struct err e = {0};

	memset(text, 'a', 5000);
	text[5000] = '\0';
	(void)err_invalid(&e, "%s", text);
	expect_cut(&e, "a...");
	(void)err_wrap(&e, "outer");
	cr_expect_eq(strncmp(e.message, "outer: aaa", 10), 0);
	expect_cut(&e, "...");
	/* exactly as long as fits: not cut */
	text[sizeof(e.message) - 1] = '\0';
	(void)err_invalid(&e, "%s", text);
	cr_expect_str_eq(e.message, text);
	/* one more: cut */
	text[sizeof(e.message) - 1] = 'a';
	text[sizeof(e.message)] = '\0';
	(void)err_invalid(&e, "%s", text);
	expect_cut(&e, "a...");
}

Test(err, the_cause_survives_a_text_that_is_too_long)
{
	autofree char *text = mem_alloc(5001);
	struct err e = {0};

	memset(text, 'a', 5000);
	text[5000] = '\0';
	(void)err_errno(&e, ENOENT, "%s", text);
	expect_cut(&e, "aaa...: No such file or directory");
}

Test(err, a_cut_leaves_no_half_character)
{
	autofree char *text = mem_alloc(3 * 2000 + 1);

	for (size_t shift = 0; shift < 3; shift++) {
		struct err e = {0};
		size_t n;

		for (size_t i = 0; i < 2000; i++)
			memcpy(text + 3 * i, "\xe2\x82\xac", 3);
		text[6000] = '\0';
		(void)err_invalid(&e, "%.*s%s", (int)shift, "xx", text);
		n = strlen(e.message);
		cr_expect_str_eq(e.message + n - 3, "...");
		cr_expect_eq((n - 3 - shift) % 3, 0, "shift %zu: half a character before the dots",
			     shift);
	}
}
