/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a revision builds: where an Image object's context lies, which Dockerfiles nobody named and
 * so become images called after their directories, and that no two images claim one tag.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/defaults.h"
#include "reconciler/format.h"
#include "reconciler/manifest_priv.h"
#include "reconciler/object.h"

/* The parts of PATH appended to PARTS, ".." taking one away. False when that leads above the root.
 */
static bool parts_push(struct strlist *parts, const char *path)
{
	autostrlist pieces = {.n = 0};

	strlist_split(&pieces, path, '/');
	for (size_t i = 0; i < pieces.n; i++) {
		const char *p = pieces.items[i];

		if (!*p || str_eq(p, "."))
			continue;
		if (!str_eq(p, "..")) {
			strlist_add(parts, p);
			continue;
		}
		if (parts->n == 0)
			return false;
		free(parts->items[--parts->n]);
		parts->items[parts->n] = NULL;
	}
	return true;
}

/* "/a/b" of the parts; "/" when there are none. Owned by the caller. */
static char *parts_join(const struct strlist *parts)
{
	autostrbuf out = STRBUF_INIT;

	for (size_t i = 0; i < parts->n; i++)
		strbuf_addf(&out, "/%s", parts->items[i]);
	if (parts->n == 0)
		strbuf_addc(&out, '/');
	return strbuf_take(&out);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "a/b" of "a/b/c", "" of "c". Owned by the caller. */
static char *dir_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup("");
}

/* Revisions list the files named so; a Dockerfile of another name can't be looked up here. */
static bool is_listed_name(const char *name)
{
	return str_skip_prefix(name, "Dockerfile") || str_has_suffix(name, ".Dockerfile");
}

/* Note that the Dockerfile at CONTEXT/NAME is spoken for; say so when it isn't there. */
static void claim_dockerfile(struct manifest_state *s, size_t app, const struct finding_place *at,
			     const char *context, const char *name)
{
	const struct path spec = {NULL, "spec", 0}, path = {&spec, "dockerfile", 0};
	autostrlist parts = {.n = 0};
	autofree char *full = NULL;

	(void)parts_push(&parts, context);
	(void)parts_push(&parts, name);
	full = parts_join(&parts);
	if (json_object_get(s->dockerfiles, full + 1))
		json_set(s->dockerfiles, full + 1, json_true());
	else if (s->apps[app].input->dockerfiles && is_listed_name(base_name(full)))
		findings_add(&s->apps[app].errors, at, &path, "there is no file %s", full + 1);
}

void manifest_image_resolve(struct manifest_state *s, size_t app, const struct finding_place *at,
			    json_t *image)
{
	const struct path spec_path = {NULL, "spec", 0}, path = {&spec_path, "context", 0};
	json_t *spec = json_object_get(image, "spec");
	const char *context = json_path_str(spec, "context", ".");
	autofree char *dir = dir_name(at->file);
	autofree char *full = NULL;
	autostrlist parts = {.n = 0};
	bool ok = true;

	if (*context != '/')
		ok = parts_push(&parts, dir);
	if (!ok || !parts_push(&parts, context)) {
		findings_add(&s->apps[app].errors, at, &path, "leads out of the source");
		return;
	}
	full = parts_join(&parts);
	json_set(spec, "context", json_text(full));
	claim_dockerfile(s, app, at, full, json_path_str(spec, "dockerfile", "Dockerfile"));
}

/* The Image of the Dockerfile at PATH, called NAME. Owned by the caller. */
static json_t *implicit_image(const char *path, const char *name)
{
	autofree char *dir = dir_name(path);
	autofree char *context = mem_asprintf("/%s", dir);
	json_t *o = json_object(), *meta = json_object(), *annotations = json_object(),
	       *spec = json_object();

	json_set(annotations, "recond.dev/implicit", json_text("true"));
	json_set(meta, "name", json_text(name));
	json_set(meta, "annotations", annotations);
	json_set(spec, "context", json_text(context));
	json_set(o, "apiVersion", json_text(kind_info(KIND_IMAGE)->api_version));
	json_set(o, "kind", json_text(kind_info(KIND_IMAGE)->name));
	json_set(o, "metadata", meta);
	json_set(o, "spec", spec);
	defaults_apply(KIND_IMAGE, o);
	return o;
}

static void add_implicit(struct manifest_state *s, size_t app, const char *path)
{
	struct manifest_app_state *a = &s->apps[app];
	autofree char *dir = dir_name(path);
	const char *name = *dir ? base_name(dir) : a->input->name;
	autofree char *key = NULL;
	const json_t *taken;

	if (format_check(FORMAT_DNS_SUBDOMAIN, name) || format_check(FORMAT_IMAGE_TAG, name)) {
		findings_add_text(
			&a->notes, path, 0, 0,
			"not built: an image can't be called as its directory is; an Image object can name it");
		return;
	}
	key = mem_asprintf("%s/default/%s", kind_info(KIND_IMAGE)->name, name);
	taken = json_object_get(s->names, key);
	if (taken) {
		const struct manifest_object *first = &s->objects[json_integer_value(taken)];
		autofree char *text = mem_asprintf(
			"would build an image %s, as does %s:%u; an Image object can give another name",
			name, first->file, first->line);

		findings_add_text(&a->errors, path, 1, 1, text);
		return;
	}
	(void)manifest_object_add(s, app, path, KIND_IMAGE, implicit_image(path, name));
	json_set(s->names, key, json_integer((json_int_t)s->n_objects - 1));
}

void manifest_image_add_implicit(struct manifest_state *s)
{
	for (size_t a = 0; a < s->n_apps; a++) {
		const char *const *paths = s->apps[a].input->dockerfiles;

		for (size_t i = 0; paths && paths[i]; i++)
			if (str_eq(base_name(paths[i]), "Dockerfile") &&
			    !json_is_true(json_object_get(s->dockerfiles, paths[i])))
				add_implicit(s, a, paths[i]);
	}
}

static void check_tag(struct manifest_state *s, size_t index, const char *tag)
{
	const struct manifest_object *o = &s->objects[index], *first;
	const json_t *known = json_object_get(s->tags, tag);
	autofree char *shown = NULL;
	autofree char *text = NULL;

	if (!known) {
		json_set(s->tags, tag, json_integer((json_int_t)index));
		return;
	}
	if ((size_t)json_integer_value(known) == index)
		return;
	first = &s->objects[json_integer_value(known)];
	shown = object_describe(o->object);
	text = mem_asprintf("%s: the tag %s is given by %s:%u already", shown, tag, first->file,
			    first->line);
	findings_add_text(&s->apps[o->app].errors, o->file, o->line, o->column, text);
}

void manifest_image_check_tags(struct manifest_state *s)
{
	for (size_t i = 0; i < s->n_objects; i++) {
		const json_t *tag;
		size_t t;

		if (s->objects[i].kind != KIND_IMAGE)
			continue;
		json_array_foreach(json_path(s->objects[i].object, "spec.tags"), t, tag) {
			check_tag(s, i, json_string_value(tag));
		}
	}
}
