/* SPDX-License-Identifier: Apache-2.0 */
/* COPY's destination rules and what a hostile root can not make it do. Needs root: owners are set.
 */
#include "builder/copy.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/strbuf.h"
#include "lib.h"

/* A context directory, a root directory and a place outside, below one temporary directory. */
struct world {
	char path[64];
	int fd;
	int context_fd;
	int root_fd;
};

static void put(int dirfd, const char *path, const char *content)
{
	autoclose int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0, "%s", path);
	cr_assert_eq(fs_write_all(fd, content, strlen(content)), 0);
}

static void world_init(struct world *w)
{
	(void)snprintf(w->path, sizeof(w->path), "/tmp/recond-copy.XXXXXX");
	cr_assert(mkdtemp(w->path));
	w->fd = fs_open(w->path, O_RDONLY | O_DIRECTORY, 0);
	cr_assert_eq(fs_mkdir_p(w->fd, "context/d/s", 0755), 0);
	cr_assert_eq(fs_mkdir_p(w->fd, "root/etc", 0755), 0);
	cr_assert_eq(fs_mkdir_p(w->fd, "root/dir/sub", 0755), 0);
	cr_assert_eq(fs_mkdir_p(w->fd, "victim", 0755), 0);
	w->context_fd = fs_open_at(w->fd, "context", O_RDONLY | O_DIRECTORY, 0);
	w->root_fd = fs_open_at(w->fd, "root", O_RDONLY | O_DIRECTORY, 0);
	put(w->context_fd, "f", "1");
	put(w->context_fd, "g", "2");
	put(w->context_fd, "d/x", "3");
	put(w->context_fd, "d/s/y", "4");
	put(w->root_fd, "file", "old");
	put(w->root_fd, "etc/passwd", "root:x:0:0::/:/x\nu:x:7:8::/:/x\n");
	put(w->root_fd, "etc/group", "root:x:0:\ng:x:9:\n");
	cr_assert_eq(symlinkat("dir", w->root_fd, "link"), 0);
	cr_assert_eq(symlinkat("/dir/target", w->root_fd, "filelink"), 0);
	cr_assert_eq(symlinkat("../../../../../..", w->root_fd, "up"), 0);
	cr_assert_eq(symlinkat("/", w->root_fd, "abs"), 0);
	cr_assert_eq(symlinkat("nowhere/at/all", w->root_fd, "dangling"), 0);
}

static void world_deinit(struct world *w)
{
	(void)close(w->context_fd);
	(void)close(w->root_fd);
	(void)close(w->fd);
	(void)fs_remove_tree(AT_FDCWD, w->path);
}

#define TREE "f=1\ng=2\nd/\nd/x=3\nd/s/\nd/s/y=4\nl@/etc/shadow"

/* Run "COPY WORDS" (from an empty stage with that root) on W. *ret_text: "" or the error. */
static void copy(struct world *w, const char *words, const char *tree, char **ret_text)
{
	autofree char *file = mem_asprintf("FROM scratch\nCOPY %s", words);
	_cleanup_(context_freep) struct context *c = make_context(tree, "");
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	_cleanup_(build_plan_freep) struct build_plan *p = NULL;
	autodiag d = {.file = "Dockerfile"};
	struct tree from = {.context = c, .fd = w->context_fd};
	struct err err = {};

	cr_assert_eq(dockerfile_parse(&f, file, strlen(file), &d), 0, "%s", words);
	cr_assert_eq(
		plan_new(&p,
			 &(struct plan_input){.file = f, .context = c, .platform = "linux/amd64"},
			 &d),
		0, "%s", words);
	(void)copy_step(w->root_fd, &p->stages[0].steps[0], &from, &err);
	*ret_text = mem_strdup(err.message);
}

static struct strbuf dump;

static int dump_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	const char *name = strstr(path, "/root/");

	(void)flag;
	(void)ftw;
	if (name && st->st_mtime != 1)
		strbuf_addf(&dump, "%s %o %u:%u\n", name + 5, st->st_mode & 07777, st->st_uid,
			    st->st_gid);
	return 0;
}

/* Everything in the root whose time is not the one all began with. */
static char *changes(const struct world *w)
{
	autostrlist lines = {};
	autostrbuf out = STRBUF_INIT;

	strbuf_reset(&dump);
	(void)nftw(w->path, dump_one, 16, FTW_PHYS);
	strlist_split(&lines, strbuf_str(&dump), '\n');
	strlist_sort(&lines);
	for (size_t i = 0; i < lines.n; i++)
		if (*lines.items[i])
			strbuf_addf(&out, "%s, ", lines.items[i]);
	strbuf_deinit(&dump);
	return strbuf_take(&out);
}

static int age_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	(void)st;
	(void)flag;
	(void)ftw;
	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *words;
	const char *want; /* new or changed paths in the root, or the error */
} cases[] = {
	{ "a file to a name", "f /n", "/n 644 0:0, " },
	{ "a file to a directory that is named so", "f /n/", "/n 755 0:0, /n/f 644 0:0, " },
	{ "a file to a directory that exists", "f /dir", "/dir 755 0:0, /dir/f 644 0:0, " },
	{ "missing parents are made", "f /a/b/c", "/a 755 0:0, /a/b 755 0:0, /a/b/c 644 0:0, " },
	{ "a file replaces a file", "f /file", "/file 644 0:0, " },
	{ "a link to a directory is followed", "f /link/", "/dir 755 0:0, /dir/f 644 0:0, " },
	{ "a link to a file is followed and its target made", "f /filelink", "/dir 755 0:0, /dir/target 644 0:0, " },
	{ "the contents of a directory, not itself", "d /n", "/n 755 0:0, /n/s 755 0:0, /n/s/y 644 0:0, /n/x 644 0:0, " },
	{ "directories merge", "d /dir/", "/dir 755 0:0, /dir/s 755 0:0, /dir/s/y 644 0:0, /dir/x 644 0:0, " },
	{ "several sources", "f g /n/", "/n 755 0:0, /n/f 644 0:0, /n/g 644 0:0, " },
	{ "several sources onto one name: the last wins", "f g /n", "/n 644 0:0, " },
	{ "a symlink found on the way is copied as one", ". /n", 
	  "/n 755 0:0, /n/d 755 0:0, /n/d/s 755 0:0, /n/d/s/y 644 0:0, /n/d/x 644 0:0, /n/f 644 0:0, /n/g 644 0:0, /n/l 777 0:0, " },
	{ "--chown by number is the group, too", "--chown=5 f /n/f", "/n 755 5:5, /n/f 644 5:5, " },
	{ "--chown by names", "--chown=u:g f /n/f", "/n 755 7:9, /n/f 644 7:9, " },
	{ "--chown by one name takes its group", "--chown=u f /n", "/n 644 7:8, " },
	{ "--chown of a group alone", "--chown=:9 f /n", "/n 644 0:9, " },
	{ "--chown of a directory", "--chown=5:6 d /n", "/n 755 5:6, /n/s 755 5:6, /n/s/y 644 5:6, /n/x 644 5:6, " },
	{ "--chmod of a file and its new parents", "--chmod=700 f /n/f", "/n 700 0:0, /n/f 700 0:0, " },
	{ "a new top directory loses the high bits of --chmod", "--chmod=4711 d /n", "/n 711 0:0, /n/s 4711 0:0, /n/s/y 4711 0:0, /n/x 4711 0:0, " },
	{ "a directory onto a file", "d /file", "cannot copy to non-directory: /file" },
	{ "a file below a file", "f /file/n", "cannot copy to non-directory: /file" },
	{ "an unknown owner", "--chown=nobody f /n", "--chown=nobody: user 'nobody' is not in the image's /etc/passwd" },
	{ "up and out leads into the root", "f /up/n", "/n 644 0:0, " },
	{ "an absolute link leads into the root", "f /abs/n/", "/n 755 0:0, /n/f 644 0:0, " },
};
/* clang-format on */

Test(copy, destinations_owners_and_modes)
{
	if (geteuid() != 0)
		cr_skip("owners can only be set by root");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(world_deinit) struct world w = {};
		autofree char *error = NULL;
		autofree char *got = NULL;
		autofree char *root = NULL;

		world_init(&w);
		root = mem_asprintf("%s/root", w.path);
		(void)nftw(root, age_one, 16, FTW_PHYS);
		copy(&w, cases[i].words, TREE, &error);
		got = *error ? mem_strdup(error) : changes(&w);
		cr_expect_str_eq(got, cases[i].want, "%s: COPY %s\ngot  %s\nwant %s",
				 cases[i].sentence, cases[i].words, got, cases[i].want);
	}
}

Test(copy, a_file_does_not_replace_a_directory)
{
	_cleanup_(world_deinit) struct world w = {};
	autofree char *error = NULL;

	if (geteuid() != 0)
		cr_skip("owners can only be set by root");
	world_init(&w);
	put(w.context_fd, "d/sub", "5");
	copy(&w, "d /dir", "d/\nd/sub=5", &error);
	cr_expect_str_eq(error, "cannot replace to directory sub with file");
}

Test(copy, the_way_through_a_root_never_leaves_it)
{
	static const char *const dests[] = {"/up/victim/f", "/abs/../victim/f", "/dangling/f",
					    "/victim/f"};

	if (geteuid() != 0)
		cr_skip("owners can only be set by root");
	for (size_t i = 0; i < ARRAY_SIZE(dests); i++) {
		_cleanup_(world_deinit) struct world w = {};
		autofree char *words = mem_asprintf("f %s", dests[i]);
		autofree char *error = NULL;
		autofree char *direct = NULL;

		world_init(&w);
		direct = mem_asprintf("%s/victim", w.path);
		cr_assert_eq(symlinkat(direct, w.root_fd, "victim"), 0);
		copy(&w, words, TREE, &error);
		cr_expect_eq(unlinkat(w.fd, "victim", AT_REMOVEDIR), 0, "%s: written outside",
			     dests[i]);
	}
}

Test(copy, content_that_is_not_what_was_listed_is_refused)
{
	static const char *const trees[] = {"f=other", "f*=1x", "g/\nf=", "d=3", "gone=1"};

	if (geteuid() != 0)
		cr_skip("owners can only be set by root");
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		_cleanup_(world_deinit) struct world w = {};
		autofree char *error = NULL;

		world_init(&w);
		copy(&w, ". /n/", trees[i], &error);
		cr_expect(strstr(error, "changed while building"), "%s: '%s'", trees[i], error);
	}
}

Test(copy, a_symlink_that_took_the_place_of_a_file_is_not_followed)
{
	_cleanup_(world_deinit) struct world w = {};
	autofree char *error = NULL;

	if (geteuid() != 0)
		cr_skip("owners can only be set by root");
	world_init(&w);
	/* The very content that is listed, but outside. */
	put(w.fd, "victim/f", "1");
	cr_assert_eq(unlinkat(w.context_fd, "f", 0), 0);
	cr_assert_eq(symlinkat("../victim/f", w.context_fd, "f"), 0);
	copy(&w, "f /n", TREE, &error);
	cr_expect(strstr(error, "changed while building"), "%s", error);
}

Test(copy, stage_content_has_a_digest_without_time_stamps)
{
	_cleanup_(world_deinit) struct world w = {};
	struct timespec times[2] = {{.tv_sec = 9}, {.tv_sec = 9}};
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE], c[DIGEST_STR_SIZE], d[DIGEST_STR_SIZE];
	autostrlist sources = {};
	struct err err = {};

	world_init(&w);
	strlist_add(&sources, "di?");
	strlist_add(&sources, "file");
	cr_assert_eq(tree_digest(a, &(struct tree){.fd = w.root_fd}, &sources, &err), 0);
	cr_assert_eq(utimensat(w.root_fd, "file", times, 0), 0);
	cr_assert_eq(tree_digest(b, &(struct tree){.fd = w.root_fd}, &sources, &err), 0);
	put(w.root_fd, "dir/sub/new", "");
	cr_assert_eq(tree_digest(c, &(struct tree){.fd = w.root_fd}, &sources, &err), 0);
	cr_assert_eq(fchmodat(w.root_fd, "file", 0600, 0), 0);
	cr_assert_eq(tree_digest(d, &(struct tree){.fd = w.root_fd}, &sources, &err), 0);
	cr_expect_str_eq(a, b);
	cr_expect_str_neq(b, c);
	cr_expect_str_neq(c, d);
	strlist_add(&sources, "nope");
	cr_expect_lt(tree_digest(a, &(struct tree){.fd = w.root_fd}, &sources, &err), 0);
	cr_expect_str_eq(err.message, "\"/nope\": not found");
}
