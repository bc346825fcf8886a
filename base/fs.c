/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories: confined opening, bounded reading, durable replacing. Removing trees is in
 * fs_remove.c.
 */
#include "base/fs.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/str.h"
#include "base/strbuf.h"

#define OPENAT2_TRIES 32

/*
 * openat2(2) gives EAGAIN when a rename or mount elsewhere on the system raced with "..": it could
 * not prove that the walk stayed inside. The next try usually can.
 */
static int open_resolved(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = resolve,
	};

	/* Unlike open(2), openat2(2) refuses a mode that has no use. */
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode;
	for (int i = 0; i < OPENAT2_TRIES; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(dirfd, path, flags, mode,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
				     RESOLVE_NO_XDEV);
}

int fs_open_in_root(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(dirfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int fs_open(const char *path, int flags, mode_t mode)
{
	return fs_open_at(AT_FDCWD, path, flags, mode);
}

int fs_open_at(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, name, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* How much to read at first: the size of a regular file (and one byte to see its end), else a page.
 */
static size_t read_guess(int fd, size_t max)
{
	struct stat st;
	size_t guess = 4096;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		guess = (size_t)st.st_size + 1;
	return guess < max ? guess : max;
}

int fs_read_fd(char **ret, size_t *ret_len, int fd, size_t max)
{
	autofree char *buf = NULL;
	size_t len = 0, limit, size;

	/* One byte more than allowed tells "too long" from "just fits". */
	limit = max < SIZE_MAX - 1 ? max + 1 : max;
	size = read_guess(fd, limit);
	buf = mem_alloc(size + 1);
	for (;;) {
		ssize_t n;

		if (len == size) {
			size = size < limit / 2 ? size * 2 : limit;
			buf = mem_realloc(buf, size + 1, 1);
		}
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

int fs_read_at(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max)
{
	autoclose int fd = fs_open_at(dirfd, name, O_RDONLY, 0);

	if (fd < 0)
		return fd;
	return fs_read_fd(ret, ret_len, fd, max);
}

int fs_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* What fs_replace() does to its temporary file. FD is synced; nothing refers to it yet. */
static int write_durably(int fd, const void *data, size_t n, mode_t mode, struct err *err)
{
	int r = fs_write_all(fd, data, n);

	if (r < 0)
		return err_errno(err, r, "write");
	if (fchmod(fd, mode) < 0)
		return err_errno(err, errno, "chmod");
	if (fsync(fd) < 0)
		return err_errno(err, errno, "fsync");
	return 0;
}

static int sync_directory(int dirfd, struct err *err)
{
	autoclose int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_errno(err, fd, "open directory");
	if (fsync(fd) < 0)
		return err_errno(err, errno, "fsync directory");
	return 0;
}

int fs_replace(int dirfd, const char *name, const void *data, size_t n, mode_t mode,
	       struct err *err)
{
	unsigned char nonce[8];
	char hex[2 * sizeof(nonce) + 1], tmp[sizeof(FS_TMP_PREFIX) + sizeof(hex)];
	autoclose int fd = -1;
	int r;

	assert(*name && !strchr(name, '/'));
	clock_random(nonce, sizeof(nonce));
	str_hex(hex, nonce, sizeof(nonce));
	(void)snprintf(tmp, sizeof(tmp), "%s%s", FS_TMP_PREFIX, hex);
	fd = fs_open_at(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, fd, "replace '%s': create temporary file", name);
	r = write_durably(fd, data, n, mode, err);
	if (r >= 0)
		r = FAILPOINT_ERR("fs.before_rename", err);
	if (r >= 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = err_errno(err, errno, "rename");
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		goto out;
	}
	FAILPOINT("fs.after_rename");
	r = sync_directory(dirfd, err);
out:
	if (r < 0)
		(void)err_wrap(err, "replace '%s'", name);
	return r;
}

/* Make NAME in DIRFD if it is missing and step into it: an O_PATH fd or negative errno. */
static int mkdir_step(int dirfd, const char *name, mode_t mode, int nofollow)
{
	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return fs_open_at(dirfd, name, O_PATH | O_DIRECTORY | nofollow, 0);
}

int fs_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	bool absolute = *path == '/';
	autofree char *copy = mem_strdup(path);
	autoclose int here = -1;
	char *save = NULL;

	here = absolute ? fs_open("/", O_PATH | O_DIRECTORY, 0)
			: fs_open_at(dirfd, ".", O_PATH | O_DIRECTORY, 0);
	if (here < 0)
		return here;
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next;

		if (str_eq(name, ".."))
			return -EINVAL;
		next = mkdir_step(here, name, mode, absolute ? 0 : O_NOFOLLOW);
		if (next < 0)
			return next;
		(void)mem_close(here);
		here = next;
	}
	return 0;
}

bool fs_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int64_t fs_free_bytes(int fd)
{
	struct statvfs v;
	int64_t bytes;

	if (fstatvfs(fd, &v) < 0)
		return -errno;
	if (__builtin_mul_overflow((uint64_t)v.f_bfree, (uint64_t)v.f_frsize, &bytes))
		return INT64_MAX;
	return bytes;
}

char *fs_clean_path(const char *path)
{
	autostrbuf out = STRBUF_INIT;
	size_t root = *path == '/';

	if (root)
		strbuf_addc(&out, '/');
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (out.len > root && out.data[out.len - 1] != '/')
				strbuf_truncate(&out, out.len - 1);
			if (out.len > root)
				strbuf_truncate(&out, out.len - 1);
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (out.len > root)
				strbuf_addc(&out, '/');
			strbuf_add(&out, path, n);
		}
		path += n;
		path += strspn(path, "/");
	}
	if (out.len == 0)
		strbuf_addc(&out, '.');
	return strbuf_take(&out);
}

bool fs_path_is_beneath(const char *path)
{
	autofree char *clean = NULL;

	if (*path == '\0' || *path == '/')
		return false;
	/* Cleaning drops every ".." component, so a path that has one is never equal to its clean
	 * form. */
	clean = fs_clean_path(path);
	return str_eq(clean, path);
}
