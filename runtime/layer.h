/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacked layers, as the daemon and other modules see them: <state-dir>/layers/<hex of
 * diff_id>/fs, complete and on disk if it exists at all, never changed afterwards, shared by all
 * images and pods as an overlay's lower directory. The unpacking itself is done by the worker
 * recond-layer (layer_unpack.h), packing by layer_pack.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/image.h"

/* What one layer may cost. Zero-initialised members mean the default. */
struct layer_limits {
	uint64_t max_entries; /* 1,000,000 */
	uint64_t max_bytes;   /* uncompressed: 10 GiB */
	uint64_t max_ratio;   /* uncompressed : compressed, after the first ratio_free_bytes: 200 */
	uint64_t ratio_free_bytes; /* 256 MiB */
	uint64_t min_free_bytes;   /* on the file system: 1 GiB, or 5 % of it when that is less */
	uint64_t deadline_ms;      /* 10 minutes */
};

/* Unpacks layers for one store on one loop: at most two at a time, one worker per layer however
 * many ask for it. */
struct layer_unpacker; /* opaque */
struct layer_job;      /* opaque: one request for the layers of an image */

/* Both are borrowed and must outlive the unpacker. Leftovers of killed unpackers are removed in the
 * background. */
int layer_unpacker_new(struct layer_unpacker **ret, sd_event *loop, struct image_store *store,
		       const struct layer_limits *limits, struct err *err);

/* Kills running workers; jobs must have been freed. NULL is fine; returns NULL. */
struct layer_unpacker *layer_unpacker_free(struct layer_unpacker *u);
DEFINE_FREEP(struct layer_unpacker, layer_unpacker_free)

/*
 * The job ended: R is 0 when every layer is there, else a negative errno with ERR (kind invalid and
 * reason InvalidImage for a layer that is broken or hostile, transient for a full disk). Called
 * once, from the loop; the callback may free the job.
 */
typedef void (*layer_done_fn)(struct layer_job *job, int r, const struct err *err, void *data);

/*
 * Make sure that the N LAYERS are unpacked. 1 when they are already (no job, no callback), 0 with
 * *ret when a job was started (its callback never runs before this returns), negative errno with
 * ERR otherwise. LAYERS is copied.
 */
int layer_ensure(struct layer_job **ret, struct layer_unpacker *u,
		 const struct manifest_layer *layers, size_t n, layer_done_fn done, void *data,
		 struct err *err);

/* Give up the job, without callback. Its worker goes on when others wait for the layer. NULL is
 * fine; returns NULL. */
struct layer_job *layer_job_free(struct layer_job *job);
DEFINE_FREEP(struct layer_job, layer_job_free)

/*
 * The same, blocking: for workers and one-shot commands. Runs recond-layer and waits for it. LIMITS
 * may be NULL.
 */
int layer_ensure_sync(struct image_store *store, const struct manifest_layer *layer,
		      const struct layer_limits *limits, struct err *err);

/* True when the layer with this diff_id is unpacked. */
bool layer_exists(struct image_store *store, const char *diff_id);

/* Open the directory of an unpacked layer (O_PATH): fd or -ENOENT. */
int layer_open(struct image_store *store, const char *diff_id);

/* Its absolute path, owned by the caller. */
char *layer_path(struct image_store *store, const char *diff_id);

/*
 * Adopt the overlay upper directory NAME in DIRFD, from which DIFF_ID was packed, as the unpacked
 * layer: one syncfs and a rename on the same file system. When the layer is there already nothing
 * happens and the directory stays with the caller. For build workers. 0 or negative errno.
 */
int layer_adopt(struct image_store *store, const char *diff_id, int dirfd, const char *name,
		struct err *err);
