/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of sets: how an app fails, goes back and stays there; what people may ask of it.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1", "web:2", "web:3", "web:crash"};

	w = world_new(11);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(apps, .init = setup, .fini = teardown);

static json_t *shop_of(json_t *deployment)
{
	return json_pack("{s:{s:[o]}}", "shop", "objects", deployment);
}

static json_t *shop(const char *image)
{
	return shop_of(world_deployment("web", image, 3));
}

/* Its containers end soon after their start, and it is not up before they would have shown that. */
static json_t *crashing(void)
{
	json_t *d = world_deployment("web", "web:crash", 3);

	json_path_set_new(d, "spec.minReadySeconds", json_integer(30));
	return d;
}

static json_t *annotated(const char *image, const char *key, const char *value)
{
	json_t *d = world_deployment("web", image, 3);

	object_set_annotation(d, key, value);
	return shop_of(d);
}

static const json_t *app_object(void)
{
	return store_get(world_store(w), KIND_APP, NULL, "shop");
}

static void expect(const char *phase, const char *reason)
{
	cr_assert(str_eq(world_app_phase(w, "shop"), phase) &&
			  str_eq(world_app_reason(w, "shop"), reason),
		  "got %s (%s: %s), want %s (%s)", world_app_phase(w, "shop"),
		  world_app_reason(w, "shop"), json_path_str(app_object(), "status.message", ""),
		  phase, reason);
}

static void expect_runs(const char *image)
{
	cr_assert_eq(world_running(w, image), 3, "%s: got %u, want 3", image,
		     world_running(w, image));
}

static void push(json_t *apps, uint64_t run_ms)
{
	world_push(w, apps);
	world_run(w, run_ms);
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

/* The notices of TYPE that people were given. */
static unsigned int told(const char *type)
{
	unsigned int n = 0;

	for (size_t i = 0; i < json_array_size(world_notices(w)); i++)
		n += str_eq(json_path_str(json_array_get(world_notices(w), i), "type", ""), type);
	return n;
}

/* ---- failing and going back ---- */

Test(apps, a_crash_loop_is_rolled_back_and_not_tried_again)
{
	unsigned int starts;

	push(shop("web:1"), 20000);
	push(shop_of(crashing()), 30000);
	expect("Held", "CrashLoopBackOff");
	expect_runs("web:1");
	cr_assert_str_neq(json_path_str(app_object(), "status.held.restored", ""), "");
	starts = world_starts(w);
	push(shop_of(crashing()), 600000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_eq(world_starts(w), starts, "the same input in another commit was tried again");
	world_crash(w);
	world_run(w, 600000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_eq(world_starts(w), starts, "the same input was tried again after a restart");
}

Test(apps, an_input_that_failed_before_is_held_at_once_when_it_comes_back)
{
	unsigned int starts;

	push(shop("web:1"), 20000);
	push(shop_of(crashing()), 30000);
	push(shop("web:2"), 30000);
	expect("Verified", "");
	starts = world_starts(w);
	push(shop_of(crashing()), 30000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_eq(world_starts(w), starts);
	expect_runs("web:2");
	act("retry", NULL);
	world_run(w, 30000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_gt(world_starts(w), starts, "retry did not try");
	expect_runs("web:2");
}

Test(apps, what_is_not_up_by_the_progress_deadline_is_rolled_back)
{
	json_t *d = world_deployment("web", "web:2", 3);

	push(shop("web:1"), 20000);
	json_path_set_new(d, "spec.minReadySeconds", json_integer(1000));
	json_path_set_new(d, "spec.progressDeadlineSeconds", json_integer(20));
	push(shop_of(d), 10000);
	expect("Progressing", "");
	world_run(w, 30000);
	expect("Held", "ProgressDeadlineExceeded");
	expect_runs("web:1");
	cr_assert_eq(world_running(w, "web:2"), 0);
}

static void end_one_pod_with(const char *app, int code)
{
	autojson *pods = store_list(world_store(w), KIND_POD, NULL);
	const json_t *pod = json_array_get(pods, 0);

	cr_assert_str_eq(object_label(pod, "app"), app);
	world_exit_container(w, object_uid(pod), code);
}

static void end_one_pod_of(const char *app)
{
	end_one_pod_with(app, 1);
}

Test(apps, what_becomes_unready_soon_after_it_was_verified_is_rolled_back)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 3000);
	expect("Verified", "");
	end_one_pod_of("web");
	world_run(w, 20000);
	expect("Held", "Error");
	expect_runs("web:1");
	cr_assert_eq(told("held"), 1);
}

Test(apps, what_becomes_unready_after_the_watch_stays)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	end_one_pod_of("web");
	world_run(w, 20000);
	expect("Verified", "");
	expect_runs("web:2");
}

Test(apps, an_end_that_nobody_saw_is_not_held_against_a_set)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 3000);
	expect("Verified", "");
	end_one_pod_with("web", WORLD_CODE_UNKNOWN);
	world_run(w, 30000);
	expect("Verified", "");
	expect_runs("web:2");
}

Test(apps, verify_seconds_says_how_long_it_is_watched)
{
	push(annotated("web:1", "recond.dev/verify-seconds", "0"), 3000);
	push(annotated("web:2", "recond.dev/verify-seconds", "0"), 3000);
	end_one_pod_of("web");
	world_run(w, 20000);
	expect("Verified", "");
	push(annotated("web:3", "recond.dev/verify-seconds", "120"), 60000);
	end_one_pod_of("web");
	world_run(w, 20000);
	expect("Held", "Error");
	expect_runs("web:2");
}

Test(apps, a_first_set_that_fails_stays_to_be_looked_at)
{
	push(shop_of(crashing()), 30000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_not_null(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"));
	push(shop("web:1"), 30000);
	expect("Verified", "");
}

Test(apps, an_app_that_opted_out_is_left_as_it_failed)
{
	push(shop("web:1"), 20000);
	push(json_pack("{s:{s:[o], s:{s:s}}}", "shop", "objects", crashing(), "settings",
		       "recond.dev/rollback", "false"),
	     30000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_str_eq(json_path_str(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
				       "spec.template.spec.containers.[0].image", ""),
			 "web:crash");
	world_crash(w);
	world_run(w, 30000);
	cr_assert_str_eq(json_path_str(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
				       "spec.template.spec.containers.[0].image", ""),
			 "web:crash", "a restart put it back");
	push(shop("web:1"), 30000);
	expect("Verified", "");
	expect_runs("web:1");
}

Test(apps, an_object_that_opted_out_stays_while_the_rest_goes_back)
{
	json_t *api = world_deployment("api", "web:1", 3), *web;

	push(json_pack("{s:{s:[o, o]}}", "shop", "objects", world_deployment("web", "web:1", 3),
		       api),
	     20000);
	web = crashing();
	api = world_deployment("api", "web:2", 3);
	object_set_annotation(api, "recond.dev/rollback", "false");
	push(json_pack("{s:{s:[o, o]}}", "shop", "objects", web, api), 60000);
	expect("Held", "CrashLoopBackOff");
	expect_runs("web:1");
	expect_runs("web:2");
	world_crash(w);
	world_run(w, 60000);
	expect_runs("web:2");
}

Test(apps, a_newer_revision_supersedes_a_rollout)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 40);
	push(shop("web:3"), 20000);
	expect("Verified", "");
	expect_runs("web:3");
	cr_assert_eq(told("held"), 0);
}

Test(apps, going_back_to_what_was_effective_ends_a_rollout)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 60);
	push(shop("web:1"), 20000);
	expect("Verified", "");
	expect_runs("web:1");
	cr_assert_eq(world_running(w, "web:2"), 0);
}

Test(apps, a_rollout_gets_its_verdict_while_a_newer_revision_is_invalid)
{
	push(shop("web:1"), 20000);
	push(shop_of(crashing()), 40);
	world_push(w, json_pack("{s:{s:[], s:[s]}}", "shop", "objects", "errors", "a.yaml:1: no"));
	world_run(w, 60000);
	expect("Invalid", "InvalidManifest");
	expect_runs("web:1");
}

/* ---- what people ask ---- */

Test(apps, a_paused_app_waits_with_newer_revisions)
{
	push(shop("web:1"), 20000);
	act("pause", NULL);
	expect_refused("pause", NULL, "Paused");
	push(shop("web:2"), 20000);
	expect_runs("web:1");
	cr_assert_str_neq(json_path_str(app_object(), "status.pausedSince", ""), "");
	world_crash(w);
	world_run(w, 20000);
	expect_runs("web:1");
	act("resume", NULL);
	world_run(w, 20000);
	expect("Verified", "");
	expect_runs("web:2");
	expect_refused("resume", NULL, "NotPaused");
}

Test(apps, undo_goes_back_and_stays_until_a_new_input)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	act("undo", NULL);
	world_run(w, 20000);
	expect("Held", "Undone");
	expect_runs("web:1");
	push(shop("web:2"), 20000);
	expect("Held", "Undone");
	world_crash(w);
	world_run(w, 20000);
	expect("Held", "Undone");
	expect_runs("web:1");
	push(shop("web:3"), 20000);
	expect("Verified", "");
	expect_runs("web:3");
}

Test(apps, undo_to_a_number_and_retry_to_go_on)
{
	push(shop("web:1"), 20000);
	push(shop("web:2"), 20000);
	push(shop("web:3"), 20000);
	expect_refused("undo", json_pack("{s:i}", "to", 9), "NotFound");
	act("undo", json_pack("{s:i}", "to", 1));
	world_run(w, 20000);
	expect_runs("web:1");
	act("retry", NULL);
	world_run(w, 20000);
	expect("Verified", "");
	expect_runs("web:3");
	expect_refused("retry", NULL, "NotHeld");
}

Test(apps, what_never_came_up_cannot_be_gone_back_to)
{
	push(shop("web:1"), 20000);
	push(shop_of(crashing()), 30000);
	push(shop("web:2"), 20000);
	expect_refused("undo", json_pack("{s:i}", "to", 2), "NeverUp");
}

Test(apps, history_says_what_was_rolled_out_and_how_it_ended)
{
	static const char *const want[] = {"Verified", "Held", "Verified"};
	autojson *history = NULL;

	push(shop("web:1"), 20000);
	push(shop_of(crashing()), 30000);
	push(shop("web:2"), 20000);
	world_crash(w);
	world_run(w, 1000);
	history = world_history(w, "shop");
	cr_assert_eq(json_array_size(history), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const json_t *entry = json_array_get(history, i);

		cr_assert_eq(json_path_int(entry, "n", 0), (int64_t)i + 1);
		cr_assert_str_eq(json_path_str(entry, "result", ""), want[i], "entry %zu: got %s",
				 i + 1, json_path_str(entry, "result", ""));
	}
}

Test(apps, history_is_bounded_and_keeps_what_a_rollback_needs)
{
	autojson *history = NULL;

	push(shop("web:1"), 20000);
	for (int i = 0; i < 30; i++) {
		json_t *d = crashing();

		json_path_set_new(d, "spec.progressDeadlineSeconds", json_integer(100 + i));
		push(shop_of(d), 40000);
	}
	expect("Held", "CrashLoopBackOff");
	history = world_history(w, "shop");
	cr_assert_leq(json_array_size(history), 20);
	cr_assert_str_eq(json_path_str(json_array_get(history, 0), "result", ""), "Verified");
	expect_runs("web:1");
}

Test(apps, deletions_beyond_the_guard_wait_for_approval)
{
	json_t *objects = json_array();

	for (int i = 0; i < 12; i++) {
		autofree char *name = mem_asprintf("web%d", i);

		json_array_append_new(objects, world_deployment(name, "web:1", 1));
	}
	push(json_pack("{s:{s:o}}", "shop", "objects", objects), 20000);
	push(json_pack("{s:{s:[o]}}", "shop", "objects", world_deployment("web0", "web:1", 1)),
	     20000);
	expect("Held", "PruneRefused");
	expect_refused("approve", json_pack("{s:s}", "revision", "rev-1"), "Stale");
	act("approve", NULL);
	world_run(w, 60000);
	expect("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 1);
	expect_refused("approve", NULL, "NothingToApprove");
}

/* ---- deletion and its undoing ---- */

static void delete_shop(void)
{
	push(json_pack("{s:{s:[o]}, s:{s:[o]}}", "shop", "objects",
		       world_deployment("web", "web:1", 3), "other", "objects",
		       world_deployment("other", "web:2", 1)),
	     20000);
	push(json_pack("{s:{s:[o]}}", "other", "objects", world_deployment("other", "web:2", 1)),
	     60000);
	cr_assert_eq(world_running(w, "web:1"), 0);
	cr_assert_null(app_object());
}

Test(apps, a_deleted_app_is_brought_back_within_the_hour)
{
	delete_shop();
	world_crash(w);
	world_run(w, 1800000);
	act("undelete", NULL);
	world_run(w, 20000);
	expect("Held", "Undeleted");
	expect_runs("web:1");
	push(json_pack("{s:{s:[o]}}", "other", "objects", world_deployment("other", "web:3", 1)),
	     20000);
	expect_runs("web:1");
	world_crash(w);
	world_run(w, 20000);
	expect_runs("web:1");
	push(shop("web:2"), 20000);
	expect("Verified", "");
	expect_runs("web:2");
}

Test(apps, a_deleted_app_is_forgotten_after_an_hour)
{
	delete_shop();
	world_run(w, 3700000);
	expect_refused("undelete", NULL, "NotFound");
}
