/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of Jobs that run before anything else of their app changes, and of those that cannot be
 * undone.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1",       "web:2",       "web:3",
					     "web:crash",   "move:ends:1", "move:ends:2",
					     "move:fails:1"};

	w = world_new(19);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(predeploy, .init = setup, .fini = teardown);

static json_t *migration(const char *image, bool irreversible)
{
	json_t *j = json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:i, s:i, s:i, s:b, s:s, s:{s:{s:s, s:i, "
		"s:[{s:s, s:s}]}}}}",
		"apiVersion", "batch/v1", "kind", "Job", "metadata", "name", "migrate", "namespace",
		"default", "annotations", "recond.dev/phase", "pre-deploy", "spec", "parallelism",
		1, "completions", 1, "backoffLimit", 0, "suspend", 0, "completionMode",
		"NonIndexed", "template", "spec", "restartPolicy", "Never",
		"terminationGracePeriodSeconds", 30, "containers", "name", "main", "image", image);

	cr_assert(j);
	if (irreversible)
		object_set_annotation(j, "recond.dev/irreversible", "true");
	return j;
}

static void push(json_t *job, json_t *web, uint64_t run_ms)
{
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects", job, web));
	world_run(w, run_ms);
}

static json_t *web(const char *image)
{
	return world_deployment("web", image, 2);
}

static json_t *crashing(void)
{
	json_t *d = web("web:crash");

	json_path_set_new(d, "spec.minReadySeconds", json_integer(30));
	return d;
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

static const char *hold(void)
{
	return json_path_str(store_get(world_store(w), KIND_APP, NULL, "shop"), "status.held.kind",
			     "");
}

static const char *image_of_web(void)
{
	return json_path_str(store_get(world_store(w), KIND_DEPLOYMENT, "default", "web"),
			     "spec.template.spec.containers.[0].image", "");
}

static void approve(void)
{
	struct err err = {0};

	cr_assert_eq(world_act(w, "shop", "approve", NULL, &err), 0, "%s", err.message);
	world_run(w, 30000);
}

static void end_one_pod_of_web(void)
{
	autojson *pods = store_list(world_store(w), KIND_POD, NULL);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		if (str_eq(object_label(pod, "app"), "web")) {
			world_exit_container(w, object_uid(pod), 1);
			return;
		}
	}
	cr_assert_fail("no pod of web");
}

Test(predeploy, it_has_ended_before_anything_else_changes)
{
	push(migration("move:ends:1", false), web("web:1"), 30000);
	world_push(w, json_pack("{s:{s:[o, o]}}", "shop", "objects",
				migration("move:ends:2", false), web("web:2")));
	for (int i = 0; i < 2000 && world_step(w); i++) {
		const json_t *job = store_get(world_store(w), KIND_JOB, "default", "migrate");
		const char *image =
			json_path_str(job, "spec.template.spec.containers.[0].image", "");

		cr_assert(str_eq(image_of_web(), "web:1") ||
				  (str_eq(image, "move:ends:2") &&
				   json_path_int(job, "status.succeeded", 0) == 1),
			  "the Deployment changed before the Job ended");
		if (str_eq(image_of_web(), "web:2"))
			break;
	}
	world_run(w, 30000);
	expect("Verified", "");
	cr_assert_eq(world_running(w, "web:2"), 2);
}

Test(predeploy, one_that_fails_holds_the_app_and_nothing_else_changed)
{
	push(migration("move:ends:1", true), web("web:1"), 30000);
	(void)world_low_water(w);
	push(migration("move:fails:1", false), web("web:2"), 60000);
	cr_assert_str_eq(world_app_phase(w, "shop"), "Held");
	cr_assert_str_eq(image_of_web(), "web:1");
	cr_assert_eq(world_running(w, "web:1"), 2);
	cr_assert_geq(world_low_water(w), 2);
}

Test(predeploy, going_back_over_an_irreversible_one_is_asked_for)
{
	push(migration("move:ends:1", false), web("web:1"), 30000);
	push(migration("move:ends:2", true), crashing(), 60000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_str_eq(hold(), "ask");
	cr_assert_str_eq(image_of_web(), "web:crash");
	world_crash(w);
	world_run(w, 60000);
	cr_assert_str_eq(hold(), "ask");
	cr_assert_str_eq(image_of_web(), "web:crash", "a restart went back over it");
	approve();
	expect("Held", "CrashLoopBackOff");
	cr_assert_str_eq(hold(), "rollout");
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(predeploy, a_new_revision_answers_the_question_too)
{
	push(migration("move:ends:1", false), web("web:1"), 30000);
	push(migration("move:ends:2", true), crashing(), 60000);
	cr_assert_str_eq(hold(), "ask");
	push(migration("move:ends:2", true), web("web:3"), 60000);
	expect("Verified", "");
	cr_assert_eq(world_running(w, "web:3"), 2);
}

Test(predeploy, an_irreversible_one_that_ran_for_an_older_set_asks_nothing)
{
	push(migration("move:ends:1", true), web("web:1"), 30000);
	push(migration("move:ends:1", true), crashing(), 60000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_str_eq(hold(), "rollout");
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(predeploy, what_is_found_wanting_after_an_irreversible_one_is_asked_for_too)
{
	push(migration("move:ends:1", false), web("web:1"), 30000);
	push(migration("move:ends:2", true), web("web:2"), 6000);
	expect("Verified", "");
	end_one_pod_of_web();
	world_run(w, 20000);
	expect("Held", "Error");
	cr_assert_str_eq(hold(), "ask", "got %s: went back over a step that cannot be undone",
			 hold());
	cr_assert_str_eq(image_of_web(), "web:2");
	approve();
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(predeploy, an_irreversible_one_is_remembered_when_its_time_to_live_is_over)
{
	json_t *job = migration("move:ends:2", true);

	json_path_set_new(job, "spec.ttlSecondsAfterFinished", json_integer(1));
	push(migration("move:ends:1", false), web("web:1"), 30000);
	push(job, crashing(), 60000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_null(store_get(world_store(w), KIND_JOB, "default", "migrate"));
	cr_assert_str_eq(hold(), "ask");
}
