/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite behind the store: WAL with synchronous=FULL, so that a committed transaction survives a
 * power cut, and 16 KiB pages, because an object is about 2 KB. Only rows here; what they mean is
 * store.c's business.
 */
#include "reconciler/store_priv.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

#include "base/json.h"

#define STORE_DB_VERSION 1
#define STORE_DB_MAX_ROW (8u << 20)
#define DAMAGE_REMEDY                                                                              \
	"move the file away to start from the sources again; running pods are then replaced"

enum statement {
	ST_PUT_OBJECT,
	ST_DELETE_OBJECT,
	ST_PUT_DOC,
	ST_DELETE_DOC,
	ST_PUT_RV,
	ST_N_,
};

/* clang-format off */
static const char *const statement_sql[ST_N_] = {
	[ST_PUT_OBJECT]    = "INSERT INTO objects(kind, namespace, name, body) VALUES(?1, ?2, ?3, ?4) "
	                     "ON CONFLICT(kind, namespace, name) DO UPDATE SET body = excluded.body",
	[ST_DELETE_OBJECT] = "DELETE FROM objects WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
	[ST_PUT_DOC]       = "INSERT INTO docs(bucket, key, body) VALUES(?1, ?2, ?3) "
	                     "ON CONFLICT(bucket, key) DO UPDATE SET body = excluded.body",
	[ST_DELETE_DOC]    = "DELETE FROM docs WHERE bucket = ?1 AND key = ?2",
	[ST_PUT_RV]        = "UPDATE meta SET resource_version = ?1",
};
/* clang-format on */

static const char schema_sql[] =
	"BEGIN;"
	"CREATE TABLE objects(id INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
	" namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,"
	" UNIQUE(kind, namespace, name));"
	"CREATE TABLE docs(id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,"
	" body TEXT NOT NULL, UNIQUE(bucket, key));"
	"CREATE TABLE meta(resource_version INTEGER NOT NULL);"
	"INSERT INTO meta VALUES(1);"
	"PRAGMA user_version = 1;"
	"COMMIT;";

struct store_db {
	sqlite3 *db;
	sqlite3_stmt *st[ST_N_];
	int failed; /* first SQLite error of the open transaction, SQLITE_OK when none */
	char failure[256];
	char *path;
};

/* What SQLite's error CODE with its TEXT means for the file at PATH, and what helps. */
static int file_error(struct err *err, int code, const char *path, const char *text)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ERR_FATAL, ENOSPC, "StoreFull",
			       "%s: %s: free space on its file system, what runs goes on", path,
			       text);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_FATAL, EUCLEAN, "StoreDamaged", "%s: %s: " DAMAGE_REMEDY,
			       path, text);
	default:
		return err_set(err, ERR_FATAL, EIO, "StoreFailed", "%s: %s", path, text);
	}
}

static int db_error(struct store_db *db, struct err *err)
{
	return file_error(err, sqlite3_extended_errcode(db->db), db->path, sqlite3_errmsg(db->db));
}

static int db_exec(struct store_db *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, err);
	return 0;
}

static int db_number(struct store_db *db, uint64_t *ret, const char *sql, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int r = -EIO;

	if (sqlite3_prepare_v2(db->db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW) {
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
		r = 0;
	} else {
		r = db_error(db, err);
	}
	sqlite3_finalize(st);
	return r;
}

static int db_prepare_schema(struct store_db *db, struct err *err)
{
	uint64_t version = 0;
	int r;

	r = db_exec(
		db,
		"PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA foreign_keys = ON; PRAGMA cache_size = -1024;",
		err);
	if (r < 0)
		return r;
	r = db_number(db, &version, "PRAGMA user_version", err);
	if (r < 0)
		return r;
	if (version == 0)
		return db_exec(db, schema_sql, err);
	if (version != STORE_DB_VERSION)
		return err_set(
			err, ERR_FATAL, EPROTO, "StoreVersion",
			"%s: the store has format %llu, this recond knows %d: install the version that wrote it",
			db->path, (unsigned long long)version, STORE_DB_VERSION);
	return 0;
}

static int db_load_row(const struct store_db_loader *loader, sqlite3_stmt *st, bool objects,
		       const char *path, struct err *err)
{
	const char *a = (const char *)sqlite3_column_text(st, 0);
	const char *b = (const char *)sqlite3_column_text(st, 1);
	const char *body = (const char *)sqlite3_column_text(st, 2);
	autojson *j = NULL;
	int r;

	r = json_parse(&j, body, (size_t)sqlite3_column_bytes(st, 2), STORE_DB_MAX_ROW, err);
	if (r < 0)
		return err_set(err, ERR_FATAL, EUCLEAN, "StoreDamaged",
			       "%s: row '%s' '%s' is not valid JSON: " DAMAGE_REMEDY, path, a, b);
	if (objects)
		loader->object(loader->data, a, j);
	else
		loader->doc(loader->data, a, b, j);
	return 0;
}

static int db_load(struct store_db *db, const struct store_db_loader *loader, bool objects,
		   struct err *err)
{
	const char *sql = objects ? "SELECT kind, name, body FROM objects ORDER BY id"
				  : "SELECT bucket, key, body FROM docs ORDER BY id";
	sqlite3_stmt *st = NULL;
	int r = 0, s;

	if (sqlite3_prepare_v2(db->db, sql, -1, &st, NULL) != SQLITE_OK)
		return db_error(db, err);
	while (r == 0 && (s = sqlite3_step(st)) == SQLITE_ROW)
		r = db_load_row(loader, st, objects, db->path, err);
	if (r == 0 && s != SQLITE_DONE)
		r = db_error(db, err);
	sqlite3_finalize(st);
	return r;
}

int store_db_open(struct store_db **ret, uint64_t *ret_rv, const char *path,
		  const struct store_db_loader *loader, struct err *err)
{
	_cleanup_(store_db_freep) struct store_db *db = NEW(struct store_db);
	uint64_t rv = 0;
	int r;

	db->path = mem_strdup(path);
	/* One thread: no locks around every call. */
	if (sqlite3_open_v2(path, &db->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return db_error(db, err);
	r = db_prepare_schema(db, err);
	if (r < 0)
		return r;
	r = db_number(db, &rv, "SELECT resource_version FROM meta", err);
	if (r == 0)
		r = db_load(db, loader, true, err);
	if (r == 0)
		r = db_load(db, loader, false, err);
	if (r < 0)
		return r;
	for (int i = 0; i < ST_N_; i++) {
		if (sqlite3_prepare_v2(db->db, statement_sql[i], -1, &db->st[i], NULL) != SQLITE_OK)
			return db_error(db, err);
	}
	*ret_rv = rv;
	*ret = TAKE_PTR(db);
	return 0;
}

struct store_db *store_db_free(struct store_db *db)
{
	if (!db)
		return NULL;
	for (int i = 0; i < ST_N_; i++)
		sqlite3_finalize(db->st[i]);
	sqlite3_close(db->db);
	free(db->path);
	free(db);
	return NULL;
}

static void db_note_failure(struct store_db *db)
{
	if (db->failed != SQLITE_OK)
		return;
	db->failed = sqlite3_extended_errcode(db->db);
	(void)snprintf(db->failure, sizeof(db->failure), "%s", sqlite3_errmsg(db->db));
}

static void db_run(struct store_db *db, enum statement which, const char *const *args, size_t n)
{
	sqlite3_stmt *st = db->st[which];

	if (db->failed != SQLITE_OK)
		return;
	for (size_t i = 0; i < n; i++)
		(void)sqlite3_bind_text(st, (int)i + 1, args[i], -1, SQLITE_STATIC);
	if (sqlite3_step(st) != SQLITE_DONE)
		db_note_failure(db);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

void store_db_begin(struct store_db *db)
{
	db->failed = SQLITE_OK;
	if (sqlite3_exec(db->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		db_note_failure(db);
}

void store_db_put_object(struct store_db *db, const char *kind, const char *ns, const char *name,
			 const char *body)
{
	db_run(db, ST_PUT_OBJECT, (const char *const[]){kind, ns, name, body}, 4);
}

void store_db_delete_object(struct store_db *db, const char *kind, const char *ns, const char *name)
{
	db_run(db, ST_DELETE_OBJECT, (const char *const[]){kind, ns, name}, 3);
}

void store_db_put_doc(struct store_db *db, const char *bucket, const char *key, const char *body)
{
	db_run(db, ST_PUT_DOC, (const char *const[]){bucket, key, body}, 3);
}

void store_db_delete_doc(struct store_db *db, const char *bucket, const char *key)
{
	db_run(db, ST_DELETE_DOC, (const char *const[]){bucket, key}, 2);
}

int store_db_commit(struct store_db *db, uint64_t rv, struct err *err)
{
	char number[24];

	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)rv);
	db_run(db, ST_PUT_RV, (const char *const[]){number}, 1);
	if (db->failed == SQLITE_OK &&
	    sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	db_note_failure(db);
	(void)sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
	return file_error(err, db->failed, db->path, db->failure);
}

int store_db_check(struct store_db *db, struct err *err)
{
	uint64_t rv;

	return db_number(db, &rv, "SELECT resource_version FROM meta", err);
}
