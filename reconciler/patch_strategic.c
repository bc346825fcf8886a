/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patch (kubernetes/apimachinery strategicpatch), by the schema. Where Kubernetes
 * merges ports by number alone and lets TCP and UDP on one number collapse, the protocol counts
 * here when a patch names it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/patch.h"
#include "reconciler/schema.h"

#define PATCH "$patch"
#define RETAIN "$retainKeys"
#define ORDER "$setElementOrder/"
#define DELETE_FROM "$deleteFromPrimitiveList/"

static int merge_object(json_t *target, const struct schema *s, const json_t *patch,
			struct err *err);

/* A copy of VALUE without directives; NULL members of objects mean nothing there. */
static json_t *plain(const json_t *value)
{
	json_t *copy, *v;
	const char *key;
	size_t i;

	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach(value, i, v)
			json_array_append_new(copy, plain(v));
		return copy;
	}
	if (!json_is_object(value))
		return json_clone(value);
	copy = json_object();
	json_object_foreach((json_t *)(uintptr_t)value, key, v) {
		if (*key != '$' && !json_is_null(v))
			json_set(copy, key, plain(v));
	}
	return copy;
}

static const char *directive(const json_t *value)
{
	return json_path_str(value, PATCH, "");
}

/* ---- keyed lists ---- */

/* The first part of a list's key: what Kubernetes merges by. Owned by the caller. */
static char *first_part(const char *list_key)
{
	return mem_strndup(list_key, strcspn(list_key, ","));
}

static bool same_value(const json_t *a, const json_t *b, const char *name)
{
	const json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x && y && json_equal(x, y);
}

/* Do A, of the document, and B, of the patch, mean one element? */
static bool same_element(const char *list_key, const json_t *a, const json_t *b)
{
	autofree char *first = first_part(list_key);
	autofree char *x = schema_element_key(list_key, a);
	autofree char *y = schema_element_key(list_key, b);

	if (str_eq(list_key, "="))
		return json_equal(a, b);
	if (str_eq(first, list_key) || !json_object_get(b, "protocol"))
		return same_value(a, b, first);
	return str_eq(x, y);
}

static size_t element_index(const char *list_key, const json_t *list, const json_t *element)
{
	size_t n = json_array_size(list), i = 0;

	while (i < n && !same_element(list_key, json_array_get(list, i), element))
		i++;
	return i;
}

static int merge_element(json_t *list, const struct schema_field *f, const json_t *element,
			 struct err *err)
{
	autofree char *key = first_part(f->list_key);
	size_t i = element_index(f->list_key, list, element);
	bool there = i < json_array_size(list);

	if (!str_eq(key, "=") && !json_object_get(element, key))
		return err_invalid(err, "%s: an element of the patch lacks its merge key '%s'",
				   f->name, key);
	if (str_eq(directive(element), "delete")) {
		if (there)
			(void)json_array_remove(list, i);
		return 0;
	}
	if (there && json_is_object(element) && !str_eq(directive(element), "replace"))
		return merge_object(json_array_get(list, i), f->object, element, err);
	if (there)
		(void)json_array_set_new(list, i, plain(element));
	else
		json_array_append_new(list, plain(element));
	return 0;
}

/* [{"$patch": "replace"}, ...]: the list is what else the patch has. */
static bool replaces_list(const json_t *patch)
{
	json_t *element;
	size_t i;

	json_array_foreach(patch, i, element) {
		if (json_object_size(element) == 1 && str_eq(directive(element), "replace"))
			return true;
	}
	return false;
}

static json_t *replaced_list(const json_t *patch)
{
	json_t *list = json_array(), *element;
	size_t i;

	json_array_foreach(patch, i, element) {
		if (!*directive(element))
			json_array_append_new(list, plain(element));
	}
	return list;
}

static int merge_list(json_t *target, const struct schema_field *f, const json_t *patch,
		      struct err *err)
{
	json_t *list = json_object_get(target, f->name), *element;
	size_t i;
	int r;

	if (!json_is_array(list) || replaces_list(patch)) {
		json_set(target, f->name, json_array());
		list = json_object_get(target, f->name);
	}
	if (replaces_list(patch)) {
		json_set(target, f->name, replaced_list(patch));
		return 0;
	}
	json_array_foreach(patch, i, element) {
		r = merge_element(list, f, element, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- directives beside a list ---- */

/* The list in the order that a patch asks for: what it names comes in its order, everything else
 * stays before what it stood before. */
static json_t *ordered(const struct schema_field *f, const json_t *list, const json_t *order)
{
	json_t *out = json_array(), *wanted;
	size_t n = json_array_size(list), next = 0, i;
	autofree bool *named = mem_calloc(n + 1, sizeof(*named));

	json_array_foreach(order, i, wanted) {
		size_t at = element_index(f->list_key, list, wanted);

		named[at < n ? at : n] = true;
	}
	json_array_foreach(order, i, wanted) {
		size_t at = element_index(f->list_key, list, wanted);

		for (; at < n && next < at; next++) {
			if (!named[next])
				json_array_append(out, json_array_get(list, next));
		}
		if (at < n && element_index(f->list_key, out, wanted) == json_array_size(out))
			json_array_append(out, json_array_get(list, at));
	}
	for (; next < n; next++) {
		if (!named[next])
			json_array_append(out, json_array_get(list, next));
	}
	return out;
}

static void set_order(json_t *target, const struct schema *s, const char *name, const json_t *order)
{
	const struct schema_field *f = s ? schema_field(s, name) : NULL;
	json_t *list = json_object_get(target, name);

	if (f && f->list_key && json_is_array(list) && json_is_array(order))
		json_set(target, name, ordered(f, list, order));
}

static void delete_values(json_t *target, const char *name, const json_t *values)
{
	json_t *list = json_object_get(target, name), *value;
	size_t i;

	json_array_foreach(values, i, value) {
		size_t at = element_index("=", list, value);

		if (at < json_array_size(list))
			(void)json_array_remove(list, at);
	}
}

static void retain(json_t *target, const json_t *keys)
{
	json_t *value;
	const char *key;
	void *next;

	json_object_foreach_safe(target, next, key, value) {
		autojson *name = json_text(key);

		if (element_index("=", keys, name) == json_array_size(keys))
			(void)json_object_del(target, key);
	}
}

/* ---- objects ---- */

static int merge_member(json_t *target, const struct schema *s, const char *key,
			const json_t *value, struct err *err)
{
	const struct schema_field *f = s ? schema_field(s, key) : NULL;
	json_t *there = json_object_get(target, key);

	if (json_is_null(value)) {
		(void)json_object_del(target, key);
		return 0;
	}
	if (json_is_array(value) && f && f->list_key)
		return merge_list(target, f, value, err);
	if (!json_is_object(value) || !json_is_object(there)) {
		json_set(target, key, plain(value));
		return 0;
	}
	if (str_eq(directive(value), "replace")) {
		json_set(target, key, plain(value));
		return 0;
	}
	if (str_eq(directive(value), "delete")) {
		(void)json_object_del(target, key);
		return 0;
	}
	return merge_object(there, f ? f->object : NULL, value, err);
}

static bool is_directive(const char *key)
{
	return *key == '$';
}

static int check_directive(const char *key, const json_t *value, struct err *err)
{
	static const char *const known[] = {"replace", "delete", "merge"};
	const char *what = json_string_value(value);

	if (str_eq(key, PATCH)) {
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (str_eq(what, known[i]))
				return 0;
		return err_invalid(err, "unknown $patch directive '%.40s'", what ? what : "?");
	}
	if (str_eq(key, RETAIN) || str_skip_prefix(key, ORDER) || str_skip_prefix(key, DELETE_FROM))
		return json_is_array(value) ? 0 : err_invalid(err, "%.100s must be a list", key);
	return err_invalid(err, "unknown directive '%.100s'", key);
}

/* First what the patch asks for, then what it says about lists as wholes. */
static int merge_object(json_t *target, const struct schema *s, const json_t *patch,
			struct err *err)
{
	const json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		r = is_directive(key) ? check_directive(key, value, err)
				      : merge_member(target, s, key, value, err);
		if (r < 0)
			return r;
	}
	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		if (str_skip_prefix(key, DELETE_FROM))
			delete_values(target, str_skip_prefix(key, DELETE_FROM), value);
		else if (str_skip_prefix(key, ORDER))
			set_order(target, s, str_skip_prefix(key, ORDER), value);
		else if (str_eq(key, RETAIN))
			retain(target, value);
	}
	return 0;
}

int patch_strategic(json_t **ret, enum kind kind, const json_t *doc, const json_t *patch,
		    struct err *err)
{
	autojson *target = json_clone(doc);
	int r;

	if (!json_is_object(patch))
		return err_invalid(err, "a strategic merge patch is an object");
	if (str_eq(directive(patch), "replace")) {
		*ret = plain(patch);
		return 0;
	}
	r = merge_object(target, schema_of(kind), patch, err);
	if (r == 0)
		*ret = TAKE_PTR(target);
	return r;
}
