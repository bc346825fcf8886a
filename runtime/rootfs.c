/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile root file systems. One walker resolves a path component by component inside the root,
 * making what is missing: also behind dangling symlinks (/etc/resolv.conf of many images), where
 * the kernel's own resolution would give up. It steps only into directories it has looked at, by
 * fd, and keeps the path free of symlinks that it took.
 */
#include "runtime/rootfs.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define REASON "InvalidImage"
#define MAX_LINKS 40 /* as the kernel */
#define MAX_PATH 4095

#define invalid(err, ...) err_set(err, ERR_INVALID, EINVAL, REASON, __VA_ARGS__)

struct walk {
	int root_fd;
	enum rootfs_kind kind;
	int fd;             /* the directory reached */
	struct strbuf real; /* its path: "" for the root, else "/a/b" */
	char *rest;         /* what is still to be resolved */
	unsigned links;
	bool created; /* the last step made its component */
};

static void walk_deinit(struct walk *w)
{
	w->fd = mem_close(w->fd);
	strbuf_deinit(&w->real);
	free(w->rest);
}

static bool is_below(const char *path, const char *prefix)
{
	const char *rest = str_skip_prefix(path, prefix);

	return rest && (*rest == '\0' || *rest == '/');
}

/* Kernel file systems will be mounted there: what lies in the image is not what the container sees.
 */
static bool is_reserved(const char *path)
{
	return is_below(path, "/proc") || is_below(path, "/sys") || is_below(path, "/dev");
}

/* Go to PATH, which is REAL so far and free of symlinks. */
static int walk_reopen(struct walk *w, struct err *err)
{
	const char *path = w->real.len > 0 ? w->real.data + 1 : ".";
	int fd = fs_open_beneath(w->root_fd, path, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return err_errno(err, fd, "open '%s' in the root file system",
				 strbuf_str(&w->real));
	(void)mem_close(w->fd);
	w->fd = fd;
	return 0;
}

static int walk_up(struct walk *w, struct err *err)
{
	while (w->real.len > 0 && w->real.data[w->real.len - 1] != '/')
		strbuf_truncate(&w->real, w->real.len - 1);
	if (w->real.len > 0)
		strbuf_truncate(&w->real, w->real.len - 1);
	return walk_reopen(w, err);
}

/* Replace the symlink NAME by its target at the head of what is left. */
static int walk_link(struct walk *w, const char *name, struct err *err)
{
	char target[MAX_PATH + 1];
	ssize_t n = readlinkat(w->fd, name, target, sizeof(target) - 1);
	char *rest;

	if (n < 0)
		return err_errno(err, errno, "read symlink '%s'", name);
	target[n] = '\0';
	if (++w->links > MAX_LINKS)
		return invalid(err, "too many symlinks");
	rest = mem_asprintf("%s/%s", target, w->rest);
	free(w->rest);
	w->rest = rest;
	if (*target != '/')
		return 0;
	strbuf_reset(&w->real);
	return walk_reopen(w, err);
}

/* Make the missing NAME, a file only where the path ends in one. */
static int walk_make(struct walk *w, const char *name, bool is_file, struct err *err)
{
	int r = is_file ? mknodat(w->fd, name, S_IFREG | 0644, 0) : mkdirat(w->fd, name, 0755);

	if (r < 0)
		return err_errno(err, errno, "make '%s'", name);

	/* Whatever the umask is. What was just made is no symlink, and nobody else is in this root.
	 */
	if (fchmodat(w->fd, name, is_file ? 0644 : 0755, 0) < 0)
		return err_errno(err, errno, "set mode of '%s'", name);
	w->created = true;
	return 0;
}

static int walk_enter(struct walk *w, const char *name, bool is_dir, struct err *err)
{
	int fd = fs_open_beneath(w->fd, name, O_PATH | (is_dir ? O_DIRECTORY : 0), 0);

	if (fd < 0)
		return err_errno(err, fd, "open '%s'", name);
	(void)mem_close(w->fd);
	w->fd = fd;
	strbuf_addf(&w->real, "/%s", name);
	return is_reserved(w->real.data) ? invalid(err, "it leads to %s", w->real.data) : 0;
}

static int walk_step(struct walk *w, const char *name, struct err *err)
{
	bool is_file = w->kind == ROOTFS_FILE && w->rest[strspn(w->rest, "/.")] == '\0';
	struct stat st;
	int r;

	w->created = false;
	if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return invalid(err, "'%.64s': %s", name, strerror(errno));
		r = walk_make(w, name, is_file, err);
		return r < 0 ? r : walk_enter(w, name, !is_file, err);
	}
	if (S_ISLNK(st.st_mode))
		return walk_link(w, name, err);
	if (S_ISDIR(st.st_mode) && !is_file)
		return walk_enter(w, name, true, err);
	if (S_ISREG(st.st_mode) && is_file)
		return walk_enter(w, name, false, err);
	return invalid(err, "'%.64s' is not a %s", name, is_file ? "regular file" : "directory");
}

static int walk_all(struct walk *w, struct err *err)
{
	int r = walk_reopen(w, err);

	while (r >= 0 && *w->rest) {
		size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");
		autofree char *name = mem_strndup(w->rest + skip, n);
		char *rest = mem_strdup(w->rest + skip + n);

		free(w->rest);
		w->rest = rest;
		if (str_eq(name, ".."))
			r = walk_up(w, err);
		else if (*name && !str_eq(name, "."))
			r = walk_step(w, name, err);
	}
	return r;
}

/* Resolve PATH into W, which the caller releases. */
static int walk_run(struct walk *w, int root_fd, const char *path, enum rootfs_kind kind,
		    struct err *err)
{
	struct stat st;
	int r;

	*w = (struct walk){.root_fd = root_fd, .kind = kind, .fd = -1, .rest = mem_strdup(path)};
	r = walk_all(w, err);
	if (r < 0 || kind != ROOTFS_FILE)
		return r;

	/* "file/.." of a symlink's target ends elsewhere than it looked. */
	if (fstat(w->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return invalid(err, "it does not lead to a regular file");
	return 0;
}

/* PATH cleaned; NULL with ERR for one that nobody writes in good faith. */
static char *clean_destination(const char *path, struct err *err)
{
	for (const char *s = path; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			(void)invalid(err, "path has control characters");
			return NULL;
		}
	}
	if (*path != '/' || strlen(path) > MAX_PATH || strstr(path, "/../") ||
	    str_has_suffix(path, "/..")) {
		(void)invalid(err, "path '%.256s' is not absolute, too long or has '..'", path);
		return NULL;
	}
	return fs_clean_path(path);
}

enum fate {
	MAKE,    /* the runtime mounts there: must be a directory of its own */
	RESOLVE, /* may be missing, may be a symlink within */
};

/* clang-format off */
static const struct {
	const char *name;
	enum fate fate;
} checked[] = {
	{ "dev",  MAKE },
	{ "proc", MAKE },
	{ "sys",  MAKE },
	{ "run",  RESOLVE },
	{ "etc",  RESOLVE },
	{ "tmp",  RESOLVE },
};
/* clang-format on */

static int make_directory(int root_fd, const char *name, struct err *err)
{
	if (mkdirat(root_fd, name, 0755) < 0 || fchmodat(root_fd, name, 0755, 0) < 0)
		return err_errno(err, errno, "make /%s", name);
	return 0;
}

static int check_one(int root_fd, const char *name, enum fate fate, struct err *err)
{
	_cleanup_(walk_deinit) struct walk w = {.fd = -1};
	struct stat st;
	int r;

	if (fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_errno(err, errno, "stat /%s", name);
		return fate == MAKE ? make_directory(root_fd, name, err) : 0;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISLNK(st.st_mode))
		return invalid(err, "/%s of the image is not a directory", name);
	if (fate == RESOLVE) {
		r = walk_run(&w, root_fd, name, ROOTFS_DIR, err);
		return r < 0 ? err_wrap(err, "/%s of the image", name) : 0;
	}

	/* In the upper layer only: the image keeps its symlink. */
	if (unlinkat(root_fd, name, 0) < 0)
		return err_errno(err, errno, "remove symlink /%s", name);
	return make_directory(root_fd, name, err);
}

int rootfs_check(int root_fd, struct err *err)
{
	int r = 0;

	assert(root_fd >= 0);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(checked); i++)
		r = check_one(root_fd, checked[i].name, checked[i].fate, err);
	return r;
}

int rootfs_mountpoint(char **ret, int root_fd, const char *destination, enum rootfs_kind kind,
		      bool allow_dev, struct err *err)
{
	_cleanup_(walk_deinit) struct walk w = {.fd = -1};
	autofree char *clean = clean_destination(destination, err);
	int r;

	if (!clean)
		return -EINVAL;
	if (allow_dev && str_skip_prefix(clean, "/dev/")) {
		/* In the tmpfs that the runtime mounts on /dev: nothing of the image is there. */
		*ret = TAKE_PTR(clean);
		return 0;
	}
	if (str_eq(clean, "/") || is_reserved(clean))
		return invalid(err, "'%s' cannot be a mount point", clean);
	r = walk_run(&w, root_fd, clean, kind, err);
	if (r >= 0 && w.real.len == 0)
		r = invalid(err, "it leads to the root");
	if (r < 0)
		return err_wrap(err, "mount point '%s'", clean);
	*ret = strbuf_take(&w.real);
	return 0;
}

int rootfs_cwd(char **ret, int root_fd, const char *path, struct rootfs_owner owner,
	       struct err *err)
{
	_cleanup_(walk_deinit) struct walk w = {.fd = -1};
	autofree char *clean = clean_destination(path, err);
	int r;

	if (!clean)
		return -EINVAL;
	if (is_reserved(clean))
		return invalid(err, "'%s' cannot be a working directory", clean);
	r = walk_run(&w, root_fd, clean, ROOTFS_DIR, err);
	if (r >= 0 && w.created && fchownat(w.fd, "", owner.uid, owner.gid, AT_EMPTY_PATH) < 0)
		r = err_errno(err, errno, "set owner");
	if (r < 0)
		return err_wrap(err, "working directory '%s'", clean);
	if (w.real.len == 0)
		strbuf_addc(&w.real, '/');
	*ret = strbuf_take(&w.real);
	return 0;
}
