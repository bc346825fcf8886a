/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of an app's steps: decode → build → resolve → rollout → verified, and from any of these
 * to held. Looks only at levels: what the newest revision says, what the record remembers, what the
 * store shows. Dying after any line and starting again takes the same way. rollout.c and rollback.c
 * take the steps, app_record.c and app_history.c remember.
 */
#include "reconciler/sync.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/sources.h"
#include "reconciler/sync_priv.h"

#define DECODE_HICCUPS 3
#define RETRY_WAITING_MS 500 /* objects of an app that left are going; their end also queues it */

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
	if (!str_eq(app->inputs, inputs)) {
		forget_decoded(app); /* it belongs to the older revision */
		images_try_again(r);
	}
	if (!str_eq(json_path_str(app->doc, "held.inputs", inputs), inputs))
		app_release(r, app);
	app_string(&app->source, source);
	app_string(&app->revision, revision);
	app_string(&app->inputs, inputs);
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
		app_string(&app->revision, revision);
		app_string(&app->inputs, "");
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

	app_string(&s->revision, revision);
	json_decref(s->apps);
	s->apps = json_clone(apps);
	s->decoding = true;
	json_object_foreach(s->apps, name, app)
		app_revision(r, name, source, revision, json_path_str(app, "inputs", ""));
	mark_absent(r, source, revision, s->apps);
	sources_revision(r, source, revision);
	log_info("revision", LOG_KV("source", source), LOG_KV("revision", revision));
	effect_decode(r, source, revision);
	reconciler_queue(r, WORK_EVENTS, ""); /* a pass, for the effect */
}

void sync_source_gone(struct reconciler *r, const char *source)
{
	struct source *s = source_get(r->apps, source);

	json_decref(s->apps);
	s->apps = NULL;
	free(s->revision);
	s->revision = NULL;
	s->decoding = false;
	effects_answered(r, QUESTION_DECODE, source, NULL); /* nobody will */
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		struct app *app = r->apps->apps[i];

		if (!str_eq(app->source, source))
			continue;
		builds_drop_app(r, app->name);
		forget_decoded(app);
		free(app->revision);
		app->revision = NULL;
		app->present = false;
	}
}

json_t *sync_apps_of_source(struct reconciler *r, const char *source)
{
	autostrlist names = {};
	json_t *list = json_array();

	for (size_t i = 0; i < r->apps->n_apps; i++)
		if (str_eq(r->apps->apps[i]->source, source))
			strlist_add(&names, r->apps->apps[i]->name);
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		(void)json_array_append_new(list, json_text(names.items[i]));
	return list;
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
			app->decoded = json_clone(entry);
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

/* ---- what the newest revision asks for ---- */

static void waiting(struct app *app, const char *phase, const char *reason, const char *text)
{
	app->phase = phase;
	app->phase_reason = reason;
	app_string(&app->text, text);
}

static void waiting_paused(struct app *app, const char *what)
{
	autofree char *text = mem_asprintf("%s waits: `recond resume %s` goes on", what, app->name);

	waiting(app, "Held", "Paused", text);
}

/* What people were asked, or asked for, is not forgotten because something is missing meanwhile. */
static bool is_peoples(const struct app *app)
{
	return app_held_on(app, HOLD_UNDO) || app_held_on(app, HOLD_ASK);
}

static bool build_failed(struct reconciler *r, struct app *app, const struct app_build *b)
{
	struct err err = {0};

	(void)err_set(&err, b->err.kind, b->err.code, b->err.reason, "image %s: %s", b->id,
		      b->err.message);
	if (!is_peoples(app))
		app_hold(r, app, HOLD_BUILD, app->inputs, &err);
	return false;
}

static bool image_failed(struct reconciler *r, struct app *app, const struct image_wait *w)
{
	bool again = w->err.kind == ERR_TRANSIENT && w->n_failures > 1 &&
		     str_eq(w->err.reason, "ErrImagePull");
	struct err err = {0};

	(void)err_set(&err, w->err.kind, w->err.code, again ? "ImagePullBackOff" : w->err.reason,
		      "image %s: %s", w->ref, w->err.message);
	if (!is_peoples(app))
		app_hold(r, app, HOLD_IMAGE, app->inputs, &err);
	return false;
}

/* Everything a set needs before it may touch anything running: builds, then images. True when all
 * is there. */
static bool prepare(struct reconciler *r, struct app *app)
{
	const struct app_build *b = NULL;
	const struct image_wait *w = NULL;
	autofree char *what = NULL;
	int built = builds_of_app(r, app, &b);

	if (built < 0)
		return build_failed(r, app, b);
	if (built == 0) {
		what = mem_asprintf("building image %s", b->id);
		waiting(app, "Building", "", what);
		return false;
	}
	if (app->resolved && app->resolved_serial == r->apps->serial)
		return true;
	switch (resolve_app(r, app, &w, &what)) {
	case RESOLVE_DONE:
		return true;
	case RESOLVE_FAILED:
		return image_failed(r, app, w);
	default:
		waiting(app, "Waiting", "", what);
		return false;
	}
}

/* Holds that only other inputs or people release; the rest is looked at again each time. Without a
 * key it was people's word on these files: others of the app would have released it. */
static bool is_held_for(const struct app *app, const char *key)
{
	static const enum hold sticky[] = {HOLD_ROLLOUT, HOLD_ASK, HOLD_UNDO, HOLD_UNDELETE};
	const char *held = json_path_str(app->doc, "held.key", "");

	for (size_t i = 0; i < ARRAY_SIZE(sticky); i++) {
		if (app_held_on(app, sticky[i]))
			return str_eq(held, key) || (!*held && sticky[i] == HOLD_UNDO);
	}
	return false;
}

static bool is_set(const struct app *app, const char *which)
{
	const json_t *set = json_object_get(app->doc, which);

	return set && str_eq(json_path_str(set, "id", ""), app->resolved_id);
}

/* The set is known already: it is of this revision from now on. */
static void rename_set(struct reconciler *r, struct app *app, const char *which)
{
	json_t *set = json_object_get(app->doc, which);

	if (str_eq(json_path_str(set, "revision", ""), app->revision) &&
	    str_eq(json_path_str(set, "key", ""), app->key))
		return;
	json_set(set, "revision", json_text(app->revision));
	json_set(set, "inputs", json_text(app->inputs));
	json_set(set, "key", json_text(app->key));
	app_save(r, app);
}

/* What is asked for is what runs, or what ran before something else was begun. */
static void want_effective(struct reconciler *r, struct app *app)
{
	bool begun = rollout_of(app) || json_object_get(app->doc, "stopped");

	rollout_drop(r, app, "Superseded");
	rename_set(r, app, "effective");
	if (begun) {
		json_object_del(app->doc, "stopped");
		json_set(app->doc, "restore", json_true());
		app_save(r, app);
	}
	app_release(r, app);
}

static void hold_again(struct reconciler *r, struct app *app, const json_t *failure)
{
	struct err err = {0};

	(void)err_set(&err, ERR_INVALID, ENOEXEC, json_path_str(failure, "reason", "Failed"),
		      "the same files failed before: %s", json_path_str(failure, "message", ""));
	app_hold(r, app, HOLD_ROLLOUT, app->key, &err);
}

/* Bring the newest revision as far as it gets without touching what runs, then let it roll. */
static void desire(struct reconciler *r, struct app *app)
{
	const json_t *failure;

	if (!app->decoded) {
		if (!str_eq(json_path_str(app->doc, "effective.inputs", ""), app->inputs))
			waiting(app, "Waiting", "", "reading its manifests");
		return;
	}
	if (json_array_size(json_object_get(app->decoded, "errors")) > 0)
		return;
	if (!prepare(r, app) || is_held_for(app, app->key))
		return;
	failure = quarantine_get(app, app->key);
	if (is_set(app, "rollout"))
		rename_set(r, app, "rollout");
	else if (is_set(app, "effective"))
		want_effective(r, app);
	else if (failure)
		hold_again(r, app, failure);
	else if (json_object_get(app->doc, "paused"))
		waiting_paused(app, "a newer revision");
	else
		rollout_start(r, app);
}

/* ---- status ---- */

static void write_status(struct reconciler *r, const struct app *app)
{
	const json_t *errors = json_object_get(app->decoded, "errors");
	const json_t *held = json_object_get(app->doc, "held");

	if (rollout_of(app))
		app_status_write(r, app, "Progressing", app->progress_reason,
				 app->progress ? app->progress : "");
	else if (json_array_size(errors) > 0)
		app_status_write(r, app, "Invalid", "InvalidManifest",
				 json_string_value(json_array_get(errors, 0)));
	else if (held)
		app_status_write(r, app, "Held", json_path_str(held, "reason", ""),
				 json_path_str(held, "message", ""));
	else if (app->phase)
		app_status_write(r, app, app->phase, app->phase_reason, app->text);
	else if (!json_object_get(app->doc, "effective"))
		app_status_write(r, app, "Waiting", "", "nothing was rolled out yet");
	else if (app->progress)
		app_status_write(r, app, "Progressing", app->progress_reason, app->progress);
	else if (json_object_get(app->doc, "paused"))
		app_status_write(r, app, "Verified", "Paused",
				 "newer revisions wait, and changes by hand stay");
	else
		app_status_write(r, app, "Verified", "", "");
}

/* ---- leaving ---- */

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
	rollout_drop(r, app, "Superseded");
	ret = apply_objects(r, app, &(struct apply_request){.objects = nothing, .guard = true},
			    &hold, &err);
	if (ret < 0) {
		app_hold(r, app, hold, "", &err);
		write_status(r, app);
		return;
	}
	if (ret == 1 || has_pods(r, app)) {
		app_status_write(r, app, "Progressing", "Deleting",
				 "left its source: its objects are being deleted");
		reconciler_queue_after(r, WORK_APP, app->name, RETRY_WAITING_MS);
		return;
	}
	log_info("removed", LOG_KV("app", app->name));
	deleted_keep(r, app);
	app_forget(r, app);
	for (size_t i = 0; i < r->apps->n_apps; i++) /* one may be held for what this one had */
		reconciler_queue(r, WORK_APP, r->apps->apps[i]->name);
}

/* ---- the order ---- */

/* Its source has not spoken since the start: what was begun goes on, the rest is left alone. */
static void go_on(struct reconciler *r, struct app *app)
{
	if (rollout_of(app))
		rollout_step(r, app);
	else if (json_object_get(app->doc, "restore") || json_path(app->doc, "effective.watch"))
		rollout_settle(r, app);
	else
		return;
	write_status(r, app);
}

void sync_app_reconcile(struct reconciler *r, const char *key)
{
	struct app *app = app_get(r->apps, key);

	if (!app)
		deleted_expire(r, key);
	if (!app || !r->recovered)
		return;
	if (!app->revision) {
		go_on(r, app);
		return;
	}
	app->phase = NULL;
	if (app->present)
		desire(r, app);
	else if (app_held_on(app, HOLD_UNDELETE))
		; /* people want it all the same */
	else if (json_object_get(app->doc, "paused"))
		waiting_paused(app, "it left its source: its deletion");
	else
		return remove_app(r, app);
	if (rollout_of(app))
		rollout_step(r, app);
	else
		rollout_settle(r, app);
	write_status(r, app);
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

	return app && rollout_of(app);
}

/* The effective record follows what really runs: the older template in place of the one that
 * failed. */
static void replace_effective_template(struct app *app, const json_t *d)
{
	autofree char *key = app_object_key(d);
	json_t *o;
	size_t i;

	json_path_set_new(app->doc, "effective.objects",
			  json_clone(json_path(app->doc, "effective.objects")));
	json_array_foreach(json_path(app->doc, "effective.objects"), i, o) {
		autofree char *k = app_object_key(o);

		if (str_eq(k, key))
			json_path_set_new(o, "spec.template",
					  json_clone(json_path(d, "spec.template")));
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
	app_hold_set(r, app, HOLD_ROLLOUT, json_object_get(app->doc, "effective"), &err);
	replace_effective_template(app, d);
	app_string(&app->applied_id, "rolled-back/");
	app_save(r, app);
	reconciler_queue(r, WORK_APP, name);
}
