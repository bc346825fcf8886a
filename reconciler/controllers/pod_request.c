/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime requests of a pod. Rules and texts are the kubelet's; what a request means on the
 * host is runtime's business.
 */
#include "reconciler/controllers/pod_request.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/controllers/pod_config.h"
#include "reconciler/controllers/pod_env.h"
#include "reconciler/controllers/pod_resources.h"
#include "reconciler/object.h"

#define DEFAULT_VOLUME_MODE 0644

/* ---- volumes ---- */

static json_t *volume_file(const char *path, int64_t mode, const char *base64)
{
	return json_pack("{s:s, s:I, s:s}", "path", path, "mode", (json_int_t)mode, "data", base64);
}

/* The value of KEY in a ConfigMap or Secret as base64, or NULL. Owned by the caller. */
static char *config_value(const json_t *config, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(config, "data"), key));
	const char *binary =
		json_string_value(json_object_get(json_object_get(config, "binaryData"), key));

	if (binary)
		return mem_strdup(binary);
	if (!text)
		return NULL;
	if (object_kind(config) == KIND_SECRET)
		return mem_strdup(text); /* a Secret's data is base64 already */
	return pod_env_base64(text, strlen(text));
}

static int add_item(json_t *items, const json_t *config, const json_t *item, int64_t default_mode,
		    bool optional, struct err *err)
{
	const char *key = json_path_str(item, "key", "");
	autofree char *value = config_value(config, key);

	if (!value && optional)
		return 0;
	if (!value)
		return err_set(err, ERR_TRANSIENT, ENOENT, "FailedMount",
			       "references non-existent config key: %s", key);
	json_array_append_new(items, volume_file(json_path_str(item, "path", key),
						 json_path_int(item, "mode", default_mode), value));
	return 0;
}

static void add_all(json_t *items, const json_t *config, const char *member, int64_t default_mode)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(config, member), key, value) {
		autofree char *data = config_value(config, key);

		json_array_append_new(items, volume_file(key, default_mode, data));
	}
}

static int config_volume(json_t **ret, const json_t *pod, const json_t *volume, enum kind kind,
			 const struct pod_request_env *env, struct err *err)
{
	const json_t *source =
		json_object_get(volume, kind == KIND_SECRET ? "secret" : "configMap");
	const char *name = json_path_str(source, kind == KIND_SECRET ? "secretName" : "name", "");
	bool optional = json_path_bool(source, "optional", false);
	int64_t mode = json_path_int(source, "defaultMode", DEFAULT_VOLUME_MODE);
	const json_t *config = pod_config_read(env, pod, kind, name, optional);
	autojson *items = json_array();
	json_t *item;
	size_t i;

	if (!config && !optional)
		return err_set(err, ERR_TRANSIENT, ENOENT, "FailedMount",
			       "MountVolume.SetUp failed for volume \"%s\" : %s \"%s\" not found",
			       json_path_str(volume, "name", ""),
			       kind == KIND_SECRET ? "secret" : "configmap", name);
	json_array_foreach(json_object_get(source, "items"), i, item) {
		int r = config ? add_item(items, config, item, mode, optional, err) : 0;

		if (r < 0)
			return err_wrap(err, "MountVolume.SetUp failed for volume \"%s\" ",
					json_path_str(volume, "name", ""));
	}
	if (config && !json_object_get(source, "items")) {
		add_all(items, config, "data", mode);
		add_all(items, config, "binaryData", mode);
	}
	*ret = json_pack("{s:s, s:{s:b, s:I, s:O}}", "name", json_path_str(volume, "name", ""),
			 "files", "tmpfs", kind == KIND_SECRET, "defaultMode", (json_int_t)mode,
			 "items", items);
	return 0;
}

static json_t *empty_dir_volume(const json_t *volume)
{
	const json_t *source = json_object_get(volume, "emptyDir");
	json_t *e = json_pack("{s:s}", "medium", json_path_str(source, "medium", ""));
	int64_t limit = pod_resources_bytes(json_path_str(source, "sizeLimit", ""));

	if (limit > 0)
		json_set(e, "sizeLimitBytes", json_integer(limit));
	return json_pack("{s:s, s:o}", "name", json_path_str(volume, "name", ""), "emptyDir", e);
}

static int one_volume(json_t **ret, const json_t *pod, const json_t *volume,
		      const struct pod_request_env *env, struct err *err)
{
	if (json_object_get(volume, "configMap"))
		return config_volume(ret, pod, volume, KIND_CONFIGMAP, env, err);
	if (json_object_get(volume, "secret"))
		return config_volume(ret, pod, volume, KIND_SECRET, env, err);
	if (json_object_get(volume, "hostPath")) {
		*ret = json_pack("{s:s, s:O}", "name", json_path_str(volume, "name", ""),
				 "hostPath", json_object_get(volume, "hostPath"));
		return 0;
	}
	*ret = empty_dir_volume(volume);
	return 0;
}

/* ---- the sandbox ---- */

/* Name of the pod or spec.hostname, cut to 63 with no '-' or '.' at its end. */
static char *pod_hostname(const json_t *pod)
{
	char *h = mem_strndup(json_path_str(pod, "spec.hostname", object_name(pod)), 63);
	size_t n = strlen(h);

	while (n > 0 && (h[n - 1] == '-' || h[n - 1] == '.'))
		h[--n] = '\0';
	return h;
}

/* dnsConfig as written; the host's resolv.conf is the runtime's to add ("policy"). */
static json_t *dns_request(const json_t *pod)
{
	json_t *config = json_path(pod, "spec.dnsConfig");
	json_t *dns = config ? json_clone(config) : json_object();

	json_set(dns, "policy", json_text(json_path_str(pod, "spec.dnsPolicy", "ClusterFirst")));
	return dns;
}

int pod_request_sandbox(json_t **ret, const json_t *pod, const struct pod_request_env *env,
			struct err *err)
{
	autofree char *hostname = pod_hostname(pod);
	autojson *volumes = json_array();
	const json_t *spec = json_object_get(pod, "spec");
	json_t *volume, *request;
	size_t i;

	json_array_foreach(json_object_get(spec, "volumes"), i, volume) {
		json_t *v = NULL;
		int r = one_volume(&v, pod, volume, env, err);

		if (r < 0)
			return r;
		json_array_append_new(volumes, v);
	}
	request = json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:O}", "uid", object_uid(pod),
			    "namespace", object_namespace(pod), "name", object_name(pod),
			    "hostname", hostname, "hostNetwork",
			    json_path_bool(spec, "hostNetwork", false), "dns", dns_request(pod),
			    "cgroup", pod_resources_sandbox(spec), "volumes", volumes);
	assert(request);
	if (json_object_get(spec, "hostAliases"))
		json_set(request, "hostAliases", json_incref(json_object_get(spec, "hostAliases")));
	if (json_path(spec, "securityContext.fsGroup"))
		json_set(request, "fsGroup",
			 json_incref(json_path(spec, "securityContext.fsGroup")));
	*ret = request;
	return 0;
}

/* ---- one container ---- */

/* The container's security context over the pod's, field by field. */
static json_t *merged_security_context(const json_t *pod, const json_t *spec)
{
	json_t *merged = json_object();

	if (json_path(pod, "spec.securityContext"))
		json_object_update(merged, json_path(pod, "spec.securityContext"));
	if (json_object_get(spec, "securityContext"))
		json_object_update(merged, json_object_get(spec, "securityContext"));
	return merged;
}

static json_t *expanded_list(const json_t *list, const json_t *vars)
{
	json_t *out, *item;
	size_t i;

	if (!list)
		return json_null();
	out = json_array();
	json_array_foreach((json_t *)(uintptr_t)list, i, item) {
		autofree char *text = pod_request_expand(json_string_value(item), vars);

		json_array_append_new(out, json_text(text));
	}
	return out;
}

static json_t *mounts_request(const json_t *spec)
{
	json_t *out = json_array(), *m;
	size_t i;

	json_array_foreach(json_object_get(spec, "volumeMounts"), i, m) {
		json_t *mount = json_pack("{s:s, s:s, s:b}", "volume", json_path_str(m, "name", ""),
					  "mountPath", json_path_str(m, "mountPath", ""),
					  "readOnly", json_path_bool(m, "readOnly", false));

		if (json_path_str(m, "subPath", NULL))
			json_set(mount, "subPath", json_text(json_path_str(m, "subPath", "")));
		json_array_append_new(out, mount);
	}
	return out;
}

int pod_request_container(json_t **ret, const json_t *pod, const json_t *spec, unsigned int attempt,
			  const char *image_digest, const struct pod_request_env *env,
			  struct err *err)
{
	autojson *list = NULL, *vars = NULL;
	json_t *request;
	int r;

	r = pod_env_resolve(&list, &vars, pod, spec, env, err);
	if (r < 0)
		return r;
	request = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:O, s:o, s:o, s:o, s:o, s:i, s:o}",
			    "podUid", object_uid(pod), "namespace", object_namespace(pod),
			    "podName", object_name(pod), "name", json_path_str(spec, "name", ""),
			    "attempt", (int)attempt, "image", image_digest, "env", list, "command",
			    expanded_list(json_object_get(spec, "command"), vars), "args",
			    expanded_list(json_object_get(spec, "args"), vars), "securityContext",
			    merged_security_context(pod, spec), "resources",
			    pod_resources_container(spec), "oomScoreAdj",
			    pod_resources_oom_score_adj(json_object_get(pod, "spec"), spec,
							env->node.memory_bytes),
			    "mounts", mounts_request(spec));
	assert(request);
	json_set(request, "workingDir", json_text(json_path_str(spec, "workingDir", "")));
	json_set(request, "terminationMessagePath",
		 json_text(json_path_str(spec, "terminationMessagePath", "/dev/termination-log")));
	json_set(request, "terminationMessagePolicy",
		 json_text(json_path_str(spec, "terminationMessagePolicy", "File")));
	*ret = request;
	return 0;
}

const json_t *pod_request_container_spec(const json_t *pod, const char *name)
{
	static const char *const lists[] = {"spec.containers", "spec.initContainers"};
	json_t *spec;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach(json_path(pod, lists[l]), i, spec) {
			if (str_eq(json_path_str(spec, "name", ""), name))
				return spec;
		}
	}
	return NULL;
}

char *pod_request_expand(const char *text, const json_t *vars)
{
	struct strbuf out = STRBUF_INIT;

	while (*text) {
		const char *close = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
		autofree char *name =
			close ? mem_strndup(text + 2, (size_t)(close - text - 2)) : NULL;
		const char *value = name ? json_string_value(json_object_get(vars, name)) : NULL;

		if (text[0] == '$' && text[1] == '$') {
			strbuf_addc(&out, '$');
			text += 2;
		} else if (value) {
			strbuf_adds(&out, value);
			text = close + 1;
		} else if (name) {
			strbuf_addf(&out, "$(%s)", name); /* not searched for names inside */
			text = close + 1;
		} else {
			strbuf_addc(&out, *text++);
		}
	}
	return strbuf_take(&out);
}
