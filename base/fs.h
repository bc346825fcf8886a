/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories. The one module that opens paths others control: everything goes through
 * openat2(2) beneath or in a directory fd, never by joined strings. Also the durable write (tmp,
 * fsync, rename, fsync dir). No other file of this tree calls open, openat, mkdir, rename, unlink,
 * symlink or chown on a foreign path; a style test keeps a list of those allowed to call them at
 * all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * Open PATH relative to DIRFD and never outside of it: RESOLVE_BENEATH, no symlink at all, no magic
 * links, no mount crossing. For repositories, watched folders and build contexts. O_CLOEXEC is
 * added; MODE matters only when FLAGS create something. A FIFO blocks as in open(2): add O_NONBLOCK
 * when the type is not known. Returns the fd (owned by the caller) or a negative errno (-ELOOP for
 * a symlink, -EXDEV for an escape or a mount). EAGAIN is retried 32 times.
 */
int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/*
 * Open PATH as if DIRFD were "/": absolute symlinks and ".." resolve inside (RESOLVE_IN_ROOT, no
 * magic links). For image root file systems. Returns the fd or a negative errno. See openat2(2).
 */
int fs_open_in_root(int dirfd, const char *path, int flags, mode_t mode);

/*
 * Open a path of our own (state directory, configuration). Plain openat(2) with O_CLOEXEC; fd or
 * negative errno.
 */
int fs_open(const char *path, int flags, mode_t mode);
int fs_open_at(int dirfd, const char *name, int flags, mode_t mode);

/*
 * Read the rest of FD, or the file NAME of our own in DIRFD, into memory, at most MAX bytes. 0 with
 * *ret (NUL-terminated, owned by the caller) and *ret_len; -EFBIG when it is longer, other negative
 * errno on failure.
 */
int fs_read_fd(char **ret, size_t *ret_len, int fd, size_t max);
int fs_read_at(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max);

/* Write all N bytes to FD, retrying short writes. 0 or negative errno. */
int fs_write_all(int fd, const void *data, size_t n);

/* How the temporary files of fs_replace() are called; one left by a crash may be removed. */
#define FS_TMP_PREFIX ".recond-tmp-"

/*
 * Replace or create NAME (one component) in DIRFD durably: temporary file, fsync, rename, fsync of
 * the directory. The mode is exactly MODE, whatever the umask. After 0 the new content survives a
 * power cut; after a failure the old file is untouched (unless only the last step, fsync of the
 * directory, failed) and no temporary file is left.
 */
int fs_replace(int dirfd, const char *name, const void *data, size_t n, mode_t mode,
	       struct err *err);

/*
 * Create the directories of PATH (no "..") that are missing. Relative paths start at DIRFD and pass
 * no symlink; an absolute path is the operator's and may. 0 or negative errno. A path of our own.
 */
int fs_mkdir_p(int dirfd, const char *path, mode_t mode);

/*
 * Remove NAME (in DIRFD, or an absolute path of our own; no "..") with everything below, however
 * deep, never following a symlink nor crossing a mount: -EBUSY where something is mounted. Stops at
 * the first failure with its negative errno. Missing is 0.
 */
int fs_remove_tree(int dirfd, const char *name);

/* True when two stats are of the same, unchanged file (device, inode, mode, size, mtime, ctime). */
bool fs_same_file(const struct stat *a, const struct stat *b);

/* Bytes available to root on the file system of FD, or a negative errno. */
int64_t fs_free_bytes(int fd);

/*
 * Clean an absolute or relative path in memory: removes ".", doubled and trailing slashes, resolves
 * ".." (never above the start). Owned by the caller. "" gives ".".
 */
char *fs_clean_path(const char *path);

/*
 * True when PATH is relative, not empty, clean, and has no ".." component: usable beneath a
 * directory ("." is).
 */
bool fs_path_is_beneath(const char *path);
