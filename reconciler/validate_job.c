/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between the fields of a Job, after Kubernetes' own validation.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/validate_priv.h"

#define INDEXED_MAX                                                                                \
	100000 /* Kubernetes bounds the parallelism; here the number of indexes is, too */
#define RULES_MAX 20
#define CODES_MAX 255
#define HOSTNAME_MAX 63

static const struct path spec_path = {NULL, "spec", 0};
static const struct path template_path = {&spec_path, "template", 0};
static const struct path pod_path = {&template_path, "spec", 0};
static const struct path policy_path = {&spec_path, "podFailurePolicy", 0};
static const struct path rules_path = {&policy_path, "rules", 0};

static const char *restart_policy(const json_t *spec)
{
	return json_path_str(spec, "template.spec.restartPolicy", "");
}

static void check_restart(const struct validation *v, const json_t *spec)
{
	const char *policy = restart_policy(spec);

	if (!json_is_object(json_path(spec, "template.spec")))
		return;
	if (!str_eq(policy, "OnFailure") && !str_eq(policy, "Never"))
		ERR(v, MEMBER(&pod_path, "restartPolicy"), "must be OnFailure or Never in a Job%s",
		    *policy ? "" : " (Always is what a missing one means)");
}

static void check_selection(const struct validation *v, const json_t *spec)
{
	if (json_path_bool(spec, "manualSelector", false)) {
		if (json_object_get(spec, "selector"))
			validate_selector(v, spec);
		else
			ERR(v, &spec_path, "selector is missing: manualSelector asks for one");
	} else if (json_object_get(spec, "selector")) {
		ERR(v, MEMBER(&spec_path, "selector"), "is given by the server: leave it away");
	}
}

/* Each pod's host name is the Job's name with its index. */
static void check_indexed(const struct validation *v, const json_t *o, const json_t *spec)
{
	json_int_t completions = json_path_int(spec, "completions", -1);
	autofree char *last = NULL;

	if (!str_eq(json_path_str(spec, "completionMode", ""), "Indexed"))
		return;
	if (completions < 0) {
		ERR(v, &spec_path, "completions is missing: an Indexed Job needs it");
		return;
	}
	if (json_path_int(spec, "parallelism", 1) > INDEXED_MAX)
		ERR(v, MEMBER(&spec_path, "parallelism"), "must not be more than %d with Indexed",
		    INDEXED_MAX);
	if (completions > INDEXED_MAX)
		ERR(v, MEMBER(&spec_path, "completions"), "must not be more than %d with Indexed",
		    INDEXED_MAX);
	last = mem_asprintf("%s-%lld", object_name(o),
			    (long long)(completions > 0 ? completions - 1 : 0));
	if (strlen(last) > HOSTNAME_MAX)
		ERR(v, NULL, "the host name '%.80s' of its last pod is longer than %d characters",
		    last, HOSTNAME_MAX);
}

static bool has_container(const json_t *spec, const char *name)
{
	static const char *const lists[] = {"template.spec.containers",
					    "template.spec.initContainers"};
	const json_t *c;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		json_array_foreach(json_path(spec, lists[l]), i, c) {
			if (str_eq(json_path_str(c, "name", ""), name))
				return true;
		}
	return false;
}

static void check_codes(const struct validation *v, const struct path *path, const json_t *spec,
			const json_t *codes)
{
	const struct path values = {path, "values", 0};
	const char *container = json_path_str(codes, "containerName", "");
	bool in = str_eq(json_path_str(codes, "operator", ""), "In");
	const json_t *code;
	size_t i;

	if (*container && !has_container(spec, container))
		ERR(v, MEMBER(path, "containerName"), "the template has no container '%.100s'",
		    container);
	if (json_array_size(json_object_get(codes, "values")) > CODES_MAX)
		ERR(v, &values, "must not be more than %d", CODES_MAX);
	json_array_foreach(json_object_get(codes, "values"), i, code) {
		if (in && json_is_integer(code) && json_integer_value(code) == 0)
			ERR(v, ELEMENT(&values, i), "must not be 0 with the operator In");
	}
}

static void check_rule(const struct validation *v, const struct path *path, const json_t *spec,
		       const json_t *rule)
{
	const struct path codes = {path, "onExitCodes", 0};
	bool by_code = json_is_object(json_object_get(rule, "onExitCodes"));
	bool by_condition = json_array_size(json_object_get(rule, "onPodConditions")) > 0;

	if (str_eq(json_path_str(rule, "action", ""), "FailIndex"))
		ERR(v, MEMBER(path, "action"),
		    "FailIndex needs backoffLimitPerIndex, which is not supported yet");
	if (by_code == by_condition)
		ERR(v, path, "must have either onExitCodes or onPodConditions");
	if (by_code)
		check_codes(v, &codes, spec, json_object_get(rule, "onExitCodes"));
}

static void check_policy(const struct validation *v, const json_t *spec)
{
	const json_t *policy = json_object_get(spec, "podFailurePolicy"), *rule;
	const json_t *rules = json_object_get(policy, "rules");
	size_t i;

	if (!json_is_object(policy))
		return;
	if (!str_eq(restart_policy(spec), "Never"))
		ERR(v, &policy_path, "needs restartPolicy Never in the template");
	if (str_eq(json_path_str(spec, "podReplacementPolicy", ""), "TerminatingOrFailed"))
		ERR(v, MEMBER(&spec_path, "podReplacementPolicy"),
		    "must be Failed with podFailurePolicy");
	if (json_array_size(rules) > RULES_MAX)
		ERR(v, &rules_path, "must not be more than %d", RULES_MAX);
	json_array_foreach(rules, i, rule) {
		if (json_is_object(rule))
			check_rule(v, ELEMENT(&rules_path, i), spec, rule);
	}
}

void validate_job(const struct validation *v, const json_t *o)
{
	const json_t *spec = json_object_get(o, "spec");

	if (!json_is_object(spec))
		return;
	validate_pod_spec(v, &pod_path, json_path(spec, "template.spec"), false);
	check_restart(v, spec);
	check_selection(v, spec);
	check_indexed(v, o, spec);
	check_policy(v, spec);
}
