/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that hold when nothing goes on any more.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/ownership.h"
#include "reconciler/sync.h"
#include "tests/sim/invariants_priv.h"

static bool has_ended(const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "");

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* What runs has an object, and what has an object that runs is there. */
void rule_pods_have_objects(struct invariants *iv)
{
	const char *key;
	json_t *o;

	json_object_foreach(iv->w->pods, key, o) {
		if (!invariants_by_uid(iv, KIND_POD, key))
			world_violated(iv->w, "pods_have_objects", "pod %s runs without an object",
				       key);
	}
	json_object_foreach(iv->kinds[KIND_POD], key, o) {
		if (object_deleting(o))
			world_violated(iv->w, "pods_have_objects", "%s is still being deleted",
				       key);
		else if (!has_ended(o) && !json_object_get(iv->w->pods, key))
			world_violated(iv->w, "pods_have_objects", "pod %s does not run",
				       object_name(o));
	}
}

static bool is_in_ledger(const struct invariants *iv, const char *app, const char *key)
{
	const json_t *doc = store_doc_get(iv->w->store, "apps", app);
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(doc, "ledger"), i, entry) {
		if (str_eq(json_string_value(entry), key))
			return true;
	}
	return false;
}

/* Owners exist, and apps know what they made. */
void rule_objects_have_owners(struct invariants *iv)
{
	const char *key;
	json_t *o;

	json_object_foreach(iv->mirror, key, o) {
		const json_t *ref = object_controller_ref(o);
		const char *app = object_annotation(o, SYNC_ANNOTATION_APP);
		enum kind kind = object_kind(o);

		if (ref && kind != KIND_EVENT &&
		    !store_get_uid(iv->w->store, json_path_str(ref, "uid", "")))
			world_violated(iv->w, "objects_have_owners", "%s: its owner %s is gone",
				       key, json_path_str(ref, "name", ""));
		if (app && !ref && kind != KIND_EVENT && kind != KIND_IMAGE &&
		    !is_in_ledger(iv, app, key))
			world_violated(iv->w, "objects_have_owners",
				       "%s says it is app %s's, whose ledger does not have it", key,
				       app);
	}
}

static int64_t running_with(const struct invariants *iv, const json_t *d, const char *digests)
{
	const char *uid, *name;
	json_t *pod, *c;
	int64_t n = 0;

	json_object_foreach(iv->w->pods, uid, pod) {
		const json_t *o = invariants_by_uid(iv, KIND_POD, uid);

		if (!o || !invariants_deployment_of(iv, o) ||
		    !str_eq(object_uid(invariants_deployment_of(iv, o)), object_uid(d)))
			continue;
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			n += json_path_bool(c, "running", false) &&
			     strstr(digests, json_path_str(c, "image", "none"));
	}
	return n;
}

/* Is each field that O states in LIVE as O says? What an edit through the API added by defaults is
 * nobody's. */
static bool states_it(const json_t *live, const json_t *o)
{
	autojson *merged = ownership_merge(live, o, o);

	return json_equal(merged, live);
}

/* The ConfigMap is another app's: what came from there reads it as it is in the record. */
static bool is_read_from_the_record(const json_t *live, const char *app)
{
	const char *owner = live ? object_annotation(live, SYNC_ANNOTATION_APP) : NULL;

	return owner && object_kind(live) == KIND_CONFIGMAP && !str_eq(owner, app);
}

static void compare_with_record(struct invariants *iv, const char *app, const json_t *o)
{
	bool is_whole = object_kind(o) == KIND_CONFIGMAP || object_kind(o) == KIND_DEPLOYMENT;
	const json_t *live =
		store_get(iv->w->store, object_kind(o), object_namespace(o), object_name(o));
	autofree char *what = object_describe(o);
	const char *digests;
	int64_t n, want;

	if (is_read_from_the_record(live, app))
		return;
	if (!live || (is_whole && !states_it(live, o))) {
		world_violated(iv->w, "record_is_what_runs", "app %s: %s %s", app, what,
			       live ? "differs from its record" : "is gone");
		return;
	}
	if (object_kind(o) != KIND_DEPLOYMENT)
		return;
	digests = object_annotation(json_path(o, "spec.template"), SYNC_ANNOTATION_DIGESTS);
	want = json_path_int(o, "spec.replicas", 1);
	n = running_with(iv, live, digests ? digests : "");
	if (n != want)
		world_violated(iv->w, "record_is_what_runs",
			       "app %s: %s: %lld containers run the recorded image, want %lld", app,
			       what, (long long)n, (long long)want);
}

/* An app that is verified or held runs its effective set, all of it and exactly. */
void rule_record_is_what_runs(struct invariants *iv)
{
	const char *uid;
	json_t *app, *o;
	size_t i;

	json_object_foreach(iv->kinds[KIND_APP], uid, app) {
		const char *phase = json_path_str(app, "status.phase", "");
		const json_t *doc;

		if (!str_eq(phase, "Held") && !str_eq(phase, "Verified"))
			continue;
		doc = store_doc_get(iv->w->store, "apps", object_name(app));
		json_array_foreach(json_path(doc, "effective.objects"), i, o)
			compare_with_record(iv, object_name(app), o);
	}
}

static void compare_with_disk(const json_t *o, void *data)
{
	struct invariants *iv = data;
	const char *kind = kind_info(object_kind(o))->name;
	const char *got = disk_object(iv->w->disk, kind, object_namespace(o), object_name(o));
	autofree char *want = json_compact(o);

	if (!str_eq(got, want))
		world_violated(iv->w, "memory_is_what_is_on_disk",
			       "%s %s was changed without being written", kind, object_name(o));
}

/* Versions of an object share what is the same in them, so nobody may change one in place. */
void rule_memory_is_what_is_on_disk(struct invariants *iv)
{
	for (int kind = 0; kind < KIND_N_; kind++)
		store_each(iv->w->store, (enum kind)kind, NULL, compare_with_disk, iv);
}
