/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of decoding: hands the bytes of a revision's manifests to the worker
 * recond-manifest, which has no network, no files, little memory and little time, and gives back
 * what it made of them.
 */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/manifest_input.h"

struct manifest_worker;

/*
 * Decoding ended. RESULT is what manifest_decode() describes, borrowed until return; or NULL and
 * ERR says why the worker failed (transient: the same input may be tried again, once). Called
 * exactly once, never from manifest_worker_start; may free W.
 */
typedef void (*manifest_worker_fn)(struct manifest_worker *w, const json_t *result,
				   const struct err *err, void *data);

/* Start decoding INPUT (copied). 0 with *ret, owned by the caller, or negative errno with ERR and
 * no callback. */
int manifest_worker_start(struct manifest_worker **ret, sd_event *loop,
			  const struct manifest_input *input, manifest_worker_fn fn, void *data,
			  struct err *err);

/* Stop if it still runs, without a callback, and free. NULL is fine; returns NULL. */
struct manifest_worker *manifest_worker_free(struct manifest_worker *w);
DEFINE_FREEP(struct manifest_worker, manifest_worker_free)
