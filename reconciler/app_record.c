/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of apps: the records in memory, their persistent documents, and the hold. No
 * decision is made here.
 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/events.h"
#include "reconciler/sync_priv.h"

#define BUCKET "apps"

/* clang-format off */
static const char *const hold_names[HOLD_N_] = {
	[HOLD_NONE]     = "none",
	[HOLD_BUILD]    = "build",
	[HOLD_IMAGE]    = "image",
	[HOLD_ROLLOUT]  = "rollout",
	[HOLD_PRUNE]    = "prune",
	[HOLD_CONFLICT] = "conflict",
	[HOLD_ASK]      = "ask",
	[HOLD_UNDO]     = "undo",
	[HOLD_UNDELETE] = "undelete",
};
/* clang-format on */

static struct app *app_free(struct app *app)
{
	free(app->name);
	free(app->source);
	free(app->revision);
	free(app->inputs);
	free(app->resolved_id);
	free(app->key);
	free(app->applied_id);
	free(app->text);
	free(app->progress);
	json_decref(app->decoded);
	json_decref(app->resolved);
	json_decref(app->reads);
	json_decref(app->doc);
	json_decref(app->history);
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

struct app *app_add(struct apps *a, const char *name)
{
	struct app *app = app_get(a, name);

	if (app)
		return app;
	app = NEW(struct app);
	app->name = mem_strdup(name);
	app->doc = json_object();
	app->history = json_array();
	GROW(a->apps, a->cap_apps, a->n_apps + 1);
	a->apps[a->n_apps++] = app;
	return app;
}

void app_remove(struct apps *a, struct app *app)
{
	for (size_t i = 0; i < a->n_apps; i++) {
		if (a->apps[i] == app) {
			app_free(app);
			a->apps[i] = a->apps[--a->n_apps];
			return;
		}
	}
	assert(!"an app that is in the table");
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
	struct reconciler *r = data;
	struct app *app = app_add(r->apps, key);

	json_decref(app->doc);
	app->doc = json_clone(doc);
	app->source = mem_strdup(json_path_str(doc, "source", ""));
	history_load(r, app);
	reconciler_queue(r, WORK_APP, key); /* a rollout goes on without its source */
}

void apps_load(struct reconciler *r)
{
	store_doc_each(r->store, BUCKET, load_one, r);
	deleted_load(r);
}

void app_forget(struct reconciler *r, struct app *app)
{
	store_doc_delete(r->store, BUCKET, app->name);
	(void)store_delete(r->store, KIND_APP, NULL, app->name);
	app_remove(r->apps, app);
}

void app_string(char **target, const char *value)
{
	char *copy = mem_strdup(value);

	free(*target);
	*target = copy;
}

const char *app_setting(const json_t *set, const json_t *o, const char *key)
{
	const char *own = o ? object_annotation(o, key) : NULL;

	return own ? own
		   : json_string_value(json_object_get(json_object_get(set, "settings"), key));
}

/* ---- what came from other apps ---- */

static bool set_has(const json_t *set, const char *key)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		autofree char *k = app_object_key(o);

		if (str_eq(k, key))
			return true;
	}
	return false;
}

json_t *adopted_with(const struct app *app, const json_t *set)
{
	json_t *out = json_copy((json_t *)(uintptr_t)set), *o;
	autojson *objects = json_array();
	const char *key;
	char id[80];

	json_object_foreach(json_object_get(app->doc, "adopted"), key, o) {
		if (!set_has(set, key))
			json_array_append(objects, o);
	}
	if (json_array_size(objects) == 0)
		return out;
	json_array_extend(objects, json_object_get(set, "objects"));
	json_digest(id, objects);
	json_set(out, "id", json_text(id));
	json_set(out, "objects", json_incref(objects));
	return out;
}

void adopted_add(struct app *app, const char *key, const json_t *object)
{
	const json_t *effective = json_object_get(app->doc, "effective");

	if (!object)
		return; /* a record of an older recond: nobody knows what was stated of it */
	if (!json_object_get(app->doc, "adopted"))
		json_set(app->doc, "adopted", json_object());
	json_set(json_object_get(app->doc, "adopted"), key,
		 json_incref((json_t *)(uintptr_t)object));
	if (effective)
		json_set(app->doc, "effective", adopted_with(app, effective));
}

/* ---- holding ---- */

bool app_held_on(const struct app *app, enum hold hold)
{
	return str_eq(json_path_str(app->doc, "held.kind", ""), hold_names[hold]);
}

/* The one that TYPE is about: the newest may not have been looked at yet. */
static const char *revision_of(const struct app *app, const char *type)
{
	const char *newest = app->revision ? app->revision : "";

	if (str_eq(type, "held"))
		return json_path_str(app->doc, "held.revision", newest);
	if (str_eq(type, "verified"))
		return json_path_str(app->doc, "effective.revision", newest);
	return newest;
}

/* Tell the people whom the source's configuration names. */
void app_announce(struct reconciler *r, const struct app *app, const char *type)
{
	char now[CLOCK_RFC3339_SIZE];
	const char *source = json_path_str(app->doc, "source", "");
	const char *revision = revision_of(app, type);

	reconciler_rfc3339(r, now);
	effect_notify(r, source,
		      json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s}", "type", type, "app",
				app->name, "source", source, "revision", json_text(revision),
				"effective", json_path_str(app->doc, "effective.revision", ""),
				"reason", json_path_str(app->doc, "held.reason", ""), "message",
				json_path_str(app->doc, "held.message", ""), "time", now));
}

/* What is held: the hash of all inputs, that of the files, and the revision that had them. */
struct held {
	const char *key, *inputs, *revision;
};

/* Held as before: what is said of it may name a newer revision, which people may be asked about. */
static void hold_reword(struct reconciler *r, struct app *app, const struct err *err)
{
	if (str_eq(json_path_str(app->doc, "held.message", ""), err->message))
		return;
	json_path_set_new(app->doc, "held.message", json_text(err->message));
	app_save(r, app);
}

static void hold_it(struct reconciler *r, struct app *app, enum hold hold, const struct held *what,
		    const struct err *err)
{
	const char *reason = *err->reason ? err->reason : "Failed";
	char now[CLOCK_RFC3339_SIZE];

	if (app_held_on(app, hold) && str_eq(json_path_str(app->doc, "held.reason", ""), reason) &&
	    str_eq(json_path_str(app->doc, "held.key", ""), what->key)) {
		hold_reword(r, app, err);
		return;
	}
	reconciler_rfc3339(r, now);
	json_set(app->doc, "held",
		 json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "kind", hold_names[hold], "key",
			   what->key, "inputs", what->inputs, "revision", what->revision, "reason",
			   reason, "message", json_text(err->message), "since", now));
	app_save(r, app);
	app_announce(r, app, "held");
	log_warn("held", LOG_KV("app", app->name), LOG_KV("reason", reason), LOG_ERR(err));
}

void app_hold(struct reconciler *r, struct app *app, enum hold hold, const char *key,
	      const struct err *err)
{
	struct held what = {key, app->inputs ? app->inputs : "",
			    app->revision ? app->revision : ""};

	hold_it(r, app, hold, &what, err);
}

void app_hold_set(struct reconciler *r, struct app *app, enum hold hold, const json_t *set,
		  const struct err *err)
{
	struct held what = {json_path_str(set, "key", ""), json_path_str(set, "inputs", ""),
			    json_path_str(set, "revision", "")};

	hold_it(r, app, hold, &what, err);
}

void app_release(struct reconciler *r, struct app *app)
{
	if (!json_object_get(app->doc, "held"))
		return;
	app_announce(r, app, "released");
	json_object_del(app->doc, "held");
	app_save(r, app);
	log_info("released", LOG_KV("app", app->name));
}
