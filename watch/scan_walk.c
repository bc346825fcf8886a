/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk: level by level, so that the daemon can watch all directories of a level before any of
 * them is listed and no file that appears meanwhile is missed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "watch/ignore_priv.h"
#include "watch/revision_priv.h"
#include "watch/scan_priv.h"

/* Two lists in step: what a directory is called in the revision, and where it lies. */
struct level {
	struct strlist path;
	struct strlist real;
};

static void level_deinit(struct level *l)
{
	strlist_deinit(&l->path);
	strlist_deinit(&l->real);
}

static char *join(const char *dir, const char *name)
{
	return *dir ? mem_asprintf("%s/%s", dir, name) : mem_strdup(name);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int add_dir(struct scan *s, struct level *next, const char *path, const char *real,
		   struct err *err)
{
	struct revision_entry e = {.path = path, .real = real, .mode = REVISION_MODE_DIR};

	strlist_add(&next->path, path);
	strlist_add(&next->real, real);
	return wire_entry(&s->wire, &e, err);
}

/* What the link E, which leads to the unlisted REAL, stands for: a file or a whole directory. */
static int add_hidden(struct scan *s, struct level *next, struct revision_entry *e,
		      const char *real, struct err *err)
{
	autoclose int fd = fs_open_beneath(s->root, real, O_PATH | O_NOFOLLOW, 0);
	bool nested = !str_eq(e->path, e->real);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return wire_entry(&s->wire, e, err);
	if (S_ISREG(st.st_mode)) {
		struct revision_entry file = {.path = e->path, .real = real};

		return scan_file(s, s->root, real, &file, &st, err);
	}
	/* Within what was reached through a link, links to directories stay data: no circles, no
	 * doubling. */
	if (S_ISDIR(st.st_mode) && !nested)
		return add_dir(s, next, e->path, real, err);
	return wire_entry(&s->wire, e, err);
}

static int add_link(struct scan *s, struct level *next, int dirfd, const char *name,
		    const struct revision_entry *at, struct err *err)
{
	struct revision_entry e = *at;
	char text[REVISION_LINK_MAX + 1];
	autofree char *real = NULL;
	ssize_t n = readlinkat(dirfd, name, text, sizeof(text));
	int r;

	if (n <= 0 || (size_t)n >= sizeof(text)) {
		s->unsettled = true;
		return 0;
	}
	text[n] = '\0';
	e.mode = REVISION_MODE_LINK;
	e.size = (uint64_t)n;
	e.content = text;
	digest_bytes(e.digest, text, (size_t)n);
	r = scan_link(&real, s, e.real, text);
	if (r < 0)
		return err_errno(err, r, "%s: symlink", e.path);
	if (r == SCAN_LINK_HIDDEN)
		return add_hidden(s, next, &e, real, err);
	if (r == SCAN_LINK_LEAVES)
		scan_note(s, SCAN_NOTE_LEAVES, e.path);
	return wire_entry(&s->wire, &e, err);
}

static int add(struct scan *s, struct level *next, int dirfd, const char *name,
	       const struct revision_entry *at, struct err *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_errno(err, errno, "%s: stat", at->path);
		s->unsettled = true;
		return 0;
	}
	if (S_ISREG(st.st_mode))
		return scan_file(s, dirfd, name, at, &st, err);
	if (S_ISDIR(st.st_mode))
		return add_dir(s, next, at->path, at->real, err);
	if (S_ISLNK(st.st_mode))
		return add_link(s, next, dirfd, name, at, err);
	scan_note(s, SCAN_NOTE_SPECIAL, at->path);
	return 0;
}

static int open_dir(DIR **ret, struct scan *s, const char *path, const char *real, struct err *err)
{
	autoclose int fd = fs_open_beneath(s->root, *real ? real : ".",
					   O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);

	if (fd == -EXDEV) {
		scan_note(s, SCAN_NOTE_MOUNT, path);
		return 0;
	}
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		s->unsettled = true;
		return 0;
	}
	if (fd < 0)
		return err_errno(err, fd, "%s: open", *path ? path : "the folder");
	*ret = fdopendir(fd);
	if (!*ret)
		return err_errno(err, errno, "%s: open", path);
	(void)TAKE_FD(fd);
	return 1;
}

static int list(struct scan *s, struct level *next, const char *path, const char *real,
		struct err *err)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int r;

	r = open_dir(&dir, s, path, real, err);
	while (r > 0) {
		autofree char *child = NULL, *child_real = NULL;
		struct revision_entry at = {0};
		const struct dirent *d;

		errno = 0;
		d = readdir(dir);
		if (!d)
			return errno ? err_errno(err, errno, "%s: list", path) : 0;
		if (str_eq(d->d_name, ".") || str_eq(d->d_name, "..") ||
		    ignore_name(d->d_name) != IGNORE_NO)
			continue;
		child = join(path, d->d_name);
		child_real = join(real, d->d_name);
		if (!revision_name_valid(d->d_name)) {
			scan_note(s, SCAN_NOTE_NAME, child);
			continue;
		}
		if (!revision_path_valid(child) || !revision_path_valid(child_real))
			return err_set(err, ERR_INVALID, ENAMETOOLONG, "SourceTooLarge",
				       "more than %u directories deep or %u bytes long: %.200s",
				       REVISION_DEPTH_MAX, REVISION_PATH_MAX, child);
		at.path = child;
		at.real = child_real;
		if (add(s, next, dirfd(dir), d->d_name, &at, err) < 0)
			return err->code;
	}
	return r;
}

int scan_walk(struct scan *s, struct err *err)
{
	_cleanup_(level_deinit) struct level now = {0};
	int r;

	strlist_add(&now.path, "");
	strlist_add(&now.real, "");
	while (now.path.n > 0) {
		_cleanup_(level_deinit) struct level next = {0};

		if (s->watch) {
			r = wire_dirs(&s->wire, &now.real);
			if (r < 0)
				return err_errno(err, r, "daemon");
		}
		for (size_t i = 0; i < now.path.n; i++) {
			r = list(s, &next, now.path.items[i], now.real.items[i], err);
			if (r < 0)
				return r;
		}
		level_deinit(&now);
		now = next;
		next = (struct level){0};
	}
	return 0;
}
