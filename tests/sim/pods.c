/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of pods on a simulated host: probes that drive a rollout, restart, and cost nothing;
 * hooks; init containers and sidecars; a policy that dies in between; a host that starts again.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	w = world_new(23);
	world_add_image(w, "web:1");
	world_add_image(w, "web:2");
	world_add_image(w, "init:1");
	world_add_image(w, "init:ends");
	world_add_image(w, "init:fails");
}

static void teardown(void)
{
	w = world_free(w);
}

TestSuite(pods, .init = setup, .fini = teardown);

static json_t *like(const char *text)
{
	autofree char *copy = mem_strdup(text);
	json_t *j;

	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	j = json_loads(copy, JSON_DECODE_ANY, NULL);
	cr_assert(j, "not JSON: %s", text);
	return j;
}

/* A Deployment whose only container has also what MORE says, and its pods' spec what POD says. */
static json_t *deployment(const char *image, int replicas, const char *more, const char *pod)
{
	json_t *d = world_deployment("web", image, replicas);
	json_t *spec = json_path(d, "spec.template.spec");

	json_object_update_new(json_array_get(json_object_get(spec, "containers"), 0), like(more));
	json_object_update_new(spec, like(pod));
	return d;
}

static void push(json_t *d)
{
	world_push(w, json_pack("{s:{s:[o]}}", "shop", "objects", d));
}

/* The first pod, borrowed until the next step. */
static const json_t *pod(void)
{
	autojson *list = store_list(world_store(w), KIND_POD, NULL);
	const char *uid = json_path_str(json_array_get(list, 0), "metadata.uid", "");

	return store_get_uid(world_store(w), uid);
}

static bool ready(void)
{
	return str_eq(json_path_str(object_condition(pod(), "Ready"), "status", ""), "True");
}

static int64_t restarts(void)
{
	return json_path_int(pod(), "status.containerStatuses.[0].restartCount", -1);
}

/* How often the event REASON was counted in all. */
static int64_t events(const char *reason)
{
	autojson *list = store_list(world_store(w), KIND_EVENT, NULL);
	int64_t n = 0;
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e) {
		if (str_eq(json_path_str(e, "reason", ""), reason))
			n += json_path_int(e, "count", 0);
	}
	return n;
}

/* Seeds 4919 and 8842: what stays so for ever is no change, or nothing ever comes to rest. */
Test(pods, what_cannot_be_created_is_tried_again_and_written_once)
{
	autofree char *version = NULL;
	int64_t failed;

	world_add_image(w, "web:broken");
	push(deployment("web:broken", 1, "{}", "{}"));
	world_run(w, 15000);
	cr_assert_str_eq(
		json_path_str(pod(), "status.containerStatuses.[0].state.waiting.reason", ""),
		"CreateContainerError");
	version = mem_strdup(json_path_str(pod(), "metadata.resourceVersion", ""));
	failed = events("Failed");
	world_run(w, 60000);
	cr_expect_gt(events("Failed"), failed, "it is tried again");
	cr_expect_str_eq(json_path_str(pod(), "metadata.resourceVersion", ""), version,
			 "its status was written though nothing came of it");
}

#define READINESS "{'readinessProbe': {'httpGet': {'port': 80}, 'periodSeconds': 5}}"
#define LIVENESS "{'livenessProbe': {'exec': {'command': ['a']}, 'periodSeconds': 5}}"

Test(pods, a_rollout_waits_for_readiness)
{
	push(deployment("web:1", 4, READINESS, "{}"));
	world_run(w, 30000);
	cr_assert_str_eq(world_app_phase(w, "shop"), "Verified");
	world_fail_checks(w, "web:2", "readiness", true);
	push(deployment("web:2", 4, READINESS, "{}"));
	world_run(w, 60000);
	cr_expect_str_eq(world_app_phase(w, "shop"), "Progressing");
	cr_expect_geq(world_running(w, "web:1"), 3, "the old ones stay: %u",
		      world_running(w, "web:1"));
	cr_expect_gt(events("Unhealthy"), 0);
	world_fail_checks(w, "web:2", "readiness", false);
	world_run(w, 60000);
	cr_expect_str_eq(world_app_phase(w, "shop"), "Verified");
	cr_expect_eq(world_running(w, "web:2"), 4);
	cr_expect_eq(world_running(w, "web:1"), 0);
}

Test(pods, never_ready_holds_at_the_progress_deadline)
{
	json_t *d = deployment("web:2", 2, READINESS, "{}");

	push(deployment("web:1", 2, READINESS, "{}"));
	world_run(w, 30000);
	world_fail_checks(w, "web:2", "readiness", true);
	json_path_set_new(d, "spec.progressDeadlineSeconds", json_integer(60));
	push(d);
	world_run(w, 200000);
	cr_expect_str_eq(world_app_phase(w, "shop"), "Held");
	cr_expect_str_eq(world_app_reason(w, "shop"), "ProgressDeadlineExceeded");
	cr_expect_eq(world_running(w, "web:1"), 2, "what served before serves again");
	cr_expect_eq(world_running(w, "web:2"), 0);
}

Test(pods, readiness_comes_and_goes_by_its_thresholds)
{
	push(deployment("web:1", 1, READINESS, "{}"));
	world_run(w, 20000);
	cr_assert(ready());
	world_fail_checks(w, "web:1", "readiness", true);
	world_run(w, 6000);
	cr_expect(ready(), "one failure is not enough");
	world_run(w, 12000);
	cr_expect_not(ready(), "three are");
	cr_expect_eq(restarts(), 0, "nobody restarts what is not ready");
	world_fail_checks(w, "web:1", "readiness", false);
	world_run(w, 6000);
	cr_expect(ready());
}

Test(pods, failed_liveness_restarts_with_back_off)
{
	push(deployment("web:1", 1, LIVENESS, "{}"));
	world_run(w, 20000);
	cr_assert_eq(restarts(), 0);
	world_fail_checks(w, "web:1", "liveness", true);
	world_run(w, 20000);
	cr_expect_eq(restarts(), 1, "at once the first time");
	world_run(w, 400000);
	cr_expect_geq(restarts(), 3);
	cr_expect_leq(restarts(), 7, "then less and less often: %lld", (long long)restarts());
	cr_expect_gt(events("Killing"), 0);
	world_fail_checks(w, "web:1", "liveness", false);
	world_run(w, 400000);
	cr_expect(ready());
}

Test(pods, probes_that_change_nothing_write_nothing)
{
	uint64_t version;
	unsigned int checks;

	push(deployment("web:1", 20, READINESS, "{}"));
	world_run(w, 5000000); /* until the last event of the start has expired */
	version = store_resource_version(world_store(w));
	checks = world_checks(w);
	world_run(w, 100000);
	cr_expect_eq(store_resource_version(world_store(w)), version, "something was written");
	cr_expect_geq(world_checks(w) - checks, 20 * 19);
	cr_expect_leq(world_checks(w) - checks, 20 * 21);
}

Test(pods, a_restart_of_the_policy_takes_nobodys_readiness_away)
{
	autofree char *since = NULL;

	push(deployment("web:1", 1, READINESS, "{}"));
	world_run(w, 20000);
	since = mem_strdup(
		json_path_str(object_condition(pod(), "Ready"), "lastTransitionTime", ""));
	world_crash(w);
	world_run(w, 20000);
	cr_expect(ready());
	cr_expect_str_eq(json_path_str(object_condition(pod(), "Ready"), "lastTransitionTime", ""),
			 since, "it was not ready in between");
}

#define POST_START "{'lifecycle': {'postStart': {'exec': {'command': ['a']}}}}"

Test(pods, a_failed_post_start_hook_ends_the_container)
{
	push(deployment("web:1", 1, POST_START, "{}"));
	world_run(w, 10000);
	cr_expect(ready());
	cr_assert_str_eq(world_app_phase(w, "shop"), "Verified");
	world_fail_checks(w, "web:2", "postStart", true);
	push(deployment("web:2", 1, POST_START, "{}"));
	world_run(w, 30000);
	cr_expect_gt(events("FailedPostStartHook"), 0);
	cr_expect_eq(world_running(w, "web:1"), 1, "the old one serves");
}

#define INIT(image) "{'initContainers': [{'name': 'init', 'image': '" image "'}]}"
#define SIDECAR                                                                                    \
	"{'initContainers': [{'name': 'side', 'image': 'init:1', 'restartPolicy': 'Always'}]}"

Test(pods, init_containers_come_first_and_once)
{
	push(deployment("web:1", 1, "{}", INIT("init:ends")));
	world_run(w, 120000);
	cr_assert(ready());
	cr_expect_eq(world_starts(w), 2);
	world_crash(w);
	world_run(w, 60000);
	cr_expect(ready());
	cr_expect_eq(world_starts(w), 2, "a restart of the policy runs none again");
	cr_expect_str_eq(json_path_str(pod(),
				       "status.initContainerStatuses.[0].state.terminated.reason",
				       ""),
			 "Completed");
}

Test(pods, init_containers_run_again_in_a_new_sandbox)
{
	push(deployment("web:1", 1, "{}", INIT("init:ends")));
	world_run(w, 120000);
	cr_assert(ready());
	world_reboot(w);
	world_run(w, 120000);
	cr_expect(ready());
	cr_expect_eq(world_starts(w), 4, "both of them: %u", world_starts(w));
	cr_expect_eq(events("SandboxChanged"), 1);
}

Test(pods, what_an_init_container_fails_to_prepare_is_not_started)
{
	push(deployment("web:1", 1, "{}", INIT("init:fails")));
	world_run(w, 120000);
	cr_expect_eq(world_running(w, "web:1"), 0);
	cr_expect_str_eq(world_app_phase(w, "shop"), "Held");
}

Test(pods, a_sidecar_runs_beside_and_starts_again)
{
	push(deployment("web:1", 1, "{}", SIDECAR));
	world_run(w, 20000);
	cr_assert(ready());
	cr_expect_eq(world_running(w, "init:1"), 1);
	world_exit_container(w, object_uid(pod()), 1);
	world_run(w, 20000);
	cr_expect(ready());
	cr_expect_eq(world_running(w, "init:1"), 1);
	cr_expect_eq(world_running(w, "web:1"), 1);
}
