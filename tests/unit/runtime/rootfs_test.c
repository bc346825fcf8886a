/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile root file systems: nothing outside changes, whatever lies where the runtime will mount.
 */
#include "runtime/rootfs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* Not in /tmp: an absolute symlink at /tmp would be a loop then. */
static char dir[] = "/var/tmp/recond-rootfs-test.XXXXXX";
static int top = -1, root = -1;

static void setup(void)
{
	(void)umask(077); /* what is made must not depend on it */
	cr_assert(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(top, "root", 0755), 0);
	cr_assert_eq(mkdirat(top, "canary", 0755), 0);
	root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root, 0);
}

static void teardown(void)
{
	/* The canary is empty and as it was. */
	cr_expect_eq(unlinkat(top, "canary", AT_REMOVEDIR), 0, "something got out of the root");
	root = mem_close(root);
	top = mem_close(top);
	cr_expect_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

TestSuite(rootfs, .init = setup, .fini = teardown, .timeout = 30);

static mode_t type_of(const char *name)
{
	struct stat st;

	return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & S_IFMT;
}

enum thing { NOTHING, DIRECTORY, ABSOLUTE, RELATIVE, LOOP, FILE_, FIFO, DEVICE, THING_N_ };

static const char *const thing_names[THING_N_] = {
	"nothing", "directory", "absolute symlink", "relative symlink", "loop", "file",
	"fifo",    "device"};

/* Put THING at NAME; false when that takes a privilege we lack. */
static bool put(const char *name, enum thing thing)
{
	autofree char *absolute = mem_asprintf("%s/canary", dir);

	(void)fs_remove_tree(root, name);
	switch (thing) {
	case DIRECTORY:
		return mkdirat(root, name, 0755) == 0;
	case ABSOLUTE:
		return symlinkat(absolute, root, name) == 0;
	case RELATIVE:
		return symlinkat("../canary", root, name) == 0;
	case LOOP:
		return symlinkat(name, root, name) == 0;
	case FILE_:
		return mknodat(root, name, S_IFREG | 0644, 0) == 0;
	case FIFO:
		return mkfifoat(root, name, 0644) == 0;
	case DEVICE:
		return mknodat(root, name, S_IFCHR | 0644, makedev(1, 3)) == 0;
	default:
		return true;
	}
}

static const char *const mounted[] = {"dev", "proc", "sys"}, *const resolved[] = {"run", "etc",
										  "tmp"};

/* CVE-2026-47766 and its kin: 6 directories, everything that can lie there. */
Test(rootfs, a_symlink_where_the_runtime_mounts_becomes_a_directory)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounted); i++) {
		for (int t = 0; t < THING_N_; t++) {
			bool ok = t <= LOOP;
			int r;

			if (!put(mounted[i], (enum thing)t))
				continue;
			r = rootfs_check(root, NULL);
			cr_expect_eq(r, ok ? 0 : -EINVAL, "/%s is a %s: got %d", mounted[i],
				     thing_names[t], r);
			if (ok)
				cr_expect_eq(type_of(mounted[i]), S_IFDIR, "/%s was a %s",
					     mounted[i], thing_names[t]);
			(void)fs_remove_tree(root, mounted[i]);
		}
	}
}

Test(rootfs, other_directories_resolve_inside_or_are_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(resolved); i++) {
		for (int t = 0; t < THING_N_; t++) {
			bool ok = t == NOTHING || t == DIRECTORY || t == ABSOLUTE || t == RELATIVE;
			struct err err = {};
			int r;

			if (!put(resolved[i], (enum thing)t))
				continue;
			r = rootfs_check(root, &err);
			cr_expect_eq(r, ok ? 0 : -EINVAL, "/%s is a %s: got %d", resolved[i],
				     thing_names[t], r);
			if (r < 0)
				cr_expect_str_eq(err.reason, "InvalidImage");
			(void)fs_remove_tree(root, resolved[i]);
		}
	}
}

Test(rootfs, missing_directories_are_made_for_all_to_enter)
{
	struct stat st;

	cr_assert_eq(rootfs_check(root, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(mounted); i++) {
		cr_assert_eq(fstatat(root, mounted[i], &st, 0), 0);
		cr_expect_eq(st.st_mode & 07777, 0755);
	}
	cr_expect_eq(type_of("tmp"), 0, "/tmp is the image's affair");
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *destination;
	enum rootfs_kind kind;
	const char *want; /* NULL: refused */
} mountpoints[] = {
	{ "a new directory", "/data", ROOTFS_DIR, "/data" },
	{ "with its parents", "/a/b/c", ROOTFS_DIR, "/a/b/c" },
	{ "a new file", "/etc/x/hosts", ROOTFS_FILE, "/etc/x/hosts" },
	{ "an existing directory", "/dir", ROOTFS_DIR, "/dir" },
	{ "an existing file", "/file", ROOTFS_FILE, "/file" },
	{ "slashes and dots are cleaned", "//dir/./x/", ROOTFS_DIR, "/dir/x" },
	{ "a symlink inside", "/link/x", ROOTFS_DIR, "/dir/x" },
	{ "a symlink to a file inside", "/filelink", ROOTFS_FILE, "/file" },
	{ "an absolute symlink resolves inside", "/abs/x", ROOTFS_DIR, "/dir/x" },
	{ "a dangling symlink, as images have for resolv.conf", "/dangling", ROOTFS_FILE, "/run/stub/resolv.conf" },
	{ "a symlink out comes back in", "/out", ROOTFS_DIR, "/canary" },
	{ "a symlink that climbs", "/climb/f", ROOTFS_FILE, "/f" },
	{ "a directory where a file is wanted", "/dir", ROOTFS_FILE, NULL },
	{ "a file where a directory is wanted", "/file", ROOTFS_DIR, NULL },
	{ "below a file", "/file/x", ROOTFS_DIR, NULL },
	{ "a fifo", "/fifo", ROOTFS_FILE, NULL },
	{ "a loop", "/loop/x", ROOTFS_DIR, NULL },
	{ "the root", "/", ROOTFS_DIR, NULL },
	{ "the root by symlink", "/toroot", ROOTFS_DIR, NULL },
	{ "relative", "data", ROOTFS_DIR, NULL },
	{ "dot dot", "/a/../../b", ROOTFS_DIR, NULL },
	{ "dot dot at the end", "/a/..", ROOTFS_DIR, NULL },
	{ "a newline", "/a\nb", ROOTFS_DIR, NULL },
	{ "proc", "/proc", ROOTFS_DIR, NULL },
	{ "in proc", "/proc/self/attr", ROOTFS_DIR, NULL },
	{ "sys", "/sys/fs", ROOTFS_DIR, NULL },
	{ "dev", "/dev", ROOTFS_DIR, NULL },
	{ "in dev", "/dev/x", ROOTFS_FILE, NULL },
	{ "in proc by symlink", "/toproc/x", ROOTFS_DIR, NULL },
	{ "a file that a symlink calls a directory's parent", "/fileup", ROOTFS_FILE, NULL },
};
/* clang-format on */

static void make_tree(void)
{
	static const char *const links[][2] = {
		{"dir", "link"},         {"file", "filelink"},
		{"/dir", "abs"},         {"../run/stub/resolv.conf", "dangling"},
		{"../../canary", "out"}, {"../../..", "climb"},
		{"loop", "loop"},        {"/", "toroot"},
		{"/proc", "toproc"},     {"new/..", "fileup"},
	};

	cr_assert(put("dir", DIRECTORY) && put("file", FILE_) && put("fifo", FIFO));
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		cr_assert_eq(symlinkat(links[i][0], root, links[i][1]), 0);
}

Test(rootfs, mount_points)
{
	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(mountpoints); i++) {
		autofree char *got = NULL;
		struct err err = {};
		int r = rootfs_mountpoint(&got, root, mountpoints[i].destination,
					  mountpoints[i].kind, false, &err);

		cr_expect(str_eq(got, mountpoints[i].want), "%s: got %s, want %s",
			  mountpoints[i].sentence, got ?: err.message,
			  mountpoints[i].want ?: "a refusal");
		if (r < 0)
			cr_expect_str_eq(err.reason, "InvalidImage", "%s", mountpoints[i].sentence);
		else
			cr_expect_eq(type_of(got + 1),
				     mountpoints[i].kind == ROOTFS_DIR ? S_IFDIR : S_IFREG, "%s",
				     mountpoints[i].sentence);
	}
}

Test(rootfs, below_dev_only_on_request_and_then_untouched)
{
	autofree char *got = NULL, *other = NULL;

	cr_assert(put("dev", ABSOLUTE));
	cr_expect_eq(rootfs_mountpoint(&got, root, "/dev/shm", ROOTFS_DIR, true, NULL), 0);
	cr_expect_str_eq(got, "/dev/shm");
	cr_expect_eq(type_of("dev"), S_IFLNK);
	cr_expect_eq(rootfs_mountpoint(&other, root, "/dev", ROOTFS_DIR, true, NULL), -EINVAL);
}

Test(rootfs, a_working_directory_is_made_for_its_user)
{
	autofree char *got = NULL, *again = NULL, *slash = NULL;
	struct rootfs_owner owner = {geteuid() == 0 ? 5 : geteuid(),
				     geteuid() == 0 ? 6 : getegid()};
	struct stat st;

	cr_assert_eq(rootfs_cwd(&got, root, "/srv/app/", owner, NULL), 0);
	cr_expect_str_eq(got, "/srv/app");
	cr_assert_eq(fstatat(root, "srv/app", &st, 0), 0);
	cr_expect_eq(st.st_uid, owner.uid);
	cr_assert_eq(fstatat(root, "srv", &st, 0), 0);
	cr_expect_eq(st.st_uid, geteuid(), "only the last component");
	owner.uid = geteuid();
	cr_assert_eq(rootfs_cwd(&again, root, "/srv/app", (struct rootfs_owner){999, 999}, NULL),
		     0);
	cr_assert_eq(fstatat(root, "srv/app", &st, 0), 0);
	cr_expect_neq(st.st_uid, 999, "an existing one is left alone");
	cr_assert_eq(rootfs_cwd(&slash, root, "/", owner, NULL), 0);
	cr_expect_str_eq(slash, "/");
}

Test(rootfs, working_directories_in_kernel_file_systems_are_refused)
{
	static const char *const bad[] = {"/proc/self/fd/8", "/proc",      "/sys/fs/cgroup",
					  "/dev/fd/8",       "/x/../proc", "rel"};
	autofree char *got = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(rootfs_cwd(&got, root, bad[i], (struct rootfs_owner){}, NULL), -EINVAL,
			     "%s", bad[i]);
}
