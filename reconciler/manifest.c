/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files to documents to objects: which documents are objects at all, of which kind, valid or not,
 * given twice or not.
 */
#include "reconciler/manifest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/defaults.h"
#include "reconciler/manifest_priv.h"
#include "reconciler/object.h"
#include "reconciler/ownership.h"
#include "reconciler/schema.h"
#include "reconciler/validate.h"
#include "reconciler/yaml.h"

#define LEFT_ALONE_MAX_NOTES 5

struct manifest_object *manifest_object_add(struct manifest_state *s, size_t app, const char *file,
					    enum kind kind, json_t *object)
{
	GROW(s->objects, s->cap_objects, s->n_objects + 1);
	s->objects[s->n_objects] = (struct manifest_object){
		.app = app,
		.file = mem_strdup(file),
		.line = 1,
		.column = 1,
		.kind = kind,
		.object = object,
	};
	return &s->objects[s->n_objects++];
}

/* ---- is it an object, and of which kind ---- */

/* May an object of KIND stand in what is decoded? */
static bool is_own(const struct manifest_state *s, int kind)
{
	const struct kind_info *info = kind_info((enum kind)kind);

	return s->input->configuration ? info->from_config : info->from_source;
}

/* Kinds of ours that a manifest may hold, NULL-terminated. */
static const char *const *own_kinds(const struct manifest_state *s)
{
	static const char *names[KIND_N_ + 1];
	size_t n = 0;

	for (int k = 0; k < KIND_N_; k++)
		if (is_own(s, k))
			names[n++] = kind_info((enum kind)k)->name;
	names[n] = NULL;
	return names;
}

static const char *own_api_version(const struct manifest_state *s, const char *kind)
{
	for (int k = 0; k < KIND_N_; k++)
		if (str_eq(kind_info((enum kind)k)->name, kind) && is_own(s, k))
			return kind_info((enum kind)k)->api_version;
	return NULL;
}

static bool is_foreign_kind(const char *kind)
{
	for (size_t i = 0; schema_foreign_kinds[i]; i++)
		if (str_eq(schema_foreign_kinds[i], kind))
			return true;
	return false;
}

/* A group with a dot that is not Kubernetes' own: a custom resource. */
static bool is_custom(const char *api_version)
{
	size_t group = strcspn(api_version, "/");

	return api_version[group] == '/' && memchr(api_version, '.', group) &&
	       !str_skip_prefix(api_version, "recond.dev/");
}

/* Say what is wrong with a kind that is not one of ours. */
static void unknown_kind(const struct manifest_state *s, struct manifest_app_state *a,
			 const struct finding_place *at, const char *api_version, const char *kind)
{
	const struct path path = {NULL, "kind", 0}, version_path = {NULL, "apiVersion", 0};
	const char *version = own_api_version(s, kind);
	const char *near = str_nearest(kind, own_kinds(s));

	if (version) {
		findings_add(&a->errors, at, &version_path, "'%.100s' has no %s (did you mean %s?)",
			     api_version, kind, version);
	} else if (!s->input->configuration && is_foreign_kind(kind)) {
		findings_add(
			&a->notes, at, &path,
			"%.100s %s is valid Kubernetes, but not supported yet: the object is left out",
			api_version, kind);
	} else if (!s->input->configuration && is_custom(api_version)) {
		findings_add(&a->notes, at, &path,
			     "%.100s %.100s is not known here: the object is left out", api_version,
			     kind);
	} else {
		findings_add(&a->errors, at, &path, "there is no kind '%.100s' in '%.100s'%s%s%s",
			     kind, api_version, near ? " (did you mean " : "", near ? near : "",
			     near ? "?)" : "");
	}
}

/* Note what is no object, a few times: a build context may be full of such files. Among the files
 * of the configuration it is a mistake. */
static void leave_alone(const struct manifest_state *s, struct manifest_app_state *a,
			const struct finding_place *at, const char *why)
{
	unsigned int line = at->mark ? at->mark->line : 0;
	unsigned int column = at->mark ? at->mark->column : 0;

	if (s->input->configuration)
		findings_add_text(&a->errors, at->file, line, column,
				  "not a Source (apiVersion: recond.dev/v1, kind: Source)");
	else if (a->n_left_alone++ < LEFT_ALONE_MAX_NOTES)
		findings_add_text(&a->notes, at->file, line, column, why);
}

/* A kind of ours in the wrong place. */
static void misplaced_kind(const struct manifest_state *s, struct manifest_app_state *a,
			   const struct finding_place *at, enum kind kind)
{
	const char *why = "is written by recond alone and can't stand in a manifest";

	if (s->input->configuration)
		why = "belongs in a source; a file of the configuration holds Source objects only";
	else if (kind_info(kind)->from_config)
		why = "belongs in recond's configuration (recond-source(5)), not in a source";
	findings_add(&a->errors, at, NULL, "%s", why);
}

/* ---- one object ---- */

/* What to call a document in messages before it is known to be an object. Owned by the caller. */
static char *describe(const json_t *j)
{
	const char *kind = json_string_value(json_object_get(j, "kind"));
	autofree char *text = NULL;

	if (!kind)
		return mem_strdup("document");
	if (!*object_name(j))
		return mem_strdup(kind);
	text = object_describe(j);
	return mem_strndup(text, strnlen(text, 300));
}

/* The first object of that name is remembered; a second one is an error that names both places. */
static void check_duplicate(struct manifest_state *s, size_t app, const struct finding_place *at,
			    size_t index)
{
	const struct manifest_object *o = &s->objects[index], *first;
	autofree char *key = mem_asprintf("%s/%s/%s", kind_info(o->kind)->name,
					  object_namespace(o->object), object_name(o->object));
	const json_t *known = json_object_get(s->names, key);

	if (!known) {
		json_set(s->names, key, json_integer((json_int_t)index));
		return;
	}
	first = &s->objects[json_integer_value(known)];
	if (first->app == app)
		findings_add(&s->apps[app].errors, at, NULL, "is there twice, first in %s:%u:%u",
			     first->file, first->line, first->column);
	else
		findings_add(
			&s->apps[app].errors, at, NULL, "belongs to the app %s already (%s:%u:%u)",
			s->apps[first->app].input->name, first->file, first->line, first->column);
}

/* Check and complete the document J, an object of KIND. */
static void object_decode(struct manifest_state *s, size_t app, const struct finding_place *at,
			  enum kind kind, const json_t *j)
{
	struct manifest_app_state *a = &s->apps[app];
	const struct validation v = {
		.at = *at, .errors = &a->errors, .notes = &a->notes, .policy = s->input->policy};
	struct manifest_object *o;
	json_t *complete;

	if (!s->input->configuration)
		manifest_settings_check(a, at, kind, j);
	if (validate_object(&v, kind, j) > 0)
		return;
	complete = object_normalised(j);
	defaults_apply(kind, complete);
	if (kind == KIND_IMAGE)
		manifest_image_resolve(s, app, at, complete);
	o = manifest_object_add(s, app, at->file, kind, complete);
	o->line = at->mark->line;
	o->column = at->mark->column;
	o->defaulted = ownership_defaulted(kind, j, complete);
	check_duplicate(s, app, at, s->n_objects - 1);
}

static void document_decode(struct manifest_state *s, size_t app, const char *file, const json_t *j,
			    const struct mark *mark);

/* A List (or DeploymentList, ...) is its items. */
static void list_decode(struct manifest_state *s, size_t app, const struct finding_place *at,
			const json_t *j)
{
	const struct path items = {NULL, "items", 0};
	const json_t *list = json_object_get(j, "items"), *item;
	size_t i;

	if (!json_is_array(list)) {
		findings_add(&s->apps[app].errors, at, &items, "must be a list");
		return;
	}
	json_array_foreach(list, i, item) {
		const struct path path = {&items, NULL, i};

		if (json_is_object(json_object_get(item, "items")))
			findings_add(&s->apps[app].errors, at, &path, "a list in a list");
		else
			document_decode(s, app, at->file, item, mark_find(at->mark, &path));
	}
}

static bool is_list_kind(const char *kind, const json_t *j)
{
	return str_has_suffix(kind, "List") && json_object_get(j, "items");
}

static void document_decode(struct manifest_state *s, size_t app, const char *file, const json_t *j,
			    const struct mark *mark)
{
	struct manifest_app_state *a = &s->apps[app];
	const json_t *api_version = json_object_get(j, "apiVersion"),
		     *name = json_object_get(j, "kind");
	autofree char *shown = describe(j);
	const struct finding_place at = {.file = file, .mark = mark, .object = shown};
	enum kind kind;

	if (!api_version && !name) {
		leave_alone(s, a, &at,
			    "not a Kubernetes object (no apiVersion, no kind): left alone");
		return;
	}
	if (!json_is_string(api_version) || !json_is_string(name)) {
		findings_add(&a->errors, &at, NULL, "%s must be a string",
			     json_is_string(name) ? "apiVersion" : "kind");
		return;
	}
	if (is_list_kind(json_string_value(name), j))
		list_decode(s, app, &at, j);
	else if (!kind_lookup(&kind, json_string_value(api_version), json_string_value(name)))
		unknown_kind(s, a, &at, json_string_value(api_version), json_string_value(name));
	else if (kind == KIND_APP && !s->input->configuration)
		manifest_settings_decode(a, &at, j);
	else if (!is_own(s, kind))
		misplaced_kind(s, a, &at, kind);
	else
		object_decode(s, app, &at, kind, j);
}

/* ---- one file ---- */

/* Does a line of TEXT begin with "apiVersion:" or "kind:", quoted or not? Tells a broken manifest
 * from other files. */
static bool looks_like_manifest(const char *text, size_t n)
{
	static const char *const words[] = {"apiVersion", "kind"};

	for (size_t i = 0; i < n;) {
		const char *end = memchr(text + i, '\n', n - i);

		while (i < n && text[i] && strchr(" \t-{\"'", text[i]))
			i++;
		for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
			size_t len = strlen(words[w]);

			if (n - i > len && !memcmp(text + i, words[w], len) && text[i + len] &&
			    strchr("\"': ", text[i + len]))
				return true;
		}
		i = end ? (size_t)(end - text) + 1 : n;
	}
	return false;
}

static bool mentions(const struct manifest_file *file, const char *word)
{
	return memmem(file->content, file->len, word, strlen(word));
}

static void file_decode(struct manifest_state *s, size_t app, const struct manifest_file *file)
{
	const struct finding_place at = {.file = file->path};
	struct manifest_app_state *a = &s->apps[app];
	struct yaml_file f;

	if (!s->input->configuration && !mentions(file, "apiVersion") && !mentions(file, "kind")) {
		leave_alone(s, a, &at, "not a Kubernetes object: left alone");
		return;
	}
	if (++s->files > MANIFEST_MAX_FILES || (s->bytes += file->len) > MANIFEST_INPUT_MAX_BYTES) {
		findings_add_text(&a->errors, file->path, 0, 0,
				  "the source has too many manifests (2000 files, 10 MiB)");
		return;
	}
	(void)yaml_read(&f, file->content, file->len);
	if (f.n_errors && !s->input->configuration &&
	    !looks_like_manifest(file->content, file->len)) {
		leave_alone(s, a, &at, "not readable, and not a manifest by its looks: left alone");
		yaml_file_deinit(&f);
		return;
	}
	for (size_t i = 0; i < f.n_errors; i++)
		findings_add_text(&a->errors, file->path, f.errors[i].line, f.errors[i].column,
				  f.errors[i].message);
	for (size_t i = 0; i < f.n_documents; i++)
		document_decode(s, app, file->path, f.documents[i].value, &f.documents[i].mark);
	yaml_file_deinit(&f);
}

/* ---- a revision ---- */

static void dockerfiles_note(struct manifest_state *s, const struct manifest_app *app)
{
	if (!app->dockerfiles)
		return;
	for (size_t i = 0; app->dockerfiles[i]; i++)
		json_set(s->dockerfiles, app->dockerfiles[i], json_false());
}

static json_t *objects_json(const struct manifest_state *s, size_t app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_objects; i++) {
		const struct manifest_object *o = &s->objects[i];
		json_t *entry;

		if (o->app != app)
			continue;
		entry = json_object();
		json_set(entry, "file", json_text(o->file));
		json_set(entry, "line", json_integer(o->line));
		json_set(entry, "column", json_integer(o->column));
		json_set(entry, "object", json_incref(o->object));
		if (o->defaulted)
			json_set(entry, OWNERSHIP_DEFAULTED, json_incref(o->defaulted));
		(void)json_array_append_new(list, entry);
	}
	return list;
}

static json_t *app_json(struct manifest_state *s, size_t app)
{
	struct manifest_app_state *a = &s->apps[app];
	json_t *j = json_object();
	json_t *notes = findings_to_json(&a->notes);

	if (a->n_left_alone > LEFT_ALONE_MAX_NOTES) {
		autofree char *more = mem_asprintf(
			"%zu more files or documents are not Kubernetes objects: left alone",
			a->n_left_alone - LEFT_ALONE_MAX_NOTES);

		(void)json_array_append_new(notes, json_text(more));
	}
	json_set(j, "name", json_text(a->input->name));
	json_set(j, "objects", a->errors.n ? json_array() : objects_json(s, app));
	json_set(j, "errors", findings_to_json(&a->errors));
	json_set(j, "notes", notes);
	if (a->settings)
		json_set(j, "settings", json_incref(a->settings));
	return j;
}

static void state_deinit(struct manifest_state *s)
{
	for (size_t i = 0; i < s->n_objects; i++) {
		free(s->objects[i].file);
		json_decref(s->objects[i].object);
		json_decref(s->objects[i].defaulted);
	}
	for (size_t i = 0; i < s->n_apps; i++) {
		findings_deinit(&s->apps[i].errors);
		findings_deinit(&s->apps[i].notes);
		json_decref(s->apps[i].settings);
	}
	free(s->objects);
	free(s->apps);
	json_decref(s->names);
	json_decref(s->tags);
	json_decref(s->dockerfiles);
}

json_t *manifest_decode(const struct manifest_input *input)
{
	struct manifest_state s = {
		.input = input,
		.apps = mem_calloc(input->n_apps + 1, sizeof(*s.apps)),
		.n_apps = input->n_apps,
		.names = json_object(),
		.tags = json_object(),
		.dockerfiles = json_object(),
	};
	json_t *list = json_array();
	json_t *result = json_object();

	for (size_t a = 0; a < s.n_apps; a++) {
		s.apps[a].input = &input->apps[a];
		dockerfiles_note(&s, &input->apps[a]);
	}
	for (size_t a = 0; a < s.n_apps; a++)
		for (size_t f = 0; f < input->apps[a].n_files; f++)
			file_decode(&s, a, &input->apps[a].files[f]);
	manifest_image_add_implicit(&s);
	manifest_image_check_tags(&s);
	for (size_t a = 0; a < s.n_apps; a++)
		(void)json_array_append_new(list, app_json(&s, a));
	json_set(result, "apps", list);
	state_deinit(&s);
	return result;
}
