/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-healing. Level-triggered: an object is compared with what was applied of it, whoever changed
 * it and whenever.
 */
#include "reconciler/drift.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/events.h"
#include "reconciler/ownership.h"
#include "reconciler/sync_priv.h"

#define BUCKET "applied"
#define FREE_HEALS 3          /* at once; more of them in a row wait */
#define QUIET_NS 600000000000 /* a row ends after ten minutes without */
#define MAX_WAIT_S 300

/* ---- the record ---- */

const json_t *drift_applied(const struct store *s, const char *key)
{
	return json_object_get(store_doc_get(s, BUCKET, key), "object");
}

void drift_note(struct reconciler *r, const char *key, const json_t *object)
{
	autojson *doc = json_pack("{s:O}", "object", object);

	assert(*key);
	store_doc_put(r->store, BUCKET, key, doc);
}

void drift_forget(struct reconciler *r, const char *key)
{
	store_doc_delete(r->store, BUCKET, key);
}

void drift_hand_over(struct reconciler *r, const char *key, const char *app)
{
	autojson *object = json_clone(drift_applied(r->store, key));

	if (!object)
		return;
	object_set_annotation(object, SYNC_ANNOTATION_APP, app);
	drift_note(r, key, object);
}

void drift_accept_template(struct reconciler *r, const json_t *d)
{
	autofree char *key = app_object_key(d);
	autojson *object = json_clone(drift_applied(r->store, key));

	if (!object)
		return;
	json_path_set_new(object, "spec.template", json_clone(json_path(d, "spec.template")));
	drift_note(r, key, object);
}

/* ---- may it be healed ---- */

static const char *namespace_setting(struct reconciler *r, const json_t *o)
{
	const json_t *ns = store_get(r->store, KIND_NAMESPACE, NULL, object_namespace(o));

	return ns ? object_annotation(ns, DRIFT_ANNOTATION_HEAL) : NULL;
}

/* The source's own word first, then the one on the object, the App and the Namespace. */
static bool opted_out(struct reconciler *r, const struct app *app, const json_t *live,
		      const json_t *desired)
{
	const json_t *set = rollout_of(app) ?: json_object_get(app->doc, "effective");
	const char *wishes[] = {object_annotation(desired, DRIFT_ANNOTATION_HEAL),
				object_annotation(live, DRIFT_ANNOTATION_HEAL),
				set ? app_setting(set, desired, DRIFT_ANNOTATION_HEAL) : NULL,
				namespace_setting(r, desired)};

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		if (wishes[i])
			return str_eq(wishes[i], "false");
	}
	return false;
}

/* Is APP looked after at all? Paused and stopped ones are people's. */
static bool is_kept(const struct app *app)
{
	if (!app || json_object_get(app->doc, "paused") ||
	    json_path_bool(app->doc, "stopped", false))
		return false;
	return !app->revision || app->present || app_held_on(app, HOLD_UNDELETE);
}

/* ---- not too often ---- */

/* How many seconds the object behind DOC has to wait to be put back again. */
static int64_t wait_s(const json_t *doc, int64_t now_ns)
{
	int64_t row = json_path_int(doc, "row", 0) - FREE_HEALS + 1;
	int64_t past_s = (now_ns - json_path_int(doc, "last_ns", 0)) / 1000000000;
	int64_t wait = row <= 0 ? 0 : row < 9 ? (int64_t)1 << row : MAX_WAIT_S;

	if (past_s < 0 || past_s >= QUIET_NS / 1000000000)
		return 0;
	return wait > past_s ? wait - past_s : 0;
}

static void count_heal(struct reconciler *r, const char *key, const json_t *old)
{
	autojson *doc = json_copy((json_t *)(uintptr_t)old);
	int64_t now_ns = reconciler_realtime_ns(r);
	bool in_a_row = now_ns - json_path_int(doc, "last_ns", 0) < QUIET_NS;

	json_set(doc, "heals", json_integer(json_path_int(doc, "heals", 0) + 1));
	json_set(doc, "row", json_integer(in_a_row ? json_path_int(doc, "row", 0) + 1 : 1));
	json_set(doc, "last_ns", json_integer(now_ns));
	store_doc_put(r->store, BUCKET, key, doc);
}

/* ---- healing ---- */

/* A Pod's spec does not change in place; the app makes it again when the old one is gone. */
static void put_back(struct reconciler *r, const char *key, const json_t *live,
		     const json_t *merged)
{
	const json_t *have = json_object_get(live, "spec"), *want = json_object_get(merged, "spec");

	if (object_kind(live) == KIND_POD && have && want && !json_equal(have, want)) {
		drift_forget(r, key);
		reconciler_delete(r, live);
		return;
	}
	(void)store_update(r->store, merged);
}

bool drift_heal(struct reconciler *r, const struct app *app, const json_t *live,
		const json_t *desired)
{
	autofree char *key = app_object_key(desired), *what = NULL;
	autojson *merged = NULL, *before = json_incref((json_t *)(uintptr_t)live);
	const json_t *doc = store_doc_get(r->store, BUCKET, key);
	int64_t wait;

	if (object_deleting(live) || object_controller_ref(live))
		return false; /* going, or a controller's */
	merged = ownership_merge(live, desired, desired);
	if (json_equal(merged, before) || !is_kept(app) || opted_out(r, app, live, desired))
		return false;
	wait = wait_s(doc, reconciler_realtime_ns(r));
	if (wait > 0) {
		reconciler_queue_after(r, WORK_DRIFT, key, (uint64_t)wait * 1000);
		return false;
	}
	what = ownership_differences(before, merged);
	if (doc)
		count_heal(r, key, doc);
	put_back(r, key, before, merged);
	events_normal(
		r, before, "recond", "SelfHealed",
		"put back what was changed by hand: %s (the annotation %s: \"false\" lets it be)",
		what, DRIFT_ANNOTATION_HEAL);
	log_info("self-healed", LOG_KV("app", app->name), LOG_KV("object", key),
		 LOG_KV("fields", what));
	return true;
}

void drift_reconcile(struct reconciler *r, const char *key)
{
	autojson *desired = json_incref((json_t *)(uintptr_t)drift_applied(r->store, key));
	const char *name = desired ? object_annotation(desired, SYNC_ANNOTATION_APP) : NULL;
	const struct app *app = name ? app_get(r->apps, name) : NULL;
	const json_t *live;

	if (!app || !r->recovered)
		return;
	live = store_get(r->store, object_kind(desired), object_namespace(desired),
			 object_name(desired));
	if (live)
		(void)drift_heal(r, app, live, desired);
}

/* ---- what is looked at ---- */

void drift_queue_app(struct reconciler *r, const struct app *app)
{
	json_t *key;
	size_t i;

	json_array_foreach(json_object_get(app->doc, "ledger"), i, key)
		reconciler_queue(r, WORK_DRIFT, json_string_value(key));
}

static bool metadata_differs(const json_t *a, const json_t *b)
{
	static const char *const parts[] = {"metadata.labels", "metadata.annotations"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const json_t *x = json_path(a, parts[i]), *y = json_path(b, parts[i]);

		if (x && y ? !json_equal(x, y) : x != y)
			return true;
	}
	return false;
}

static bool content_differs(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	if (json_object_size(a) != json_object_size(b) &&
	    !json_object_get(a, "status") == !json_object_get(b, "status"))
		return true;
	json_object_foreach((json_t *)(uintptr_t)a, key, value) {
		if (!str_eq(key, "status") && !str_eq(key, "metadata") &&
		    !json_equal(value, json_object_get(b, key)))
			return true;
	}
	return metadata_differs(a, b);
}

void drift_queue(struct reconciler *r, const struct store_event *event)
{
	autofree char *key = NULL;

	if (event->type != STORE_MODIFIED || !kind_info(event->kind)->from_source ||
	    (event->old && !content_differs(event->object, event->old)))
		return;
	key = app_object_key(event->object);
	if (drift_applied(r->store, key))
		reconciler_queue(r, WORK_DRIFT, key);
}
