/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay mounts by file descriptors. The kernel takes the layers one by one ("lowerdir+",
 * Linux 6.7) or, before that, in one option string of at most a page, into which /proc/self/fd/N
 * always fits. The mount's source names the upper directory by device and inode: so a mount of it
 * is found in mountinfo whatever its paths are called.
 */
#include "runtime/overlay.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

/* <sys/mount.h> and <linux/mount.h> clash in some versions: what is needed of the former. */
#define UMOUNT_LAZY 2      /* MNT_DETACH */
#define UMOUNT_NOFOLLOW_ 8 /* UMOUNT_NOFOLLOW */

#define MAX_MOUNTINFO (64u << 20)
#define MAX_STACKED 64 /* mounts over one another on one directory */
#define MAX_VALUE 255  /* of a string option of fsconfig(2) */
#define SOURCE_SIZE 64

struct fd_path {
	char text[MAX_VALUE + 1];
};

/* A path for FD: the real one, for people who read mountinfo, where it is plain; else that of the
 * descriptor. */
static const char *fd_path(struct fd_path *p, int fd)
{
	char self[32];
	ssize_t n;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, p->text, sizeof(p->text));
	if (n > 0 && (size_t)n < sizeof(p->text)) {
		p->text[n] = '\0';
		if (*p->text == '/' && !strpbrk(p->text, ":,\\ "))
			return p->text;
	}
	memcpy(p->text, self, sizeof(self));
	return p->text;
}

static int source_name(char ret[SOURCE_SIZE], int upper_fd, struct err *err)
{
	struct stat st;

	if (upper_fd < 0) {
		(void)snprintf(ret, SOURCE_SIZE, "recond");
		return 0;
	}
	if (fstat(upper_fd, &st) < 0)
		return err_errno(err, errno, "stat upper directory");
	(void)snprintf(ret, SOURCE_SIZE, "recond-%x:%x-%" PRIu64, major(st.st_dev),
		       minor(st.st_dev), (uint64_t)st.st_ino);
	return 0;
}

/* The mount id of the mountinfo line with SOURCE; 1 with *ret, 0 when there is none, negative
 * errno. */
static int find_mount(uint64_t *ret, const char *source, struct err *err)
{
	autofree char *text = NULL, *needle = mem_asprintf(" - overlay %s ", source);
	char *at, *line, *end;
	size_t n;
	int r;

	r = fs_read_at(&text, &n, AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO);
	if (r < 0)
		return err_errno(err, r, "read mountinfo");
	at = strstr(text, needle);
	if (!at)
		return 0;
	*at = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	end = strchr(line, ' ');
	if (!end)
		return err_set(err, ERR_FATAL, EIO, NULL, "malformed mountinfo");
	*end = '\0';
	r = str_parse_u64(ret, line, 0, UINT64_MAX);
	return r < 0 ? err_errno(err, r, "mountinfo") : 1;
}

/* 1 when the upper directory of SOURCE is mounted at TARGET_FD, 0 when nowhere, -EBUSY when
 * elsewhere. */
static int check_mounted(const char *source, int target_fd, struct err *err)
{
	struct statx stx;
	uint64_t id;
	int r = find_mount(&id, source, err);

	if (r <= 0)
		return r;
	if (statx(target_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return err_errno(err, errno, "stat mount point");
	if ((stx.stx_mask & STATX_MNT_ID) && stx.stx_mnt_id == id)
		return 1;
	return err_set(err, ERR_TRANSIENT, EBUSY, NULL,
		       "this upper directory is mounted elsewhere already");
}

static int set_string(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_dir(int fs, const char *key, int fd)
{
	struct fd_path p;

	return set_string(fs, key, fd_path(&p, fd));
}

static int configure(int fs, const struct overlay_spec *s, const char *source)
{
	/* What a lower layer may not steer: no redirects, no data elsewhere. */
	static const char *const off[][2] = {
		{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "nofollow"}};
	int r = set_string(fs, "source", source);

	for (size_t i = 0; r >= 0 && i < s->n_lower; i++)
		r = set_dir(fs, "lowerdir+", s->lower_fds[i]);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(off); i++)
		r = set_string(fs, off[i][0], off[i][1]);
	if (r >= 0 && s->upper_fd >= 0) {
		r = set_dir(fs, "upperdir", s->upper_fd);
		if (r >= 0)
			r = set_dir(fs, "workdir", s->work_fd);
	}
	if (r >= 0 && s->is_volatile)
		r = syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0 ? -errno
											  : 0;
	return r;
}

/* 0, -EOPNOTSUPP without ERR when this kernel cannot take layers one by one, other negative errno.
 */
static int mount_by_fsopen(const struct overlay_spec *s, const char *source, int target_fd,
			   struct err *err)
{
	autoclose int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), mnt = -1;
	char log[1024];
	ssize_t n;
	int r;

	if (fs < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : err_errno(err, errno, "open overlay");
	/* Before 6.5 overlay collects whatever it is told and looks at it only when it mounts. */
	if (set_string(fs, "no-such-option", "x") == 0 ||
	    set_dir(fs, "lowerdir+", s->lower_fds[0]) == -EINVAL)
		return -EOPNOTSUPP;
	(void)mem_close(fs);
	fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_errno(err, errno, "open overlay");
	r = configure(fs, s, source);
	if (r >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r >= 0) {
		mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
		r = mnt < 0 ? -errno : 0;
	}
	if (r >= 0 && syscall(SYS_move_mount, mnt, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = -errno;
	if (r >= 0)
		return 0;

	/* The kernel says more on the context itself. */
	n = read(fs, log, sizeof(log) - 1);
	log[n > 0 ? n : 0] = '\0';
	log[strcspn(log, "\n")] = '\0';
	return err_errno(err, r, "mount overlay%s%s", *log ? ": " : "", log);
}

static int mount_by_options(const struct overlay_spec *s, const char *source, int target_fd,
			    struct err *err)
{
	autostrbuf options = STRBUF_INIT;
	char target[32];

	strbuf_adds(&options, "index=off,metacopy=off,redirect_dir=nofollow,lowerdir=");
	for (size_t i = 0; i < s->n_lower; i++)
		strbuf_addf(&options, "%s/proc/self/fd/%d", i > 0 ? ":" : "", s->lower_fds[i]);
	if (s->upper_fd >= 0)
		strbuf_addf(&options, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
			    s->upper_fd, s->work_fd);
	if (s->is_volatile)
		strbuf_adds(&options, ",volatile");
	(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", target_fd);
	if (syscall(SYS_mount, source, target, "overlay", 0UL, strbuf_str(&options)) < 0)
		return err_errno(err, errno, "mount overlay");
	return 0;
}

static int mount_new(const struct overlay_spec *s, const char *source, int target_fd,
		     struct err *err)
{
	int r;

	/* A volatile mount that ended by a crash leaves a mark here that refuses the next one. */
	if (s->is_volatile && s->work_fd >= 0) {
		r = fs_remove_tree(s->work_fd, "work");
		if (r < 0)
			return err_errno(err, r, "clean work directory");
	}
	r = mount_by_fsopen(s, source, target_fd, err);
	return r == -EOPNOTSUPP ? mount_by_options(s, source, target_fd, err) : r;
}

int overlay_mount(const struct overlay_spec *spec, int target_fd, struct err *err)
{
	char source[SOURCE_SIZE];
	int r;

	assert(target_fd >= 0 && (spec->upper_fd >= 0) == (spec->work_fd >= 0));

	if (spec->n_lower == 0 || spec->n_lower > OVERLAY_MAX_LOWER)
		return err_invalid(err, "overlay of %zu layers", spec->n_lower);
	r = source_name(source, spec->upper_fd, err);
	if (r >= 0 && spec->upper_fd >= 0)
		r = check_mounted(source, target_fd, err);
	if (r != 0)
		return r;
	return mount_new(spec, source, target_fd, err);
}

int overlay_unmount(int dirfd, const char *name, struct err *err)
{
	autofree char *path = mem_asprintf("/proc/self/fd/%d/%s", dirfd, name);

	assert(*name && !strchr(name, '/'));

	for (int i = 0; i < MAX_STACKED; i++) {
		if (syscall(SYS_umount2, path, UMOUNT_LAZY | UMOUNT_NOFOLLOW_) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return 0;
		return err_errno(err, errno, "unmount '%s'", name);
	}
	return err_set(err, ERR_FATAL, EBUSY, NULL, "more than %d mounts on '%s'", MAX_STACKED,
		       name);
}
