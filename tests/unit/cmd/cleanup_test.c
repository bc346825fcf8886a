/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files a cleanup removes: recond's by name, and never a directory that holds others'.
 */
#include "cmd/cleanup.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

struct place {
	char dir[32];
	int fd;
	struct options options;
	json_t *kept;
};

static void place_init(struct place *p)
{
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/recond-cleanup.XXXXXX");
	cr_assert(mkdtemp(p->dir));
	p->fd = fs_open(p->dir, O_RDONLY | O_DIRECTORY, 0);
	p->options = (struct options){
		.state_dir = mem_asprintf("%s/state", p->dir),
		.run_dir = mem_asprintf("%s/run", p->dir),
	};
	p->kept = json_array();
}

static void place_deinit(struct place *p)
{
	free(p->options.state_dir);
	free(p->options.run_dir);
	json_decref(p->kept);
	(void)close(p->fd);
	cr_expect_eq(fs_remove_tree(AT_FDCWD, p->dir), 0);
}

static void make(struct place *p, const char *path)
{
	autofree char *dir = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
	autoclose int fd = -1;

	cr_assert_eq(fs_mkdir_p(p->fd, dir, 0700), 0);
	fd = fs_open_at(p->fd, path, O_WRONLY | O_CREAT, 0600);
	cr_assert_geq(fd, 0);
}

static bool is_there(struct place *p, const char *path)
{
	return faccessat(p->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_all(struct place *p)
{
	static const char *const paths[] = {
		"run/boot_id", "run/pods/u1/ready", "run/events/x.exit", "run/crun/x/status",
		"state/lock",  "state/recond.db",   "state/images/a/b",  "state/logs/n/0.log",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		make(p, paths[i]);
}

Test(cleanup, the_run_directory_goes_and_the_state_stays)
{
	struct place p;
	struct err err = {0};

	place_init(&p);
	make_all(&p);
	cr_assert_eq(cleanup_files(&p.options, false, p.kept, &err), 0, "%s", err.message);
	cr_expect(!is_there(&p, "run"));
	cr_expect(is_there(&p, "state/recond.db") && is_there(&p, "state/images/a/b"));
	cr_expect_eq(json_array_size(p.kept), 0);
	cr_assert_eq(cleanup_files(&p.options, false, p.kept, &err), 0, "and again");
	place_deinit(&p);
}

Test(cleanup, a_purge_takes_the_state_too)
{
	struct place p;
	struct err err = {0};

	place_init(&p);
	make_all(&p);
	cr_assert_eq(cleanup_files(&p.options, true, p.kept, &err), 0, "%s", err.message);
	cr_expect(!is_there(&p, "run") && !is_there(&p, "state"));
	cr_assert_eq(cleanup_files(&p.options, true, p.kept, &err), 0, "and again");
	place_deinit(&p);
}

Test(cleanup, what_is_not_reconds_stays_and_is_said)
{
	struct place p;
	struct err err = {0};
	autofree char *run = NULL, *state = NULL;

	place_init(&p);
	make_all(&p);
	make(&p, "run/mine");
	make(&p, "state/backup/recond.db");
	cr_assert_eq(cleanup_files(&p.options, true, p.kept, &err), 0, "%s", err.message);
	cr_expect(is_there(&p, "run/mine") && is_there(&p, "state/backup/recond.db"));
	cr_expect(!is_there(&p, "run/pods") && !is_there(&p, "state/recond.db"));
	run = mem_asprintf("directory '%s' stays: 'mine' is not recond's", p.options.run_dir);
	state = mem_asprintf("directory '%s' stays: 'backup' is not recond's", p.options.state_dir);
	cr_expect(str_eq(json_path_str(p.kept, "[0]", ""), run));
	cr_expect(str_eq(json_path_str(p.kept, "[1]", ""), state));
	place_deinit(&p);
}

Test(cleanup, a_directory_named_by_mistake_loses_nothing)
{
	struct place p;
	struct err err = {0};

	place_init(&p);
	make(&p, "etc/passwd");
	make(&p, "etc/pods/spain");
	make(&p, "etc/images/cat");
	free(p.options.state_dir);
	free(p.options.run_dir);
	p.options.state_dir = mem_asprintf("%s/etc", p.dir);
	p.options.run_dir = mem_asprintf("%s/etc", p.dir);
	cr_assert_eq(cleanup_files(&p.options, true, p.kept, &err), 0, "%s", err.message);
	cr_expect(is_there(&p, "etc/passwd") && is_there(&p, "etc/pods/spain") &&
		  is_there(&p, "etc/images/cat"));
	place_deinit(&p);
}
