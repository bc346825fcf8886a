/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner garbage collection and the namespace cascade (k8s-semantics: a reference is solid while an
 * object with that very uid exists; without any solid one the dependent is deleted).
 */
#include "reconciler/controllers/garbage.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/deletion.h"
#include "reconciler/controllers/job.h"

static bool kind_can_be_owned(enum kind kind)
{
	return kind != KIND_EVENT && kind != KIND_NAMESPACE && kind != KIND_APP &&
	       kind != KIND_SOURCE;
}

static bool has_solid_owner(struct reconciler *r, const json_t *object)
{
	json_t *ref;
	size_t i;

	json_array_foreach(json_path(object, "metadata.ownerReferences"), i, ref) {
		if (store_get_uid(r->store, json_path_str(ref, "uid", "")))
			return true;
	}
	return false;
}

void garbage_queue_owner(struct reconciler *r, const json_t *owner)
{
	json_t *ref;
	size_t i;

	if (kind_can_be_owned(object_kind(owner)))
		reconciler_queue(r, WORK_ORPHANS, object_uid(owner));
	json_array_foreach(json_path(owner, "metadata.ownerReferences"), i, ref) {
		const json_t *above = store_get_uid(r->store, json_path_str(ref, "uid", ""));

		if (above && object_deleting(above)) /* it may have waited for this one */
			reconciler_queue(r, WORK_ORPHANS, object_uid(above));
	}
}

static void queue_if_dangling(const json_t *object, void *data)
{
	struct reconciler *r = data;
	json_t *ref;
	size_t i;

	json_array_foreach(json_path(object, "metadata.ownerReferences"), i, ref) {
		if (!store_get_uid(r->store, json_path_str(ref, "uid", "")))
			reconciler_queue(r, WORK_ORPHANS, json_path_str(ref, "uid", ""));
	}
}

void garbage_queue_all(struct reconciler *r)
{
	for (int kind = 0; kind < KIND_N_; kind++) {
		if (kind_can_be_owned((enum kind)kind))
			store_each(r->store, (enum kind)kind, NULL, queue_if_dangling, r);
	}
}

void garbage_orphans_reconcile(struct reconciler *r, const char *key)
{
	const json_t *owner = store_get_uid(r->store, key);
	autojson *dependents = NULL;
	json_t *object;
	size_t i;

	if (owner) {
		deletion_look(r, owner);
		return;
	}
	dependents = store_dependents(r->store, key);
	json_array_foreach(dependents, i, object) {
		if (!kind_can_be_owned(object_kind(object)) || has_solid_owner(r, object))
			continue;
		if (!object_deleting(object))
			reconciler_delete(r, object);
		if (object_kind(object) == KIND_POD)
			job_release_pod(r, store_get_uid(r->store, object_uid(object)));
	}
}

/* ---- namespaces ---- */

static void delete_content(const json_t *object, void *data)
{
	reconciler_delete(data, object);
}

/* The controllers go with the pods: a ReplicaSet left alone would make new ones as fast as they
 * end. */
static void delete_contents(struct reconciler *r, const char *name)
{
	for (int kind = 0; kind < KIND_N_; kind++) {
		if (kind_info((enum kind)kind)->namespaced && (enum kind)kind != KIND_EVENT)
			store_each(r->store, (enum kind)kind, name, delete_content, r);
	}
}

static bool anything_left(struct reconciler *r, const char *name)
{
	for (int kind = 0; kind < KIND_N_; kind++) {
		autojson *left = NULL;

		if (!kind_info((enum kind)kind)->namespaced || (enum kind)kind == KIND_EVENT)
			continue;
		left = store_list(r->store, (enum kind)kind, name);
		if (json_array_size(left) > 0)
			return true;
	}
	return false;
}

void garbage_namespace_reconcile(struct reconciler *r, const char *key)
{
	const json_t *ns = store_get(r->store, KIND_NAMESPACE, NULL, key);

	if (!ns || !object_deleting(ns))
		return;
	delete_contents(r, key);
	if (anything_left(r, key))
		return; /* each pod that goes, and what is held by a finalizer, queues this again */
	store_each(r->store, KIND_EVENT, key, delete_content, r);
	(void)store_delete(r->store, KIND_NAMESPACE, NULL, key);
}
