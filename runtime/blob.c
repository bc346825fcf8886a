/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streaming blob writer, see blob.h.
 */
#include "runtime/blob.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/str.h"
#include "runtime/image_priv.h"

struct blob_writer {
	struct image_store *store;
	int fd; /* unnamed; -1 once it is committed */
	struct digest_ctx *digest;
	uint64_t size;
};

int blob_writer_new(struct blob_writer **ret, struct image_store *s, struct err *err)
{
	struct blob_writer *w;
	int fd = fs_open_at(s->blobs_fd, ".", O_TMPFILE | O_RDWR, 0644);

	if (fd < 0)
		return err_errno(err, fd, "new blob");
	w = NEW(struct blob_writer);
	w->store = s;
	w->fd = fd;
	w->digest = digest_new();
	*ret = w;
	return 0;
}

int blob_writer_add(struct blob_writer *w, const void *data, size_t n, struct err *err)
{
	int r;

	assert(w->fd >= 0);
	r = fs_write_all(w->fd, data, n);
	if (r < 0)
		return err_errno(err, r, "write blob");
	digest_update(w->digest, data, n);
	w->size += n;
	return 0;
}

/* Give the synced file its name, replacing one of the wrong size that a broken disk left. */
static int blob_link(struct blob_writer *w, const char *digest, struct err *err)
{
	const char *hex = digest_hex(digest);
	char self[64];
	struct stat st;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", w->fd);
	if (linkat(AT_FDCWD, self, w->store->blobs_fd, hex, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, errno, "name blob %s", digest);
	if (fstatat(w->store->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, errno, "stat blob %s", digest);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == w->size)
		return 0;
	if (unlinkat(w->store->blobs_fd, hex, 0) < 0 ||
	    linkat(AT_FDCWD, self, w->store->blobs_fd, hex, AT_SYMLINK_FOLLOW) < 0)
		return err_errno(err, errno, "replace blob %s", digest);
	return 0;
}

int blob_writer_commit(struct blob_writer *w, const char *expected, char ret[DIGEST_STR_SIZE],
		       uint64_t *ret_size, struct err *err)
{
	char digest[DIGEST_STR_SIZE];
	int r;

	assert(w->fd >= 0);

	digest_final(w->digest, digest);
	if (expected && !str_eq(expected, digest))
		return err_set(err, ERR_INVALID, EBADMSG, "ImageCorrupt",
			       "blob has digest %s, not %s", digest, expected);
	if (fsync(w->fd) < 0)
		return err_errno(err, errno, "sync blob %s", digest);
	r = FAILPOINT_ERR("blob.before_link", err);
	if (r == 0)
		r = blob_link(w, digest, err);
	if (r < 0)
		return r;
	FAILPOINT("blob.after_link");
	if (fsync(w->store->blobs_fd) < 0)
		return err_errno(err, errno, "sync blob directory");
	w->fd = mem_close(w->fd);
	memcpy(ret, digest, sizeof(digest));
	*ret_size = w->size;
	return 0;
}

struct blob_writer *blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return NULL;
	(void)mem_close(w->fd);
	digest_free(w->digest);
	free(w);
	return NULL;
}

int blob_open(struct image_store *s, const char *digest, struct err *err)
{
	autoclose int fd = -1;
	struct stat st;

	assert(digest_valid(digest));

	fd = fs_open_at(s->blobs_fd, digest_hex(digest), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		return err_set(err, ERR_INVALID, ENOENT, "ImageNotPresent", "blob %s is not here",
			       digest);
	if (fd < 0)
		return err_errno(err, fd, "open blob %s", digest);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_FATAL, EBADMSG, "ImageCorrupt",
			       "blob %s is not a regular file", digest);
	return TAKE_FD(fd);
}
