/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an edit may be made, in Kubernetes' words where it has some.
 */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/strbuf.h"
#include "reconciler/diff.h"
#include "reconciler/edit_priv.h"
#include "reconciler/jobspec.h"
#include "reconciler/sync.h"
#include "reconciler/validate.h"

#define CAUSES_SHOWN 20

void edit_refuse(struct edit_result *ret, enum edit_code code, const char *fmt, ...)
{
	va_list ap;

	assert(code != EDIT_OK && code != EDIT_CREATED);
	free(ret->message);
	ret->code = code;
	va_start(ap, fmt);
	ret->message = mem_vasprintf(fmt, ap);
	va_end(ap);
}

void edit_warn(struct edit_result *ret, const char *fmt, ...)
{
	autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vasprintf(fmt, ap);
	va_end(ap);
	if (!ret->warnings)
		ret->warnings = json_array();
	json_array_append_new(ret->warnings, json_text(text));
}

char *edit_resource(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	return mem_asprintf("%s%s%s", info->plural, *info->group ? "." : "", info->group);
}

/* ---- validity ---- */

/* A finding is ": field: what" or ": what", as the document is not named again. */
static json_t *cause_of(const char *text)
{
	const char *field = str_skip_prefix(text, ": "), *what = strstr(field, ": ");
	autofree char *name = what ? mem_strndup(field, (size_t)(what - field)) : mem_strdup("");
	const char *message = what ? what + 2 : field;
	bool missing = str_has_suffix(message, "is missing");

	return json_pack("{s:s, s:o, s:o}", "reason",
			 missing ? "FieldValueRequired" : "FieldValueInvalid", "message",
			 json_text(message), "field", json_text(name));
}

static void invalid(enum kind kind, const char *name, json_t *causes_taken, struct edit_result *ret)
{
	const struct kind_info *info = kind_info(kind);
	size_t n = json_array_size(causes_taken), i;
	autostrbuf text = STRBUF_INIT;
	json_t *cause;

	json_array_foreach(causes_taken, i, cause) {
		const char *field = json_path_str(cause, "field", "");

		if (i == CAUSES_SHOWN) {
			strbuf_adds(&text, ", ...");
			break;
		}
		strbuf_addf(&text, "%s%s%s%s", i ? ", " : "", field, *field ? ": " : "",
			    json_path_str(cause, "message", ""));
	}
	edit_refuse(ret, EDIT_INVALID, "%s%s%s \"%s\" is invalid: %s%s%s", info->name,
		    *info->group ? "." : "", info->group, name, n > 1 ? "[" : "", strbuf_str(&text),
		    n > 1 ? "]" : "");
	json_decref(ret->causes);
	ret->causes = causes_taken;
}

/* DOC as a manifest would have it: what only a server writes is not looked at. */
static json_t *as_written(enum kind kind, const json_t *doc)
{
	json_t *copy = json_clone(doc);

	if (kind == KIND_JOB)
		jobspec_strip(copy);
	if (kind == KIND_POD)
		json_path_del(copy, "spec.nodeName");
	json_path_del(copy, "metadata.finalizers");
	return copy;
}

static bool had_note(const struct findings *before, const char *text)
{
	for (size_t i = 0; i < before->n; i++) {
		if (str_eq(before->items[i].text, text))
			return true;
	}
	return false;
}

static void validate(enum kind kind, const json_t *doc, struct findings *errors,
		     struct findings *notes)
{
	autojson *written = as_written(kind, doc);
	const struct validation v = {
		.at = {.object = ""}, .errors = errors, .notes = notes, .trusted = true};

	(void)validate_object(&v, kind, written);
}

bool edit_check(enum kind kind, const json_t *doc, const json_t *before, struct edit_result *ret)
{
	_cleanup_(findings_deinit) struct findings errors = {0}, notes = {0}, old_errors = {0},
						   old_notes = {0};
	json_t *causes = json_array();

	validate(kind, doc, &errors, &notes);
	if (before)
		validate(kind, before, &old_errors, &old_notes);
	for (size_t i = 0; i < notes.n; i++) {
		if (!had_note(&old_notes, notes.items[i].text))
			edit_warn(ret, "%s", str_skip_prefix(notes.items[i].text, ": "));
	}
	for (size_t i = 0; i < errors.n; i++)
		json_array_append_new(causes, cause_of(errors.items[i].text));
	if (errors.n == 0) {
		json_decref(causes);
		return true;
	}
	invalid(kind, object_name(doc), causes, ret);
	return false;
}

/* ---- changes ---- */

static bool pod_spec_changes(const json_t *live, const json_t *doc)
{
	return object_kind(live) == KIND_POD &&
	       !json_equal(json_object_get(live, "spec"), json_object_get(doc, "spec"));
}

/* What is on its way out may be let go, not held anew. */
static bool adds_finalizer(const json_t *live, const json_t *doc)
{
	json_t *f;
	size_t i;

	if (!object_deleting(live))
		return false;
	json_array_foreach(json_path(doc, "metadata.finalizers"), i, f) {
		if (!json_list_has(json_path(live, "metadata.finalizers"), json_string_value(f)))
			return true;
	}
	return false;
}

bool edit_check_change(const json_t *live, const json_t *doc, struct edit_result *ret)
{
	autofree char *frozen = diff_immutable(live, doc);
	const char *field = frozen, *message = "field is immutable";

	if (pod_spec_changes(live, doc)) {
		field = "spec";
		message =
			"Forbidden: a pod's spec cannot be changed: delete the pod, or change what made it";
	} else if (adds_finalizer(live, doc)) {
		field = "metadata.finalizers";
		message =
			"Forbidden: no new finalizers can be added if the object is being deleted";
	}
	if (!field)
		return true;
	invalid(object_kind(live), object_name(live),
		json_pack("[{s:s, s:s, s:s}]", "reason", "FieldValueInvalid", "message", message,
			  "field", field),
		ret);
	return false;
}

/* ---- surroundings ---- */

static void make_default(struct reconciler *r)
{
	autojson *ns = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:[s]}, s:{s:s}}", "apiVersion",
				 "v1", "kind", "Namespace", "metadata", "name", "default", "labels",
				 "kubernetes.io/metadata.name", "default", "spec", "finalizers",
				 "kubernetes", "status", "phase", "Active");

	(void)store_create(r->store, ns, NULL);
}

bool edit_check_namespace(struct reconciler *r, enum kind kind, const char *ns, bool dry_run,
			  struct edit_result *ret)
{
	const json_t *object = store_get(r->store, KIND_NAMESPACE, NULL, ns);
	autofree char *resource = edit_resource(kind);

	if (!kind_info(kind)->namespaced)
		return true;
	if (!object && str_eq(ns, "default")) {
		if (!dry_run)
			make_default(r);
		return true;
	}
	if (!object) {
		edit_refuse(ret, EDIT_NOT_FOUND, "namespaces \"%s\" not found", ns);
		return false;
	}
	if (object_deleting(object)) {
		edit_refuse(
			ret, EDIT_FORBIDDEN,
			"%s is forbidden: unable to create new content in namespace %s because it is being terminated",
			resource, ns);
		return false;
	}
	return true;
}

void edit_warn_owned(const json_t *live, struct edit_result *ret)
{
	const char *app = object_annotation(live, SYNC_ANNOTATION_APP);
	autofree char *what = object_describe(live);

	if (app)
		edit_warn(ret, "%s belongs to app '%s': what its source says is put back", what,
			  app);
}
