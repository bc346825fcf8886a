/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of configuration that one app reads and another one, or nobody's source, has.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	w = world_new(29);
	world_add_image(w, "web:1");
	world_add_image(w, "web:2");
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(config, .init = setup, .fini = teardown);

static json_t *config(const char *text)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind",
			 "ConfigMap", "metadata", "name", "common", "namespace", "default", "data",
			 "text", text);
}

/* A Deployment that reads it. */
static json_t *reader(void)
{
	json_t *d = world_deployment("web", "web:1", 2);

	json_path_set_new(d, "spec.template.spec.containers",
			  json_pack("[{s:s, s:s, s:[{s:s, s:{s:{s:s, s:s}}}]}]", "name", "main",
				    "image", "web:1", "env", "name", "TEXT", "valueFrom",
				    "configMapKeyRef", "name", "common", "key", "text"));
	return d;
}

/* The app "shop" reads what the app "base" has; TEXT NULL: that has it not. */
static void push(const char *text, uint64_t run_ms)
{
	json_t *base = json_pack("[o]", world_deployment("rest", "web:2", 1));

	if (text)
		json_array_append_new(base, config(text));
	world_push(w, json_pack("{s:{s:[o]}, s:{s:o}}", "shop", "objects", reader(), "base",
				"objects", base));
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

static size_t replicasets(void)
{
	autojson *d = store_list(world_store(w), KIND_REPLICASET, NULL);

	return json_array_size(d);
}

Test(config, a_change_of_another_app_rolls_what_reads_it)
{
	push("one", 30000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 3);
	push("two", 30000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 5, "got %u, want both pods again", world_starts(w));
	push("two", 30000);
	cr_assert_eq(world_starts(w), 5);
}

Test(config, a_restart_rolls_nothing)
{
	push("one", 30000);
	push("two", 30000);
	cr_assert_eq(world_starts(w), 5);
	world_crash(w);
	world_run(w, 60000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 5, "got %u starts, want 5", world_starts(w));
}

Test(config, what_comes_with_another_app_of_the_same_revision_is_known_before)
{
	push("one", 60000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 3);
	cr_assert_eq(replicasets(), 2, "got %zu: it was rolled once more when the other app came",
		     replicasets());
}

Test(config, who_is_held_for_want_of_it_is_tried_again_when_it_comes)
{
	push(NULL, 60000);
	expect("Held", "CreateContainerConfigError");
	push("one", 60000);
	expect("Verified", "");
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(config, what_someone_makes_by_hand_is_read_like_any_other)
{
	autojson *by_hand = config("by hand");

	cr_assert_eq(store_create(world_store(w), by_hand, NULL), 0);
	push(NULL, 60000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 3);
	json_path_set_new(by_hand, "data.text", json_text("by another hand"));
	cr_assert_eq(store_update(world_store(w), by_hand), 0);
	world_run(w, 60000);
	expect("Verified", "");
	cr_assert_eq(world_starts(w), 5, "got %u, want both pods again", world_starts(w));
}
