/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the objects of a source may ask for. Whoever can push to a source decides what runs; whether
 * that is power over the host is for the operator to say, in the policy of the source. What is not
 * allowed there is an error of the object.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/validate_priv.h"

/* What every container has: SPEC_CAPS_DEFAULT of runtime/spec.h, by name. A test compares them. */
static const char *const usual_capabilities[] = {
	"CHOWN",  "DAC_OVERRIDE", "FOWNER",  "FSETID",           "KILL",
	"SETGID", "SETUID",       "SETPCAP", "NET_BIND_SERVICE",
};

static bool allows(const struct validation *v, const char *field)
{
	return json_is_true(json_object_get(json_object_get(v->policy, "allow"), field));
}

/* SETTING is what has to stand in the policy. */
static void deny(const struct validation *v, const struct path *path, const char *setting)
{
	const char *file = json_path_str(v->policy, "file", "");
	const char *source = json_path_str(v->policy, "source", "");

	if (*file)
		ERR(v, path,
		    "the policy of source '%s' does not allow it: %s in spec.policy of %s would",
		    source, setting, file);
	else
		ERR(v, path,
		    "the policy of its source does not allow it: %s in spec.policy of a Source%s%s%s "
		    "would (see recond-source(5))",
		    setting, *source ? " for '" : "", source, *source ? "'" : "");
}

static void check_capability(const struct validation *v, const struct path *path, const char *name)
{
	const json_t *allowed = json_path(v->policy, "allow.capabilities"), *one;
	autofree char *setting = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(usual_capabilities); i++)
		if (str_eq(usual_capabilities[i], name))
			return;
	json_array_foreach(allowed, i, one) {
		if (str_eq(json_string_value(one), name) || str_eq(json_string_value(one), "ALL"))
			return;
	}
	setting = mem_asprintf("'capabilities: [%.40s]'", name);
	deny(v, path, setting);
}

/* Of a container, or of the pod for all its containers. */
static void check_security(const struct validation *v, const struct path *up, const json_t *c)
{
	const struct path path = {up, "securityContext", 0};
	const struct path caps = {&path, "capabilities", 0}, add = {&caps, "add", 0};
	const json_t *s = json_object_get(c, "securityContext"), *cap;
	const char *seccomp = json_path_str(s, "seccompProfile.type", "RuntimeDefault");
	const char *proc = json_path_str(s, "procMount", "Default");
	size_t i;

	if (allows(v, "privileged"))
		return;
	if (json_path_bool(s, "privileged", false))
		deny(v, MEMBER(&path, "privileged"), "'privileged: true'");
	json_array_foreach(json_path(s, "capabilities.add"), i, cap) {
		if (json_is_string(cap))
			check_capability(v, ELEMENT(&add, i), json_string_value(cap));
	}
	if (!str_eq(seccomp, "RuntimeDefault") && !allows(v, "seccompUnconfined"))
		deny(v, MEMBER(&path, "seccompProfile"), "'seccompUnconfined: true'");
	if (!str_eq(proc, "Default") && !allows(v, "procMountUnmasked"))
		deny(v, MEMBER(&path, "procMount"), "'procMountUnmasked: true'");
}

/* Is PATH the directory PREFIX, or below it? Both are absolute and without ".."; slashes may be
 * doubled. */
static bool path_within(const char *path, const char *prefix)
{
	for (;;) {
		size_t n;

		path += strspn(path, "/");
		prefix += strspn(prefix, "/");
		n = strcspn(prefix, "/");
		if (n == 0)
			return true;
		if (strcspn(path, "/") != n || memcmp(path, prefix, n) != 0)
			return false;
		path += n;
		prefix += n;
	}
}

static void check_host_path(const struct validation *v, const struct path *path, const char *wanted)
{
	const json_t *allowed = json_path(v->policy, "allow.hostPath"), *one;
	autofree char *setting = NULL;
	size_t i;

	json_array_foreach(allowed, i, one) {
		if (path_within(wanted, json_string_value(one)))
			return;
	}
	setting = mem_asprintf("'hostPath: [%.200s]'", wanted);
	deny(v, path, setting);
}

static void check_containers(const struct validation *v, const struct path *up, const json_t *spec,
			     const char *name)
{
	const struct path list = {up, name, 0};
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(spec, name), i, c) {
		if (findings_full(v->errors))
			return;
		check_security(v, ELEMENT(&list, i), c);
	}
}

void validate_policy(const struct validation *v, const struct path *path, const json_t *spec)
{
	const struct path volumes = {path, "volumes", 0};
	const json_t *volume;
	size_t i;

	if (v->trusted)
		return;
	if (json_path_bool(spec, "hostNetwork", false) && !allows(v, "hostNetwork"))
		deny(v, MEMBER(path, "hostNetwork"), "'hostNetwork: true'");
	check_security(v, path, spec);
	check_containers(v, path, spec, "initContainers");
	check_containers(v, path, spec, "containers");
	json_array_foreach(json_object_get(spec, "volumes"), i, volume) {
		const struct path at = {&volumes, NULL, i}, host = {&at, "hostPath", 0};
		const char *wanted = json_path_str(volume, "hostPath.path", NULL);

		if (findings_full(v->errors))
			return;
		if (wanted)
			check_host_path(v, MEMBER(&host, "path"), wanted);
	}
}
