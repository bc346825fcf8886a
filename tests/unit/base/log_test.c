/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of log lines, caught from stderr. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

static int reader = -1;

static void setup(void)
{
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_geq(dup2(p[1], STDERR_FILENO), 0);
	(void)close(p[1]);
	reader = p[0];
	cr_assert_eq(unsetenv("JOURNAL_STREAM"), 0);
}

TestSuite(log, .init = setup);

/* What was written since the last call, "" when nothing was. */
static const char *written(void)
{
	static char buf[8192];
	ssize_t n = read(reader, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

Test(log, a_line_is_time_level_message_fields)
{
	char line[256], stamp[CLOCK_RFC3339_SIZE], rest[200];
	int64_t ns;

	log_info("container started", LOG_KV("pod", "default/web"), LOG_KV("attempt", "2"));
	(void)snprintf(line, sizeof(line), "%s", written());
	cr_assert_eq(sscanf(line, "%39s %199[^\n]", stamp, rest), 2, "got %s", line);
	cr_expect_eq(clock_parse_rfc3339(&ns, stamp), 0, "stamp %s", stamp);
	cr_expect_str_eq(rest, "info container started pod=default/web attempt=2");
	cr_expect_eq(line[strlen(line) - 1], '\n');
}

Test(log, values_are_quoted_and_escaped)
{
	static const struct {
		const char *name, *value, *want;
	} cases[] = {
		{"a word", "abc", "k=abc\n"},
		{"empty", "", "k=\"\"\n"},
		{"none", NULL, "k=\"\"\n"},
		{"a space", "a b", "k=\"a b\"\n"},
		{"an equals sign", "a=b", "k=\"a=b\"\n"},
		{"quotes", "say \"hi\"", "k=\"say \\\"hi\\\"\"\n"},
		{"a forged line", "x\n2026-01-01T00:00:00Z error fake",
		 "k=\"x\\x0a2026-01-01T00:00:00Z error fake\"\n"},
		{"a terminal escape", "\x1b[2J", "k=\\x1b[2J\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *line, *got;

		log_info("m", LOG_KV("k", cases[i].value));
		line = written();
		got = strstr(line, "k=");
		cr_expect(got && strcmp(got, cases[i].want) == 0, "%s: got %s", cases[i].name,
			  line);
	}
}

Test(log, levels)
{
	enum log_level level;

	log_debug("hidden");
	cr_expect_str_eq(written(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	cr_expect(strstr(written(), "debug shown\n"));
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("hidden");
	cr_expect_str_eq(written(), "");
	log_error("shown");
	cr_expect(strstr(written(), "error shown\n"));
	cr_expect_not(log_enabled(LOG_LEVEL_WARN));
	cr_expect_eq(log_level_parse(&level, "warn"), 0);
	cr_expect_eq(level, LOG_LEVEL_WARN);
	cr_expect_eq(log_level_parse(&level, "WARN"), -EINVAL);
	cr_expect_eq(log_level_parse(&level, NULL), -EINVAL);
}

Test(log, errors_are_a_field_and_errno_is_kept)
{
	struct err e = {0};

	(void)err_invalid(&e, "no such image");
	errno = ENOTTY;
	log_warn("held", LOG_ERR(&e));
	cr_expect_eq(errno, ENOTTY);
	cr_expect(strstr(written(), "warn held error=\"no such image\"\n"));
}

static void pretend_journal_stream(void)
{
	char stream[64];
	struct stat st;

	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	cr_assert_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
}

Test(log, the_stream_of_a_journal_that_takes_no_records_gets_priorities)
{
	if (access("/run/systemd/journal/socket", F_OK) == 0)
		cr_skip_test("a journal runs here");
	pretend_journal_stream();
	log_error("broken", LOG_KV("k", "a b"));
	cr_expect_str_eq(written(), "<3>broken k=\"a b\"\n");
	cr_assert_eq(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	log_error("broken");
	cr_expect(strstr(written(), "Z error broken\n"), "another stream than ours");
}

static bool has(const char *datagram, size_t n, const char *field)
{
	return memmem(datagram, n, field, strlen(field)) != NULL;
}

/* In a child with a /run of its own. 0 passed, 77 not permitted, else the step that failed. */
static int log_to_fake_journal(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
	char datagram[4096];
	ssize_t n;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return 77;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/journal", 0755) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	log_error("broken", LOG_KV("pod_name", "a b\n"));
	n = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT);
	if (n < 0)
		return 2;
	if (!has(datagram, (size_t)n, "MESSAGE=broken pod_name=\"a b\\x0a\"\n"))
		return 3;
	if (!has(datagram, (size_t)n, "PRIORITY=3\n"))
		return 4;
	if (!has(datagram, (size_t)n, "CODE_FUNC=log_to_fake_journal\n") ||
	    !has(datagram, (size_t)n, "base/log_test.c\n") ||
	    !has(datagram, (size_t)n, "CODE_LINE="))
		return 6;
	/* a value with a line break is sent by length: name, line break, 8 bytes, value */
	return has(datagram, (size_t)n, "RECOND_POD_NAME\n\4") ? 0 : 5;
}

Test(log, a_journal_gets_fields)
{
	int status;
	pid_t pid;

	pretend_journal_stream();
	pid = fork();
	if (pid == 0)
		_exit(log_to_fake_journal());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		cr_skip_test("may not mount");
	cr_expect_eq(status, 0, "step %d", WEXITSTATUS(status));
	cr_expect_str_eq(written(), "");
}
