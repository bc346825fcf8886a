/* SPDX-License-Identifier: Apache-2.0 */
/* USER → numbers: the cases of runc's user package, and those that once went wrong somewhere. */
#include "runtime/passwd.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define PASSWD                                                                                     \
	"root:x:0:0:root:/root:/bin/sh\n"                                                          \
	"# a comment\n"                                                                            \
	"broken line\n"                                                                            \
	"www:x:33:34:web:/var/www:/bin/sh\n"                                                       \
	"www:x:99:99::/second:\n"                                                                  \
	"nohome:x:40:40:::\n"                                                                      \
	"evil:x:41:41::/ho\tme:\n"                                                                 \
	"big:x:4294967295:0::/:\n"                                                                 \
	"neg:x:-1:0::/:\n"                                                                         \
	"123:x:50:51::/num:\n"                                                                     \
	"last:x:60:61::/last:/bin/sh"
#define GROUP                                                                                      \
	"root:x:0:\n"                                                                              \
	"web:x:34:\n"                                                                              \
	"adm:x:4:www,root\n"                                                                       \
	"web2:x:70:other,www\n"                                                                    \
	"self:x:34:www\n"                                                                          \
	"near:x:71:wwww,ww\n"                                                                      \
	"bad:x:x:www\n"

/* clang-format off */
static const struct {
	const char *sentence;
	const char *spec;
	const char *want; /* uid:gid[,groups...] home, NULL: refused */
} cases[] = {
	{ "nothing is root", "", "0:0,4 /root" },
	{ "a name brings its group and groups", "www", "33:34,4,70 /var/www" },
	{ "a number with an entry too", "33", "33:34,4,70 /var/www" },
	{ "a number without an entry has group 0", "1000", "1000:0 /" },
	{ "a group that is given leaves no others", "www:adm", "33:4 /var/www" },
	{ "a group as a number", "www:77", "33:77 /var/www" },
	{ "numbers need no entries", "1000:2000", "1000:2000 /" },
	{ "a number with the group's name", "1000:adm", "1000:4 /" },
	{ "the last line may lack its end", "last", "60:61 /last" },
	{ "a home that is missing is the root", "nohome", "40:40 /" },
	{ "a home with control characters is the root", "evil", "41:41 /" },
	{ "digits are a number, never a name", "123", "123:0 /" },
	{ "the largest id", "4294967294", "4294967294:0 /" },
	{ "2^32 - 1 means no change to the kernel", "4294967295", NULL },
	{ "2^32 would wrap to 0", "4294967296", NULL },
	{ "2^64 would wrap to 0", "18446744073709551616", NULL },
	{ "a leading zero is no number", "0123", NULL },
	{ "a sign is no number", "+5", NULL },
	{ "a minus is no number", "-1", NULL },
	{ "a space is no number", " 5", NULL },
	{ "hexadecimal is no number", "0x10", NULL },
	{ "an unknown name", "nobody", NULL },
	{ "an unknown group", "www:nobody", NULL },
	{ "an entry with an id too large is no entry", "big", NULL },
	{ "an entry with a negative id is no entry", "neg", NULL },
	{ "a group with an id that is none", "www:bad", NULL },
	{ "an empty group", "www:", NULL },
	{ "an empty user", ":adm", NULL },
	{ "a name is not a prefix", "ww", NULL },
	{ "a comment is no entry", "# a comment", NULL },
	{ "a newline does not reach another line", "x\nroot", NULL },
	{ "two colons", "www:adm:x", NULL },
};
/* clang-format on */

static char *format(const struct passwd_ids *ids)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_addf(&out, "%u:%u", ids->uid, ids->gid);
	for (size_t i = 0; i < ids->n_groups; i++)
		strbuf_addf(&out, ",%u", ids->groups[i]);
	strbuf_addf(&out, " %s", ids->home);
	return strbuf_take(&out);
}

Test(passwd, resolve)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct passwd_ids ids;
		struct err err = {};
		int r = passwd_resolve_text(&ids, PASSWD, GROUP, cases[i].spec, &err);
		autofree char *got = r < 0 ? NULL : format(&ids);

		cr_expect(str_eq(got, cases[i].want), "%s: got %s, want %s", cases[i].sentence,
			  got ?: err.message, cases[i].want ?: "a refusal");
		if (r < 0)
			cr_expect_str_eq(err.reason, "InvalidUser", "%s", cases[i].sentence);
	}
}

Test(passwd, no_files_are_fine_for_numbers)
{
	struct passwd_ids ids;

	cr_expect_eq(passwd_resolve_text(&ids, "", "", "7:8", NULL), 0);
	cr_expect_eq(passwd_resolve_text(&ids, "", "", "", NULL), 0);
	cr_expect_eq(passwd_resolve_text(&ids, "", "", "www", NULL), -EINVAL);
}

Test(passwd, groups_are_bounded)
{
	autostrbuf group = STRBUF_INIT;
	struct passwd_ids ids;

	for (int i = 0; i < PASSWD_MAX_GROUPS; i++)
		strbuf_addf(&group, "g%d:x:%d:www\n", i, 1000 + i);
	cr_expect_eq(passwd_resolve_text(&ids, PASSWD, strbuf_str(&group), "www", NULL), 0);
	cr_expect_eq(ids.n_groups, PASSWD_MAX_GROUPS);
	strbuf_adds(&group, "one:x:9999:www\n");
	cr_expect_eq(passwd_resolve_text(&ids, PASSWD, strbuf_str(&group), "www", NULL), -EINVAL);
}

static char dir[] = "/tmp/recond-passwd-test.XXXXXX";
static int root = -1;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(root, "etc", 0755), 0);
}

static void teardown(void)
{
	root = mem_close(root);
	cr_expect_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

TestSuite(passwd_files, .init = setup, .fini = teardown, .timeout = 10);

static int resolve(void)
{
	struct passwd_ids ids;

	return passwd_resolve(&ids, root, "www", NULL);
}

static void put(const char *name)
{
	autoclose int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_eq(fs_write_all(fd, PASSWD, strlen(PASSWD)), 0);
}

Test(passwd_files, a_regular_file_is_read)
{
	put("etc/passwd");
	cr_expect_eq(resolve(), 0);
}

Test(passwd_files, a_symlink_inside_is_followed)
{
	put("real");
	cr_assert_eq(symlinkat("/real", root, "etc/passwd"), 0);
	cr_expect_eq(resolve(), 0);
}

Test(passwd_files, a_symlink_to_the_host_stays_inside)
{
	cr_assert_eq(symlinkat("../../../../../../etc/passwd", root, "etc/passwd"), 0);
	cr_expect_eq(resolve(), -EINVAL);
}

Test(passwd_files, a_fifo_does_not_hang)
{
	cr_assert_eq(mkfifoat(root, "etc/passwd", 0644), 0);
	cr_expect_eq(resolve(), -EINVAL);
}

Test(passwd_files, a_directory_is_refused)
{
	cr_assert_eq(mkdirat(root, "etc/passwd", 0755), 0);
	cr_expect_eq(resolve(), -EINVAL);
}

Test(passwd_files, a_loop_is_refused)
{
	cr_assert_eq(symlinkat("passwd", root, "etc/passwd"), 0);
	cr_expect_eq(resolve(), -EINVAL);
}

Test(passwd_files, ten_sparse_gigabytes_are_refused)
{
	put("etc/passwd");
	autoclose int fd = openat(root, "etc/passwd", O_WRONLY | O_CLOEXEC);

	cr_assert_eq(ftruncate(fd, 10LL << 30), 0);
	cr_expect_eq(resolve(), -EINVAL);
}
