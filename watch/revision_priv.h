/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a revision comes to be: entries are added to a builder in any order, checked one by one, and
 * finished once.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "watch/revision.h"

struct revision {
	unsigned n_ref;
	enum revision_kind kind;
	char *id;
	char *source;
	char *source_name;
	char *content_dir; /* NULL for git */
	char tree[DIGEST_STR_SIZE];
	struct revision_entry
		*entries; /* sorted by path; path, real (when another) and content are owned */
	size_t n_entries;
};

/* Free an entry's strings. */
void revision_entry_deinit(struct revision_entry *e);

struct revision_builder;

/* A builder that accepts at most MAX_ENTRIES (0: REVISION_ENTRIES_MAX). */
struct revision_builder *revision_builder_new(size_t max_entries);
struct revision_builder *revision_builder_free(struct revision_builder *b);
DEFINE_FREEP(struct revision_builder, revision_builder_free)

/*
 * Add one entry; its strings are copied, a directory's digest is not looked at. Content, where
 * given, must have the entry's size and digest. 0, or -EINVAL with ERR for anything a revision may
 * not hold.
 */
int revision_builder_add(struct revision_builder *b, const struct revision_entry *e,
			 struct err *err);

/*
 * Put them in order, expand top-level symlinks that lead to a directory of the tree (a release link
 * is an app), compute the directories' digests, check that no path is there twice and that each
 * parent is a directory. ID NULL means the tree digest. The builder is empty afterwards. 0 with
 * *ret, or -EINVAL with ERR.
 */
int revision_builder_finish(struct revision **ret, struct revision_builder *b,
			    enum revision_kind kind, const char *id, const char *source,
			    struct err *err);

/* One entry as JSON and back; the result borrows from J except *ret_decoded (decoded from hex,
 * owned, or NULL). */
json_t *revision_entry_to_json(const struct revision_entry *e);
int revision_entry_from_json(struct revision_entry *ret, char **ret_decoded, const json_t *j,
			     struct err *err);

/* A path an entry may have: relative, clean, within the bounds, valid UTF-8 without control
 * characters. */
bool revision_path_valid(const char *path);
/* The same for one component. */
bool revision_name_valid(const char *name);

/* "/srv/apps/web.git/" gives "web". Owned by the caller. */
char *revision_name_of_path(const char *path);

/*
 * Where the symlink at LINK_PATH with TEXT leads: a clean path from the root ("" is the root), by
 * names alone. Owned by the caller; NULL when it leaves the tree or is absolute.
 */
char *revision_link_target(const char *link_path, const char *text);
