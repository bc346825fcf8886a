/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a container's root file system before crun sees it. crun trusts its configuration
 * and, in old versions, follows a symlinked /dev out of the root (CVE-2026-47766); so hostile
 * directories are replaced or refused here, mount points are made here, and only resolved paths are
 * handed on. ROOT_FD is the mounted overlay, writable. Blocking; for workers. No process may run in
 * the root meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Look at /dev, /proc, /sys (missing or a symlink: made anew) and /run, /etc, /tmp (a symlink must
 * end at a directory in the root; missing is fine). 0, or -EINVAL with reason InvalidImage.
 */
int rootfs_check(int root_fd, struct err *err);

enum rootfs_kind {
	ROOTFS_DIR,  /* mount point of a directory */
	ROOTFS_FILE, /* mount point of a file */
};

/*
 * Resolve DESTINATION (absolute) inside the root and make it and its parents (0755, root) where
 * missing. 0 and *ret, the absolute path free of symlinks (owned by the caller), or -EINVAL with
 * reason InvalidImage: wrong type, dangling or looping symlink, a path in or above /proc, /sys or
 * /dev, "..".  /dev/shm and the like below /dev: allowed when ALLOW_DEV.
 */
int rootfs_mountpoint(char **ret, int root_fd, const char *destination, enum rootfs_kind kind,
		      bool allow_dev, struct err *err);

/*
 * The same for a working directory: made when missing, owned by UID and GID then. /proc, /sys and
 * /dev are refused (CVE-2024-21626).
 */
struct rootfs_owner {
	unsigned uid;
	unsigned gid;
};
int rootfs_cwd(char **ret, int root_fd, const char *path, struct rootfs_owner owner,
	       struct err *err);
