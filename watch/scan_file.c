/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stable read of one file: nobody has it open for writing, neither before nor after, and it is
 * the same file with the same times throughout. Anything else is "busy" and its last settled state
 * counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "watch/scan_priv.h"

/* A change within one tick of the file system's clock after the read would leave the times as they
 * are. */
#define RACY_NS 20000000
#define RACY_COARSE_NS 2000000000

/* What the file is called in the revision: it may lie elsewhere under another name. */
static const char *visible_name(const struct revision_entry *e)
{
	const char *slash = strrchr(e->path, '/');

	return slash ? slash + 1 : e->path;
}

static struct cache_key file_key(const struct stat *st, const char *name)
{
	return (struct cache_key){
		{st->st_dev, st->st_ino, (uint64_t)st->st_size,
		 (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
		 (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec,
		 cache_name_kind(name)}};
}

/* The times are too young to prove that nothing changes any more without moving them. */
static bool is_racy(const struct stat *st)
{
	int64_t ctime = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
	int64_t mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	int64_t newest = ctime > mtime ? ctime : mtime;
	bool coarse = st->st_ctim.tv_nsec == 0 && st->st_mtim.tv_nsec == 0;

	return newest > clock_realtime_ns() - (coarse ? RACY_COARSE_NS : RACY_NS);
}

/*
 * A read lease is refused exactly when somebody has the file open for writing; it is given back at
 * once. Where leases can't be had (NFS, another's file without CAP_LEASE) the answer is no, and the
 * times have to tell.
 */
static bool is_open_for_writing(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

static int read_kept(char **ret, size_t *ret_len, struct revision_entry *e, int fd)
{
	autofree char *text = NULL;
	int r;

	r = fs_read_fd(&text, ret_len, fd, REVISION_KEPT_FILE_MAX);
	if (r < 0)
		return r;
	digest_bytes(e->digest, text, *ret_len);
	if (wire_keeps_text(visible_name(e), text, *ret_len))
		*ret = TAKE_PTR(text);
	return 0;
}

/* 1 when what was read is settled, 0 when not, negative errno. */
static int read_stable(char **ret_text, struct revision_entry *e, int fd, struct err *err)
{
	struct stat before, after;
	size_t len;
	int r;

	if (is_open_for_writing(fd))
		return 0;
	if (fstat(fd, &before) < 0)
		return err_errno(err, errno, "%s: stat", e->path);
	if (revision_keeps(visible_name(e)) && before.st_size <= REVISION_KEPT_FILE_MAX) {
		r = read_kept(ret_text, &len, e, fd);
		if (r == -EFBIG)
			return 0;
		if (r < 0)
			return err_errno(err, r, "%s: read", e->path);
	} else {
		r = digest_fd(e->digest, &len, fd, err);
		if (r < 0)
			return err_wrap(err, "%s", e->path);
	}
	if (fstat(fd, &after) < 0)
		return err_errno(err, errno, "%s: stat", e->path);
	if (!fs_same_file(&before, &after) || len != (size_t)before.st_size ||
	    is_open_for_writing(fd))
		return 0;
	e->size = len;
	return 1;
}

static int busy(struct scan *s, const struct revision_entry *e, struct err *err)
{
	int r = wire_busy(&s->wire, e->path);

	s->n_busy++;
	if (revision_keeps(visible_name(e)))
		s->n_busy_kept++;
	scan_note(s, SCAN_NOTE_BUSY, e->path);
	return r < 0 ? err_errno(err, r, "send") : 0;
}

static int open_file(int dirfd, const char *name)
{
	/* O_NONBLOCK: what was a file a moment ago may be a pipe now. */
	return fs_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
}

static void remember(struct scan *s, const struct stat *st, const struct revision_entry *e,
		     bool kept)
{
	struct cache_key key = file_key(st, visible_name(e));
	struct cache_hit hit;

	if (cache_get(s->cache, &key, &hit))
		return;
	hit = (struct cache_hit){.size = e->size, .kept = kept};
	memcpy(hit.digest, e->digest, sizeof(hit.digest));
	cache_put(s->cache, &key, &hit);
}

static int scan_fresh(struct scan *s, int dirfd, const char *name, struct revision_entry *e,
		      struct err *err)
{
	autofree char *text = NULL;
	autoclose int fd = -1;
	struct stat st;
	int r;

	fd = open_file(dirfd, name);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd == -EACCES || fd == -EPERM || fd == -EIO)
			return err_errno(err, fd, "%s: open", e->path);
		s->unsettled = true;
		return 0;
	}
	r = read_stable(&text, e, fd, err);
	if (r < 0)
		return r;
	if (r == 0)
		return busy(s, e, err);
	if (!is_racy(&st))
		remember(s, &st, e, text != NULL);
	e->content = text;
	return wire_entry(&s->wire, e, err);
}

int scan_file(struct scan *s, int dirfd, const char *name, const struct revision_entry *at,
	      const struct stat *st, struct err *err)
{
	struct revision_entry e = *at;
	struct cache_key key = file_key(st, visible_name(at));
	struct cache_hit hit;

	e.mode = st->st_mode & S_IXUSR ? REVISION_MODE_EXEC : REVISION_MODE_FILE;
	if (st->st_nlink > 1)
		scan_note(s, SCAN_NOTE_HARDLINK, e.path);
	if (!cache_get(s->cache, &key, &hit) || (hit.kept && !s->have_content))
		return scan_fresh(s, dirfd, name, &e, err);
	memcpy(e.digest, hit.digest, sizeof(e.digest));
	e.size = hit.size;
	return hit.kept ? wire_entry_known(&s->wire, &e, err) : wire_entry(&s->wire, &e, err);
}
