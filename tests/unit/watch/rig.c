/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"

static void on_revision(struct watch_source *src, struct revision *rev, void *data)
{
	struct rig *rig = data;

	cr_assert(!rig->src || src == rig->src);
	revision_unref(rig->rev);
	rig->rev = revision_ref(rev);
	rig->n_revisions++;
}

static void on_problem(struct watch_source *src UNUSED, const struct err *err, void *data)
{
	struct rig *rig = data;

	rig->problem = err ? *err : (struct err){0};
	rig->n_problems++;
}

static void on_notice(struct watch_source *src UNUSED, const char *text, void *data)
{
	struct rig *rig = data;

	strlist_add(&rig->notices, text);
}

void rig_init(struct rig *rig)
{
	char top[] = "/tmp/recond-watch.XXXXXX";

	*rig = (struct rig){0};
	cr_assert(mkdtemp(top));
	rig->top = mem_strdup(top);
	rig->dir = mem_asprintf("%s/src", top);
	cr_assert(mkdir(rig->dir, 0755) == 0);
	cr_assert(sd_event_new(&rig->loop) >= 0);
}

void rig_deinit(struct rig *rig)
{
	autoclose int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	rig->src = watch_source_free(rig->src);
	revision_unref(rig->rev);
	strlist_deinit(&rig->notices);
	sd_event_unref(rig->loop);
	cr_assert(fs_remove_tree(tmp, strrchr(rig->top, '/') + 1) == 0);
	free(rig->dir);
	free(rig->top);
}

void rig_watch(struct rig *rig, const char *spec, const struct watch_options *o)
{
	static const struct watch_callbacks callbacks = {on_revision, on_problem, on_notice};
	struct err err = {0};

	cr_assert(watch_source_new(&rig->src, rig->loop, spec ?: rig->dir, o, &callbacks, rig,
				   &err) == 0,
		  "%s", err.message);
}

void rig_watch_first(struct rig *rig, const char *spec, const struct watch_options *o)
{
	rig_watch(rig, spec, o);
	rig_wait_revisions(rig, 1);
}

void rig_wait(struct rig *rig, bool (*fn)(struct rig *rig, const void *arg), const void *arg,
	      const char *what)
{
	uint64_t deadline = clock_boottime_ms() + RIG_DEADLINE_MS;

	while (!fn(rig, arg)) {
		autofree char *state = NULL;
		autojson *j = watch_source_describe(rig->src);

		cr_assert(sd_event_run(rig->loop, 100000) >= 0);
		state = json_pretty(j);
		cr_assert(clock_boottime_ms() < deadline, "waiting for: %s; problem '%s'; %s", what,
			  rig->problem.message, state);
	}
}

static bool has_revisions(struct rig *rig, const void *n)
{
	return rig->n_revisions >= *(const unsigned *)n;
}

void rig_wait_revisions(struct rig *rig, unsigned n)
{
	rig_wait(rig, has_revisions, &n, "a revision");
}

bool rig_has(struct rig *rig, const void *path)
{
	return rig->rev && revision_find(rig->rev, path);
}

bool rig_lacks(struct rig *rig, const void *path)
{
	return rig->rev && !revision_find(rig->rev, path);
}

bool rig_noticed(struct rig *rig, const void *part)
{
	for (size_t i = 0; i < rig->notices.n; i++)
		if (strstr(rig->notices.items[i], part))
			return true;
	return false;
}

bool rig_problem(struct rig *rig, const void *reason)
{
	return rig->problem.code < 0 && str_eq(rig->problem.reason, reason);
}

bool rig_no_problem(struct rig *rig, const void *unused UNUSED)
{
	return rig->problem.code == 0;
}

int64_t rig_stat(struct rig *rig, const char *key)
{
	autojson *j = watch_source_describe(rig->src);

	return json_path_int(j, key, -1);
}

unsigned rig_scans(struct rig *rig)
{
	return (unsigned)rig_stat(rig, "scans");
}

bool rig_scanned(struct rig *rig, const void *n)
{
	autojson *j = watch_source_describe(rig->src);

	return json_path_int(j, "scans", 0) >= *(const unsigned *)n &&
	       str_eq(json_path_str(j, "state", ""), "idle");
}

char *rig_path(struct rig *rig, const char *path)
{
	return mem_asprintf("%s/%s", rig->dir, path);
}

void rig_write(struct rig *rig, const char *path, const char *text)
{
	autofree char *full = rig_path(rig, path);
	autoclose int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0, "%s", full);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

void rig_mkdir(struct rig *rig, const char *path)
{
	autofree char *full = rig_path(rig, path);

	cr_assert(mkdir(full, 0755) == 0, "%s", full);
}

void rig_rename(struct rig *rig, const char *from, const char *to)
{
	autofree char *a = rig_path(rig, from), *b = rig_path(rig, to);

	cr_assert(rename(a, b) == 0, "%s %s", a, b);
}

void rig_symlink(struct rig *rig, const char *text, const char *path)
{
	autofree char *full = rig_path(rig, path);

	cr_assert(symlink(text, full) == 0, "%s", full);
}

void rig_unlink(struct rig *rig, const char *path)
{
	autofree char *full = rig_path(rig, path);

	cr_assert(unlink(full) == 0, "%s", full);
}

static bool fenced(struct rig *rig, const void *text)
{
	char digest[DIGEST_STR_SIZE];
	const struct revision_entry *e = rig->rev ? revision_find(rig->rev, "fence.txt") : NULL;

	digest_bytes(digest, text, strlen(text));
	return e && str_eq(e->digest, digest);
}

unsigned rig_fence(struct rig *rig)
{
	static unsigned n;
	autofree char *text = mem_asprintf("fence %u\n", ++n);
	unsigned before = rig->n_revisions;

	rig_write(rig, "fence.txt", text);
	rig_wait(rig, fenced, text, "the fence");
	return rig->n_revisions - before;
}

const char *rig_text(struct rig *rig, const char *path)
{
	size_t len;

	return revision_content(rig->rev, path, &len) ?: "(none)";
}
