/* SPDX-License-Identifier: Apache-2.0 */
/* Killing all that descends from a process, stopped first. */
#include "runtime/exec_kill.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"

static void hang(void)
{
	for (;;)
		(void)pause();
}

static void say_pid(int fd)
{
	pid_t pid = getpid();

	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
}

/*
 * What a root process may have below it: a child in a session of its own with a grandchild, and one
 * whose parent is gone, so that only its session tells. Each says its pid on FD.
 */
static void grow(int fd)
{
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0) {
			say_pid(fd);
			hang();
		}
		if (fork() == 0) {
			if (fork() == 0) {
				say_pid(fd);
				hang();
			}
			_exit(0);
		}
		(void)waitpid(-1, NULL, 0);
		say_pid(fd);
		hang();
	}
	hang();
}

static bool ends(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 10000) == 1;
}

Test(exec_kill, all_that_descends_dies_and_the_root_stays)
{
	int fds[2], pidfds[3], status;
	pid_t root, pid;

	cr_assert_eq(pipe(fds), 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	root = fork();
	if (root == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		grow(fds[1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pidfds); i++) {
		cr_assert_eq(read(fds[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
		pidfds[i] = proc_pidfd_open(pid);
		cr_assert_geq(pidfds[i], 0);
	}
	cr_expect_geq(exec_kill_below(root), 3);
	for (size_t i = 0; i < ARRAY_SIZE(pidfds); i++)
		cr_expect(ends(pidfds[i]), "process %zu lives on", i);
	cr_expect_eq(waitpid(root, &status, WNOHANG), 0, "the root is gone");
	cr_expect_eq(exec_kill_below(root), 0, "nothing is left below");
	(void)kill(root, SIGKILL);
	for (size_t i = 0; i < ARRAY_SIZE(pidfds); i++)
		(void)close(pidfds[i]);
}

Test(exec_kill, strangers_stay)
{
	pid_t stranger = fork(), root;
	int status;

	if (stranger == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		hang();
	}
	root = fork();
	if (root == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		hang();
	}
	cr_expect_eq(exec_kill_below(root), 0);
	cr_expect_eq(waitpid(stranger, &status, WNOHANG), 0, "one of our own session was killed");
	(void)kill(stranger, SIGKILL);
	(void)kill(root, SIGKILL);
}
