/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by its system calls (glibc has no wrappers), limited to what its first version knows.
 */
#include "watch/confine_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                                      \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                             \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM |                               \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* All that the first version of landlock knows: newer rights would fail on older kernels. */
#define HANDLED                                                                                    \
	(READ | WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |               \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |                             \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

static int allow(int ruleset, int dirfd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = dirfd};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

static int allow_path(int ruleset, const char *path)
{
	autoclose int fd = fs_open(path, O_PATH | O_DIRECTORY, 0);

	return fd < 0 ? fd : allow(ruleset, fd, READ);
}

int confine_to(int dirfd, const char *read_path, bool write, struct err *err)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	autoclose int ruleset = -1;
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "no_new_privs");
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0
							      : err_errno(err, errno, "landlock");
	if (dirfd >= 0)
		r = allow(ruleset, dirfd, write ? READ | WRITE : READ);
	if (r >= 0 && read_path)
		r = allow_path(ruleset, read_path);
#ifdef __SANITIZE_ADDRESS__
	/* The leak checker reads /proc/self at exit. */
	if (r >= 0)
		r = allow_path(ruleset, "/proc");
#endif
	if (r < 0)
		return err_errno(err, r, "landlock");
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0
		       ? err_errno(err, errno, "landlock")
		       : 0;
}
