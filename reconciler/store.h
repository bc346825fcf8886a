/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects live: all of them in memory, every committed change in SQLite (WAL,
 * synchronous=FULL) before anyone hears of it. Gives out uid, resourceVersion, generation and
 * creationTimestamp, and tells watchers. Does not know what the objects mean.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/kind.h"

struct store;

/* Time and randomness for what the store gives out; see ports.h. */
struct store_env {
	int64_t (*realtime_ns)(void *data);
	void (*random)(void *data, void *buf, size_t n);
	void *data;
};

enum store_event_type { STORE_ADDED, STORE_MODIFIED, STORE_DELETED, STORE_EVENT_N_ };

/*
 * One committed change. OBJECT is the new state (the last one for a deletion), OLD the one before a
 * modification (NULL in a replay); both borrowed until return.
 */
struct store_event {
	enum store_event_type type;
	enum kind kind;
	uint64_t resource_version;
	const json_t *object;
	const json_t *old;
};

typedef void (*store_watch_fn)(const struct store_event *event, void *data);

/*
 * Open or create the database file PATH; NULL keeps everything in memory only (simulator, tests). 0
 * with *ret (owned by the caller), or negative errno: a damaged file is ERR_FATAL and names the
 * remedy.
 */
int store_open(struct store **ret, const char *path, const struct store_env *env, struct err *err);
struct store *store_free(struct store *s);
DEFINE_FREEP(struct store, store_free)

/*
 * Lookups. Objects are borrowed and stay valid until the next write of the same object. NULL when
 * absent.
 */
const json_t *store_get(const struct store *s, enum kind kind, const char *ns, const char *name);
const json_t *store_get_uid(const struct store *s, const char *uid);

/*
 * Call FN for every object of KIND, in NS or, when NS is NULL, in all; ordered by namespace, name.
 * FN may write other objects and this one; it sees what existed when the walk began.
 */
typedef void (*store_each_fn)(const json_t *object, void *data);
void store_each(const struct store *s, enum kind kind, const char *ns, store_each_fn fn,
		void *data);

/* A list of the same objects as a new JSON array of references. Owned by the caller. */
json_t *store_list(const struct store *s, enum kind kind, const char *ns);

/*
 * What belongs to an owner, through an index: costs what the answer holds, not what the store does.
 * New JSON arrays of references, by name; owned by the caller.
 * store_owned: the objects of KIND whose controller is OWNER. store_orphans: the objects of KIND in
 * NS that no controller owns. store_dependents: whatever names UID among its ownerReferences, of
 * any kind.
 */
json_t *store_owned(const struct store *s, enum kind kind, const json_t *owner);
json_t *store_orphans(const struct store *s, enum kind kind, const char *ns);
json_t *store_dependents(const struct store *s, const char *uid);

/*
 * Create OBJECT (borrowed, copied): metadata.name or generateName is required, the namespace too
 * for a namespaced kind. Returns 0 with *ret borrowed (may be a NULL pointer), 1 when an object of
 * that name exists (*ret is that one).
 */
int store_create(struct store *s, const json_t *object, const json_t **ret);

/*
 * Replace the object of the same kind, namespace and name by OBJECT (borrowed, copied). uid,
 * creationTimestamp and resourceVersion are the store's; generation is bumped where kind_info says
 * so and spec (or for Deployments annotations) changed. A write that changes nothing keeps the
 * resourceVersion. Returns 0, or 1 when it does not exist.
 */
int store_update(struct store *s, const json_t *object);

/*
 * As store_update for a change of status or metadata by a controller: never bumps the generation.
 */
int store_update_status(struct store *s, const json_t *object);

/*
 * Remove the object at once (grace, finalizers and cascades are the controllers' business). 0, or 1
 * when absent.
 */
int store_delete(struct store *s, enum kind kind, const char *ns, const char *name);

/*
 * Writes between begin and commit become one SQLite transaction; watchers are called at commit, in
 * order, after it is durable. Nesting is not allowed. A write outside of both is a transaction of
 * its own. A commit that fails (full disk, I/O error) leaves memory ahead of the disk: it returns a
 * negative errno with ERR fatal, and the caller stops the process, whose restart reads the last
 * durable state.
 */
void store_begin(struct store *s);
int store_commit(struct store *s, struct err *err);

/*
 * Read from the file, as proof that it can still be had. 0 (in memory: always), or negative errno
 * with ERR.
 */
int store_check(const struct store *s, struct err *err);

/* The resourceVersion of the newest change. */
uint64_t store_resource_version(const struct store *s);

/* Call FN for every later change. Returns an id for store_unwatch. FN must not write. */
unsigned int store_watch(struct store *s, store_watch_fn fn, void *data);
void store_unwatch(struct store *s, unsigned int id);

/*
 * Replay to FN the changes after resourceVersion SINCE that concern KIND. 1 when all of them are
 * still remembered, 0 when SINCE is too old (the API answers 410 Gone).
 */
int store_replay(const struct store *s, enum kind kind, uint64_t since, store_watch_fn fn,
		 void *data);

/*
 * A named document of recond's own beside the objects (ledger, effective sets), part of the same
 * transactions.
 */
const json_t *store_doc_get(const struct store *s, const char *bucket, const char *key);
void store_doc_put(struct store *s, const char *bucket, const char *key, const json_t *doc);
void store_doc_delete(struct store *s, const char *bucket, const char *key);
/* Call FN for each document of BUCKET, or of all buckets when it is NULL; FN must not add a bucket.
 */
void store_doc_each(const struct store *s, const char *bucket,
		    void (*fn)(const char *key, const json_t *doc, void *data), void *data);
