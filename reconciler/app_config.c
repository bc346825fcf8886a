/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which set a pod came with: found by the hash of what its template reads, among all sets that the
 * records of apps still have.
 */
#include <assert.h>

#include "reconciler/sync_priv.h"

static const char *config_hash(const json_t *o)
{
	const json_t *template = object_kind(o) == KIND_POD ? o : json_path(o, "spec.template");

	return template ? object_annotation(template, SYNC_ANNOTATION_CONFIG) : NULL;
}

static bool has_template(const json_t *set, const char *ns, const char *hash)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		const char *has = config_hash(o);

		if (has && str_eq(has, hash) && str_eq(object_namespace(o), ns))
			return true;
	}
	return false;
}

/* The history has sets as they were begun. The effective one may have come by objects of others
 * since (rollback.c, adopted_add), so it is looked at last. */
static const json_t *newest_with(const struct app *app, const char *ns, const char *hash)
{
	const json_t *effective = json_object_get(app->doc, "effective");

	for (size_t i = json_array_size(app->history); i > 0; i--) {
		const json_t *entry = json_array_get(app->history, i - 1);

		if (has_template(entry, ns, hash))
			return entry;
	}
	return effective && has_template(effective, ns, hash) ? effective : NULL;
}

/* Sets whose templates have the same hash say the same of what is read. NAME: the app to begin
 * with.
 */
static const json_t *set_with(const struct reconciler *r, const char *name, const char *ns,
			      const char *hash)
{
	const struct app *app = app_get(r->apps, name);
	const json_t *set = app ? newest_with(app, ns, hash) : NULL;

	for (size_t i = 0; !set && i < r->apps->n_apps; i++) /* it may have moved here from there */
		set = newest_with(r->apps->apps[i], ns, hash);
	return set;
}

const json_t *sync_pod_set(struct reconciler *r, const json_t *pod)
{
	const char *app = object_annotation(pod, SYNC_ANNOTATION_APP);
	const char *hash = config_hash(pod);

	assert(object_kind(pod) == KIND_POD);
	return hash && app ? set_with(r, app, object_namespace(pod), hash) : NULL;
}

json_t *app_config_of(const struct reconciler *r, const struct app *app, const json_t *workload)
{
	const char *hash = config_hash(workload);
	const json_t *set = hash ? set_with(r, app->name, object_namespace(workload), hash) : NULL;
	json_t *found = json_array(), *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		json_t *copy;

		if ((object_kind(o) != KIND_CONFIGMAP && object_kind(o) != KIND_SECRET) ||
		    !resolve_reads(workload, o))
			continue;
		copy = json_clone(o);
		object_set_annotation(copy, SYNC_ANNOTATION_APP, app->name);
		json_array_append_new(found, copy);
	}
	return found;
}
