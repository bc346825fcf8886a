/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of Jobs on a simulated host: to the end, to failure, in parallel, suspended, replaced,
 * counted once however often the policy dies.
 */
#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/controllers/job.h"
#include "reconciler/object.h"
#include "tests/sim/world.h"

static struct world *w;

static void setup(void)
{
	w = world_new(11);
	world_add_image(w, "work:ends");
	world_add_image(w, "work:ends2");
	world_add_image(w, "work:fails");
	world_add_image(w, "work:broken");
	world_add_image(w, "work:sleeps");
}

static void teardown(void)
{
	w = world_free(w);
}

TestSuite(jobs, .init = setup, .fini = teardown);

/* A Job "work" as it is decoded, with further fields of its spec. */
static json_t *job(const char *image, const char *restart, json_t *more)
{
	json_t *j = json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:i, s:i, s:s, s:{s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
		"apiVersion", "batch/v1", "kind", "Job", "metadata", "name", "work", "namespace",
		"default", "spec", "parallelism", 1, "completions", 1, "backoffLimit", 6,
		"completionMode", "NonIndexed", "template", "spec", "restartPolicy", restart,
		"terminationGracePeriodSeconds", 30, "containers", "name", "main", "image", image);

	cr_assert(j);
	if (more)
		json_object_update_new(json_object_get(j, "spec"), more);
	return j;
}

static void push(json_t *j)
{
	world_push(w, json_pack("{s:{s:[o]}}", "shop", "objects", j));
}

static const json_t *live(void)
{
	return store_get(world_store(w), KIND_JOB, "default", "work");
}

static size_t pods(void)
{
	autojson *list = store_list(world_store(w), KIND_POD, NULL);

	return json_array_size(list);
}

static int64_t status(const char *name)
{
	return json_path_int(json_object_get(live(), "status"), name, 0);
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

Test(jobs, a_job_that_ends_well_is_complete_and_keeps_its_pod)
{
	push(job("work:ends", "Never", NULL));
	world_run(w, 20);
	expect_app("Progressing", "");
	world_run(w, 5000);
	expect_app("Verified", "");
	cr_assert(job_complete(live()));
	cr_assert_eq(status("succeeded"), 1);
	cr_assert_eq(status("active"), 0);
	cr_assert_eq(pods(), 1, "its pod stays, with its output");
	cr_assert_not_null(json_path(live(), "status.completionTime"));
	cr_assert_str_eq(json_path_str(live(),
				       "spec.selector.matchLabels.batch\\.kubernetes\\.io/"
				       "controller-uid",
				       ""),
			 object_uid(live()));
	world_run(w, 600000);
	cr_assert_eq(world_starts(w), 1, "and is not run again");
}

Test(jobs, a_crash_of_the_policy_at_any_call_counts_every_pod_once)
{
	for (int crash = 1; crash < 80; crash++) {
		teardown();
		setup();
		push(job("work:ends", "Never",
			 json_pack("{s:i, s:i}", "completions", 4, "parallelism", 2)));
		world_crash_in(w, (unsigned int)crash);
		world_run(w, 120000);
		cr_assert(job_complete(live()), "crash at call %d", crash);
		cr_assert_eq(status("succeeded"), 4, "crash at call %d: %lld", crash,
			     (long long)status("succeeded"));
		cr_assert_eq(status("failed"), 0, "crash at call %d", crash);
	}
}

Test(jobs, a_job_that_fails_is_tried_with_growing_pauses_and_then_holds_the_app)
{
	push(job("work:fails", "Never", json_pack("{s:i}", "backoffLimit", 2)));
	world_run(w, 5000);
	cr_assert_eq(world_starts(w), 1);
	expect_app("Progressing", "");
	world_run(w, 9000);
	cr_assert_eq(world_starts(w), 2, "the second after ten seconds");
	world_run(w, 15000);
	cr_assert_eq(world_starts(w), 2);
	world_run(w, 8000);
	cr_assert_eq(world_starts(w), 3, "the third after twenty");
	expect_app("Held", "BackoffLimitExceeded");
	cr_assert_eq(status("failed"), 3);
	world_run(w, 600000);
	cr_assert_eq(world_starts(w), 3);
	cr_assert_eq(pods(), 3, "their output can be read");
}

Test(jobs, on_failure_starts_the_container_again_in_its_pod)
{
	push(job("work:fails", "OnFailure", json_pack("{s:i}", "backoffLimit", 2)));
	world_run(w, 60000);
	expect_app("Held", "BackoffLimitExceeded");
	cr_assert_eq(world_starts(w), 3, "once and two restarts");
	cr_assert_eq(status("failed"), 1, "one pod");
	cr_assert_eq(pods(), 0, "its pod was still active");
}

Test(jobs, a_container_that_cannot_be_created_holds_the_app_at_once)
{
	push(job("work:broken", "Never", NULL));
	world_run(w, 5000);
	expect_app("Held", "CreateContainerError");
}

Test(jobs, a_deadline_ends_what_runs_and_fails_the_job_when_it_is_gone)
{
	push(job("work:sleeps", "Never", json_pack("{s:i}", "activeDeadlineSeconds", 30)));
	world_run(w, 25000);
	cr_assert_eq(world_running(w, "work:sleeps"), 1);
	while (!object_condition(live(), "FailureTarget") && world_step(w))
		;
	cr_assert_null(object_condition(live(), "Failed"), "its pod still runs");
	cr_assert_eq(status("terminating"), 1);
	world_run(w, 60000);
	cr_assert_str_eq(json_path_str(object_condition(live(), "Failed"), "reason", ""),
			 "DeadlineExceeded");
	expect_app("Held", "DeadlineExceeded");
	cr_assert_eq(world_running(w, "work:sleeps"), 0);
	cr_assert_eq(status("failed"), 1);
	cr_assert_eq(status("terminating"), 0);
}

Test(jobs, an_indexed_job_runs_each_index_once)
{
	autojson *seen = json_object();
	autojson *list = NULL;
	json_t *pod;
	size_t i;

	push(job("work:ends", "Never",
		 json_pack("{s:i, s:i, s:s}", "completions", 5, "parallelism", 2, "completionMode",
			   "Indexed")));
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_str_eq(json_path_str(live(), "status.completedIndexes", ""), "0-4");
	list = store_list(world_store(w), KIND_POD, NULL);
	cr_assert_eq(json_array_size(list), 5);
	json_array_foreach(list, i, pod) {
		autofree char *host = mem_asprintf(
			"work-%s",
			object_label(pod, "batch.kubernetes.io/job-completion-index") ?: "");

		cr_assert_str_eq(json_path_str(pod, "spec.hostname", ""), host);
		cr_assert_str_eq(json_path_str(pod, "spec.containers.[0].env.[0].name", ""),
				 "JOB_COMPLETION_INDEX");
		json_object_set_new(seen, host, json_true());
	}
	cr_assert_eq(json_object_size(seen), 5);
}

Test(jobs, a_work_queue_ends_with_its_first_success)
{
	json_t *j = job("work:ends", "Never", json_pack("{s:i}", "parallelism", 3));

	json_path_del(j, "spec.completions");
	push(j);
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(status("succeeded"), 3, "all three ended well, none was started after");
	cr_assert_eq(world_starts(w), 3);
}

Test(jobs, a_failure_that_is_ignored_does_not_count_and_one_that_fails_the_job_does_at_once)
{
	static const char *const actions[] = {"Ignore", "FailJob"};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		push(job("work:fails", "Never",
			 json_pack("{s:i, s:s, s:{s:[{s:s, s:{s:s, s:[i]}}]}}", "backoffLimit",
				   i ? 6 : 0, "podReplacementPolicy", "Failed", "podFailurePolicy",
				   "rules", "action", actions[i], "onExitCodes", "operator", "In",
				   "values", 3)));
		world_run(w, i ? 3000 : 120000);
		if (i == 0) {
			expect_app("Progressing", "");
			cr_assert_eq(status("failed"), 0);
			cr_assert_gt(world_starts(w), 2);
		}
	}
	expect_app("Held", "PodFailurePolicy");
	cr_assert_not_null(strstr(json_path_str(object_condition(live(), "Failed"), "message", ""),
				  "failed with exit code 3 matching FailJob rule at index 0"));
}

Test(jobs, a_suspended_job_runs_nothing_until_it_is_resumed)
{
	push(job("work:sleeps", "Never", NULL));
	world_run(w, 5000);
	cr_assert_eq(world_running(w, "work:sleeps"), 1);
	push(job("work:sleeps", "Never", json_pack("{s:b}", "suspend", 1)));
	world_run(w, 60000);
	cr_assert_eq(world_running(w, "work:sleeps"), 0);
	cr_assert_eq(pods(), 0);
	cr_assert_eq(status("failed"), 0, "suspending is no failure");
	cr_assert_null(json_path(live(), "status.startTime"));
	push(job("work:sleeps", "Never", NULL));
	world_run(w, 5000);
	cr_assert_eq(world_running(w, "work:sleeps"), 1);
	cr_assert_str_eq(json_path_str(object_condition(live(), "Suspended"), "reason", ""),
			 "JobResumed");
}

Test(jobs, a_pod_deleted_by_hand_counts_as_failed_and_is_replaced)
{
	autojson *list = NULL;
	autojson *copy = NULL;

	push(job("work:sleeps", "Never", NULL));
	world_run(w, 5000);
	list = store_list(world_store(w), KIND_POD, NULL);
	copy = json_deep_copy(json_array_get(list, 0));
	json_path_set_new(copy, "metadata.deletionTimestamp", json_text("2027-01-15T08:01:00Z"));
	cr_assert_eq(store_update(world_store(w), copy), 0);
	world_run(w, 60000);
	cr_assert_eq(status("failed"), 1);
	cr_assert_eq(world_running(w, "work:sleeps"), 1);
	cr_assert_eq(pods(), 1, "the deleted one is gone");
}

Test(jobs, a_job_with_a_time_to_live_goes_and_is_not_run_again)
{
	push(job("work:ends", "Never", json_pack("{s:i}", "ttlSecondsAfterFinished", 30)));
	world_run(w, 10000);
	expect_app("Verified", "");
	world_run(w, 60000);
	cr_assert_null(live());
	cr_assert_eq(pods(), 0);
	world_crash(w);
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 1);
	push(job("work:ends2", "Never", NULL));
	world_run(w, 10000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 2, "other content is other work");
	world_push(w, json_pack("{s:{s:[{s:s, s:s, s:{s:s, s:s}}]}}", "shop", "objects",
				"apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", "c",
				"namespace", "default"));
	world_run(w, 60000);
	push(job("work:ends", "Never", NULL));
	world_run(w, 10000);
	cr_assert_eq(world_starts(w), 3, "what the app had no more may run again");
}

Test(jobs, another_template_replaces_the_job_when_the_old_one_has_ended)
{
	push(job("work:sleeps", "Never", NULL));
	world_run(w, 5000);
	push(job("work:ends", "Never", NULL));
	while (world_step(w) && world_running(w, "work:ends") == 0)
		;
	cr_assert_eq(world_running(w, "work:sleeps"), 0, "never two of them at once");
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 2);
	cr_assert_eq(pods(), 1);
}

Test(jobs, a_rollback_runs_no_job_and_what_is_reverted_is_not_run_again)
{
	push(job("work:ends", "Never", NULL));
	world_run(w, 10000);
	push(job("work:fails", "Never", json_pack("{s:i}", "backoffLimit", 0)));
	world_run(w, 60000);
	expect_app("Held", "BackoffLimitExceeded");
	cr_assert_eq(world_starts(w), 2);
	cr_assert_not_null(live(), "the failed one stays to be looked at");
	push(job("work:ends", "Never", NULL));
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 2);
	world_crash(w);
	world_run(w, 60000);
	expect_app("Verified", "");
	cr_assert_eq(world_starts(w), 2);
}

Test(jobs, a_deleted_job_takes_its_pods_along)
{
	push(job("work:sleeps", "Never",
		 json_pack("{s:i, s:i}", "completions", 3, "parallelism", 3)));
	world_run(w, 5000);
	cr_assert_eq(pods(), 3);
	world_push(w, json_pack("{s:{s:[]}, s:{s:[o]}}", "shop", "objects", "other", "objects",
				world_deployment("web", "work:sleeps", 1)));
	world_run(w, 120000);
	cr_assert_eq(pods(), 1);
	cr_assert_null(live());
}
