/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment resolution. Sources, order and texts are the kubelet's (k8s: envFrom before env,
 * $(VAR) sees what came before, a referenced value is not expanded itself).
 */
#include "reconciler/controllers/pod_env.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/controllers/pod_config.h"
#include "reconciler/controllers/pod_resources.h"
#include "reconciler/object.h"

char *pod_env_base64(const void *data, size_t n)
{
	char *out = mem_alloc(4 * ((n + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)out, data, (int)n);
	return out;
}

char *pod_env_unbase64(const char *text)
{
	size_t n = strlen(text), pad = 0;
	autofree char *out = mem_alloc(n / 4 * 3 + 1);
	int len;

	if (n % 4)
		return NULL;
	len = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)n);
	if (len < 0)
		return NULL;
	while (pad < 2 && n > pad && text[n - 1 - pad] == '=')
		pad++;
	out[(size_t)len - pad] = '\0';
	return TAKE_PTR(out);
}

/* One value of a ConfigMap or Secret as text; NULL when the key is absent. Owned by the caller. */
static char *config_text(const json_t *config, const char *key)
{
	const char *value =
		json_string_value(json_object_get(json_object_get(config, "data"), key));

	if (!value)
		return NULL;
	return object_kind(config) == KIND_SECRET ? pod_env_unbase64(value) : mem_strdup(value);
}

static int not_found(struct err *err, enum kind kind, const char *name)
{
	return err_set(err, ERR_TRANSIENT, ENOENT, "CreateContainerConfigError",
		       "%s \"%s\" not found", kind == KIND_SECRET ? "secret" : "configmap", name);
}

static int from_key(char **ret, const json_t *pod, const json_t *ref, enum kind kind,
		    const struct pod_request_env *env, struct err *err)
{
	const char *name = json_path_str(ref, "name", ""), *key = json_path_str(ref, "key", "");
	bool optional = json_path_bool(ref, "optional", false);
	const json_t *config = pod_config_read(env, pod, kind, name, optional);

	if (!config && !optional)
		return not_found(err, kind, name);
	*ret = config ? config_text(config, key) : NULL;
	if (!*ret && !optional)
		return err_set(err, ERR_TRANSIENT, ENOENT, "CreateContainerConfigError",
			       "couldn't find key %s in %s %s/%s", key,
			       kind == KIND_SECRET ? "Secret" : "ConfigMap", object_namespace(pod),
			       name);
	return 0;
}

/* metadata.labels['x'] and metadata.annotations['x'] */
static const char *subscripted_field(const json_t *pod, const char *path)
{
	const char *labels = str_skip_prefix(path, "metadata.labels['");
	const char *annotations = str_skip_prefix(path, "metadata.annotations['");
	const char *rest = labels ? labels : annotations;
	autofree char *key = NULL;

	if (!rest || strlen(rest) < 2)
		return NULL;
	key = mem_strndup(rest, strlen(rest) - 2);
	return labels ? object_label(pod, key) ?: "" : object_annotation(pod, key) ?: "";
}

static char *from_field(const json_t *pod, const char *path, const struct pod_request_env *env)
{
	const char *subscripted = subscripted_field(pod, path);

	if (subscripted)
		return mem_strdup(subscripted);
	if (str_eq(path, "status.podIP") || str_eq(path, "status.podIPs"))
		return mem_strdup(env->pod_ip);
	if (str_eq(path, "status.hostIP") || str_eq(path, "status.hostIPs"))
		return mem_strdup(env->host_ip);
	if (str_eq(path, "spec.nodeName"))
		return mem_strdup(env->node_name);
	if (str_eq(path, "spec.serviceAccountName"))
		return mem_strdup(json_path_str(pod, path, "default"));
	return mem_strdup(json_path_str(pod, path, ""));
}

static int from_source(char **ret, const json_t *pod, const json_t *spec, const json_t *source,
		       const struct pod_request_env *env, struct err *err)
{
	const json_t *ref;

	ref = json_object_get(source, "configMapKeyRef");
	if (ref)
		return from_key(ret, pod, ref, KIND_CONFIGMAP, env, err);
	ref = json_object_get(source, "secretKeyRef");
	if (ref)
		return from_key(ret, pod, ref, KIND_SECRET, env, err);
	ref = json_object_get(source, "fieldRef");
	if (ref) {
		*ret = from_field(pod, json_path_str(ref, "fieldPath", ""), env);
		return 0;
	}
	ref = json_object_get(source, "resourceFieldRef");
	if (ref) {
		const char *name = json_path_str(ref, "containerName", "");

		*ret = pod_resources_field(pod_request_container_spec(pod, name) ?: spec,
					   json_path_str(ref, "resource", ""),
					   json_path_str(ref, "divisor", ""), &env->node);
	}
	return 0;
}

static void add_config(json_t *vars, const json_t *config, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(config, "data"), key, value) {
		autofree char *name = mem_asprintf("%s%s", prefix, key);
		autofree char *text = config_text(config, key);

		json_set(vars, name, json_text(text ? text : ""));
	}
}

static int add_env_from(json_t *vars, const json_t *pod, const json_t *spec,
			const struct pod_request_env *env, struct err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(spec, "envFrom"), i, item) {
		enum kind kind = json_object_get(item, "secretRef") ? KIND_SECRET : KIND_CONFIGMAP;
		const json_t *ref =
			json_object_get(item, kind == KIND_SECRET ? "secretRef" : "configMapRef");
		const char *name = json_path_str(ref, "name", "");
		bool optional = json_path_bool(ref, "optional", false);
		const json_t *config = pod_config_read(env, pod, kind, name, optional);

		if (!config && !optional)
			return not_found(err, kind, name);
		if (config)
			add_config(vars, config, json_path_str(item, "prefix", ""));
	}
	return 0;
}

int pod_env_resolve(json_t **ret_list, json_t **ret_vars, const json_t *pod, const json_t *spec,
		    const struct pod_request_env *env, struct err *err)
{
	autojson *vars = json_object(), *list = json_array();
	json_t *item;
	const char *name;
	size_t i;
	int r;

	r = add_env_from(vars, pod, spec, env, err);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(spec, "env"), i, item) {
		autofree char *value = NULL;

		if (json_object_get(item, "valueFrom")) {
			r = from_source(&value, pod, spec, json_object_get(item, "valueFrom"), env,
					err);
			if (r < 0)
				return r;
			if (!value)
				continue; /* optional and absent */
		} else {
			value = pod_request_expand(json_path_str(item, "value", ""), vars);
		}
		json_set(vars, json_path_str(item, "name", ""), json_text(value));
	}
	json_object_foreach(vars, name, item)
		json_array_append_new(list, json_pack("[s, O]", name, item));
	*ret_list = TAKE_PTR(list);
	*ret_vars = TAKE_PTR(vars);
	return 0;
}
