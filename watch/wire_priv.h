/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon and its two reading workers say to each other, as base/ipc.h frames. Payloads are
 * JSON except the cache. A run is:
 *
 *   daemon  [CACHE] REQUEST                       then GO after each DIRS, in order
 *   worker  (DIRS | ENTRIES | NOTE)* [CACHE] RESULT
 *
 * recond-scan: fd 4 is the root, REQUEST {"watch","haveContent","maxEntries"}.
 * recond-git:  REQUEST {"op":"read","objects","commit","previous"?,"haveContent","maxEntries"} or
 *              {"op":"export","objects","commit","entries":[entry, ...]} with the target
 * as fd 4.
 *
 * DIRS     [path, ...]: directories about to be listed; the worker waits for GO, so that each is
 * watched before. ENTRIES  [entry, ...]: as in revision_entry_to_json(); with "kept":true its text
 * is the one the daemon knows already.
 *          {"path","busy":true} is a file that is being written: its last settled state counts.
 * NOTE     {"text"}: for people.
 * CACHE    bytes of cache_save(): keep them for the next run.
 * RESULT   {"unsettled","checkout","hidden","busy","busyKept"} (of a scan), or
 * {"error":{"kind","code","reason","message"}}.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ipc.h"
#include "base/str.h"
#include "watch/cache_priv.h"
#include "watch/revision.h"

enum watch_msg {
	WATCH_MSG_REQUEST = 1,
	WATCH_MSG_CACHE,
	WATCH_MSG_GO,
	WATCH_MSG_DIRS,
	WATCH_MSG_ENTRIES,
	WATCH_MSG_NOTE,
	WATCH_MSG_RESULT,
};

#define WATCH_ROOT_FD 4 /* root of a scan, target of an export */
#define WATCH_DEADLINE_MS 120000u
#define WATCH_CPU_S 120u
#ifdef __SANITIZE_ADDRESS__
#define WATCH_AS_BYTES 0u /* the sanitizer reserves terabytes of address space */
#else
#define WATCH_AS_BYTES (1u << 30)
#endif

/* The worker's end. */
struct wire {
	int fd;
	json_t *batch; /* entries not sent yet */
	size_t batch_bytes;
	size_t n_entries;
	size_t max_entries;
};

/*
 * Read CACHE and REQUEST; ignore SIGPIPE and SIGIO. 0 with *ret_request and *ret_cache (owned), or
 * negative errno.
 */
int wire_begin(struct wire *w, json_t **ret_request, struct cache **ret_cache);
void wire_deinit(struct wire *w);

/* Send, or collect for sending. 0 or negative errno; wire_entry also fails with ERR when there are
 * too many. */
int wire_entry(struct wire *w, const struct revision_entry *e, struct err *err);
/* A kept file whose text the daemon must have from before: it is not sent. */
int wire_entry_known(struct wire *w, const struct revision_entry *e, struct err *err);
int wire_busy(struct wire *w, const char *path);
int wire_note(struct wire *w, const char *text);
/* Tell DIRS and wait for GO. */
int wire_dirs(struct wire *w, const struct strlist *dirs);
/* The end: entries left, the cache if it changed, and RESULT (stolen), or ERR in its place. */
int wire_finish(struct wire *w, struct cache *cache, json_t *result);
int wire_fail(struct wire *w, const struct err *err);

/* The daemon's end: the error of a RESULT into RET; false when it has none. */
bool wire_error(struct err *ret, const json_t *result);

/* True when TEXT (a file called NAME) belongs into the revision: see revision_keeps(). */
bool wire_keeps_text(const char *name, const char *text, size_t n);
