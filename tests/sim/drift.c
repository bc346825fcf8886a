/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of people who change by hand what a source owns, and of deletion by the ledger.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	static const char *const images[] = {"web:1", "web:2", "web:broken"};

	w = world_new(5);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		world_add_image(w, images[i]);
}

static void teardown(void)
{
	cr_assert_null(world_violation(w), "a rule was broken: %s", world_violation(w));
	w = world_free(w);
}

TestSuite(drift, .init = setup, .fini = teardown);

static json_t *shop(json_t *deployment)
{
	return json_pack("{s:{s:[o]}}", "shop", "objects", deployment);
}

/* A Deployment whose manifest leaves out how many replicas it wants. */
static json_t *without_replicas(const char *image)
{
	json_t *d = world_deployment("web", image, 2);

	json_set(d, "defaulted", json_pack("{s:{s:b}}", "spec", "replicas", 1));
	return d;
}

static const json_t *web(void)
{
	return store_get(world_store(w), KIND_DEPLOYMENT, "default", "web");
}

/* Someone sets PATH of the object KIND default/NAME to VALUE (taken). */
static void edit(enum kind kind, const char *name, const char *path, json_t *value)
{
	const char *ns = kind == KIND_NAMESPACE ? NULL : "default";
	autojson *copy = json_deep_copy(store_get(world_store(w), kind, ns, name));

	json_path_set_new(copy, path, value);
	cr_assert(store_update(world_store(w), copy) == 0);
}

static const char *image_of_web(void)
{
	return json_path_str(web(), "spec.template.spec.containers.[0].image", "");
}

static void set_image_by_hand(const char *image)
{
	edit(KIND_DEPLOYMENT, "web", "spec.template.spec.containers",
	     json_pack("[{s:s, s:s}]", "name", "main", "image", image));
}

/* How often, as events say, and the message of the last such event in *ret. */
static int64_t heals(const char **ret)
{
	autojson *events = store_list(world_store(w), KIND_EVENT, NULL);
	int64_t n = 0;
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e) {
		if (!str_eq(json_path_str(e, "reason", ""), "SelfHealed"))
			continue;
		n += json_path_int(e, "count", 0);
		if (ret)
			*ret = json_path_str(store_get_uid(world_store(w), object_uid(e)),
					     "message", "");
	}
	return n;
}

static void expect_verified(void)
{
	cr_assert_str_eq(world_app_phase(w, "shop"), "Verified", "got %s (%s)",
			 world_app_phase(w, "shop"),
			 json_path_str(store_get(world_store(w), KIND_APP, NULL, "shop"),
				       "status.message", ""));
}

static void start(json_t *deployment)
{
	world_push(w, shop(deployment));
	world_run(w, 30000);
	expect_verified();
}

Test(drift, what_someone_changes_by_hand_is_put_back_and_said)
{
	const char *message = "";

	start(world_deployment("web", "web:1", 2));
	edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(5));
	world_run(w, 10000);
	cr_expect(json_path_int(web(), "spec.replicas", 0) == 2);
	cr_expect(heals(&message) == 1);
	cr_expect(strstr(message, "spec.replicas"), "%s", message);
	set_image_by_hand("web:2");
	world_run(w, 30000);
	cr_expect_str_eq(image_of_web(), "web:1");
	cr_expect_eq(world_running(w, "web:1"), 2);
	cr_expect_eq(world_running(w, "web:2"), 0);
	cr_expect(heals(NULL) == 2);
	expect_verified();
}

Test(drift, what_the_source_does_not_state_stays)
{
	start(without_replicas("web:1"));
	edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(4));
	edit(KIND_DEPLOYMENT, "web", "metadata.annotations.note", json_text("mine"));
	edit(KIND_DEPLOYMENT, "web",
	     "spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt",
	     json_text("now"));
	world_run(w, 30000);
	cr_expect_eq(world_running(w, "web:1"), 4);
	cr_expect(heals(NULL) == 0);
	world_push(w, shop(without_replicas("web:2")));
	world_run(w, 60000);
	expect_verified();
	cr_expect_eq(world_running(w, "web:2"), 4, "a new revision leaves them, too");
	cr_expect_str_eq(object_annotation(web(), "note"), "mine");
	cr_expect_str_eq(object_annotation(json_path(web(), "spec.template"),
					   "kubectl.kubernetes.io/restartedAt"),
			 "now");
}

Test(drift, a_field_no_longer_stated_goes_back_to_its_default)
{
	start(world_deployment("web", "web:1", 5));
	world_push(w, shop(without_replicas("web:1")));
	world_run(w, 30000);
	expect_verified();
	cr_expect_eq(world_running(w, "web:1"), 2);
}

static void opt_out_on_object(json_t *deployment)
{
	object_set_annotation(deployment, "recond.dev/self-heal", "false");
	start(deployment);
}

static void opt_out_on_app(json_t *deployment)
{
	json_t *app = shop(deployment);

	json_path_set_new(app, "shop.settings",
			  json_pack("{s:s}", "recond.dev/self-heal", "false"));
	world_push(w, app);
	world_run(w, 30000);
}

static void opt_out_on_namespace(json_t *deployment)
{
	start(deployment);
	edit(KIND_NAMESPACE, "default", "metadata.annotations",
	     json_pack("{s:s}", "recond.dev/self-heal", "false"));
}

static void opt_out_by_hand(json_t *deployment)
{
	start(deployment);
	edit(KIND_DEPLOYMENT, "web", "metadata.annotations.recond\\.dev/self-heal",
	     json_text("false"));
}

Test(drift, people_may_opt_out)
{
	static void (*const ways[])(json_t *) = {opt_out_on_object, opt_out_on_app,
						 opt_out_on_namespace, opt_out_by_hand};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (i > 0) {
			teardown();
			setup();
		}
		ways[i](world_deployment("web", "web:1", 2));
		edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(5));
		world_run(w, 30000);
		cr_expect_eq(world_running(w, "web:1"), 5, "way %zu", i);
		cr_expect(heals(NULL) == 0, "way %zu", i);
	}
}

Test(drift, a_deleted_object_comes_back)
{
	const char *message = "";

	start(world_deployment("web", "web:1", 2));
	cr_assert(store_delete(world_store(w), KIND_DEPLOYMENT, "default", "web") == 0);
	world_run(w, 120000);
	expect_verified();
	cr_expect_eq(world_running(w, "web:1"), 2);
	cr_expect(heals(&message) == 1);
	cr_expect_str_eq(message, "was deleted by hand: made again");
}

static void ask(const char *action)
{
	struct err err = {0};

	cr_assert(world_act(w, "shop", action, NULL, &err) == 0, "%s: %s", action, err.message);
	world_run(w, 30000);
}

Test(drift, what_is_changed_in_a_paused_app_is_put_back_when_it_is_resumed)
{
	start(world_deployment("web", "web:1", 2));
	ask("pause");
	edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(5));
	world_run(w, 30000);
	cr_expect_eq(world_running(w, "web:1"), 5);
	ask("resume");
	cr_expect_eq(world_running(w, "web:1"), 2);
	cr_expect(heals(NULL) == 1);
}

Test(drift, a_restart_forgets_no_drift)
{
	start(world_deployment("web", "web:1", 2));
	edit(KIND_DEPLOYMENT, "web", "spec.minReadySeconds", json_integer(0));
	edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(3));
	world_crash(w);
	world_run(w, 30000);
	cr_expect(json_path_int(web(), "spec.replicas", 0) == 2);
	expect_verified();
}

Test(drift, who_insists_is_made_to_wait)
{
	start(world_deployment("web", "web:1", 2));
	for (int i = 0; i < 120; i++) { /* every second */
		edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(3));
		world_run(w, 1000);
	}
	cr_expect(heals(NULL) >= 5 && heals(NULL) <= 12, "put back %lld times in two minutes",
		  (long long)heals(NULL));
	world_run(w, 900000);
	cr_expect(json_path_int(web(), "spec.replicas", 0) == 2, "it is put back in the end");
}

Test(drift, going_back_takes_along_what_the_failed_revision_had_added)
{
	json_t *bad = world_deployment("web", "web:broken", 2);

	start(world_deployment("web", "web:1", 2));
	json_path_set_new(bad, "metadata.annotations", json_pack("{s:s}", "added", "yes"));
	json_path_set_new(bad, "spec.template.spec.hostname", json_text("added"));
	json_path_set_new(bad, "spec.minReadySeconds", json_integer(1));
	world_push(w, shop(bad));
	world_run(w, 60000);
	cr_assert_str_eq(world_app_phase(w, "shop"), "Held");
	cr_expect_null(object_annotation(web(), "added"));
	cr_expect_null(json_path(web(), "spec.template.spec.hostname"));
	cr_expect_null(json_path(web(), "spec.minReadySeconds"));
	cr_expect_eq(world_running(w, "web:1"), 2);
	edit(KIND_DEPLOYMENT, "web", "spec.replicas", json_integer(1));
	world_run(w, 30000);
	cr_expect(json_path_int(web(), "spec.replicas", 0) == 2, "a held app is healed, too");
}

Test(drift, a_pod_that_was_changed_is_replaced)
{
	json_t *pod =
		json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:i, s:[{s:s, s:s}]}}", "apiVersion",
			  "v1", "kind", "Pod", "metadata", "name", "one", "namespace", "default",
			  "spec", "restartPolicy", "Always", "terminationGracePeriodSeconds", 1,
			  "containers", "name", "main", "image", "web:1");
	autofree char *uid = NULL;

	start(pod);
	uid = mem_strdup(object_uid(store_get(world_store(w), KIND_POD, "default", "one")));
	edit(KIND_POD, "one", "spec.containers",
	     json_pack("[{s:s, s:s}]", "name", "main", "image", "web:2"));
	world_run(w, 60000);
	cr_expect_str_neq(object_uid(store_get(world_store(w), KIND_POD, "default", "one")), uid);
	cr_expect_eq(world_running(w, "web:1"), 1);
	expect_verified();
}

/* ---- the ledger ---- */

static json_t *two_apps(void)
{
	return json_pack("{s:{s:[o]}, s:{s:[o]}}", "shop", "objects",
			 world_deployment("web", "web:1", 2), "api", "objects",
			 world_deployment("api", "web:2", 2));
}

Test(drift, an_unreadable_source_deletes_nothing)
{
	world_push(w, two_apps());
	world_run(w, 30000);
	world_push(w,
		   json_pack("{s:{s:[], s:[s]}, s:{s:[], s:[s]}}", "shop", "objects", "errors",
			     "a.yaml:1:1: wrong", "api", "objects", "errors", "a.yaml:1:1: wrong"));
	world_run(w, 30000);
	world_crash(w);
	world_run(w, 30000);
	cr_expect_eq(world_running(w, "web:1"), 2);
	cr_expect_eq(world_running(w, "web:2"), 2);
}

Test(drift, what_left_the_source_goes_although_the_policy_died_in_between)
{
	world_push(w, two_apps());
	world_run(w, 30000);
	world_push(w, shop(world_deployment("web", "web:1", 2)));
	world_crash(w);
	world_run(w, 120000);
	cr_expect_eq(world_running(w, "web:2"), 0);
	cr_expect_null(store_get(world_store(w), KIND_DEPLOYMENT, "default", "api"));
	expect_verified();
}

Test(drift, what_nobody_applied_is_never_deleted)
{
	autojson *mine = world_deployment("mine", "web:2", 1);

	start(world_deployment("web", "web:1", 2));
	cr_assert(store_create(world_store(w), mine, NULL) == 0);
	world_run(w, 30000);
	world_push(w, shop(world_deployment("other", "web:1", 2)));
	world_confirm_prune(w);
	world_crash(w);
	world_run(w, 120000);
	cr_expect_null(web());
	cr_expect_eq(world_running(w, "web:2"), 1, "what somebody else made");
}

/* Seed 6114: the newest revision, not decoded yet, was held for what the one before it lacked. */
Test(drift, an_image_that_is_gone_holds_the_revision_that_ran_not_the_newest)
{
	static const struct world_faults deaf = {.lost = 1000};
	const json_t *notices = world_notices(w), *last, *app;

	start(world_deployment("web", "web:1", 2));
	world_set_faults(w, &deaf);
	world_push(w, shop(world_deployment("web", "web:2", 2)));
	world_run(w, 0);
	world_set_faults(w, NULL);
	world_remove_image(w, "web:1");
	edit(KIND_DEPLOYMENT, "web",
	     "spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt",
	     json_text("now"));
	world_run(w, 5000);
	app = store_get(world_store(w), KIND_APP, NULL, "shop");
	last = json_array_get(notices, json_array_size(notices) - 1);
	cr_assert_str_eq(world_app_reason(w, "shop"), "ErrImagePull");
	cr_expect_str_eq(json_path_str(app, "status.held.revision", ""), "rev-1");
	cr_expect_str_eq(json_path_str(last, "type", ""), "held");
	cr_expect_str_eq(json_path_str(last, "revision", ""), "rev-1");
	world_run(w, 120000);
	expect_verified();
	cr_expect_str_eq(image_of_web(), "web:2");
}
