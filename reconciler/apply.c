/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying a set of objects: create and update in kind order, then delete what the app's ledger
 * holds beyond them, in the reverse order. The ledger grows before an object is created and shrinks
 * after it is gone, so that nothing the app ever made is forgotten.
 */
#include <assert.h>
#include <string.h>

#include "base/strbuf.h"
#include "reconciler/controllers/deployment.h"
#include "reconciler/controllers/job.h"
#include "reconciler/drift.h"
#include "reconciler/events.h"
#include "reconciler/jobspec.h"
#include "reconciler/ownership.h"
#include "reconciler/sync_priv.h"

struct application {
	struct reconciler *r;
	struct app *app;
	const struct apply_request *request;
	json_t *objects; /* sorted by apply order */
	int waiting;     /* objects that have to go first */
};

char *app_object_key(const json_t *o)
{
	return str_path(kind_info(object_kind(o))->name, object_namespace(o), object_name(o));
}

/* ---- the ledger ---- */

static json_t *ledger(const struct app *app)
{
	json_t *l = json_object_get(app->doc, "ledger");

	if (!l) {
		l = json_array();
		json_set(app->doc, "ledger", l);
	}
	return l;
}

static bool ledger_has(const struct app *app, const char *key)
{
	return json_list_has(ledger(app), key);
}

static void ledger_add(const struct app *app, const char *key)
{
	if (!ledger_has(app, key))
		json_array_append_new(ledger(app), json_text(key));
}

/* The object behind a ledger entry, NULL when it is gone. */
static const json_t *ledger_object(struct reconciler *r, const char *key)
{
	autostrlist parts = {0};

	strlist_split(&parts, key, '/');
	assert(parts.n == 3);
	for (int kind = 0; kind < KIND_N_; kind++) {
		if (str_eq(kind_info((enum kind)kind)->name, parts.items[0]))
			return store_get(r->store, (enum kind)kind, parts.items[1], parts.items[2]);
	}
	return NULL;
}

/* ---- what would be deleted ---- */

static bool wanted(json_t *objects, const char *key)
{
	json_t *o;
	size_t i;

	json_array_foreach(objects, i, o) {
		autofree char *k = app_object_key(o);

		if (str_eq(k, key))
			return true;
	}
	return false;
}

/* Does A, in the newest revision of its source, ask for KEY? */
static bool asks_for(const struct app *a, const char *key)
{
	autojson *objects = json_array();
	json_t *entry;
	size_t i;

	if (!a->present || json_array_size(json_object_get(a->decoded, "errors")) > 0)
		return false;
	json_array_foreach(json_object_get(a->decoded, "objects"), i, entry)
		json_array_append(objects, json_object_get(entry, "object"));
	return wanted(objects, key);
}

/* Everything the source still asks for, over all of its apps. */
static size_t source_object_count(struct reconciler *r, const char *source)
{
	size_t n = 0;

	for (size_t i = 0; i < r->apps->n_apps; i++) {
		const struct app *a = r->apps->apps[i];

		if (a->present && str_eq(a->source, source))
			n += json_array_size(json_object_get(a->decoded, "objects"));
	}
	return n;
}

/* The app that KEY moved to: another one, as its source has it now, asks for it. NULL: none does.
 */
static struct app *heir(struct reconciler *r, const struct app *app, const char *key)
{
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		struct app *a = r->apps->apps[i];

		if (a != app && asks_for(a, key))
			return a;
	}
	return NULL;
}

bool apply_elsewhere(struct reconciler *r, const struct app *app, const char *key)
{
	return heir(r, app, key) != NULL;
}

/* What a revision would delete, of how many, and the first of it that is guarded by its kind. */
struct losses {
	size_t total, gone;
	const char *guarded;
};

static void count_losses(struct application *x, const struct app *app, struct losses *l)
{
	json_t *entry;
	size_t i;

	json_array_foreach(ledger(app), i, entry) {
		const char *key = json_string_value(entry);
		bool stays = app == x->app && wanted(x->objects, key);
		autofree char *kind = mem_strndup(key, strcspn(key, "/"));

		l->total++;
		if (stays || (app != x->app && app->present) || heir(x->r, app, key))
			continue;
		l->gone++;
		if (app == x->app && !l->guarded && kind_is_guarded(kind))
			l->guarded = key;
	}
}

/* An app that left its source is counted with all apps of it: taking one of several out is no
 * accident. */
static struct losses losses(struct application *x)
{
	struct losses l = {0};

	for (size_t i = 0; i < x->r->apps->n_apps; i++) {
		const struct app *a = x->r->apps->apps[i];

		if (a == x->app || (!x->app->present && str_eq(a->source, x->app->source)))
			count_losses(x, a, &l);
	}
	return l;
}

static int check_guard(struct application *x, struct err *err)
{
	struct losses l = losses(x);
	bool everything = source_object_count(x->r, x->app->source) == 0;
	bool most = l.gone >= KIND_GUARD_MIN_OBJECTS && l.gone * 2 > l.total;

	if (l.gone == 0 || str_eq(x->r->confirm_prune, x->app->revision) ||
	    str_eq(json_path_str(x->app->doc, "approved", ""), x->app->revision))
		return 0;
	if (!everything && !most && !l.guarded)
		return 0;
	return err_set(
		err, ERR_INVALID, EPERM, "PruneRefused",
		"revision %s would delete %zu of the %zu objects of %s '%s'%s%s%s: put the files back, or confirm "
		"with `recond approve %s`, or by starting recond with --confirm-prune %s",
		x->app->revision, l.gone, l.total, x->app->present ? "app" : "source",
		x->app->present ? x->app->name : x->app->source,
		everything ? ", and leave nothing of source" : "", l.guarded ? ", with " : "",
		l.guarded ? l.guarded : "", x->app->name, x->app->revision);
}

/* ---- checks before anything is written ---- */

static int check_owner(struct application *x, const json_t *live, struct err *err)
{
	const char *owner = object_annotation(live, SYNC_ANNOTATION_APP);
	autofree char *what = object_describe(live);
	const struct app *other = owner ? app_get(x->r->apps, owner) : NULL;
	autofree char *key = app_object_key(live);

	if (!owner || str_eq(owner, x->app->name) || !other || !ledger_has(other, key))
		return 0;
	if (other->revision && !other->present)
		return 0; /* it left its source */
	if (other->decoded && json_array_size(json_object_get(other->decoded, "errors")) == 0 &&
	    !asks_for(other, key))
		return 0; /* it moved from that app to this one */
	return err_set(err, ERR_INVALID, EEXIST, "Conflict", "%s belongs to app '%s' already", what,
		       owner);
}

static int check_immutable(const json_t *live, const json_t *o, struct err *err)
{
	enum kind kind = object_kind(o);
	autofree char *what = object_describe(o);
	const char *path = NULL;

	if (kind == KIND_DEPLOYMENT || kind == KIND_REPLICASET)
		path = "spec.selector";
	else if (kind == KIND_SECRET)
		path = "type";
	if (path &&
	    !json_equal(json_path(live, path) ?: json_null(), json_path(o, path) ?: json_null()))
		return err_set(
			err, ERR_INVALID, EINVAL, "Invalid",
			"%s: %s: field is immutable: delete the object first or give it another name",
			what, path);
	if ((kind == KIND_CONFIGMAP || kind == KIND_SECRET) &&
	    json_path_bool(live, "immutable", false) &&
	    !json_equal(json_object_get(live, "data") ?: json_null(),
			json_object_get(o, "data") ?: json_null()))
		return err_set(err, ERR_INVALID, EINVAL, "Invalid",
			       "%s: data: field is immutable when `immutable` is set", what);
	return 0;
}

static int check_objects(struct application *x, struct err *err)
{
	json_t *o;
	size_t i;

	json_array_foreach(x->objects, i, o) {
		const json_t *live =
			store_get(x->r->store, object_kind(o), object_namespace(o), object_name(o));
		int r;

		autofree char *key = app_object_key(o);

		if (!live || json_list_has(x->request->skip, key))
			continue;
		r = check_owner(x, live, err);
		if (r == 0)
			r = check_immutable(live, o, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- writing ---- */

/* A Pod's spec does not change in place: the old one goes, the new one comes when its name is free.
 */
static bool replace_pod(struct application *x, const char *key, const json_t *live, const json_t *o)
{
	autojson *merged = ownership_merge(live, drift_applied(x->r->store, key), o);
	bool same = json_equal(json_object_get(live, "spec"), json_object_get(merged, "spec")) &&
		    str_eq(object_annotation(live, SYNC_ANNOTATION_DIGESTS),
			   object_annotation(o, SYNC_ANNOTATION_DIGESTS)) &&
		    str_eq(object_annotation(live, SYNC_ANNOTATION_CONFIG),
			   object_annotation(o, SYNC_ANNOTATION_CONFIG));

	if (same && !object_deleting(live))
		return false;
	drift_forget(x->r, key);
	reconciler_delete(x->r, live);
	x->waiting++;
	return true;
}

/*
 * A Job runs once: what made it the work it is does not change in place, and what is complete is
 * not run again. True when there is nothing (more) to write.
 */
static bool settle_job(struct application *x, const json_t *live, const json_t *o)
{
	autofree char *changed = live ? jobspec_frozen(live, o) : NULL;

	if (live && !changed && !object_deleting(live))
		return false;
	if (live) {
		autofree char *key = app_object_key(live);

		job_remember(x->r, live);
		drift_forget(x->r, key);
		reconciler_delete(x->r, live);
	}
	if (job_was_done(x->r, o))
		return true;
	if (!job_leaves_pods(x->r, object_namespace(o), object_name(o)))
		return false;
	x->waiting++; /* two runs of one Job never overlap */
	return true;
}

/* What is written into a namespace that is being deleted would be deleted with it, again and again.
 */
static bool namespace_is_going(struct reconciler *r, const json_t *o)
{
	const char *name = object_kind(o) == KIND_NAMESPACE ? object_name(o) : object_namespace(o);
	const json_t *ns = store_get(r->store, KIND_NAMESPACE, NULL, name);

	return ns && object_deleting(ns);
}

static void create_object(struct application *x, const char *key, const json_t *o)
{
	autojson *copy = ownership_complete(o);
	bool lost = drift_applied(x->r->store, key);
	const json_t *made = NULL;

	if (store_create(x->r->store, copy, &made) != 0)
		return;
	drift_note(x->r, key, o);
	if (lost)
		events_normal(x->r, made, "recond", "SelfHealed",
			      "was deleted by hand: made again");
}

/* Only what the app states changes. A set that asks for what was applied before asks for nothing
 * but that it still be so. */
static void update_object(struct application *x, const char *key, const json_t *live,
			  const json_t *o)
{
	const json_t *last = drift_applied(x->r->store, key);
	autojson *merged = NULL;

	if (last && json_equal(last, o)) {
		(void)drift_heal(x->r, x->app, live, o);
		return;
	}
	merged = ownership_merge(live, last, o);
	(void)store_update(x->r->store, merged);
	drift_note(x->r, key, o);
}

/* KEY is APP's from here on, and so is, should it go back, what it read where it came from. */
static void adopt(struct reconciler *r, struct app *app, const char *key)
{
	const json_t *object = drift_applied(r->store, key);
	autojson *config = object ? app_config_of(r, app, object) : NULL;
	json_t *o;
	size_t i;

	adopted_add(app, key, object);
	json_array_foreach(config, i, o) {
		autofree char *config_key = app_object_key(o);

		adopted_add(app, config_key, o);
	}
}

/* LIVE was another app's until now. */
static void take_over(struct application *x, const char *key, const json_t *live)
{
	if (!live || str_eq(object_annotation(live, SYNC_ANNOTATION_APP), x->app->name))
		return;
	drift_hand_over(x->r, key, x->app->name);
	adopt(x->r, x->app, key);
}

static void write_object(struct application *x, const json_t *o)
{
	enum kind kind = object_kind(o);
	const json_t *live = store_get(x->r->store, kind, object_namespace(o), object_name(o));
	autofree char *key = app_object_key(o);

	ledger_add(x->app, key);
	take_over(x, key, live);
	if (namespace_is_going(x->r, o)) {
		x->waiting++; /* written when the old one is gone */
		return;
	}
	if (kind == KIND_JOB) {
		if (settle_job(x, live, o))
			return;
		live = store_get(x->r->store, kind, object_namespace(o), object_name(o));
	}
	if (!live)
		create_object(x, key, o);
	else if (kind != KIND_POD || !replace_pod(x, key, live, o))
		update_object(x, key, live, o);
}

static int compare_apply_order(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order_x = kind_info(object_kind(x))->apply_order,
	    order_y = kind_info(object_kind(y))->apply_order;
	int r = order_x - order_y;

	if (r == 0)
		r = strcmp(object_namespace(x), object_namespace(y));
	return r ? r : strcmp(object_name(x), object_name(y));
}

static json_t *sorted_objects(json_t *objects)
{
	size_t n = json_array_size(objects);
	autofree json_t **sorted = mem_calloc(n + 1, sizeof(*sorted));
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(objects, i);
	qsort(sorted, n, sizeof(*sorted), compare_apply_order);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, sorted[i]);
	return out;
}

/* Objects whose namespace nobody declared get it, as kubectl users of a fresh host expect of
 * "default". */
static void ensure_namespaces(struct application *x)
{
	json_t *o;
	size_t i;

	json_array_foreach(x->objects, i, o) {
		const char *ns = object_namespace(o);
		autojson *object = NULL;

		if (!*ns || store_get(x->r->store, KIND_NAMESPACE, NULL, ns))
			continue;
		object = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:[s]}, s:{s:s}}", "apiVersion",
				   "v1", "kind", "Namespace", "metadata", "name", ns, "labels",
				   "kubernetes.io/metadata.name", ns, "spec", "finalizers",
				   "kubernetes", "status", "phase", "Active");
		(void)store_create(x->r->store, object, NULL);
	}
}

/* What moved to another app is that one's from here on, and goes on running: it is not deleted only
 * to be made again. */
static void hand_over(struct application *x, struct app *to, const json_t *live, const char *key)
{
	autojson *copy = json_clone(live);

	ledger_add(to, key);
	app_string(&to->applied_id, ""); /* its set may be without what came along */
	json_set(json_path(copy, "metadata.annotations"), SYNC_ANNOTATION_APP, json_text(to->name));
	drift_hand_over(x->r, key, to->name);
	adopt(x->r, to, key);
	app_save(x->r, to);
	(void)store_update(x->r->store, copy);
	reconciler_queue(x->r, WORK_APP, to->name);
}

/* Who goes on with LIVE, which the app no longer has: the app that it moved to or, with a ConfigMap
 * or Secret, the one that a workload which reads it moved to, for that one may go back to it. */
static struct app *successor(struct application *x, json_t *ledger, const char *key,
			     const json_t *live)
{
	struct app *to = heir(x->r, x->app, key);
	enum kind kind = object_kind(live);
	json_t *entry;
	size_t i;

	if (to || (kind != KIND_CONFIGMAP && kind != KIND_SECRET))
		return to;
	json_array_foreach(ledger, i, entry) {
		const char *other = json_string_value(entry);
		const json_t *moved = ledger_object(x->r, other);

		to = moved ? heir(x->r, x->app, other) : NULL;
		const json_t *before =
			to ? json_object_get(json_object_get(to->doc, "adopted"), other) : NULL;

		if (to && (resolve_reads(moved, live) || (before && resolve_reads(before, live))))
			return to;
	}
	return NULL;
}

/* What the app no longer has may run again when it comes back. */
static void forget_job(struct reconciler *r, const char *key)
{
	autostrlist parts = {0};

	strlist_split(&parts, key, '/');
	assert(parts.n == 3);
	if (str_eq(parts.items[0], kind_info(KIND_JOB)->name))
		job_forget(r, parts.items[1], parts.items[2]);
}

static bool is_read_by(const json_t *objects, const json_t *config)
{
	const char *key;
	json_t *o;

	json_object_foreach((json_t *)(uintptr_t)objects, key, o) {
		if (resolve_reads(o, config))
			return true;
	}
	return false;
}

/* Of what moved here, what the app no longer has is forgotten; not what the rest was reading: it
 * would be needed again. */
static void trim_adopted(struct application *x)
{
	json_t *adopted = json_object_get(x->app->doc, "adopted"), *o;
	autojson *kept = json_object();
	const char *key;

	json_object_foreach(adopted, key, o) {
		if (wanted(x->objects, key))
			json_set(kept, key, json_incref(o));
	}
	json_object_foreach(adopted, key, o) {
		if (!json_object_get(kept, key) && is_read_by(kept, o))
			json_set(kept, key, json_incref(o));
	}
	if (adopted)
		json_set(x->app->doc, "adopted", json_incref(kept));
}

static void prune(struct application *x)
{
	autojson *kept = json_array(), *old = json_clone(ledger(x->app));

	for (size_t i = json_array_size(old); i > 0; i--) {
		const char *key = json_string_value(json_array_get(old, i - 1));
		const json_t *live = ledger_object(x->r, key);
		const char *owner = live ? object_annotation(live, SYNC_ANNOTATION_APP) : NULL;
		struct app *to;

		if (wanted(x->objects, key)) {
			json_array_insert_new(kept, 0, json_text(key));
			continue;
		}
		if (!live || !str_eq(owner, x->app->name)) {
			forget_job(x->r, key);
			if (!live)
				drift_forget(x->r, key);
			continue; /* gone, or another app's by now */
		}
		to = object_deleting(live) ? NULL : successor(x, old, key, live);
		if (to) {
			hand_over(x, to, live, key);
			continue;
		}
		drift_forget(x->r, key);
		if (!object_deleting(live))
			reconciler_delete(x->r, live);
		json_array_insert_new(kept, 0, json_text(key));
		x->waiting++;
	}
	json_set(x->app->doc, "ledger", TAKE_PTR(kept));
	trim_adopted(x);
}

/* Deleting may be over at once (everything but pods and namespaces): look again before waiting for
 * it. */
static void settle_ledger(struct application *x)
{
	x->waiting = 0;
	prune(x);
}

static void write_objects(struct application *x)
{
	json_t *o;
	size_t i;

	json_array_foreach(x->objects, i, o) {
		autofree char *key = app_object_key(o);

		if (!json_list_has(x->request->skip, key))
			write_object(x, o);
	}
}

int apply_objects(struct reconciler *r, struct app *app, const struct apply_request *request,
		  enum hold *ret_hold, struct err *err)
{
	autojson *sorted = sorted_objects(request->objects);
	struct application x = {.r = r, .app = app, .request = request, .objects = sorted};
	int waiting_objects;

	if (request->guard && check_guard(&x, err) < 0) {
		*ret_hold = HOLD_PRUNE;
		return -1;
	}
	if (check_objects(&x, err) < 0) {
		*ret_hold = HOLD_CONFLICT;
		return -1;
	}
	ensure_namespaces(&x);
	write_objects(&x);
	waiting_objects = x.waiting;
	if (!request->partial)
		prune(&x);
	if (x.waiting > waiting_objects)
		settle_ledger(&x);
	else
		x.waiting = 0;
	app_save(r, app);
	return waiting_objects + x.waiting > 0 ? 1 : 0;
}
