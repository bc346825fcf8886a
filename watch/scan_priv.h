/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-scan, inside: one walk over the folder behind WATCH_ROOT_FD.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"
#include "watch/cache_priv.h"
#include "watch/wire_priv.h"

/* What is said once per scan, with the first path it happened to. */
enum scan_note {
	SCAN_NOTE_LEAVES,
	SCAN_NOTE_SPECIAL,
	SCAN_NOTE_NAME,
	SCAN_NOTE_MOUNT,
	SCAN_NOTE_HARDLINK,
	SCAN_NOTE_BUSY,
	SCAN_NOTE_WRITABLE,
	SCAN_NOTE_N_,
};

struct scan {
	struct wire wire;
	struct cache *cache;
	int root;
	bool watch;        /* ask the daemon to watch each directory before it is listed */
	bool have_content; /* the daemon knows the text of files it has seen before */
	bool unsettled;    /* something moved under our hands */
	bool hidden;       /* a symlink led through a dotfile */
	size_t n_busy;
	size_t n_busy_kept;
	struct strlist watched; /* directories outside of the visible tree that were told already */
	char *notes[SCAN_NOTE_N_];
	size_t n_notes[SCAN_NOTE_N_];
};

void scan_note(struct scan *s, enum scan_note note, const char *path);

/* The whole tree. 0 or negative errno with ERR. */
int scan_walk(struct scan *s, struct err *err);

/*
 * The regular file NAME in DIRFD, seen as PATH and lying at REAL, with what lstat said. Sends an
 * entry, or that it is busy: open for writing, or changed while it was read.
 */
int scan_file(struct scan *s, int dirfd, const char *name, const struct revision_entry *at,
	      const struct stat *st, struct err *err);

enum scan_link {
	SCAN_LINK_DATA,   /* dangling, or to a visible place: the link itself is what counts */
	SCAN_LINK_LEAVES, /* leads out of the tree: never followed */
	SCAN_LINK_HIDDEN, /* leads to *ret_real, a place in the tree that is not listed: what is
			     there counts */
};

/* Where the symlink lying at REAL leads, watching what it passes through. Negative errno when the
 * daemon is gone. */
int scan_link(char **ret_real, struct scan *s, const char *real, const char *text);
