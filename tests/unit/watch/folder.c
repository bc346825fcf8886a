/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folder sources: every way in which people and programs change files.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
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
