/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree whose shape others chose: it may be a million levels deep, hold mount points, and
 * change while it is being removed. Every directory is entered through fs_open_beneath(), which
 * refuses symlinks and mounts.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"

/* Bounds open fds and stack. What lies deeper is moved up to the top directory first and removed
 * from there. */
#define MAX_LEVELS 32

static void closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int remove_entry(int dirfd, const char *name, int topfd, int level);

/* Remove all that DIRFD (consumed) holds. TOPFD is the root of the removal, -1 when DIRFD is itself
 * that root. */
static int remove_contents(int dirfd, int topfd, int level)
{
	_cleanup_(closedirp) DIR *dir = fdopendir(dirfd);
	bool removed;

	if (!dir) {
		(void)mem_close(dirfd);
		return -errno;
	}
	if (topfd < 0)
		topfd = dirfd;
	do {
		const struct dirent *e;

		removed = false;
		rewinddir(dir);
		while (errno = 0, (e = readdir(dir))) {
			int r;

			if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
				continue;
			r = remove_entry(dirfd, e->d_name, topfd, level);
			if (r < 0)
				return r;
			removed = true;
		}
		if (errno != 0)
			return -errno;
		/* Whatever was moved up or came in meanwhile is seen by another pass. */
	} while (removed);
	return 0;
}

static int move_up(int dirfd, const char *name, int topfd)
{
	unsigned char nonce[8];
	char hex[2 * sizeof(nonce) + 1];

	clock_random(nonce, sizeof(nonce));
	str_hex(hex, nonce, sizeof(nonce));
	return renameat(dirfd, name, topfd, hex) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_directory(int dirfd, const char *name, int topfd, int level)
{
	int fd, r;

	if (level >= MAX_LEVELS)
		return move_up(dirfd, name, topfd);
	fd = fs_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -EXDEV)
		return -EBUSY;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = remove_contents(fd, topfd, level + 1);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(int dirfd, const char *name, int topfd, int level)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	return remove_directory(dirfd, name, topfd, level);
}

int fs_remove_tree(int dirfd, const char *name)
{
	autofree char *clean = fs_clean_path(name);
	char *slash = strrchr(clean, '/');
	const char *base = slash ? slash + 1 : clean;
	autoclose int parent = -1;

	assert(*base && !str_eq(base, "."));
	if (slash == clean) {
		parent = fs_open("/", O_PATH | O_DIRECTORY, 0);
	} else if (slash) {
		*slash = '\0';
		parent = fs_open_at(dirfd, clean, O_PATH | O_DIRECTORY, 0);
	} else {
		parent = fs_open_at(dirfd, ".", O_PATH | O_DIRECTORY, 0);
	}
	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	return remove_entry(parent, base, -1, 0);
}
