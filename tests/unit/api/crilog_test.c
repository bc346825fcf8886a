/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading CRI logs: prefixes, partial lines, the tail, times, limits, rotated parts.
 */
#include "api/crilog_priv.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define T1 "2026-01-01T00:00:01Z"
#define T2 "2026-01-01T00:00:02Z"
#define T3 "2026-01-01T00:00:03.123456789Z"
#define ALL .tail = -1

static char dir[] = "/tmp/recond-crilog.XXXXXX";
static char path[64];

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/0.log", dir);
}

static void teardown(void)
{
	(void)fs_remove_tree(AT_FDCWD, dir);
}

TestSuite(crilog, .init = setup, .fini = teardown);

static void append(unsigned int part, const char *text)
{
	autofree char *name = part ? mem_asprintf("%s.%u", path, part) : mem_strdup(path);
	FILE *file = fopen(name, "a");

	cr_assert(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

/* The log as it is now is rotated away. */
static void rotate(unsigned int parts)
{
	for (unsigned int part = parts; part > 0; part--) {
		autofree char *to = mem_asprintf("%s.%u", path, part);
		autofree char *from =
			part > 1 ? mem_asprintf("%s.%u", path, part - 1) : mem_strdup(path);

		(void)rename(from, to);
	}
}

/* Everything up to the end, PIECE bytes at a time. */
static char *read_all(struct crilog *l, size_t piece)
{
	autofree char *buf = mem_alloc(piece);
	autostrbuf out = STRBUF_INIT;
	ssize_t n;

	while ((n = crilog_read(l, buf, piece)) > 0 || n == CRILOG_AGAIN) {
		if (n > 0)
			strbuf_add(&out, buf, (size_t)n);
	}
	return strbuf_take(&out);
}

static const struct {
	const char *sentence;
	const char *parts[3]; /* newest first */
	int64_t tail;
	const char *since;
	int64_t limit;
	bool timestamps;
	const char *want;
} cases[] = {
	/* clang-format off */
	{ "the prefix is stripped", { T1 " stdout F one\n" T2 " stderr F two\n" }, ALL, .want = "one\ntwo\n" },
	{ "partial lines are joined", { T1 " stdout P o\n" T2 " stdout P n\n" T2 " stdout F e\n" }, ALL, .want = "one\n" },
	{ "an empty line stays one", { T1 " stdout F \n" T1 " stdout F\n" }, ALL, .want = "\n\n" },
	{ "spaces in the text stay", { T1 " stdout F  a  b \n" }, ALL, .want = " a  b \n" },
	{ "what is not in CRI form is shown as it is", { "garbage\n" T1 " stdout F x\n" T1 " other F x\n" }, ALL,
	  .want = "garbage\nx\n" T1 " other F x\n" },
	{ "an incomplete last line waits", { T1 " stdout F one\n" T2 " stdout F tw" }, ALL, .want = "one\n" },
	{ "times are put before lines, not before their parts", { T1 " stdout P o\n" T2 " stdout F ne\n" T3 " stdout F two\n" },
	  ALL, .timestamps = true, .want = T1 " one\n" T3 " two\n" },
	{ "the tail", { T1 " stdout F one\n" T2 " stdout F two\n" T3 " stdout F three\n" }, .tail = 2, .want = "two\nthree\n" },
	{ "no tail at all", { T1 " stdout F one\n" }, .tail = 0, .want = "" },
	{ "a tail longer than the log", { T1 " stdout F one\n" }, .tail = 9, .want = "one\n" },
	{ "only newer lines", { T1 " stdout F one\n" T2 " stdout F two\n" T3 " stdout F three\n" }, ALL, .since = T2,
	  .want = "two\nthree\n" },
	{ "an old line is skipped with its continuation", { T1 " stdout P o\n" T3 " stdout F ne\n" T3 " stdout F two\n" }, ALL,
	  .since = T2, .want = "two\n" },
	{ "a limit of bytes", { T1 " stdout F one\n" T2 " stdout F two\n" }, ALL, .limit = 6, .want = "one\ntw" },
	{ "rotated parts come first, the oldest before all", { T3 " stdout F three\n", T2 " stdout F two\n", T1 " stdout F one\n" },
	  ALL, .want = "one\ntwo\nthree\n" },
	{ "the tail reaches into a rotated part", { T3 " stdout F three\n", T2 " stdout F two\n", T1 " stdout F one\n" },
	  .tail = 2, .want = "two\nthree\n" },
	{ "an empty newest part", { "", T2 " stdout F two\n", T1 " stdout F one\n" }, .tail = 1, .want = "two\n" },
	{ "an empty log", { "" }, ALL, .want = "" },
	/* clang-format on */
};

static void check(size_t i, size_t piece)
{
	struct crilog_options o = {.tail_lines = cases[i].tail,
				   .limit_bytes = cases[i].limit,
				   .timestamps = cases[i].timestamps};
	_cleanup_(crilog_freep) struct crilog *l = NULL;
	autofree char *got = NULL;
	struct err err = {};

	if (cases[i].since)
		cr_assert_eq(clock_parse_rfc3339(&o.since_ns, cases[i].since), 0);
	for (unsigned int part = 0; part < 3 && cases[i].parts[part]; part++)
		append(part, cases[i].parts[part]);
	cr_assert_eq(crilog_open(&l, path, &o, &err), 0, "%s: %s", cases[i].sentence, err.message);
	got = read_all(l, piece);
	cr_expect_str_eq(got, cases[i].want, "%s: got '%s', want '%s'", cases[i].sentence, got,
			 cases[i].want);
	for (unsigned int part = 0; part < 3; part++) {
		autofree char *name = part ? mem_asprintf("%s.%u", path, part) : mem_strdup(path);

		(void)unlink(name);
	}
}

Test(crilog, logs_read_as_kubectl_shows_them)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(i, 65536);
		check(i, 1);
	}
}

Test(crilog, a_missing_log_is_an_error)
{
	struct crilog_options o = {.tail_lines = -1};
	struct crilog *l;

	cr_expect_eq(crilog_open(&l, path, &o, NULL), -ENOENT);
}

Test(crilog, a_log_that_is_a_symlink_is_not_followed)
{
	struct crilog_options o = {.tail_lines = -1};
	struct crilog *l;

	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_expect_lt(crilog_open(&l, path, &o, NULL), 0);
}

Test(crilog, the_tail_of_a_long_log_begins_at_the_right_line)
{
	struct crilog_options o = {.tail_lines = 5000};
	_cleanup_(crilog_freep) struct crilog *l = NULL;
	autofree char *got = NULL;
	autostrbuf text = STRBUF_INIT;

	for (int i = 0; i < 20000; i++)
		strbuf_addf(&text, T1 " stdout F %d\n", i);
	append(0, strbuf_str(&text));
	cr_assert_eq(crilog_open(&l, path, &o, NULL), 0);
	got = read_all(l, 4096);
	cr_expect(str_skip_prefix(got, "15000\n15001\n"));
	cr_expect(str_has_suffix(got, "\n19999\n"));
}

Test(crilog, nothing_is_lost_or_doubled_over_many_rotations_while_reading)
{
	struct crilog_options o = {.tail_lines = -1};
	_cleanup_(crilog_freep) struct crilog *l = NULL;
	autostrbuf want = STRBUF_INIT;
	autostrbuf got = STRBUF_INIT;

	append(0, "");
	cr_assert_eq(crilog_open(&l, path, &o, NULL), 0);
	for (int i = 0; i < 200; i++) {
		autofree char *line = mem_asprintf(T1 " stdout F %d\n", i);

		append(0, line);
		strbuf_addf(&want, "%d\n", i);
		if (i % 7 == 3)
			rotate(4);
		if (i % 13 == 5) {
			autofree char *piece = read_all(l, 64);

			strbuf_adds(&got, piece);
		}
	}
	append(0, "");
	{
		autofree char *piece = read_all(l, 64);

		strbuf_adds(&got, piece);
	}
	cr_expect_str_eq(strbuf_str(&got), strbuf_str(&want));
}
