/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-git, inside: reading one commit out of an object database, by libgit2. No repository is
 * opened: no configuration, no refs, no hooks, no work tree, no alternates.
 */
#pragma once

#include <git2.h>
#include <jansson.h>

#include "base/err.h"
#include "watch/wire_priv.h"

#define GITDB_BLOB_MAX (64u << 20)          /* bytes of one object */
#define GITDB_BYTES_MAX ((uint64_t)4 << 30) /* bytes of all objects read in one run */

struct gitdb {
	struct wire wire;
	struct cache *cache;
	git_odb *odb;
	git_repository *repo; /* a wrapper around odb */
	bool have_content;
	uint64_t n_bytes;
};

/* Open the database at OBJECTS and the tree of COMMIT (40 hex digits). 0 with *ret, or negative
 * errno with ERR. */
int gitdb_open_tree(git_tree **ret, struct gitdb *g, const char *objects, const char *commit,
		    struct err *err);

/* An object's bytes, bounded and with its hash verified. 0 with *ret, or negative errno with ERR
 * naming WHAT. */
int gitdb_read(git_odb_object **ret, struct gitdb *g, const git_oid *id, git_object_t type,
	       const char *what, struct err *err);

/* Fill ERR from libgit2's last error. What is missing or broken may be repaired: transient. */
int gitdb_fail(struct err *err, const char *what);

/* Send all entries of TREE. 0 or negative errno with ERR. */
int gitdb_walk(struct gitdb *g, git_tree *tree, struct err *err);

/* Write what REQUEST lists into WATCH_ROOT_FD. 0 or negative errno with ERR. */
int gitdb_export(struct gitdb *g, git_tree *tree, const json_t *request, struct err *err);
