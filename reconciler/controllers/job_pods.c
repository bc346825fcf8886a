/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading pods with a Job's eyes.
 */
#include "reconciler/controllers/job_pods.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/jobspec.h"
#include "reconciler/object.h"

static const char *const status_lists[] = {"status.initContainerStatuses",
					   "status.containerStatuses"};

bool job_pod_in_phase(const json_t *pod, const char *phase)
{
	return str_eq(json_path_str(pod, "status.phase", "Pending"), phase);
}

bool job_pod_ended(const json_t *pod)
{
	return job_pod_in_phase(pod, "Succeeded") || job_pod_in_phase(pod, "Failed");
}

bool job_pod_active(const json_t *pod)
{
	return !job_pod_ended(pod) && !object_deleting(pod);
}

bool job_pod_uncounted(const json_t *pod)
{
	json_t *f;
	size_t i;

	json_array_foreach(json_path(pod, "metadata.finalizers"), i, f) {
		if (str_eq(json_string_value(f), JOBSPEC_FINALIZER))
			return true;
	}
	return false;
}

bool job_pod_failed(const json_t *pod, bool replace_failed_only)
{
	if (job_pod_in_phase(pod, "Failed"))
		return true;
	return !replace_failed_only && object_deleting(pod) && !job_pod_in_phase(pod, "Succeeded");
}

int64_t job_pod_index(const json_t *pod)
{
	const char *text = object_annotation(pod, JOBSPEC_INDEX);

	if (!text || !*text || text[strspn(text, "0123456789")] || strlen(text) > 9)
		return -1;
	return strtol(text, NULL, 10);
}

static int64_t time_at(const json_t *o, const char *path)
{
	int64_t ns = 0;

	(void)clock_parse_rfc3339(&ns, json_path_str(o, path, ""));
	return ns;
}

int64_t job_pod_finished_ns(const json_t *pod)
{
	int64_t newest = 0, ns;
	json_t *s;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(status_lists); l++)
		json_array_foreach(json_path(pod, status_lists[l]), i, s) {
			ns = time_at(s, "state.terminated.finishedAt");
			newest = ns > newest ? ns : newest;
		}
	if (newest == 0 && object_deleting(pod))
		newest = time_at(pod, "metadata.deletionTimestamp") -
			 json_path_int(pod, "metadata.deletionGracePeriodSeconds", 0) * 1000000000;
	return newest ? newest : time_at(pod, "metadata.creationTimestamp");
}

int64_t job_pod_restarts(const json_t *pod)
{
	int64_t n = 0;
	json_t *s;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(status_lists); l++)
		json_array_foreach(json_path(pod, status_lists[l]), i, s) {
			n += json_path_int(s, "restartCount", 0);
		}
	return n;
}

/* ---- the failure policy ---- */

static bool code_matches(const json_t *rule, int64_t code)
{
	bool in = str_eq(json_path_str(rule, "operator", ""), "In"), found = false;
	json_t *value;
	size_t i;

	json_array_foreach(json_object_get(rule, "values"), i, value) {
		found |= json_integer_value(value) == code;
	}
	return found == in;
}

/* The status of a container of POD that ended as RULE (onExitCodes) says, or NULL. */
static const json_t *container_matching(const json_t *rule, const json_t *pod)
{
	const char *name = json_path_str(rule, "containerName", "");
	json_t *s;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(status_lists); l++)
		json_array_foreach(json_path(pod, status_lists[l]), i, s) {
			int64_t code = json_path_int(s, "state.terminated.exitCode", 0);

			if (*name && !str_eq(name, json_path_str(s, "name", "")))
				continue;
			if (code != 0 && code_matches(rule, code))
				return s;
		}
	return NULL;
}

static const char *condition_matching(const json_t *patterns, const json_t *pod)
{
	json_t *p;
	size_t i;

	json_array_foreach(patterns, i, p) {
		const char *type = json_path_str(p, "type", "");

		if (str_eq(json_path_str(object_condition(pod, type), "status", ""),
			   json_path_str(p, "status", "True")))
			return type;
	}
	return NULL;
}

/* Does rule number I apply to POD? The text says why, owned by the caller; NULL: it does not. */
static char *rule_applies(const json_t *rule, size_t i, const json_t *pod)
{
	const json_t *s = json_object_get(rule, "onExitCodes")
				  ? container_matching(json_object_get(rule, "onExitCodes"), pod)
				  : NULL;
	const char *action = json_path_str(rule, "action", ""), *type;

	if (s)
		return mem_asprintf(
			"Container %s for pod %s/%s failed with exit code %lld matching %s rule at index %zu",
			json_path_str(s, "name", ""), object_namespace(pod), object_name(pod),
			(long long)json_path_int(s, "state.terminated.exitCode", 0), action, i);
	type = condition_matching(json_object_get(rule, "onPodConditions"), pod);
	if (type)
		return mem_asprintf("Pod %s/%s has condition %s matching %s rule at index %zu",
				    object_namespace(pod), object_name(pod), type, action, i);
	return NULL;
}

enum job_failure_action job_pod_failure(const json_t *spec, const json_t *pod, char **ret_message)
{
	json_t *rule;
	size_t i;

	json_array_foreach(json_path(spec, "podFailurePolicy.rules"), i, rule) {
		const char *action = json_path_str(rule, "action", "");
		autofree char *why = rule_applies(rule, i, pod);

		if (!why)
			continue;
		if (str_eq(action, "Ignore"))
			return JOB_IGNORE;
		if (!str_eq(action, "FailJob"))
			return JOB_COUNT;
		*ret_message = TAKE_PTR(why);
		return JOB_FAIL;
	}
	return JOB_COUNT;
}

/* ---- completed indexes ---- */

void job_indexes_parse(bool *done, size_t n, const char *text)
{
	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long i = first; i <= last && i < n; i++)
			done[i] = true;
		text = end + (*end == ',');
	}
}

char *job_indexes_format(const bool *done, size_t n)
{
	autostrbuf out = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		size_t first = i;

		if (!done[i])
			continue;
		while (i + 1 < n && done[i + 1])
			i++;
		strbuf_addf(&out, "%s%zu", out.len ? "," : "", first);
		if (i > first)
			strbuf_addf(&out, "%c%zu", i > first + 1 ? '-' : ',', i);
	}
	return strbuf_take(&out);
}
