/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database half of the store: one SQLite file, two tables. Knows rows, not objects' meaning;
 * store.c is the only caller.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct store_db;

/* What loading finds: called once per row. J is borrowed. */
struct store_db_loader {
	void (*object)(void *data, const char *kind, const json_t *j);
	void (*doc)(void *data, const char *bucket, const char *key, const json_t *j);
	void *data;
};

/*
 * Open or create PATH, check it, load every row through LOADER and the last resourceVersion into
 * *ret_rv. 0 with *ret, or negative errno.
 */
int store_db_open(struct store_db **ret, uint64_t *ret_rv, const char *path,
		  const struct store_db_loader *loader, struct err *err);
struct store_db *store_db_free(struct store_db *db);
DEFINE_FREEP(struct store_db, store_db_free)

/* One transaction. Any failure between begin and commit is remembered and returned by commit, which
 * rolls back. */
void store_db_begin(struct store_db *db);
void store_db_put_object(struct store_db *db, const char *kind, const char *ns, const char *name,
			 const char *body);
void store_db_delete_object(struct store_db *db, const char *kind, const char *ns,
			    const char *name);
void store_db_put_doc(struct store_db *db, const char *bucket, const char *key, const char *body);
void store_db_delete_doc(struct store_db *db, const char *bucket, const char *key);
int store_db_commit(struct store_db *db, uint64_t rv, struct err *err);

/* One read of the file. 0, or negative errno with ERR. */
int store_db_check(struct store_db *db, struct err *err);
