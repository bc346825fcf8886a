/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folder sources: every way in which people and programs change files.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/loop.h"
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

TestSuite(folder, .init = setup, .fini = teardown, .timeout = 60);

Test(folder, the_first_revision_comes_without_any_event_even_of_an_empty_folder)
{
	size_t n;

	rig_watch_first(&rig, NULL, NULL);
	(void)revision_entries(rig.rev, &n);
	cr_expect(n == 0);
	cr_expect_str_eq(revision_id(rig.rev), revision_tree(rig.rev));
	cr_expect_str_eq(revision_content_dir(rig.rev), rig.dir);
	cr_expect_str_eq(revision_source_name(rig.rev), "src");
}

Test(folder, modes_sizes_digests_and_kept_text_are_what_was_written)
{
	autofree char *tool = NULL;
	const struct revision_entry *e;
	char digest[DIGEST_STR_SIZE];

	rig_mkdir(&rig, "web");
	rig_write(&rig, "web/app.yaml", "kind: Pod\n");
	rig_write(&rig, "web/tool", "#!/bin/sh\n");
	tool = rig_path(&rig, "web/tool");
	cr_assert(chmod(tool, 0700) == 0);
	rig_watch_first(&rig, NULL, NULL);
	e = revision_find(rig.rev, "web/app.yaml");
	cr_assert(e);
	cr_expect(e->mode == REVISION_MODE_FILE && e->size == 10);
	cr_expect_str_eq(e->content, "kind: Pod\n");
	digest_bytes(digest, "kind: Pod\n", 10);
	cr_expect_str_eq(e->digest, digest);
	e = revision_find(rig.rev, "web/tool");
	cr_assert(e);
	cr_expect(e->mode == REVISION_MODE_EXEC && !e->content);
}

Test(folder, a_written_file_gives_one_revision)
{
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	rig_write(&rig, "a.yaml", "a: 2\n");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 2\n");
	cr_expect(rig_fence(&rig) == 1);
}

Test(folder, an_atomic_rename_gives_one_revision)
{
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	rig_write(&rig, "a.yaml.tmp", "a: 2\n");
	rig_rename(&rig, "a.yaml.tmp", "a.yaml");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 2\n");
	cr_expect(rig_fence(&rig) == 1);
}

Test(folder, what_editors_and_tools_leave_beside_a_file_never_acts)
{
	static const char *const names[] = {
		".a.yaml.swp",
		".a.yaml.swx",
		"4913",
		"a.yaml~",
		"#a.yaml#",
		".#a.yaml",
		"a.yaml.tmp",
		"a.part",
		"x.crdownload",
		"sedA1b2C3",
		".hidden.yaml",
		"a.yaml___jb_tmp___",
		"a.yaml___jb_old___",
		".goutputstream-ABCDEF",
		"lost+found",
	};

	rig_watch_first(&rig, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		rig_write(&rig, names[i], "a: 1\n");
	rig_mkdir(&rig, ".git");
	rig_write(&rig, ".git/config.yaml", "a: 1\n");
	cr_expect(rig_fence(&rig) == 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_expect(rig_lacks(&rig, names[i]), "%s", names[i]);
	cr_expect(rig_lacks(&rig, ".git"));
	/* They do not even make it look. */
	{
		unsigned scans = rig_scans(&rig);

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			rig_write(&rig, names[i], "a: 2\n");
		cr_expect(sd_event_run(rig.loop, 300000) >= 0);
		cr_expect(sd_event_run(rig.loop, 300000) == 0, "idle means idle");
		cr_expect(rig_scans(&rig) == scans);
	}
}

Test(folder, a_dockerignore_counts)
{
	rig_watch_first(&rig, NULL, NULL);
	rig_write(&rig, ".dockerignore", "*.log\n");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, ".dockerignore"), "*.log\n");
}

/* Open PATH as a program that is not done with it; returns the fd. */
static int open_half(const char *path, const char *text)
{
	autofree char *full = rig_path(&rig, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

Test(folder, a_half_written_new_file_is_not_there_until_it_is_closed)
{
	int fd;

	rig_watch_first(&rig, NULL, NULL);
	fd = open_half("a.yaml", "a: ");
	rig_fence(&rig);
	cr_expect(rig_lacks(&rig, "a.yaml"));
	cr_assert(write(fd, "1\n", 2) == 2);
	rig_fence(&rig);
	cr_expect(rig_lacks(&rig, "a.yaml"));
	(void)close(fd);
	rig_wait(&rig, rig_has, "a.yaml", "the file to be closed");
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 1\n");
	cr_expect(rig_noticed(&rig, "open for writing"));
}

Test(folder, a_half_rewritten_file_keeps_its_old_content_until_it_is_closed)
{
	char old[DIGEST_STR_SIZE];
	int fd, bin;

	rig_write(&rig, "a.yaml", "old\n");
	rig_write(&rig, "a.bin", "old\n");
	rig_watch_first(&rig, NULL, NULL);
	memcpy(old, revision_find(rig.rev, "a.bin")->digest, sizeof(old));
	fd = open_half("a.yaml", "ne");
	bin = open_half("a.bin", "ne");
	rig_fence(&rig);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "old\n");
	cr_expect_str_eq(revision_find(rig.rev, "a.bin")->digest, old);
	cr_assert(write(fd, "w\n", 2) == 2);
	(void)close(fd);
	(void)close(bin);
	rig_wait_revisions(&rig, 3);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "new\n");
}

Test(folder, the_first_revision_waits_for_a_manifest_that_is_being_written)
{
	int fd;

	rig_write(&rig, "b.yaml", "b: 1\n");
	fd = open_half("a.yaml", "a: ");
	rig_watch(&rig, NULL, NULL);
	rig_wait(&rig, rig_noticed, "a.yaml: open for writing", "the notice");
	cr_expect(rig.n_revisions == 0);
	cr_assert(write(fd, "1\n", 2) == 2);
	(void)close(fd);
	rig_wait_revisions(&rig, 1);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 1\n");
}

/* Run FN in a child until stop() ends it. */
static pid_t start(void (*fn)(void))
{
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			fn();
	}
	return pid;
}

static void stop(pid_t pid)
{
	cr_assert(kill(pid, SIGKILL) == 0);
	cr_assert(waitpid(pid, NULL, 0) == pid);
}

struct noise {
	sd_event_source *timer;
	unsigned n;
};

/* On the loop itself, every millisecond: no scan is so short that none of these falls into it. */
static void write_noise(void *data)
{
	struct noise *noise = data;
	autofree char *text = mem_asprintf("noise %u\n", noise->n++);

	rig_write(&rig, "noise.txt", text);
	cr_assert(loop_timer(&noise->timer, rig.loop, 1, write_noise, noise) >= 0);
}

Test(folder, a_busy_writer_starves_nobody)
{
	struct noise noise = {0};

	rig_mkdir(&rig, "web");
	rig_write(&rig, "web/a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	write_noise(&noise);
	rig_write(&rig, "web/a.yaml", "a: 2\n");
	for (unsigned i = 0; i < 3; i++) {
		autofree char *path = mem_asprintf("web/%u.yaml", i);

		rig_write(&rig, path, "b: 1\n");
		rig_wait(&rig, rig_has, path, "a change beside a busy writer");
	}
	cr_expect_str_eq(rig_text(&rig, "web/a.yaml"), "a: 2\n");
	sd_event_source_disable_unref(noise.timer);
}

static bool looked(struct rig *r, const void *n)
{
	return rig_scans(r) >= *(const unsigned *)n;
}

static bool is_late(struct rig *r UNUSED, const void *until)
{
	return clock_boottime_ms() >= *(const uint64_t *)until;
}

Test(folder, a_burst_is_one_revision_and_is_not_torn)
{
	uint64_t until;

	rig_write(&rig, "00.yaml", "0\n");
	rig_watch_first(&rig, NULL, NULL);
	/* Longer than the quiet window, shorter than the bound: all of it or nothing. */
	for (unsigned i = 1; i <= 10; i++) {
		autofree char *path = mem_asprintf("%02u.yaml", i);

		rig_write(&rig, path, "x\n");
		until = clock_boottime_ms() + 8;
		rig_wait(&rig, is_late, &until, "the next file of the burst");
	}
	rig_wait(&rig, rig_has, "10.yaml", "the burst");
	cr_expect(rig.n_revisions <= 3, "%u", rig.n_revisions);
	cr_expect(rig_has(&rig, "01.yaml"));
}

Test(folder, a_checkout_that_is_going_on_is_waited_for)
{
	unsigned scans;

	rig_mkdir(&rig, ".git");
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_write(&rig, "b.yaml", "b: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	scans = rig_scans(&rig) + 2;
	rig_write(&rig, ".git/index.lock", "");
	rig_write(&rig, "a.yaml", "a: 2\n");
	rig_wait(&rig, looked, &scans, "looks at the first half");
	cr_expect(rig.n_revisions == 1);
	rig_write(&rig, "b.yaml", "b: 2\n");
	rig_unlink(&rig, ".git/index.lock");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 2\n");
	cr_expect_str_eq(rig_text(&rig, "b.yaml"), "b: 2\n");
}

Test(folder, a_lock_that_a_dead_git_left_behind_holds_nothing_for_ever)
{
	rig_mkdir(&rig, ".git");
	rig_write(&rig, ".git/index.lock", "");
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 1\n");
}

Test(folder, a_folder_that_everybody_can_write_is_said)
{
	cr_assert(chmod(rig.dir, 0777) == 0);
	rig_watch_first(&rig, NULL, NULL);
	cr_expect(rig_noticed(&rig, "every user of this host can write"));
}

Test(folder, a_touch_gives_no_revision)
{
	autofree char *path = rig_path(&rig, "a.yaml");
	unsigned scans;

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	scans = rig_scans(&rig) + 1;
	cr_assert(utimensat(AT_FDCWD, path, NULL, 0) == 0);
	rig_wait(&rig, rig_scanned, &scans, "a look");
	cr_expect(rig.n_revisions == 1);
	cr_expect(rig_fence(&rig) == 1);
}

Test(folder, the_same_content_written_again_gives_no_revision)
{
	unsigned scans;

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	scans = rig_scans(&rig) + 1;
	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_wait(&rig, rig_scanned, &scans, "a look");
	cr_expect(rig.n_revisions == 1);
	cr_expect(rig_fence(&rig) == 1);
}

Test(folder, a_change_of_the_executable_bit_is_a_change)
{
	autofree char *path = rig_path(&rig, "run");

	rig_write(&rig, "run", "#!/bin/sh\n");
	rig_watch_first(&rig, NULL, NULL);
	cr_assert(chmod(path, 0755) == 0);
	rig_wait_revisions(&rig, 2);
	cr_expect(revision_find(rig.rev, "run")->mode == REVISION_MODE_EXEC);
}

Test(folder, new_nested_directories_are_seen_and_watched)
{
	rig_watch_first(&rig, NULL, NULL);
	rig_mkdir(&rig, "a");
	rig_mkdir(&rig, "a/b");
	rig_mkdir(&rig, "a/b/c");
	rig_write(&rig, "a/b/c/f.yaml", "f: 1\n");
	rig_wait(&rig, rig_has, "a/b/c/f.yaml", "the file in new directories");
	rig_write(&rig, "a/b/c/g.yaml", "g: 1\n");
	rig_wait(&rig, rig_has, "a/b/c/g.yaml", "an event in the new directory");
	cr_expect(rig_stat(&rig, "watches") == 4);
}

Test(folder, directories_moved_within_out_of_and_into_the_tree)
{
	unsigned scans;

	rig_mkdir(&rig, "a");
	rig_mkdir(&rig, "a/sub");
	rig_write(&rig, "a/sub/f.yaml", "f: 1\n");
	rig_watch_first(&rig, NULL, NULL);

	rig_rename(&rig, "a", "b");
	rig_wait(&rig, rig_has, "b/sub/f.yaml", "the new place");
	rig_wait(&rig, rig_lacks, "a", "the old place to be gone");
	cr_expect_str_eq(rig_text(&rig, "b/sub/f.yaml"), "f: 1\n", "known text moves along");
	rig_write(&rig, "b/sub/g.yaml", "g: 1\n");
	rig_wait(&rig, rig_has, "b/sub/g.yaml", "events in the new place");

	rig_rename(&rig, "b", "../outside");
	rig_wait(&rig, rig_lacks, "b", "what was moved out to be gone");
	cr_expect(rig_stat(&rig, "watches") == 1, "what was moved out is not watched any more");
	scans = rig_scans(&rig);
	rig_write(&rig, "../outside/sub/h.yaml", "h: 1\n");
	rig_fence(&rig);
	cr_expect(rig_scans(&rig) == scans + 1);

	rig_rename(&rig, "../outside", "c");
	rig_wait(&rig, rig_has, "c/sub/h.yaml", "what was moved in");
	rig_write(&rig, "c/sub/i.yaml", "i: 1\n");
	rig_wait(&rig, rig_has, "c/sub/i.yaml", "events in what was moved in");
}

Test(folder, a_deletion_is_published_after_a_second_look)
{
	unsigned scans;

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_write(&rig, "b.yaml", "b: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	scans = rig_scans(&rig);
	rig_unlink(&rig, "a.yaml");
	rig_wait(&rig, rig_lacks, "a.yaml", "the deletion");
	cr_expect(rig_scans(&rig) == scans + 2, "%u", rig_scans(&rig) - scans);
	cr_expect(rig.n_revisions == 2);
}

Test(folder, a_file_that_is_deleted_and_made_again_was_never_gone)
{
	unsigned scans;

	rig_write(&rig, "a.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	scans = rig_scans(&rig) + 1;
	rig_unlink(&rig, "a.yaml");
	rig_wait(&rig, looked, &scans, "a look at the gap");
	cr_expect(rig.n_revisions == 1);
	rig_write(&rig, "a.yaml", "a: 2\n");
	rig_wait_revisions(&rig, 2);
	cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 2\n");
}

Test(folder, a_hard_link_put_into_the_tree_is_seen)
{
	autofree char *from = rig_path(&rig, "../outside.yaml"), *to = rig_path(&rig, "a.yaml");

	rig_write(&rig, "../outside.yaml", "a: 1\n");
	rig_watch_first(&rig, NULL, NULL);
	cr_assert(link(from, to) == 0);
	rig_wait(&rig, rig_has, "a.yaml", "the hard link");
	cr_expect(rig_noticed(&rig, "hard-linked"));
}

Test(folder, a_full_event_queue_loses_nothing)
{
	rig_write(&rig, "a", "x\n");
	rig_watch_first(&rig, NULL, NULL);
	/* Nobody reads meanwhile; 16,384 is the kernel's default, and what comes last is what gets
	 * lost. */
	for (unsigned i = 0; i < 9000; i++) {
		rig_rename(&rig, "a", "b");
		rig_rename(&rig, "b", "a");
	}
	rig_mkdir(&rig, "late");
	rig_write(&rig, "late/a.yaml", "a: 1\n");
	rig_wait(&rig, rig_has, "late/a.yaml", "the file whose event was lost");
	cr_expect(rig_stat(&rig, "overflows") == 1);
	rig_write(&rig, "late/b.yaml", "b: 1\n");
	rig_wait(&rig, rig_has, "late/b.yaml", "an event after the overflow");
}

Test(folder, at_the_limit_of_watches_it_says_so_and_polls)
{
	struct watch_options o = WATCH_OPTIONS_INIT;

	o.max_watches = 2;
	o.poll_ms = 50;
	rig_mkdir(&rig, "a");
	rig_mkdir(&rig, "b");
	rig_mkdir(&rig, "c");
	rig_watch_first(&rig, NULL, &o);
	cr_expect(rig_noticed(&rig, "polling instead"));
	rig_write(&rig, "a/x.yaml", "x: 1\n");
	rig_write(&rig, "b/x.yaml", "x: 1\n");
	rig_write(&rig, "c/x.yaml", "x: 1\n");
	rig_wait(&rig, rig_has, "a/x.yaml", "polling");
	rig_wait(&rig, rig_has, "b/x.yaml", "polling");
	rig_wait(&rig, rig_has, "c/x.yaml", "polling");
	rig_rename(&rig, "b", "../b");
	rig_rename(&rig, "c", "../c");
	rig_wait(&rig, rig_noticed, "no more polling", "enough watches again");
	cr_expect(rig_stat(&rig, "watches") == 2);
}

Test(folder, too_many_files_are_a_problem_that_deleting_them_ends)
{
	struct watch_options o = WATCH_OPTIONS_INIT;

	o.max_entries = 4;
	rig_mkdir(&rig, "d");
	for (unsigned i = 0; i < 5; i++) {
		autofree char *path = mem_asprintf("d/%u", i);

		rig_write(&rig, path, "x\n");
	}
	rig_watch(&rig, NULL, &o);
	rig_wait(&rig, rig_problem, "SourceTooLarge", "the limit");
	rig_unlink(&rig, "d/0");
	rig_unlink(&rig, "d/1");
	rig_wait_revisions(&rig, 1);
	cr_expect(rig.problem.code == 0);
}

Test(folder, pipes_and_sockets_are_left_out_and_block_nothing)
{
	autofree char *pipe_path = rig_path(&rig, "pipe.yaml");

	cr_assert(mkfifo(pipe_path, 0644) == 0);
	rig_watch_first(&rig, NULL, NULL);
	cr_expect(rig_lacks(&rig, "pipe.yaml"));
	cr_expect(rig_noticed(&rig, "pipe.yaml: sockets, pipes and devices"));
}

static void swap(void)
{
	static unsigned n;
	static const char *const kinds[] = {"old.yaml", "pipe.src", "link.src", "new.yaml"};
	autofree char *from = rig_path(&rig, kinds[n % ARRAY_SIZE(kinds)]),
		      *tmp = rig_path(&rig, "../swap");
	autofree char *to = rig_path(&rig, "web/target.yaml");

	n++;
	(void)unlink(tmp);
	if (linkat(AT_FDCWD, from, AT_FDCWD, tmp, 0) == 0)
		(void)rename(tmp, to);
}

Test(folder, a_file_swapped_with_pipes_and_links_to_the_host_never_shows_the_host)
{
	autofree char *pipe_path = rig_path(&rig, "pipe.src");
	pid_t swapper;

	rig_mkdir(&rig, "web");
	rig_write(&rig, "old.yaml", "old\n");
	rig_write(&rig, "new.yaml", "new\n");
	rig_symlink(&rig, "/etc/passwd", "link.src");
	cr_assert(mkfifo(pipe_path, 0644) == 0);
	rig_watch_first(&rig, NULL, NULL);
	swapper = start(swap);
	for (unsigned i = 0; i < 10; i++) {
		const char *text;

		rig_fence(&rig);
		text = rig_text(&rig, "web/target.yaml");
		cr_expect(str_eq(text, "old\n") || str_eq(text, "new\n") || str_eq(text, "(none)"),
			  "%s", text);
	}
	stop(swapper);
}

/* Flip a byte in the middle of each cache in TOP; there is at least one. */
static void break_caches(void)
{
	autofree char *pattern = mem_asprintf("%s/scan-*.cache", rig.top);
	glob_t found;

	cr_assert(glob(pattern, 0, NULL, &found) == 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		autoclose int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
		char byte;

		cr_assert(pread(fd, &byte, 1, 60) == 1);
		byte ^= 1;
		cr_assert(pwrite(fd, &byte, 1, 60) == 1);
	}
	globfree(&found);
}

Test(folder, a_cache_on_disk_is_used_and_a_broken_one_does_no_harm)
{
	struct watch_options o = WATCH_OPTIONS_INIT;
	autoclose int state = open(rig.top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	autofree char *path = rig_path(&rig, "a.yaml");

	o.state_dirfd = state;
	rig_write(&rig, "a.yaml", "a: 1\n");
	cr_assert(utimensat(AT_FDCWD, path, old, 0) == 0);
	for (unsigned round = 0; round < 3; round++) {
		rig_watch_first(&rig, NULL, &o);
		cr_expect_str_eq(rig_text(&rig, "a.yaml"), "a: 1\n");
		rig.src = watch_source_free(rig.src);
		rig.rev = revision_unref(rig.rev);
		rig.n_revisions = 0;
		if (round == 1)
			break_caches();
	}
}

static void free_source(struct watch_source *src, struct revision *rev UNUSED, void *data UNUSED)
{
	rig.n_revisions++;
	watch_source_free(src);
}

Test(folder, a_callback_may_free_its_source)
{
	static const struct watch_callbacks callbacks = {.on_revision = free_source};
	struct watch_source *src;

	cr_assert(watch_source_new(&src, rig.loop, rig.dir, NULL, &callbacks, &rig, NULL) == 0);
	while (rig.n_revisions == 0)
		cr_assert(sd_event_run(rig.loop, 1000000) >= 0);
}
