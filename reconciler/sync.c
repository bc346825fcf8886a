/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of an app: decode → build → resolve → apply → follow → verified, and from any of these to
 * held. Looks only at levels: what the newest revision says, what the record remembers, what the
 * store shows. Dying after any line and starting again takes the same way.
 */
#include "reconciler/sync.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/sync_priv.h"

#define BUCKET "apps"
#define DECODE_HICCUPS 3
#define RETRY_WAITING_MS                                                                           \
	500 /* something of the app's own has to go first; its end also queues the app */

/* clang-format off */
static const char *const hold_names[HOLD_N_] = {
	[HOLD_NONE]     = "none",
	[HOLD_BUILD]    = "build",
	[HOLD_IMAGE]    = "image",
	[HOLD_ROLLOUT]  = "rollout",
	[HOLD_PRUNE]    = "prune",
	[HOLD_CONFLICT] = "conflict",
};
/* clang-format on */

/* ---- records ---- */

static struct app *app_free(struct app *app)
{
	free(app->name);
	free(app->source);
	free(app->revision);
	free(app->inputs);
	free(app->resolved_id);
	free(app->applied_id);
	json_decref(app->decoded);
	json_decref(app->resolved);
	json_decref(app->doc);
	free(app);
	return NULL;
}

struct apps *apps_new(void)
{
	return NEW(struct apps);
}

struct apps *apps_free(struct apps *a)
{
	if (!a)
		return NULL;
	for (size_t i = 0; i < a->n_apps; i++)
		app_free(a->apps[i]);
	for (size_t i = 0; i < a->n_builds; i++)
		app_build_free(a->builds[i]);
	for (size_t i = 0; i < a->n_waits; i++) {
		free(a->waits[i]->ref);
		free(a->waits[i]);
	}
	for (size_t i = 0; i < a->n_sources; i++) {
		free(a->sources[i]->name);
		free(a->sources[i]->revision);
		json_decref(a->sources[i]->apps);
		free(a->sources[i]);
	}
	free(a->apps);
	free(a->builds);
	free(a->waits);
	free(a->sources);
	free(a);
	return NULL;
}

struct app *app_get(struct apps *a, const char *name)
{
	for (size_t i = 0; i < a->n_apps; i++) {
		if (str_eq(a->apps[i]->name, name))
			return a->apps[i];
	}
	return NULL;
}

static struct app *app_add(struct apps *a, const char *name)
{
	struct app *app = app_get(a, name);

	if (app)
		return app;
	app = NEW(struct app);
	app->name = mem_strdup(name);
	app->doc = json_object();
	GROW(a->apps, a->cap_apps, a->n_apps + 1);
	a->apps[a->n_apps++] = app;
	return app;
}

static void app_remove(struct apps *a, struct app *app)
{
	for (size_t i = 0; i < a->n_apps; i++) {
		if (a->apps[i] == app) {
			app_free(app);
			a->apps[i] = a->apps[--a->n_apps];
			return;
		}
	}
}

struct source *source_get(struct apps *a, const char *name)
{
	struct source *s;

	for (size_t i = 0; i < a->n_sources; i++) {
		if (str_eq(a->sources[i]->name, name))
			return a->sources[i];
	}
	s = NEW(struct source);
	s->name = mem_strdup(name);
	GROW(a->sources, a->cap_sources, a->n_sources + 1);
	a->sources[a->n_sources++] = s;
	return s;
}

void app_save(struct reconciler *r, const struct app *app)
{
	store_doc_put(r->store, BUCKET, app->name, app->doc);
}

static void load_one(const char *key, const json_t *doc, void *data)
{
	struct apps *a = data;
	struct app *app = app_add(a, key);

	json_decref(app->doc);
	app->doc = json_deep_copy(doc);
	app->source = mem_strdup(json_path_str(doc, "source", ""));
}

void apps_load(struct reconciler *r)
{
	store_doc_each(r->store, BUCKET, load_one, r->apps);
}

static void replace_string(char **target, const char *value)
{
	char *copy = mem_strdup(value);

	free(*target);
	*target = copy;
}

/* ---- revisions ---- */

static void forget_decoded(struct app *app)
{
	json_decref(app->decoded);
	json_decref(app->resolved);
	app->decoded = app->resolved = NULL;
}

/* Another source of this run has an app of that name, too. */
static bool owned_elsewhere(struct reconciler *r, const struct app *app, const char *source)
{
	return app->present && app->source && !str_eq(app->source, source) &&
	       json_object_get(source_get(r->apps, app->source)->apps, app->name);
}

static void app_revision(struct reconciler *r, const char *name, const char *source,
			 const char *revision, const char *inputs)
{
	struct app *app = app_add(r->apps, name);

	if (owned_elsewhere(r, app, source)) {
		log_warn("two sources have an app of the same name; the first keeps it",
			 LOG_KV("app", name), LOG_KV("source", source),
			 LOG_KV("owner", app->source));
		return;
	}
	if (!str_eq(app->inputs, inputs))
		forget_decoded(app); /* it belongs to the older revision */
	replace_string(&app->source, source);
	replace_string(&app->revision, revision);
	replace_string(&app->inputs, inputs);
	app->present = true;
	json_set(app->doc, "source", json_text(source));
	reconciler_queue(r, WORK_APP, name);
}

/* Apps of SOURCE that its newest revision does not have: they are to go. */
static void mark_absent(struct reconciler *r, const char *source, const char *revision,
			const json_t *apps)
{
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		struct app *app = r->apps->apps[i];

		if (!str_eq(app->source, source) || json_object_get(apps, app->name))
			continue;
		app->present = false;
		replace_string(&app->revision, revision);
		replace_string(&app->inputs, "");
		forget_decoded(app);
		builds_drop_app(r, app->name);
		reconciler_queue(r, WORK_APP, app->name);
	}
}

void reconciler_revision(struct reconciler *r, const char *source, const char *revision,
			 const json_t *apps)
{
	struct source *s = source_get(r->apps, source);
	const char *name;
	json_t *app;

	replace_string(&s->revision, revision);
	json_decref(s->apps);
	s->apps = json_deep_copy(apps);
	s->decoding = true;
	json_object_foreach(s->apps, name, app)
		app_revision(r, name, source, revision, json_path_str(app, "inputs", ""));
	mark_absent(r, source, revision, s->apps);
	log_info("revision", LOG_KV("source", source), LOG_KV("revision", revision));
	effect_decode(r, source, revision);
	reconciler_queue(r, WORK_EVENTS, ""); /* a pass, for the effect */
}

/* Nothing could be decoded (the worker died): say so on every app, keep what runs. */
static json_t *failed_decoding(const struct err *err)
{
	return json_pack("{s:[], s:[s], s:[]}", "objects", "errors",
			 err ? err->message : "decoding failed", "notes");
}

static void app_decoded(struct reconciler *r, struct app *app, const json_t *result,
			const struct err *err)
{
	json_t *entry;
	size_t i;

	forget_decoded(app);
	json_array_foreach(json_object_get(result, "apps"), i, entry) {
		if (str_eq(json_path_str(entry, "name", ""), app->name))
			app->decoded = json_deep_copy(entry);
	}
	if (!app->decoded)
		app->decoded =
			result ? json_pack("{s:[], s:[], s:[]}", "objects", "errors", "notes")
			       : failed_decoding(err);
	if (json_array_size(json_object_get(app->decoded, "errors")) == 0)
		builds_update(r, app);
	reconciler_queue(r, WORK_APP, app->name);
}

/* The worker died, or took too long: asked again. The first times nothing is said of it, and
 * nothing is removed before it is known what the revision holds. */
static void decode_failed(struct reconciler *r, struct source *s, const struct err *err)
{
	s->n_failures++;
	effects_answered_badly(r, QUESTION_DECODE, s->name,
			       pod_retry_seconds(s->n_failures) * 1000);
	log_warn("manifests cannot be decoded; trying again", LOG_KV("source", s->name),
		 LOG_ERR(err));
	for (size_t i = 0; s->n_failures >= DECODE_HICCUPS && i < r->apps->n_apps; i++) {
		struct app *app = r->apps->apps[i];

		if (app->present && str_eq(app->source, s->name) && !app->decoded)
			app_decoded(r, app, NULL, err);
	}
}

void reconciler_decoded(struct reconciler *r, const char *source, const char *revision,
			const json_t *result, const struct err *err)
{
	struct source *s = source_get(r->apps, source);

	if (!str_eq(s->revision, revision))
		return; /* a newer one is on its way */
	if (!result && err && err->kind == ERR_TRANSIENT) {
		decode_failed(r, s, err);
		return;
	}
	effects_answered(r, QUESTION_DECODE, source, NULL);
	s->n_failures = 0;
	s->decoding = false;
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		struct app *app = r->apps->apps[i];

		if (app->present && str_eq(app->source, source))
			app_decoded(r, app, result, err);
	}
	for (size_t i = 0; i < r->apps->n_apps;
	     i++) /* the guard counts over all of them, so absent ones wait for it */
		reconciler_queue(r, WORK_APP, r->apps->apps[i]->name);
}

/* ---- holding ---- */

static bool held_on(const struct app *app, enum hold hold)
{
	return str_eq(json_path_str(app->doc, "held.kind", ""), hold_names[hold]);
}

static void set_held(struct reconciler *r, struct app *app, enum hold hold, const char *id,
		     const struct err *err)
{
	const char *reason = *err->reason ? err->reason : "Failed";
	char now[CLOCK_RFC3339_SIZE];

	if (held_on(app, hold) && str_eq(json_path_str(app->doc, "held.reason", ""), reason) &&
	    str_eq(json_path_str(app->doc, "held.id", ""), id))
		return;
	reconciler_rfc3339(r, now);
	json_set(app->doc, "held",
		 json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", hold_names[hold], "id", id,
			   "inputs", app->inputs ? app->inputs : "", "reason", reason, "message",
			   err->message, "since", now));
	app_save(r, app);
	log_warn("held", LOG_KV("app", app->name), LOG_KV("reason", reason), LOG_ERR(err));
}

static void release(struct reconciler *r, struct app *app)
{
	if (!json_object_get(app->doc, "held"))
		return;
	json_object_del(app->doc, "held");
	app_save(r, app);
	log_info("released", LOG_KV("app", app->name));
}

static void status_held(struct reconciler *r, const struct app *app)
{
	app_status_write(r, app, "Held", json_path_str(app->doc, "held.reason", ""),
			 json_path_str(app->doc, "held.message", ""));
}

/* ---- the steps ---- */

static void forget_applied(struct app *app)
{
	free(app->applied_id);
	app->applied_id = NULL;
}

/*
 * Keep or put back the effective set while the desired one is held. Without one (a first try) what
 * was applied stays to be looked at.
 */
static void keep_effective(struct reconciler *r, struct app *app)
{
	json_t *effective = json_path(app->doc, "effective.objects");
	const char *id = json_path_str(app->doc, "effective.id", "");
	enum hold hold = HOLD_NONE;
	struct err err = {0};
	int ret;

	if (!effective || str_eq(app->applied_id, id))
		return;
	ret = apply_objects(r, app, &(struct apply_request){.objects = effective}, &hold, &err);
	if (ret < 0)
		log_error("the effective set cannot be put back", LOG_KV("app", app->name),
			  LOG_ERR(&err));
	if (ret == 1) {
		forget_applied(app);
		reconciler_queue_after(r, WORK_APP, app->name, RETRY_WAITING_MS);
	} else {
		replace_string(&app->applied_id, id);
	}
}

static void hold_app(struct reconciler *r, struct app *app, enum hold hold, const char *id,
		     const struct err *err)
{
	set_held(r, app, hold, id, err);
	keep_effective(r, app);
	status_held(r, app);
}

/* The desired set as the record keeps it: everything needed to apply it again. */
static json_t *set_record(struct reconciler *r, const struct app *app)
{
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	return json_pack("{s:s, s:s, s:s, s:s, s:O}", "id", app->resolved_id, "revision",
			 app->revision, "inputs", app->inputs, "since", now, "objects",
			 app->resolved);
}

static void verified(struct reconciler *r, struct app *app)
{
	if (!str_eq(json_path_str(app->doc, "effective.id", ""), app->resolved_id)) {
		json_set(app->doc, "effective", set_record(r, app));
		app_save(r, app);
		log_info("verified", LOG_KV("app", app->name), LOG_KV("revision", app->revision));
	} else if (!str_eq(json_path_str(app->doc, "effective.revision", ""), app->revision)) {
		json_path_set_new(app->doc, "effective.revision", json_text(app->revision));
		json_path_set_new(app->doc, "effective.inputs", json_text(app->inputs));
		app_save(r, app);
	}
	app_status_write(r, app, "Verified", "", "");
}

static void follow(struct reconciler *r, struct app *app)
{
	autofree char *text = NULL;
	uint64_t again_ms = UINT64_MAX;
	struct err err = {0};

	switch (follow_objects(r, app->resolved, &text, &again_ms, &err)) {
	case FOLLOW_UP:
		verified(r, app);
		return;
	case FOLLOW_FAILED:
		if (!str_eq(json_path_str(app->doc, "effective.id", ""), app->resolved_id)) {
			forget_applied(app);
			hold_app(r, app, HOLD_ROLLOUT, app->resolved_id, &err);
			return;
		}
		app_status_write(r, app, "Progressing", err.reason, err.message);
		return;
	case FOLLOW_PROGRESS:
		app_status_write(r, app, "Progressing", "", text);
		if (again_ms != UINT64_MAX)
			reconciler_queue_after(r, WORK_APP, app->name, again_ms);
		return;
	}
}

/* Someone else may take objects away: another app's Namespace that goes with all that is in it. */
static bool all_there(struct reconciler *r, const json_t *objects)
{
	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *o = json_array_get(objects, i);

		if (!store_get(r->store, object_kind(o), object_namespace(o), object_name(o)))
			return false;
	}
	return true;
}

static void apply_desired(struct reconciler *r, struct app *app)
{
	enum hold hold = HOLD_NONE;
	struct err err = {0};
	int ret;

	if (str_eq(app->applied_id, app->resolved_id) && all_there(r, app->resolved)) {
		release(r, app);
		follow(r, app);
		return;
	}
	ret = apply_objects(r, app,
			    &(struct apply_request){.objects = app->resolved, .guard = true}, &hold,
			    &err);
	if (ret < 0) {
		hold_app(r, app, hold, app->resolved_id, &err);
		return;
	}
	release(r, app);
	if (ret == 1) {
		forget_applied(app); /* the store is between two sets */
		app_status_write(r, app, "Progressing", "",
				 "waiting for objects that are being deleted");
		reconciler_queue_after(r, WORK_APP, app->name, RETRY_WAITING_MS);
		return;
	}
	replace_string(&app->applied_id, app->resolved_id);
	follow(r, app);
}

/* Everything a set needs before it may touch anything running: builds, then images. True when all
 * is there. */
static bool prepare(struct reconciler *r, struct app *app)
{
	const struct app_build *b = NULL;
	const struct image_wait *w = NULL;
	autofree char *what = NULL;
	struct err err = {0};
	int built = builds_of_app(r, app, &b);

	if (built < 0) {
		(void)err_set(&err, b->err.kind, b->err.code, b->err.reason, "image %s: %s", b->id,
			      b->err.message);
		hold_app(r, app, HOLD_BUILD, app->inputs, &err);
		return false;
	}
	if (built == 0) {
		what = mem_asprintf("building image %s", b->id);
		app_status_write(r, app, "Building", "", what);
		return false;
	}
	if (app->resolved && app->resolved_serial == r->apps->serial)
		return true;
	switch (resolve_app(r, app, &w, &what)) {
	case RESOLVE_DONE:
		return true;
	case RESOLVE_FAILED:
		(void)err_set(&err, w->err.kind, w->err.code,
			      w->n_failures > 1 && str_eq(w->err.reason, "ErrImagePull")
				      ? "ImagePullBackOff"
				      : w->err.reason,
			      "image %s: %s", w->ref, w->err.message);
		hold_app(r, app, HOLD_IMAGE, app->inputs, &err);
		return false;
	default:
		app_status_write(r, app, "Waiting", "", what);
		return false;
	}
}

/* Pods that its workloads made outlive them by their grace; those that moved along stay. */
static bool has_pods(struct reconciler *r, const struct app *app)
{
	autojson *pods = store_list(r->store, KIND_POD, NULL);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		const char *now = sync_owner_app(r, pod);

		if (str_eq(object_annotation(pod, SYNC_ANNOTATION_APP), app->name) &&
		    (!now || str_eq(now, app->name)))
			return true;
	}
	return false;
}

/* An app that left its source: its objects go, then its record. */
static void remove_app(struct reconciler *r, struct app *app)
{
	autojson *nothing = json_array();
	enum hold hold = HOLD_NONE;
	struct err err = {0};
	int ret;

	if (source_get(r->apps, app->source)->decoding)
		return; /* whether the revision leaves anything is known when it is decoded */
	ret = apply_objects(r, app, &(struct apply_request){.objects = nothing, .guard = true},
			    &hold, &err);
	if (ret < 0) {
		set_held(r, app, hold, "", &err);
		status_held(r, app);
		return;
	}
	if (ret == 1 || has_pods(r, app)) {
		app_status_write(r, app, "Progressing", "Deleting",
				 "left its source: its objects are being deleted");
		reconciler_queue_after(r, WORK_APP, app->name, RETRY_WAITING_MS);
		return;
	}
	log_info("removed", LOG_KV("app", app->name));
	store_doc_delete(r->store, BUCKET, app->name);
	(void)store_delete(r->store, KIND_APP, NULL, app->name);
	app_remove(r->apps, app);
	for (size_t i = 0; i < r->apps->n_apps; i++) /* one may be held for what this one had */
		reconciler_queue(r, WORK_APP, r->apps->apps[i]->name);
}

void sync_app_reconcile(struct reconciler *r, const char *key)
{
	struct app *app = app_get(r->apps, key);

	if (!app || !app->revision || !r->recovered)
		return; /* unknown, or its source has not spoken yet: what runs goes on */
	if (!app->present) {
		remove_app(r, app);
		return;
	}
	if (!app->decoded)
		return;
	if (json_array_size(json_object_get(app->decoded, "errors")) > 0) {
		app_status_write(r, app, "Invalid", "InvalidManifest",
				 json_string_value(json_array_get(
					 json_object_get(app->decoded, "errors"), 0)));
		return;
	}
	if (!prepare(r, app))
		return;
	if (held_on(app, HOLD_ROLLOUT) &&
	    str_eq(json_path_str(app->doc, "held.id", ""), app->resolved_id)) {
		keep_effective(r, app);
		status_held(r, app);
		return;
	}
	apply_desired(r, app);
}

/* ---- what controllers ask ---- */

/* The topmost owner of O that is in the store. */
static const json_t *top_owner(struct reconciler *r, const json_t *o)
{
	for (int depth = 0; depth < 8; depth++) {
		const json_t *ref = object_controller_ref(o);
		const json_t *owner =
			ref ? store_get_uid(r->store, json_path_str(ref, "uid", "")) : NULL;

		if (!owner)
			break;
		o = owner;
	}
	return o;
}

const char *sync_owner_app(struct reconciler *r, const json_t *o)
{
	return object_annotation(top_owner(r, o), SYNC_ANNOTATION_APP);
}

void sync_queue_owner_app(struct reconciler *r, const json_t *o)
{
	const char *app = sync_owner_app(r, o);

	if (app)
		reconciler_queue(r, WORK_APP, app);
}

bool sync_object_in_rollout(struct reconciler *r, const json_t *o)
{
	const char *name = object_annotation(o, SYNC_ANNOTATION_APP);
	const struct app *app = name ? app_get(r->apps, name) : NULL;

	return app && app->present && app->resolved && str_eq(app->applied_id, app->resolved_id) &&
	       !str_eq(json_path_str(app->doc, "effective.id", ""), app->resolved_id);
}

/* The effective record follows what really runs: the older template in place of the one that
 * failed. */
static void replace_effective_template(struct app *app, const json_t *d)
{
	autofree char *key = app_object_key(d);
	json_t *o;
	size_t i;

	json_array_foreach(json_path(app->doc, "effective.objects"), i, o) {
		autofree char *k = app_object_key(o);

		if (str_eq(k, key))
			json_path_set_new(o, "spec.template",
					  json_deep_copy(json_path(d, "spec.template")));
	}
	json_path_set_new(app->doc, "effective.id", json_text("rolled-back"));
}

void sync_deployment_went_back(struct reconciler *r, const json_t *d, const char *reason,
			       const char *message)
{
	const char *name = object_annotation(d, SYNC_ANNOTATION_APP);
	struct app *app = name ? app_get(r->apps, name) : NULL;
	struct err err = {0};

	if (!app || !json_path(app->doc, "effective.id"))
		return;
	(void)err_set(&err, ERR_TRANSIENT, ENOENT, reason, "%s", message);
	set_held(r, app, HOLD_ROLLOUT, json_path_str(app->doc, "effective.id", ""), &err);
	replace_effective_template(app, d);
	replace_string(&app->applied_id, "rolled-back");
	app_save(r, app);
	status_held(r, app);
}
