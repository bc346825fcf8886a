/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of configuration between two sets: pods go on with what they came with.
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

	w = world_new(13);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(old_config, .init = setup, .fini = teardown);

/* Two pods of IMAGE that read TEXT. It takes a new one MIN_READY_S to take an old one's place. */
static json_t *shop(const char *image, const char *text, int min_ready_s)
{
	json_t *d = world_deployment("web", image, 2);

	world_read_config(d, "settings");
	json_path_set_new(d, "spec.minReadySeconds", json_integer(min_ready_s));
	return json_pack("{s:{s:[o, o]}}", "shop", "objects", d, world_config("settings", text));
}

static void push(json_t *apps, uint64_t run_ms)
{
	world_push(w, apps);
	world_run(w, run_ms);
}

static void expect(const char *phase)
{
	cr_assert_str_eq(world_app_phase(w, "shop"), phase, "got %s, want %s",
			 world_app_phase(w, "shop"), phase);
}

/* A pod whose container has IMAGE; borrowed. */
static const json_t *pod_of(const char *image)
{
	autojson *pods = store_list(world_store(w), KIND_POD, NULL);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		if (!object_deleting(pod) &&
		    str_eq(json_path_str(pod, "spec.containers.[0].image", ""), image))
			return store_get_uid(world_store(w), object_uid(pod));
	}
	cr_assert(false, "no pod of %s", image);
	return NULL;
}

static const char *applied_text(void)
{
	return json_path_str(store_get(world_store(w), KIND_CONFIGMAP, "default", "settings"),
			     "data.content", "none");
}

/* One way in which an old pod reads its configuration again. */
static void restart(void)
{
	world_exit_container(w, object_uid(pod_of("web:1")), 1);
}

static void start_host_again(void)
{
	world_reboot(w);
}

static void start_policy_again_and_restart(void)
{
	world_crash(w);
	world_run(w, 500);
	restart();
}

/* clang-format off */
static const struct { const char *name; void (*act)(void); } ways[] = {
	{ "its container is started again",                     restart },
	{ "the host is started again",                          start_host_again },
	{ "the policy is started again, then its container is", start_policy_again_and_restart },
};
/* clang-format on */

static void expect_old_is_read(const char *when)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		unsigned int before = world_reads(w, "old");

		ways[i].act();
		world_run(w, 45000); /* longer than the back-off */
		cr_expect_gt(world_reads(w, "old"), before, "%s, %s: it did not read the old", when,
			     ways[i].name);
		cr_expect_null(world_violation(w), "%s, %s: %s", when, ways[i].name,
			       world_violation(w));
	}
}

Test(old_config, an_old_pod_keeps_its_content_while_its_app_rolls)
{
	push(shop("web:1", "old", 0), 15000);
	push(shop("web:2", "new", 400), 5000);
	cr_assert_str_eq(applied_text(), "new");
	cr_assert_gt(world_reads(w, "new"), 0);
	expect_old_is_read("while it rolls");
	expect("Progressing");
	world_run(w, 1200000);
	expect("Verified");
	cr_assert_eq(world_running(w, "web:2"), 2);
}

Test(old_config, it_keeps_content_that_the_new_set_does_not_have)
{
	json_t *d = world_deployment("web", "web:2", 2);

	push(shop("web:1", "old", 0), 15000);
	json_path_set_new(d, "spec.minReadySeconds", json_integer(400));
	push(json_pack("{s:{s:[o]}}", "shop", "objects", d), 5000);
	cr_assert_str_eq(applied_text(), "none");
	expect_old_is_read("without the ConfigMap");
}

Test(old_config, it_keeps_its_content_while_the_job_before_the_new_set_runs)
{
	json_t *next = shop("web:2", "new", 0);

	push(shop("web:1", "old", 0), 15000);
	json_array_append_new(
		json_path(next, "shop.objects"),
		json_pack(
			"{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:i, s:i, s:i, s:s, s:{s:{}, s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
			"apiVersion", "batch/v1", "kind", "Job", "metadata", "name", "migrate",
			"namespace", "default", "annotations", "recond.dev/phase", "pre-deploy",
			"spec", "parallelism", 1, "completions", 1, "backoffLimit", 6,
			"completionMode", "NonIndexed", "template", "metadata", "spec",
			"restartPolicy", "OnFailure", "terminationGracePeriodSeconds", 30,
			"containers", "name", "main", "image", "web:2"));
	push(next, 5000);
	cr_assert_str_eq(applied_text(), "new");
	expect_old_is_read("before the new set");
	cr_assert_eq(world_reads(w, "new"), 0);
}

Test(old_config, pods_of_a_set_that_failed_do_not_get_what_was_put_back)
{
	push(shop("web:1", "old", 0), 15000);
	push(shop("web:crash", "new", 30), 60000);
	expect("Held");
	cr_assert_str_eq(applied_text(), "old");
	cr_assert_gt(world_reads(w, "new"), 0);
	expect_old_is_read("when it is held");
	expect("Held");
}

/* The Deployment "web" moves from one app to another, reads another ConfigMap there, and fails. */
static void move_and_fail(json_t *what_stays)
{
	json_t *web = world_deployment("web", "web:1", 2), *next;

	world_read_config(web, "settings");
	push(json_pack("{s:{s:[o, o, o]}, s:{s:[o]}}", "from", "objects",
		       world_deployment("rest", "web:2", 1), web, world_config("settings", "old"),
		       "shop", "objects", world_deployment("api", "web:2", 1)),
	     30000);
	cr_assert_eq(world_running(w, "web:1"), 2);
	next = world_deployment("web", "web:crash", 2);
	world_read_config(next, "own");
	json_path_set_new(next, "spec.minReadySeconds", json_integer(30));
	push(json_pack("{s:{s:o}, s:{s:[o, o, o]}}", "from", "objects", what_stays, "shop",
		       "objects", world_deployment("api", "web:2", 1), next,
		       world_config("own", "new")),
	     120000);
	expect("Held");
	cr_assert_eq(world_running(w, "web:1"), 2);
	expect_old_is_read("after the move");
	cr_assert_eq(world_running(w, "web:1"), 2);
}

Test(old_config, what_moved_to_an_app_that_goes_back_brings_what_it_read)
{
	move_and_fail(json_pack("[o]", world_deployment("rest", "web:2", 1)));
	cr_assert_str_eq(applied_text(), "old", "its ConfigMap did not come along");
}

Test(old_config, it_reads_what_it_read_where_that_stayed_and_was_changed)
{
	move_and_fail(json_pack("[o, o]", world_deployment("rest", "web:2", 1),
				world_config("settings", "newer")));
	cr_assert_str_eq(applied_text(), "newer");
}
