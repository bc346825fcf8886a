/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by owner. A group that becomes empty is forgotten, so that the index is as large as what
 * lives.
 */
#include "reconciler/store_index.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "reconciler/object.h"

void store_index_init(struct store_index *x)
{
	x->by_owner = json_object();
	for (int k = 0; k < KIND_N_; k++)
		x->orphans[k] = json_object();
}

void store_index_deinit(struct store_index *x)
{
	json_decref(x->by_owner);
	for (int k = 0; k < KIND_N_; k++)
		json_decref(x->orphans[k]);
}

/* ---- keeping it ---- */

static bool is_indexed(const json_t *object)
{
	return object_kind(object) != KIND_EVENT; /* never owned, and the most numerous */
}

static void group_add(json_t *index, const char *key, json_t *object)
{
	json_t *group = json_object_get(index, key);

	if (!group) {
		group = json_object();
		json_set(index, key, group);
	}
	json_set(group, object_uid(object), json_incref(object));
}

static void group_remove(json_t *index, const char *key, const json_t *object)
{
	json_t *group = json_object_get(index, key);

	if (!group)
		return; /* two references to one owner */
	(void)json_object_del(group, object_uid(object));
	if (json_object_size(group) == 0)
		(void)json_object_del(index, key);
}

void store_index_add(struct store_index *x, json_t *object)
{
	json_t *ref;
	size_t i;

	assert(*object_uid(object));
	if (!is_indexed(object))
		return;
	json_array_foreach(json_path(object, "metadata.ownerReferences"), i, ref)
		group_add(x->by_owner, json_path_str(ref, "uid", ""), object);
	if (!object_controller_ref(object))
		group_add(x->orphans[object_kind(object)], object_namespace(object), object);
}

void store_index_remove(struct store_index *x, const json_t *object)
{
	json_t *ref;
	size_t i;

	assert(*object_uid(object));
	if (!is_indexed(object))
		return;
	json_array_foreach(json_path(object, "metadata.ownerReferences"), i, ref)
		group_remove(x->by_owner, json_path_str(ref, "uid", ""), object);
	if (!object_controller_ref(object))
		group_remove(x->orphans[object_kind(object)], object_namespace(object), object);
}

/* ---- asking it ---- */

struct named {
	const char *ns, *name;
	json_t *object;
};

static int compare_by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->name, y->name);
}

json_t *store_index_sorted(json_t *map, bool (*fits)(const json_t *object, const void *data),
			   const void *data)
{
	size_t n = 0;
	autofree struct named *sorted = mem_calloc(json_object_size(map) + 1, sizeof(*sorted));
	json_t *list = json_array(), *object;
	const char *key;

	json_object_foreach(map, key, object) {
		if (!fits || fits(object, data))
			sorted[n++] = (struct named){object_namespace(object), object_name(object),
						     object};
	}
	qsort(sorted, n, sizeof(*sorted), compare_by_name);
	for (size_t i = 0; i < n; i++)
		json_array_append(list, sorted[i].object);
	return list;
}

struct owned_filter {
	enum kind kind;
	const json_t *owner;
};

static bool is_owned(const json_t *object, const void *data)
{
	const struct owned_filter *f = data;

	return object_is_controlled_by(object, f->owner) && object_kind(object) == f->kind;
}

json_t *store_index_owned(const struct store_index *x, enum kind kind, const json_t *owner)
{
	struct owned_filter f = {kind, owner};

	assert(kind != KIND_EVENT);
	return store_index_sorted(json_object_get(x->by_owner, object_uid(owner)), is_owned, &f);
}

json_t *store_index_orphans(const struct store_index *x, enum kind kind, const char *ns)
{
	assert(kind != KIND_EVENT);
	return store_index_sorted(json_object_get(x->orphans[kind], ns), NULL, NULL);
}

json_t *store_index_dependents(const struct store_index *x, const char *uid)
{
	return store_index_sorted(json_object_get(x->by_owner, uid), NULL, NULL);
}
