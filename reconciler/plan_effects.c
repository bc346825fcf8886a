/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from a change elsewhere: images that are built, and workloads that roll because an
 * image, a ConfigMap or a Secret of theirs changes while their own manifest does not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/diff.h"
#include "reconciler/format.h"
#include "reconciler/object.h"
#include "reconciler/plan_priv.h"

/* ---- builds ---- */

static const json_t *build_info(const json_t *builds, const char *app, const char *name)
{
	const json_t *b;
	size_t i;

	json_array_foreach(builds, i, b) {
		if (str_eq(json_path_str(b, "app", ""), app) &&
		    str_eq(json_path_str(b, "name", ""), name))
			return b;
	}
	return NULL;
}

/* The change of APP that concerns the object, or NULL. */
static struct plan_change *change_of(struct plan_app *app, enum kind kind, const char *ns,
				     const char *name)
{
	for (size_t i = 0; i < app->n_changes; i++) {
		struct plan_change *x = &app->changes[i];

		if (x->kind == kind && str_eq(x->ns, ns) && str_eq(x->name, name) &&
		    x->action != PLAN_DELETE)
			return x;
	}
	return NULL;
}

static void build_error(struct plan_app *app, const json_t *image, const char *error)
{
	autofree char *what = object_describe(image);
	autofree char *text = mem_asprintf("%s: %s", what, error);

	(void)json_array_append_new(app->errors, json_text(text));
	app->held = app->held ? app->held : "errors";
}

static void plan_build(const struct plan_input *input, struct plan_app *app, const json_t *image)
{
	const json_t *info = build_info(input->builds, app->name, object_name(image));
	const char *error = json_path_str(info, "error", "");
	bool changed = change_of(app, KIND_IMAGE, object_namespace(image), object_name(image));
	const char *why = json_path_str(info, "why", "");
	struct plan_change *change;

	if (*error) {
		build_error(app, image, error);
		return;
	}
	if (info ? json_path_bool(info, "current", false) : !changed)
		return;
	change = plan_change_add(app, PLAN_BUILD, image);
	change->why = *why ? mem_strdup(why)
			   : mem_asprintf("from %s", json_path_str(image, "spec.context", "/"));
	change->object = json_incref((json_t *)image);
}

void plan_builds(const struct plan_input *input, struct plan_app *app, const json_t *decoded)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(decoded, "objects"), i, entry) {
		const json_t *o = json_object_get(entry, "object");

		if (object_kind(o) == KIND_IMAGE)
			plan_build(input, app, o);
	}
}

/* ---- what rolls ---- */

struct roll {
	struct plan_app *app;
	const char *ns;
	struct strbuf why;
};

static void because(struct roll *roll, enum kind kind, const char *name, const char *what)
{
	autofree char *text = mem_asprintf("%s/%s %s", kind_info(kind)->name, name, what);

	if (roll->why.len && strstr(strbuf_str(&roll->why), text))
		return;
	strbuf_addf(&roll->why, "%s%s", roll->why.len ? ", " : "", text);
}

static void reads_config(struct roll *roll, enum kind kind, const char *name)
{
	const struct plan_change *change = change_of(roll->app, kind, roll->ns, name);

	if (*name && change && (change->action == PLAN_UPDATE || change->action == PLAN_CREATE))
		because(roll, kind, name, "changes");
}

/* The reference without what Docker Hub's short form leaves out, with a tag. Owned by the caller.
 */
static char *familiar(const char *ref)
{
	static const char *const prefixes[] = {"docker.io/library/", "docker.io/",
					       "index.docker.io/"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const char *rest = str_skip_prefix(ref, prefixes[i]);

		if (rest) {
			ref = rest;
			break;
		}
	}
	if (format_image_has_tag(ref, NULL))
		return mem_strdup(ref);
	return mem_asprintf("%s:latest", ref);
}

static void runs_image(struct roll *roll, const char *ref)
{
	autofree char *wanted = familiar(ref);
	const json_t *tag;
	size_t t;

	for (size_t i = 0; i < roll->app->n_changes; i++) {
		const struct plan_change *x = &roll->app->changes[i];

		if (x->action != PLAN_BUILD)
			continue;
		json_array_foreach(json_path(x->object, "spec.tags"), t, tag) {
			if (str_eq(json_string_value(tag), wanted))
				because(roll, KIND_IMAGE, x->name, "is built");
		}
	}
}

static void look_at_container(struct roll *roll, const json_t *container)
{
	const json_t *e;
	size_t i;

	runs_image(roll, json_path_str(container, "image", ""));
	json_array_foreach(json_object_get(container, "envFrom"), i, e) {
		reads_config(roll, KIND_CONFIGMAP, json_path_str(e, "configMapRef.name", ""));
		reads_config(roll, KIND_SECRET, json_path_str(e, "secretRef.name", ""));
	}
	json_array_foreach(json_object_get(container, "env"), i, e) {
		reads_config(roll, KIND_CONFIGMAP,
			     json_path_str(e, "valueFrom.configMapKeyRef.name", ""));
		reads_config(roll, KIND_SECRET,
			     json_path_str(e, "valueFrom.secretKeyRef.name", ""));
	}
}

static void look_at_pod(struct roll *roll, const json_t *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	const json_t *e;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		json_array_foreach(json_object_get(spec, lists[l]), i, e) {
			look_at_container(roll, e);
		}
	json_array_foreach(json_object_get(spec, "volumes"), i, e) {
		reads_config(roll, KIND_CONFIGMAP, json_path_str(e, "configMap.name", ""));
		reads_config(roll, KIND_SECRET, json_path_str(e, "secret.secretName", ""));
	}
}

static void plan_roll(struct plan_app *app, const json_t *o)
{
	struct roll roll = {.app = app, .ns = object_namespace(o), .why = STRBUF_INIT};
	enum kind kind = object_kind(o);
	struct plan_change *change;

	if (kind == KIND_DEPLOYMENT || kind == KIND_JOB)
		look_at_pod(&roll, json_path(o, "spec.template.spec"));
	else if (kind == KIND_POD)
		look_at_pod(&roll, json_object_get(o, "spec"));
	if (roll.why.len) {
		change =
			plan_change_add(app, kind == KIND_DEPLOYMENT ? PLAN_ROLL : PLAN_REPLACE, o);
		change->why = strbuf_take(&roll.why);
		change->object = diff_masked(o);
	}
	strbuf_deinit(&roll.why);
}

void plan_rolls(struct plan_app *app, const json_t *decoded)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(decoded, "objects"), i, entry) {
		const json_t *o = json_object_get(entry, "object");

		if (!change_of(app, object_kind(o), object_namespace(o), object_name(o)))
			plan_roll(app, o);
	}
}
