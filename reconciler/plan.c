/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Desired against live, app by app. Who owns what is read off the live objects: the annotation
 * recond.dev/app names the app, the App object its source.
 */
#include "reconciler/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/diff.h"
#include "reconciler/object.h"
#include "reconciler/plan_priv.h"
#include "reconciler/schema.h"

#define ANNOTATION_APP "recond.dev/app"

/* clang-format off */
static const char *const action_names[PLAN_ACTION_N_] = {
	[PLAN_BUILD] = "build",     [PLAN_CREATE] = "create", [PLAN_UPDATE] = "update",
	[PLAN_REPLACE] = "replace", [PLAN_ROLL] = "roll",     [PLAN_DELETE] = "delete",
};
/* clang-format on */

const char *plan_action_name(enum plan_action action)
{
	assert(action >= 0 && action < PLAN_ACTION_N_);
	return action_names[action];
}

/* "Kind/namespace/name", owned by the caller. */
static char *object_key(const json_t *o)
{
	return mem_asprintf("%s/%s/%s", kind_info(object_kind(o))->name, object_namespace(o),
			    object_name(o));
}

static bool is_ours(const json_t *o)
{
	const char *api_version = json_string_value(json_object_get(o, "apiVersion"));
	const char *name = json_string_value(json_object_get(o, "kind"));
	enum kind kind;

	return api_version && name && kind_lookup(&kind, api_version, name);
}

/* ---- indexes ---- */

struct computation {
	const struct plan_input *input;
	json_t *live;    /* key: live object, of the kinds a source may hold */
	json_t *sources; /* app: its source */
	json_t *desired; /* key: name of the app that asks for it */
	size_t n_desired;
};

static void index_live(struct computation *c)
{
	const json_t *o;
	size_t i;

	json_array_foreach(c->input->live, i, o) {
		if (!is_ours(o))
			continue;
		if (object_kind(o) == KIND_APP)
			json_set(c->sources, object_name(o),
				 json_text(json_path_str(o, "spec.source", "")));
		if (kind_info(object_kind(o))->from_source) {
			autofree char *key = object_key(o);

			json_set(c->live, key, json_incref((json_t *)o));
		}
	}
}

static void index_desired(struct computation *c)
{
	const json_t *app, *entry;
	size_t a, i;

	json_array_foreach(c->input->apps, a, app) {
		json_set(c->sources, json_path_str(app, "name", ""), json_text(c->input->source));
		json_array_foreach(json_object_get(app, "objects"), i, entry) {
			autofree char *key = object_key(json_object_get(entry, "object"));

			json_set(c->desired, key, json_text(json_path_str(app, "name", "")));
			c->n_desired++;
		}
	}
}

/* ---- changes ---- */

struct plan_change *plan_change_add(struct plan_app *app, enum plan_action action, const json_t *o)
{
	struct plan_change *change;

	GROW(app->changes, app->cap_changes, app->n_changes + 1);
	change = &app->changes[app->n_changes++];
	*change = (struct plan_change){
		.action = action,
		.kind = object_kind(o),
		.ns = mem_strdup(object_namespace(o)),
		.name = mem_strdup(object_name(o)),
	};
	return change;
}

static void add_error(struct plan_app *app, const char *held, char *text)
{
	(void)json_array_append_new(app->errors, json_text(text));
	app->held = app->held ? app->held : held;
	free(text);
}

/*
 * May APP write the object LIVE? Not when it is another app's that still wants it, or of another
 * source.
 */
static bool check_owner(struct computation *c, struct plan_app *app, const json_t *live,
			const char *key)
{
	const char *owner = object_annotation(live, ANNOTATION_APP);
	const char *source = owner ? json_string_value(json_object_get(c->sources, owner)) : NULL;
	autofree char *what = object_describe(live);

	if (!owner || str_eq(owner, app->name) || !source)
		return true;
	if (str_eq(source, c->input->source) &&
	    str_eq(json_string_value(json_object_get(c->desired, key)), app->name))
		return true; /* it moved here from another app of this source */
	add_error(app, "conflict", mem_asprintf("%s belongs to app '%s' already", what, owner));
	return false;
}

/* A Pod's spec can't be changed but for a few fields, and its containers are made once: a new Pod.
 */
static bool pod_differs(const json_t *live, const json_t *desired)
{
	autojson *a = NULL, *b = NULL;

	if (object_kind(live) != KIND_POD)
		return false;
	a = diff_comparable(live);
	b = diff_comparable(desired);
	return !json_equal(json_object_get(a, "spec"), json_object_get(b, "spec"));
}

static void compare_object(struct computation *c, struct plan_app *app, const json_t *desired)
{
	autofree char *key = object_key(desired);
	const json_t *live = json_object_get(c->live, key);
	autofree char *immutable = NULL;
	autostrbuf diff = STRBUF_INIT;
	struct plan_change *change;
	bool replace;

	if (!live) {
		change = plan_change_add(app, PLAN_CREATE, desired);
		change->object = diff_masked(desired);
		return;
	}
	if (!check_owner(c, app, live, key) || !diff_objects(&diff, live, desired))
		return;
	immutable = diff_immutable(live, desired);
	replace = pod_differs(live, desired) || (immutable && object_kind(live) == KIND_JOB);
	if (immutable && !replace) {
		autofree char *what = object_describe(desired);

		add_error(app, "conflict",
			  mem_asprintf(
				  "%s: %s: field is immutable: delete the object first or give it "
				  "another name",
				  what, immutable));
	}
	change = plan_change_add(app, replace ? PLAN_REPLACE : PLAN_UPDATE, desired);
	change->diff = strbuf_take(&diff);
	change->object = diff_masked(desired);
}

/* Is the live object APP's to delete, as far as its source goes? */
static bool is_pruned(struct computation *c, const char *app, const char *key, const json_t *live)
{
	return str_eq(object_annotation(live, ANNOTATION_APP), app) &&
	       !object_controller_ref(live) && !json_object_get(c->desired, key);
}

struct losses {
	size_t total, gone;
	bool guarded; /* one of APP's own is of a guarded kind */
};

static bool is_present(const struct computation *c, const char *app)
{
	const json_t *a;
	size_t i;

	json_array_foreach(c->input->apps, i, a) {
		if (str_eq(json_path_str(a, "name", ""), app))
			return true;
	}
	return false;
}

/* What is lost of APP, or, when that left its source, of all that the source has. */
static struct losses losses(struct computation *c, const char *app)
{
	bool whole_source = !is_present(c, app);
	struct losses l = {0};
	const json_t *live;
	const char *key;

	json_object_foreach(c->live, key, live) {
		const char *owner = object_annotation(live, ANNOTATION_APP) ?: "";
		bool own = str_eq(owner, app);
		const char *source = json_string_value(json_object_get(c->sources, owner));

		if (object_controller_ref(live) ||
		    (!own && (!whole_source || !str_eq(source, c->input->source))))
			continue;
		l.total++;
		if (!is_pruned(c, owner, key, live) || (!own && is_present(c, owner)))
			continue;
		l.gone++;
		l.guarded |= own && kind_is_guarded(kind_info(object_kind(live))->name);
	}
	return l;
}

/* What of APP the revision no longer has. */
static void prune(struct computation *c, struct plan_app *app)
{
	struct losses l = losses(c, app->name);
	bool everything = c->n_desired == 0, present = is_present(c, app->name);
	const json_t *live;
	const char *key;

	json_object_foreach(c->live, key, live) {
		if (is_pruned(c, app->name, key, live))
			(void)plan_change_add(app, PLAN_DELETE, live);
	}
	if (l.gone == 0 || c->input->confirm_prune)
		return;
	if (!everything && !l.guarded && (l.gone < KIND_GUARD_MIN_OBJECTS || l.gone * 2 <= l.total))
		return;
	add_error(app, "prune",
		  mem_asprintf(
			  "would delete %zu of the %zu objects of %s '%s'%s%s: put the files back, "
			  "or confirm with --confirm-prune",
			  l.gone, l.total, present ? "app" : "source",
			  present ? app->name : c->input->source,
			  l.guarded ? ", with a Namespace or claim" : "",
			  everything ? ", and leave nothing of the source" : ""));
}

/* Namespaces that nobody declares are made for the objects in them. */
static void note_namespace(struct computation *c, struct plan_app *app, const json_t *o)
{
	const char *ns = object_namespace(o);
	autofree char *key = mem_asprintf("%s//%s", kind_info(KIND_NAMESPACE)->name, ns);
	autofree char *text = NULL;

	if (!*ns || str_eq(ns, "default") || json_object_get(c->live, key) ||
	    json_object_get(c->desired, key))
		return;
	json_set(c->desired, key, json_text("")); /* said once */
	text = mem_asprintf("Namespace/%s is made, as no manifest declares it", ns);
	(void)json_array_append_new(app->notes, json_text(text));
}

/* ---- order ---- */

static int rank(const struct plan_change *change)
{
	int order = kind_info(change->kind)->apply_order;

	if (change->action == PLAN_BUILD)
		return 0;
	return change->action == PLAN_DELETE ? 2000 - order : 1 + order;
}

static int compare_changes(const void *a, const void *b)
{
	const struct plan_change *x = a, *y = b;
	int r = rank(x) - rank(y);

	if (r == 0)
		r = strcmp(x->ns, y->ns);
	if (r == 0)
		r = strcmp(x->name, y->name);
	return r ? r : (int)x->action - (int)y->action;
}

/* ---- apps ---- */

static void app_compute(struct computation *c, struct plan_app *app, const json_t *decoded)
{
	const json_t *entry;
	size_t i;

	app->name = mem_strdup(json_path_str(decoded, "name", ""));
	app->errors = json_array();
	app->notes = json_array();
	(void)json_array_extend(app->errors, json_object_get(decoded, "errors"));
	(void)json_array_extend(app->notes, json_object_get(decoded, "notes"));
	if (json_array_size(app->errors) > 0) {
		app->held = "errors";
		return;
	}
	json_array_foreach(json_object_get(decoded, "objects"), i, entry) {
		compare_object(c, app, json_object_get(entry, "object"));
		note_namespace(c, app, json_object_get(entry, "object"));
	}
	plan_builds(c->input, app, decoded);
	plan_rolls(app, decoded);
	prune(c, app);
	if (app->n_changes)
		qsort(app->changes, app->n_changes, sizeof(*app->changes), compare_changes);
}

/* Apps of the source that the revision no longer has: only what they leave behind is left to do. */
static void add_absent_apps(struct computation *c, json_t *apps)
{
	const json_t *app, *source;
	const char *name;
	size_t i;

	json_object_foreach(c->sources, name, source) {
		bool present = false;
		json_t *absent;

		json_array_foreach(c->input->apps, i, app) {
			present |= str_eq(json_path_str(app, "name", ""), name);
		}
		if (present || !str_eq(json_string_value(source), c->input->source))
			continue;
		absent = json_object();
		json_set(absent, "name", json_text(name));
		json_set(absent, "absent", json_true());
		(void)json_array_append_new(apps, absent);
	}
}

struct plan *plan_compute(const struct plan_input *input)
{
	struct plan *plan = NEW(struct plan);
	struct computation c = {
		.input = input,
		.live = json_object(),
		.sources = json_object(),
		.desired = json_object(),
	};
	autojson *apps = json_array();
	const json_t *app;
	size_t i;

	assert(input->source);
	plan->source = mem_strdup(input->source);
	index_live(&c);
	index_desired(&c);
	(void)json_array_extend(apps, (json_t *)input->apps);
	add_absent_apps(&c, apps);
	plan->n_apps = json_array_size(apps);
	plan->apps = mem_calloc(plan->n_apps + 1, sizeof(*plan->apps));
	json_array_foreach(apps, i, app) {
		app_compute(&c, &plan->apps[i], app);
	}
	json_decref(c.live);
	json_decref(c.sources);
	json_decref(c.desired);
	return plan;
}

static void change_deinit(struct plan_change *change)
{
	free(change->ns);
	free(change->name);
	free(change->why);
	free(change->diff);
	json_decref(change->object);
}

struct plan *plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	for (size_t a = 0; a < p->n_apps; a++) {
		struct plan_app *app = &p->apps[a];

		for (size_t i = 0; i < app->n_changes; i++)
			change_deinit(&app->changes[i]);
		free(app->changes);
		free(app->name);
		json_decref(app->errors);
		json_decref(app->notes);
	}
	free(p->apps);
	free(p->source);
	free(p);
	return NULL;
}

bool plan_has_changes(const struct plan *p)
{
	for (size_t i = 0; i < p->n_apps; i++)
		if (!p->apps[i].held && p->apps[i].n_changes)
			return true;
	return false;
}

bool plan_has_errors(const struct plan *p)
{
	for (size_t i = 0; i < p->n_apps; i++)
		if (p->apps[i].held || json_array_size(p->apps[i].errors))
			return true;
	return false;
}
