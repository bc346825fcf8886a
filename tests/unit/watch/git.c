/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git sources, driven by the git program itself: pushes, housekeeping, rewritten history, and repositories made by
 * hand to hurt.
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

/* A shell script with $BARE (the source's directory) and $WORK; returns its output without the last newline. */
static char *sh(const char *script)
{
	autofree char *full = mem_asprintf("set -e; export HOME=%s GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a "
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
