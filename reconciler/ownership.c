/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership of fields. What the fields of a kind are, and what tells list elements apart, is said
 * by the schema; which structures are open for other people's fields, by the table below.
 */
#include "reconciler/ownership.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"
#include "reconciler/schema.h"

#define SHOWN_DIFFERENCES 5

/*
 * Structures whose members are owned one by one, by the name of their field; of lists the elements
 * are meant. Anything else is owned as a whole once any of it is stated: half of a probe or of a
 * volume from one hand and half from another would be neither.
 */
static const char *const open_fields[] = {
	"metadata", "labels",     "annotations",     "spec",           "template",
	"data",     "binaryData", "containers",      "initContainers", "limits",
	"requests", "resources",  "securityContext",
};

static bool is_open(const struct schema_field *f, const json_t *value)
{
	if (!f || (!json_is_object(value) && !json_is_array(value)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(open_fields); i++) {
		if (str_eq(f->name, open_fields[i]))
			return true;
	}
	return false;
}

/* ---- what defaults gave ---- */

static json_t *added(const json_t *stated, const json_t *complete);

static json_t *added_to_list(const json_t *stated, const json_t *complete)
{
	size_t n = json_array_size(complete);
	json_t *tree = json_array();
	bool any = false;

	for (size_t i = 0; i < n && json_array_size(stated) == n; i++) {
		json_t *sub = added(json_array_get(stated, i), json_array_get(complete, i));

		any |= sub != NULL;
		json_array_append_new(tree, sub ? sub : json_null());
	}
	if (any)
		return tree;
	json_decref(tree);
	return NULL;
}

/* The tree of what COMPLETE has and STATED has not; NULL for nothing. */
static json_t *added(const json_t *stated, const json_t *complete)
{
	json_t *tree, *value;
	const char *key;

	if (json_is_array(stated) && json_is_array(complete))
		return added_to_list(stated, complete);
	if (!json_is_object(stated) || !json_is_object(complete))
		return NULL;
	tree = json_object();
	json_object_foreach((json_t *)(uintptr_t)complete, key, value) {
		const json_t *said = json_object_get(stated, key);
		bool is_said = said && !json_is_null(said);
		json_t *sub = is_said ? added(said, value) : json_true();

		if (sub)
			json_set(tree, key, sub);
	}
	if (json_object_size(tree) > 0)
		return tree;
	json_decref(tree);
	return NULL;
}

json_t *ownership_defaulted(enum kind kind, const json_t *stated, const json_t *complete)
{
	autojson *said = json_clone(stated);
	const json_t *text = json_object_get(stated, "stringData");

	if (kind == KIND_SECRET && json_is_object(text)) { /* another way of stating data */
		if (!json_is_object(json_object_get(said, "data")))
			json_set(said, "data", json_object());
		(void)json_object_update(json_object_get(said, "data"), (json_t *)(uintptr_t)text);
	}
	return added(said, complete);
}

json_t *ownership_complete(const json_t *o)
{
	json_t *copy = json_clone(o);

	(void)json_object_del(copy, OWNERSHIP_DEFAULTED);
	return copy;
}

/* Remove from J what TREE says. */
static void remove_added(json_t *j, const json_t *tree)
{
	json_t *sub;
	const char *key;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)tree, key, sub) {
		if (json_is_true(sub))
			(void)json_object_del(j, key);
		else
			remove_added(json_object_get(j, key), sub);
	}
	json_array_foreach((json_t *)(uintptr_t)tree, i, sub)
		remove_added(json_array_get(j, i), sub);
}

static json_t *stated_part(const json_t *o)
{
	json_t *copy = ownership_complete(o);

	remove_added(copy, json_object_get(o, OWNERSHIP_DEFAULTED));
	return copy;
}

/* ---- the merge ---- */

/* One place in the four documents: what is there, what was and is stated, and what is to be there
 * with defaults. */
struct merge {
	const json_t *live, *last, *stated, *full;
};

static struct merge member(const struct merge *m, const char *key)
{
	return (struct merge){json_object_get(m->live, key), json_object_get(m->last, key),
			      json_object_get(m->stated, key), json_object_get(m->full, key)};
}

static json_t *merge_object(const struct schema *s, const struct merge *m);

static json_t *element_by_key(const json_t *list, const char *list_key, const char *key)
{
	json_t *element;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, element) {
		autofree char *k = schema_element_key(list_key, element);

		if (str_eq(k, key))
			return element;
	}
	return NULL;
}

/* Has each element of LIST a key, and one of its own? */
static bool keys_are_unique(const json_t *list, const char *list_key)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		autofree char *key = schema_element_key(list_key, json_array_get(list, i));

		if (!key || element_by_key(list, list_key, key) != json_array_get(list, i))
			return false;
	}
	return true;
}

static json_t *merge_element(const struct schema_field *f, const struct merge *m, size_t i)
{
	json_t *full = json_array_get(m->full, i);
	autofree char *key = schema_element_key(f->list_key, full);
	struct merge e = {element_by_key(m->live, f->list_key, key),
			  element_by_key(m->last, f->list_key, key), json_array_get(m->stated, i),
			  full};

	if (e.live && is_open(f, full))
		return merge_object(f->object, &e);
	return json_clone(full);
}

/* Other people's elements stay where they are as long as ours keep their order around them; else
 * ours come first. */
static json_t *merge_list(const struct schema_field *f, const struct merge *m)
{
	json_t *out = json_array(), *tail = json_array(), *element;
	size_t next = 0, n = json_array_size(m->full), i;

	json_array_foreach((json_t *)(uintptr_t)m->live, i, element) {
		autofree char *key = schema_element_key(f->list_key, element);
		autofree char *wanted =
			next < n ? schema_element_key(f->list_key, json_array_get(m->full, next))
				 : NULL;

		if (str_eq(key, wanted))
			json_array_append_new(out, merge_element(f, m, next++));
		else if (element_by_key(m->full, f->list_key, key))
			continue; /* out of order: it comes when it is its turn */
		else if (!element_by_key(m->last, f->list_key, key))
			json_array_append(next < n ? out : tail, element);
	}
	for (; next < n; next++)
		json_array_append_new(out, merge_element(f, m, next));
	json_array_extend(out, tail);
	json_decref(tail);
	return out;
}

static bool is_keyed(const struct schema_field *f, const struct merge *m)
{
	return f && f->list_key && json_is_array(m->live) && json_is_array(m->full) &&
	       json_array_size(m->stated) == json_array_size(m->full) &&
	       keys_are_unique(m->live, f->list_key) && keys_are_unique(m->full, f->list_key);
}

/* A field that is stated. */
static json_t *merge_stated(const struct schema_field *f, const struct merge *m)
{
	if (is_keyed(f, m))
		return merge_list(f, m);
	if (json_is_object(m->live) && json_is_object(m->full) && is_open(f, m->full))
		return merge_object(f->object, m);
	return json_clone(m->full);
}

/* A field that was stated and no longer is: NULL when nothing stays of it. */
static json_t *merge_released(const struct schema_field *f, const struct merge *m)
{
	autojson *empty = json_is_array(m->last) ? json_array() : json_object();
	struct merge rest = {m->live, m->last, empty, m->full ? m->full : empty};
	json_t *left = NULL;

	if (json_is_object(m->live) && json_is_object(m->last) && is_open(f, m->last))
		left = merge_object(f->object, &rest);
	else if (!m->full && is_keyed(f, &rest))
		left = merge_list(f, &rest);
	else if (m->full)
		return json_clone(m->full);
	if (left && !m->full && json_object_size(left) + json_array_size(left) == 0) {
		json_decref(left);
		return NULL;
	}
	return left;
}

/* S is NULL inside of maps with free keys. */
static json_t *merge_object(const struct schema *s, const struct merge *m)
{
	json_t *out = json_copy((json_t *)(uintptr_t)m->live), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)m->last, key, value) {
		struct merge sub = member(m, key);
		json_t *left;

		if (sub.stated)
			continue;
		left = merge_released(s ? schema_field(s, key) : NULL, &sub);
		if (left)
			json_set(out, key, left);
		else
			(void)json_object_del(out, key);
	}
	json_object_foreach((json_t *)(uintptr_t)m->full, key, value) {
		struct merge sub = member(m, key);

		if (sub.stated)
			json_set(out, key, merge_stated(s ? schema_field(s, key) : NULL, &sub));
		else if (!sub.live && !sub.last)
			json_set(out, key, json_clone(value));
	}
	return out;
}

json_t *ownership_merge(const json_t *live, const json_t *last, const json_t *desired)
{
	autojson *full = ownership_complete(desired), *stated = stated_part(desired);
	autojson *was = last ? stated_part(last) : json_object(), *merged = NULL;
	struct merge m = {live, was, stated, full};

	assert(object_kind(live) == object_kind(desired));
	merged = merge_object(schema_of(object_kind(desired)), &m);
	return json_clone(merged); /* parts were shared with LIVE */
}

/* ---- for people ---- */

struct differences {
	struct strbuf text;
	size_t n;
};

static void differ(struct differences *d, const char *path, const json_t *a, const json_t *b);

static void note(struct differences *d, const char *path)
{
	if (d->n++ < SHOWN_DIFFERENCES)
		strbuf_addf(&d->text, "%s%s", d->n > 1 ? ", " : "", path);
}

static char *below(const char *path, const char *key)
{
	return mem_asprintf("%s%s%s", path, *path ? "." : "", key);
}

static void differ_objects(struct differences *d, const char *path, const json_t *a,
			   const json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)a, key, value) {
		autofree char *sub = below(path, key);

		differ(d, sub, value, json_object_get(b, key));
	}
	json_object_foreach((json_t *)(uintptr_t)b, key, value) {
		autofree char *sub = below(path, key);

		if (!json_object_get(a, key))
			note(d, sub);
	}
}

static void differ(struct differences *d, const char *path, const json_t *a, const json_t *b)
{
	if (a && b && json_equal(a, b))
		return;
	if (json_is_object(a) && json_is_object(b)) {
		differ_objects(d, path, a, b);
		return;
	}
	if (!json_is_array(a) || !json_is_array(b) || json_array_size(a) != json_array_size(b)) {
		note(d, path);
		return;
	}
	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *name = json_path_str(json_array_get(a, i), "name", "");
		autofree char *sub = *name ? mem_asprintf("%s[%s]", path, name)
					   : mem_asprintf("%s[%zu]", path, i);

		differ(d, sub, json_array_get(a, i), json_array_get(b, i));
	}
}

char *ownership_differences(const json_t *a, const json_t *b)
{
	struct differences d = {0};

	differ(&d, "", a, b);
	if (d.n > SHOWN_DIFFERENCES)
		strbuf_addf(&d.text, " and %zu more", d.n - SHOWN_DIFFERENCES);
	return strbuf_take(&d.text);
}
