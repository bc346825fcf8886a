/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A branch of a git repository on this host as a source. Every event means "read the ref again";
 * only another commit starts a worker. The repository's configuration, hooks and work tree are
 * never looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fs.h"
#include "base/json.h"
#include "watch/gitref_priv.h"
#include "watch/source_priv.h"

static void watch_beneath(struct watch_source *src, int git_dirfd, const char *path)
{
	autoclose int fd = fs_open_beneath(git_dirfd, path, O_PATH | O_DIRECTORY, 0);

	source_watch(src, fd);
}

/* ".", refs, refs/heads and the branch's own directories: a missing one comes with an event in the
 * one before. */
static void watch_refs(struct watch_source *src, int git_dirfd, const char *branch)
{
	autofree char *ref = mem_asprintf("refs/heads/%s", branch);

	source_watch(src, git_dirfd);
	for (char *slash = strchr(ref, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		watch_beneath(src, git_dirfd, ref);
		*slash = '/';
	}
}

static bool has_alternates(int git_dirfd)
{
	autofree char *text = NULL;
	autoclose int fd =
		fs_open_beneath(git_dirfd, "objects/info/alternates", O_RDONLY | O_NONBLOCK, 0);
	size_t len;

	return fd >= 0 && (fs_read_fd(&text, &len, fd, 4096) < 0 || len > 0);
}

/* Which commit: an outcome of gitref_read(), or negative with ERR. Watches come before looks. */
static int read_ref(char oid[GITREF_OID_SIZE], struct watch_source *src, int git_dirfd,
		    struct err *err)
{
	const char *branch = src->branch;
	int r;

	if (!src->o.once)
		source_watch(src, git_dirfd);
	if (!branch) {
		autofree char *head = NULL;

		r = gitref_head(&head, git_dirfd, err);
		if (r < 0)
			return r;
		free(src->head);
		branch = src->head = TAKE_PTR(head);
	}
	if (!src->o.once)
		watch_refs(src, git_dirfd, branch);
	if (has_alternates(git_dirfd))
		return err_set(
			err, ERR_INVALID, ENOTSUP, "UnsupportedRepository",
			"objects borrowed from another repository (objects/info/alternates) are not read");
	r = gitref_read(oid, git_dirfd, branch, err);
	if (r != GITREF_MISSING)
		return r;
	return err_set(err, ERR_INVALID, ENOENT, "BranchNotFound",
		       src->published ? "branch %s was deleted: its last revision stays"
				      : "branch %s has no commit yet",
		       branch);
}

static int git_begin(struct watch_source *src, struct err *err)
{
	autoclose int dir = fs_open(src->git_dir, O_PATH | O_DIRECTORY, 0);
	autofree char *objects = mem_asprintf("%s/objects", src->git_dir);
	autojson *request = json_object();
	char oid[GITREF_OID_SIZE];
	int r;

	if (dir < 0) {
		if (!src->o.once)
			source_watch_ancestor(src, src->git_dir);
		return err_set(err, ERR_TRANSIENT, dir, "SourceMissing", "%s: %s", src->git_dir,
			       strerror(-dir));
	}
	r = read_ref(oid, src, dir, err);
	if (r < 0)
		return err_wrap(err, "%s", src->path);
	if (src->published && str_eq(revision_id(src->published), oid))
		return SOURCE_BEGIN_UNCHANGED;
	free(src->commit);
	src->commit = mem_strdup(oid);
	json_set(request, "op", json_text("read"));
	json_set(request, "objects", json_text(objects));
	json_set(request, "commit", json_text(oid));
	if (src->published)
		json_set(request, "previous", json_text(revision_id(src->published)));
	return source_read(src, "recond-git", request, -1, NULL, err);
}

static bool git_concerns(const struct watch_source *src UNUSED, uint32_t mask, const char *name)
{
	if (!*name)
		return mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT);
	if (str_has_suffix(name, ".lock") || str_has_suffix(name, ".new"))
		return false;
	/* Opening and closing is noise here: refs are replaced by rename. Making directories is
	 * not. */
	return mask & (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_CLOSE_WRITE);
}

static bool git_same(const struct revision *published, const struct revision *rev)
{
	return str_eq(revision_id(published), revision_id(rev));
}

static const char *git_id(const struct watch_source *src)
{
	return src->commit;
}

const struct source_kind source_git = {
	.kind = REVISION_GIT,
	.begin = git_begin,
	.concerns = git_concerns,
	.same = git_same,
	.id = git_id,
};
