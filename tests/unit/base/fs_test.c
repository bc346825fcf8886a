/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel promises about confined paths, and what we make of it. Every test works in its
 * own directory.
 */
#include "base/fs.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

static char dir[] = "/tmp/recond-fs-test.XXXXXX";
static int dirfd_ = -1;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dirfd_, 0);
	(void)umask(022);
}

static void teardown(void)
{
	cr_expect_eq(fs_remove_tree(AT_FDCWD, dir), 0);
	dirfd_ = mem_close(dirfd_);
}

TestSuite(fs, .init = setup, .fini = teardown);

static void put(const char *name, const char *text)
{
	autoclose int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(fs_write_all(fd, text, strlen(text)), 0);
}

/* A tree with every way out of it. "root" is what paths are confined to; "secret" lies beside it.
 */
static int make_escapes(void)
{
	autofree char *absolute = mem_asprintf("%s/secret", dir);
	int root;

	put("secret", "secret");
	cr_assert_eq(fs_mkdir_p(dirfd_, "root/sub", 0755), 0);
	put("root/file", "file");
	put("root/sub/inner", "inner");
	cr_assert_eq(symlinkat("../secret", dirfd_, "root/link_out"), 0);
	cr_assert_eq(symlinkat(absolute, dirfd_, "root/link_absolute"), 0);
	cr_assert_eq(symlinkat("file", dirfd_, "root/link_in"), 0);
	cr_assert_eq(symlinkat("/file", dirfd_, "root/link_rooted"), 0);
	cr_assert_eq(symlinkat("sub", dirfd_, "root/link_dir"), 0);
	cr_assert_eq(symlinkat("link_self", dirfd_, "root/link_self"), 0);
	root = openat(dirfd_, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root, 0);
	return root;
}

struct open_case {
	const char *name, *path;
	int want; /* negative errno, 0: opens */
	const char *content;
};

typedef int (*open_fn)(int dirfd, const char *path, int flags, mode_t mode);

static void check_opens(open_fn fn, int root, const struct open_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		autoclose int fd = fn(root, cases[i].path, O_RDONLY, 0);
		autofree char *text = NULL;
		size_t len = 0;

		cr_expect_eq(fd < 0 ? fd : 0, cases[i].want, "%s: %s gives %d", cases[i].name,
			     cases[i].path, fd);
		if (fd < 0 || !cases[i].content)
			continue;
		cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "%s: inherited", cases[i].name);
		cr_expect_eq(fs_read_fd(&text, &len, fd, 100), 0);
		cr_expect(str_eq(text, cases[i].content), "%s: read %s", cases[i].name, text);
	}
}

Test(fs, open_beneath_refuses_every_way_out)
{
	autoclose int root = make_escapes();
	const struct open_case cases[] = {
		{"a file", "file", 0, "file"},
		{"a file below", "sub/inner", 0, "inner"},
		{"dot-dot that stays inside", "sub/../file", 0, "file"},
		{"dot-dot", "../secret", -EXDEV, NULL},
		{"dot-dot from below", "sub/../../secret", -EXDEV, NULL},
		{"an absolute path", "/etc/passwd", -EXDEV, NULL},
		{"a symlink out", "link_out", -ELOOP, NULL},
		{"an absolute symlink", "link_absolute", -ELOOP, NULL},
		{"a symlink, though it stays inside", "link_in", -ELOOP, NULL},
		{"a symlink on the way", "link_dir/inner", -ELOOP, NULL},
		{"nothing", "missing", -ENOENT, NULL},
	};

	check_opens(fs_open_beneath, root, cases, ARRAY_SIZE(cases));
}

Test(fs, open_in_root_resolves_everything_inside)
{
	autoclose int root = make_escapes();
	const struct open_case cases[] = {
		{"a file", "file", 0, "file"},
		{"an absolute path starts at the root", "/sub/inner", 0, "inner"},
		{"dot-dot stops at the root", "../../file", 0, "file"},
		{"dot-dot out finds nothing", "../secret", -ENOENT, NULL},
		{"a symlink that stays inside", "link_in", 0, "file"},
		{"an absolute symlink starts at the root", "link_rooted", 0, "file"},
		{"a symlink on the way", "link_dir/inner", 0, "inner"},
		{"a symlink out finds nothing", "link_out", -ENOENT, NULL},
		{"an absolute symlink out finds nothing", "link_absolute", -ENOENT, NULL},
		{"a symlink to itself", "link_self", -ELOOP, NULL},
	};

	check_opens(fs_open_in_root, root, cases, ARRAY_SIZE(cases));
}

Test(fs, magic_links_are_not_followed)
{
	autoclose int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int root = make_escapes();
	autofree char *magic = mem_asprintf("fd/%d", root);

	cr_assert_geq(proc, 0);
	cr_expect_eq(fs_open_beneath(proc, magic, O_PATH, 0), -ELOOP);
	cr_expect_eq(fs_open_in_root(proc, magic, O_PATH, 0), -ELOOP);
	cr_expect_eq(fs_open_in_root(proc, "exe", O_RDONLY, 0), -ELOOP);
	cr_expect_eq(fs_open_in_root(proc, "cwd/tmp", O_PATH, 0), -ELOOP);
}

Test(fs, open_beneath_crosses_no_mount)
{
	autoclose int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	cr_expect_eq(fs_open_beneath(slash, "proc/self/stat", O_RDONLY, 0), -EXDEV);
}

Test(fs, open_beneath_creates_with_the_mode_given)
{
	autoclose int fd = fs_open_beneath(dirfd_, "new", O_WRONLY | O_CREAT | O_EXCL, 0640);
	struct stat st;

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640);
	/* openat2(2) refuses a mode that has no use; we do not pass it on */
	mem_closep(&fd);
	fd = fs_open_beneath(dirfd_, "new", O_RDONLY, 0640);
	cr_expect_geq(fd, 0);
}

Test(fs, reading_is_bounded)
{
	autofree char *text = NULL;
	size_t len = 0;

	put("ten", "0123456789");
	cr_expect_eq(fs_read_at(&text, &len, dirfd_, "ten", 9), -EFBIG);
	cr_expect_null(text);
	cr_assert_eq(fs_read_at(&text, &len, dirfd_, "ten", 10), 0);
	cr_expect_str_eq(text, "0123456789");
	cr_expect_eq(len, 10);
	mem_freep(&text);
	put("none", "");
	cr_assert_eq(fs_read_at(&text, &len, dirfd_, "none", 0), 0);
	cr_expect_str_eq(text, "");
	cr_expect_eq(fs_read_at(&text, &len, dirfd_, "missing", 10), -ENOENT);
	cr_expect_eq(fs_read_at(&text, &len, dirfd_, ".", 10), -EISDIR);
}

Test(fs, reading_a_pipe_of_unknown_size)
{
	enum { SIZE = 50000 };
	autofree char *data = mem_alloc(SIZE), *text = NULL;
	size_t len = 0;
	int p[2];

	memset(data, 'x', SIZE);
	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	cr_assert_eq(fs_write_all(p[1], data, SIZE), 0);
	(void)close(p[1]);
	cr_assert_eq(fs_read_fd(&text, &len, p[0], SIZE_MAX), 0);
	cr_expect_eq(len, SIZE);
	cr_expect_arr_eq(text, data, SIZE);
	(void)close(p[0]);
}

static size_t count_entries(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	cr_assert(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

Test(fs, replace_creates_and_replaces)
{
	autofree char *text = NULL;
	size_t len;
	struct stat st;
	struct err e = {0};

	(void)umask(077);
	cr_assert_eq(fs_replace(dirfd_, "f", "one", 3, 0644, &e), 0, "%s", e.message);
	cr_assert_eq(fs_replace(dirfd_, "f", "two!", 4, 0644, &e), 0, "%s", e.message);
	cr_assert_eq(fs_read_at(&text, &len, dirfd_, "f", 100), 0);
	cr_expect_str_eq(text, "two!");
	cr_assert_eq(fstatat(dirfd_, "f", &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, 0644, "the umask does not matter");
	cr_expect_eq(count_entries(), 1, "a temporary file is left");
}

Test(fs, a_reader_of_the_old_file_keeps_it)
{
	autofree char *text = NULL;
	autoclose int old = -1;
	size_t len;
	struct err e = {0};

	cr_assert_eq(fs_replace(dirfd_, "f", "old", 3, 0600, &e), 0);
	old = fs_open_at(dirfd_, "f", O_RDONLY, 0);
	cr_assert_eq(fs_replace(dirfd_, "f", "new", 3, 0600, &e), 0);
	cr_assert_eq(fs_read_fd(&text, &len, old, 10), 0);
	cr_expect_str_eq(text, "old");
}

Test(fs, a_failed_replace_leaves_nothing)
{
	struct err e = {0};

	cr_assert_eq(mkdirat(dirfd_, "taken", 0755), 0);
	cr_expect_eq(fs_replace(dirfd_, "taken", "x", 1, 0600, &e), -EISDIR);
	cr_expect_str_eq(e.message, "replace 'taken': rename: Is a directory");
	cr_expect_eq(count_entries(), 1);
}

Test(fs, replace_overwrites_a_symlink_not_its_target)
{
	autofree char *text = NULL;
	size_t len;
	struct err e = {0};

	put("target", "keep");
	cr_assert_eq(symlinkat("target", dirfd_, "f"), 0);
	cr_assert_eq(fs_replace(dirfd_, "f", "new", 3, 0600, &e), 0);
	cr_assert_eq(fs_read_at(&text, &len, dirfd_, "target", 10), 0);
	cr_expect_str_eq(text, "keep");
}

Test(fs, mkdir_p)
{
	autofree char *absolute = mem_asprintf("%s/link/below", dir);
	struct stat st;

	cr_expect_eq(fs_mkdir_p(dirfd_, "a/b//c/", 0755), 0);
	cr_expect_eq(fs_mkdir_p(dirfd_, "a/b/c", 0755), 0, "again is fine");
	cr_expect_eq(fstatat(dirfd_, "a/b/c", &st, 0), 0);
	cr_expect_eq(fs_mkdir_p(dirfd_, "a/../../x", 0755), -EINVAL);
	put("file", "");
	cr_expect_eq(fs_mkdir_p(dirfd_, "file/x", 0755), -ENOTDIR);
	cr_assert_eq(symlinkat("a", dirfd_, "link"), 0);
	cr_expect_lt(fs_mkdir_p(dirfd_, "link/x", 0755), 0, "relative: no symlink");
	cr_expect_neq(fstatat(dirfd_, "a/x", &st, 0), 0);
	cr_expect_eq(fs_mkdir_p(-1, absolute, 0755), 0, "absolute: the operator's");
	cr_expect_eq(fstatat(dirfd_, "a/below", &st, 0), 0);
}

Test(fs, remove_tree_follows_no_symlink)
{
	struct stat st;

	(void)mem_close(make_escapes());
	cr_assert_eq(mkdirat(dirfd_, "outside", 0755), 0);
	put("outside/keep", "x");
	cr_assert_eq(symlinkat("../outside", dirfd_, "root/dir_out"), 0);
	cr_expect_eq(fs_remove_tree(dirfd_, "root"), 0);
	cr_expect_neq(fstatat(dirfd_, "root", &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_expect_eq(fstatat(dirfd_, "outside/keep", &st, 0), 0);
	cr_expect_eq(fstatat(dirfd_, "secret", &st, 0), 0);
	/* given a symlink, it removes the symlink */
	cr_assert_eq(symlinkat("outside", dirfd_, "link"), 0);
	cr_expect_eq(fs_remove_tree(dirfd_, "link"), 0);
	cr_expect_eq(fstatat(dirfd_, "outside/keep", &st, 0), 0);
}

Test(fs, remove_tree_of_nothing_and_of_a_file)
{
	put("file", "x");
	cr_expect_eq(fs_remove_tree(dirfd_, "missing"), 0);
	cr_expect_eq(fs_remove_tree(dirfd_, "missing/below"), 0);
	cr_expect_eq(fs_remove_tree(dirfd_, "file"), 0);
	cr_expect_eq(count_entries(), 0);
}

/* Deeper than fds, than PATH_MAX, and than a stack frame per level would bear. */
Test(fs, remove_tree_of_five_thousand_levels)
{
	autoclose int here = dup(dirfd_);
	struct rlimit few = {100, 100};

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 5000; i++) {
		int next;

		cr_assert_eq(mkdirat(here, "a-directory-name", 0755), 0);
		if (i % 500 == 0)
			(void)mem_close(openat(here, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		next = openat(here, "a-directory-name", O_PATH | O_DIRECTORY | O_CLOEXEC);
		cr_assert_geq(next, 0);
		(void)close(here);
		here = next;
	}
	cr_expect_eq(fs_remove_tree(dirfd_, "a-directory-name"), 0);
	cr_expect_eq(fs_remove_tree(dirfd_, "file"), 0);
	cr_expect_eq(count_entries(), 0);
}

/* In a child: a mount namespace can't be left again. 0 passed, 77 not permitted, else the line that
 * failed. */
static int bind_mount_survives(void)
{
	autofree char *outside = mem_asprintf("%s/outside", dir);
	autofree char *inside = mem_asprintf("%s/tree/sub/mnt", dir);
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	/* The same file system: a comparison of st_dev would not see this mount. */
	if (mount(outside, inside, NULL, MS_BIND, NULL) < 0)
		return 77;
	if (fs_remove_tree(dirfd_, "tree") != -EBUSY)
		return 1;
	if (fstatat(dirfd_, "outside/keep", &st, 0) < 0)
		return 2;
	if (umount2(inside, MNT_DETACH) < 0)
		return 3;
	return fs_remove_tree(dirfd_, "tree") == 0 ? 0 : 4;
}

Test(fs, remove_tree_crosses_no_mount)
{
	int status;
	pid_t pid;

	cr_assert_eq(fs_mkdir_p(dirfd_, "tree/sub/mnt", 0755), 0);
	cr_assert_eq(mkdirat(dirfd_, "outside", 0755), 0);
	put("outside/keep", "x");
	pid = fork();
	if (pid == 0)
		_exit(bind_mount_survives());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		teardown(); /* a skipped test gets none */
		cr_skip_test("may not mount");
	}
	cr_expect_eq(status, 0, "step %d", WEXITSTATUS(status));
}

Test(fs, same_file_notices_every_change)
{
	struct stat a, b;

	put("f", "one");
	cr_assert_eq(fstatat(dirfd_, "f", &a, 0), 0);
	b = a;
	cr_expect(fs_same_file(&a, &b));
	b.st_mtim.tv_nsec++;
	cr_expect_not(fs_same_file(&a, &b));
	b = a;
	b.st_ino++;
	cr_expect_not(fs_same_file(&a, &b));
	b = a;
	b.st_ctim.tv_sec++;
	cr_expect_not(fs_same_file(&a, &b));
	b = a;
	b.st_size++;
	cr_expect_not(fs_same_file(&a, &b));
}

Test(fs, free_bytes)
{
	cr_expect_gt(fs_free_bytes(dirfd_), 0);
	cr_expect_eq(fs_free_bytes(-1), -EBADF);
}

Test(fs, clean_paths)
{
	static const struct {
		const char *name, *in, *want;
		bool beneath; /* of the input */
	} cases[] = {
		{"empty", "", ".", false},
		{"dot", ".", ".", true},
		{"a name", "a", "a", true},
		{"names", "a/b/c", "a/b/c", true},
		{"a dotfile", ".a/..b/c..", ".a/..b/c..", true},
		{"dots and slashes go", "./a//b/./c/", "a/b/c", false},
		{"dot-dot takes one back", "a/b/../c", "a/c", false},
		{"dot-dot to the start", "a/..", ".", false},
		{"dot-dot never above the start", "../../a", "a", false},
		{"dot-dot alone", "..", ".", false},
		{"absolute", "/a/b", "/a/b", false},
		{"the root", "/", "/", false},
		{"many slashes", "///a", "/a", false},
		{"dot-dot above the root", "/../a", "/a", false},
		{"dot-dot to the root", "/a/../..", "/", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = fs_clean_path(cases[i].in);

		cr_expect_str_eq(got, cases[i].want, "%s: %s gives %s", cases[i].name, cases[i].in,
				 got);
		cr_expect_eq(fs_path_is_beneath(cases[i].in), cases[i].beneath, "%s: beneath",
			     cases[i].name);
	}
}
