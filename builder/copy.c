/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY's destination side. A path is written as one name in a directory that was opened inside the
 * root before.
 */
#include "builder/copy.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/strbuf.h"
#include "runtime/passwd.h"

#define COPY_MAX_LINKS 40
#define COPY_BUFFER (256u << 10)
#define CAPABILITY "security.capability"

/* A hard link that was seen: its first copy, relative to the destination directory. */
struct hardlink {
	dev_t dev;
	ino_t ino;
	char *path;
};

/* A directory whose time is set when nothing is written into it any more. */
struct dir_time {
	char *path;
	struct timespec mtime;
};

struct copy {
	const struct plan_step *step;
	int root_fd;
	bool has_owner;
	uid_t uid;
	gid_t gid;
	bool keep_owner;  /* from a stage: the files' own owners */
	int dir_fd;       /* where the nodes of the present source go */
	const char *name; /* of a single file */
	struct hardlink *links;
	size_t n_links, links_cap;
	struct dir_time *dirs;
	size_t n_dirs, dirs_cap;
};

static void drop_lists(struct copy *c)
{
	for (size_t i = 0; i < c->n_links; i++)
		free(c->links[i].path);
	for (size_t i = 0; i < c->n_dirs; i++)
		free(c->dirs[i].path);
	c->n_links = 0;
	c->n_dirs = 0;
}

static void copy_deinit(struct copy *c)
{
	drop_lists(c);
	free(c->links);
	free(c->dirs);
	c->dir_fd = mem_close(c->dir_fd);
}

/*
 * --chown=u[:g]: a number alone is the group too; names are looked up in the root. An unknown name
 * is an error, as documented (BuildKit takes 0 for it).
 */
static int read_owner(struct copy *c, struct err *err)
{
	const char *spec = c->step->chown;
	_cleanup_(mem_freep) struct passwd_ids *ids = NULL;
	autofree char *full = NULL;
	int r;

	if (!spec || !*spec)
		return 0;
	if (!spec[strspn(spec, "0123456789")])
		full = mem_asprintf("%s:%s", spec, spec);
	else
		full = mem_asprintf("%s%s", *spec == ':' ? "0" : "", spec);
	ids = NEW(struct passwd_ids);
	r = passwd_resolve(ids, c->root_fd, full, err);
	if (r < 0)
		return err_wrap(err, "--chown=%s", spec);
	c->has_owner = true;
	c->uid = ids->uid;
	c->gid = ids->gid;
	return 0;
}

/* Make NAME in DIRFD as a directory that COPY needs by itself: 0755 and root unless flags say
 * otherwise. */
static int make_dir(const struct copy *c, int dirfd, const char *name, mode_t mask)
{
	mode_t mode = c->step->has_chmod ? c->step->chmod & mask : 0755;

	if (mkdirat(dirfd, name, 0755) < 0)
		return -errno;
	if (fchownat(dirfd, name, c->has_owner ? c->uid : 0, c->has_owner ? c->gid : 0,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return fchmodat(dirfd, name, mode, 0) < 0 ? -errno : 0;
}

/*
 * Open the directory PATH inside the root, making what is missing of it. Components that exist are
 * followed, links included; LAST_MASK are the mode bits a new last component may have. fd or
 * negative errno with ERR.
 */
static int open_dirs(const struct copy *c, const char *path, mode_t last_mask, struct err *err)
{
	autoclose int parent = fs_open_in_root(c->root_fd, ".", O_PATH | O_DIRECTORY, 0);
	size_t end = strspn(path, "/");

	while (parent >= 0 && path[end]) {
		size_t n = strcspn(path + end, "/"), next = end + n + strspn(path + end + n, "/");
		autofree char *prefix = mem_strndup(path, end + n);
		autofree char *name = mem_strndup(path + end, n);
		int fd = fs_open_in_root(c->root_fd, prefix, O_PATH | O_DIRECTORY, 0);

		if (fd == -ENOENT) {
			fd = make_dir(c, parent, name, path[next] ? 07777 : last_mask);
			if (fd >= 0)
				fd = fs_open_in_root(c->root_fd, prefix, O_PATH | O_DIRECTORY, 0);
		}
		if (fd == -ENOTDIR)
			return err_invalid(err, "cannot copy to non-directory: %s", prefix);
		(void)close(parent);
		parent = fd;
		end = next;
	}
	if (parent < 0)
		return err_errno(err, parent, "directory '%s'", path);
	return TAKE_FD(parent);
}

/* The directory part of node PATH below the destination directory; the parents were made before. */
static int open_parent(const struct copy *c, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	*ret_name = slash ? slash + 1 : path;
	return fs_open_beneath(c->dir_fd, *dir ? dir : ".", O_PATH | O_DIRECTORY, 0);
}

static int set_owner(const struct copy *c, const struct tree_node *n, int dirfd, const char *name)
{
	uid_t uid = c->has_owner ? c->uid : c->keep_owner ? n->st.st_uid : 0;
	gid_t gid = c->has_owner ? c->gid : c->keep_owner ? n->st.st_gid : 0;

	return fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static mode_t node_mode(const struct copy *c, const struct tree_node *n)
{
	return c->step->has_chmod ? c->step->chmod : n->st.st_mode & 07777;
}

static void set_time(const struct tree_node *n, int dirfd, const char *name)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, n->st.st_mtim};

	if (n->has_mtime)
		(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

static int put_dir(struct copy *c, const struct tree_node *n, int dirfd, const char *name,
		   struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (mkdirat(dirfd, name, 0755) < 0)
			return err_errno(err, errno, "mkdir '%s'", n->path);
	} else if (!S_ISDIR(st.st_mode)) {
		return err_invalid(err, "cannot copy to non-directory: %s", n->path);
	}
	r = set_owner(c, n, dirfd, name);
	if (r >= 0 && fchmodat(dirfd, name, node_mode(c, n), 0) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(err, r, "directory '%s'", n->path);
	if (n->has_mtime) {
		GROW(c->dirs, c->dirs_cap, c->n_dirs + 1);
		c->dirs[c->n_dirs++] = (struct dir_time){mem_strdup(n->path), n->st.st_mtim};
	}
	return 0;
}

/* Stream the content of N into OUT and compare its digest on the way. */
static int put_content(const struct tree_node *n, int out, struct err *err)
{
	_cleanup_(digest_freep) struct digest_ctx *h = digest_new();
	autofree char *buffer = mem_alloc(COPY_BUFFER);
	char digest[DIGEST_STR_SIZE];
	ssize_t got;
	int r;

	while ((got = read(n->fd, buffer, COPY_BUFFER)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read '%s'", n->path);
		digest_update(h, buffer, (size_t)got);
		r = fs_write_all(out, buffer, (size_t)got);
		if (r < 0)
			return err_errno(err, r, "write '%s'", n->path);
	}
	digest_final(h, digest);
	return n->digest && !str_eq(n->digest, digest) ? -ESTALE : 0;
}

/* File capabilities are the one extended attribute that is carried, between stages only. */
static int put_capability(const struct copy *c, const struct tree_node *n, int out)
{
	char value[256];
	ssize_t len;

	if (!c->keep_owner)
		return 0;
	len = fgetxattr(n->fd, CAPABILITY, value, sizeof(value));
	if (len <= 0)
		return 0;
	return fsetxattr(out, CAPABILITY, value, (size_t)len, 0) < 0 ? -errno : 0;
}

static int put_file(struct copy *c, const struct tree_node *n, int dirfd, const char *name,
		    struct err *err)
{
	autoclose int out = fs_open_beneath(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int r;

	if (out < 0)
		return err_errno(err, out, "create '%s'", name);
	r = put_content(n, out, err);
	if (r == -ESTALE)
		return tree_changed(err, c->name ? c->name : n->path);
	if (r < 0)
		return r;
	r = set_owner(c, n, dirfd, name);
	if (r >= 0)
		r = fchmod(out, node_mode(c, n)) < 0 ? -errno : put_capability(c, n, out);
	if (r < 0)
		return err_errno(err, r, "attributes of '%s'", name);
	return 0;
}

static int put_special(struct copy *c, const struct tree_node *n, int dirfd, const char *name,
		       struct err *err)
{
	int r;

	if (S_ISLNK(n->st.st_mode))
		r = symlinkat(n->link, dirfd, name);
	else
		r = mknodat(dirfd, name, (n->st.st_mode & S_IFMT) | 0600, n->st.st_rdev);
	if (r >= 0 && !S_ISLNK(n->st.st_mode))
		r = fchmodat(dirfd, name, node_mode(c, n), 0);
	if (r < 0)
		return err_errno(err, errno, "create '%s'", name);
	r = set_owner(c, n, dirfd, name);
	return r < 0 ? err_errno(err, r, "owner of '%s'", name) : 0;
}

/*
 * A further name of a file that was copied already: link it. 1 when that was done, 0 when the file
 * is new (and remembered), negative errno.
 */
static int put_link(struct copy *c, const struct tree_node *n, int dirfd, const char *name,
		    struct err *err)
{
	if (!S_ISREG(n->st.st_mode) || n->st.st_nlink < 2 || !n->has_mtime || c->name)
		return 0;
	for (size_t i = 0; i < c->n_links; i++) {
		const char *first;
		autoclose int from = -1;

		if (c->links[i].dev != n->st.st_dev || c->links[i].ino != n->st.st_ino)
			continue;
		from = open_parent(c, c->links[i].path, &first);
		if (from < 0 || linkat(from, first, dirfd, name, 0) < 0)
			return err_errno(err, from < 0 ? from : errno, "link '%s'", n->path);
		return 1;
	}
	GROW(c->links, c->links_cap, c->n_links + 1);
	c->links[c->n_links++] = (struct hardlink){n->st.st_dev, n->st.st_ino, mem_strdup(n->path)};
	return 0;
}

/* Whatever lies at the destination of something that is no directory goes; a directory there is an
 * error. */
static int make_room(int dirfd, const char *name, const char *path, struct err *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_invalid(err, "cannot replace to directory %s with file", path);
	return unlinkat(dirfd, name, 0) < 0 ? err_errno(err, errno, "replace '%s'", path) : 0;
}

static int put_node(const struct tree_node *n, void *data, struct err *err)
{
	struct copy *c = data;
	const char *name;
	autoclose int dirfd = open_parent(c, c->name ? c->name : n->path, &name);
	int r;

	if (dirfd < 0)
		return err_errno(err, dirfd, "directory of '%s'", n->path);
	if (S_ISDIR(n->st.st_mode))
		return put_dir(c, n, dirfd, name, err);
	r = make_room(dirfd, name, *n->path ? n->path : name, err);
	if (r < 0)
		return r;
	r = put_link(c, n, dirfd, name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = S_ISREG(n->st.st_mode) ? put_file(c, n, dirfd, name, err)
				   : put_special(c, n, dirfd, name, err);
	if (r >= 0)
		set_time(n, dirfd, name);
	return r;
}

/* Contents first, times last; children come after their parents in the list. */
static void set_dir_times(const struct copy *c)
{
	for (size_t i = c->n_dirs; i > 0; i--) {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, c->dirs[i - 1].mtime};
		const char *name;
		autoclose int dirfd = open_parent(c, c->dirs[i - 1].path, &name);

		if (dirfd >= 0)
			(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
	}
}

static int copy_dir(struct copy *c, const struct tree *from, const struct tree_source *source,
		    struct err *err)
{
	int r;

	/* A new top directory loses setuid, setgid and sticky of --chmod. */
	c->dir_fd = open_dirs(c, c->step->dest, 0777, err);
	if (c->dir_fd < 0)
		return c->dir_fd;
	r = tree_walk(from, source, put_node, c, err);
	if (r >= 0)
		set_dir_times(c);
	return r;
}

/*
 * The place a single file goes to: the directory, opened, and the name in it (owned by the caller).
 * A link at the end of the destination is followed inside the root.
 */
static int file_place(struct copy *c, const char *base, char **ret_name, struct err *err)
{
	autofree char *dest = mem_strdup(c->step->dest);

	for (unsigned i = 0; i < COPY_MAX_LINKS; i++) {
		bool dir = str_has_suffix(dest, "/");
		autoclose int at = fs_open_in_root(c->root_fd, dest, O_PATH | O_DIRECTORY, 0);
		char *slash = strrchr(dest, '/'), link[PATH_MAX];
		autofree char *next = NULL;
		ssize_t n;

		if (dir || at >= 0) {
			c->dir_fd = open_dirs(c, dest, 07777, err);
			*ret_name = mem_strdup(base);
			return c->dir_fd < 0 ? c->dir_fd : 0;
		}
		next = mem_strndup(dest, (size_t)(slash - dest));
		c->dir_fd = open_dirs(c, next, 07777, err);
		if (c->dir_fd < 0)
			return c->dir_fd;
		n = readlinkat(c->dir_fd, slash + 1, link, sizeof(link) - 1);
		if (n <= 0) {
			*ret_name = mem_strdup(slash + 1);
			return 0;
		}
		link[n] = '\0';
		c->dir_fd = mem_close(c->dir_fd);
		free(next);
		next = *link == '/' ? mem_strdup(link)
				    : mem_asprintf("%.*s/%s", (int)(slash - dest), dest, link);
		free(dest);
		dest = TAKE_PTR(next);
	}
	return err_invalid(err, "too many levels of symbolic links at '%s'", c->step->dest);
}

static int copy_file(struct copy *c, const struct tree *from, const struct tree_source *source,
		     struct err *err)
{
	autofree char *name = NULL;
	int r;

	r = file_place(c, source->name, &name, err);
	if (r < 0)
		return r;
	c->name = name;
	r = tree_walk(from, source, put_node, c, err);
	c->name = NULL;
	return r;
}

int copy_step(int root_fd, const struct plan_step *step, const struct tree *from, struct err *err)
{
	_cleanup_(tree_sources_deinit) struct tree_sources sources = {};
	_cleanup_(copy_deinit) struct copy c = {
		.step = step, .root_fd = root_fd, .keep_owner = !from->context, .dir_fd = -1};
	int r;

	assert(step->op == PLAN_COPY);
	r = read_owner(&c, err);
	for (size_t i = 0; i < step->sources.n && r >= 0; i++)
		r = tree_find(&sources, from, step->sources.items[i], err);
	for (size_t i = 0; i < sources.n && r >= 0; i++) {
		const struct tree_source *s = &sources.items[i];

		r = s->is_dir ? copy_dir(&c, from, s, err) : copy_file(&c, from, s, err);
		c.dir_fd = mem_close(c.dir_fd);
		drop_lists(&c);
	}
	return r < 0 ? r : 0;
}
