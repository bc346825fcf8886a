/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source: where desired state comes from, watched. A folder is followed by recursive inotify, a
 * branch of a git repository on this host by inotify on its refs. Events are hints only: what
 * counts is what a worker (recond-scan, recond-git) then reads. The outcome is one immutable
 * revision per settled, different tree.
 *
 * Everything runs on the caller's loop and never blocks it. No timers run while nothing changes,
 * except one safety rescan every ten minutes.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "watch/revision.h"

struct watch_source;

struct watch_callbacks {
	/*
	 * Something new that is settled: for a folder another tree, for git another commit. The
	 * first comes always, even when it is empty. REV is borrowed: ref it to keep it.
	 */
	void (*on_revision)(struct watch_source *src, struct revision *rev, void *data);
	/*
	 * The source cannot be read now; the last revision stays. ERR's reason is one of
	 * SourceMissing, SourceReplaced, BranchNotFound, UnsupportedRepository, InvalidTree,
	 * SourceTooLarge, SourceUnreadable. Said once per problem; the source goes on trying. NULL:
	 * the problem is over.
	 */
	void (*on_problem)(struct watch_source *src, const struct err *err, void *data);
	/* Something a person may want to know (a symlink that leaves the tree, polling, a
	 * force-push). Said once. */
	void (*on_notice)(struct watch_source *src, const char *text, void *data);
};

struct watch_options {
	int state_dirfd;    /* where the digest cache is kept, borrowed until free; -1: nowhere */
	size_t max_watches; /* directories watched at most, then poll; 0: what the kernel allows */
	size_t max_entries; /* 0: REVISION_ENTRIES_MAX, which is also the most there can be */
	uint64_t quiet_ms;  /* quiet window, 0: 30 */
	uint64_t settle_max_ms; /* from a first event to its scan at most, 0: 250 */
	uint64_t poll_ms;       /* between scans while inotify is not enough, 0: 2000 */
	uint64_t rescan_ms;     /* safety rescan, 0: ten minutes */
	bool once;              /* read once, watch nothing */
};
#define WATCH_OPTIONS_INIT                                                                         \
	{                                                                                          \
		.state_dirfd = -1                                                                  \
	}

/*
 * Start watching SPEC: "PATH" or "PATH#branch". With "#branch", or when PATH is a bare repository
 * (then HEAD's branch is followed), the source is git; anything else is a folder, whose ".git" is a
 * dotfile like others. A folder or repository that is not there yet is waited for. O may be NULL. 0
 * with *ret, or negative errno with ERR when SPEC is not acceptable. No callback runs before this
 * returns. Callbacks may free the source.
 */
int watch_source_new(struct watch_source **ret, sd_event *loop, const char *spec,
		     const struct watch_options *o, const struct watch_callbacks *callbacks,
		     void *data, struct err *err);
/* Stop and free, running worker included; no callback follows. NULL is fine; returns NULL. */
struct watch_source *watch_source_free(struct watch_source *src);
DEFINE_FREEP(struct watch_source, watch_source_free)

/* Read again now, whatever inotify says (SIGHUP, a hook). */
void watch_source_rescan(struct watch_source *src);

/* The last revision published, borrowed, or NULL. */
struct revision *watch_source_revision(const struct watch_source *src);
/* The name its root-level manifests go by: PATH's last component without ".git". Borrowed. */
const char *watch_source_name(const struct watch_source *src);
/*
 * For status:
 * {"spec","kind","path","branch"?,"revision"?,"state","polling","watches","scans","overflows","problem"?}.
 * Owned by the caller.
 */
json_t *watch_source_describe(const struct watch_source *src);

/*
 * Read SPEC once, blocking, through the same workers: for --dry-run. Watches nothing and writes
 * nothing. What on_notice would have said is added to NOTICES (may be NULL). 0 with *ret (owned),
 * or negative errno with ERR.
 */
int watch_read_once(struct revision **ret, const char *spec, struct strlist *notices,
		    struct err *err);

struct watch_export;

struct watch_export_spec {
	const struct revision *rev; /* of a git source; borrowed until watch_export() returns */
	const char *subdir;         /* what lies at or below it; "" is everything */
	int target_fd;              /* an empty directory, borrowed until watch_export() returns */
	/* The end: R is 0, or negative with ERR. Called exactly once; it owns X from here on
	 * (watch_export_free). */
	void (*on_end)(struct watch_export *x, int r, const struct err *err, void *data);
	void *data;
};

/*
 * Have recond-git write files of a revision into a directory, each at its real path from the
 * revision's root (entry->real), so that the directory serves as content directory. Regular files
 * (0644 or 0755) and symlinks as symlinks; nothing is written outside of the target, nothing but
 * what the revision lists, each file compared with its digest. 0 with *ret (free it to cancel), or
 * negative errno with ERR and no callback.
 */
int watch_export(struct watch_export **ret, sd_event *loop, const struct watch_export_spec *spec,
		 struct err *err);
/* Cancel (the worker is killed, no callback) or drop after the end; returns NULL. */
struct watch_export *watch_export_free(struct watch_export *x);
DEFINE_FREEP(struct watch_export, watch_export_free)
