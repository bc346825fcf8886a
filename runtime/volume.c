/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emptyDir, hostPath and file volumes, and how a container's mount source is opened. Everything
 * goes through directory fds; mounts are made by the fd-based mount calls, so no path is looked up
 * twice.
 */
#include "runtime/volume.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define REASON "FailedMount"

static int bad(struct err *err, const char *name, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, REASON, "volume '%s': %s", name, what);
}

/* Decode base64 (RFC 4648, padded) in place of a library that would cost the worker its start-up
 * time. */
static int base64_decode(char **ret, size_t *ret_n, const char *text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(text), at = 0;
	autofree char *out = mem_alloc(n / 4 * 3 + 1);

	if (n % 4)
		return -EINVAL;
	for (size_t i = 0; i < n; i += 4) {
		uint32_t bits = 0;
		int pad = 0;

		for (size_t k = 0; k < 4; k++) {
			const char *p = text[i + k] ? strchr(alphabet, text[i + k]) : NULL;

			if (text[i + k] == '=' && i + 4 == n && k >= 2)
				pad++;
			else if (!p || pad)
				return -EINVAL;
			bits = bits << 6 | (uint32_t)(p && text[i + k] != '=' ? p - alphabet : 0);
		}
		out[at++] = (char)(bits >> 16);
		if (pad < 2)
			out[at++] = (char)(bits >> 8);
		if (pad < 1)
			out[at++] = (char)bits;
	}
	out[at] = '\0';
	*ret_n = at;
	*ret = TAKE_PTR(out);
	return 0;
}

/* Make the parents of PATH in DIRFD and give back its last component. */
static const char *make_parents(int dirfd, const char *path, int *ret_parent)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	if (!slash) {
		*ret_parent = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
		return path;
	}
	*ret_parent = fs_mkdir_p(dirfd, parent, 0755);
	if (*ret_parent == 0)
		*ret_parent = fs_open_beneath(dirfd, parent, O_RDONLY | O_DIRECTORY, 0);
	return slash + 1;
}

static int write_item(int dirfd, const json_t *item, mode_t default_mode, struct err *err)
{
	const char *path = json_path_str(item, "path", "");
	mode_t mode = (mode_t)json_path_int(item, "mode", default_mode) & 0777;
	autofree char *data = NULL;
	autoclose int parent = -1, fd = -1;
	const char *name;
	size_t n;
	int r;

	if (!fs_path_is_beneath(path) || str_skip_prefix(path, ".."))
		return err_set(err, ERR_INVALID, EINVAL, REASON, "file path '%s' is not allowed",
			       path);
	if (base64_decode(&data, &n, json_path_str(item, "data", "")) < 0)
		return err_set(err, ERR_INVALID, EINVAL, REASON, "file '%s': bad base64", path);
	name = make_parents(dirfd, path, &parent);
	if (parent < 0)
		return err_errno(err, parent, "make the directory of '%s'", path);
	fd = fs_open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(err, fd, "make '%s'", path);
	r = fs_write_all(fd, data, n);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "write '%s'", path) : 0;
}

/* The first component of PATH. */
static char *top_name(const char *path)
{
	return mem_strndup(path, strcspn(path, "/"));
}

static bool is_wanted(const json_t *items, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)items, i, item) {
		autofree char *top = top_name(json_path_str(item, "path", ""));

		if (str_eq(top, name))
			return true;
	}
	return false;
}

/* A symlink "<top-level name> -> ..data/<top-level name>" for each; those of no item any more are
 * removed. */
static int link_names(int dirfd, const json_t *items, const char *data_dir, struct err *err)
{
	const json_t *item;
	struct dirent *e;
	size_t i;
	DIR *d;

	json_array_foreach((json_t *)items, i, item) {
		autofree char *top = top_name(json_path_str(item, "path", ""));
		autofree char *target = mem_asprintf("..data/%s", top);

		if (symlinkat(target, dirfd, top) < 0 && errno != EEXIST)
			return err_errno(err, errno, "make symlink '%s'", top);
	}
	d = fdopendir(fcntl(dirfd, F_DUPFD_CLOEXEC, 3));
	if (!d)
		return err_errno(err, errno, "list the volume");
	rewinddir(d);
	while ((e = readdir(d))) {
		bool own = str_skip_prefix(e->d_name, "..") != NULL;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    str_eq(e->d_name, "..data") || str_eq(e->d_name, data_dir))
			continue;
		if (own || !is_wanted(items, e->d_name))
			(void)fs_remove_tree(dirfd, e->d_name);
	}
	(void)closedir(d);
	return 0;
}

static void data_dir_name(char ret[64])
{
	char stamp[CLOCK_RFC3339_SIZE];
	uint32_t random;

	clock_format_rfc3339(stamp, clock_realtime_ns());
	for (char *p = stamp; *p; p++)
		if (strchr("-T:", *p))
			*p = '_';
	clock_random(&random, sizeof(random));
	(void)snprintf(ret, 64, "..%.19s.%u", stamp, random);
}

int volume_write_files(int dirfd, const json_t *items, mode_t default_mode, struct err *err)
{
	autoclose int data = -1;
	const json_t *item;
	char name[64];
	size_t i;
	int r;

	if (json_array_size(items) > VOLUME_MAX_FILES)
		return err_set(err, ERR_INVALID, E2BIG, REASON, "more than %d files",
			       VOLUME_MAX_FILES);
	data_dir_name(name);
	r = fs_mkdir_p(dirfd, name, 0755);
	if (r < 0)
		return err_errno(err, r, "make '%s'", name);
	data = fs_open_at(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (data < 0)
		return err_errno(err, data, "open '%s'", name);
	json_array_foreach((json_t *)items, i, item) {
		r = write_item(data, item, default_mode, err);
		if (r < 0)
			return r;
	}
	(void)fs_remove_tree(dirfd, "..data_tmp");
	if (symlinkat(name, dirfd, "..data_tmp") < 0 ||
	    renameat(dirfd, "..data_tmp", dirfd, "..data") < 0)
		return err_errno(err, errno, "switch '..data'");
	return link_names(dirfd, items, name, err);
}

/*
 * Kubernetes' rule for fsGroup: the group owns everything and gets the bits of MASK (0660, or 0440
 * where containers only read), on directories also x and the setgid bit.
 */
static int give_to_group(int dirfd, gid_t group, mode_t mask, int depth)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (depth > 64)
		return -ELOOP;
	d = fdopendir(fcntl(dirfd, F_DUPFD_CLOEXEC, 3));
	if (!d)
		return -errno;
	rewinddir(d);
	while ((e = readdir(d))) {
		autoclose int fd = -1;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			fd = fs_open_beneath(dirfd, e->d_name, O_RDONLY | O_DIRECTORY, 0);
			if (fd >= 0)
				(void)give_to_group(fd, group, mask, depth + 1);
		} else if (S_ISREG(st.st_mode)) {
			fd = fs_open_beneath(dirfd, e->d_name, O_RDONLY | O_NONBLOCK, 0);
			if (fd >= 0 && fchown(fd, (uid_t)-1, group) == 0)
				(void)fchmod(fd, (st.st_mode & 07777) | mask);
		}
	}
	(void)closedir(d);
	if (fstat(dirfd, &st) < 0 || fchown(dirfd, (uid_t)-1, group) < 0 ||
	    fchmod(dirfd, (st.st_mode & 07777) | mask | 02110) < 0)
		return -errno;
	return 0;
}

static int apply_group(const struct volume_place *p, int dirfd, const char *name, mode_t mask,
		       struct err *err)
{
	int r = p->has_fs_group ? give_to_group(dirfd, p->fs_group, mask, 0) : 0;

	return r < 0 ? err_errno(err, r, "volume '%s': give to group %u", name, p->fs_group) : 0;
}

/* True when something is mounted on the directory NAME of DIRFD. */
static bool is_mounted(int dirfd, const char *name)
{
	struct statx here, there;

	return statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) == 0 &&
	       statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &there) == 0 &&
	       here.stx_mnt_id != there.stx_mnt_id;
}

/* A tmpfs on the entry NAME of the run directory. SIZE_BYTES 0: the kernel's default. */
static int mount_tmpfs(int run_fd, const char *name, uint64_t size_bytes, mode_t mode,
		       struct err *err)
{
	autofree char *target = mem_asprintf("/proc/self/fd/%d/%s", run_fd, name);
	autofree char *options = NULL;
	int r = fs_mkdir_p(run_fd, name, 0755);

	if (r < 0)
		return err_errno(err, r, "make '%s'", name);
	if (is_mounted(run_fd, name))
		return 0;
	options = size_bytes
			  ? mem_asprintf("mode=%o,size=%llu", mode, (unsigned long long)size_bytes)
			  : mem_asprintf("mode=%o", mode);
	if (mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return err_errno(err, errno, "mount a tmpfs for volume '%s'", name);
	return 0;
}

static int make_disk_dir(const struct volume_place *p, const char *name, mode_t mode,
			 struct err *err)
{
	autofree char *target = mem_asprintf("%s/%s", p->disk_path, name);
	autoclose int fd = -1;
	int r = fs_mkdir_p(p->disk_fd, name, 0755);

	if (r < 0)
		return err_errno(err, r, "volume '%s': make its directory", name);
	fd = fs_open_beneath(p->disk_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return err_errno(err, fd < 0 ? fd : errno, "volume '%s': open its directory", name);
	if (symlinkat(target, p->run_fd, name) < 0 && errno != EEXIST)
		return err_errno(err, errno, "volume '%s': link it", name);
	return 0;
}

static int open_volume_dir(int run_fd, const char *name)
{
	return fs_open_at(run_fd, name, O_RDONLY | O_DIRECTORY, 0);
}

static int make_empty_dir(const struct volume_place *p, const char *name, const json_t *v,
			  struct err *err)
{
	int64_t limit = json_path_int(v, "sizeLimitBytes", 0);
	autoclose int fd = -1;
	int r;

	if (str_eq(json_path_str(v, "medium", ""), "Memory"))
		r = mount_tmpfs(p->run_fd, name, limit > 0 ? (uint64_t)limit : 0, 0777, err);
	else
		r = make_disk_dir(p, name, 0777, err);
	if (r < 0)
		return r;
	fd = open_volume_dir(p->run_fd, name);
	return fd < 0 ? err_errno(err, fd, "volume '%s': open", name)
		      : apply_group(p, fd, name, 0660, err);
}

static int make_files(const struct volume_place *p, const char *name, const json_t *v,
		      struct err *err)
{
	mode_t mode = (mode_t)json_path_int(v, "defaultMode", 0644) & 0777;
	autoclose int fd = -1;
	int r;

	if (json_path_bool(v, "tmpfs", true))
		r = mount_tmpfs(p->run_fd, name, 2 * VOLUME_MAX_BYTES, 0755, err);
	else
		r = make_disk_dir(p, name, 0755, err);
	if (r < 0)
		return r;
	fd = open_volume_dir(p->run_fd, name);
	if (fd < 0)
		return err_errno(err, fd, "volume '%s': open", name);
	r = volume_write_files(fd, json_object_get(v, "items"), mode, err);
	if (r < 0)
		return err_wrap(err, "volume '%s'", name);
	return apply_group(p, fd, name, 0440, err);
}

/* openat2 from the root without following any symlink: what the policy allowed is what is mounted.
 */
static int open_host_path(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* clang-format off */
static const struct host_type {
	const char *name;
	mode_t type;      /* S_IF*, 0: not looked at */
	mode_t make_mode; /* made with this mode when missing; 0: not made */
	const char *text;
} host_types[] = {
	{"", 0, 0, ""},
	{"DirectoryOrCreate", S_IFDIR, 0755, "a directory"},
	{"Directory", S_IFDIR, 0, "a directory"},
	{"FileOrCreate", S_IFREG, 0644, "a file"},
	{"File", S_IFREG, 0, "a file"},
	{"Socket", S_IFSOCK, 0, "a socket file"},
	{"CharDevice", S_IFCHR, 0, "a character device"},
	{"BlockDevice", S_IFBLK, 0, "a block device"},
};
/* clang-format on */

static int make_host_path(const char *path, const struct host_type *t)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	autoclose int dirfd = -1, fd = -1;

	if (t->type == S_IFDIR) {
		dirfd = fs_open("/", O_RDONLY | O_DIRECTORY, 0);
		return dirfd < 0 ? dirfd : fs_mkdir_p(dirfd, path + 1, t->make_mode);
	}
	dirfd = open_host_path(parent);
	if (dirfd < 0)
		return dirfd;
	fd = fs_open_at(dirfd, slash + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, t->make_mode);
	return fd < 0 ? fd : 0;
}

static int host_path_open(const char *path, const struct host_type *t, struct err *err)
{
	autoclose int fd = open_host_path(path);
	struct stat st;
	int r;

	if (fd == -ENOENT && t->make_mode) {
		r = make_host_path(path, t);
		if (r < 0)
			return err_errno(err, r, "make host path '%s'", path);
		fd = open_host_path(path);
	}
	if (fd == -ELOOP)
		return err_set(err, ERR_INVALID, ELOOP, REASON,
			       "host path '%s' leads through a symbolic link", path);
	if (fd == -ENOENT && t->type)
		return err_set(err, ERR_TRANSIENT, ENOENT, REASON,
			       "hostPath type check failed: %s is not %s", path, t->text);
	if (fd < 0)
		return err_errno(err, fd, "open host path '%s'", path);
	if (t->type && (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != t->type))
		return err_set(err, ERR_INVALID, EINVAL, REASON,
			       "hostPath type check failed: %s is not %s", path, t->text);
	return TAKE_FD(fd);
}

static int make_host(const struct volume_place *p, const char *name, const json_t *v,
		     struct err *err)
{
	autofree char *path = fs_clean_path(json_path_str(v, "path", ""));
	const char *type = json_path_str(v, "type", "");
	const struct host_type *t = NULL;
	autoclose int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(host_types); i++)
		if (str_eq(host_types[i].name, type))
			t = &host_types[i];
	if (!t)
		return bad(err, name, "unknown hostPath type");
	if (path[0] != '/')
		return bad(err, name, "hostPath is not absolute");
	fd = host_path_open(path, t, err);
	if (fd < 0)
		return err_wrap(err, "volume '%s'", name);
	return volume_attach(fd, p->run_fd, name, err);
}

int volume_make(const struct volume_place *p, const json_t *v, struct err *err)
{
	static const struct {
		const char *key;
		int (*make)(const struct volume_place *, const char *, const json_t *,
			    struct err *);
	} kinds[] = {
		{"emptyDir", make_empty_dir},
		{"hostPath", make_host},
		{"files", make_files},
	};
	const char *name = json_path_str(v, "name", "");

	if (!fs_path_is_beneath(name) || strchr(name, '/') || name[0] == '.')
		return bad(err, name, "not a name");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (json_object_get(v, kinds[i].key))
			return kinds[i].make(p, name, json_object_get(v, kinds[i].key), err);
	return bad(err, name, "of no known kind");
}

int volume_open(int run_fd, const char *name, const char *sub_path, struct err *err)
{
	autoclose int fd = -1;
	int sub, r;

	if (!fs_path_is_beneath(name) || strchr(name, '/'))
		return bad(err, name, "not a name");
	fd = fs_open_at(run_fd, name, O_PATH, 0);
	if (fd < 0)
		return err_set(err, ERR_INVALID, fd, "CreateContainerConfigError",
			       "volume '%s' does not exist", name);
	if (!sub_path || !*sub_path)
		return TAKE_FD(fd);
	if (!fs_path_is_beneath(sub_path))
		return bad(err, name, "subPath must be relative and without '..'");
	sub = fs_open_beneath(fd, sub_path, O_PATH, 0);
	if (sub == -ENOENT) {
		r = fs_mkdir_p(fd, sub_path, 0777);
		sub = r < 0 ? r : fs_open_beneath(fd, sub_path, O_PATH, 0);
	}
	if (sub < 0)
		return err_set(err, ERR_INVALID, sub, "CreateContainerConfigError",
			       "failed to prepare subPath '%s' of volume '%s': %s", sub_path, name,
			       strerror(-sub));
	return sub;
}

int volume_attach(int fd, int dirfd, const char *name, struct err *err)
{
	autoclose int tree = -1, made = -1;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "look at the source of '%s'", name);
	if (S_ISDIR(st.st_mode)) {
		int r = fs_mkdir_p(dirfd, name, 0755);

		if (r < 0)
			return err_errno(err, r, "make mount point '%s'", name);
	} else {
		made = fs_open_at(dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (made < 0 && !is_mounted(dirfd, name))
			return err_errno(err, made, "make mount point '%s'", name);
	}
	if (is_mounted(dirfd, name))
		return 0;
	tree = (int)syscall(SYS_open_tree, fd, "",
			    AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_errno(err, errno, "clone the mount of '%s'", name);
	if (syscall(SYS_move_mount, tree, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, errno, "mount '%s'", name);
	return 0;
}

int volume_detach_all(int dirfd, struct err *err)
{
	struct dirent *e;
	int r = 0;
	DIR *d = fdopendir(fcntl(dirfd, F_DUPFD_CLOEXEC, 3));

	if (!d)
		return err_errno(err, errno, "list volumes");
	rewinddir(d);
	while (r == 0 && (e = readdir(d))) {
		autofree char *path = mem_asprintf("/proc/self/fd/%d/%s", dirfd, e->d_name);

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		for (int i = 0; i < 64 && is_mounted(dirfd, e->d_name); i++)
			if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
				r = err_errno(err, errno, "unmount '%s'", e->d_name);
	}
	(void)closedir(d);
	return r;
}
