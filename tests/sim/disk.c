/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the store in memory. Implements reconciler/store_priv.h, so that its callers, from
 * store.c upwards, are the code that runs in the daemon.
 */
#include "tests/sim/disk.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/store_priv.h"

#define SEPARATOR '\n' /* in no kind, namespace, name, bucket or key */

struct row {
	bool object;
	char *key;
	char *body; /* NULL: deleted */
};

struct disk {
	json_t *objects; /* "kind\nnamespace\nname" -> text, in the order of insertion */
	json_t *docs;    /* "bucket\nkey" -> text */
	uint64_t resource_version;
	disk_commit_fn fn;
	void *data;
};

struct store_db {
	struct disk *disk;
	struct row *rows; /* of the open transaction */
	size_t n, cap;
};

static struct disk *inserted;
static unsigned int lie_every, n_commits;

struct disk *disk_new(disk_commit_fn fn, void *data)
{
	struct disk *d = NEW(struct disk);

	d->objects = json_object();
	d->docs = json_object();
	d->resource_version = 1;
	d->fn = fn;
	d->data = data;
	return d;
}

struct disk *disk_free(struct disk *d)
{
	if (!d)
		return NULL;
	if (inserted == d)
		inserted = NULL;
	json_decref(d->objects);
	json_decref(d->docs);
	free(d);
	return NULL;
}

void disk_lie(unsigned int n)
{
	lie_every = n;
}

void disk_insert(struct disk *d)
{
	inserted = d;
}

/* ---- as store_db.c ---- */

static void load(const struct disk *d, const struct store_db_loader *loader, bool objects)
{
	const char *key;
	json_t *text;

	json_object_foreach(objects ? d->objects : d->docs, key, text) {
		autostrlist parts = {0};
		autojson *j = json_loads(json_string_value(text), 0, NULL);

		assert(j);
		strlist_split(&parts, key, SEPARATOR);
		if (objects)
			loader->object(loader->data, parts.items[0], j);
		else
			loader->doc(loader->data, parts.items[0], parts.items[1], j);
	}
}

int store_db_open(struct store_db **ret, uint64_t *ret_rv, const char *path UNUSED,
		  const struct store_db_loader *loader, struct err *err UNUSED)
{
	struct store_db *db = NEW(struct store_db);

	assert(inserted);
	db->disk = inserted;
	load(db->disk, loader, true);
	load(db->disk, loader, false);
	*ret_rv = db->disk->resource_version;
	*ret = db;
	return 0;
}

static void forget_rows(struct store_db *db)
{
	for (size_t i = 0; i < db->n; i++) {
		free(db->rows[i].key);
		free(db->rows[i].body);
	}
	db->n = 0;
}

struct store_db *store_db_free(struct store_db *db)
{
	if (!db)
		return NULL;
	forget_rows(db);
	free(db->rows);
	free(db);
	return NULL;
}

int store_db_check(struct store_db *db UNUSED, struct err *err UNUSED)
{
	return 0;
}

void store_db_begin(struct store_db *db)
{
	assert(db->n == 0);
}

static void add_row(struct store_db *db, bool object, char *key_taken, const char *body)
{
	GROW(db->rows, db->cap, db->n + 1);
	db->rows[db->n++] = (struct row){object, key_taken, mem_strdup(body)};
}

static char *object_row(const char *kind, const char *ns, const char *name)
{
	return mem_asprintf("%s%c%s%c%s", kind, SEPARATOR, ns, SEPARATOR, name);
}

const char *disk_object(const struct disk *d, const char *kind, const char *ns, const char *name)
{
	autofree char *key = object_row(kind, ns, name);

	return json_string_value(json_object_get(d->objects, key));
}

void store_db_put_object(struct store_db *db, const char *kind, const char *ns, const char *name,
			 const char *body)
{
	add_row(db, true, object_row(kind, ns, name), body);
}

void store_db_delete_object(struct store_db *db, const char *kind, const char *ns, const char *name)
{
	add_row(db, true, object_row(kind, ns, name), NULL);
}

void store_db_put_doc(struct store_db *db, const char *bucket, const char *key, const char *body)
{
	add_row(db, false, mem_asprintf("%s%c%s", bucket, SEPARATOR, key), body);
}

void store_db_delete_doc(struct store_db *db, const char *bucket, const char *key)
{
	add_row(db, false, mem_asprintf("%s%c%s", bucket, SEPARATOR, key), NULL);
}

static void keep_rows(struct store_db *db, uint64_t rv)
{
	for (size_t i = 0; i < db->n; i++) {
		const struct row *row = &db->rows[i];
		json_t *table = row->object ? db->disk->objects : db->disk->docs;

		if (row->body)
			json_set(table, row->key, json_string_nocheck(row->body));
		else
			json_object_del(table, row->key);
	}
	db->disk->resource_version = rv;
}

int store_db_commit(struct store_db *db, uint64_t rv, struct err *err)
{
	enum disk_verdict verdict = db->disk->fn(db->disk->data);

	if (verdict == DISK_KEEP && !(lie_every && ++n_commits % lie_every == 0))
		keep_rows(db, rv);
	forget_rows(db);
	if (verdict != DISK_FAIL)
		return 0;
	return err_set(err, ERR_FATAL, EIO, "StoreFailed", "store: commit: told to fail");
}
