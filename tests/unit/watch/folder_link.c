/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folder sources: symlinks (kubelet's ..data, release links, links out of the tree), and a root
 * that comes, goes and is replaced.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

static struct rig rig;

static void setup(void)
{
	rig_init(&rig);
}

static void teardown(void)
{
	rig_deinit(&rig);
}

TestSuite(folder_link, .init = setup, .fini = teardown, .timeout = 60);

static bool text_is(struct rig *r, const void *arg)
{
	const char *const *pair = arg;

	return r->rev && str_eq(rig_text(r, pair[0]), pair[1]);
}

static void wait_text(const char *path, const char *text)
{
	const char *pair[] = {path, text};

	rig_wait(&rig, text_is, pair, text);
}

/* Put a symlink in another's place in one step, as kubelet and deployment tools do. */
static void swap_link(const char *text, const char *path)
{
	autofree char *tmp = mem_asprintf("%s_tmp", path);

	rig_symlink(&rig, text, tmp);
	rig_rename(&rig, tmp, path);
}

Test(folder_link, the_data_swap_of_kubelet_changes_the_visible_names)
{
	rig_mkdir(&rig, "cm");
	rig_mkdir(&rig, "cm/..2024_1");
	rig_write(&rig, "cm/..2024_1/app.yaml", "v: 1\n");
	rig_mkdir(&rig, "cm/..2024_1/sub");
	rig_write(&rig, "cm/..2024_1/sub/x.yaml", "x: 1\n");
	rig_symlink(&rig, "..2024_1", "cm/..data");
	rig_symlink(&rig, "..data/app.yaml", "cm/app.yaml");
	rig_symlink(&rig, "..data/sub", "cm/sub");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "cm/app.yaml"), "v: 1\n");
	cr_expect_str_eq(rig_text(&rig, "cm/sub/x.yaml"), "x: 1\n");
	cr_expect(revision_find(rig.rev, "cm/app.yaml")->mode == REVISION_MODE_FILE);
	cr_expect_str_eq(revision_find(rig.rev, "cm/app.yaml")->real, "cm/..2024_1/app.yaml");
	cr_expect(rig_lacks(&rig, "cm/..data") && rig_lacks(&rig, "cm/..2024_1"));

	rig_mkdir(&rig, "cm/..2024_2");
	rig_write(&rig, "cm/..2024_2/app.yaml", "v: 2\n");
	rig_mkdir(&rig, "cm/..2024_2/sub");
	rig_write(&rig, "cm/..2024_2/sub/x.yaml", "x: 2\n");
	swap_link("..2024_2", "cm/..data");
	wait_text("cm/app.yaml", "v: 2\n");
	wait_text("cm/sub/x.yaml", "x: 2\n");
	cr_expect(rig.n_revisions == 2, "the swap is one change: %u", rig.n_revisions);
	/* The new directory is watched itself. */
	rig_write(&rig, "cm/..2024_2/sub/x.yaml", "x: 3\n");
	wait_text("cm/sub/x.yaml", "x: 3\n");
}

Test(folder_link, a_release_link_to_a_hidden_place_is_an_app)
{
	autostrlist apps = {0};

	rig_mkdir(&rig, ".releases");
	rig_mkdir(&rig, ".releases/1");
	rig_mkdir(&rig, ".releases/2");
	rig_write(&rig, ".releases/1/app.yaml", "r: 1\n");
	rig_write(&rig, ".releases/2/app.yaml", "r: 2\n");
	rig_symlink(&rig, ".releases/1", "current");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "current/app.yaml"), "r: 1\n");
	revision_apps(rig.rev, &apps);
	cr_expect(apps.n == 1 && strlist_contains(&apps, "current"));
	swap_link(".releases/2", "current");
	wait_text("current/app.yaml", "r: 2\n");
	rig_write(&rig, ".releases/2/app.yaml", "r: 3\n");
	wait_text("current/app.yaml", "r: 3\n");
}

Test(folder_link, a_chain_of_hidden_links_is_watched_in_the_middle)
{
	rig_mkdir(&rig, ".releases");
	rig_mkdir(&rig, ".releases/1");
	rig_mkdir(&rig, ".releases/2");
	rig_write(&rig, ".releases/1/app.yaml", "r: 1\n");
	rig_write(&rig, ".releases/2/app.yaml", "r: 2\n");
	rig_symlink(&rig, "1", ".releases/live");
	rig_symlink(&rig, ".releases/live", "app");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "app/app.yaml"), "r: 1\n");
	swap_link("2", ".releases/live");
	wait_text("app/app.yaml", "r: 2\n");
}

Test(folder_link, a_release_link_to_a_visible_place_is_an_app_too)
{
	const struct revision_entry *e;

	rig_mkdir(&rig, "releases");
	rig_mkdir(&rig, "releases/1");
	rig_mkdir(&rig, "releases/2");
	rig_write(&rig, "releases/1/app.yaml", "r: 1\n");
	rig_write(&rig, "releases/2/app.yaml", "r: 2\n");
	rig_symlink(&rig, "releases/1", "current");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "current/app.yaml"), "r: 1\n");
	swap_link("releases/2", "current");
	wait_text("current/app.yaml", "r: 2\n");
	e = revision_find(rig.rev, "current/app.yaml");
	cr_assert(e);
	cr_expect_str_eq(e->real, "releases/2/app.yaml");
	cr_expect_str_eq(revision_dir_digest(rig.rev, "current"),
			 revision_dir_digest(rig.rev, "releases/2"));
}

Test(folder_link, a_link_within_the_tree_gives_the_text_of_what_it_names)
{
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_mkdir(&rig, "d");
	rig_symlink(&rig, "../a.yaml", "d/b.yaml");
	rig_symlink(&rig, "d", "d/self");
	rig_symlink(&rig, "nowhere", "d/dangling.yaml");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "d/b.yaml"), "a: 1\n");
	cr_expect(revision_find(rig.rev, "d/b.yaml")->mode == REVISION_MODE_LINK);
	cr_expect_str_eq(rig_text(&rig, "d/dangling.yaml"), "(none)");
	rig_write(&rig, "a.yaml", "a: 2\n");
	wait_text("d/b.yaml", "a: 2\n");
}

Test(folder_link, links_that_leave_the_tree_are_data_and_said)
{
	rig_write(&rig, "../secret.yaml", "s: 1\n");
	rig_mkdir(&rig, ".h");
	rig_symlink(&rig, "/etc/passwd", "a.yaml");
	rig_symlink(&rig, "../secret.yaml", "b.yaml");
	rig_symlink(&rig, "..", "c");
	rig_symlink(&rig, "/etc", "d");
	rig_symlink(&rig, "../../secret.yaml", ".h/out.yaml");
	rig_symlink(&rig, ".h/out.yaml", "e.yaml");
	rig_symlink(&rig, "loop.yaml", "loop.yaml");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "(none)");
	cr_expect_str_eq(rig_text(&rig, "b.yaml"), "(none)");
	cr_expect_str_eq(rig_text(&rig, "e.yaml"), "(none)");
	cr_expect_str_eq(rig_text(&rig, "loop.yaml"), "(none)");
	cr_expect(revision_find(rig.rev, "c")->mode == REVISION_MODE_LINK);
	cr_expect(revision_find(rig.rev, "d")->mode == REVISION_MODE_LINK);
	cr_expect(rig_noticed(&rig, "and 4 more: a symlink that leads out"));
}

Test(folder_link, hidden_links_in_circles_end)
{
	rig_mkdir(&rig, ".h");
	rig_symlink(&rig, "../.h", ".h/again");
	rig_symlink(&rig, "../.g", ".h/other");
	rig_mkdir(&rig, ".g");
	rig_symlink(&rig, "../.h", ".g/back");
	rig_symlink(&rig, ".h", "app");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect(revision_find(rig.rev, "app/again")->mode == REVISION_MODE_LINK);
	cr_expect(revision_find(rig.rev, "app/other")->mode == REVISION_MODE_LINK);
}

/* --- the root
 * ------------------------------------------------------------------------------------------------
 */

Test(folder_link, a_missing_root_is_waited_for_and_said)
{
	autofree char *spec = mem_asprintf("%s/not/yet/there", rig.top);

	rig_watch(&rig, spec, NULL);
	rig_wait(&rig, rig_problem, "SourceMissing", "the problem");
	rig_mkdir(&rig, "../not");
	rig_mkdir(&rig, "../not/yet");
	rig_mkdir(&rig, "../not/yet/there");
	rig_write(&rig, "../not/yet/there/a.yaml", "a: 1\n");
	rig_wait(&rig, rig_has, "a.yaml", "the folder");
	cr_expect(rig.problem.code == 0);
}

Test(folder_link, a_root_that_goes_away_keeps_its_last_revision)
{
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	rig_rename(&rig, "../src", "../away");
	rig_wait(&rig, rig_problem, "SourceMissing", "the problem");
	cr_expect(rig.n_revisions == 1);
	{
		autofree char *from = mem_asprintf("%s/away", rig.top);

		cr_assert(rename(from, rig.dir) == 0);
	}
	rig_wait(&rig, rig_no_problem, NULL, "it to be back");
	cr_expect(rig.n_revisions == 1, "the same content is not told again");
	rig_write(&rig, "a.yaml", "a: 2\n");
	rig_wait_revisions(&rig, 2);
}

Test(folder_link, an_empty_folder_in_the_place_of_the_root_says_nothing_yet)
{
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	rig_rename(&rig, "../src", "../away");
	cr_assert(mkdir(rig.dir, 0755) == 0);
	rig_wait(&rig, rig_problem, "SourceReplaced", "the problem");
	cr_expect(rig.n_revisions == 1);
	rig_write(&rig, "b.yaml", "b: 1\n");
	rig_wait(&rig, rig_has, "b.yaml", "the content");
	rig_wait(&rig, rig_lacks, "a.yaml", "the old content to be gone");
	cr_expect(rig.problem.code == 0);
}

Test(folder_link, emptying_the_folder_itself_is_an_empty_revision)
{
	size_t n;

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	rig_unlink(&rig, "a.yaml");
	rig_wait_revisions(&rig, 2);
	(void)revision_entries(rig.rev, &n);
	cr_expect(n == 0);
}

Test(folder_link, a_root_that_is_itself_a_link_is_followed_when_swapped)
{
	autofree char *spec = mem_asprintf("%s/live", rig.top);

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_mkdir(&rig, "../next");
	rig_write(&rig, "../next/a.yaml", "a: 2\n");
	rig_symlink(&rig, "src", "../live");
	rig_watch_first(&rig, spec, NULL);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 1\n");
	swap_link("next", "../live");
	wait_text("a.yaml", "a: 2\n");
	rig_write(&rig, "../next/a.yaml", "a: 3\n");
	wait_text("a.yaml", "a: 3\n");
}
