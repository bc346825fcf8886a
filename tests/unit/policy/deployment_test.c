/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Deployment controller, one pass at a time on a store in memory: ReplicaSets' statuses are
 * written by the tests.
 */
#include "reconciler/controllers/deployment.h"

#include "base/strbuf.h"
#include "tests/unit/policy/idle_policy.h"

static struct idle_policy p;

static void setup(void)
{
	p = (struct idle_policy){0};
	idle_policy_init(&p);
}

static void teardown(void)
{
	idle_policy_deinit(&p);
}

TestSuite(deployment, .init = setup, .fini = teardown);

#define TEMPLATE(image)                                                                                   \
	"{'metadata': {'labels': {'app': 'web'}}, 'spec': {'containers': [{'name': 'c', 'image': '" image \
	"'}]}}"

static const json_t *web(void)
{
	return store_get(p.store, KIND_DEPLOYMENT, "n", "web");
}

static void make_web(const char *more_spec)
{
	autofree char *text = mem_asprintf(
		"{'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': 'web', 'namespace': 'n'}, "
		"'spec': {'replicas': 10, 'selector': {'matchLabels': {'app': 'web'}}, %s'template': %s}}",
		more_spec, TEMPLATE("a"));

	(void)create(p.store, text);
}

static void set_image(const char *image)
{
	idle_edit(&p, web(), "spec.template.spec.containers",
		  json_pack("[{s:s, s:s}]", "name", "c", "image", image));
}

static void pass(void)
{
	deployment_reconcile(p.r, "n/web");
}

/* The set of IMAGE, asserted to be there. */
static const json_t *set_of(const char *image)
{
	autojson *sets = store_list(p.store, KIND_REPLICASET, "n");
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs) {
		const json_t *c = json_array_get(json_path(rs, "spec.template.spec.containers"), 0);

		if (str_eq(json_path_str(c, "image", ""), image))
			return store_get_uid(p.store, object_uid(rs));
	}
	cr_assert_fail("no ReplicaSet of image %s", image);
	return NULL;
}

/* As its controller and the host would: COUNT pods there, AVAILABLE of them available. */
static void report(const char *image, int64_t count, int64_t available)
{
	const json_t *rs = set_of(image);
	autofree char *status = mem_asprintf(
		"{'replicas': %lld, 'readyReplicas': %lld, 'availableReplicas': %lld, 'observedGeneration': %lld}",
		(long long)count, (long long)available, (long long)available,
		(long long)json_path_int(rs, "metadata.generation", 0));

	idle_set_status(&p, rs, status);
}

/* All pods that the sets want are there and available. */
static void report_all(void)
{
	autojson *sets = store_list(p.store, KIND_REPLICASET, "n");
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs) {
		const json_t *c = json_array_get(json_path(rs, "spec.template.spec.containers"), 0);
		int64_t size = json_path_int(rs, "spec.replicas", 0);

		report(json_path_str(c, "image", ""), size, size);
	}
}

static int64_t size_of(const char *image)
{
	return json_path_int(set_of(image), "spec.replicas", -1);
}

static void expect_sizes(const char *when, int64_t a, int64_t b)
{
	cr_expect(size_of("a") == a && size_of("b") == b,
		  "%s\n got a %lld, b %lld\nwant a %lld, b %lld", when, (long long)size_of("a"),
		  (long long)size_of("b"), (long long)a, (long long)b);
}

static void expect_progressing(const char *when, const char *value, const char *reason)
{
	const json_t *c = object_condition(web(), "Progressing");

	cr_expect(str_eq(json_path_str(c, "status", ""), value) &&
			  str_eq(json_path_str(c, "reason", ""), reason),
		  "%s\n got %s %s\nwant %s %s", when, json_path_str(c, "status", ""),
		  json_path_str(c, "reason", ""), value, reason);
}

static void settle(void)
{
	for (int i = 0; i < 40; i++) {
		pass();
		report_all();
	}
	pass();
}

/* 10 replicas of image a, and a rollout to b that is stuck at a 8, b 5. */
static void stick(const char *more_spec)
{
	make_web(more_spec);
	settle();
	set_image("b");
	pass();
	pass();
	report("a", 8, 8);
	pass();
	report("b", 5, 0);
	pass();
}

Test(deployment, a_new_one_gets_its_set)
{
	autofree char *events = NULL;
	const json_t *rs;

	make_web("");
	pass();
	rs = set_of("a");
	events = idle_events(&p, "ScalingReplicaSet");
	cr_expect_str_eq(object_annotation(rs, DEPLOYMENT_REVISION), "1");
	cr_expect_str_eq(object_annotation(rs, DEPLOYMENT_DESIRED), "10");
	cr_expect_str_eq(object_annotation(rs, DEPLOYMENT_MAX), "13");
	cr_expect_str_eq(object_annotation(web(), DEPLOYMENT_REVISION), "1");
	cr_expect(size_of("a") == 10);
	cr_expect(strstr(events, "from 0 to 10"), "%s", events);
	expect_progressing("created", "True", "NewReplicaSetCreated");
	settle();
	expect_progressing("all available", "True", "NewReplicaSetAvailable");
	cr_expect(deployment_complete(web()));
}

Test(deployment, scaling_at_rest_goes_to_the_one_set)
{
	make_web("");
	settle();
	idle_edit(&p, web(), "spec.replicas", json_integer(15));
	pass();
	cr_expect(size_of("a") == 15);
	cr_expect_str_eq(object_annotation(set_of("a"), DEPLOYMENT_MAX), "19");
	idle_edit(&p, web(), "spec.replicas", json_integer(0));
	pass();
	cr_expect(size_of("a") == 0);
	idle_edit(&p, web(), "spec.replicas", json_integer(4));
	settle();
	cr_expect(size_of("a") == 4);
}

Test(deployment, scaling_in_the_middle_of_a_rollout_is_in_proportion)
{
	stick("");
	expect_sizes("stuck", 8, 5);
	idle_edit(&p, web(), "spec.replicas", json_integer(15));
	pass();
	expect_sizes("from 10 to 15, 19 in all", 12, 7);
	cr_expect_str_eq(object_annotation(set_of("a"), DEPLOYMENT_DESIRED), "15");
	cr_expect_str_eq(object_annotation(set_of("b"), DEPLOYMENT_MAX), "19");
}

Test(deployment, absolute_surge_is_shared_as_the_documentation_of_kubernetes_has_it)
{
	stick("'strategy': {'rollingUpdate': {'maxSurge': 3, 'maxUnavailable': 2}}, ");
	expect_sizes("stuck", 8, 5);
	idle_edit(&p, web(), "spec.replicas", json_integer(15));
	pass();
	expect_sizes("scaled", 11, 7);
}

Test(deployment, scaled_to_what_the_new_set_has_ends_the_old_ones)
{
	stick("");
	report("b", 5, 5);
	idle_edit(&p, set_of("b"), "metadata.annotations",
		  json_pack("{s:s, s:s}", DEPLOYMENT_DESIRED, "5", DEPLOYMENT_REVISION, "2"));
	idle_edit(&p, web(), "spec.replicas", json_integer(5));
	pass();
	expect_sizes("saturated", 0, 5);
}

Test(deployment, a_set_that_says_less_than_it_is_counts_as_it_is)
{
	stick("'strategy': {'rollingUpdate': {'maxSurge': 3, 'maxUnavailable': 2}}, ");
	report("b", 5, 5);
	report("a", 10, 10); /* two of them are on their way out */
	pass();
	expect_sizes("8 + 5 available, 8 needed", 3, 5);
}

Test(deployment, paused_makes_no_set_but_scales)
{
	make_web("");
	settle();
	idle_edit(&p, web(), "spec.paused", json_true());
	set_image("b");
	pass();
	expect_progressing("paused", "Unknown", "DeploymentPaused");
	idle_edit(&p, web(), "spec.replicas", json_integer(6));
	pass();
	cr_expect(size_of("a") == 6);
	cr_expect(json_array_size(json_path(web(), "status.conditions")) == 2);
	{
		autojson *sets = store_list(p.store, KIND_REPLICASET, "n");

		cr_expect(json_array_size(sets) == 1, "no set for a template of a paused one");
	}
	report_all();
	pass();
	idle_wait(&p, 3600);
	idle_edit(&p, web(), "spec.paused", json_false());
	pass();
	expect_progressing("resumed", "True", "NewReplicaSetCreated");
	cr_expect(size_of("b") == 2);
}

Test(deployment, the_clock_of_the_deadline_starts_again_when_it_is_resumed)
{
	stick("'progressDeadlineSeconds': 60, ");
	idle_edit(&p, web(), "spec.paused", json_true());
	pass();
	idle_wait(&p, 600);
	pass();
	expect_progressing("paused for long", "Unknown", "DeploymentPaused");
	idle_edit(&p, web(), "spec.paused", json_false());
	pass();
	expect_progressing("resumed", "Unknown", "DeploymentResumed");
	idle_wait(&p, 59);
	pass();
	expect_progressing("not yet", "Unknown", "DeploymentResumed");
	idle_wait(&p, 2);
	pass();
	expect_progressing("over", "False", "ProgressDeadlineExceeded");
	idle_edit(&p, web(), "spec.paused", json_true());
	pass();
	expect_progressing("pausing does not hide it", "False", "ProgressDeadlineExceeded");
	idle_edit(&p, web(), "spec.paused", json_false());
	report("b", 5, 1);
	pass();
	expect_progressing("progress after all", "True", "ReplicaSetUpdated");
}

Test(deployment, a_template_that_comes_back_takes_its_set_again)
{
	make_web("");
	settle();
	set_image("b");
	settle();
	expect_sizes("rolled", 0, 10);
	set_image("a");
	settle();
	expect_sizes("rolled back", 10, 0);
	cr_expect_str_eq(object_annotation(set_of("a"), DEPLOYMENT_REVISION), "3");
	cr_expect_str_eq(object_annotation(set_of("a"), DEPLOYMENT_HISTORY), "1");
	cr_expect_str_eq(object_annotation(web(), DEPLOYMENT_REVISION), "3");
}

Test(deployment, what_ran_out_of_time_says_nothing_of_another_template)
{
	stick("'progressDeadlineSeconds': 60, ");
	idle_wait(&p, 61);
	pass();
	expect_progressing("stuck at b", "False", "ProgressDeadlineExceeded");
	set_image("a");
	pass();
	expect_progressing("back at a", "True", "ReplicaSetUpdated");
	set_image("b");
	settle();
	expect_progressing("b after all", "True", "NewReplicaSetAvailable");
}

Test(deployment, a_new_template_and_size_at_once_are_seen_in_one_pass)
{
	stick("'progressDeadlineSeconds': 60, ");
	idle_wait(&p, 61);
	pass();
	idle_edit(&p, web(), "spec.replicas", json_integer(4));
	set_image("c");
	pass();
	(void)set_of("c");
	expect_progressing("c", "True", "NewReplicaSetCreated");
}

Test(deployment, history_is_kept_to_its_limit_once_complete)
{
	static const char *const images[] = {"b", "c", "d", "e"};
	autojson *sets = NULL;

	make_web("'revisionHistoryLimit': 2, ");
	settle();
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		set_image(images[i]);
		settle();
	}
	sets = store_list(p.store, KIND_REPLICASET, "n");
	cr_expect(json_array_size(sets) == 3, "got %zu", json_array_size(sets));
	(void)set_of("c");
	(void)set_of("d");
}

Test(deployment, a_name_taken_by_another_set_is_told_apart_by_a_count)
{
	autofree char *name = NULL, *other = NULL;
	autojson *sets = NULL;

	make_web("");
	pass();
	name = mem_strdup(object_name(set_of("a")));
	(void)store_delete(p.store, KIND_REPLICASET, "n", name);
	other = mem_asprintf(
		"{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'metadata': {'name': '%s', 'namespace': 'n'}, "
		"'spec': {'replicas': 1, 'selector': {'matchLabels': {'app': 'x'}}, 'template': {}}}",
		name);
	(void)create(p.store, other);
	pass();
	cr_expect(json_path_int(web(), "status.collisionCount", 0) == 1);
	pass();
	sets = store_owned(p.store, KIND_REPLICASET, web());
	cr_assert(json_array_size(sets) == 1);
	cr_expect_str_neq(object_name(json_array_get(sets, 0)), name);
}

Test(deployment, a_matching_orphan_is_adopted_and_a_stranger_let_go)
{
	autofree char *found = NULL;
	const json_t *rs;

	(void)create(
		p.store,
		"{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'metadata': {'name': 'old', 'namespace': 'n', "
		"'labels': {'app': 'web'}, 'ownerReferences': [{'uid': 'u', 'name': 'friend'}]}, "
		"'spec': {'replicas': 10, 'selector': {'matchLabels': {'app': 'web'}}, 'template': " TEMPLATE(
			"a") "}}");
	make_web("");
	pass();
	rs = store_get(p.store, KIND_REPLICASET, "n", "old");
	cr_expect(object_is_controlled_by(rs, web()));
	cr_expect(json_array_size(json_path(rs, "metadata.ownerReferences")) == 2,
		  "the friend stays");
	expect_progressing("found", "True", "FoundNewReplicaSet");
	idle_edit(&p, rs, "metadata.labels", json_pack("{s:s}", "app", "else"));
	pass();
	rs = store_get(p.store, KIND_REPLICASET, "n", "old");
	cr_expect(!object_controller_ref(rs));
	cr_expect(json_array_size(json_path(rs, "metadata.ownerReferences")) == 1);
	found = idle_events(&p, "ScalingReplicaSet");
	cr_expect(strstr(found, "from 0 to 10"), "a set of its own is made: %s", found);
}

Test(deployment, one_that_selects_everything_is_refused)
{
	autofree char *events = NULL;
	autojson *sets = NULL;

	make_web("");
	idle_edit(&p, web(), "spec.selector", json_object());
	pass();
	pass();
	events = idle_events(&p, "SelectingAll");
	cr_expect_str_eq(
		events, "This deployment is selecting all pods. A non-empty selector is required.");
	cr_expect(json_path_int(web(), "status.observedGeneration", 0) == 2);
	sets = store_list(p.store, KIND_REPLICASET, "n");
	cr_expect(json_array_size(sets) == 0);
}

Test(deployment, a_set_that_cannot_be_made_is_said)
{
	autojson *d = NULL;
	autofree char *name = mem_alloc(251), *events = NULL, *key = NULL;
	const json_t *made = NULL;

	memset(name, 'x', 250);
	name[250] = '\0';
	make_web("");
	d = json_deep_copy(web());
	json_path_set_new(d, "metadata.name", json_text(name));
	cr_assert(store_create(p.store, d, &made) == 0);
	key = mem_asprintf("n/%s", name);
	deployment_reconcile(p.r, key);
	deployment_reconcile(p.r, key);
	made = store_get(p.store, KIND_DEPLOYMENT, "n", name);
	cr_expect_str_eq(json_path_str(object_condition(made, "Progressing"), "reason", ""),
			 "ReplicaSetCreateError");
	events = idle_events(&p, "ReplicaSetCreateError");
	cr_expect(str_has_suffix(events, "give the Deployment a shorter name"), "%s", events);
}

static void make_pod(const json_t *rs, const char *phase)
{
	autofree char *text = mem_asprintf(
		"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'p', 'namespace': 'n', "
		"'deletionTimestamp': '2026-01-01T00:00:00Z', 'ownerReferences': [{'uid': '%s', 'controller': true}]}, "
		"'status': {'phase': '%s'}}",
		object_uid(rs), phase);

	(void)create(p.store, text);
}

Test(deployment, recreate_waits_for_the_last_old_pod_to_be_gone)
{
	autojson *sets = NULL;

	make_web("'strategy': {'type': 'Recreate'}, ");
	settle();
	make_pod(set_of("a"), "Running");
	set_image("b");
	settle();
	cr_expect(size_of("a") == 0);
	sets = store_list(p.store, KIND_REPLICASET, "n");
	cr_expect(json_array_size(sets) == 1, "no new set while an old pod ends");
	idle_set_status(&p, store_get(p.store, KIND_POD, "n", "p"), "{'phase': 'Succeeded'}");
	pass();
	expect_sizes("at its end it does not count", 0, 10);
}

/* clang-format off */
static const struct { const char *name, *value, *image, *reason; } rollbacks[] = {
	{ "to a revision by number", "1", "a", "DeploymentRollback" },
	{ "to the last one", "0", "b", "DeploymentRollback" },
	{ "to one that is not there", "9", "c", "DeploymentRollbackRevisionNotFound" },
	{ "to the one that is current", "3", "c", "DeploymentRollbackTemplateUnchanged" },
	{ "to what is no number", "x", "c", "DeploymentRollbackRevisionNotFound" },
};
/* clang-format on */

Test(deployment, the_annotation_of_the_removed_rollback_api)
{
	for (size_t i = 0; i < ARRAY_SIZE(rollbacks); i++) {
		autofree char *events = NULL;
		const json_t *c;

		if (i > 0) {
			teardown();
			setup();
		}
		make_web("");
		settle();
		set_image("b");
		settle();
		set_image("c");
		settle();
		idle_edit(&p, web(), "metadata.annotations",
			  json_pack("{s:s, s:s}", DEPLOYMENT_REVISION, "3",
				    "deprecated.deployment.rollback.to", rollbacks[i].value));
		pass();
		c = json_array_get(json_path(web(), "spec.template.spec.containers"), 0);
		events = idle_events(&p, rollbacks[i].reason);
		cr_expect(str_eq(json_path_str(c, "image", ""), rollbacks[i].image) && *events,
			  "%s\n got image %s\nwant image %s and an event %s", rollbacks[i].name,
			  json_path_str(c, "image", ""), rollbacks[i].image, rollbacks[i].reason);
		cr_expect(!object_annotation(web(), DEPLOYMENT_ROLLBACK), "%s: it stays",
			  rollbacks[i].name);
	}
}
