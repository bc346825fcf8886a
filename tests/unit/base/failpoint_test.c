/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failpoints by table: what the environment says against what hits give. Without RECOND_FAILPOINTS
 * the same places must give nothing at all.
 */
#include "base/failpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

static int hit(void)
{
	struct err err UNUSED = {0}; /* not looked at without failpoints */

	return FAILPOINT_ERR("test.error", &err);
}

#ifdef RECOND_FAILPOINTS

static const struct {
	const char *sentence;
	const char *env;
	int want[4]; /* of the first four hits */
} cases[] = {
	{"without a term nothing happens", "other=panic", {0, 0, 0, 0}},
	{"an action without a count is for good",
	 "test.error=error(ENOSPC)",
	 {-ENOSPC, -ENOSPC, -ENOSPC, -ENOSPC}},
	{"a count is used up", "test.error=2*error(EIO)", {-EIO, -EIO, 0, 0}},
	{"terms follow one another",
	 "test.error=1*off->1*error(EROFS)->error(EDQUOT)",
	 {0, -EROFS, -EDQUOT, -EDQUOT}},
	{"of several names each has its own terms",
	 "other=panic;test.error=1*off->1*error(EIO)",
	 {0, -EIO, 0, 0}},
	{"a sleep ends", "test.error=sleep(1)", {0, 0, 0, 0}},
	{"a name is matched whole", "test=panic;test.error.more=panic", {0, 0, 0, 0}},
};

Test(failpoint, terms)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			(void)setenv("RECOND_FAILPOINTS", cases[i].env, 1);
			for (int k = 0; k < 4; k++)
				if (hit() != cases[i].want[k])
					_exit(k + 1);
			_exit(0);
		}
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_expect_eq(status, 0, "%s: '%s': hit %d is wrong", cases[i].sentence,
			     cases[i].env, WEXITSTATUS(status));
	}
}

Test(failpoint, what_is_malformed_ends_the_process)
{
	static const char *const bad[] = {
		"test.error",           "test.error=",           "test.error=explode",
		"test.error=error(E)",  "test.error=error(EIO",  "test.error=0*panic",
		"test.error=1*off,off", "test.plain=error(EIO)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			(void)setenv("RECOND_FAILPOINTS", bad[i], 1);
			(void)hit();
			(void)hit();
			FAILPOINT("test.plain");
			_exit(0);
		}
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 70, "'%s' was taken (%d)",
			  bad[i], status);
	}
}

Test(failpoint, kill_kills, .signal = SIGKILL)
{
	(void)setenv("RECOND_FAILPOINTS", "test.plain=kill", 1);
	FAILPOINT("test.plain");
}

Test(failpoint, panic_aborts, .signal = SIGABRT)
{
	(void)setenv("RECOND_FAILPOINTS", "test.plain=panic", 1);
	FAILPOINT("test.plain");
}

Test(failpoint, a_directory_counts_over_all_processes)
{
	char dir[] = "/tmp/recond-failpoint.XXXXXX", path[64];
	struct stat st;
	int status;
	pid_t pid;

	cr_assert(mkdtemp(dir));
	(void)setenv("RECOND_FAILPOINTS", "test.error=1*off->1*error(EIO)", 1);
	(void)setenv("RECOND_FAILPOINTS_DIR", dir, 1);
	pid = fork();
	if (pid == 0)
		_exit(hit() == 0 ? 0 : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(hit(), -EIO);
	cr_assert_eq(hit(), 0);
	(void)snprintf(path, sizeof(path), "%s/test.error", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_size, 3);
	(void)unlink(path);
	(void)rmdir(dir);
}

#else

Test(failpoint, a_build_without_them_has_none)
{
	(void)setenv("RECOND_FAILPOINTS", "test.plain=panic;test.error=error(EIO)", 1);
	FAILPOINT("test.plain");
	cr_assert_eq(hit(), 0);
}

#endif
