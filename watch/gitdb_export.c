/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing files of a commit into an empty directory of ours: what the request lists, checked
 * against the digests it gives, beneath the target and never through a symlink.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "watch/gitdb_priv.h"
#include "watch/revision_priv.h"

static int write_file(const struct revision_entry *e, const void *data, struct err *err)
{
	mode_t mode = e->mode & 07777;
	autoclose int fd = fs_open_beneath(WATCH_ROOT_FD, e->real,
					   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	int r;

	/* Two names of one file (a release link and what it names) are one file here. */
	if (fd == -EEXIST)
		return 0;
	if (fd < 0)
		return err_errno(err, fd, "%s: create", e->real);
	r = fs_write_all(fd, data, e->size);
	if (r < 0 || fchmod(fd, mode) < 0)
		return err_errno(err, r < 0 ? r : errno, "%s: write", e->real);
	return 0;
}

static int write_link(const struct revision_entry *e, const char *text, struct err *err)
{
	const char *slash = strrchr(e->real, '/');
	autofree char *parent =
		slash ? mem_strndup(e->real, (size_t)(slash - e->real)) : mem_strdup(".");
	autoclose int dir = fs_open_beneath(WATCH_ROOT_FD, parent, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return err_errno(err, dir, "%s: open", parent);
	if (symlinkat(text, dir, slash ? slash + 1 : e->real) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s: symlink", e->real);
	return 0;
}

static int make_parent(const char *real, struct err *err)
{
	const char *slash = strrchr(real, '/');
	autofree char *parent = NULL;
	int r;

	if (!slash)
		return 0;
	parent = mem_strndup(real, (size_t)(slash - real));
	r = fs_mkdir_p(WATCH_ROOT_FD, parent, 0755);
	return r < 0 ? err_errno(err, r, "%s: create", parent) : 0;
}

static int write_blob(struct gitdb *g, git_tree *tree, const struct revision_entry *e,
		      struct err *err)
{
	autofree char *text = NULL;
	char digest[DIGEST_STR_SIZE];
	git_odb_object *blob = NULL;
	git_tree_entry *te = NULL;
	int r;

	if (git_tree_entry_bypath(&te, tree, e->real) < 0)
		return gitdb_fail(err, e->real);
	r = gitdb_read(&blob, g, git_tree_entry_id(te), GIT_OBJECT_BLOB, e->real, err);
	git_tree_entry_free(te);
	if (r < 0)
		return r;
	digest_bytes(digest, git_odb_object_data(blob), git_odb_object_size(blob));
	if (!str_eq(digest, e->digest) || git_odb_object_size(blob) != e->size) {
		r = err_set(err, ERR_TRANSIENT, EIO, "SourceUnreadable",
			    "%s is not what the revision says", e->real);
	} else if (S_ISLNK(e->mode)) {
		text = mem_strndup(git_odb_object_data(blob), e->size);
		r = write_link(e, text, err);
	} else {
		r = write_file(e, git_odb_object_data(blob), err);
	}
	git_odb_object_free(blob);
	return r;
}

int gitdb_export(struct gitdb *g, git_tree *tree, const json_t *request, struct err *err)
{
	const json_t *item;
	size_t i;
	int r;

	json_array_foreach(json_object_get(request, "entries"), i, item) {
		autofree char *decoded = NULL;
		struct revision_entry e;

		r = revision_entry_from_json(&e, &decoded, item, err);
		if (r < 0)
			return r;
		e.real = e.path;
		if (!revision_path_valid(e.path))
			return err_invalid(err, "a path is not acceptable");
		r = make_parent(e.real, err);
		if (r >= 0 && S_ISDIR(e.mode)) {
			r = fs_mkdir_p(WATCH_ROOT_FD, e.real, 0755);
			if (r < 0)
				return err_errno(err, r, "%s: create", e.real);
		} else if (r >= 0) {
			r = write_blob(g, tree, &e, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}
