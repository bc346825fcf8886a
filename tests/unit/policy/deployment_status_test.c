/* SPDX-License-Identifier: Apache-2.0 */
/* What a Deployment's status says, and when its deadline is looked at again. Now is 00:10:00. */
#include "reconciler/controllers/deployment_status.h"

#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

#define NOW "2026-01-01T00:10:00Z"
#define NOW_NS (1767225600000000000 + 600000000000)

#define PROGRESSING(status, reason, updated)                                                       \
	"{'type': 'Progressing', 'status': '" status "', 'reason': '" reason                       \
	"', 'lastTransitionTime': '2026-01-01T00:00:00Z', 'lastUpdateTime': '2026-01-01T" updated  \
	"Z'}"
#define RS(name, spec, there, ready, available)                                                    \
	"{'metadata': {'name': '" name "'}, 'spec': {'replicas': " #spec                           \
	"}, 'status': {'replicas': " #there ", 'readyReplicas': " #ready                           \
	", 'availableReplicas': " #available ", 'terminatingReplicas': 1}}"
#define RS_FAILED                                                                                  \
	"{'metadata': {'name': 'o'}, 'spec': {'replicas': 1}, 'status': {'conditions': [{'type': " \
	"'ReplicaFailure', 'status': 'True', 'reason': 'FailedCreate', 'message': 'no'}]}}"

/* clang-format off */
static const struct {
	const char *name, *spec, *status, *sets; /* the last of the sets is the new one */
	const char *available;   /* "status reason" */
	const char *progressing; /* "status reason lastUpdateTime lastTransitionTime"; "": there is none */
	int64_t again_s;
} judgements[] = {
	{ "a rollout that gets on", "{'replicas': 3}", "{'conditions': [" PROGRESSING("True", "NewReplicaSetCreated", "00:09:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 2, 2, 1, 1) "]", "True MinimumReplicasAvailable",
	  "True ReplicaSetUpdated 00:10:00 00:00:00", 601 },
	{ "one that does not, within its deadline", "{'replicas': 3}",
	  "{'replicas': 3, 'updatedReplicas': 1, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 0, 0) "]", "False MinimumReplicasUnavailable",
	  "True ReplicaSetUpdated 00:09:00 00:00:00", 541 },
	{ "one that does not, and whose deadline is over", "{'replicas': 3, 'progressDeadlineSeconds': 30}",
	  "{'replicas': 3, 'updatedReplicas': 1, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 0, 0) "]", "False MinimumReplicasUnavailable",
	  "False ProgressDeadlineExceeded 00:10:00 00:10:00", -1 },
	{ "exactly at its deadline it has a second left", "{'replicas': 3, 'progressDeadlineSeconds': 60}",
	  "{'replicas': 3, 'updatedReplicas': 1, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 0, 0) "]", "False MinimumReplicasUnavailable",
	  "True ReplicaSetUpdated 00:09:00 00:00:00", 1 },
	{ "progress after the deadline is progress", "{'replicas': 3, 'progressDeadlineSeconds': 30}",
	  "{'replicas': 3, 'updatedReplicas': 1, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("False", "ProgressDeadlineExceeded", "00:05:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 1, 1) "]", "True MinimumReplicasAvailable",
	  "True ReplicaSetUpdated 00:10:00 00:10:00", 31 },
	{ "fewer old ones are progress too", "{'replicas': 2}",
	  "{'replicas': 4, 'updatedReplicas': 1, 'readyReplicas': 3, 'availableReplicas': 3, 'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 0, 0) "]", "True MinimumReplicasAvailable",
	  "True ReplicaSetUpdated 00:10:00 00:00:00", 601 },
	{ "done", "{'replicas': 2}", "{'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("o", 0, 0, 0, 0) ", " RS("n", 2, 2, 2, 2) "]", "True MinimumReplicasAvailable",
	  "True NewReplicaSetAvailable 00:10:00 00:00:00", -1 },
	{ "what was done and loses pods does not run out of time", "{'replicas': 2, 'progressDeadlineSeconds': 30}",
	  "{'replicas': 2, 'updatedReplicas': 2, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("True", "NewReplicaSetAvailable", "00:01:00") "]}",
	  "[" RS("n", 2, 2, 0, 0) "]", "False MinimumReplicasUnavailable",
	  "True NewReplicaSetAvailable 00:01:00 00:00:00", -1 },
	{ "resumed: the clock starts with that", "{'replicas': 2, 'progressDeadlineSeconds': 90}",
	  "{'replicas': 3, 'updatedReplicas': 1, 'readyReplicas': 2, 'availableReplicas': 2, 'conditions': [" PROGRESSING("Unknown", "DeploymentResumed", "00:09:30") "]}",
	  "[" RS("o", 2, 2, 2, 2) ", " RS("n", 1, 1, 0, 0) "]", "True MinimumReplicasAvailable",
	  "Unknown DeploymentResumed 00:09:30 00:00:00", 61 },
	{ "without a deadline there is no Progressing", "{'replicas': 2, 'progressDeadlineSeconds': 2147483647}",
	  "{'conditions': [" PROGRESSING("True", "ReplicaSetUpdated", "00:09:00") "]}",
	  "[" RS("n", 2, 2, 0, 0) "]", "False MinimumReplicasUnavailable", "", -1 },
	{ "no replicas wanted, none there: done", "{'replicas': 0}", "{'conditions': [" PROGRESSING("True", "NewReplicaSetCreated", "00:09:00") "]}",
	  "[" RS("n", 0, 0, 0, 0) "]", "True MinimumReplicasAvailable",
	  "True NewReplicaSetAvailable 00:10:00 00:00:00", -1 },
};
/* clang-format on */

static json_t *deployment(const char *spec, const char *status)
{
	return json_pack("{s:s, s:s, s:{s:s, s:i}, s:o, s:o}", "apiVersion", "apps/v1", "kind",
			 "Deployment", "metadata", "name", "web", "generation", 7, "spec",
			 json_like(spec), "status", json_like(status));
}

static char *said(const json_t *status, const char *type)
{
	autojson *o = json_pack("{s:O}", "status", status);
	const json_t *c = object_condition(o, type);
	const char *updated = json_path_str(c, "lastUpdateTime", "???????????");
	const char *moved = json_path_str(c, "lastTransitionTime", "???????????");

	if (!c)
		return mem_strdup("");
	if (str_eq(type, "Progressing"))
		return mem_asprintf("%s %s %.8s %.8s", json_path_str(c, "status", ""),
				    json_path_str(c, "reason", ""), updated + 11, moved + 11);
	return mem_asprintf("%s %s", json_path_str(c, "status", ""),
			    json_path_str(c, "reason", ""));
}

static json_t *status_of(const json_t *d, json_t *sets, int64_t *again_s)
{
	struct deployment_view v = {.deployment = d,
				    .new_rs = json_array_get(sets, json_array_size(sets) - 1),
				    .all = sets,
				    .now = NOW,
				    .now_ns = NOW_NS};

	return deployment_status(&v, again_s);
}

Test(deployment_status, judgements)
{
	for (size_t i = 0; i < ARRAY_SIZE(judgements); i++) {
		autojson *d = deployment(judgements[i].spec, judgements[i].status);
		autojson *sets = json_like(judgements[i].sets), *before = json_deep_copy(d);
		int64_t again = 0;
		autojson *s = status_of(d, sets, &again);
		autofree char *available = said(s, "Available");
		autofree char *progressing = said(s, "Progressing");

		cr_expect(str_eq(available, judgements[i].available),
			  "%s: Available\n got %s\nwant %s", judgements[i].name, available,
			  judgements[i].available);
		cr_expect(str_eq(progressing, judgements[i].progressing),
			  "%s: Progressing\n got %s\nwant %s", judgements[i].name, progressing,
			  judgements[i].progressing);
		cr_expect(again == judgements[i].again_s, "%s: again\n got %lld\nwant %lld",
			  judgements[i].name, (long long)again, (long long)judgements[i].again_s);
		cr_expect(json_equal(d, before), "%s: the old one was written to",
			  judgements[i].name);
	}
}

Test(deployment_status, counts_of_all_sets)
{
	autojson *d = deployment("{'replicas': 4}", "{'collisionCount': 2}");
	autojson *sets = json_like("[" RS("o", 3, 3, 3, 2) ", " RS("n", 2, 2, 1, 0) "]");
	int64_t again = 0;
	autojson *s = status_of(d, sets, &again);

	(void)json_object_del(s, "conditions");
	expect_json(
		"counts", s,
		"{'observedGeneration': 7, 'replicas': 5, 'updatedReplicas': 2, 'readyReplicas': 4, "
		"'availableReplicas': 2, 'unavailableReplicas': 3, 'terminatingReplicas': 2, 'collisionCount': 2}");
}

Test(deployment_status, what_a_set_could_not_do_shows_and_goes)
{
	autojson *d = deployment("{'replicas': 1}", "{}");
	autojson *bad = json_like("[" RS_FAILED ", " RS("n", 1, 1, 1, 1) "]");
	autojson *good = json_like("[" RS("n", 1, 1, 1, 1) "]");
	int64_t again = 0;
	autojson *s = status_of(d, bad, &again), *after = NULL;
	autofree char *failure = said(s, "ReplicaFailure"), *gone = NULL;

	cr_expect_str_eq(failure, "True FailedCreate");
	json_set(d, "status", json_incref(s));
	after = status_of(d, good, &again);
	gone = said(after, "ReplicaFailure");
	cr_expect_str_eq(gone, "");
}

Test(deployment_status, messages_name_the_set)
{
	autojson *d = deployment("{'replicas': 1}", "{}");
	autojson *sets = json_like("[" RS("web-5", 1, 1, 1, 1) "]");
	int64_t again = 0;
	autojson *s = status_of(d, sets, &again), *o = json_pack("{s:O}", "status", s);

	cr_expect_str_eq(json_path_str(object_condition(o, "Progressing"), "message", ""),
			 "ReplicaSet \"web-5\" has successfully progressed.");
}

Test(deployment_status, a_note_that_says_the_same_changes_nothing)
{
	autojson *d = deployment("{}", "{'conditions': [" PROGRESSING(
					       "True", "NewReplicaSetCreated", "00:09:00") "]}");
	autojson *before = json_deep_copy(d);
	struct deployment_progress same = {"True", "NewReplicaSetCreated", "another message"};

	deployment_status_note(d, &same, NOW);
	cr_expect(json_equal(d, before));
}
