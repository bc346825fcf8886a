/* SPDX-License-Identifier: Apache-2.0 */
/* Children: what they inherit (nothing that was not given), how they fail to start, how they end.
 */
#include "base/proc.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define HELPER HELPER_DIR "/base_helper"

static struct proc_spec helper(const char *const *argv)
{
	return (struct proc_spec){.path = HELPER, .argv = argv};
}

static char *output_of(const struct proc_spec *spec, int want_status)
{
	struct err e = {0};
	char *out = NULL;
	int status = -1;

	cr_assert_eq(proc_run(&status, &out, spec, 1 << 20, &e), 0, "%s", e.message);
	cr_expect_eq(status, want_status, "status %d: %s", status, out);
	return out;
}

static bool has_line(const char *text, const char *line)
{
	autostrlist lines = {0};

	strlist_split(&lines, text, '\n');
	return strlist_contains(&lines, line);
}

Test(proc, output_and_status)
{
	static const char *const argv[] = {"helper", "stdin", NULL};
	struct proc_spec spec = helper(argv);
	autofree char *out = NULL;
	int p[2], fds[3] = {-1, -1, -1};

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	cr_assert_eq(write(p[1], "hello", 5), 5);
	(void)close(p[1]);
	fds[0] = p[0];
	spec.fds = fds;
	spec.n_fds = 3;
	out = output_of(&spec, 3);
	cr_expect_str_eq(out, "out:helloerr");
	(void)close(p[0]);
}

Test(proc, output_is_bounded_and_the_rest_drained)
{
	static const char *const argv[] = {"sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x",
					   NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv};
	autofree char *out = NULL;
	struct err e = {0};
	int status = -1;

	cr_assert_eq(proc_run(&status, &out, &spec, 1000, &e), 0);
	cr_expect_eq(status, 0);
	cr_expect_eq(strlen(out), 1000);
}

Test(proc, a_background_child_is_not_waited_for)
{
	static const char *const argv[] = {"sh", "-c", "sleep 1000 & echo $!", NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv};
	autofree char *out = output_of(&spec, 0);
	uint64_t pid;

	cr_assert_gt(strlen(out), 1);
	out[strlen(out) - 1] = '\0';
	cr_assert_eq(str_parse_u64(&pid, out, 2, INT32_MAX), 0);
	cr_expect_eq(kill((pid_t)pid, SIGKILL), 0);
}

Test(proc, a_signal_is_a_status)
{
	static const char *const argv[] = {"sh", "-c", "kill -TERM $$", NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv};
	autofree char *out = output_of(&spec, 128 + SIGTERM);
}

Test(proc, exec_failures_are_errors_of_the_start)
{
	static const struct {
		const char *name, *path;
		int want;
		const char *message;
	} cases[] = {
		{"a missing file", "/nowhere/at/all", -ENOENT,
		 "start /nowhere/at/all: exec: No such file or directory"},
		{"a directory", "/tmp", -EACCES, "start /tmp: exec: Permission denied"},
		{"a file that is no program", "/etc/passwd", -EACCES,
		 "start /etc/passwd: exec: Permission denied"},
	};
	static const char *const argv[] = {"x", NULL};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct proc_spec spec = {.path = cases[i].path, .argv = argv};
		struct err e = {0};
		pid_t pid = -7;
		int pidfd = -7;

		cr_expect_eq(proc_spawn(&pid, &pidfd, &spec, &e), cases[i].want, "%s",
			     cases[i].name);
		cr_expect_str_eq(e.message, cases[i].message, "%s: %s", cases[i].name, e.message);
		cr_expect(pid == -7 && pidfd == -7, "%s: outputs touched", cases[i].name);
	}
	/* nothing is left to reap */
	cr_expect_eq(kill(-getpgid(0), 0), 0);
}

/* What fd N of the child is, from the listing. */
static void expect_fd(const char *listing, int n, int fd)
{
	autofree char *link = mem_asprintf("/proc/self/fd/%d", fd);
	autofree char *line = NULL;
	char target[256];
	ssize_t len = readlink(link, target, sizeof(target) - 1);

	cr_assert_geq(len, 0);
	target[len] = '\0';
	line = mem_asprintf("%d %s", n, target);
	cr_expect(has_line(listing, line), "no '%s' in:\n%s", line, listing);
}

/* Run the helper's listing with FDS; its stdout goes to a pipe made here, wherever fds[1] says -2.
 */
static char *list_with(int *fds, size_t n)
{
	static const char *const argv[] = {"helper", "fds", NULL};
	struct proc_spec spec = helper(argv);
	struct err e = {0};
	int p[2], status, pidfd;
	char *text = NULL;
	size_t len;
	pid_t pid;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	fds[1] = p[1];
	spec.fds = fds;
	spec.n_fds = n;
	cr_assert_eq(proc_spawn(&pid, &pidfd, &spec, &e), 0, "%s", e.message);
	(void)close(p[1]);
	cr_assert_eq(fs_read_fd(&text, &len, p[0], 1 << 16), 0);
	(void)close(p[0]);
	cr_assert_eq(proc_reap(&status, pidfd), 0);
	cr_expect_eq(status, 0);
	(void)close(pidfd);
	return text;
}

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

Test(proc, the_child_has_exactly_the_fds_given)
{
	int a = open("/dev/zero", O_RDONLY), b = open("/dev/full", O_RDWR);
	int leak = open("/dev/random", O_RDONLY);
	int fds[] = {-1, -1, -1, a, -1, b};
	autofree char *text = NULL;

	cr_assert(a >= 0 && b >= 0 && leak >= 0);
	/* far away, without CLOEXEC: what a careless library leaves */
	cr_assert_geq(dup2(leak, 100), 0);
	text = list_with(fds, ARRAY_SIZE(fds));
	cr_expect(has_line(text, "0 /dev/null"), "%s", text);
	cr_expect(has_line(text, "2 /dev/null"), "%s", text);
	cr_expect(has_line(text, "4 /dev/null"), "%s", text);
	expect_fd(text, 3, a);
	expect_fd(text, 5, b);
	cr_expect_eq(count_lines(text), 6, "%s", text);
}

Test(proc, no_fds_means_three_of_dev_null)
{
	int fds[] = {-1, -1};
	autofree char *text = list_with(fds, 2);

	cr_expect_eq(count_lines(text), 3, "%s", text);
	cr_expect(has_line(text, "2 /dev/null"));
}

/* The sources lie among the targets, two of them swapped. */
Test(proc, overlapping_fds_are_permuted)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    full = open("/dev/full", O_RDWR | O_CLOEXEC);
	int fds[] = {2, -1, 0, 2, 0};
	autofree char *text = NULL;

	cr_assert(dup2(zero, 0) == 0 && dup2(full, 2) == 2);
	text = list_with(fds, ARRAY_SIZE(fds));
	cr_expect(has_line(text, "0 /dev/full"), "%s", text);
	cr_expect(has_line(text, "2 /dev/zero"), "%s", text);
	cr_expect(has_line(text, "3 /dev/full"), "%s", text);
	cr_expect(has_line(text, "4 /dev/zero"), "%s", text);
	cr_expect_eq(count_lines(text), 5, "%s", text);
}

/*
 * In a child, which can do without Criterion's fds: the sources are the lowest fds there are, so
 * that a copy of one may fall on the target of another. 0 passed, else the step that failed.
 */
static int permute_lowest_fds(void)
{
	static const char *const argv[] = {"helper", "fds", NULL};
	struct proc_spec spec = helper(argv);
	int fds[] = {-1, -1, -1, 5, 3, 4, 3, 5};
	autofree char *out = NULL;
	int status;

	if (close_range(3, ~0U, 0) < 0 || open("/dev/zero", O_RDONLY | O_CLOEXEC) != 3 ||
	    open("/dev/full", O_RDWR | O_CLOEXEC) != 4 ||
	    open("/dev/random", O_RDONLY | O_CLOEXEC) != 5)
		return 1;
	spec.fds = fds;
	spec.n_fds = ARRAY_SIZE(fds);
	if (proc_run(&status, &out, &spec, 4096, NULL) < 0 || status != 0)
		return 2;
	if (!has_line(out, "3 /dev/random") || !has_line(out, "4 /dev/zero") ||
	    !has_line(out, "5 /dev/full"))
		return 3;
	return has_line(out, "6 /dev/zero") && has_line(out, "7 /dev/random") ? 0 : 4;
}

Test(proc, sources_that_are_the_targets_of_others)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(permute_lowest_fds());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "step %d", WEXITSTATUS(status));
}

Test(proc, the_environment_is_built_from_empty)
{
	static const char *const argv[] = {"helper", "env", NULL};
	static const char *const env[] = {"A=1", NULL};
	struct proc_spec spec = helper(argv);
	autofree char *by_default = NULL, *given = NULL;

	cr_assert_eq(setenv("SECRET_TOKEN", "x", 1), 0);
	cr_assert_eq(setenv("RECOND_LIBEXEC", "/somewhere", 1), 0);
	by_default = output_of(&spec, 0);
	cr_expect(has_line(by_default, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"), "%s", by_default);
	cr_expect(has_line(by_default, "RECOND_LIBEXEC=/somewhere"), "%s", by_default);
	cr_expect_null(strstr(by_default, "SECRET_TOKEN"));
	cr_expect_null(strstr(by_default, "HOME="));
	spec.env = env;
	given = output_of(&spec, 0);
	cr_expect_str_eq(given, "A=1\n");
}

Test(proc, signals_session_and_limits_are_the_childs_own)
{
	static const char *const argv[] = {"helper", "state", NULL};
	struct proc_spec spec = helper(argv);
	autofree char *plain = NULL, *changed = NULL;
	struct rlimit files;
	sigset_t blocked;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	(void)sigfillset(&blocked);
	cr_assert_eq(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
	cr_assert_eq(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
	cr_assert_eq(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
	plain = output_of(&spec, 0);
	cr_expect(has_line(plain, "SigBlk:\t0000000000000000"), "%s", plain);
	cr_expect(has_line(plain, "SigIgn:\t0000000000000000"), "%s", plain);
	cr_expect(has_line(plain, "leader 0"), "%s", plain);
	spec.new_session = true;
	spec.limit_nofile = 33;
	spec.limit_cpu_s = 77;
	changed = output_of(&spec, 0);
	cr_expect(has_line(changed, "leader 1"), "%s", changed);
	cr_expect(has_line(changed, "nofile 33"), "%s", changed);
	cr_expect(has_line(changed, "cpu 77"), "%s", changed);
	/* more than we have ourselves is clamped, not refused */
	spec.limit_nofile = (uint64_t)files.rlim_max + 1;
	mem_freep(&changed);
	changed = output_of(&spec, 0);
}

Test(proc, dying_with_the_parent_is_a_choice)
{
	static const char *const argv[] = {"helper", "pdeathsig", NULL};
	struct proc_spec spec = helper(argv);

	mem_freep(&(char *){output_of(&spec, 0)});
	spec.die_with_parent = true;
	mem_freep(&(char *){output_of(&spec, SIGKILL)});
}

Test(proc, a_new_network_namespace_has_no_routes)
{
	static const char *const argv[] = {
		"sh", "-c", "tail -n +2 /proc/net/route | wc -l; ls /sys/class/net >/dev/null",
		NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv, .new_netns = true};
	autofree char *out = NULL;
	struct err e = {0};
	int status;

	if (proc_run(&status, &out, &spec, 100, &e) == -EPERM)
		cr_skip_test("may not make namespaces");
	cr_expect_str_eq(out, "0\n", "%s%s", e.message, out);
}

Test(proc, the_pidfd_tells_the_end_and_takes_signals)
{
	static const char *const argv[] = {"helper", "hang", NULL};
	struct proc_spec spec = helper(argv);
	struct pollfd p = {.events = POLLIN};
	autoclose int pidfd = -1, second = -1;
	struct err e = {0};
	uint64_t start = 0, again = 0;
	int status;
	pid_t pid;

	cr_assert_eq(proc_spawn(&pid, &pidfd, &spec, &e), 0, "%s", e.message);
	second = proc_pidfd_open(pid);
	cr_expect_geq(second, 0);
	cr_expect_eq(proc_start_time(&start, pid), 0);
	cr_expect_eq(proc_start_time(&again, pid), 0);
	cr_expect_gt(start, 0);
	cr_expect_eq(start, again);
	p.fd = pidfd;
	cr_expect_eq(poll(&p, 1, 0), 0);
	cr_expect_eq(proc_signal(pidfd, SIGTERM), 0);
	cr_expect_eq(poll(&p, 1, 10000), 1);
	cr_assert_eq(proc_reap(&status, pidfd), 0);
	cr_expect_eq(status, 128 + SIGTERM);
	cr_expect_eq(proc_signal(pidfd, SIGTERM), -ESRCH);
	cr_expect_eq(proc_reap(&status, pidfd), -ECHILD);
	cr_expect_eq(proc_start_time(&start, pid), -ESRCH);
}

/* The name may hold spaces and parentheses: field 22 is counted from the last one. */
Test(proc, start_time_of_a_hostile_name)
{
	uint64_t before = 0, after = 0;
	autoclose int fd = -1;

	cr_assert_eq(proc_start_time(&before, getpid()), 0);
	fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);
	cr_assert(fd >= 0 && write(fd, "a) S 1 1 (", 10) == 10);
	cr_assert_eq(proc_start_time(&after, getpid()), 0);
	cr_expect_eq(before, after);
}

Test(proc, helpers_are_found_by_environment_then_beside_then_installed)
{
	autofree char *by_env = NULL, *beside = NULL, *installed = NULL;

	cr_assert_eq(setenv("RECOND_LIBEXEC", "/x", 1), 0);
	by_env = proc_libexec("recond-scan");
	cr_expect_str_eq(by_env, "/x/recond-scan");
	cr_assert_eq(unsetenv("RECOND_LIBEXEC"), 0);
	beside = proc_libexec("base_helper");
	cr_expect_str_eq(beside, HELPER);
	installed = proc_libexec("no-such-helper");
	cr_expect_str_eq(installed, RECOND_LIBEXECDIR "/no-such-helper");
}
