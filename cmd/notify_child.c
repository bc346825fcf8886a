/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up root, and becoming the command of a hook.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cmd/notify_priv.h"

int notify_drop(const char *user, struct err *err)
{
	const struct passwd *pw = getpwnam(user);
	const struct rlimit no_core = {0, 0};

	if (!pw)
		return err_invalid(err, "there is no user '%s'", user);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (pw->pw_uid == geteuid())
		return 0;
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_errno(err, errno, "become user '%s'", user);
	/* A change of user forgets the parent's death. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_errno(err, errno, "bind the hook");
	return 0;
}

int notify_command(char **argv)
{
	struct err err = {};

	if (notify_drop(argv[0], &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return NOTIFY_EXIT_SETUP;
	}
	(void)execv(argv[1], argv + 1);
	(void)fprintf(stderr, "'%s': %s\n", argv[1], strerror(errno));
	return NOTIFY_EXIT_SETUP;
}
