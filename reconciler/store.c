/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object store: every object in memory, every committed change in SQLite first. Pending changes
 * are collected between begin and commit; a commit writes them in one transaction, remembers them
 * for watchers that come back (a ring) and only then tells the watchers. What objects mean is not
 * known here.
 */
#include "reconciler/store.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "reconciler/object.h"
#include "reconciler/store_index.h"
#include "reconciler/store_names.h"
#include "reconciler/store_priv.h"

#define STORE_HISTORY 512
#define STORE_NAME_TRIES 16

struct change {
	enum store_event_type type;
	enum kind kind;
	uint64_t rv;
	json_t *object; /* owned reference */
	json_t *old;    /* owned reference; NULL unless modified */
	char *body;     /* as text, once it was written */
};

/* A change remembered for watchers that come back: as text, a tenth of the size of the parsed
 * object. */
struct past_change {
	enum store_event_type type;
	enum kind kind;
	uint64_t rv;
	char *body; /* NULL: the slot is free */
};

struct doc_change {
	char *bucket;
	char *key;
	json_t *doc; /* owned reference; NULL: deleted */
};

struct watcher {
	unsigned int id;
	store_watch_fn fn;
	void *data;
};

struct store {
	struct store_env env;
	struct store_db *db;      /* NULL: memory only */
	json_t *objects[KIND_N_]; /* "namespace/name" -> object */
	json_t *by_uid;           /* uid -> object */
	struct store_index index;
	json_t *docs; /* bucket -> { key -> doc } */
	uint64_t rv;
	bool in_transaction;
	struct change *changes;
	size_t n_changes, cap_changes;
	struct doc_change *doc_changes;
	size_t n_doc_changes, cap_doc_changes;
	struct past_change history[STORE_HISTORY]; /* ring, slot = counter modulo size */
	uint64_t n_history;
	uint64_t history_floor; /* changes up to this resourceVersion are forgotten */
	struct watcher *watchers;
	size_t n_watchers, cap_watchers;
	unsigned int next_watch_id;
};

static char *object_map_key(const char *ns, const char *name)
{
	size_t n_ns = ns ? strlen(ns) : 0, n_name = strlen(name);
	char *key = mem_alloc(n_ns + n_name + 2); /* by hand: every lookup makes one */

	if (n_ns > 0)
		memcpy(key, ns, n_ns);
	key[n_ns] = '/';
	memcpy(key + n_ns + 1, name, n_name + 1);
	return key;
}

static json_t *map_get(const struct store *s, enum kind kind, const char *ns, const char *name)
{
	autofree char *key = object_map_key(ns, name);

	return json_object_get(s->objects[kind], key);
}

static void map_put(struct store *s, enum kind kind, json_t *object)
{
	autofree char *key = object_map_key(object_namespace(object), object_name(object));
	const json_t *old = json_object_get(s->objects[kind], key);

	if (old)
		store_index_remove(&s->index, old);
	json_set(s->objects[kind], key, json_incref(object));
	json_set(s->by_uid, object_uid(object), json_incref(object));
	store_index_add(&s->index, object);
}

static void map_remove(struct store *s, enum kind kind, const char *key, const json_t *object)
{
	store_index_remove(&s->index, object);
	(void)json_object_del(s->by_uid, object_uid(object));
	(void)json_object_del(s->objects[kind], key);
}

static void load_object(void *data, const char *kind_name, const json_t *j)
{
	struct store *s = data;
	enum kind kind;

	if (kind_lookup(&kind, json_path_str(j, "apiVersion", ""), kind_name) != 1)
		return; /* written by a newer recond: kept in the file, unknown to this one */
	map_put(s, kind, (json_t *)(uintptr_t)j);
}

static void load_doc(void *data, const char *bucket, const char *key, const json_t *j)
{
	struct store *s = data;
	json_t *b = json_object_get(s->docs, bucket);

	if (!b) {
		b = json_object();
		json_set(s->docs, bucket, b);
	}
	json_set(b, key, json_incref((json_t *)(uintptr_t)j));
}

int store_open(struct store **ret, const char *path, const struct store_env *env, struct err *err)
{
	_cleanup_(store_freep) struct store *s = NEW(struct store);
	int r;

	assert(env && env->realtime_ns && env->random);
	s->env = *env;
	s->rv = 1;
	s->by_uid = json_object();
	s->docs = json_object();
	store_index_init(&s->index);
	for (int k = 0; k < KIND_N_; k++)
		s->objects[k] = json_object();
	if (path) {
		struct store_db_loader loader = {.object = load_object, .doc = load_doc, .data = s};

		r = store_db_open(&s->db, &s->rv, path, &loader, err);
		if (r < 0)
			return r;
	}
	s->history_floor = s->rv;
	*ret = TAKE_PTR(s);
	return 0;
}

static void change_clear(struct change *c)
{
	json_decref(c->object);
	json_decref(c->old);
	free(c->body);
	*c = (struct change){0};
}

static void doc_change_clear(struct doc_change *c)
{
	free(c->bucket);
	free(c->key);
	json_decref(c->doc);
}

struct store *store_free(struct store *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_changes; i++)
		change_clear(&s->changes[i]);
	for (size_t i = 0; i < s->n_doc_changes; i++)
		doc_change_clear(&s->doc_changes[i]);
	for (size_t i = 0; i < STORE_HISTORY; i++)
		free(s->history[i].body);
	for (int k = 0; k < KIND_N_; k++)
		json_decref(s->objects[k]);
	store_index_deinit(&s->index);
	json_decref(s->by_uid);
	json_decref(s->docs);
	store_db_free(s->db);
	free(s->changes);
	free(s->doc_changes);
	free(s->watchers);
	free(s);
	return NULL;
}

/* ---- lookups ---- */

const json_t *store_get(const struct store *s, enum kind kind, const char *ns, const char *name)
{
	return map_get(s, kind, kind_info(kind)->namespaced ? ns : "", name);
}

const json_t *store_get_uid(const struct store *s, const char *uid)
{
	return json_object_get(s->by_uid, uid);
}

static bool in_namespace(const json_t *object, const void *ns)
{
	return !strcmp(object_namespace(object), ns);
}

json_t *store_list(const struct store *s, enum kind kind, const char *ns)
{
	return store_index_sorted(s->objects[kind], ns ? in_namespace : NULL, ns);
}

json_t *store_owned(const struct store *s, enum kind kind, const json_t *owner)
{
	return store_index_owned(&s->index, kind, owner);
}

json_t *store_orphans(const struct store *s, enum kind kind, const char *ns)
{
	return store_index_orphans(&s->index, kind, ns);
}

json_t *store_dependents(const struct store *s, const char *uid)
{
	return store_index_dependents(&s->index, uid);
}

void store_each(const struct store *s, enum kind kind, const char *ns, store_each_fn fn, void *data)
{
	autojson *list = store_list(s, kind, ns);
	json_t *object;
	size_t i;

	json_array_foreach(list, i, object)
		fn(object, data);
}

int store_check(const struct store *s, struct err *err)
{
	return s->db ? store_db_check(s->db, err) : 0;
}

uint64_t store_resource_version(const struct store *s)
{
	return s->rv;
}

/* ---- writes ---- */

static void change_add(struct store *s, enum store_event_type type, json_t *object, json_t *old)
{
	GROW(s->changes, s->cap_changes, s->n_changes + 1);
	s->changes[s->n_changes++] = (struct change){type, object_kind(object), s->rv,
						     json_incref(object), json_incref(old)};
}

/* A write outside of begin and commit is a transaction of its own; its failure ends the process. */
static void autocommit(struct store *s)
{
	struct err err = {0};

	if (s->in_transaction)
		return;
	if (store_commit(s, &err) < 0)
		abort();
}

/* metadata.name from generateName: base cut to 58, five random characters; regenerated when taken.
 */
static void generate_name(struct store *s, enum kind kind, json_t *object)
{
	const char *base = json_path_str(object, "metadata.generateName", "");
	const char *ns = object_namespace(object);

	if (*object_name(object))
		return;
	assert(*base);
	for (int try = 0; try < STORE_NAME_TRIES; try++) {
		autofree char *name = NULL;
		char suffix[STORE_SUFFIX_SIZE];

		store_random_suffix(&s->env, suffix);
		name = mem_asprintf("%.58s%s", base, suffix);
		json_path_set_new(object, "metadata.name", json_text(name));
		if (!map_get(s, kind, ns, name))
			return;
	}
}

static void set_resource_version(struct store *s, json_t *object)
{
	autofree char *rv = mem_asprintf("%llu", (unsigned long long)++s->rv);

	json_path_set_new(object, "metadata.resourceVersion", json_text(rv));
}

int store_create(struct store *s, const json_t *object, const json_t **ret)
{
	autojson *o = json_clone(object);
	enum kind kind = object_kind(o);
	char uid[STORE_UID_SIZE], now[CLOCK_RFC3339_SIZE];
	const json_t *old;

	generate_name(s, kind, o);
	assert(*object_name(o));
	assert(!kind_info(kind)->namespaced || *object_namespace(o));
	old = map_get(s, kind, object_namespace(o), object_name(o));
	if (old) {
		if (ret)
			*ret = old;
		return 1;
	}
	store_random_uid(&s->env, uid);
	clock_format_rfc3339(now, s->env.realtime_ns(s->env.data));
	json_path_set_new(o, "metadata.uid", json_text(uid));
	json_path_set_new(o, "metadata.creationTimestamp", json_text(now));
	if (kind_info(kind)->generation)
		json_path_set_new(o, "metadata.generation", json_integer(1));
	set_resource_version(s, o);
	map_put(s, kind, o);
	change_add(s, STORE_ADDED, o, NULL);
	if (ret)
		*ret = o;
	autocommit(s);
	return 0;
}

static bool part_differs(const json_t *a, const json_t *b, const char *path)
{
	const json_t *x = json_path(a, path), *y = json_path(b, path);

	if (!x || !y)
		return x != y;
	return !json_equal(x, y);
}

/* Kubernetes bumps it for spec changes, for a Deployment's annotations too, and when deletion is
 * first requested. */
static bool wants_new_generation(enum kind kind, const json_t *old, const json_t *new)
{
	if (!kind_info(kind)->generation)
		return false;
	if (part_differs(old, new, "spec"))
		return true;
	if (kind == KIND_DEPLOYMENT && part_differs(old, new, "metadata.annotations"))
		return true;
	return !object_deleting(old) && object_deleting(new);
}

/* VALUE as it is to be kept: the OLD one when they are equal, so that versions of an object share
 * what did not change. */
static json_t *kept(const json_t *value, const json_t *old)
{
	return old && json_equal(value, old) ? json_incref((json_t *)(uintptr_t)old)
					     : json_clone(value);
}

/* What a write may not change. */
static void keep_member(json_t *o, const json_t *old, const char *key)
{
	json_t *value = json_object_get(old, key);

	if (value)
		json_set(o, key, json_incref(value));
	else
		(void)json_object_del(o, key);
}

static void keep_metadata(json_t *o, const json_t *old)
{
	static const char *const keys[] = {"uid", "creationTimestamp", "generation",
					   "resourceVersion"};
	autojson *metadata = json_clone(json_object_get(o, "metadata"));

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		keep_member(metadata, json_object_get(old, "metadata"), keys[i]);
	json_set(o, "metadata", TAKE_PTR(metadata));
}

/* The next version of OLD, by a caller's OBJECT. */
static json_t *next_version(const json_t *object, const json_t *old, bool main_resource)
{
	json_t *o = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		json_set(o, key, kept(value, json_object_get(old, key)));
	keep_metadata(o, old);
	if (main_resource)
		keep_member(o, old, "status");
	return o;
}

static int store_write(struct store *s, const json_t *object, bool main_resource)
{
	enum kind kind = object_kind(object);
	autojson *old =
		json_incref(map_get(s, kind, object_namespace(object), object_name(object)));
	autojson *o = NULL;

	if (!old)
		return 1;
	if (json_equal(object, old))
		return 0;
	o = next_version(object, old, main_resource);
	if (json_equal(o, old))
		return 0;
	if (main_resource && wants_new_generation(kind, old, o))
		json_path_set_new(o, "metadata.generation",
				  json_integer(json_path_int(old, "metadata.generation", 0) + 1));
	set_resource_version(s, o);
	map_put(s, kind, o);
	change_add(s, STORE_MODIFIED, o, old);
	autocommit(s);
	return 0;
}

int store_update(struct store *s, const json_t *object)
{
	return store_write(s, object, true);
}

int store_update_status(struct store *s, const json_t *object)
{
	return store_write(s, object, false);
}

int store_delete(struct store *s, enum kind kind, const char *ns, const char *name)
{
	autofree char *key = object_map_key(kind_info(kind)->namespaced ? ns : "", name);
	autojson *old = json_incref(json_object_get(s->objects[kind], key));
	autojson *last = NULL;

	if (!old)
		return 1;
	last = json_copy(old);
	json_set(last, "metadata", json_clone(json_object_get(old, "metadata")));
	set_resource_version(s, last);
	map_remove(s, kind, key, old);
	change_add(s, STORE_DELETED, last, NULL);
	autocommit(s);
	return 0;
}

/* ---- transactions ---- */

void store_begin(struct store *s)
{
	assert(!s->in_transaction);
	s->in_transaction = true;
}

static void write_changes(struct store *s)
{
	for (size_t i = 0; i < s->n_changes; i++) {
		struct change *c = &s->changes[i];
		const char *ns = object_namespace(c->object), *name = object_name(c->object);
		const char *kind = kind_info(c->kind)->name;

		if (c->type == STORE_DELETED) {
			store_db_delete_object(s->db, kind, ns, name);
		} else {
			c->body = json_compact(c->object);
			store_db_put_object(s->db, kind, ns, name, c->body);
		}
	}
	for (size_t i = 0; i < s->n_doc_changes; i++) {
		const struct doc_change *c = &s->doc_changes[i];
		autofree char *body = c->doc ? json_compact(c->doc) : NULL;

		if (body)
			store_db_put_doc(s->db, c->bucket, c->key, body);
		else
			store_db_delete_doc(s->db, c->bucket, c->key);
	}
}

static void history_add(struct store *s, struct change *c)
{
	struct past_change *slot = &s->history[s->n_history % STORE_HISTORY];
	char *body = c->body ? TAKE_PTR(c->body) : json_compact(c->object);

	if (slot->body)
		s->history_floor = slot->rv;
	free(slot->body);
	*slot = (struct past_change){c->type, c->kind, c->rv, body};
	s->n_history++;
}

static void tell_watchers(struct store *s, const struct change *c)
{
	struct store_event event = {c->type, c->kind, c->rv, c->object, c->old};

	for (size_t i = 0; i < s->n_watchers; i++) {
		if (s->watchers[i].fn)
			s->watchers[i].fn(&event, s->watchers[i].data);
	}
}

int store_commit(struct store *s, struct err *err)
{
	autofree struct change *changes = TAKE_PTR(s->changes);
	size_t n = s->n_changes;
	int r = 0;

	s->in_transaction = false;
	if (s->db && (n > 0 || s->n_doc_changes > 0)) {
		s->changes = changes; /* write_changes reads them in place */
		store_db_begin(s->db);
		write_changes(s);
		FAILPOINT("store.before_commit");
		r = store_db_commit(s->db, s->rv, err);
		FAILPOINT("store.after_commit");
		s->changes = NULL;
	}
	s->n_changes = s->cap_changes = 0;
	for (size_t i = 0; i < s->n_doc_changes; i++)
		doc_change_clear(&s->doc_changes[i]);
	s->n_doc_changes = 0;
	for (size_t i = 0; i < n; i++) {
		if (r == 0) {
			history_add(s, &changes[i]);
			tell_watchers(s, &changes[i]);
		}
		change_clear(&changes[i]);
	}
	return r;
}

/* ---- watching ---- */

unsigned int store_watch(struct store *s, store_watch_fn fn, void *data)
{
	size_t slot = 0;

	assert(fn);
	while (slot < s->n_watchers && s->watchers[slot].fn)
		slot++;
	if (slot == s->n_watchers) {
		GROW(s->watchers, s->cap_watchers, s->n_watchers + 1);
		s->n_watchers++;
	}
	s->watchers[slot] = (struct watcher){++s->next_watch_id, fn, data};
	return s->next_watch_id;
}

/* Leaves an empty slot instead of moving the others: a watcher may go while all are being told. */
void store_unwatch(struct store *s, unsigned int id)
{
	for (size_t i = 0; i < s->n_watchers; i++) {
		if (s->watchers[i].id == id)
			s->watchers[i] = (struct watcher){0};
	}
}

int store_replay(const struct store *s, enum kind kind, uint64_t since, store_watch_fn fn,
		 void *data)
{
	uint64_t first = s->n_history > STORE_HISTORY ? s->n_history - STORE_HISTORY : 0;

	if (since < s->history_floor)
		return 0;
	for (uint64_t i = first; i < s->n_history; i++) {
		const struct past_change *c = &s->history[i % STORE_HISTORY];
		autojson *object = NULL;

		if (c->rv <= since || c->kind != kind)
			continue;
		object = json_loads(c->body, 0, NULL);
		fn(&(struct store_event){c->type, c->kind, c->rv, object, NULL}, data);
	}
	return 1;
}

/* ---- documents ---- */

const json_t *store_doc_get(const struct store *s, const char *bucket, const char *key)
{
	return json_object_get(json_object_get(s->docs, bucket), key);
}

static void doc_change_add(struct store *s, const char *bucket, const char *key, json_t *doc)
{
	GROW(s->doc_changes, s->cap_doc_changes, s->n_doc_changes + 1);
	s->doc_changes[s->n_doc_changes++] = (struct doc_change){
		mem_strdup(bucket), mem_strdup(key), doc ? json_incref(doc) : NULL};
	autocommit(s);
}

void store_doc_put(struct store *s, const char *bucket, const char *key, const json_t *doc)
{
	autojson *copy = json_clone(doc);
	const json_t *old = store_doc_get(s, bucket, key);

	if (old && json_equal(old, copy))
		return;
	load_doc(s, bucket, key, copy);
	doc_change_add(s, bucket, key, copy);
}

void store_doc_delete(struct store *s, const char *bucket, const char *key)
{
	json_t *b = json_object_get(s->docs, bucket);

	if (!b || json_object_del(b, key) < 0)
		return;
	doc_change_add(s, bucket, key, NULL);
}

static void each_doc(const json_t *bucket,
		     void (*fn)(const char *key, const json_t *doc, void *data), void *data)
{
	autojson *snapshot = json_copy((json_t *)(uintptr_t)bucket);
	const char *key;
	json_t *doc;

	json_object_foreach(snapshot, key, doc)
		fn(key, doc, data);
}

void store_doc_each(const struct store *s, const char *bucket,
		    void (*fn)(const char *key, const json_t *doc, void *data), void *data)
{
	const char *name;
	json_t *b;

	if (bucket) {
		each_doc(json_object_get(s->docs, bucket), fn, data);
		return;
	}
	json_object_foreach(s->docs, name, b)
		each_doc(b, fn, data);
}
