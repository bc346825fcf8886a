/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a monitor, crun's words, and the text of a log. */
#include "runtime/monitor.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "runtime/pod_priv.h"

Test(monitor, what_crun_says)
{
	static const struct {
		const char *name, *log, *reason, *message;
	} cases[] = {
		{"a command that is not there",
		 "{\"msg\":\"executable file `/no` not found: No such file or directory\",\"level\":\"error\"}\n",
		 "RunContainerError", "executable file `/no` not found"},
		{"not executable",
		 "{\"msg\":\"open executable: Permission denied\",\"level\":\"error\"}\n",
		 "RunContainerError", "open executable: Permission denied"},
		{"a mount that fails",
		 "{\"msg\":\"mount `x` to `/y`: Invalid argument\",\"level\":\"error\"}\n",
		 "CreateContainerError", "mount `x` to `/y`"},
		{"the first error counts, warnings do not",
		 "{\"msg\":\"w\",\"level\":\"warning\"}\n{\"msg\":\"first\",\"level\":\"error\"}\n{\"msg\":\"second\"}\n",
		 "CreateContainerError", "crun: first"},
		{"not JSON", "cannot write\n", "CreateContainerError", "crun: cannot write"},
		{"silence", "", "CreateContainerError", "crun: failed without a word"},
		{"escape sequences", "\033[31mred\n", "CreateContainerError", "crun: \\x1B[31mred"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};

		cr_expect_lt(monitor_crun_error(&err, cases[i].log), 0);
		cr_expect_str_eq(err.reason, cases[i].reason, "%s: %s", cases[i].name, err.reason);
		cr_expect(strcasestr(err.message, cases[i].message), "%s: %s", cases[i].name,
			  err.message);
	}
}

Test(monitor, records)
{
	char dir[] = "/tmp/recond-monitor-test.XXXXXX";
	struct monitor_start start;
	struct monitor_exit e;
	struct err err = {0};
	autoclose int fd = -1;
	const char *text = "{\"pid\":42,\"start_time\":7,\"started_at\":\"2006-01-02T15:04:05Z\"}";

	cr_assert(mkdtemp(dir));
	fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	cr_expect_eq(monitor_read_start(&start, fd, "x"), 0, "none yet");
	cr_assert_eq(fs_replace(fd, "x.start", text, strlen(text), 0600, &err), 0);
	cr_assert_eq(monitor_read_start(&start, fd, "x"), 1);
	cr_expect_eq(start.init.pid, 42);
	cr_expect_eq(start.init.start_time, 7);
	cr_expect_str_eq(start.started_at, "2006-01-02T15:04:05Z");
	cr_assert_eq(fs_replace(fd, "x.exit", "{\"exit", 6, 0600, &err), 0);
	cr_expect_lt(monitor_read_exit(&e, fd, "x"), 0, "half a record is an error");
	(void)fs_remove_tree(-1, dir);
}

Test(monitor, an_end_is_written_in_place_of_a_dead_monitor_and_never_over_its_own)
{
	char dir[] = "/tmp/recond-monitor-test.XXXXXX";
	struct monitor_exit lost = {.exit_code = 137, .signal = 9, .unknown = true};
	struct monitor_exit e = {0};
	const char *own = "{\"exit_code\":3}";
	struct err err = {0};
	autoclose int fd = -1;

	cr_assert(mkdtemp(dir));
	fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	(void)snprintf(lost.started_at, sizeof(lost.started_at), "2006-01-02T15:04:05Z");
	cr_assert_eq(monitor_write_exit(fd, "x", &lost, &err), 0);
	cr_assert_eq(monitor_read_exit(&e, fd, "x"), 1);
	cr_expect(e.unknown && e.exit_code == 137 && e.signal == 9 && !e.oom_killed);
	cr_expect_str_eq(e.started_at, "2006-01-02T15:04:05Z");
	cr_assert_eq(fs_replace(fd, "y.exit", own, strlen(own), 0600, &err), 0);
	cr_assert_eq(monitor_write_exit(fd, "y", &lost, &err), 0);
	cr_assert_eq(monitor_read_exit(&e, fd, "y"), 1);
	cr_expect(!e.unknown && e.exit_code == 3);
	(void)fs_remove_tree(AT_FDCWD, dir);
}

Test(monitor, a_process_is_known_by_pid_and_start_time)
{
	struct monitor_process p = {.pid = getpid()};
	int fd;

	cr_assert_eq(proc_start_time(&p.start_time, p.pid), 0);
	fd = monitor_open_process(&p);
	cr_expect_geq(fd, 0);
	(void)mem_close(fd);
	p.start_time++;
	cr_expect_eq(monitor_open_process(&p), -ESRCH, "another process under this pid");
	p.pid = -1;
	cr_expect_eq(monitor_open_process(&p), -ESRCH);
}

Test(monitor, tail_of_a_log)
{
	static const struct {
		const char *name, *records, *want;
	} cases[] = {
		{"lines", "t stdout F one\nt stderr F two\n", "one\ntwo\n"},
		{"parts make a line", "t stdout P on\nt stdout F e\n", "one\n"},
		{"a cut first record is left out", "out F x\nt stdout F two\n", "two\n"},
		{"an empty line", "t stdout F \nt stdout F x\n", "\nx\n"},
		{"the last part has no newline", "t stdout P x", "x"},
		{"nothing", "", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = pod_message_tail(cases[i].records, strlen(cases[i].records));

		cr_expect_str_eq(got, cases[i].want, "%s: got '%s'", cases[i].name, got);
	}
}

Test(monitor, tail_is_bounded_in_lines_and_bytes)
{
	autostrbuf many = STRBUF_INIT, wide = STRBUF_INIT;
	autofree char *lines = NULL, *bytes = NULL;

	for (int i = 0; i < 100; i++) {
		strbuf_addf(&many, "t stdout F %d\n", i);
		strbuf_addf(&wide, "t stdout F %0100d\n", i);
	}
	lines = pod_message_tail(many.data, many.len);
	cr_expect(strncmp(lines, "20\n21\n", 6) == 0, "%.20s", lines);
	bytes = pod_message_tail(wide.data, wide.len);
	cr_expect_eq(strlen(bytes), 2048);
}
