/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between the fields of workloads, Services, ConfigMaps and Secrets, after Kubernetes' own
 * validation.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/validate_priv.h"

#define DATA_MAX_BYTES (1u << 20)

static const struct path spec_path = {NULL, "spec", 0};

/* One requirement: values where the operator wants them, none where not. */
static void check_requirement(const struct validation *v, const struct path *path, const json_t *e)
{
	const char *op = json_string_value(json_object_get(e, "operator"));
	size_t values = json_array_size(json_object_get(e, "values"));
	bool set = str_eq(op, "In") || str_eq(op, "NotIn");

	if (set && values == 0)
		ERR(v, path, "values is missing: the operator %s compares with them", op);
	if (op && !set && values > 0)
		ERR(v, MEMBER(path, "values"), "must be empty with the operator %s", op);
}

void validate_selector(const struct validation *v, const json_t *spec)
{
	const struct path path = {&spec_path, "selector", 0};
	const struct path list = {&path, "matchExpressions", 0};
	const struct path template = {&spec_path, "template", 0};
	const struct path meta = {&template, "metadata", 0};
	const json_t *selector = json_object_get(spec, "selector");
	const json_t *labels = json_path(spec, "template.metadata.labels");
	const json_t *e;
	size_t i;

	if (!json_is_object(selector) || !json_is_object(json_object_get(spec, "template")))
		return;
	json_array_foreach(json_object_get(selector, "matchExpressions"), i, e) {
		check_requirement(v, ELEMENT(&list, i), e);
	}
	if (json_object_size(json_object_get(selector, "matchLabels")) == 0 &&
	    json_array_size(json_object_get(selector, "matchExpressions")) == 0)
		ERR(v, &path, "must select something");
	else if (!object_selector_matches(selector, labels))
		ERR(v, MEMBER(&meta, "labels"), "do not match spec.selector");
}

static void check_template(const struct validation *v, const json_t *spec)
{
	const struct path template = {&spec_path, "template", 0};
	const json_t *t = json_object_get(spec, "template");

	validate_pod_spec(v, MEMBER(&template, "spec"), json_object_get(t, "spec"), true);
}

void validate_replicaset(const struct validation *v, const json_t *o)
{
	const json_t *spec = json_object_get(o, "spec");

	validate_selector(v, spec);
	check_template(v, spec);
}

/* An int-or-percent as a number; -1 when it is neither. */
static long percent_or_int(const json_t *j, bool *ret_percent)
{
	*ret_percent = json_is_string(j);
	if (json_is_integer(j))
		return (long)json_integer_value(j);
	if (json_is_string(j))
		return strtol(json_string_value(j), NULL, 10);
	return -1;
}

static void check_strategy(const struct validation *v, const json_t *spec)
{
	const struct path path = {&spec_path, "strategy", 0};
	const struct path rolling = {&path, "rollingUpdate", 0};
	const json_t *strategy = json_object_get(spec, "strategy");
	const json_t *r = json_object_get(strategy, "rollingUpdate");
	bool percent, percent_surge;
	long unavailable, surge;

	if (str_eq(json_path_str(strategy, "type", NULL), "Recreate") && r && !json_is_null(r)) {
		findings_add_key(v->errors, &v->at, &rolling, "does not go with type Recreate");
		return;
	}
	unavailable = percent_or_int(json_object_get(r, "maxUnavailable"), &percent);
	surge = percent_or_int(json_object_get(r, "maxSurge"), &percent_surge);
	if (percent && unavailable > 100)
		ERR(v, MEMBER(&rolling, "maxUnavailable"), "must not be more than 100%%");
	if (unavailable == 0 && surge == 0)
		ERR(v, MEMBER(&rolling, "maxUnavailable"), "must not be 0 when maxSurge is 0");
}

void validate_deployment(const struct validation *v, const json_t *o)
{
	const json_t *spec = json_object_get(o, "spec");
	json_int_t deadline = json_path_int(spec, "progressDeadlineSeconds", 600);

	validate_selector(v, spec);
	check_template(v, spec);
	check_strategy(v, spec);
	if (json_is_object(spec) && deadline <= json_path_int(spec, "minReadySeconds", 0))
		ERR(v, MEMBER(&spec_path, "progressDeadlineSeconds"),
		    "must be more than minReadySeconds");
}

static void check_service_ports(const struct validation *v, const json_t *spec, const char *type)
{
	const struct path path = {&spec_path, "ports", 0};
	const json_t *ports = json_object_get(spec, "ports");
	autojson *names = json_object();
	const json_t *p;
	size_t i;

	json_array_foreach(ports, i, p) {
		const char *name = json_path_str(p, "name", "");
		const struct path at = {&path, NULL, i};

		if (!*name && json_array_size(ports) > 1)
			ERR(v, &at, "name is missing: there are several ports");
		if (*name && json_object_get(names, name))
			ERR(v, MEMBER(&at, "name"), "the name '%s' is there already", name);
		if (*name)
			json_set(names, name, json_true());
		if (json_path_int(p, "nodePort", 0) && str_eq(type, "ClusterIP"))
			ERR(v, MEMBER(&at, "nodePort"), "needs type NodePort or LoadBalancer");
	}
}

void validate_service(const struct validation *v, const json_t *o)
{
	const json_t *spec = json_object_get(o, "spec");
	const char *type = json_path_str(spec, "type", "ClusterIP");
	bool external = str_eq(type, "ExternalName");
	bool headless = str_eq(json_path_str(spec, "clusterIP", ""), "None");

	if (!json_is_object(spec))
		return;
	if (external && !*json_path_str(spec, "externalName", ""))
		ERR(v, &spec_path, "externalName is missing");
	if (!external && !headless && json_array_size(json_object_get(spec, "ports")) == 0)
		ERR(v, &spec_path, "ports is missing");
	check_service_ports(v, spec, type);
}

static size_t data_bytes(const json_t *map)
{
	const json_t *value;
	const char *key;
	size_t n = 0;

	json_object_foreach((json_t *)map, key, value) {
		n += json_string_length(value);
	}
	return n;
}

void validate_configmap(const struct validation *v, const json_t *o)
{
	const struct path binary = {NULL, "binaryData", 0};
	const json_t *data = json_object_get(o, "data"), *bytes = json_object_get(o, "binaryData");
	const json_t *value;
	const char *key;

	if (json_is_object(bytes))
		json_object_foreach((json_t *)bytes, key, value) {
			if (json_object_get(data, key))
				ERR(v, MEMBER(&binary, key), "the key is in data, too");
		}
	if (data_bytes(data) + data_bytes(bytes) / 4 * 3 > DATA_MAX_BYTES)
		ERR(v, NULL, "more than 1 MiB of data");
}

/* clang-format off */
static const struct {
	const char *type;
	const char *keys[2]; /* that must be there */
} secret_types[] = {
	{ "kubernetes.io/tls", { "tls.crt", "tls.key" } },
	{ "kubernetes.io/dockerconfigjson", { ".dockerconfigjson", NULL } },
	{ "kubernetes.io/dockercfg", { ".dockercfg", NULL } },
	{ "kubernetes.io/ssh-auth", { "ssh-privatekey", NULL } },
};
/* clang-format on */

void validate_secret(const struct validation *v, const json_t *o)
{
	const json_t *data = json_object_get(o, "data"), *text = json_object_get(o, "stringData");
	const char *type = json_path_str(o, "type", "Opaque");

	if (data_bytes(data) / 4 * 3 + data_bytes(text) > DATA_MAX_BYTES)
		ERR(v, NULL, "more than 1 MiB of data");
	for (size_t i = 0; i < ARRAY_SIZE(secret_types); i++) {
		if (!str_eq(type, secret_types[i].type))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(secret_types[i].keys); k++) {
			const char *key = secret_types[i].keys[k];

			if (key && !json_object_get(data, key) && !json_object_get(text, key))
				ERR(v, NULL, "a Secret of type %s needs the key %s", type, key);
		}
	}
}
