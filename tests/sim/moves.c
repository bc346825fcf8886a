/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of objects that move from one app to another while something fails.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1", "web:2", "web:crash", "api:1", "api:2"};

	w = world_new(17);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(moves, .init = setup, .fini = teardown);

static void push(json_t *apps, uint64_t run_ms)
{
	world_push(w, apps);
	world_run(w, run_ms);
}

/* The Deployment "api" belongs to "from"; "to" has another one. */
static void start(void)
{
	push(json_pack("{s:{s:[o, o]}, s:{s:[o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), world_deployment("api", "api:1", 2),
		       "to", "objects", world_deployment("web", "web:1", 2)),
	     30000);
	cr_assert_eq(world_running(w, "api:1"), 2);
}

/* It moves to "to", as API there, while that one's own Deployment asks for WEB. */
static json_t *moved(json_t *web, const char *api)
{
	return json_pack("{s:{s:[o]}, s:{s:[o, o]}}", "from", "objects",
			 world_deployment("rest", "web:1", 1), "to", "objects", web,
			 world_deployment("api", api, 2));
}

static json_t *crashing(void)
{
	json_t *d = world_deployment("web", "web:crash", 2);

	json_path_set_new(d, "spec.minReadySeconds", json_integer(30));
	return d;
}

static void expect_held(const char *reason)
{
	cr_assert_str_eq(world_app_phase(w, "to"), "Held");
	cr_assert_str_eq(world_app_reason(w, "to"), reason, "got %s, want %s",
			 world_app_reason(w, "to"), reason);
}

Test(moves, what_moved_to_an_app_that_is_held_goes_on_running)
{
	start();
	push(moved(world_deployment("web", "web:nope", 2), "api:1"), 30000);
	expect_held("ErrImagePull");
	cr_assert_eq(world_running(w, "api:1"), 2);
	world_crash(w);
	world_run(w, 60000);
	expect_held("ErrImagePull");
	cr_assert_eq(world_running(w, "api:1"), 2, "a restart removed what moved");
	push(moved(world_deployment("web", "web:2", 2), "api:2"), 60000);
	cr_assert_str_eq(world_app_phase(w, "to"), "Verified");
	cr_assert_eq(world_running(w, "api:2"), 2);
}

Test(moves, an_app_that_goes_back_puts_back_what_had_moved_to_it_as_it_ran_before)
{
	start();
	push(moved(crashing(), "api:2"), 120000);
	expect_held("CrashLoopBackOff");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_eq(world_running(w, "api:1"), 2, "what moved is not there as it was");
	cr_assert_eq(world_running(w, "api:2"), 0);
	world_crash(w);
	world_run(w, 60000);
	cr_assert_eq(world_running(w, "api:1"), 2);
}

/* A Deployment that reads the ConfigMap "conf-APP". */
static json_t *reader(const char *image, const char *app)
{
	autofree char *name = mem_asprintf("conf-%s", app);
	json_t *d = world_deployment("api", image, 2);

	json_path_set_new(d, "spec.template.spec.volumes",
			  json_pack("[{s:s, s:{s:s}}]", "name", "conf", "configMap", "name", name));
	return d;
}

static json_t *config(const char *app)
{
	autofree char *name = mem_asprintf("conf-%s", app);

	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind",
			 "ConfigMap", "metadata", "name", name, "namespace", "default", "data",
			 "text", "one");
}

static const json_t *configmap(const char *name)
{
	return store_get(world_store(w), KIND_CONFIGMAP, "default", name);
}

Test(moves, configuration_goes_along_with_what_reads_it_until_that_is_done_with_it)
{
	push(json_pack("{s:{s:[o, o, o]}, s:{s:[o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), config("from"),
		       reader("api:1", "from"), "to", "objects",
		       world_deployment("web", "web:1", 2)),
	     30000);
	cr_assert_eq(world_running(w, "api:1"), 2);
	push(json_pack("{s:{s:[o]}, s:{s:[o, o, o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), "to", "objects",
		       world_deployment("web", "web:nope", 2), config("to"), reader("api:1", "to")),
	     60000);
	expect_held("ErrImagePull");
	cr_assert_not_null(configmap("conf-from"), "what runs cannot be started again");
	push(json_pack("{s:{s:[o]}, s:{s:[o, o, o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), "to", "objects", crashing(),
		       config("to"), reader("api:2", "to")),
	     120000);
	expect_held("CrashLoopBackOff");
	cr_assert_not_null(configmap("conf-from"));
	cr_assert_eq(world_running(w, "api:1"), 2);
	push(json_pack("{s:{s:[o]}, s:{s:[o, o, o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), "to", "objects",
		       world_deployment("web", "web:2", 2), config("to"), reader("api:2", "to")),
	     60000);
	cr_assert_str_eq(world_app_phase(w, "to"), "Verified");
	cr_assert_null(configmap("conf-from"));
	cr_assert_eq(world_running(w, "api:2"), 2);
}

Test(moves, what_is_found_wanting_goes_back_with_the_configuration_that_came_along)
{
	autojson *pods = NULL;
	json_t *pod;
	size_t i;

	push(json_pack("{s:{s:[o, o]}, s:{s:[o]}}", "from", "objects", config("from"),
		       reader("api:1", "from"), "to", "objects",
		       world_deployment("web", "web:1", 2)),
	     30000);
	push(json_pack("{s:{s:[o, o, o]}}", "to", "objects", world_deployment("web", "web:1", 2),
		       config("to"), reader("api:2", "to")),
	     6000);
	cr_assert_str_eq(world_app_phase(w, "to"), "Verified");
	pods = store_list(world_store(w), KIND_POD, NULL);
	json_array_foreach(pods, i, pod) {
		if (str_eq(object_label(pod, "app"), "api"))
			world_exit_container(w, object_uid(pod), 1);
	}
	world_run(w, 60000);
	expect_held("Error");
	cr_assert_eq(world_running(w, "api:1"), 2);
	cr_assert_not_null(configmap("conf-from"));
}

Test(moves, undo_of_an_app_keeps_what_had_moved_to_it)
{
	struct err err = {0};

	start();
	push(moved(world_deployment("web", "web:2", 2), "api:2"), 60000);
	cr_assert_str_eq(world_app_phase(w, "to"), "Verified");
	cr_assert_eq(world_act(w, "to", "undo", NULL, &err), 0, "%s", err.message);
	world_run(w, 60000);
	expect_held("Undone");
	cr_assert_eq(world_running(w, "web:1"), 3);
	cr_assert_eq(world_running(w, "api:1"), 2);
}

Test(moves, what_moves_back_or_leaves_is_not_kept)
{
	start();
	push(moved(world_deployment("web", "web:nope", 2), "api:1"), 30000);
	push(json_pack("{s:{s:[o, o]}, s:{s:[o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), world_deployment("api", "api:2", 2),
		       "to", "objects", world_deployment("web", "web:1", 2)),
	     60000);
	cr_assert_str_eq(world_app_phase(w, "to"), "Verified");
	cr_assert_str_eq(world_app_phase(w, "from"), "Verified");
	cr_assert_eq(world_running(w, "api:2"), 2);
	cr_assert_eq(world_running(w, "api:1"), 0);
	push(json_pack("{s:{s:[o]}, s:{s:[o]}}", "from", "objects",
		       world_deployment("rest", "web:1", 1), "to", "objects",
		       world_deployment("web", "web:2", 2)),
	     60000);
	cr_assert_eq(world_running(w, "api:2"), 0);
	cr_assert_null(store_get(world_store(w), KIND_DEPLOYMENT, "default", "api"));
}
