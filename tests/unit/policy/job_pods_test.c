/* SPDX-License-Identifier: Apache-2.0 */
/* What a Job reads off its pods, and the text of completed indexes. */
#include "reconciler/controllers/job_pods.h"

#include "tests/unit/policy/lib.h"

#define ENDED(name, code)                                                                          \
	"{'name': '" name "', 'state': {'terminated': {'exitCode': " code                          \
	", 'finishedAt': '2026-01-01T00:00:05Z'}}}"
#define FAILED(statuses)                                                                           \
	"{'metadata': {'name': 'p', 'namespace': 'ns'}, 'status': {'phase': 'Failed', "            \
	"'conditions': [{'type': 'DisruptionTarget', 'status': 'True'}], "                         \
	"'containerStatuses': [" statuses "]}}"
#define RULES(rules) "{'podFailurePolicy': {'rules': [" rules "]}}"
#define ON_CODE(action, operator, values)                                                          \
	"{'action': '" action "', 'onExitCodes': {'operator': '" operator"', 'values': " values "}}"

/* clang-format off */
static const struct {
	const char *name, *spec, *pod;
	enum job_failure_action want;
	const char *message;
} failures[] = {
	{ "without a policy a failure counts", "{}", FAILED(ENDED("c", "1")), JOB_COUNT, NULL },
	{ "a code in the list fails the Job", RULES(ON_CODE("FailJob", "In", "[3, 42]")), FAILED(ENDED("c", "42")), JOB_FAIL,
	  "Container c for pod ns/p failed with exit code 42 matching FailJob rule at index 0" },
	{ "another code counts", RULES(ON_CODE("FailJob", "In", "[42]")), FAILED(ENDED("c", "1")), JOB_COUNT, NULL },
	{ "a code that is not in the list is ignored", RULES(ON_CODE("Ignore", "NotIn", "[42]")), FAILED(ENDED("c", "1")), JOB_IGNORE, NULL },
	{ "0 is no failure, not even for NotIn", RULES(ON_CODE("FailJob", "NotIn", "[42]")), FAILED(ENDED("c", "0")), JOB_COUNT, NULL },
	{ "the first rule that applies counts", RULES(ON_CODE("Count", "In", "[1]") ", " ON_CODE("FailJob", "In", "[1]")),
	  FAILED(ENDED("c", "1")), JOB_COUNT, NULL },
	{ "a later rule is named by its place", RULES(ON_CODE("Count", "In", "[2]") ", " ON_CODE("FailJob", "In", "[1]")),
	  FAILED(ENDED("c", "1")), JOB_FAIL, "Container c for pod ns/p failed with exit code 1 matching FailJob rule at index 1" },
	{ "any container may be the one", RULES(ON_CODE("Ignore", "In", "[9]")), FAILED(ENDED("c", "1") ", " ENDED("d", "9")), JOB_IGNORE, NULL },
	{ "unless one is named", RULES("{'action': 'Ignore', 'onExitCodes': {'containerName': 'c', 'operator': 'In', 'values': [9]}}"),
	  FAILED(ENDED("c", "1") ", " ENDED("d", "9")), JOB_COUNT, NULL },
	{ "a condition of the pod", RULES("{'action': 'Ignore', 'onPodConditions': [{'type': 'DisruptionTarget', 'status': 'True'}]}"),
	  FAILED(ENDED("c", "1")), JOB_IGNORE, NULL },
	{ "a condition that fails the Job", RULES("{'action': 'FailJob', 'onPodConditions': [{'type': 'DisruptionTarget', 'status': 'True'}]}"),
	  FAILED(ENDED("c", "1")), JOB_FAIL, "Pod ns/p has condition DisruptionTarget matching FailJob rule at index 0" },
	{ "a condition the pod has otherwise", RULES("{'action': 'Ignore', 'onPodConditions': [{'type': 'DisruptionTarget', 'status': 'False'}]}"),
	  FAILED(ENDED("c", "1")), JOB_COUNT, NULL },
};

static const struct {
	const char *name, *pod;
	bool ended, active, failed, failed_if_ended_only;
} states[] = {
	{ "new", "{'metadata': {}}", false, true, false, false },
	{ "running", "{'metadata': {}, 'status': {'phase': 'Running'}}", false, true, false, false },
	{ "ended well", "{'metadata': {}, 'status': {'phase': 'Succeeded'}}", true, false, false, false },
	{ "failed", "{'metadata': {}, 'status': {'phase': 'Failed'}}", true, false, true, true },
	{ "on its way out", "{'metadata': {'deletionTimestamp': 'x'}, 'status': {'phase': 'Running'}}", false, false, true, false },
	{ "ended well, then deleted", "{'metadata': {'deletionTimestamp': 'x'}, 'status': {'phase': 'Succeeded'}}", true, false, false, false },
};

static const struct { const char *text, *again; size_t n; const char *set; } indexes[] = {
	{ "", "", 4, "...." },
	{ "0", "0", 4, "#..." },
	{ "0-3", "0-3", 4, "####" },
	{ "0,1", "0,1", 4, "##.." },
	{ "1,3-5,7", "1,3-5,7", 8, ".#.###.#" },
	{ "2-9", "2,3", 4, "..##" },
	{ "junk", "", 4, "...." },
	{ "1,,3", "1", 4, ".#.." },
	{ "3-1", "", 4, "...." },
};
/* clang-format on */

Test(job_pods, the_failure_policy)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		autojson *spec = json_like(failures[i].spec), *pod = json_like(failures[i].pod);
		autofree char *message = NULL;
		enum job_failure_action got = job_pod_failure(spec, pod, &message);

		cr_expect(got == failures[i].want, "%s: got %d, want %d", failures[i].name, got,
			  failures[i].want);
		cr_expect(str_eq(message, failures[i].message), "%s:\n got %s\nwant %s",
			  failures[i].name, message, failures[i].message);
	}
}

Test(job_pods, states_of_a_pod)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		autojson *pod = json_like(states[i].pod);

		cr_expect(job_pod_ended(pod) == states[i].ended, "%s", states[i].name);
		cr_expect(job_pod_active(pod) == states[i].active, "%s", states[i].name);
		cr_expect(job_pod_failed(pod, false) == states[i].failed, "%s", states[i].name);
		cr_expect(job_pod_failed(pod, true) == states[i].failed_if_ended_only, "%s",
			  states[i].name);
	}
}

Test(job_pods, completed_indexes_as_text)
{
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		bool done[8] = {false};
		autofree char *again = NULL;

		job_indexes_parse(done, indexes[i].n, indexes[i].text);
		for (size_t k = 0; k < indexes[i].n; k++)
			cr_expect(done[k] == (indexes[i].set[k] == '#'), "'%s': index %zu",
				  indexes[i].text, k);
		again = job_indexes_format(done, indexes[i].n);
		cr_expect_str_eq(again, indexes[i].again);
	}
}

Test(job_pods, the_index_and_the_times_of_a_pod)
{
	autojson *pod = json_like(
		"{'metadata': {'annotations': {'batch.kubernetes.io/job-completion-index': '7'}, "
		"'finalizers': ['a/b', 'batch.kubernetes.io/job-tracking'], "
		"'creationTimestamp': '2026-01-01T00:00:00Z'}, 'status': {'containerStatuses': "
		"[" ENDED("c", "1") ", {'name': 'd', 'restartCount': 4}]}}");
	autojson *other = json_like(
		"{'metadata': {'annotations': {'batch.kubernetes.io/job-completion-index': '-1'}, "
		"'deletionTimestamp': '2026-01-01T00:01:00Z', 'deletionGracePeriodSeconds': 30}}");

	cr_expect_eq(job_pod_index(pod), 7);
	cr_expect_eq(job_pod_index(other), -1);
	cr_expect(job_pod_uncounted(pod) && !job_pod_uncounted(other));
	cr_expect_eq(job_pod_restarts(pod), 4);
	cr_expect_eq(job_pod_finished_ns(pod) % 60000000000, 5000000000);
	cr_expect_eq(job_pod_finished_ns(other) % 60000000000, 30000000000,
		     "when its deletion was asked for");
}
