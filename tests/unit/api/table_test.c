/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of `kubectl get`: the STATUS column of pods case by case, and one row of every kind.
 */
#include "api/table_priv.h"

#include <criterion/criterion.h>
#include <string.h>

#include "api/age.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define NOW "2026-01-01T01:00:00Z"

/* JSON written with ' for ". Owned by the caller. */
static json_t *parse(const char *text)
{
	autofree char *copy = mem_strdup(text);
	struct err err = {};
	json_t *j;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	cr_assert_eq(json_parse(&j, copy, strlen(copy), 1 << 20, &err), 0, "%s: %s", err.message,
		     copy);
	return j;
}

static int64_t now_ns(void)
{
	int64_t ns;

	cr_assert_eq(clock_parse_rfc3339(&ns, NOW), 0);
	return ns;
}

/* The cells of OBJECT joined by "|"; WIDE: those of priority 1 too. Owned by the caller. */
static char *cells(const struct table *t, const json_t *object, bool wide)
{
	autojson *row = table_row(t, object, TABLE_NONE, now_ns());
	autostrbuf text = STRBUF_INIT;

	for (size_t i = 0; i < t->n_columns; i++) {
		const json_t *cell = json_array_get(json_object_get(row, "cells"), i);

		if (t->columns[i].priority > 0 && !wide)
			continue;
		if (text.len > 0)
			strbuf_addc(&text, '|');
		if (json_is_integer(cell))
			strbuf_addf(&text, "%lld", (long long)json_integer_value(cell));
		else
			strbuf_adds(&text, json_string_value(cell));
	}
	return strbuf_take(&text);
}

#define RUNNING(name)                                                                              \
	"{'name': '" name                                                                          \
	"', 'ready': true, 'started': true, 'restartCount': 0, 'state': {'running': {}}}"
#define UNREADY(name)                                                                              \
	"{'name': '" name "', 'ready': false, 'restartCount': 0, 'state': {'running': {}}}"
#define WAITING(name, reason)                                                                      \
	"{'name': '" name "', 'restartCount': 0, 'state': {'waiting': {'reason': '" reason "'}}}"
#define ENDED(name, reason, code)                                                                  \
	"{'name': '" name "', 'restartCount': 0, 'state': {'terminated': {'reason': '" reason      \
	"', 'exitCode': " code "}}}"
#define TWO_INITS "'initContainers': [{'name': 'i'}, {'name': 'j'}], "
#define MAIN "'containers': [{'name': 'c'}]"
#define TWO "'containers': [{'name': 'c'}, {'name': 'd'}]"
#define SIDECAR "'initContainers': [{'name': 's', 'restartPolicy': 'Always'}], "
#define INITIALIZED "'conditions': [{'type': 'Initialized', 'status': 'True'}]"

static const struct {
	const char *sentence;
	const char *spec;
	const char *status;
	const char *meta;
	const char *want; /* READY STATUS RESTARTS */
} pods[] = {
	/* clang-format off */
	{ "an unscheduled pod is pending", MAIN, "'phase': 'Pending'", "", "0/1 Pending 0" },
	{ "pulling without init containers", MAIN,
	  "'phase': 'Pending', 'containerStatuses': [" WAITING("c", "ContainerCreating") "]", "", "0/1 ContainerCreating 0" },
	{ "pulling with two init containers", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [" WAITING("i", "PodInitializing") ", " WAITING("j", "PodInitializing")
	  "], 'containerStatuses': [" WAITING("c", "PodInitializing") "]", "", "0/1 Init:0/2 0" },
	{ "the second init container runs", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [" ENDED("i", "Completed", "0") ", " UNREADY("j") "]", "", "0/1 Init:1/2 0" },
	{ "an init container failed", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [" ENDED("i", "Error", "1") "]", "", "0/1 Init:Error 0" },
	{ "an init container crashes again and again", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [{'name': 'i', 'restartCount': 4, 'state': {'waiting': "
	  "{'reason': 'CrashLoopBackOff'}}}]", "", "0/1 Init:CrashLoopBackOff 4" },
	{ "an init container was killed by a signal", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [{'name': 'i', 'state': {'terminated': {'signal': 9, 'exitCode': 137}}}]",
	  "", "0/1 Init:Signal:9 0" },
	{ "an init image is bad", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [" WAITING("i", "ImagePullBackOff") "]", "", "0/1 Init:ImagePullBackOff 0" },
	{ "init is done and the main container is being created", TWO_INITS MAIN,
	  "'phase': 'Pending', 'initContainerStatuses': [" ENDED("i", "Completed", "0") ", " ENDED("j", "Completed", "0")
	  "], 'containerStatuses': [" WAITING("c", "PodInitializing") "], " INITIALIZED, "", "0/1 PodInitializing 0" },
	{ "a sidecar and a main container run", SIDECAR MAIN,
	  "'phase': 'Running', 'initContainerStatuses': [" RUNNING("s") "], 'containerStatuses': [" RUNNING("c") "], " INITIALIZED,
	  "", "2/2 Running 0" },
	{ "running but not ready", MAIN,
	  "'phase': 'Running', 'containerStatuses': [" UNREADY("c") "]", "", "0/1 Running 0" },
	{ "one of two ended well and the other runs", TWO,
	  "'phase': 'Running', 'containerStatuses': [" ENDED("c", "Completed", "0") ", " RUNNING("d") "]", "", "1/2 NotReady 0" },
	{ "one of two ended well, the pod is ready all the same", TWO,
	  "'phase': 'Running', 'conditions': [{'type': 'Ready', 'status': 'True'}], 'containerStatuses': ["
	  ENDED("c", "Completed", "0") ", " RUNNING("d") "]", "", "1/2 Running 0" },
	{ "the first listed container that does not run wins", TWO,
	  "'phase': 'Pending', 'containerStatuses': [" WAITING("c", "ErrImagePull") ", " WAITING("d", "ImagePullBackOff") "]",
	  "", "0/2 ErrImagePull 0" },
	{ "a failed pod", MAIN,
	  "'phase': 'Failed', 'containerStatuses': [" ENDED("c", "Error", "1") "]", "", "0/1 Error 0" },
	{ "one failed, the first listed ended well", TWO,
	  "'phase': 'Failed', 'containerStatuses': [" ENDED("c", "Completed", "0") ", " ENDED("d", "Error", "1") "]", "", "0/2 Error 0" },
	{ "a pod that is done", MAIN,
	  "'phase': 'Succeeded', 'containerStatuses': [" ENDED("c", "Completed", "0") "]", "", "0/1 Completed 0" },
	{ "out of memory", MAIN,
	  "'phase': 'Running', 'containerStatuses': [" ENDED("c", "OOMKilled", "137") "]", "", "0/1 OOMKilled 0" },
	{ "an exit code without a reason", MAIN,
	  "'phase': 'Running', 'containerStatuses': [{'name': 'c', 'state': {'terminated': {'exitCode': 3}}}]", "", "0/1 ExitCode:3 0" },
	{ "being deleted and still running", MAIN,
	  "'phase': 'Running', 'containerStatuses': [" RUNNING("c") "]", "'deletionTimestamp': '" NOW "', ", "1/1 Terminating 0" },
	{ "being deleted on a lost node", MAIN,
	  "'phase': 'Running', 'reason': 'NodeLost'", "'deletionTimestamp': '" NOW "', ", "0/1 Unknown 0" },
	{ "a completed pod that is being deleted", MAIN,
	  "'phase': 'Succeeded', 'containerStatuses': [" ENDED("c", "Completed", "0") "]", "'deletionTimestamp': '" NOW "', ",
	  "0/1 Completed 0" },
	{ "the reason of the pod stands before its phase", MAIN, "'phase': 'Failed', 'reason': 'Evicted'", "", "0/1 Evicted 0" },
	{ "held back by a gate", MAIN,
	  "'phase': 'Pending', 'conditions': [{'type': 'PodScheduled', 'status': 'False', 'reason': 'SchedulingGated'}]", "",
	  "0/1 SchedulingGated 0" },
	{ "restarts say when the last one was", MAIN,
	  "'phase': 'Running', 'containerStatuses': [{'name': 'c', 'ready': true, 'restartCount': 3, 'state': {'running': {}}, "
	  "'lastState': {'terminated': {'finishedAt': '2026-01-01T00:58:00Z'}}}]", "", "1/1 Running 3 (2m ago)" },
	/* clang-format on */
};

Test(table, the_status_column_of_pods)
{
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		autofree char *text = mem_asprintf(
			"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {%s'name': 'p'}, "
			"'spec': {%s}, 'status': {%s}}",
			pods[i].meta, pods[i].spec, pods[i].status);
		autojson *pod = parse(text);
		autojson *ready = table_pod_ready(pod, now_ns());
		autojson *status = table_pod_status(pod, now_ns());
		autojson *restarts = table_pod_restarts(pod, now_ns());
		autofree char *got =
			mem_asprintf("%s %s %s", json_string_value(ready),
				     json_string_value(status), json_string_value(restarts));

		cr_expect_str_eq(got, pods[i].want, "%s: got %s, want %s", pods[i].sentence, got,
				 pods[i].want);
	}
}

#define META                                                                                       \
	"'metadata': {'name': 'n', 'namespace': 'x', 'creationTimestamp': '2026-01-01T00:00:00Z'}"
#define TEMPLATE                                                                                                 \
	"'template': {'spec': {'containers': [{'name': 'c', 'image': 'i:1'}, {'name': 'd', 'image': 'j:2'}]}}, " \
	"'selector': {'matchLabels': {'b': '2', 'a': '1'}, 'matchExpressions': [{'key': 'k', 'operator': 'In', " \
	"'values': ['v', 'w']}, {'key': 'm', 'operator': 'DoesNotExist'}]}"

static const struct {
	const char *sentence;
	enum kind kind;
	bool wide;
	const char *object;
	const char *want;
} rows[] = {
	/* clang-format off */
	{ "a deployment, wide", KIND_DEPLOYMENT, true,
	  "{" META ", 'spec': {'replicas': 3, " TEMPLATE "}, 'status': {'readyReplicas': 1, 'updatedReplicas': 2, 'availableReplicas': 1}}",
	  "n|1/3|2|1|60m|c,d|i:1,j:2|a=1,b=2,k in (v,w),!m" },
	{ "a deployment without status", KIND_DEPLOYMENT, false, "{" META ", 'spec': {}}", "n|0/1|0|0|60m" },
	{ "a replica set", KIND_REPLICASET, false,
	  "{" META ", 'spec': {'replicas': 3}, 'status': {'replicas': 2, 'readyReplicas': 1}}", "n|3|2|1|60m" },
	{ "a job that runs, wide", KIND_JOB, true,
	  "{" META ", 'spec': {'completions': 3, " TEMPLATE "}, 'status': {'succeeded': 1, 'startTime': '2026-01-01T00:59:30Z'}}",
	  "n|Running|1/3|30s|60m|c,d|i:1,j:2|a=1,b=2,k in (v,w),!m" },
	{ "a job that is complete", KIND_JOB, false,
	  "{" META ", 'spec': {'completions': 1}, 'status': {'succeeded': 1, 'startTime': '2026-01-01T00:00:00Z', 'completionTime': "
	  "'2026-01-01T00:00:09Z', 'conditions': [{'type': 'SuccessCriteriaMet', 'status': 'True'}, {'type': 'Complete', 'status': 'True'}]}}",
	  "n|Complete|1/1|9s|60m" },
	{ "a job that failed", KIND_JOB, false,
	  "{" META ", 'spec': {'completions': 1}, 'status': {'startTime': '2026-01-01T00:00:00Z', 'conditions': [{'type': 'FailureTarget', "
	  "'status': 'True'}, {'type': 'Failed', 'status': 'True', 'lastTransitionTime': '2026-01-01T00:00:30Z'}]}}",
	  "n|Failed|0/1|30s|60m" },
	{ "a job about to fail", KIND_JOB, false,
	  "{" META ", 'spec': {'parallelism': 2}, 'status': {'conditions': [{'type': 'FailureTarget', 'status': 'True'}]}}",
	  "n|FailureTarget|0/1 of 2||60m" },
	{ "a job that is suspended", KIND_JOB, false,
	  "{" META ", 'spec': {'parallelism': 1}, 'status': {'conditions': [{'type': 'Suspended', 'status': 'True'}]}}",
	  "n|Suspended|0/1||60m" },
	{ "a cluster service", KIND_SERVICE, true,
	  "{" META ", 'spec': {'clusterIP': '10.0.0.1', 'ports': [{'port': 80, 'nodePort': 30080, 'protocol': 'TCP'}, "
	  "{'port': 53, 'protocol': 'UDP'}], 'selector': {'app': 'w'}}}",
	  "n|ClusterIP|10.0.0.1|<none>|80:30080/TCP,53/UDP|60m|app=w" },
	{ "a headless service", KIND_SERVICE, false, "{" META ", 'spec': {'clusterIP': 'None'}}", "n|ClusterIP|None|<none>|<none>|60m" },
	{ "a load balancer without address", KIND_SERVICE, false, "{" META ", 'spec': {'type': 'LoadBalancer'}}",
	  "n|LoadBalancer|<none>|<pending>|<none>|60m" },
	{ "an external name", KIND_SERVICE, false, "{" META ", 'spec': {'type': 'ExternalName', 'externalName': 'e.org'}}",
	  "n|ExternalName|<none>|e.org|<none>|60m" },
	{ "a config map counts both sorts of data", KIND_CONFIGMAP, false,
	  "{" META ", 'data': {'a': '', 'b': ''}, 'binaryData': {'c': ''}}", "n|3|60m" },
	{ "a secret", KIND_SECRET, false, "{" META ", 'type': 'Opaque', 'data': {'a': ''}}", "n|Opaque|1|60m" },
	{ "a namespace", KIND_NAMESPACE, false, "{" META ", 'status': {'phase': 'Active'}}", "n|Active|60m" },
	{ "an event", KIND_EVENT, false,
	  "{" META ", 'type': 'Warning', 'reason': 'BackOff', 'message': 'm', 'lastTimestamp': '2026-01-01T00:59:30Z', "
	  "'involvedObject': {'kind': 'Pod', 'name': 'p'}}", "30s|Warning|BackOff|pod/p|m" },
	{ "an event, wide", KIND_EVENT, true,
	  "{" META ", 'type': 'Normal', 'reason': 'Pulled', 'message': 'm', 'eventTime': '2026-01-01T00:59:30Z', 'count': 7, "
	  "'source': {'component': 'kubelet', 'host': 'h'}, 'involvedObject': {'kind': 'Pod', 'name': 'p', 'fieldPath': 'spec.containers{c}'}}",
	  "30s|Normal|Pulled|pod/p|spec.containers{c}|kubelet, h|m|30s|7|n" },
	{ "a pod, wide", KIND_POD, true,
	  "{" META ", 'spec': {'nodeName': 'h', 'containers': [{}], 'readinessGates': [{'conditionType': 'G'}]}, "
	  "'status': {'phase': 'Running', 'podIP': '10.0.0.2', 'conditions': [{'type': 'G', 'status': 'True'}]}}",
	  "n|0/1|Running|0|60m|10.0.0.2|h|<none>|1/1" },
	{ "an app whose revisions are a commit and a tree", KIND_APP, false,
	  "{" META ", 'status': {'phase': 'Held', 'desired': {'revision': '0123456789abcdef0123456789abcdef01234567'}, "
	  "'effective': {'revision': 'sha256:fedcba9876543210'}, 'reason': 'ErrImagePull'}}",
	  "n|Held|0123456789ab|fedcba987654|ErrImagePull|60m" },
	{ "a build that runs", KIND_IMAGE, false, "{" META ", 'status': {'phase': 'Building', 'step': 3, 'steps': 7}}",
	  "n|Building|3/7|<none>|60m" },
	{ "an object with nothing in it", KIND_POD, false, "{'metadata': {'name': 'n'}}", "n|0/0|Pending|0|<unknown>" },
	/* clang-format on */
};

Test(table, one_row_of_every_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojson *object = parse(rows[i].object);
		autofree char *got = cells(table_of(rows[i].kind), object, rows[i].wide);

		cr_expect_str_eq(got, rows[i].want, "%s: got %s, want %s", rows[i].sentence, got,
				 rows[i].want);
	}
}

Test(table, sizes_have_three_digits)
{
	static const struct {
		json_int_t size;
		const char *want;
	} sizes[] = {{0, "0B"},           {999, "999B"},   {1000, "1kB"},
		     {4190000, "4.19MB"}, {999600, "1MB"}, {12345678901, "12.3GB"}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		autojson *image = json_pack("{s:I}", "sizeBytes", sizes[i].size);
		autofree char *got = cells(table_of_local_images(), image, false);

		cr_expect(str_has_suffix(got, sizes[i].want), "%lld: got %s, want %s",
			  (long long)sizes[i].size, got, sizes[i].want);
	}
}

Test(table, ages_have_kubectls_steps)
{
	static const struct {
		int64_t seconds;
		const char *want;
	} ages[] = {
		{-2, "<invalid>"},     {-1, "0s"},         {0, "0s"},          {119, "119s"},
		{120, "2m"},           {245, "4m5s"},      {599, "9m59s"},     {600, "10m"},
		{10799, "179m"},       {10800, "3h"},      {11100, "3h5m"},    {28799, "7h59m"},
		{28800, "8h"},         {172799, "47h"},    {172800, "2d"},     {180000, "2d2h"},
		{691200, "8d"},        {63071999, "729d"}, {63072000, "2y"},   {63158400, "2y1d"},
		{252287999, "7y364d"}, {252288000, "8y"},  {630720000, "20y"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
		char got[AGE_SIZE];

		age_format(got, ages[i].seconds);
		cr_expect_str_eq(got, ages[i].want, "%lld: got %s, want %s",
				 (long long)ages[i].seconds, got, ages[i].want);
	}
}
