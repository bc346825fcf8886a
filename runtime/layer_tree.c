/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar entries → a directory that can be an overlay's lower layer. Every step works on the fd of the
 * entry's parent directory and one name; parents are resolved in the root, so symlinks of the layer
 * count, but never lead out.
 *
 * Whiteouts become the kernel's form: ".wh.x" a character device 0:0 called x, or, where this layer
 * itself brings a directory x, an opaque directory. That device needs no privilege. The opaque mark
 * needs CAP_SYS_ADMIN, which is not here: the committer makes it.
 *
 * Modification times of directories need no list: whoever changes a directory puts its time back
 * afterwards.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/layer_tar_priv.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define META ".wh..wh." /* further marks of aufs, ignored by all */
#define REASON "InvalidImage"
#define MAX_ID 4294967294u

#define invalid(err, ...) err_set(err, ERR_INVALID, EINVAL, REASON, __VA_ARGS__)

struct layer_tree {
	int root_fd;
	layer_opaque_fn opaque;
	void *data;

	/* The directory the last entry went to: mostly that of the next one too. */
	char *parent_path;
	int parent_fd;
	struct timespec parent_mtime; /* to be put back when it is left */
};

/* An entry's path, clean and split. */
struct place {
	char *dir;  /* "" for the root */
	char *name; /* "" when the entry is the root itself */
};

static void place_deinit(struct place *p)
{
	free(p->dir);
	free(p->name);
}

struct layer_tree *layer_tree_new(int root_fd, layer_opaque_fn opaque, void *data)
{
	struct layer_tree *t = NEW(struct layer_tree);

	assert(root_fd >= 0 && opaque);
	t->root_fd = root_fd;
	t->opaque = opaque;
	t->data = data;
	t->parent_fd = -1;
	return t;
}

struct layer_tree *layer_tree_free(struct layer_tree *t)
{
	if (!t)
		return NULL;
	(void)mem_close(t->parent_fd);
	free(t->parent_path);
	free(t);
	return NULL;
}

/* --- paths */

static const char *check_component(const char *s, size_t n)
{
	if (n > LAYER_MAX_NAME)
		return "has a component of more than 255 bytes";
	if (n == 2 && s[0] == '.' && s[1] == '.')
		return "has a '..'";
	return NULL;
}

/* PATH without ".", doubled, leading and trailing slashes; "" for the root. NULL with ERR when it
 * is not acceptable. */
static char *clean_path(const char *path, struct err *err)
{
	autostrbuf out = STRBUF_INIT;
	const char *wrong = path ? NULL : "is missing";
	size_t depth = 0;

	for (const char *s = path; s && *s && !wrong;) {
		size_t n = strcspn(s, "/");

		wrong = check_component(s, n);
		if (n > 0 && !(n == 1 && *s == '.')) {
			if (out.len > 0)
				strbuf_addc(&out, '/');
			strbuf_add(&out, s, n);
			depth++;
		}
		if (out.len > LAYER_MAX_PATH)
			wrong = "is longer than 4095 bytes";
		else if (depth > LAYER_MAX_DEPTH)
			wrong = "is more than 256 deep";
		s += n + (s[n] == '/');
	}
	if (wrong) {
		(void)invalid(err, "the path of an entry %s", wrong);
		return NULL;
	}
	return strbuf_take(&out);
}

static int place_parse(struct place *ret, const char *path, struct err *err)
{
	autofree char *clean = clean_path(path, err);
	char *slash;

	if (!clean)
		return -EINVAL;
	slash = strrchr(clean, '/');
	ret->dir = mem_strndup(clean, slash ? (size_t)(slash - clean) : 0);
	ret->name = mem_strdup(slash ? slash + 1 : clean);
	return 0;
}

/* --- directories */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int put_mtime(int fd, struct timespec mtime, struct err *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime};

	return futimens(fd, times) < 0 ? err_errno(err, errno, "set time of directory") : 0;
}

static int open_dir(int root_fd, const char *path)
{
	return fs_open_in_root(root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
}

static int mark_opaque(struct layer_tree *t, int parent, const char *name, struct err *err)
{
	autoclose int fd = fs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_errno(err, fd, "open directory");
	return t->opaque(fd, t->data, err);
}

/* Make the directory NAME in PARENT, which hides what a whiteout in its place hid. 0, or -EEXIST
 * without ERR. */
static int make_dir(struct layer_tree *t, int parent, const char *name, struct err *err)
{
	struct stat st;

	if (mkdirat(parent, name, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, errno, "make directory");
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, errno, "stat");
	if (!is_whiteout(&st))
		return -EEXIST;
	if (unlinkat(parent, name, 0) < 0 || mkdirat(parent, name, 0755) < 0)
		return err_errno(err, errno, "replace whiteout by directory");
	return mark_opaque(t, parent, name, err);
}

static int require_dir(struct layer_tree *t, const char *path, struct err *err);

/* Make the missing directory PATH and what is missing above it. An fd or negative errno. */
static int make_parents(struct layer_tree *t, const char *path, struct err *err)
{
	_cleanup_(place_deinit) struct place p = {};
	autoclose int up = -1, fd = -1;
	struct stat st;
	int r;

	r = place_parse(&p, path, err);
	if (r >= 0)
		r = up = require_dir(t, p.dir, err);
	if (r < 0)
		return r;
	if (fstat(up, &st) < 0)
		return err_errno(err, errno, "stat directory");
	r = make_dir(t, up, p.name, err);
	if (r == -EEXIST)
		return invalid(err, "a parent of an entry is no directory");
	if (r >= 0)
		r = put_mtime(up, st.st_mtim, err);
	if (r < 0)
		return r;
	fd = fs_open_beneath(up, p.name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_errno(err, fd, "open directory");
	/* No entry says when: a constant, so that one layer always unpacks to one tree. */
	r = put_mtime(fd, (struct timespec){}, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* The directory PATH, made when it is missing. An fd or negative errno. */
static int require_dir(struct layer_tree *t, const char *path, struct err *err)
{
	int fd = open_dir(t->root_fd, path);

	if (fd >= 0)
		return fd;
	if ((fd == -ENOENT || fd == -ENOTDIR) && *path)
		return make_parents(t, path, err);
	if (fd == -ELOOP || fd == -EXDEV || fd == -ENAMETOOLONG)
		return invalid(err, "a parent of an entry is a symlink that leads nowhere");
	return err_errno(err, fd, "open directory");
}

/* Leave the current parent directory. */
static int parent_drop(struct layer_tree *t, struct err *err)
{
	int r;

	if (t->parent_fd < 0)
		return 0;
	r = put_mtime(t->parent_fd, t->parent_mtime, err);
	t->parent_fd = mem_close(t->parent_fd);
	free(t->parent_path);
	t->parent_path = NULL;
	return r;
}

/* Enter the directory PATH. Its fd, borrowed until the parent changes, or negative errno. */
static int parent_enter(struct layer_tree *t, const char *path, struct err *err)
{
	autoclose int fd = -1;
	struct stat st;
	int r;

	if (t->parent_fd >= 0 && str_eq(t->parent_path, path))
		return t->parent_fd;
	r = parent_drop(t, err);
	if (r < 0)
		return r;
	fd = require_dir(t, path, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat directory");
	t->parent_mtime = st.st_mtim;
	t->parent_path = mem_strdup(path);
	t->parent_fd = TAKE_FD(fd);
	return t->parent_fd;
}

/* --- metadata */

static int check_owner(struct archive_entry *e, struct err *err)
{
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID)
		return invalid(err, "an entry has an owner that is no 32-bit id");
	return 0;
}

static struct timespec entry_mtime(struct archive_entry *e)
{
	struct timespec t = {.tv_sec = archive_entry_mtime(e),
			     .tv_nsec = archive_entry_mtime_nsec(e)};

	if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
		t.tv_nsec = 0;
	return t;
}

/* Whether the attribute is to be set; trusted ones steer the overlay and are never legal. */
static int accept_xattr(const char *name, size_t size, struct err *err)
{
	if (str_skip_prefix(name, "trusted.") || str_skip_prefix(name, "user.overlay."))
		return invalid(err, "an entry has the extended attribute '%.64s'", name);
	if (str_eq(name, "security.capability"))
		return size == 20 || size == 24 ? 1
						: invalid(err, "a file capability is malformed");
	return str_skip_prefix(name, "user.") != NULL;
}

/* Set capabilities and user attributes; those of other security modules mean nothing on this host.
 */
static int set_xattrs(struct archive_entry *e, int fd, struct err *err)
{
	size_t total = 0, size;
	const char *name;
	const void *value;

	for (int n = archive_entry_xattr_reset(e); n > 0; n--) {
		int r;

		if (archive_entry_xattr_next(e, &name, &value, &size) != ARCHIVE_OK)
			break;
		r = accept_xattr(name, size, err);
		total += strlen(name) + size;
		if (r >= 0 && total > LAYER_MAX_XATTR_BYTES)
			r = invalid(err, "an entry has too many extended attributes");
		if (r < 0)
			return r;
		if (r == 0 || fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP || str_eq(name, "security.capability"))
			return err_errno(err, errno, "set attribute");
	}
	return 0;
}

/* Owner first: changing it clears capabilities and set-id bits. */
static int set_metadata(struct archive_entry *e, int fd, struct err *err)
{
	const struct timespec times[2] = {entry_mtime(e), entry_mtime(e)};
	int r;

	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0)
		return err_errno(err, errno, "set owner");
	r = set_xattrs(e, fd, err);
	if (r < 0)
		return r;
	if (fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return err_errno(err, errno, "set mode");
	if (futimens(fd, times) < 0)
		return err_errno(err, errno, "set time");
	return 0;
}

/* The same for what cannot be opened: NAME in PARENT. */
static int set_metadata_at(struct archive_entry *e, int parent, const char *name, struct err *err)
{
	const struct timespec times[2] = {entry_mtime(e), entry_mtime(e)};

	if (fchownat(parent, name, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, errno, "set owner");
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, errno, "set time");
	return 0;
}

/* --- entries */

/* Remove what is called NAME in PARENT, if anything. */
static int clear_name(int parent, const char *name, struct err *err)
{
	int r;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(err, errno, "remove what an entry replaces");
	r = fs_remove_tree(parent, name);
	return r < 0 ? err_errno(err, r, "remove directory that an entry replaces") : 0;
}

static int add_directory(struct layer_tree *t, struct archive_entry *e, int parent,
			 const char *name, struct err *err)
{
	autoclose int fd = -1;
	struct stat st;
	int r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
	    !is_whiteout(&st)) {
		r = clear_name(parent, name, err);
		if (r < 0)
			return r;
	}
	r = make_dir(t, parent, name, err);
	if (r < 0 && r != -EEXIST)
		return r;
	fd = fs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_errno(err, fd, "open directory");
	return set_metadata(e, fd, err);
}

static int write_piece(int fd, const struct layer_piece *p, int64_t size, struct err *err)
{
	const char *data = p->data;
	size_t done = 0;

	if (p->offset < 0 || p->offset > size || p->n > (uint64_t)(size - p->offset))
		return invalid(err, "an entry has content beyond its size");
	while (done < p->n) {
		ssize_t n = pwrite(fd, data + done, p->n - done, p->offset + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "write file");
		done += (size_t)n;
	}
	return 0;
}

static int add_file(struct archive_entry *e, int parent, const char *name, struct layer_stream *s,
		    struct err *err)
{
	autoclose int fd =
		fs_open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	int64_t size = archive_entry_size(e);
	struct layer_piece piece;
	int r;

	if (fd < 0)
		return err_errno(err, fd, "create file");
	while ((r = layer_stream_data(s, &piece, err)) > 0) {
		r = write_piece(fd, &piece, size, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (ftruncate(fd, size) < 0)
		return err_errno(err, errno, "set size");
	return set_metadata(e, fd, err);
}

static int add_symlink(struct archive_entry *e, int parent, const char *name, struct err *err)
{
	const char *target = archive_entry_symlink(e);

	if (!target || !*target || strlen(target) > LAYER_MAX_PATH)
		return invalid(err, "a symlink has no acceptable target");
	if (symlinkat(target, parent, name) < 0)
		return err_errno(err, errno, "create symlink");
	return set_metadata_at(e, parent, name, err);
}

static int add_fifo(struct archive_entry *e, int parent, const char *name, struct err *err)
{
	int r;

	if (mknodat(parent, name, S_IFIFO | (archive_entry_perm(e) & 07777), 0) < 0)
		return err_errno(err, errno, "create fifo");
	r = set_metadata_at(e, parent, name, err);

	/* Changing the owner cleared set-id bits; the name is no symlink: it was made above. */
	if (r >= 0 && fchmodat(parent, name, archive_entry_perm(e) & 07777, 0) < 0)
		r = err_errno(err, errno, "set mode");
	return r;
}

/* A hard link to a file or symlink that this layer brought before. */
static int add_hardlink(struct layer_tree *t, struct archive_entry *e, int parent, const char *name,
			struct err *err)
{
	_cleanup_(place_deinit) struct place target = {};
	autoclose int dir = -1;
	struct stat st, old;
	int r;

	r = place_parse(&target, archive_entry_hardlink(e), err);
	if (r < 0)
		return r;
	dir = open_dir(t->root_fd, target.dir);
	if (dir < 0 || !*target.name || fstatat(dir, target.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return invalid(err, "a hard link leads to nothing in this layer");
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return invalid(err, "a hard link leads to something else than a file");
	if (fstatat(parent, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_ino == st.st_ino)
		return 0;
	r = clear_name(parent, name, err);
	if (r < 0)
		return r;
	if (linkat(dir, target.name, parent, name, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return invalid(err, "a hard link replaces its own target");
	return err_errno(err, errno, "create hard link");
}

/* ".wh.NAME": nothing of the layers below this one shows through. */
static int add_whiteout(struct layer_tree *t, int parent, const char *name, struct err *err)
{
	struct stat st;

	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return invalid(err, "a whiteout names nothing");
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? mark_opaque(t, parent, name, err) : 0;
	if (errno != ENOENT)
		return err_errno(err, errno, "stat");
	if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) < 0)
		return err_errno(err, errno, "create whiteout");
	return 0;
}

static int add_mark(struct layer_tree *t, int parent, const char *name, struct err *err)
{
	if (str_eq(name, OPAQUE))
		return t->opaque(parent, t->data, err);
	if (str_skip_prefix(name, META))
		return 0;
	return add_whiteout(t, parent, name + strlen(WHITEOUT), err);
}

static int add_named(struct layer_tree *t, struct archive_entry *e, int parent, const char *name,
		     struct layer_stream *s, struct err *err)
{
	mode_t type = archive_entry_filetype(e);
	int r;

	if (archive_entry_hardlink(e))
		return add_hardlink(t, e, parent, name, err);
	if (type == AE_IFDIR)
		return add_directory(t, e, parent, name, err);
	if (type != AE_IFREG && type != AE_IFLNK && type != AE_IFIFO)
		return invalid(err, type == AE_IFBLK || type == AE_IFCHR
					    ? "an entry is a device node"
					    : "an entry is of an unknown type");
	r = clear_name(parent, name, err);
	if (r < 0)
		return r;
	if (type == AE_IFREG)
		return add_file(e, parent, name, s, err);
	return type == AE_IFLNK ? add_symlink(e, parent, name, err)
				: add_fifo(e, parent, name, err);
}

/* The entry of the root itself carries metadata only. */
static int add_root(struct layer_tree *t, struct archive_entry *e, struct err *err)
{
	autoclose int fd = open_dir(t->root_fd, "");

	if (archive_entry_filetype(e) != AE_IFDIR || archive_entry_hardlink(e))
		return invalid(err, "the entry of the root is no directory");
	return fd < 0 ? err_errno(err, fd, "open root") : set_metadata(e, fd, err);
}

static int add(struct layer_tree *t, struct archive_entry *e, struct layer_stream *s,
	       struct err *err)
{
	_cleanup_(place_deinit) struct place p = {};
	bool is_dir = archive_entry_filetype(e) == AE_IFDIR;
	int r, parent;

	r = place_parse(&p, archive_entry_pathname(e), err);
	if (r >= 0)
		r = check_owner(e, err);
	/* A directory entry may be that of the current parent, under this or another name. */
	if (r >= 0 && is_dir)
		r = parent_drop(t, err);
	if (r < 0)
		return r;
	if (!*p.name)
		return add_root(t, e, err);
	parent = parent_enter(t, p.dir, err);
	if (parent < 0)
		return parent;
	if (str_skip_prefix(p.name, WHITEOUT))
		return add_mark(t, parent, p.name, err);
	return add_named(t, e, parent, p.name, s, err);
}

int layer_tree_add(struct layer_tree *t, struct archive_entry *entry, struct layer_stream *s,
		   struct err *err)
{
	const char *path = archive_entry_pathname(entry);
	int r = add(t, entry, s, err);

	return r < 0 ? err_wrap(err, "'%.256s'", path ? path : "") : 0;
}

int layer_tree_finish(struct layer_tree *t, struct err *err)
{
	return parent_drop(t, err);
}
