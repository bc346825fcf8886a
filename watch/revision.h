/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision: an immutable tree of a source (a commit, or the settled content of a folder), told by
 * content and never by time stamps. It knows each path's mode, size and digest, one digest per
 * directory, and the text of the small files that say what is wanted (manifests, Dockerfiles). All
 * other content stays where it is and is read later, beneath revision_content_dir(), and compared
 * with the entry's digest.
 *
 * What is not in a revision: names the ignore table knows (dotfiles other than .dockerignore,
 * editors' temporary files), files that are open for writing, sockets, pipes, devices, submodules.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* The four modes an entry has: git's two for files, whatever else the file's permissions said. */
#define REVISION_MODE_FILE (S_IFREG | 0644)
#define REVISION_MODE_EXEC (S_IFREG | 0755)
#define REVISION_MODE_LINK S_IFLNK
#define REVISION_MODE_DIR S_IFDIR

#define REVISION_PATH_MAX 4095u             /* bytes of a path */
#define REVISION_DEPTH_MAX 64u              /* components of a path */
#define REVISION_ENTRIES_MAX 100000u        /* entries of a tree */
#define REVISION_KEPT_FILE_MAX (1u << 20)   /* bytes of one file kept in memory */
#define REVISION_KEPT_FILES_MAX 2000u       /* files kept in memory */
#define REVISION_KEPT_BYTES_MAX (10u << 20) /* bytes of all of them */
#define REVISION_LINK_MAX 4095u             /* bytes of a symlink's text */

enum revision_kind {
	REVISION_FOLDER,
	REVISION_GIT,
	REVISION_KIND_N_,
};

struct revision_entry {
	const char *path; /* relative to the source's root, clean, no leading slash */
	/*
	 * Where the bytes lie beneath the content directory, free of symlinks: PATH itself, or
	 * another place for what was reached through a symlink inside the tree (kubelet's "..data",
	 * "current -> releases/7").
	 */
	const char *real;
	uint32_t mode;                /* one of REVISION_MODE_* */
	uint64_t size;                /* bytes of content; of a link its text; 0 for a directory */
	char digest[DIGEST_STR_SIZE]; /* of the content, the link's text, or the directory's
					 canonical listing */
	const char *content; /* kept text (NUL-terminated, SIZE bytes), the link's text, or NULL */
};

struct revision;

/* Share / drop. A revision is immutable; the last unref frees it. Both take NULL; unref returns
 * NULL. */
struct revision *revision_ref(struct revision *rev);
struct revision *revision_unref(struct revision *rev);
DEFINE_FREEP(struct revision, revision_unref)

/* All strings below are borrowed and live as long as the revision. */

/* What names this revision to people: the commit id for git, the tree digest for a folder. */
const char *revision_id(const struct revision *rev);
/* Digest of the whole tree: equal for equal content, whatever kind of source it came from. */
const char *revision_tree(const struct revision *rev);
enum revision_kind revision_get_kind(const struct revision *rev);
/* "folder" or "git". */
const char *revision_kind_name(enum revision_kind kind);
/* The source's path as given, and the name that its root-level manifests go by: its last component
 * without ".git". */
const char *revision_source(const struct revision *rev);
const char *revision_source_name(const struct revision *rev);
/* Directory to read content beneath (by entry->real), or NULL: then watch_export() makes one
 * (watch/source.h). */
const char *revision_content_dir(const struct revision *rev);

/* All entries, sorted bytewise by path; directories are entries, the root is not. */
const struct revision_entry *revision_entries(const struct revision *rev, size_t *ret_n);
/* The entry at PATH, or NULL. */
const struct revision_entry *revision_find(const struct revision *rev, const char *path);
/* The contiguous entries strictly below directory DIR ("" is the root), parents before children;
 * may be 0 of them. */
const struct revision_entry *revision_below(const struct revision *rev, const char *dir,
					    size_t *ret_n);
/* Digest of the directory DIR ("" is the root), or NULL when there is no such directory. */
const char *revision_dir_digest(const struct revision *rev, const char *dir);

/*
 * Like revision_find(), following symlinks inside the revision (at most 40); NULL when the way
 * leaves the tree, ends nowhere or in a circle.
 */
const struct revision_entry *revision_resolve(const struct revision *rev, const char *path);
/*
 * Text of the file at PATH and its length, following symlinks inside the revision; NULL when there
 * is none, or when its content is not kept in memory (see revision_keeps).
 */
const char *revision_content(const struct revision *rev, const char *path, size_t *ret_len);
/*
 * True when a file of this NAME (last component) is kept in memory if it is no larger than
 * REVISION_KEPT_FILE_MAX:
 * *.yaml, *.yml, *.json, Dockerfile*, *.Dockerfile, *.dockerignore. A .json file that never says
 * "apiVersion" is not.
 */
bool revision_keeps(const char *name);

/* The apps: names of the top-level directories, added to RET in order. */
void revision_apps(const struct revision *rev, struct strlist *ret);

/*
 * As a JSON document for workers, kept content included:
 * {"kind","id","tree","source","contentDir","entries":[{"path",
 * "mode","size","digest","real"?,"content"?|"hex"?}]}. Owned by the caller.
 */
json_t *revision_to_json(const struct revision *rev);
/*
 * Back again. J may be foreign: every bound above, the order, the paths and all digests are
 * checked. 0 and *ret, or -EINVAL with ERR.
 */
int revision_from_json(struct revision **ret, const json_t *j, struct err *err);
