/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of people who ask something of an app at a bad moment: while it rolls, while its source
 * cannot be read, after it left its source.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1", "web:2", "web:3", "web:crash", "other:1"};

	w = world_new(13);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(requests, .init = setup, .fini = teardown);

static json_t *other(const char *image)
{
	return json_pack("[o, o]", world_deployment("a", image, 1),
			 world_deployment("b", image, 1));
}

/* The shop with one Deployment, beside an app that keeps most of the source. */
static json_t *shop_of(json_t *deployment)
{
	return json_pack("{s:{s:[o]}, s:{s:o}}", "shop", "objects", deployment, "other", "objects",
			 other("other:1"));
}

static json_t *shop(const char *image)
{
	return shop_of(world_deployment("web", image, 2));
}

static json_t *without_shop(void)
{
	return json_pack("{s:{s:o}}", "other", "objects", other("other:1"));
}

static json_t *slow(const char *image)
{
	json_t *d = world_deployment("web", image, 2);

	json_path_set_new(d, "spec.minReadySeconds", json_integer(60));
	return shop_of(d);
}

static void push(json_t *apps, uint64_t run_ms)
{
	world_push(w, apps);
	world_run(w, run_ms);
}

static void expect(const char *phase, const char *reason)
{
	const json_t *app = store_get(world_store(w), KIND_APP, NULL, "shop");

	cr_assert(str_eq(world_app_phase(w, "shop"), phase) &&
			  str_eq(world_app_reason(w, "shop"), reason),
		  "got %s (%s: %s), want %s (%s)", world_app_phase(w, "shop"),
		  world_app_reason(w, "shop"), json_path_str(app, "status.message", ""), phase,
		  reason);
}

static void expect_runs(const char *image)
{
	cr_assert_eq(world_running(w, image), 2, "%s: got %u, want 2", image,
		     world_running(w, image));
}

static void act(const char *action, json_t *args)
{
	struct err err = {0};

	cr_assert_eq(world_act(w, "shop", action, args, &err), 0, "%s: %s", action, err.message);
}

static void expect_refused(const char *action, json_t *args, const char *reason)
{
	struct err err = {0};

	cr_assert_lt(world_act(w, "shop", action, args, &err), 0, "%s was not refused", action);
	cr_assert_str_eq(err.reason, reason, "%s: got %s (%s), want %s", action, err.reason,
			 err.message, reason);
}

static int64_t effective_number(void)
{
	return json_path_int(store_get(world_store(w), KIND_APP, NULL, "shop"),
			     "status.effective.n", 0);
}

/* ---- undo ---- */

Test(requests, undo_of_a_rollout_goes_back_to_what_was_up_before_it)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(slow("web:crash"), 1000);
	expect("Progressing", "");
	act("undo", NULL);
	world_run(w, 20000);
	expect("Held", "Undone");
	cr_assert_eq(effective_number(), 2, "got %lld", (long long)effective_number());
	expect_runs("web:2");
	act("undo", NULL);
	world_run(w, 20000);
	expect_runs("web:1");
}

Test(requests, undo_of_a_first_rollout_has_nothing_to_go_back_to)
{
	push(slow("web:1"), 1000);
	expect("Progressing", "");
	expect_refused("undo", NULL, "NoHistory");
}

Test(requests, undo_while_an_image_is_missing_stays_until_a_new_input)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(shop("web:later"), 20000);
	expect("Held", "ErrImagePull");
	world_crash(w);
	world_run(w, 20000);
	act("undo", NULL);
	world_run(w, 20000);
	expect_runs("web:1");
	expect("Held", "Undone");
	world_add_image(w, "web:later");
	world_crash(w);
	world_run(w, 700000);
	expect_runs("web:1");
	push(shop("web:3"), 20000);
	expect("Verified", "");
}

Test(requests, undo_while_the_manifests_are_wrong_is_done)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(json_pack("{s:{s:[], s:[s]}, s:{s:o}}", "shop", "objects", "errors", "a.yaml:1: no",
		       "other", "objects", other("other:1")),
	     1000);
	world_crash(w);
	world_run(w, 1000);
	act("undo", NULL);
	world_run(w, 20000);
	expect_runs("web:1");
}

Test(requests, undo_before_the_source_was_read_is_not_lost_when_it_is)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	world_crash(w); /* the source has not spoken yet */
	act("undo", NULL);
	world_run(w, 20000);
	expect("Held", "Undone");
	expect_runs("web:1");
	push(shop("web:3"), 20000);
	expect("Verified", "");
}

Test(requests, what_was_brought_back_can_go_back_and_stays)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(without_shop(), 60000);
	cr_assert_eq(world_running(w, "web:2"), 0);
	act("undelete", NULL);
	world_run(w, 20000);
	expect_runs("web:2");
	act("undo", NULL);
	world_run(w, 60000);
	expect_runs("web:1");
	expect("Held", "Undeleted");
	world_crash(w);
	world_run(w, 60000);
	expect_runs("web:1");
	push(shop("web:3"), 20000);
	expect("Verified", "");
	expect_runs("web:3");
}

Test(requests, what_waits_for_its_deletion_to_be_confirmed_cannot_go_back)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(json_pack("{s:{s:[]}}", "empty", "objects"), 20000);
	expect("Held", "PruneRefused");
	expect_refused("undo", NULL, "NotInSource");
	expect_runs("web:2");
}

/* ---- pause ---- */

Test(requests, a_paused_app_that_leaves_its_source_waits_too)
{
	push(shop("web:1"), 20000);
	act("pause", NULL);
	push(without_shop(), 60000);
	expect_runs("web:1");
	expect("Held", "Paused");
	world_crash(w);
	world_run(w, 60000);
	expect_runs("web:1");
	act("resume", NULL);
	world_run(w, 60000);
	cr_assert_eq(world_running(w, "web:1"), 0);
	cr_assert_null(store_get(world_store(w), KIND_APP, NULL, "shop"));
}

Test(requests, a_paused_app_says_so_and_whether_something_waits)
{
	push(shop("web:1"), 20000);
	act("pause", NULL);
	world_run(w, 1000);
	expect("Verified", "Paused");
	push(shop("web:2"), 20000);
	expect("Held", "Paused");
	push(shop("web:1"), 20000);
	expect("Verified", "Paused");
	act("resume", NULL);
	world_run(w, 1000);
	expect("Verified", "");
}

/* ---- approve ---- */

Test(requests, what_is_to_be_confirmed_names_the_revision_that_asks_for_it)
{
	const json_t *app;

	push(shop("web:1"), 20000);
	push(json_pack("{s:{s:[]}}", "empty", "objects"), 20000);
	push(json_pack("{s:{s:[]}, s:{s:[]}}", "empty", "objects", "another", "objects"), 20000);
	expect("Held", "PruneRefused");
	app = store_get(world_store(w), KIND_APP, NULL, "shop");
	cr_assert_not_null(strstr(json_path_str(app, "status.message", ""),
				  json_path_str(app, "status.desired.revision", "?")),
			   "got %s, want the revision %s", json_path_str(app, "status.message", ""),
			   json_path_str(app, "status.desired.revision", ""));
}

/* ---- the status between two revisions ---- */

Test(requests, an_app_is_not_verified_at_a_revision_that_nobody_has_read)
{
	push(shop("web:1"), 20000);
	world_push(w, shop("web:2"));
	for (int i = 0; i < 200 && world_step(w); i++) {
		const json_t *app = store_get(world_store(w), KIND_APP, NULL, "shop");
		bool same = str_eq(json_path_str(app, "status.desired.inputs", ""),
				   json_path_str(app, "status.effective.inputs", ""));

		cr_assert(same || !str_eq(world_app_phase(w, "shop"), "Verified"),
			  "verified, with a desired revision that is not the effective one");
	}
}
