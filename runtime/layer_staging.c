/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging directories and their lock, see layer_staging_priv.h.
 */
#include "runtime/layer_staging_priv.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"

#define STAGING ".staging"

/* The staging directory under LOCK; -EWOULDBLOCK, without ERR, when LOCK_NB is in it and others
 * have it. */
static int staging_open(struct image_store *store, int lock, struct err *err)
{
	autoclose int fd = -1;
	int r = fs_mkdir_p(image_store_layers_fd(store), STAGING, 0700);

	if (r >= 0)
		r = fd = fs_open_beneath(image_store_layers_fd(store), STAGING,
					 O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_errno(err, r, "open staging directory");
	while (flock(fd, lock) < 0) {
		if (errno == EWOULDBLOCK)
			return -EWOULDBLOCK;
		if (errno != EINTR)
			return err_errno(err, errno, "lock staging directory");
	}
	return TAKE_FD(fd);
}

int layer_staging_begin(struct layer_staging *ret, struct image_store *store, struct err *err)
{
	struct layer_staging s = {.store = store};
	unsigned char nonce[16];
	int r;

	s.fd = staging_open(store, LOCK_SH, err);
	if (s.fd < 0)
		return s.fd;
	clock_random(nonce, sizeof(nonce));
	str_hex(s.name, nonce, sizeof(nonce));
	r = fs_mkdir_p(s.fd, s.name, 0700);
	if (r < 0) {
		(void)mem_close(s.fd);
		return err_errno(err, r, "make staging directory");
	}
	*ret = s;
	return 0;
}

int layer_staging_commit(struct layer_staging *s, const char *diff_id, bool *ret_mine,
			 struct err *err)
{
	int layers_fd = image_store_layers_fd(s->store);
	bool mine = true;
	int r;

	assert(s->fd >= 0 && *s->name);

	r = FAILPOINT_ERR("layer.before_sync", err);
	if (r < 0)
		return r;
	if (syncfs(s->fd) < 0)
		return err_errno(err, errno, "sync layer");
	FAILPOINT("layer.before_rename");
	if (renameat2(s->fd, s->name, layers_fd, digest_hex(diff_id), RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			return err_errno(err, errno, "name layer");
		mine = false;
	} else {
		*s->name = '\0';
	}
	FAILPOINT("layer.after_rename");
	if (fsync(layers_fd) < 0)
		return err_errno(err, errno, "sync layers");
	if (ret_mine)
		*ret_mine = mine;
	return 0;
}

void layer_staging_deinit(struct layer_staging *s)
{
	if (s->fd >= 0 && *s->name)
		(void)fs_remove_tree(s->fd, s->name);
	*s->name = '\0';
	s->fd = mem_close(s->fd);
}

/* Remove everything in FD (consumed). 0 or negative errno. */
static int remove_all(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *d;
	int r = 0;

	if (!dir) {
		(void)mem_close(fd);
		return -errno;
	}
	while (r >= 0 && (d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = fs_remove_tree(fd, d->d_name);
	(void)closedir(dir);
	return r;
}

int layer_staging_discard(struct image_store *store, const char *hex, struct err *err)
{
	_cleanup_(layer_staging_deinit) struct layer_staging s = {.fd = -1};
	int r = layer_staging_begin(&s, store, err);

	assert(strlen(hex) == 64);
	if (r < 0)
		return r;
	/* Over the empty directory of ours, which deinit removes with all that is in it then. */
	if (renameat2(image_store_layers_fd(store), hex, s.fd, s.name, 0) < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "take layer %s away", hex);
	if (fsync(image_store_layers_fd(store)) < 0)
		return err_errno(err, errno, "sync layers");
	return 1;
}

int layer_staging_collect(struct image_store *store, struct err *err)
{
	int fd = staging_open(store, LOCK_EX | LOCK_NB, err), r;

	if (fd == -EWOULDBLOCK)
		return 0;
	if (fd < 0)
		return fd;

	/* Whoever waits for the lock meanwhile has nothing in the directory yet. */
	r = remove_all(fd);
	return r < 0 ? err_errno(err, r, "remove leftover layers") : 0;
}
