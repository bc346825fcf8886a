/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolving an app: every image reference becomes a digest that is on this host, every ConfigMap
 * and Secret a template reads goes into its hash. Nothing running is touched before all of it is
 * there.
 */
#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/log.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/ownership.h"
#include "reconciler/sync_priv.h"

/* ---- waiting for images ---- */

static struct image_wait *wait_get(struct apps *a, const char *ref)
{
	struct image_wait *w;

	for (size_t i = 0; i < a->n_waits; i++) {
		if (str_eq(a->waits[i]->ref, ref))
			return a->waits[i];
	}
	w = NEW(struct image_wait);
	w->ref = mem_strdup(ref);
	GROW(a->waits, a->cap_waits, a->n_waits + 1);
	a->waits[a->n_waits++] = w;
	return w;
}

/* Ask for REF unless that is under way or its back-off runs. */
static struct image_wait *want_image(struct reconciler *r, const struct app *app, const char *ref)
{
	struct image_wait *w = wait_get(r->apps, ref);
	uint64_t now = reconciler_now_ms(r);

	if (w->asked || (w->n_failures > 0 && w->err.kind == ERR_INVALID))
		return w; /* what is wrong for good is not asked again by itself */
	if (w->retry_ms > now) {
		queue_add(r->queue, WORK_APP, app->name, w->retry_ms);
		return w;
	}
	w->asked = true;
	effect_image_get(r, ref);
	return w;
}

void images_try_again(struct reconciler *r)
{
	for (size_t i = 0; i < r->apps->n_waits; i++) {
		struct image_wait *w = r->apps->waits[i];

		w->n_failures = 0;
		w->retry_ms = 0;
		w->err = (struct err){0};
	}
}

void sync_image_done(struct reconciler *r, const char *ref, const char *digest,
		     const struct err *err)
{
	struct image_wait *w = wait_get(r->apps, ref);

	w->asked = false;
	if (digest) {
		w->err = (struct err){0};
		w->n_failures = 0;
	} else {
		w->err = *err;
		w->n_failures++;
		w->retry_ms = reconciler_now_ms(r) + pod_retry_seconds(w->n_failures) * 1000;
	}
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		const struct app *app = r->apps->apps[i];

		if (!app->resolved || app->resolved_serial != r->apps->serial)
			reconciler_queue(r, WORK_APP, app->name);
	}
}

/* ---- digests ---- */

struct resolution {
	struct reconciler *r;
	struct app *app;
	enum resolve_result result;
	const struct image_wait *failed;
	char *what;
	json_t *inputs; /* all that the set is made of: files, builds by their id, others'
			   configuration by its key */
	json_t *reads;  /* keys of that configuration */
};

static void note_waiting(struct resolution *s, char *what)
{
	if (s->result == RESOLVE_DONE) {
		s->result = RESOLVE_WAITING;
		s->what = what;
	} else {
		free(what);
	}
}

/* The digest REF stands for; false when it is not here (yet), with the resolution saying so. */
static bool resolve_ref(struct resolution *s, const char *ref, char digest[80])
{
	struct app_build *b = builds_for_ref(s->r, s->app->source, ref);
	struct image_wait *w;

	if (b && b->state == BUILD_DONE) {
		builds_note_inputs(s->r, b, s->inputs);
		(void)snprintf(digest, 80, "%s", b->digest);
		return true;
	}
	if (b && b->state != BUILD_FAILED) {
		note_waiting(s, mem_asprintf("waiting for the build of %s", b->id));
		return false;
	}
	if (s->r->ports.image_resolve(s->r->ports.data, digest, ref) == 1)
		return true;
	w = want_image(s->r, s->app, ref);
	if (w->n_failures > 0) {
		s->result = RESOLVE_FAILED;
		s->failed = w;
	} else {
		note_waiting(s, mem_asprintf("getting image %s", ref));
	}
	return false;
}

/* ---- configuration ---- */

static const json_t *find_object(const json_t *list, const char *member, enum kind kind,
				 const char *ns, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		const json_t *o = member ? json_object_get(entry, member) : entry;

		if (object_kind(o) == kind && str_eq(object_namespace(o), ns) &&
		    str_eq(object_name(o), name))
			return o;
	}
	return NULL;
}

/* As it is in the store, whoever made it; while it is not there, as another app is about to. */
static const json_t *foreign_config(const struct resolution *s, enum kind kind, const char *ns,
				    const char *name)
{
	const json_t *o = store_get(s->r->store, kind, ns, name);

	for (size_t i = 0; !o && i < s->r->apps->n_apps; i++) {
		const struct app *app = s->r->apps->apps[i];

		if (app != s->app && app->present)
			o = find_object(json_object_get(app->decoded, "objects"), "object", kind,
					ns, name);
	}
	return o;
}

struct config_set {
	struct resolution *s;
	json_t *objects;
	const char *ns;
	json_t *found; /* "Kind/name" -> {data, binaryData} */
};

static json_t *content_of(const json_t *o)
{
	static const char *const members[] = {"data", "binaryData"};
	json_t *content = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(o, members[i]);

		if (value)
			json_set(content, members[i], json_incref(value));
	}
	return content;
}

static char *config_key(enum kind kind, const char *ns, const char *name)
{
	return mem_asprintf("%s/%s/%s", kind_info(kind)->name, ns, name);
}

/* What others have is an input like the app's own files. */
static void note_foreign(const struct resolution *s, enum kind kind, const char *ns,
			 const char *name, const json_t *content)
{
	autofree char *key = config_key(kind, ns, name);
	char hash[80];

	json_digest(hash, content);
	json_set(s->inputs, key, json_text(hash));
	json_set(s->reads, key, json_true());
}

/* A ConfigMap or Secret as the app asks for it, or as others have it. */
static void add_config(enum kind kind, const char *name, void *data)
{
	struct config_set *c = data;
	autofree char *key = mem_asprintf("%s/%s", kind_info(kind)->name, name);
	const json_t *own = find_object(c->objects, NULL, kind, c->ns, name);
	json_t *content;

	if (!*name)
		return;
	content = content_of(own ?: foreign_config(c->s, kind, c->ns, name));
	if (!own)
		note_foreign(c->s, kind, c->ns, name, content);
	json_set(c->found, key, content);
}

/* What a pod spec reads: each ConfigMap and Secret that it names, as often as it does. */
typedef void (*reference_fn)(enum kind kind, const char *name, void *data);

static void each_volume_reference(const json_t *pod_spec, reference_fn fn, void *data)
{
	json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(pod_spec, "volumes"), i, volume) {
		fn(KIND_CONFIGMAP, json_path_str(volume, "configMap.name", ""), data);
		fn(KIND_SECRET, json_path_str(volume, "secret.secretName", ""), data);
	}
}

static void each_container_reference(const json_t *container, reference_fn fn, void *data)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(container, "envFrom"), i, item) {
		fn(KIND_CONFIGMAP, json_path_str(item, "configMapRef.name", ""), data);
		fn(KIND_SECRET, json_path_str(item, "secretRef.name", ""), data);
	}
	json_array_foreach(json_object_get(container, "env"), i, item) {
		fn(KIND_CONFIGMAP, json_path_str(item, "valueFrom.configMapKeyRef.name", ""), data);
		fn(KIND_SECRET, json_path_str(item, "valueFrom.secretKeyRef.name", ""), data);
	}
}

static const char *const container_lists[] = {"initContainers", "containers"};

static void each_reference(const json_t *pod_spec, reference_fn fn, void *data)
{
	json_t *c;
	size_t i;

	each_volume_reference(pod_spec, fn, data);
	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		json_array_foreach(json_object_get(pod_spec, container_lists[l]), i, c)
			each_container_reference(c, fn, data);
	}
}

/* ---- one object ---- */

/* The pod template inside a workload (the Pod itself for a Pod), or NULL. */
static json_t *template_of(json_t *o)
{
	switch (object_kind(o)) {
	case KIND_POD:
		return o;
	case KIND_DEPLOYMENT:
	case KIND_REPLICASET:
	case KIND_JOB:
		return json_path(o, "spec.template");
	default:
		return NULL;
	}
}

static void pin_template(struct resolution *s, json_t *objects, const char *ns, json_t *template)
{
	autojson *digests = json_object(), *found = json_object();
	struct config_set configs = {s, objects, ns, found};
	const json_t *spec = json_object_get(template, "spec");
	autofree char *text = NULL;
	char hash[80];
	json_t *c;
	size_t i;

	each_reference(spec, add_config, &configs);
	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		json_array_foreach(json_object_get(spec, container_lists[l]), i, c) {
			char digest[80];

			if (resolve_ref(s, json_path_str(c, "image", ""), digest))
				json_set(digests, json_path_str(c, "name", ""), json_text(digest));
		}
	}
	text = json_canonical(digests);
	object_set_annotation(template, SYNC_ANNOTATION_DIGESTS, text);
	if (json_object_size(found) > 0) {
		json_digest(hash, found);
		object_set_annotation(template, SYNC_ANNOTATION_CONFIG, hash);
	}
}

static json_t *objects_of(const struct app *app)
{
	json_t *objects = json_array(), *entry;
	size_t i;

	json_array_foreach(json_object_get(app->decoded, "objects"), i, entry) {
		json_t *o = json_clone(json_object_get(entry, "object"));
		json_t *defaulted = json_object_get(entry, OWNERSHIP_DEFAULTED);

		if (defaulted)
			json_set(o, OWNERSHIP_DEFAULTED, json_incref(defaulted));
		json_array_append_new(objects, o);
	}
	return objects;
}

enum resolve_result resolve_app(struct reconciler *r, struct app *app,
				const struct image_wait **ret_wait, char **ret_what)
{
	autojson *objects = objects_of(app), *inputs = json_pack("{s:s}", "files", app->inputs);
	json_t *reads = json_object();
	struct resolution s = {
		.r = r, .app = app, .result = RESOLVE_DONE, .inputs = inputs, .reads = reads};
	char id[80], key[80];
	json_t *o;
	size_t i;

	json_array_foreach(objects, i, o) {
		json_t *template = template_of(o);

		object_set_annotation(o, SYNC_ANNOTATION_APP, app->name);
		if (template)
			pin_template(&s, objects, object_namespace(o), template);
		if (object_kind(o) == KIND_POD && !json_path(o, "spec.nodeName"))
			json_path_set_new(o, "spec.nodeName", json_text(r->node_name));
	}
	json_decref(app->reads);
	app->reads = reads;
	*ret_wait = s.failed;
	*ret_what = s.what;
	if (s.result != RESOLVE_DONE)
		return s.result;
	json_digest(id, objects);
	json_decref(app->resolved);
	app->resolved = TAKE_PTR(objects);
	free(app->resolved_id);
	app->resolved_id = mem_strdup(id);
	json_digest(key, inputs);
	app_string(&app->key, key);
	app->resolved_serial = r->apps->serial;
	return RESOLVE_DONE;
}

void sync_config_changed(struct reconciler *r, const json_t *o)
{
	autofree char *key = config_key(object_kind(o), object_namespace(o), object_name(o));

	for (size_t i = 0; i < r->apps->n_apps; i++) {
		struct app *app = r->apps->apps[i];

		if (!json_object_get(app->reads, key))
			continue;
		app->resolved_serial = APP_STALE;
		reconciler_queue(r, WORK_APP, app->name);
	}
}

struct sought {
	enum kind kind;
	const char *name;
	bool found;
};

static void compare_reference(enum kind kind, const char *name, void *data)
{
	struct sought *s = data;

	s->found |= kind == s->kind && str_eq(name, s->name);
}

bool resolve_reads(const json_t *o, const json_t *config)
{
	const json_t *template = template_of((json_t *)(uintptr_t)o);
	struct sought s = {object_kind(config), object_name(config), false};

	if (template && str_eq(object_namespace(o), object_namespace(config)))
		each_reference(json_object_get(template, "spec"), compare_reference, &s);
	return s.found;
}
