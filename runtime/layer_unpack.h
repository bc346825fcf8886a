/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the worker recond-layer: a layer blob → a directory. Two processes: a committer,
 * trusted, that owns the store's fds, and an extractor that parses the foreign bytes while its root
 * is the staging directory, without network and with five capabilities. Blocking; links libarchive.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "runtime/image.h"
#include "runtime/layer.h"

/*
 * Unpack LAYER of STORE into layers/<hex>/fs, unless it is there. Safe to run several times at once
 * and to kill. 0, or negative errno with ERR. Must be called in a single-threaded process; forks.
 */
int layer_unpack(struct image_store *store, const struct manifest_layer *layer,
		 const struct layer_limits *limits, struct err *err);

/* Remove the staging directories that no living unpacker owns. 0 or negative errno. */
int layer_unpack_collect(struct image_store *store, struct err *err);
