/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named stories of the whole policy on a simulated host: what happens to a user's app from push to
 * verified, held and back.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	w = world_new(7);
	world_add_image(w, "web:1");
	world_add_image(w, "web:2");
	world_add_image(w, "web:broken");
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(scenarios, .init = setup, .fini = teardown);

static json_t *one_app(const char *image, int replicas)
{
	return json_pack("{s:{s:[o]}}", "shop", "objects",
			 world_deployment("web", image, replicas));
}

static void expect_app(const char *phase, const char *reason)
{
	cr_assert_str_eq(world_app_phase(w, "shop"), phase, "phase: got %s (%s: %s), want %s",
			 world_app_phase(w, "shop"), world_app_reason(w, "shop"),
			 json_path_str(store_get(world_store(w), KIND_APP, NULL, "shop"),
				       "status.message", ""),
			 phase);
	cr_assert_str_eq(world_app_reason(w, "shop"), reason, "reason: got %s, want %s",
			 world_app_reason(w, "shop"), reason);
}

static size_t count(enum kind kind)
{
	autojson *list = store_list(world_store(w), kind, NULL);

	return json_array_size(list);
}

Test(scenarios, a_pushed_deployment_comes_up_and_is_verified)
{
	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_eq(count(KIND_POD), 3);
	cr_assert_eq(count(KIND_REPLICASET), 1);
}

Test(scenarios, a_new_image_rolls_without_going_below_the_floor)
{
	world_push(w, one_app("web:1", 4));
	world_run(w, 5000);
	(void)world_low_water(w);
	world_push(w, one_app("web:2", 4));
	world_run(w, 20000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:2"), 4);
	cr_assert_eq(world_running(w, "web:1"), 0);
	cr_assert_geq(world_low_water(w), 3, "25%% of 4 may be missing, no more");
}

Test(scenarios, the_same_input_again_changes_nothing)
{
	uint64_t version;

	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	version = json_path_int(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
				"metadata.generation", 0);
	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 3);
	cr_assert_eq(version, (uint64_t)json_path_int(
				      store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
				      "metadata.generation", 0));
}

Test(scenarios, an_image_that_cannot_be_had_holds_before_anything_is_touched)
{
	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	(void)world_low_water(w);
	world_push(w, one_app("web:nope", 3));
	world_run(w, 1000);
	expect_app("Held", "ErrImagePull");
	world_run(w, 60000);
	expect_app("Held", "ErrImagePull");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_eq(world_low_water(w), 3);
	cr_assert_eq(count(KIND_REPLICASET), 1, "nothing of the new revision was applied");
}

Test(scenarios, a_held_image_put_right_is_released_and_rolled)
{
	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	world_push(w, one_app("web:nope", 3));
	world_run(w, 3000);
	world_crash(w);
	world_run(w, 3000);
	expect_app("Held", "ErrImagePull");
	cr_assert_eq(world_running(w, "web:1"), 3);
	world_push(w, one_app("web:2", 3));
	world_run(w, 20000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:2"), 3);
}

Test(scenarios, a_container_that_cannot_be_created_rolls_the_app_back_and_holds_it)
{
	json_t *app = one_app("web:broken", 3);

	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	(void)world_low_water(w);
	world_push(w, app);
	world_run(w, 30000);
	expect_app("Held", "CreateContainerError");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_geq(world_low_water(w), 3);
	world_crash(w);
	world_run(w, 30000);
	expect_app("Held", "CreateContainerError");
	cr_assert_eq(world_running(w, "web:1"), 3);
	world_push(w, one_app("web:2", 3));
	world_run(w, 30000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:2"), 3);
}

/* What nobody's source owns, such as an object written through the API. */
static void put_deployment(const char *image)
{
	autojson *d = world_deployment("api", image, 2);

	if (store_create(world_store(w), d, NULL) == 1)
		(void)store_update(world_store(w), d);
}

Test(scenarios, a_deployment_short_of_its_image_goes_back_to_its_last_available_revision)
{
	put_deployment("web:1");
	world_run(w, 5000);
	cr_assert_eq(world_running(w, "web:1"), 2);
	put_deployment("web:nope");
	world_run(w, 20000);
	cr_assert_eq(world_running(w, "web:1"), 2);
	cr_assert_str_eq(json_path_str(store_get(world_store(w), KIND_DEPLOYMENT, "default", "api"),
				       "spec.template.spec.containers.[0].image", ""),
			 "web:1");
}

Test(scenarios, one_broken_app_stops_no_other)
{
	json_t *apps = one_app("web:1", 2);

	json_object_set_new(
		apps, "bad",
		json_pack("{s:[], s:[s]}", "objects", "errors", "bad/a.yaml:1:1: wrong"));
	world_push(w, apps);
	world_run(w, 5000);
	expect_app("Verified", "");
	cr_assert_str_eq(world_app_phase(w, "bad"), "Invalid");
}

Test(scenarios, an_invalid_revision_changes_nothing_of_its_app)
{
	world_push(w, one_app("web:1", 2));
	world_run(w, 5000);
	world_push(w, json_pack("{s:{s:[], s:[s]}}", "shop", "objects", "errors",
				"a.yaml:3:1: wrong"));
	world_run(w, 5000);
	expect_app("Invalid", "InvalidManifest");
	cr_assert_eq(world_running(w, "web:1"), 2);
	cr_assert_eq(count(KIND_DEPLOYMENT), 1);
}

Test(scenarios, an_app_that_left_its_source_goes_with_everything_it_made)
{
	json_t *both = one_app("web:1", 2);

	json_object_set_new(both, "other",
			    json_pack("{s:[o]}", "objects", world_deployment("api", "web:2", 2)));
	world_push(w, both);
	world_run(w, 5000);
	cr_assert_eq(count(KIND_POD), 4);
	world_push(w, json_pack("{s:{s:[o]}}", "other", "objects",
				world_deployment("api", "web:2", 2)));
	world_run(w, 60000);
	cr_assert_eq(count(KIND_POD), 2);
	cr_assert_eq(count(KIND_DEPLOYMENT), 1);
	cr_assert_eq(count(KIND_REPLICASET), 1);
	cr_assert_null(store_get(world_store(w), KIND_APP, NULL, "shop"));
}

Test(scenarios, what_moves_to_another_app_goes_on_running)
{
	for (int i = 0; i < 2; i++) { /* to an app that comes after it, then to one before it */
		world_push(w, json_pack("{s:{s:[o]}}", i ? "twig" : "shop", "objects",
					world_deployment("web", "web:1", 2)));
		world_run(w, 10000);
		(void)world_low_water(w);
		world_push(w, json_pack("{s:{s:[o]}}", i ? "shop" : "twig", "objects",
					world_deployment("web", "web:1", 2)));
		world_run(w, 60000);
		cr_assert_str_eq(world_app_phase(w, i ? "shop" : "twig"), "Verified");
		cr_assert_eq(world_low_water(w), 2);
		cr_assert_eq(world_starts(w), 2, "the very same pods");
		cr_assert_null(store_get(world_store(w), KIND_APP, NULL, i ? "twig" : "shop"));
	}
}

Test(scenarios, a_revision_that_would_delete_everything_is_refused_until_confirmed)
{
	world_push(w, one_app("web:1", 2));
	world_run(w, 5000);
	world_push(w, json_object());
	world_run(w, 5000);
	expect_app("Held", "PruneRefused");
	cr_assert_eq(world_running(w, "web:1"), 2);
	world_confirm_prune(w);
	world_crash(w);
	world_run(w, 60000);
	cr_assert_eq(count(KIND_POD), 0);
	cr_assert_eq(count(KIND_DEPLOYMENT), 0);
}

static json_t *image_object(const char *name, const char *tag, const char *base)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:{s:s}}}", "apiVersion",
			 "recond.dev/v1", "kind", "Image", "metadata", "name", name, "namespace",
			 "default", "spec", "context", tag, "buildArgs", "BASE", base);
}

Test(scenarios, an_image_is_built_before_its_deployment_rolls_and_again_when_it_changes)
{
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", image_object("page", "v1", ""),
				world_deployment("web", "page", 2)));
	world_run(w, 5000);
	expect_app("Verified", "");
	cr_assert_eq(world_builds(w), 1);
	cr_assert_eq(world_running(w, "page:latest"), 2);
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", image_object("page", "v2", ""),
				world_deployment("web", "page", 2)));
	world_run(w, 20000);
	expect_app("Verified", "");
	cr_assert_eq(world_builds(w), 2);
	cr_assert_eq(world_running(w, "page:latest"), 2,
		     "the new digest rolled though the tag is the same");
	world_crash(w);
	world_run(w, 5000);
	cr_assert_eq(world_builds(w), 2, "a restart builds nothing");
	expect_app("Verified", "");
}

Test(scenarios, a_base_that_changes_rebuilds_what_rests_on_it)
{
	world_push(w, json_pack("{s:{s:[o, o, o]}}", "shop", "objects",
				image_object("page", "v1", "base"), image_object("base", "v1", ""),
				world_deployment("web", "page", 1)));
	world_run(w, 10000);
	expect_app("Verified", "");
	cr_assert_eq(world_builds(w), 2);
}

static json_t *page_on_base(const char *version)
{
	return json_pack("{s:{s:[o, o]}, s:{s:[o]}}", "shop", "objects",
			 image_object("page", "v1", "base"), world_deployment("web", "page", 1),
			 "low", "objects", image_object("base", version, ""));
}

Test(scenarios, a_base_put_right_in_another_app_releases_what_rests_on_it)
{
	world_fail_builds(w, "base", true);
	world_push(w, page_on_base("v1"));
	world_run(w, 5000);
	expect_app("Held", "BuildFailed");
	world_fail_builds(w, "base", false);
	world_push(w, page_on_base("v2"));
	world_run(w, 20000);
	expect_app("Verified", "");
}

Test(scenarios, a_build_that_fails_holds_and_leaves_what_runs)
{
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", image_object("page", "v1", ""),
				world_deployment("web", "page", 2)));
	world_run(w, 5000);
	world_fail_builds(w, "page", true);
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", image_object("page", "v2", ""),
				world_deployment("web", "page", 2)));
	world_run(w, 5000);
	expect_app("Held", "BuildFailed");
	cr_assert_eq(world_running(w, "page:latest"), 2);
	world_fail_builds(w, "page", false);
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", image_object("page", "v3", ""),
				world_deployment("web", "page", 2)));
	world_run(w, 20000);
	expect_app("Verified", "");
}

Test(scenarios, a_crashing_container_restarts_with_back_off)
{
	autojson *pods = NULL;
	const char *uid;

	world_push(w, one_app("web:1", 1));
	world_run(w, 5000);
	pods = store_list(world_store(w), KIND_POD, NULL);
	uid = json_path_str(json_array_get(pods, 0), "metadata.uid", "");
	world_exit_container(w, uid, 1);
	world_run(w, 1000);
	cr_assert_eq(world_starts(w), 2, "the first restart is immediate");
	world_exit_container(w, uid, 1);
	world_run(w, 1000);
	cr_assert_eq(world_starts(w), 2);
	cr_assert_str_eq(json_path_str(store_get_uid(world_store(w), uid),
				       "status.containerStatuses.[0].state.waiting.reason", ""),
			 "CrashLoopBackOff");
	world_run(w, 10000);
	cr_assert_eq(world_starts(w), 3, "the second after ten seconds");
	cr_assert_eq(json_path_int(store_get_uid(world_store(w), uid),
				   "status.containerStatuses.[0].restartCount", 0),
		     2);
}

Test(scenarios, a_changed_configmap_rolls_what_reads_it)
{
	for (int i = 1; i <= 2; i++) {
		json_t *d = world_deployment("web", "web:1", 2);

		world_read_config(d, "settings");
		world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", d,
					world_config("settings", i == 1 ? "red" : "blue")));
		world_run(w, 20000);
		expect_app("Verified", "");
		cr_assert_eq(count(KIND_REPLICASET), (size_t)i);
	}
	cr_assert_eq(world_starts(w), 4);
}

Test(scenarios, recreate_never_runs_old_and_new_together)
{
	for (int i = 1; i <= 2; i++) {
		json_t *d = world_deployment("web", i == 1 ? "web:1" : "web:2", 2);

		json_path_set_new(d, "spec.strategy", json_pack("{s:s}", "type", "Recreate"));
		world_push(w, json_pack("{s:{s:[o]}}", "shop", "objects", d));
		while (world_step(w)) {
			cr_assert(world_running(w, "web:1") == 0 || world_running(w, "web:2") == 0);
			if (str_eq(world_app_phase(w, "shop"), "Verified") &&
			    world_running(w, i == 1 ? "web:1" : "web:2") == 2)
				break;
		}
	}
	cr_assert_eq(world_running(w, "web:2"), 2);
}

Test(scenarios, a_deleted_namespace_takes_its_contents_along)
{
	struct err err = {0};
	json_t *d = world_deployment("web", "web:1", 2), *keep = one_app("web:2", 1);
	json_t *ns = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
			       "metadata", "name", "crm");

	json_path_set_new(d, "metadata.namespace", json_text("crm"));
	json_object_set_new(keep, "crm", json_pack("{s:[o, o]}", "objects", ns, d));
	world_push(w, keep);
	world_run(w, 10000);
	cr_assert_str_eq(world_app_phase(w, "crm"), "Verified");
	world_push(w, one_app("web:2", 1));
	world_run(w, 60000);
	cr_assert_str_eq(world_app_reason(w, "crm"), "PruneRefused", "a Namespace is asked about");
	cr_assert(world_act(w, "crm", "approve", NULL, &err) == 0, "%s", err.message);
	world_run(w, 60000);
	cr_assert_null(store_get(world_store(w), KIND_NAMESPACE, NULL, "crm"));
	cr_assert_eq(count(KIND_POD), 1);
	cr_assert_null(store_get(world_store(w), KIND_APP, NULL, "crm"));
}

Test(scenarios, a_namespace_that_comes_back_is_filled_when_the_old_one_is_gone)
{
	json_t *d = world_deployment("web", "web:1", 2);
	struct err err = {0};

	json_path_set_new(d, "metadata.namespace", json_text("crm"));
	for (int i = 0; i < 3; i++) { /* with its Namespace, without, and with it again */
		json_t *app = json_pack("{s:{s:[O]}}", "shop", "objects", d);

		if (i != 1)
			json_array_append_new(json_path(app, "shop.objects"),
					      json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1",
							"kind", "Namespace", "metadata", "name",
							"crm"));
		world_push(w, app);
		world_run(w, i == 1 ? 200 : 60000);
		if (i != 1)
			continue;
		cr_assert(world_act(w, "shop", "approve", NULL, &err) == 0, "%s", err.message);
		world_run(w, 200);
	}
	json_decref(d);
	expect_app("Verified", "");
	cr_assert_eq(count(KIND_POD), 2);
	cr_assert_eq(world_starts(w), 4, "two of each namespace, none in between");
}

Test(scenarios, what_another_app_s_namespace_took_along_is_made_again)
{
	json_t *d = world_deployment("web", "web:1", 2), *both;
	json_t *ns = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
			       "metadata", "name", "crm");

	json_path_set_new(d, "metadata.namespace", json_text("crm"));
	both = json_pack("{s:{s:[O]}, s:{s:[o]}}", "shop", "objects", d, "crm", "objects", ns);
	world_push(w, both);
	world_run(w, 10000);
	world_push(w, json_pack("{s:{s:[o]}}", "shop", "objects", d));
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(scenarios, answers_that_never_come_are_asked_for_again)
{
	static const struct world_faults all_lost = {.lost = 1000};

	world_set_faults(w, &all_lost);
	world_push(w, one_app("web:1", 2));
	world_run(w, 1000);
	expect_app("Waiting", "");
	world_set_faults(w, NULL);
	world_run(w, 61000);
	expect_app("Verified", "");
	world_set_faults(w, &all_lost);
	world_push(w, json_pack("{s:{s:[o]}}", "other", "objects",
				world_deployment("api", "web:2", 1)));
	world_run(w, 70000);
	world_set_faults(w, NULL);
	world_run(w, 200000);
	cr_assert_eq(count(KIND_POD), 1);
	cr_assert_eq(world_starts(w), 3, "what was started without a word is not started twice");
}

Test(scenarios, what_fails_for_once_is_tried_again_and_not_shown)
{
	static const struct world_faults all_fail = {.failing = 1000};

	world_set_faults(w, &all_fail);
	world_push(w, one_app("web:1", 2));
	world_run(w, 100);
	expect_app("Waiting", "");
	world_set_faults(w, NULL);
	world_run(w, 60000);
	expect_app("Verified", "");
}

Test(scenarios, killed_between_commit_and_effect_it_comes_to_the_same)
{
	for (unsigned int n = 1; n < 40; n++) {
		world_push(w, one_app(n % 2 ? "web:1" : "web:2", 3));
		world_crash_in(w, n);
		world_run(w, 200000);
		expect_app("Verified", "");
		cr_assert_eq(world_running(w, n % 2 ? "web:1" : "web:2"), 3, "killed at %u", n);
		cr_assert_eq(world_running(w, n % 2 ? "web:2" : "web:1"), 0, "killed at %u", n);
	}
}

Test(scenarios, after_the_host_started_again_all_of_it_runs_again)
{
	world_push(w, one_app("web:1", 3));
	world_run(w, 5000);
	world_reboot(w);
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_eq(world_starts(w), 6);
}

Test(scenarios, a_store_that_cannot_commit_costs_a_restart)
{
	world_push(w, one_app("web:1", 3));
	world_fail_commits(w, 3);
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 3);
}

static json_t *slow_app(const char *image, const char *strategy)
{
	json_t *d = world_deployment("web", image, 3);

	json_path_set_new(d, "spec.minReadySeconds", json_integer(10));
	json_path_set_new(d, "spec.strategy", json_pack("{s:s}", "type", strategy));
	return json_pack("{s:{s:[o]}}", "shop", "objects", d);
}

Test(scenarios, what_ended_while_recond_was_away_is_seen_before_a_rollout_goes_on)
{
	autojson *pods = NULL;
	json_t *pod;
	size_t i;

	world_push(w, slow_app("web:1", "RollingUpdate"));
	world_run(w, 60000);
	expect_app("Verified", "");
	world_push(w, slow_app("web:2", "RollingUpdate"));
	world_run(w, 5000);
	pods = store_list(world_store(w), KIND_POD, NULL);
	json_array_foreach(pods, i, pod) { /* the new one, which is about to be available */
		if (str_eq(json_path_str(pod, "spec.containers.[0].image", ""), "web:2"))
			world_exit_container(w, object_uid(pod), 1);
	}
	world_crash(w); /* the rule of the floor is what is asked here */
	world_run(w, 200000);
	expect_app("Verified", "");
	cr_assert_eq(world_running(w, "web:2"), 3);
}

Test(scenarios, a_clock_that_is_set_makes_no_pod_unavailable_and_no_deadline_pass)
{
	static const int64_t hours[] = {-5, 5, -24 * 365 * 3, 24 * 365 * 3};

	world_push(w, slow_app("web:1", "RollingUpdate"));
	world_run(w, 60000);
	for (size_t i = 0; i < ARRAY_SIZE(hours); i++) {
		world_push(w, slow_app(i % 2 ? "web:1" : "web:2", "RollingUpdate"));
		world_run(w, 5000);
		world_jump_clock(w, hours[i] * 3600000);
		world_run(w, 2000);
		if (i >= 2)
			world_crash(w);
		world_run(w, 200000);
		expect_app("Verified", "");
		cr_assert_eq(world_running(w, i % 2 ? "web:1" : "web:2"), 3);
	}
}

Test(scenarios, a_new_input_is_not_blamed_for_what_the_old_one_does)
{
	world_push(w, slow_app("web:broken", "Recreate"));
	world_run(w, 60000);
	expect_app("Held", "CreateContainerError");
	world_push(w, slow_app("web:1", "Recreate"));
	world_run(w, 100);
	expect_app("Progressing", "");
	world_run(w, 60000);
	expect_app("Verified", "");
}

Test(scenarios, an_image_that_is_gone_is_not_asked_for_again_and_again)
{
	autojson *pods = NULL;

	world_push(w, one_app("web:1", 1));
	world_run(w, 5000);
	world_replace_image(w, "web:1", "another");
	pods = store_list(world_store(w), KIND_POD, NULL);
	world_exit_container(w, json_path_str(json_array_get(pods, 0), "metadata.uid", ""), 1);
	world_run(w, 300000); /* the rule of bounded work is what is asked here */
	cr_assert_eq(world_starts(w), 1);
	world_add_image(w, "web:1");
	world_run(w, 400000);
	cr_assert_eq(world_starts(w), 2, "and is found when it comes back");
}

Test(scenarios, an_app_goes_back_without_what_moved_to_another_one_meanwhile)
{
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects",
				world_deployment("web", "web:1", 2),
				world_deployment("api", "web:1", 2)));
	world_run(w, 30000);
	expect_app("Verified", "");
	world_push(w, json_pack("{s:{s:[o]}, s:{s:[o]}}", "shop", "objects",
				world_deployment("web", "web:broken", 2), "other", "objects",
				world_deployment("api", "web:2", 2)));
	world_run(w, 60000);
	expect_app("Held", "CreateContainerError");
	cr_assert_str_eq(world_app_phase(w, "other"), "Verified");
	cr_assert_eq(world_running(w, "web:2"), 2);
	cr_assert_eq(world_running(w, "web:1"), 2);
	cr_assert_str_eq(json_path_str(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
				       "spec.template.spec.containers.[0].image", ""),
			 "web:1", "what is left of the effective set is put back");
}

Test(scenarios, what_moved_is_watched_by_the_app_that_it_is_of_now)
{
	autojson *pods = NULL;

	world_push(w, one_app("web:1", 1));
	world_run(w, 60000);
	world_push(w, json_pack("{s:{s:[o]}}", "twig", "objects",
				world_deployment("web", "web:1", 1)));
	world_run(w, 1000);
	cr_assert_str_eq(world_app_phase(w, "twig"), "Verified");
	pods = store_list(world_store(w), KIND_POD, NULL);
	world_exit_container(w, json_path_str(json_array_get(pods, 0), "metadata.uid", ""), 1);
	world_run(w, 1000);
	cr_assert_str_eq(world_app_phase(w, "twig"), "Held");
}
