/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between the fields of a pod and its containers: names that refer to each other,
 * alternatives of which there must be one, and values that contradict each other.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/quantity.h"
#include "reconciler/schema_priv.h"
#include "reconciler/validate_priv.h"

/* How many members of J are given; *ret_first is one of them. */
static size_t given(const json_t *j, const char *skip, const char **ret_first)
{
	const json_t *value;
	const char *key;
	size_t n = 0;

	*ret_first = NULL;
	if (!json_is_object(j))
		return 0;
	json_object_foreach((json_t *)j, key, value) {
		if (str_eq(key, skip) || json_is_null(value))
			continue;
		if (!*ret_first)
			*ret_first = key;
		n++;
	}
	return n;
}

/* ---- environment ---- */

static void check_env(const struct validation *v, const struct path *path, const json_t *env)
{
	const json_t *from = json_object_get(env, "valueFrom");
	const char *first;
	size_t n = given(from, NULL, &first);

	if (is_given(env, "valueFrom") && *json_path_str(env, "value", ""))
		ERR(v, MEMBER(path, "valueFrom"), "does not go with value");
	if (json_is_object(from) && n != 1)
		ERR(v, MEMBER(path, "valueFrom"), "must have exactly one source, has %zu", n);
}

static void check_env_from(const struct validation *v, const struct path *path, const json_t *from)
{
	const char *first;
	size_t n = given(from, "prefix", &first);

	if (json_is_object(from) && n != 1)
		ERR(v, path, "must have exactly one of configMapRef and secretRef, has %zu", n);
}

static const char *const env_fields[] = {
	"metadata.name",
	"metadata.namespace",
	"metadata.uid",
	"spec.nodeName",
	"spec.serviceAccountName",
	"status.hostIP",
	"status.hostIPs",
	"status.podIP",
	"status.podIPs",
	NULL,
};

static const char *const env_resources[] = {
	"limits.cpu",   "limits.memory",   "limits.ephemeral-storage",
	"requests.cpu", "requests.memory", "requests.ephemeral-storage",
	NULL,
};

static bool listed(const char *const *list, const char *s)
{
	for (; *list; list++)
		if (str_eq(*list, s))
			return true;
	return false;
}

static bool field_path_valid(const char *s)
{
	const char *rest = str_skip_prefix(s, "metadata.labels['");

	if (!rest)
		rest = str_skip_prefix(s, "metadata.annotations['");
	if (rest)
		return strlen(rest) > 2 && str_has_suffix(rest, "']");
	return listed(env_fields, s);
}

static void check_downward(const struct validation *v, const struct path *path, const json_t *env)
{
	const struct path from = {path, "valueFrom", 0};
	const char *field = json_path_str(env, "valueFrom.fieldRef.fieldPath", NULL);
	const char *resource = json_path_str(env, "valueFrom.resourceFieldRef.resource", NULL);
	const char *near;

	if (field && !field_path_valid(field)) {
		near = str_nearest(field, env_fields);
		ERR(v, MEMBER(MEMBER(&from, "fieldRef"), "fieldPath"),
		    "'%.100s' can't be had as a variable%s%s%s", field,
		    near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
	if (resource && !listed(env_resources, resource) && !strstr(resource, "hugepages-")) {
		near = str_nearest(resource, env_resources);
		ERR(v, MEMBER(MEMBER(&from, "resourceFieldRef"), "resource"),
		    "'%.100s' is not a request or limit%s%s%s", resource,
		    near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
}

/* ---- resources ---- */

static const char *const resource_names[] = {"cpu", "memory", "ephemeral-storage", NULL};

static void check_resource_name(const struct validation *v, const struct path *path,
				const char *name)
{
	const char *near;

	if (listed(resource_names, name))
		return;
	if (strchr(name, '/')) {
		ERR(v, path,
		    "valid Kubernetes, but not supported yet: the device would be missing");
		return;
	}
	if (str_skip_prefix(name, "hugepages-")) {
		NOTE(v, path,
		     "valid Kubernetes, but not supported yet: huge pages are not limited");
		return;
	}
	near = str_nearest(name, resource_names);
	ERR(v, path, "there is no such resource%s%s%s", near ? " (did you mean " : "",
	    near ? near : "", near ? "?)" : "");
}

static void check_resource_list(const struct validation *v, const struct path *path,
				const json_t *list)
{
	const json_t *value;
	const char *name;
	struct quantity q;

	if (!json_is_object(list))
		return;
	json_object_foreach((json_t *)list, name, value) {
		const struct path at = {path, name, 0};

		check_resource_name(v, &at, name);
		if (str_eq(name, "ephemeral-storage"))
			NOTE(v, &at, "valid Kubernetes, but not supported yet: it is not limited");
		if (str_eq(name, "memory") && quantity_parse_json(&q, value) == 0 && q.nano > 0 &&
		    quantity_value(&q) < 4096)
			NOTE(v, &at, "less than one page of memory: did you mean Mi?");
	}
}

static void check_resources(const struct validation *v, const struct path *up, const json_t *c)
{
	const struct path path = {up, "resources", 0};
	const struct path requests_path = {&path, "requests", 0};
	const json_t *r = json_object_get(c, "resources");
	const json_t *limits = json_object_get(r, "limits"),
		     *requests = json_object_get(r, "requests");
	const json_t *value;
	const char *name;

	check_resource_list(v, MEMBER(&path, "limits"), limits);
	check_resource_list(v, &requests_path, requests);
	if (!json_is_object(requests))
		return;
	json_object_foreach((json_t *)requests, name, value) {
		const json_t *limit = json_object_get(limits, name);
		struct quantity want, most;

		if (limit && quantity_parse_json(&want, value) == 0 &&
		    quantity_parse_json(&most, limit) == 0 && quantity_compare(&want, &most) > 0)
			ERR(v, MEMBER(&requests_path, name), "must not be more than the limit");
	}
}

/* ---- containers ---- */

static void check_security(const struct validation *v, const struct path *up, const json_t *c)
{
	const struct path path = {up, "securityContext", 0};
	const json_t *s = json_object_get(c, "securityContext");
	const json_t *cap;
	size_t i;

	if (json_is_false(json_object_get(s, "allowPrivilegeEscalation"))) {
		if (json_is_true(json_object_get(s, "privileged")))
			ERR(v, MEMBER(&path, "allowPrivilegeEscalation"),
			    "can't be false for a privileged container");
		json_array_foreach(json_path(s, "capabilities.add"), i, cap) {
			if (str_eq(json_string_value(cap), "SYS_ADMIN"))
				ERR(v, MEMBER(&path, "allowPrivilegeEscalation"),
				    "can't be false with the capability SYS_ADMIN");
		}
	}
	if (str_eq(json_path_str(s, "seccompProfile.type", NULL), "Localhost") &&
	    !*json_path_str(s, "seccompProfile.localhostProfile", ""))
		ERR(v, MEMBER(&path, "seccompProfile"), "localhostProfile is missing");
}

static void check_port_names(const struct validation *v, const struct path *up, const json_t *c)
{
	const struct path path = {up, "ports", 0};
	autojson *names = json_object();
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(c, "ports"), i, p) {
		const char *name = json_path_str(p, "name", "");
		const struct path at = {&path, NULL, i};

		if (*name && json_object_get(names, name))
			ERR(v, MEMBER(&at, "name"), "the name '%s' is there already", name);
		if (*name)
			json_set(names, name, json_true());
	}
}

void validate_container(const struct validation *v, const struct path *path, const json_t *c)
{
	const struct path env = {path, "env", 0}, from = {path, "envFrom", 0},
			  mounts = {path, "volumeMounts", 0};
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(c, "env"), i, e) {
		check_env(v, ELEMENT(&env, i), e);
		check_downward(v, ELEMENT(&env, i), e);
	}
	json_array_foreach(json_object_get(c, "envFrom"), i, e) {
		check_env_from(v, ELEMENT(&from, i), e);
	}
	json_array_foreach(json_object_get(c, "volumeMounts"), i, e) {
		if (is_given(e, "subPath") && is_given(e, "subPathExpr"))
			ERR(v, ELEMENT(&mounts, i), "subPath does not go with subPathExpr");
	}
	check_port_names(v, path, c);
	check_resources(v, path, c);
	check_security(v, path, c);
}

/* ---- the pod ---- */

/* Names of the pod's volumes, NULL-terminated and borrowed; owned by the caller. */
static const char **volume_names(const json_t *volumes)
{
	const char **names = mem_calloc(json_array_size(volumes) + 1, sizeof(*names));
	const json_t *e;
	size_t i, n = 0;

	json_array_foreach(volumes, i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));

		if (name)
			names[n++] = name;
	}
	return names;
}

static void check_mounts(const struct validation *v, const struct path *path, const json_t *c,
			 const char *const *volumes)
{
	const struct path mounts = {path, "volumeMounts", 0};
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(c, "volumeMounts"), i, m) {
		const char *name = json_string_value(json_object_get(m, "name"));
		const char *near;

		if (findings_full(v->errors))
			return;
		if (!name || !*name || listed(volumes, name))
			continue;
		near = str_nearest(name, volumes);
		ERR(v, MEMBER(ELEMENT(&mounts, i), "name"), "the pod has no volume '%.100s'%s%s%s",
		    name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
}

static void check_volume(const struct validation *v, const struct path *path, const json_t *volume)
{
	const char *first;
	size_t n = given(volume, "name", &first);

	if (n > 1)
		ERR(v, path, "must have exactly one source, has %zu", n);
}

/* Two ports of the pod on one port of the host, and what the host's network asks for. */
static void check_host_ports(const struct validation *v, const struct path *path, const json_t *c,
			     json_t *taken, bool host_network)
{
	const struct path ports = {path, "ports", 0};
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(c, "ports"), i, p) {
		json_int_t port = json_path_int(p, "hostPort", 0);
		const struct path at = {&ports, NULL, i};
		autofree char *key = NULL;

		if (port == 0)
			continue;
		if (host_network && port != json_path_int(p, "containerPort", port))
			ERR(v, MEMBER(&at, "hostPort"),
			    "must be the containerPort, as the pod uses the host's network");
		if (!host_network)
			findings_add_key(
				v->notes, &v->at, MEMBER(&at, "hostPort"),
				"valid Kubernetes, but not supported yet: the port of the host is not opened");
		key = mem_asprintf("%s:%lld/%s", json_path_str(p, "hostIP", ""), (long long)port,
				   json_path_str(p, "protocol", "TCP"));
		if (json_object_get(taken, key))
			ERR(v, MEMBER(&at, "hostPort"),
			    "the pod has the port %lld of the host already", (long long)port);
		json_set(taken, key, json_true());
	}
}

/* Containers: NAME is the list's; NAMES holds those of both lists. */
static void check_containers(const struct validation *v, const struct path *up, const json_t *spec,
			     const char *name, json_t *names)
{
	const struct path list = {up, name, 0};
	autofree const char **volumes = volume_names(json_object_get(spec, "volumes"));
	bool host_network = json_path_bool(spec, "hostNetwork", false);
	bool init = str_eq(name, "initContainers");
	autojson *taken = json_object();
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(spec, name), i, c) {
		const struct path at = {&list, NULL, i};
		const char *own = json_string_value(json_object_get(c, "name"));

		if (own && json_object_get(names, own) && init)
			ERR(v, MEMBER(&at, "name"), "the name '%.100s' is there already", own);
		if (own)
			json_set(names, own, json_true());
		validate_container(v, &at, c);
		validate_checks(v, &at, spec, c, init);
		check_mounts(v, &at, c, volumes);
		check_host_ports(v, &at, c, taken, host_network);
	}
}

static void check_dns(const struct validation *v, const struct path *path, const json_t *spec)
{
	size_t servers = json_array_size(json_path(spec, "dnsConfig.nameservers"));

	if (str_eq(json_path_str(spec, "dnsPolicy", NULL), "None") && servers == 0)
		ERR(v, MEMBER(path, "dnsPolicy"), "None needs dnsConfig.nameservers");
	if (servers > 3)
		ERR(v, MEMBER(MEMBER(path, "dnsConfig"), "nameservers"),
		    "must not be more than three");
}

void validate_pod_spec(const struct validation *v, const struct path *path, const json_t *spec,
		       bool in_template)
{
	const struct path volumes = {path, "volumes", 0};
	const char *restart = json_path_str(spec, "restartPolicy", "Always");
	autojson *names = json_object();
	const json_t *e;
	size_t i;

	if (!json_is_object(spec))
		return;
	check_containers(v, path, spec, "containers", names);
	check_containers(v, path, spec, "initContainers", names);
	json_array_foreach(json_object_get(spec, "volumes"), i, e) {
		check_volume(v, ELEMENT(&volumes, i), e);
	}
	check_dns(v, path, spec);
	validate_policy(v, path, spec);
	if (in_template && !str_eq(restart, "Always"))
		ERR(v, MEMBER(path, "restartPolicy"), "must be Always in a template");
	if (in_template && is_given(spec, "activeDeadlineSeconds"))
		ERR(v, MEMBER(path, "activeDeadlineSeconds"),
		    "does not go with pods that are always replaced");
}
