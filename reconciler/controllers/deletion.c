/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion requests and the two policies that look at dependents first. What follows an object that
 * is gone is garbage.c's.
 */
#include "reconciler/controllers/deletion.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/job.h"

#define FINALIZER_FOREGROUND "foregroundDeletion"

bool deletion_is_held(const json_t *object)
{
	return json_array_size(json_path(object, "metadata.finalizers")) > 0;
}

/* ---- marking ---- */

static bool is_terminal(const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "");

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static void delete_pod(struct reconciler *r, const json_t *pod, int64_t grace_s)
{
	int64_t grace = grace_s == DELETION_OWN_GRACE
				? json_path_int(pod, "spec.terminationGracePeriodSeconds", 30)
				: grace_s;
	autojson *copy = json_clone(pod);
	char when[CLOCK_RFC3339_SIZE];

	if (is_terminal(pod))
		grace = 0;
	if (object_deleting(pod) &&
	    grace >= json_path_int(pod, "metadata.deletionGracePeriodSeconds", 0))
		return;
	clock_format_rfc3339(when, reconciler_realtime_ns(r) + grace * 1000000000);
	json_path_set_new(copy, "metadata.deletionTimestamp", json_text(when));
	json_path_set_new(copy, "metadata.deletionGracePeriodSeconds", json_integer(grace));
	(void)store_update(r->store, copy);
}

static void mark(struct reconciler *r, const json_t *object)
{
	autojson *copy = json_clone(object);
	char now[CLOCK_RFC3339_SIZE];

	if (object_deleting(object))
		return;
	reconciler_rfc3339(r, now);
	json_path_set_new(copy, "metadata.deletionTimestamp", json_text(now));
	if (object_kind(object) == KIND_NAMESPACE) {
		json_path_set_new(copy, "status.phase", json_text("Terminating"));
		(void)store_update_status(r->store, copy);
		return;
	}
	json_path_set_new(copy, "metadata.deletionGracePeriodSeconds", json_integer(0));
	(void)store_update(r->store, copy);
}

static void delete_one(struct reconciler *r, const json_t *object, int64_t grace_s)
{
	enum kind kind = object_kind(object);

	if (kind == KIND_POD)
		delete_pod(r, object, grace_s);
	else if (kind == KIND_NAMESPACE || deletion_is_held(object))
		mark(r, object);
	else
		(void)store_delete(r->store, kind, object_namespace(object), object_name(object));
}

/* ---- orphans ---- */

static void drop_owner(struct reconciler *r, const json_t *dependent, const char *uid)
{
	autojson *copy = json_clone(dependent), *kept = json_array();
	json_t *ref;
	size_t i;

	json_array_foreach(json_path(dependent, "metadata.ownerReferences"), i, ref) {
		if (!str_eq(json_path_str(ref, "uid", ""), uid))
			json_array_append(kept, ref);
	}
	if (json_array_size(kept) > 0)
		json_path_set_new(copy, "metadata.ownerReferences", json_incref(kept));
	else
		json_path_del(copy, "metadata.ownerReferences");
	(void)store_update_status(r->store, copy);
	if (object_kind(dependent) == KIND_POD)
		job_release_pod(r, store_get_uid(r->store, object_uid(dependent)));
}

static void orphan_dependents(struct reconciler *r, const json_t *owner)
{
	autojson *dependents = store_dependents(r->store, object_uid(owner));
	json_t *o;
	size_t i;

	json_array_foreach(dependents, i, o)
		drop_owner(r, o, object_uid(owner));
}

/* ---- foreground ---- */

static bool blocks(const json_t *dependent, const char *uid)
{
	json_t *ref;
	size_t i;

	json_array_foreach(json_path(dependent, "metadata.ownerReferences"), i, ref) {
		if (str_eq(json_path_str(ref, "uid", ""), uid))
			return json_path_bool(ref, "blockOwnerDeletion", false);
	}
	return false;
}

static bool has_finalizer(const json_t *object, const char *name)
{
	json_t *f;
	size_t i;

	json_array_foreach(json_path(object, "metadata.finalizers"), i, f) {
		if (str_eq(json_string_value(f), name))
			return true;
	}
	return false;
}

static void set_finalizer(struct reconciler *r, const json_t *object, const char *name, bool on)
{
	autojson *copy = json_clone(object), *kept = json_array();
	json_t *f;
	size_t i;

	json_array_foreach(json_path(object, "metadata.finalizers"), i, f) {
		if (!str_eq(json_string_value(f), name))
			json_array_append(kept, f);
	}
	if (on)
		json_array_append_new(kept, json_text(name));
	json_path_set_new(copy, "metadata.finalizers", json_incref(kept));
	if (json_array_size(kept) == 0)
		json_path_del(copy, "metadata.finalizers");
	(void)store_update_status(r->store, copy);
}

/* Its dependents go first, and theirs before them. */
static void delete_foreground(struct reconciler *r, const json_t *owner)
{
	autofree char *uid = mem_strdup(object_uid(owner));
	autojson *dependents = store_dependents(r->store, uid);
	json_t *o;
	size_t i;

	if (json_array_size(dependents) == 0) {
		delete_one(r, owner, DELETION_OWN_GRACE);
		return;
	}
	if (!has_finalizer(owner, FINALIZER_FOREGROUND))
		set_finalizer(r, owner, FINALIZER_FOREGROUND, true);
	mark(r, store_get_uid(r->store, uid));
	json_array_foreach(dependents, i, o) {
		if (!object_deleting(o))
			deletion_request(r, o, DELETION_FOREGROUND, DELETION_OWN_GRACE);
	}
	reconciler_queue(r, WORK_ORPHANS, uid); /* all of them may have gone at once */
}

void deletion_look(struct reconciler *r, const json_t *object)
{
	autojson *dependents = NULL;
	autofree char *uid = mem_strdup(object_uid(object));
	json_t *o;
	size_t i;

	if (!object_deleting(object) || !has_finalizer(object, FINALIZER_FOREGROUND))
		return;
	dependents = store_dependents(r->store, uid);
	json_array_foreach(dependents, i, o) {
		if (blocks(o, uid))
			return;
	}
	set_finalizer(r, object, FINALIZER_FOREGROUND, false);
	delete_one(r, store_get_uid(r->store, uid), DELETION_OWN_GRACE);
}

/* ---- requests ---- */

void deletion_request(struct reconciler *r, const json_t *object, enum deletion_policy policy,
		      int64_t grace_s)
{
	enum kind kind = object_kind(object);

	assert(policy < DELETION_POLICY_N_);
	if (kind == KIND_POD || kind == KIND_NAMESPACE || policy == DELETION_BACKGROUND) {
		delete_one(r, object, grace_s);
	} else if (policy == DELETION_FOREGROUND) {
		delete_foreground(r, object);
	} else {
		orphan_dependents(r, object);
		delete_one(r, object, grace_s);
	}
}

void reconciler_delete(struct reconciler *r, const json_t *object)
{
	deletion_request(r, object, DELETION_BACKGROUND, DELETION_OWN_GRACE);
}
