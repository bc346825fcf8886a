/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git sources, driven by the git program itself: pushes, housekeeping, rewritten history, and
 * repositories made by hand to hurt.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "rig.h"

static struct rig rig;
static char *work; /* where commits are made */

/* A shell script with $BARE (the source's directory) and $WORK; returns its output without the last
 * newline. */
static char *sh(const char *script)
{
	autofree char *full =
		mem_asprintf("set -e; export HOME=%s GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a "
			     "GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b "
			     "BARE=%s WORK=%s; cd $WORK; %s",
			     rig.top, rig.dir, work, script);
	const char *argv[] = {"sh", "-c", full, NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv};
	struct err err = {0};
	char *out = NULL;
	int status;

	cr_assert(proc_run(&status, &out, &spec, 1 << 20, &err) == 0, "%s", err.message);
	cr_assert(status == 0, "%s\n%s", script, out);
	if (*out && out[strlen(out) - 1] == '\n')
		out[strlen(out) - 1] = '\0';
	return out;
}

static void do_sh(const char *script)
{
	free(sh(script));
}

static void setup(void)
{
	rig_init(&rig);
	work = mem_asprintf("%s/work", rig.top);
	cr_assert(mkdir(work, 0755) == 0);
	do_sh("git init -q --bare -b main $BARE; git init -q -b main .; git remote add origin $BARE; mkdir web; "
	      "echo 'kind: Pod' > web/app.yaml; echo '<h1>' > web/index.html; printf '#!' > web/run; "
	      "chmod +x web/run; git add -A; git commit -qm one");
}

static void teardown(void)
{
	free(work);
	rig_deinit(&rig);
}

TestSuite(git, .init = setup, .fini = teardown, .timeout = 120);

Test(git, a_push_into_a_bare_repository_gives_its_tree)
{
	autofree char *head = NULL;
	const struct revision_entry *e;

	do_sh("git push -q origin main");
	head = sh("git rev-parse HEAD");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(revision_id(rig.rev), head);
	cr_expect(revision_get_kind(rig.rev) == REVISION_GIT && !revision_content_dir(rig.rev));
	cr_expect_str_eq(rig_text(&rig, "web/app.yaml"), "kind: Pod\n");
	e = revision_find(rig.rev, "web/run");
	cr_assert(e);
	cr_expect(e->mode == REVISION_MODE_EXEC && e->size == 2);

	do_sh("echo 'kind: Service' > web/app.yaml; git commit -qam two; git push -q origin main");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "web/app.yaml"), "kind: Service\n");
	cr_expect(revision_find(rig.rev, "web/index.html") != NULL);
}

Test(git, a_repository_with_a_work_tree_is_followed_by_its_branch)
{
	autofree char *spec = mem_asprintf("%s#main", work);

	rig_watch_first(&rig, spec, NULL);
	cr_expect_str_eq(revision_source_name(rig.rev), "work");
	do_sh("mkdir api; echo 'a: 1' > api/a.yaml; git add -A; git commit -qm two");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "api/a.yaml"), "a: 1\n");
	/* What is not committed does not count. */
	do_sh("echo 'a: 2' > api/a.yaml; git add -A");
	do_sh("echo 'a: 3' > api/a.yaml; git commit -qam three");
	rig_wait_revisions(&rig, 3);
	cr_expect_str_eq(rig_text(&rig, "api/a.yaml"), "a: 3\n");
}

Test(git, the_same_content_has_the_same_tree_in_a_folder_and_in_git)
{
	_cleanup_(revision_unrefp) struct revision *folder = NULL, *bare = NULL;
	autostrlist notices = {0};
	struct err err = {0};

	do_sh("ln -s index.html web/home; echo x > .hidden; echo y > web/index.html~; git add -A; git commit -qm two; "
	      "git push -q origin main");
	cr_assert(watch_read_once(&folder, work, &notices, &err) == 0, "%s", err.message);
	cr_assert(watch_read_once(&bare, rig.dir, &notices, &err) == 0, "%s", err.message);
	cr_expect_str_eq(revision_tree(folder), revision_tree(bare));
	cr_expect_str_eq(revision_dir_digest(folder, "web"), revision_dir_digest(bare, "web"));
	cr_expect(str_eq(revision_id(folder), revision_tree(folder)) &&
		  strlen(revision_id(bare)) == 40);
}

Test(git, pack_refs_and_gc_and_other_branches_give_no_revision)
{
	do_sh("git push -q origin main");
	rig_watch_first(&rig, NULL, NULL);
	do_sh("git -C $BARE pack-refs --all; git -C $BARE gc -q --prune=now");
	do_sh("git push -q origin main:other/deep/branch");
	do_sh("echo > web/fence.yaml; git add -A; git commit -qm two; git push -q origin main");
	rig_wait(&rig, rig_has, "web/fence.yaml", "the push after");
	cr_expect(rig.n_revisions == 2, "%u", rig.n_revisions);
	cr_expect(rig_scans(&rig) == 2, "only another commit starts a worker: %u", rig_scans(&rig));
	/* The ref is loose again; packed once more it still says the same. */
	do_sh("git -C $BARE pack-refs --all");
	do_sh("echo > web/fence2.yaml; git add -A; git commit -qm three; git push -q origin main");
	rig_wait(&rig, rig_has, "web/fence2.yaml", "the second push after");
	cr_expect(rig.n_revisions == 3, "%u", rig.n_revisions);
}

Test(git, a_force_push_is_followed_and_said)
{
	do_sh("git push -q origin main; echo 'a: 1' > web/a.yaml; git add -A; git commit -qm two; "
	      "git push -q origin main");
	rig_watch_first(&rig, NULL, NULL);
	do_sh("git reset -q --hard HEAD~1; echo 'b: 1' > web/b.yaml; git add -A; git commit -qm other; "
	      "git push -q -f origin main");
	rig_wait(&rig, rig_has, "web/b.yaml", "the rewritten branch");
	cr_expect(rig_lacks(&rig, "web/a.yaml"));
	cr_expect(rig_noticed(&rig, "force-push"));
}

Test(git, an_unborn_branch_is_waited_for_and_a_deleted_one_keeps_its_last_revision)
{
	rig_watch(&rig, NULL, NULL);
	rig_wait(&rig, rig_problem, "BranchNotFound", "the unborn branch");
	do_sh("git push -q origin main");
	rig_wait_revisions(&rig, 1);
	cr_expect(rig.problem.code == 0);
	do_sh("git -C $BARE update-ref -d refs/heads/main");
	rig_wait(&rig, rig_problem, "BranchNotFound", "the deleted branch");
	cr_expect(rig.n_revisions == 1 && rig_has(&rig, "web/app.yaml"));
	do_sh("git push -q origin main");
	rig_wait(&rig, rig_no_problem, NULL, "the branch to be back");
	cr_expect(rig.n_revisions == 1, "the same commit is not told twice");
}

Test(git, a_branch_in_directories_that_do_not_exist_yet_is_noticed)
{
	autofree char *spec = mem_asprintf("%s#feature/new/login", rig.dir);

	do_sh("git push -q origin main");
	rig_watch(&rig, spec, NULL);
	rig_wait(&rig, rig_problem, "BranchNotFound", "no branch yet");
	do_sh("git push -q origin main:feature/new/login");
	rig_wait_revisions(&rig, 1);
}

Test(git, a_repository_that_comes_later_is_waited_for)
{
	autofree char *spec = mem_asprintf("%s/later.git#main", rig.top);

	rig_watch(&rig, spec, NULL);
	rig_wait(&rig, rig_problem, "SourceMissing", "no repository yet");
	do_sh("git clone -q --bare . ../later.git");
	rig_wait_revisions(&rig, 1);
	cr_expect_str_eq(revision_source_name(rig.rev), "later");
}

Test(git, only_changed_blobs_are_read_again_and_known_text_survives)
{
	do_sh("git push -q origin main");
	rig_watch_first(&rig, NULL, NULL);
	do_sh("git mv web moved; cp moved/app.yaml moved/app.txt; cp moved/index.html moved/index.yaml; git add -A; "
	      "git commit -qm two; git push -q origin main");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "moved/app.yaml"), "kind: Pod\n");
	cr_expect_str_eq(rig_text(&rig, "moved/index.yaml"), "<h1>\n",
			 "the name decides what is kept, not the blob");
	cr_expect_str_eq(rig_text(&rig, "moved/app.txt"), "(none)");
}

/* --- export
 * --------------------------------------------------------------------------------------------------
 */

struct export_end {
	bool done;
	int r;
	struct err err;
};

static void on_exported(struct watch_export *x, int r, const struct err *err, void *data)
{
	struct export_end *end = data;

	*end = (struct export_end){.done = true, .r = r, .err = err ? *err : (struct err){0}};
	watch_export_free(x);
}

static bool is_done(struct rig *unused UNUSED, const void *end)
{
	return ((const struct export_end *)end)->done;
}

static int export_to(const char *subdir, int *ret_fd)
{
	autofree char *path = mem_asprintf("%s/target", rig.top);
	struct export_end end = {0};
	struct watch_export_spec spec = {
		.rev = rig.rev, .subdir = subdir, .on_end = on_exported, .data = &end};
	struct watch_export *x;
	struct err err = {0};

	cr_assert(mkdir(path, 0700) == 0);
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.target_fd = *ret_fd;
	cr_assert(watch_export(&x, rig.loop, &spec, &err) == 0, "%s", err.message);
	rig_wait(&rig, is_done, &end, "the export");
	cr_expect(end.r == 0, "%s", end.err.message);
	return end.r;
}

Test(git, an_export_writes_files_modes_and_symlinks_of_one_directory)
{
	autoclose int fd = -1;
	autofree char *text = NULL;
	char link[64] = "";
	struct stat st;
	size_t len;

	do_sh("ln -s ../../../../etc/passwd web/evil; ln -s index.html web/home; mkdir -p web/a/b; echo deep > "
	      "web/a/b/c; mkdir other; echo > other/x.yaml; git add -A; git commit -qm two; git push -q origin main");
	rig_watch_first(&rig, NULL, NULL);
	export_to("web", &fd);
	cr_expect(fs_read_at(&text, &len, fd, "web/index.html", 100) == 0 &&
		  str_eq(text, "<h1>\n"));
	cr_expect(fstatat(fd, "web/run", &st, 0) == 0 && st.st_mode == (S_IFREG | 0755));
	cr_expect(fstatat(fd, "web/a/b/c", &st, 0) == 0 && st.st_mode == (S_IFREG | 0644));
	cr_expect(readlinkat(fd, "web/evil", link, sizeof(link) - 1) > 0);
	cr_expect_str_eq(link, "../../../../etc/passwd");
	cr_expect(fstatat(fd, "other", &st, 0) < 0, "nothing but what was asked for");
}

Test(git, an_exported_release_link_is_read_at_its_real_place)
{
	const struct revision_entry *e;
	autostrlist apps = {0};
	autoclose int fd = -1;
	struct stat st;

	do_sh("mkdir -p releases/7; echo 'r: 7' > releases/7/app.yaml; ln -s releases/7 current; git add -A; "
	      "git commit -qm two; git push -q origin main");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "current/app.yaml"), "r: 7\n");
	revision_apps(rig.rev, &apps);
	cr_expect(strlist_contains(&apps, "current"));
	e = revision_find(rig.rev, "current/app.yaml");
	cr_assert(e);
	cr_expect_str_eq(e->real, "releases/7/app.yaml");
	export_to("current", &fd);
	cr_expect(fstatat(fd, e->real, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
}

/* --- repositories made to hurt
 * ------------------------------------------------------------------------------- */

struct tree_entry {
	const char *mode;
	const char *name;
	const char *object;
};

/* Write a tree object byte by byte, which git itself would refuse. Returns its id. */
static char *raw_tree(const struct tree_entry *entries, size_t n)
{
	autofree char *path = mem_asprintf("%s/raw", rig.top);
	FILE *f = fopen(path, "we");

	cr_assert(f);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s %s", entries[i].mode, entries[i].name);
		fputc(0, f);
		for (unsigned k = 0; k < 20; k++) {
			unsigned byte;

			cr_assert(sscanf(entries[i].object + 2 * k, "%2x", &byte) == 1);
			fputc((int)byte, f);
		}
	}
	cr_assert(fclose(f) == 0);
	return sh("git -C $BARE hash-object -t tree -w --literally ../raw");
}

static void point_main_at(const char *tree)
{
	autofree char *script =
		mem_asprintf("c=$(git -C $BARE commit-tree -m evil %s); git -C $BARE update-ref "
			     "refs/heads/main $c",
			     tree);

	do_sh(script);
}

Test(git, trees_that_git_would_never_write_are_refused_whole)
{
	static const struct {
		const char *what;
		struct tree_entry entries[2];
		size_t n;
		const char *reason;
	} cases[] = {
		{"parent directory", {{"100644", "..", "B"}}, 1, "InvalidTree"},
		{"the directory itself", {{"100644", ".", "B"}}, 1, "InvalidTree"},
		{"a git directory", {{"40000", ".git", "T"}}, 1, "InvalidTree"},
		{"a git directory in capitals", {{"40000", ".GiT", "T"}}, 1, "InvalidTree"},
		{"a path as a name", {{"100644", "../../etc/cron.d/x", "B"}}, 1, "InvalidTree"},
		{"an absolute path", {{"100644", "/etc/cron.d/x", "B"}}, 1, "InvalidTree"},
		{"a file twice",
		 {{"100644", "a.yaml", "B"}, {"100644", "a.yaml", "B"}},
		 2,
		 "InvalidTree"},
		{"a symlink and a directory of one name",
		 {{"120000", "a", "L"}, {"40000", "a", "T"}},
		 2,
		 "InvalidTree"},
		{"a device", {{"60644", "sda", "B"}}, 1, "InvalidTree"},
		{"a set-uid file", {{"104755", "su", "B"}}, 1, "InvalidTree"},
		{"a blob called a directory", {{"40000", "d", "B"}}, 1, "InvalidTree"},
		{"a tree called a file", {{"100644", "f", "T"}}, 1, "InvalidTree"},
		{"a symlink without text", {{"120000", "l", "E"}}, 1, "InvalidTree"},
	};
	autofree char *blob = NULL, *link = NULL, *tree = NULL, *empty = NULL;

	do_sh("git push -q origin main");
	blob = sh("echo data | git -C $BARE hash-object -w --stdin");
	link = sh("printf /etc | git -C $BARE hash-object -w --stdin");
	empty = sh("git -C $BARE hash-object -w --stdin < /dev/null");
	tree = sh("git rev-parse HEAD:web");
	rig_watch_first(&rig, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tree_entry entries[2];
		autofree char *evil = NULL;

		for (size_t k = 0; k < cases[i].n; k++) {
			const char *object = cases[i].entries[k].object;

			entries[k] = cases[i].entries[k];
			entries[k].object = *object == 'B'   ? blob
					    : *object == 'L' ? link
					    : *object == 'E' ? empty
							     : tree;
		}
		evil = raw_tree(entries, cases[i].n);
		rig.problem = (struct err){0};
		point_main_at(evil);
		rig_wait(&rig, rig_problem, cases[i].reason, cases[i].what);
		cr_expect(rig.n_revisions == 1, "%s", cases[i].what);
		/* And an honest commit ends it. */
		do_sh("git push -q -f origin main");
		rig_wait(&rig, rig_no_problem, NULL, cases[i].what);
	}
}

Test(git, links_out_of_the_tree_and_submodules_are_data_and_nothing_else)
{
	autofree char *link = NULL, *dotdot = NULL, *tree = NULL;

	link = sh("printf /etc/passwd | git -C $BARE hash-object -w --stdin");
	dotdot = sh("printf ../../../../etc/passwd | git -C $BARE hash-object -w --stdin");
	{
		const struct tree_entry entries[] = {
			{"120000", "a.yaml", link},
			{"120000", "b.yaml", dotdot},
			{"160000", "sub", "0123456789012345678901234567890123456789"},
		};

		tree = raw_tree(entries, ARRAY_SIZE(entries));
	}
	point_main_at(tree);
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "(none)");
	cr_expect_str_eq(rig_text(&rig, "b.yaml"), "(none)");
	cr_assert(rig_has(&rig, "a.yaml"));
	cr_expect(revision_find(rig.rev, "a.yaml")->mode == REVISION_MODE_LINK);
	cr_expect(rig_lacks(&rig, "sub"));
	cr_expect(rig_noticed(&rig, "sub: submodules") &&
		  rig_noticed(&rig, "a.yaml: a symlink that leads out"));
}

Test(git, bombs_of_trees_and_depth_are_refused)
{
	autofree char *id = sh("echo x | git -C $BARE hash-object -w --stdin");
	bool tree = false;

	/* 12 levels of 10 times the same subtree are 10^12 files in 13 objects. */
	for (unsigned level = 0; level < 12; level++) {
		const char *mode = tree ? "40000" : "100644";
		const struct tree_entry e[] = {{mode, "a", id}, {mode, "b", id}, {mode, "c", id},
					       {mode, "d", id}, {mode, "e", id}, {mode, "f", id},
					       {mode, "g", id}, {mode, "h", id}, {mode, "i", id},
					       {mode, "j", id}};
		char *next = raw_tree(e, ARRAY_SIZE(e));

		free(id);
		id = next;
		tree = true;
	}
	point_main_at(id);
	rig_watch(&rig, NULL, NULL);
	rig_wait(&rig, rig_problem, "SourceTooLarge", "the tree bomb");
	for (unsigned level = 0; level < 70; level++) {
		const struct tree_entry e[] = {{"40000", "d", id}};
		char *next;

		if (level == 0) {
			free(id);
			id = sh("echo y | git -C $BARE hash-object -w --stdin");
			do_sh("git push -q -f origin main");
			rig_wait_revisions(&rig, 1);
		}
		next = raw_tree(level == 0 ? &(struct tree_entry){"100644", "f", id} : e, 1);
		free(id);
		id = next;
	}
	point_main_at(id);
	rig_wait(&rig, rig_problem, "SourceTooLarge", "the deep tree");
	cr_expect(rig.n_revisions == 1);
}

Test(git, repositories_that_borrow_or_miss_objects_or_are_of_another_form_are_refused)
{
	do_sh("git push -q origin main; echo /elsewhere > $BARE/objects/info/alternates");
	rig_watch(&rig, NULL, NULL);
	rig_wait(&rig, rig_problem, "UnsupportedRepository", "alternates");
	do_sh("rm $BARE/objects/info/alternates; mkdir $BARE/reftable");
	rig.problem = (struct err){0};
	watch_source_rescan(rig.src);
	rig_wait(&rig, rig_problem, "UnsupportedRepository", "reftable");
	rig.problem = (struct err){0};
	do_sh("rmdir $BARE/reftable; echo 'ref: /etc/passwd' > $BARE/refs/heads/main");
	rig_wait(&rig, rig_problem, "UnsupportedRepository", "a ref that leaves refs");
	do_sh("echo 0000000000000000000000000000000000000001 > $BARE/refs/heads/main");
	rig_wait(&rig, rig_problem, "SourceUnreadable", "a commit that is not there");
	do_sh("rm $BARE/refs/heads/main; git push -q -f origin main");
	rig_wait_revisions(&rig, 1);
}
