/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading refs by hand. Nothing here follows a symlink, reads configuration, or takes more than a
 * few kilobytes (packed-refs: 16 MiB) from the repository.
 */
#include "watch/gitref_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "watch/source_priv.h"

#define OID_LEN 40u
#define LOOSE_MAX 4096u
#define PACKED_MAX (16u << 20)
#define SYMBOLIC_MAX 5
#define BRANCH_MAX 250

static bool oid_prefix(const char *s, size_t n)
{
	if (n < OID_LEN)
		return false;
	for (size_t i = 0; i < OID_LEN; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

bool gitref_oid_valid(const char *oid)
{
	return strlen(oid) == OID_LEN && oid_prefix(oid, OID_LEN);
}

/* git-check-ref-format(1), and nothing that would be a strange file name. */
bool git_branch_valid(const char *name)
{
	autostrlist parts = {0};

	if (!*name || strlen(name) > BRANCH_MAX || strstr(name, "..") || strstr(name, "@{") ||
	    *name == '-')
		return false;
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
			return false;
	strlist_split(&parts, name, '/');
	for (size_t i = 0; i < parts.n; i++)
		if (!*parts.items[i] || *parts.items[i] == '.' ||
		    str_has_suffix(parts.items[i], ".lock") || str_has_suffix(parts.items[i], "."))
			return false;
	return true;
}

bool git_is_dir(const char *path)
{
	static const char *const children[] = {"HEAD", "objects", "refs"};
	autoclose int dir = fs_open(path, O_PATH | O_DIRECTORY, 0);

	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(children); i++) {
		autoclose int fd = fs_open_beneath(dir, children[i], O_PATH, 0);

		if (fd < 0)
			return false;
	}
	return dir >= 0;
}

int gitref_parse_loose(char oid[GITREF_OID_SIZE], char **ret_symbolic, const char *text, size_t len)
{
	static const char prefix[] = "ref: ";
	size_t skip = strlen(prefix);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (memchr(text, '\0', len))
		return -EINVAL;
	if (len > skip && memcmp(text, prefix, skip) == 0) {
		*ret_symbolic = mem_strndup(text + skip, len - skip);
		return 1;
	}
	if (len != OID_LEN || !oid_prefix(text, len))
		return -EINVAL;
	memcpy(oid, text, OID_LEN);
	oid[OID_LEN] = '\0';
	return 0;
}

int gitref_parse_packed(char oid[GITREF_OID_SIZE], const char *text, size_t len, const char *ref)
{
	size_t ref_len = strlen(ref);

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		/* "# pack-refs with: ..." and "^<peeled id of the tag above>" */
		if (n > 0 && *text != '#' && *text != '^') {
			if (n < OID_LEN + 2 || !oid_prefix(text, n) || text[OID_LEN] != ' ')
				return -EINVAL;
			if (n - OID_LEN - 1 == ref_len &&
			    memcmp(text + OID_LEN + 1, ref, ref_len) == 0) {
				memcpy(oid, text, OID_LEN);
				oid[OID_LEN] = '\0';
				return GITREF_FOUND;
			}
		}
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
	return GITREF_MISSING;
}

static int read_beneath(char **ret, size_t *ret_len, int dirfd, const char *path, size_t max)
{
	autoclose int fd = fs_open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);

	return fd < 0 ? fd : fs_read_fd(ret, ret_len, fd, max);
}

static int unsupported(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, ENOTSUP, "UnsupportedRepository", "%s", what);
}

static int read_packed(char oid[GITREF_OID_SIZE], int git_dirfd, const char *ref, struct err *err)
{
	autofree char *text = NULL;
	size_t len;
	int r = read_beneath(&text, &len, git_dirfd, "packed-refs", PACKED_MAX);

	if (r == -ENOENT)
		return GITREF_MISSING;
	if (r < 0)
		return err_errno(err, r, "packed-refs");
	r = gitref_parse_packed(oid, text, len, ref);
	return r < 0 ? unsupported(err, "packed-refs is malformed or of a SHA-256 repository") : r;
}

/* 1 with *ret_symbolic, 0 with OID, -ENOENT without ERR, other negative with ERR. */
static int read_loose(char oid[GITREF_OID_SIZE], char **ret_symbolic, int git_dirfd,
		      const char *ref, struct err *err)
{
	autofree char *text = NULL;
	size_t len;
	int r = read_beneath(&text, &len, git_dirfd, ref, LOOSE_MAX);

	/* refs/heads/a may be a directory of branches, or a file where a directory was. */
	if (r == -ENOENT || r == -EISDIR || r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		return err_errno(err, r, "%s", ref);
	r = gitref_parse_loose(oid, ret_symbolic, text, len);
	if (r < 0)
		return err_set(err, ERR_TRANSIENT, EINVAL, "UnsupportedRepository",
			       "%s is malformed or of a SHA-256 repository", ref);
	return r;
}

int gitref_read(char oid[GITREF_OID_SIZE], int git_dirfd, const char *branch, struct err *err)
{
	autofree char *ref = mem_asprintf("refs/heads/%s", branch);
	autoclose int reftable = fs_open_beneath(git_dirfd, "reftable", O_PATH, 0);

	if (reftable >= 0)
		return unsupported(
			err, "refs are kept in reftable form, which libgit2 can't read (git init "
			     "--ref-format=files)");
	for (unsigned i = 0; i <= SYMBOLIC_MAX; i++) {
		autofree char *next = NULL;
		int r = read_loose(oid, &next, git_dirfd, ref, err);

		if (r == -ENOENT)
			return read_packed(oid, git_dirfd, ref, err);
		if (r < 0)
			return r;
		if (r == 0)
			return GITREF_FOUND;
		if (!str_skip_prefix(next, "refs/") || !fs_path_is_beneath(next))
			break;
		free(ref);
		ref = TAKE_PTR(next);
	}
	return unsupported(err, "a symbolic ref leads nowhere");
}

int gitref_head(char **ret, int git_dirfd, struct err *err)
{
	char oid[GITREF_OID_SIZE];
	autofree char *target = NULL;
	const char *branch;
	int r = read_loose(oid, &target, git_dirfd, "HEAD", err);

	if (r == -ENOENT)
		return err_set(err, ERR_TRANSIENT, ENOENT, "SourceMissing",
			       "the repository has no HEAD");
	if (r < 0)
		return r;
	branch = r == 1 ? str_skip_prefix(target, "refs/heads/") : NULL;
	if (!branch || !git_branch_valid(branch))
		return err_set(err, ERR_INVALID, EINVAL, "BranchNotFound",
			       "HEAD does not name a branch: say PATH#branch");
	*ret = mem_strdup(branch);
	return 0;
}
