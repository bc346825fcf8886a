/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of what the verdict on a set rests on, and of what a rollback leaves.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1", "web:2", "web:crash"};

	w = world_new(23);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(verdicts, .init = setup, .fini = teardown);

static void push(json_t *objects, uint64_t run_ms)
{
	world_push(w, json_pack("{s:{s:o}}", "shop", "objects", objects));
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

/* A ReplicaSet of its own, which has no progress deadline. */
static json_t *replicaset(int replicas, const char *image)
{
	json_t *rs = world_deployment("web", image, replicas);

	json_set(rs, "kind", json_text("ReplicaSet"));
	(void)json_object_del(json_object_get(rs, "spec"), "strategy");
	(void)json_object_del(json_object_get(rs, "spec"), "progressDeadlineSeconds");
	(void)json_object_del(json_object_get(rs, "spec"), "revisionHistoryLimit");
	return json_pack("[o]", rs);
}

Test(verdicts, what_has_no_deadline_of_its_own_has_ten_minutes_from_its_change)
{
	push(replicaset(1, "web:1"), 1200000);
	expect("Verified", "");
	push(replicaset(3, "web:1"), 20000);
	expect("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 3);
}

Test(verdicts, what_has_no_deadline_of_its_own_does_not_get_longer)
{
	json_t *rs = replicaset(3, "web:1");

	push(replicaset(1, "web:1"), 1200000);
	json_path_set_new(json_array_get(rs, 0), "spec.minReadySeconds", json_integer(100000));
	push(rs, 500000);
	expect("Progressing", "");
	world_run(w, 200000);
	expect("Held", "ProgressDeadlineExceeded");
}

Test(verdicts, what_was_new_and_opted_out_stays_when_the_rest_goes_back)
{
	json_t *api = world_deployment("api", "web:2", 2), *web;

	push(json_pack("[o]", world_deployment("web", "web:1", 2)), 20000);
	web = world_deployment("web", "web:crash", 2);
	json_path_set_new(web, "spec.minReadySeconds", json_integer(30));
	object_set_annotation(api, "recond.dev/rollback", "false");
	push(json_pack("[o, o]", web, api), 60000);
	expect("Held", "CrashLoopBackOff");
	cr_assert_eq(world_running(w, "web:1"), 2);
	cr_assert_eq(world_running(w, "web:2"), 2, "what opted out was removed");
	world_crash(w);
	world_run(w, 60000);
	cr_assert_eq(world_running(w, "web:2"), 2);
}
