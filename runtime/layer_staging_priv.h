/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories on their way to become layers: layers/.staging/<random>/fs. Whoever has one holds a
 * shared lock on .staging; what is found there by who gets the lock alone is a leftover of a killed
 * process.
 */
#pragma once

#include "base/err.h"
#include "runtime/layer.h"

struct layer_staging {
	struct image_store *store; /* borrowed */
	int fd;                    /* layers/.staging, locked; -1 when not begun */
	char name[33];             /* of our directory in it; "" once it is committed */
};

/* Begin: lock, and make the directory, empty. 0 or negative errno. */
int layer_staging_begin(struct layer_staging *ret, struct image_store *store, struct err *err);

/*
 * Sync the file system and give our directory, which must hold "fs", the name of DIFF_ID. 0 also
 * when that exists already: *ret_mine (may be NULL) tells. Negative errno.
 */
int layer_staging_commit(struct layer_staging *s, const char *diff_id, bool *ret_mine,
			 struct err *err);

/* Remove our directory unless it was committed, unlock. Idempotent. */
void layer_staging_deinit(struct layer_staging *s);

/*
 * Remove the unpacked layer whose diff_id has the digits HEX: renamed into the staging directory
 * first, so that a layer is there whole or not at all. 1, 0 when it was not there, negative errno.
 */
int layer_staging_discard(struct image_store *store, const char *hex, struct err *err);

/* Remove leftovers, unless somebody has a staging directory right now. 0 or negative errno. */
int layer_staging_collect(struct image_store *store, struct err *err);
