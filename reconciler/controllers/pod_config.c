/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which content of a ConfigMap or Secret a pod gets. Compares by content, object by object: what an
 * app wrote last of one (drift.h) with what the pod's own set says of it.
 */
#include "reconciler/controllers/pod_config.h"

#include <assert.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/drift.h"
#include "reconciler/object.h"
#include "reconciler/sync.h"

static const json_t *find_in_set(const json_t *set, enum kind kind, const char *ns,
				 const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		if (object_kind(o) == kind && str_eq(object_namespace(o), ns) &&
		    str_eq(object_name(o), name))
			return o;
	}
	return NULL;
}

static bool same_content(const json_t *a, const json_t *b)
{
	static const char *const members[] = {"data", "binaryData"};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *x = json_object_get(a, members[i]), *y = json_object_get(b, members[i]);

		if (!json_equal(x ?: json_null(), y ?: json_null()))
			return false;
	}
	return true;
}

/* It stays as it is while its app goes back. */
static bool opted_out(const json_t *applied)
{
	return str_eq(object_annotation(applied, SYNC_ANNOTATION_ROLLBACK), "false");
}

static bool is_of_the_app_of(const json_t *applied, const json_t *pod)
{
	const char *app = applied ? object_annotation(applied, SYNC_ANNOTATION_APP) : NULL;

	return app && str_eq(app, object_annotation(pod, SYNC_ANNOTATION_APP));
}

const json_t *pod_config_read(const struct pod_request_env *env, const json_t *pod, enum kind kind,
			      const char *name, bool optional)
{
	const char *ns = object_namespace(pod);
	const json_t *live = store_get(env->store, kind, ns, name);
	autofree char *key = mem_asprintf("%s/%s/%s", kind_info(kind)->name, ns, name);
	const json_t *applied = drift_applied(env->store, key), *own;

	assert(kind == KIND_CONFIGMAP || kind == KIND_SECRET);
	if (!env->set)
		return live;
	own = find_in_set(env->set, kind, ns, name);
	if (!own)
		return optional && is_of_the_app_of(applied, pod) ? NULL : live;
	if (applied && (opted_out(applied) || same_content(applied, own)))
		return live;
	return own;
}
