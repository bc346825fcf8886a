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
	json_t *inputs; /* all that the set is made of: files, and builds by their id */
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

/* A ConfigMap or Secret as the app asks for it, or as it is in the store when another app or nobody
 * owns it. */
static const json_t *config_object(struct resolution *s, json_t *objects, enum kind kind,
				   const char *ns, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(objects, i, o) {
		if (object_kind(o) == kind && str_eq(object_namespace(o), ns) &&
		    str_eq(object_name(o), name))
			return o;
	}
	return store_get(s->r->store, kind, ns, name);
}

struct config_set {
	struct resolution *s;
	json_t *objects;
	const char *ns;
	json_t *found; /* "Kind/name" -> {data, binaryData} */
};

static void add_config(struct config_set *c, enum kind kind, const char *name)
{
	autofree char *key = mem_asprintf("%s/%s", kind_info(kind)->name, name);
	const json_t *o;
	json_t *content;

	if (!*name)
		return;
	o = config_object(c->s, c->objects, kind, c->ns, name);
	content = json_object();
	if (json_object_get(o, "data"))
		json_set(content, "data", json_incref(json_object_get(o, "data")));
	if (json_object_get(o, "binaryData"))
		json_set(content, "binaryData", json_incref(json_object_get(o, "binaryData")));
	json_set(c->found, key, content);
}

static void add_volume_configs(struct config_set *c, const json_t *pod_spec)
{
	json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(pod_spec, "volumes"), i, volume) {
		add_config(c, KIND_CONFIGMAP, json_path_str(volume, "configMap.name", ""));
		add_config(c, KIND_SECRET, json_path_str(volume, "secret.secretName", ""));
	}
}

static void add_container_configs(struct config_set *c, const json_t *container)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(container, "envFrom"), i, item) {
		add_config(c, KIND_CONFIGMAP, json_path_str(item, "configMapRef.name", ""));
		add_config(c, KIND_SECRET, json_path_str(item, "secretRef.name", ""));
	}
	json_array_foreach(json_object_get(container, "env"), i, item) {
		add_config(c, KIND_CONFIGMAP,
			   json_path_str(item, "valueFrom.configMapKeyRef.name", ""));
		add_config(c, KIND_SECRET, json_path_str(item, "valueFrom.secretKeyRef.name", ""));
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
	static const char *const lists[] = {"initContainers", "containers"};
	autojson *digests = json_object(), *found = json_object();
	struct config_set configs = {s, objects, ns, found};
	const json_t *spec = json_object_get(template, "spec");
	autofree char *text = NULL;
	char hash[80];
	json_t *c;
	size_t i;

	add_volume_configs(&configs, spec);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach(json_object_get(spec, lists[l]), i, c) {
			char digest[80];

			add_container_configs(&configs, c);
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
	struct resolution s = {.r = r, .app = app, .result = RESOLVE_DONE, .inputs = inputs};
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
