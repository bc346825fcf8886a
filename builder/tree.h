/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What COPY takes, from either of two places in one form: the build context (a listing whose bytes
 * lie in a content directory) or the root file system of a stage or an image. Blocking; for
 * workers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/str.h"
#include "builder/context.h"

/* One file, directory, symlink or device. All pointers are borrowed until the callback returns. */
struct tree_node {
	const char *path;   /* relative to the directory that is copied; "" for a single file */
	struct stat st;     /* type, mode, owner, size, rdev, mtime, and identity of hard links */
	const char *link;   /* a symlink's text */
	int fd;             /* a regular file, open for reading at its start; else -1 */
	const char *digest; /* what the content must be, or NULL: nobody said */
	bool has_mtime;
};

/* 0 to go on, or a negative errno with ERR, which ends the walk. */
typedef int (*tree_node_fn)(const struct tree_node *node, void *data, struct err *err);

struct tree {
	const struct context *context; /* of the build context, else NULL */
	int fd; /* the content directory, or the root of a file system; -1: a context without
		   content */
};

/* One thing to copy. */
struct tree_source {
	char *path; /* inside the tree; symlinks of a context are resolved */
	char *name; /* the last component as it was written: a link's own name */
	bool is_dir;
};

struct tree_sources {
	struct tree_source *items;
	size_t n;
	size_t cap;
};

/* Free the list; idempotent. */
void tree_sources_deinit(struct tree_sources *s);

/*
 * What the plain path or pattern WORD names in T, appended to RET in walk order. A missing plain
 * path is an error, a pattern without match is not. 0, or negative errno with ERR (-EINVAL, kind
 * invalid: `"/x": not found`).
 */
int tree_find(struct tree_sources *ret, const struct tree *t, const char *word, struct err *err);

/*
 * Call FN for the file SOURCE, or for everything below the directory SOURCE: parents first, in byte
 * order, ignored entries of a context left out. 0, or negative errno. A context file whose type is
 * not what the listing says is a transient error "changed while building".
 */
int tree_walk(const struct tree *t, const struct tree_source *source, tree_node_fn fn, void *data,
	      struct err *err);

/*
 * The digest of everything the words SOURCES name in T: names, modes, owners, contents, never time
 * stamps. 0 or negative errno with ERR.
 */
int tree_digest(char ret[DIGEST_STR_SIZE], const struct tree *t, const struct strlist *sources,
		struct err *err);

/* The error of a context that is no longer what its listing says: transient, reason BuildFailed.
 * Returns -ESTALE. */
int tree_changed(struct err *err, const char *path);
