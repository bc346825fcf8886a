/* SPDX-License-Identifier: Apache-2.0 */
/* CRI records and rotation. */
#include "runtime/monitor_log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

static char dir[64];
static char *path;
static struct monitor_log l;

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/recond-log-test.XXXXXX");
	cr_assert(mkdtemp(dir));
	path = mem_asprintf("%s/0.log", dir);
}

static void teardown(void)
{
	(void)fs_remove_tree(-1, dir);
	free(path);
}

/* The records of file number N (0: the current one) without their time stamps; NULL when it is not
 * there. */
static char *records(unsigned int n)
{
	autofree char *name = n ? mem_asprintf("%s.%u", path, n) : mem_strdup(path);
	autoclose int fd = fs_open(name, O_RDONLY, 0);
	autofree char *text = NULL;
	struct strbuf out = STRBUF_INIT;
	autostrlist lines = {0};
	size_t len;

	if (fd < 0 || fs_read_fd(&text, &len, fd, 1u << 24) < 0)
		return NULL;
	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i + 1 < lines.n; i++) {
		int64_t ns;
		char *blank = strchr(lines.items[i], ' ');

		cr_assert(blank, "record '%s'", lines.items[i]);
		*blank = '\0';
		cr_expect_eq(clock_parse_rfc3339(&ns, lines.items[i]), 0, "%s", lines.items[i]);
		strbuf_addf(&out, "%s\n", blank + 1);
	}
	return strbuf_take(&out);
}

static void feed(const char *const *chunks, size_t n)
{
	struct monitor_stream s = {.name = "stdout"};
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	s.fd = fds[0];
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(write(fds[1], chunks[i], strlen(chunks[i])),
			     (ssize_t)strlen(chunks[i]));
		while (monitor_stream_read(&s, &l) > 0)
			;
	}
	(void)close(fds[1]);
	while (s.fd >= 0)
		(void)monitor_stream_read(&s, &l);
}

Test(monitor_log, lines_and_parts, .init = setup, .fini = teardown)
{
	static const struct {
		const char *name;
		const char *chunks[4];
		size_t n;
		const char *want;
	} cases[] = {
		{"two lines at once", {"a\nb\n"}, 1, "stdout F a\nstdout F b\n"},
		{"a line in pieces", {"a", "b", "c\n"}, 3, "stdout F abc\n"},
		{"an empty line", {"\n"}, 1, "stdout F \n"},
		{"no newline at the end", {"a\nrest"}, 1, "stdout F a\nstdout P rest\n"},
		{"nothing", {""}, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = NULL;

		(void)unlink(path);
		cr_assert_eq(monitor_log_open(&l, path, 0, 5), 0);
		feed(cases[i].chunks, cases[i].n);
		monitor_log_close(&l);
		got = records(0);
		cr_expect_str_eq(got, cases[i].want, "%s: got '%s'", cases[i].name, got);
	}
}

Test(monitor_log, a_long_line_is_cut_into_parts, .init = setup, .fini = teardown)
{
	autofree char *line = mem_alloc(MONITOR_LINE_MAX + 102), *got = NULL, *want = NULL;

	memset(line, 'x', MONITOR_LINE_MAX + 100);
	line[MONITOR_LINE_MAX + 100] = '\n';
	line[MONITOR_LINE_MAX + 101] = '\0';
	cr_assert_eq(monitor_log_open(&l, path, 0, 5), 0);
	feed((const char *const *)&line, 1);
	monitor_log_close(&l);
	got = records(0);
	want = mem_asprintf("stdout P %.*s\nstdout F %.*s\n", MONITOR_LINE_MAX, line, 100, line);
	cr_expect_str_eq(got, want);
}

Test(monitor_log, rotation_keeps_every_record_in_order, .init = setup, .fini = teardown)
{
	int expect = 0;

	cr_assert_eq(monitor_log_open(&l, path, 1000, 5), 0);
	for (int i = 0; i < 60; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%d", i);
		monitor_log_add(&l, "stdout", 'F', text, strlen(text));
	}
	monitor_log_close(&l);
	for (int n = 4; n >= 0; n--) {
		autofree char *got = records((unsigned int)n);
		autostrlist lines = {0};
		struct stat st;

		if (!got)
			continue;
		strlist_split(&lines, got, '\n');
		for (size_t i = 0; i + 1 < lines.n; i++, expect++) {
			autofree char *want = mem_asprintf("stdout F %d", expect);

			cr_expect_str_eq(lines.items[i], want);
		}
		cr_expect_eq(stat(path, &st), 0);
		cr_expect_leq(st.st_size, 1000);
	}
	cr_expect_eq(expect, 60);
}

Test(monitor_log, only_so_many_files_are_kept, .init = setup, .fini = teardown)
{
	autofree char *newest = NULL, *third = NULL;

	cr_assert_eq(monitor_log_open(&l, path, 100, 3), 0);
	for (int i = 0; i < 20; i++)
		monitor_log_add(&l, "stdout", 'F', "0123456789012345678901234567890", 31);
	monitor_log_close(&l);
	newest = records(2);
	third = records(3);
	cr_expect(newest, "two old files");
	cr_expect_null(third, "and no third");
}

Test(monitor_log, an_existing_log_is_continued, .init = setup, .fini = teardown)
{
	autofree char *got = NULL;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(monitor_log_open(&l, path, 0, 5), 0);
		monitor_log_add(&l, "stderr", 'F', "x", 1);
		monitor_log_close(&l);
	}
	got = records(0);
	cr_expect_str_eq(got, "stderr F x\nstderr F x\n");
}

Test(monitor_log, a_log_that_cannot_be_opened_drops_everything, .init = setup, .fini = teardown)
{
	cr_expect_lt(monitor_log_open(&l, "/no/such/dir/log", 100, 5), 0);
	monitor_log_add(&l, "stdout", 'F', "x", 1);
	monitor_log_close(&l);
}

Test(monitor_log, time_stamps_agree_with_the_other_implementation)
{
	char text[32];
	int64_t before = clock_realtime_ns(), got = 0;

	monitor_now(text);
	cr_expect_eq(strlen(text), 30);
	cr_assert_eq(clock_parse_rfc3339(&got, text), 0, "%s", text);
	cr_expect_geq(got, before);
	cr_expect_leq(got, clock_realtime_ns());
}
