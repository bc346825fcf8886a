/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel promises about overlays, in a mount namespace of our own on a tmpfs. */
#include "runtime/overlay.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static char dir[] = "/tmp/recond-overlay-test.XXXXXX";
static int top = -1;
static struct err err;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
		return; /* need_root() skips */
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	top = mem_close(top);
	(void)umount2(dir, MNT_DETACH);
	cr_expect_eq(rmdir(dir), 0);
}

TestSuite(overlay, .init = setup, .fini = teardown, .timeout = 30);

static void need_root(void)
{
	if (top < 0)
		cr_skip_test("cannot mount");
}

static int make_dir(const char *path)
{
	int fd;

	cr_assert_eq(fs_mkdir_p(top, path, 0755), 0);
	fd = openat(top, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static void put(const char *path)
{
	autoclose int fd = openat(top, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", path);
}

Test(overlay, a_hundred_layers_with_long_paths)
{
	enum { N = 100 };
	autoclose int target = -1, upper = -1, work = -1;
	struct overlay_spec spec = {.n_lower = N, .is_volatile = true};
	int lower[N];

	need_root();
	for (int i = 0; i < N; i++) {
		autofree char *path = mem_asprintf("%0120d/%0120d/layer", i, i),
			      *file = mem_asprintf("%s/f%d", path, i);

		lower[i] = make_dir(path);
		put(file);
	}
	spec.lower_fds = lower;
	spec.upper_fd = upper = make_dir("upper");
	spec.work_fd = work = make_dir("work");
	target = make_dir("target");
	cr_assert_eq(overlay_mount(&spec, target, &err), 0, "%s", err.message);
	cr_expect_eq(faccessat(top, "target/f0", F_OK, 0), 0);
	cr_expect_eq(faccessat(top, "target/f99", F_OK, 0), 0);
	put("target/new");
	cr_expect_eq(faccessat(top, "upper/new", F_OK, 0), 0);
	for (int i = 0; i < N; i++)
		(void)close(lower[i]);
	cr_expect_eq(overlay_unmount(top, "target", &err), 0);
	cr_expect_eq(faccessat(top, "target/f0", F_OK, 0), -1);
	cr_expect_eq(overlay_unmount(top, "target", &err), 0, "nothing is mounted any more");
	cr_expect_eq(overlay_unmount(top, "nothing", &err), 0);
}

Test(overlay, the_topmost_layer_wins)
{
	autoclose int a = -1, b = -1, target = -1;
	struct overlay_spec spec = {.n_lower = 2, .upper_fd = -1, .work_fd = -1};
	struct stat st;

	need_root();
	a = make_dir("a");
	b = make_dir("b");
	cr_assert_eq(mkdirat(a, "x", 0700), 0);
	cr_assert_eq(mkdirat(b, "x", 0755), 0);
	spec.lower_fds = (const int[]){a, b};
	target = make_dir("target");
	cr_assert_eq(overlay_mount(&spec, target, &err), 0, "%s", err.message);
	cr_assert_eq(fstatat(top, "target/x", &st, 0), 0);
	cr_expect_eq(st.st_mode & 0777, 0700);
	cr_expect_eq(mkdirat(top, "target/y", 0755), -1, "read-only without an upper directory");
}

Test(overlay, one_upper_directory_is_mounted_once)
{
	autoclose int lower = -1, upper = -1, work = -1, target = -1, other = -1, again = -1;
	struct overlay_spec spec = {.n_lower = 1};

	need_root();
	lower = make_dir("lower");
	spec.lower_fds = &lower;
	spec.upper_fd = upper = make_dir("upper");
	spec.work_fd = work = make_dir("work");
	target = make_dir("target");
	other = make_dir("other");
	cr_assert_eq(overlay_mount(&spec, target, &err), 0, "%s", err.message);
	again = make_dir("target");
	cr_expect_eq(overlay_mount(&spec, again, &err), 1, "the same place: it is there already");
	cr_expect_eq(overlay_mount(&spec, other, &err), -EBUSY);
	cr_expect_eq(overlay_unmount(top, "target", &err), 0);
	cr_expect_eq(overlay_mount(&spec, other, &err), 0, "%s", err.message);
}

Test(overlay, the_mark_of_a_crashed_volatile_mount_is_removed)
{
	autoclose int lower = -1, upper = -1, work = -1, target = -1;
	struct overlay_spec spec = {.n_lower = 1, .is_volatile = true};

	need_root();
	lower = make_dir("lower");
	spec.lower_fds = &lower;
	spec.upper_fd = upper = make_dir("upper");
	spec.work_fd = work = make_dir("work");
	target = make_dir("target");
	cr_assert_eq(overlay_mount(&spec, target, &err), 0, "%s", err.message);
	cr_assert_eq(overlay_unmount(top, "target", &err), 0);
	cr_expect_eq(faccessat(top, "work/work/incompat/volatile", F_OK, 0), 0,
		     "the kernel left its mark");
	cr_expect_eq(overlay_mount(&spec, target, &err), 0, "%s", err.message);
}

Test(overlay, more_layers_than_the_limit_are_refused)
{
	int lower[OVERLAY_MAX_LOWER + 1];
	struct overlay_spec spec = {.lower_fds = lower,
				    .n_lower = OVERLAY_MAX_LOWER + 1,
				    .upper_fd = -1,
				    .work_fd = -1};

	memset(lower, 0, sizeof(lower));
	cr_expect_eq(overlay_mount(&spec, 0, &err), -EINVAL);
}
