/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check is on what was opened, so a file that is swapped meanwhile does not pass.
 */
#include "cmd/trusted.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

#define TRANSLATE(type) ((type) == S_IFDIR ? "directory" : "file")

int trusted_open(const char *path, mode_t type, mode_t mask, struct err *err)
{
	/* A pipe must not make us wait. */
	autoclose int fd = fs_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	bool read;

	assert(type == S_IFREG || type == S_IFDIR);
	if (fd < 0)
		return err_errno(err, fd, "%s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if ((st.st_mode & S_IFMT) != type)
		return err_invalid(err, "%s: is not a %s", path, TRANSLATE(type));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(err, ERR_INVALID, EPERM, NULL,
			       "%s: belongs to user %u, who could change it: chown root it", path,
			       st.st_uid);
	if (!(st.st_mode & mask))
		return TAKE_FD(fd);
	read = !(st.st_mode & 022);
	return err_set(err, ERR_INVALID, EPERM, NULL,
		       "%s: others can %s it (mode %04o): chmod %s it", path,
		       read ? "read" : "change", st.st_mode & 07777, mask & 044 ? "go=" : "go-w");
}

int trusted_read(char **ret, size_t *ret_len, const char *path, mode_t mask, size_t max,
		 struct err *err)
{
	autoclose int fd = trusted_open(path, S_IFREG, mask, err);
	int r;

	if (fd < 0)
		return fd;
	r = fs_read_fd(ret, ret_len, fd, max);
	if (r == -EFBIG)
		return err_set(err, ERR_INVALID, EFBIG, NULL, "%s: more than %zu bytes", path, max);
	return r < 0 ? err_errno(err, r, "%s", path) : 0;
}
