/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessors of Kubernetes-shaped JSON documents. Pure functions of their arguments; what a kind's
 * fields mean is schema.h's business, what a controller does with them is the controllers'.
 */
#include "reconciler/object.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/jobspec.h"
#include "reconciler/ownership.h"

static const json_t *meta(const json_t *o)
{
	return json_object_get(o, "metadata");
}

static const char *meta_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(meta(o), key));

	return s ? s : "";
}

const char *object_name(const json_t *o)
{
	return meta_str(o, "name");
}

const char *object_namespace(const json_t *o)
{
	return meta_str(o, "namespace");
}

const char *object_uid(const json_t *o)
{
	return meta_str(o, "uid");
}

const char *object_label(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(json_object_get(meta(o), "labels"), key));
}

const char *object_annotation(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(json_object_get(meta(o), "annotations"), key));
}

enum kind object_kind(const json_t *o)
{
	const char *api_version = json_string_value(json_object_get(o, "apiVersion"));
	const char *name = json_string_value(json_object_get(o, "kind"));
	enum kind kind = KIND_N_;
	int found;

	assert(api_version && name);
	found = kind_lookup(&kind, api_version, name);
	assert(found == 1);
	(void)found;
	return kind;
}

json_t *object_draft(const json_t *o)
{
	json_t *draft = json_copy((json_t *)(uintptr_t)o), *spec = json_object_get(o, "spec");

	json_set(draft, "metadata", json_clone(meta(o)));
	if (json_is_object(spec))
		json_set(draft, "spec", json_copy(spec));
	if (json_object_get(o, "status"))
		json_set(draft, "status", json_clone(json_object_get(o, "status")));
	return draft;
}

char *object_describe(const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *ns = object_namespace(o);

	if (!kind)
		kind = "?";
	if (*ns == '\0' || str_eq(ns, "default"))
		return mem_asprintf("%s/%s", kind, object_name(o));
	return mem_asprintf("%s/%s/%s", kind, ns, object_name(o));
}

bool object_deleting(const json_t *o)
{
	return json_is_string(json_object_get(meta(o), "deletionTimestamp"));
}

const json_t *object_controller_ref(const json_t *o)
{
	const json_t *ref;
	size_t i;

	json_array_foreach(json_object_get(meta(o), "ownerReferences"), i, ref) {
		if (json_is_true(json_object_get(ref, "controller")))
			return ref;
	}
	return NULL;
}

bool object_is_controlled_by(const json_t *o, const json_t *owner)
{
	const char *uid = json_string_value(json_object_get(object_controller_ref(o), "uid"));

	return uid && *uid && str_eq(uid, object_uid(owner));
}

json_t *object_owner_ref(const json_t *owner)
{
	json_t *ref = json_object();

	assert(*object_uid(owner));
	json_set(ref, "apiVersion", json_incref(json_object_get(owner, "apiVersion")));
	json_set(ref, "kind", json_incref(json_object_get(owner, "kind")));
	json_set(ref, "name", json_text(object_name(owner)));
	json_set(ref, "uid", json_text(object_uid(owner)));
	json_set(ref, "controller", json_true());
	json_set(ref, "blockOwnerDeletion", json_true());
	return ref;
}

void object_drop_controller(json_t *o)
{
	json_t *refs = json_path(o, "metadata.ownerReferences");

	for (size_t i = json_array_size(refs); i > 0; i--) {
		if (json_path_bool(json_array_get(refs, i - 1), "controller", false))
			(void)json_array_remove(refs, i - 1);
	}
	if (json_array_size(refs) == 0)
		json_path_del(o, "metadata.ownerReferences");
}

void object_set_controller(json_t *o, const json_t *owner)
{
	object_drop_controller(o);
	if (!json_path(o, "metadata.ownerReferences"))
		json_path_set_new(o, "metadata.ownerReferences", json_array());
	if (json_array_append_new(json_path(o, "metadata.ownerReferences"),
				  object_owner_ref(owner)) < 0)
		abort();
}

static bool value_in(const json_t *values, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v) {
		if (str_eq(json_string_value(v), s))
			return true;
	}
	return false;
}

/*
 * One matchExpressions entry. NotIn and DoesNotExist also select what lacks the key; an unknown
 * operator nothing.
 */
static bool expression_matches(const json_t *e, const json_t *labels)
{
	const char *key = json_string_value(json_object_get(e, "key"));
	const char *op = json_string_value(json_object_get(e, "operator"));
	const json_t *values = json_object_get(e, "values");
	const char *have;

	if (!key)
		return false;
	have = json_string_value(json_object_get(labels, key));
	if (str_eq(op, "In"))
		return have && value_in(values, have);
	if (str_eq(op, "NotIn"))
		return !have || !value_in(values, have);
	if (str_eq(op, "Exists"))
		return have;
	if (str_eq(op, "DoesNotExist"))
		return !have;
	return false;
}

bool object_selector_matches(const json_t *selector, const json_t *labels)
{
	const json_t *want;
	const char *key;
	size_t i;

	if (!json_is_object(selector))
		return false;
	json_object_foreach(json_object_get(selector, "matchLabels"), key, want) {
		if (!json_is_string(want) ||
		    !str_eq(json_string_value(json_object_get(labels, key)),
			    json_string_value(want)))
			return false;
	}
	json_array_foreach(json_object_get(selector, "matchExpressions"), i, want) {
		if (!expression_matches(want, labels))
			return false;
	}
	return true;
}

json_t *object_condition(const json_t *o, const char *type)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(o, "status"), "conditions"), i, c) {
		if (str_eq(json_string_value(json_object_get(c, "type")), type))
			return c;
	}
	return NULL;
}

/* The condition TYPE of O, added when missing. */
static json_t *condition_ensure(json_t *o, const char *type)
{
	json_t *c = object_condition(o, type);
	json_t *status = json_object_get(o, "status");
	json_t *list;

	if (c)
		return c;
	if (!json_is_object(status)) {
		status = json_object();
		json_set(o, "status", status);
	}
	list = json_object_get(status, "conditions");
	if (!json_is_array(list)) {
		list = json_array();
		json_set(status, "conditions", list);
	}
	c = json_object();
	json_set(c, "type", json_text(type));
	if (json_array_append_new(list, c) < 0)
		abort();
	return c;
}

/* Set KEY of C to the text VALUE; true when that changed it. An empty VALUE removes the member. */
static bool member_set(json_t *c, const char *key, const char *value)
{
	const char *have = json_string_value(json_object_get(c, key));

	if (!value || !*value) {
		if (!have)
			return false;
		(void)json_object_del(c, key);
		return true;
	}
	if (str_eq(have, value))
		return false;
	json_set(c, key, json_text(value));
	return true;
}

bool object_set_condition(json_t *o, const char *type, const char *status, const char *reason,
			  const char *message, const char *now)
{
	bool deployment = str_eq(json_string_value(json_object_get(o, "kind")), "Deployment");
	bool moved, changed;
	json_t *c;

	assert(json_is_object(o) && type && status && now);
	c = condition_ensure(o, type);
	moved = member_set(c, "status", status);
	changed = moved;
	changed |= member_set(c, "reason", reason);
	changed |= member_set(c, "message", message);
	if (moved)
		json_set(c, "lastTransitionTime", json_text(now));
	if (deployment && (changed || str_eq(type, "Progressing")))
		json_set(c, "lastUpdateTime", json_text(now));
	return changed;
}

void object_drop_condition(json_t *o, const char *type)
{
	json_t *status = json_object_get(o, "status");
	json_t *list = json_object_get(status, "conditions");

	for (size_t i = json_array_size(list); i > 0; i--) {
		if (str_eq(json_path_str(json_array_get(list, i - 1), "type", ""), type))
			(void)json_array_remove(list, i - 1);
	}
	if (list && json_array_size(list) == 0)
		(void)json_object_del(status, "conditions");
}

/* What the server and controllers write into metadata. */
static const char *const server_metadata[] = {
	"uid",
	"resourceVersion",
	"generation",
	"creationTimestamp",
	"deletionTimestamp",
	"selfLink",
	"managedFields",
	"ownerReferences",
	"finalizers",
	"deletionGracePeriodSeconds",
	"generateName",
};

/*
 * Annotations that book-keeping writes, on an object or on a pod template. recond.dev/implicit is
 * not one: it is part of what a source asks for.
 */
static const char *const server_annotations[] = {
	"deployment.kubernetes.io/revision",
	"deployment.kubernetes.io/revision-history",
	"deployment.kubernetes.io/desired-replicas",
	"deployment.kubernetes.io/max-replicas",
	"kubectl.kubernetes.io/last-applied-configuration",
	"recond.dev/app",
	"recond.dev/source",
	"recond.dev/config-hash",
	"recond.dev/image-digests",
};

bool object_is_bookkeeping(const char *annotation)
{
	for (size_t i = 0; i < ARRAY_SIZE(server_annotations); i++) {
		if (str_eq(server_annotations[i], annotation))
			return true;
	}
	return str_eq(annotation, "recond.dev/implicit") ||
	       str_eq(annotation, "recond.dev/was-available");
}

/* Remove the member KEY of J when it is an empty object. */
static void drop_empty(json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	if (json_is_null(v) || (json_is_object(v) && json_object_size(v) == 0))
		(void)json_object_del(j, key);
}

static void metadata_normalise(json_t *m)
{
	json_t *annotations = json_object_get(m, "annotations");

	for (size_t i = 0; i < ARRAY_SIZE(server_annotations); i++)
		if (json_is_object(annotations))
			(void)json_object_del(annotations, server_annotations[i]);
	drop_empty(m, "annotations");
	drop_empty(m, "labels");
	(void)json_object_del(m, "creationTimestamp");
}

static void namespace_normalise(json_t *o)
{
	json_t *labels = json_object_get(json_object_get(o, "metadata"), "labels");
	json_t *spec = json_object_get(o, "spec");

	if (json_is_object(labels))
		(void)json_object_del(labels, "kubernetes.io/metadata.name");
	if (json_is_object(spec))
		(void)json_object_del(spec, "finalizers");
	drop_empty(o, "spec");
}

json_t *object_normalised(const json_t *o)
{
	json_t *copy = json_clone(o);
	const char *kind = json_string_value(json_object_get(o, "kind"));
	json_t *m, *spec;

	if (!copy)
		abort();
	m = json_object_get(copy, "metadata");
	spec = json_object_get(copy, "spec");
	if (str_eq(kind, "Namespace"))
		namespace_normalise(copy);
	if (str_eq(kind, "Pod") && json_is_object(spec))
		(void)json_object_del(spec, "nodeName");
	if (str_eq(kind, "Job"))
		jobspec_strip(copy);
	(void)json_object_del(copy, "status");
	(void)json_object_del(copy, OWNERSHIP_DEFAULTED);
	for (size_t i = 0; i < ARRAY_SIZE(server_metadata); i++)
		if (json_is_object(m))
			(void)json_object_del(m, server_metadata[i]);
	if (json_is_object(m))
		metadata_normalise(m);
	m = json_object_get(json_object_get(spec, "template"), "metadata");
	if (json_is_object(m)) {
		metadata_normalise(m);
		drop_empty(json_object_get(spec, "template"), "metadata");
	}
	return copy;
}

void object_set_annotation(json_t *o, const char *key, const char *value)
{
	json_t *metadata = json_object_get(o, "metadata"), *annotations;

	if (!metadata) {
		metadata = json_object();
		json_set(o, "metadata", metadata);
	}
	annotations = json_object_get(metadata, "annotations");
	if (!annotations) {
		annotations = json_object();
		json_set(metadata, "annotations", annotations);
	}
	json_set(annotations, key, json_text(value));
}
