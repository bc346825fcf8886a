/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner garbage collection and the namespace cascade (k8s-semantics: a reference is solid while an
 * object with that very uid exists; without any solid one the dependent is deleted).
 */
#include "reconciler/controllers/garbage.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/job.h"

static bool kind_can_be_owned(enum kind kind)
{
	return kind != KIND_EVENT && kind != KIND_NAMESPACE && kind != KIND_APP;
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
	if (kind_can_be_owned(object_kind(owner)))
		reconciler_queue(r, WORK_ORPHANS, object_uid(owner));
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
	autojson *dependents = NULL;
	json_t *object;
	size_t i;

	if (store_get_uid(r->store, key))
		return;
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

/* ---- deletion ---- */

static void delete_pod(struct reconciler *r, const json_t *pod)
{
	int64_t grace = json_path_int(pod, "spec.terminationGracePeriodSeconds", 30);
	autojson *copy = json_deep_copy(pod);
	char when[CLOCK_RFC3339_SIZE];

	if (object_deleting(pod))
		return;
	clock_format_rfc3339(when, reconciler_realtime_ns(r) + grace * 1000000000);
	json_path_set_new(copy, "metadata.deletionTimestamp", json_text(when));
	json_path_set_new(copy, "metadata.deletionGracePeriodSeconds", json_integer(grace));
	(void)store_update(r->store, copy);
}

static void mark_namespace(struct reconciler *r, const json_t *ns)
{
	autojson *copy = json_deep_copy(ns);
	char now[CLOCK_RFC3339_SIZE];

	if (object_deleting(ns))
		return;
	reconciler_rfc3339(r, now);
	json_path_set_new(copy, "metadata.deletionTimestamp", json_text(now));
	json_path_set_new(copy, "status.phase", json_text("Terminating"));
	(void)store_update_status(r->store, copy);
}

void reconciler_delete(struct reconciler *r, const json_t *object)
{
	switch (object_kind(object)) {
	case KIND_POD:
		delete_pod(r, object);
		break;
	case KIND_NAMESPACE:
		mark_namespace(r, object);
		break;
	default:
		(void)store_delete(r->store, object_kind(object), object_namespace(object),
				   object_name(object));
	}
}

/* ---- namespaces ---- */

static void delete_if_pod_or_left(const json_t *object, void *data)
{
	reconciler_delete(data, object);
}

/* The controllers go with the pods: a ReplicaSet left alone would make new ones as fast as they
 * end. */
static void delete_contents(struct reconciler *r, const char *name)
{
	for (int kind = 0; kind < KIND_N_; kind++) {
		if (kind_info((enum kind)kind)->namespaced && (enum kind)kind != KIND_EVENT)
			store_each(r->store, (enum kind)kind, name, delete_if_pod_or_left, r);
	}
}

void garbage_namespace_reconcile(struct reconciler *r, const char *key)
{
	const json_t *ns = store_get(r->store, KIND_NAMESPACE, NULL, key);
	autojson *pods = NULL;

	if (!ns || !object_deleting(ns))
		return;
	delete_contents(r, key);
	pods = store_list(r->store, KIND_POD, key);
	if (json_array_size(pods) > 0)
		return; /* each pod that goes queues this again */
	store_each(r->store, KIND_EVENT, key, delete_if_pod_or_left, r);
	(void)store_delete(r->store, KIND_NAMESPACE, NULL, key);
}
