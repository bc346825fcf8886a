/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line's word to a path, a branch and a kind; and where the digest cache lies on
 * disk.
 */
#include "watch/spec_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "watch/revision_priv.h"

#define CACHE_MAX (64u << 20)

static bool is_dir(const char *path)
{
	autoclose int fd = fs_open(path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

/* Symlinks stay: "current" may be a release link, and what it names tomorrow is another directory.
 */
static int absolute(char **ret, const char *path, struct err *err)
{
	autofree char *cwd = NULL, *joined = NULL;

	if (*path == '/') {
		*ret = fs_clean_path(path);
		return 0;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return err_errno(err, errno, "current directory");
	joined = mem_asprintf("%s/%s", cwd, path);
	*ret = fs_clean_path(joined);
	return 0;
}

int spec_parse(struct watch_source *src, const char *spec, struct err *err)
{
	autofree char *path = mem_strdup(spec);
	const char *branch = NULL;
	char *hash = strrchr(path, '#');
	int r;

	if (hash && !is_dir(spec)) {
		*hash = '\0';
		branch = hash + 1;
		branch = str_skip_prefix(branch, "refs/heads/") ?: branch;
		if (!git_branch_valid(branch))
			return err_invalid(err, "source '%s': '%s' is not a branch name", spec,
					   branch);
	}
	if (!*path || strlen(path) > REVISION_PATH_MAX)
		return err_invalid(err, "source '%s': the path is empty or too long", spec);
	r = absolute(&src->path, path, err);
	if (r < 0)
		return err_wrap(err, "source '%s'", spec);
	src->spec = mem_strdup(spec);
	src->branch = mem_strdup(branch);
	src->name = revision_name_of_path(src->path);
	return 0;
}

int spec_recognise(struct watch_source *src, struct err *err)
{
	if (src->published)
		return 0;
	if (!src->branch && !git_is_dir(src->path)) {
		src->kind = &source_folder;
		return 0;
	}
	src->kind = &source_git;
	free(src->git_dir);
	if (git_is_dir(src->path)) {
		src->git_dir = mem_strdup(src->path);
		return 0;
	}
	src->git_dir = mem_asprintf("%s/.git", src->path);
	if (git_is_dir(src->git_dir))
		return 0;
	if (src->watch)
		source_watch_ancestor(src, src->git_dir);
	if (is_dir(src->path))
		return err_set(
			err, ERR_TRANSIENT, ENOENT, "SourceMissing",
			"%s is not a git repository (linked work trees: name the main repository)",
			src->path);
	return err_set(err, ERR_TRANSIENT, ENOENT, "SourceMissing", "%s is not there", src->path);
}

char *spec_cache_name(const char *path)
{
	char digest[DIGEST_STR_SIZE];

	digest_bytes(digest, path, strlen(path));
	return mem_asprintf("scan-%.16s.cache", digest_hex(digest));
}

int spec_cache_read(struct strbuf *ret, int dirfd, const char *name)
{
	autofree char *data = NULL;
	size_t len;
	int r = fs_read_at(&data, &len, dirfd, name, CACHE_MAX);

	if (r < 0)
		return r;
	strbuf_reset(ret);
	strbuf_add(ret, data, len);
	return 0;
}

int spec_cache_write(int dirfd, const char *name, const struct strbuf *cache)
{
	autoclose int fd = fs_open_at(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	return fd < 0 ? fd : fs_write_all(fd, cache->data, cache->len);
}
