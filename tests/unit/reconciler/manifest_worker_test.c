/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker recond-manifest as the daemon sees it: the same result as decoding in process, for
 * friendly and hostile files, and an error instead of a hang when it can't be had.
 */
#include "reconciler/manifest_worker.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/manifest.h"

struct run {
	sd_event *loop;
	sd_event_source *guard;
	struct manifest_worker *worker;
	json_t *result;
	struct err err;
	int calls;
};

static void on_done(struct manifest_worker *w, const json_t *result, const struct err *err,
		    void *data)
{
	struct run *run = data;

	run->calls++;
	run->result = result ? json_deep_copy(result) : NULL;
	if (err)
		run->err = *err;
	run->worker = manifest_worker_free(w);
	(void)sd_event_exit(run->loop, 0);
}

static void give_up(void *data)
{
	(void)sd_event_exit(data, 1);
}

static int start(struct run *run, const struct manifest_input *input)
{
	struct err err = {0};

	cr_assert_eq(loop_new(&run->loop, &err), 0);
	cr_assert_eq(loop_timer(&run->guard, run->loop, 60000, give_up, run->loop), 0);
	return manifest_worker_start(&run->worker, run->loop, input, on_done, run, &run->err);
}

static void finish(struct run *run)
{
	json_decref(run->result);
	(void)manifest_worker_free(run->worker);
	sd_event_source_disable_unref(run->guard);
	sd_event_unref(run->loop);
}

static char *repeat(const char *head, const char *s, size_t times)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, head);
	for (size_t i = 0; i < times; i++)
		strbuf_adds(&out, s);
	return strbuf_take(&out);
}

Test(manifest_worker, gives_what_decoding_in_process_gives)
{
	autofree char *brackets = repeat("kind: x\na: ", "[", 1000000);
	const struct manifest_file files[] = {
		{"web/good.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 49},
		{"web/nul.yaml", "kind: \0x\n", 9},
		{"web/bad.json", "\xff\xfe kind: x", 10},
		{"web/deep.yaml", brackets, strlen(brackets)},
		{"web/empty.yaml", "", 0},
	};
	const char *const dockerfiles[] = {"web/Dockerfile", NULL};
	const struct manifest_app apps[] = {
		{.name = "web", .files = files, .n_files = 5, .dockerfiles = dockerfiles},
		{.name = "ok", .files = files, .n_files = 1},
		{.name = "none"},
	};
	const struct manifest_input input = {.apps = apps, .n_apps = 3};
	autojson *want = manifest_decode(&input);
	autofree char *want_text = json_pretty(want);
	autofree char *got_text = NULL;
	struct run run = {.calls = 0};

	cr_assert_eq(start(&run, &input), 0, "%s", run.err.message);
	cr_assert_eq(sd_event_loop(run.loop), 0);
	cr_assert_eq(run.calls, 1);
	cr_assert(run.result, "%s", run.err.message);
	got_text = json_pretty(run.result);
	cr_expect_str_eq(got_text, want_text);
	cr_expect_eq(json_array_size(json_path(run.result, "apps.[0].errors")), 3, "%s", got_text);
	finish(&run);
}

Test(manifest_worker, an_empty_revision_has_no_apps)
{
	const struct manifest_input input = {.n_apps = 0};
	struct run run = {.calls = 0};

	cr_assert_eq(start(&run, &input), 0);
	cr_assert_eq(sd_event_loop(run.loop), 0);
	cr_assert(run.result);
	cr_expect_eq(json_array_size(json_object_get(run.result, "apps")), 0);
	finish(&run);
}

Test(manifest_worker, freed_early_it_never_calls_back)
{
	const struct manifest_input input = {.n_apps = 0};
	struct run run = {.calls = 0};

	cr_assert_eq(start(&run, &input), 0);
	run.worker = manifest_worker_free(run.worker);
	cr_assert_geq(sd_event_run(run.loop, 200000), 0);
	cr_expect_eq(run.calls, 0);
	finish(&run);
}

Test(manifest_worker, a_worker_that_is_not_there_is_an_error)
{
	const struct manifest_input input = {.n_apps = 0};
	struct run run = {.calls = 0};
	int r;

	cr_assert_eq(setenv("RECOND_LIBEXEC", "/nonexistent", 1), 0);
	r = start(&run, &input);
	cr_expect_lt(r, 0);
	cr_expect(*run.err.message);
	finish(&run);
}
