/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as a source: which events matter, which directories are watched, and what a root that
 * went away means.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "watch/ignore_priv.h"
#include "watch/source_priv.h"

static void on_dirs(const json_t *dirs, void *data)
{
	struct watch_source *src = data;
	const json_t *item;
	size_t i;

	json_array_foreach(dirs, i, item) {
		const char *path = json_string_value(item);
		autoclose int fd = -1;

		if (!path || (*path && !fs_path_is_beneath(path)))
			continue;
		fd = fs_open_beneath(src->root_fd, *path ? path : ".", O_PATH | O_DIRECTORY, 0);
		source_watch(src, fd);
	}
}

/* When the folder itself is a symlink, only its parent hears of a swap. */
static void watch_link(struct watch_source *src)
{
	struct stat st;

	if (lstat(src->path, &st) == 0 && S_ISLNK(st.st_mode))
		source_watch_ancestor(src, src->path);
}

static int folder_begin(struct watch_source *src, struct err *err)
{
	autojson *request = json_object();

	src->root_fd = mem_close(src->root_fd);
	if (!src->o.once)
		watch_link(src);
	src->root_fd = fs_open(src->path, O_PATH | O_DIRECTORY, 0);
	if (src->root_fd < 0 && !src->o.once) {
		source_watch_ancestor(src, src->path);
		/* It may have come between the two. */
		src->root_fd = fs_open(src->path, O_PATH | O_DIRECTORY, 0);
	}
	if (src->root_fd < 0)
		return err_set(err, ERR_TRANSIENT, src->root_fd, "SourceMissing", "%s: %s",
			       src->path, strerror(-src->root_fd));
	json_set(request, "watch", json_boolean(!src->o.once));
	return source_read(src, "recond-scan", request, src->root_fd, on_dirs, err);
}

static bool folder_concerns(const struct watch_source *src, uint32_t mask, const char *name)
{
	if (!*name)
		return mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT);
	switch (ignore_name(name)) {
	case IGNORE_NO:
		return true;
	case IGNORE_HIDDEN:
		/* kubelet renames "..data" and says nothing of the names that lead through it. */
		return src->hidden;
	case IGNORE_TEMP:
		return false;
	}
	return true;
}

static int folder_check(struct watch_source *src, const struct revision *rev, const json_t *result,
			struct err *err)
{
	struct stat now, there;
	bool replaced;
	size_t n, was = 0;

	src->hidden = json_path_bool(result, "hidden", false);
	if (fstat(src->root_fd, &now) < 0)
		return err_errno(err, errno, "%s", src->path);
	/* What was read may have been moved away under our hands. */
	if (stat(src->path, &there) < 0 || there.st_dev != now.st_dev || there.st_ino != now.st_ino)
		return err_set(err, ERR_TRANSIENT, ESTALE, "SourceReplaced",
			       "%s was moved while it was read", src->path);
	replaced = src->published && (now.st_dev != src->root_dev || now.st_ino != src->root_ino);
	if (src->published)
		(void)revision_entries(src->published, &was);
	(void)revision_entries(rev, &n);
	/* An empty mount point or a fresh directory says nothing; emptying the old one would. */
	if (replaced && n == 0 && was > 0)
		return err_set(err, ERR_TRANSIENT, ENOENT, "SourceReplaced",
			       "%s was replaced by an empty folder: waiting for its content",
			       src->path);
	src->root_dev = now.st_dev;
	src->root_ino = now.st_ino;
	return 0;
}

static bool folder_same(const struct revision *published, const struct revision *rev)
{
	return str_eq(revision_tree(published), revision_tree(rev));
}

static const char *folder_id(const struct watch_source *src UNUSED)
{
	return NULL;
}

const struct source_kind source_folder = {
	.kind = REVISION_FOLDER,
	.begin = folder_begin,
	.concerns = folder_concerns,
	.check = folder_check,
	.same = folder_same,
	.id = folder_id,
};
