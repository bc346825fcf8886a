/* SPDX-License-Identifier: Apache-2.0 */
/* The atomic writer of file volumes; no mounts, no root. */
#include "runtime/volume.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"

static char dir[64];
static int dirfd_;

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/recond-volume-test.XXXXXX");
	cr_assert(mkdtemp(dir));
	dirfd_ = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
}

static void teardown(void)
{
	(void)close(dirfd_);
	(void)fs_remove_tree(-1, dir);
}

static int write_items(const char *items, struct err *err)
{
	autojson *j = json_loads(items, 0, NULL);

	cr_assert(j, "%s", items);
	return volume_write_files(dirfd_, j, 0640, err);
}

static void expect_file(const char *name, const char *want, mode_t mode)
{
	autofree char *got = NULL;
	struct stat st;
	size_t n;

	cr_assert_eq(fs_read_at(&got, &n, dirfd_, name, 100), 0, "%s", name);
	cr_expect_str_eq(got, want);
	cr_expect_eq(fstatat(dirfd_, name, &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, mode, "%s: %o", name, st.st_mode);
}

static char *link_target(const char *name)
{
	char buf[256] = "";

	(void)!readlinkat(dirfd_, name, buf, sizeof(buf) - 1);
	return mem_strdup(buf);
}

static int count_data_dirs(void)
{
	DIR *d = fdopendir(fs_open(dir, O_RDONLY | O_DIRECTORY, 0));
	const struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += str_skip_prefix(e->d_name, "..2") != NULL;
	(void)closedir(d);
	return n;
}

Test(volume, files_links_and_modes, .init = setup, .fini = teardown)
{
	autofree char *key = NULL, *sub = NULL;
	struct err err = {0};

	cr_assert_eq(write_items("[{\"path\":\"key\",\"data\":\"aGVsbG8=\"},"
				 "{\"path\":\"sub/deep\",\"data\":\"\",\"mode\":256}]",
				 &err),
		     0, "%s", err.message);
	expect_file("key", "hello", 0640);
	expect_file("sub/deep", "", 0400);
	key = link_target("key");
	sub = link_target("sub");
	cr_expect_str_eq(key, "..data/key");
	cr_expect_str_eq(sub, "..data/sub");
}

Test(volume, an_update_swaps_the_set_and_removes_what_is_stale, .init = setup, .fini = teardown)
{
	autofree char *before = NULL, *after = NULL;
	struct err err = {0};

	cr_assert_eq(
		write_items(
			"[{\"path\":\"a\",\"data\":\"MQ==\"},{\"path\":\"b\",\"data\":\"MQ==\"}]",
			&err),
		0);
	before = link_target("..data");
	cr_assert_eq(
		write_items(
			"[{\"path\":\"b\",\"data\":\"MjI=\"},{\"path\":\"c\",\"data\":\"MzMz\"}]",
			&err),
		0);
	after = link_target("..data");
	cr_expect_str_neq(before, after);
	cr_expect_lt(faccessat(dirfd_, "a", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	expect_file("b", "22", 0640);
	expect_file("c", "333", 0640);
	cr_expect_eq(count_data_dirs(), 1, "the old set is gone");
}

Test(volume, paths_and_data_that_are_refused, .init = setup, .fini = teardown)
{
	static const struct {
		const char *name, *items;
	} cases[] = {
		{"a way out", "[{\"path\":\"../x\",\"data\":\"\"}]"},
		{"a way out further down", "[{\"path\":\"a/../../x\",\"data\":\"\"}]"},
		{"absolute", "[{\"path\":\"/etc/x\",\"data\":\"\"}]"},
		{"the writer's own names", "[{\"path\":\"..data\",\"data\":\"\"}]"},
		{"empty", "[{\"path\":\"\",\"data\":\"\"}]"},
		{"twice the same",
		 "[{\"path\":\"a\",\"data\":\"\"},{\"path\":\"a\",\"data\":\"\"}]"},
		{"base64 of a wrong length", "[{\"path\":\"a\",\"data\":\"QQ=\"}]"},
		{"base64 with garbage", "[{\"path\":\"a\",\"data\":\"Q*==\"}]"},
		{"base64 that goes on behind its end", "[{\"path\":\"a\",\"data\":\"QQ==QQ==\"}]"},
		{"padding in the middle", "[{\"path\":\"a\",\"data\":\"Q=Q=\"}]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};

		cr_expect_lt(write_items(cases[i].items, &err), 0, "%s", cases[i].name);
	}
}
