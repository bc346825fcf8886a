/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from an overlay's upper directory to a layer blob: an OCI layer tar in the form BuildKit
 * writes (depth first in byte order, parents before children, ustar with pax records only where
 * needed, whole seconds, numeric owners, whiteouts as ".wh." files), compressed, digested on both
 * sides of the compressor, stored. Blocking; for workers: links libarchive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/image.h"
#include "runtime/manifest.h"

struct layer_pack_options {
	enum manifest_compression compression; /* MANIFEST_GZIP unless there is a reason */
	int level;                             /* of the compressor; 0: fast */
	bool clamp_mtime;  /* newer modification times become max_mtime (SOURCE_DATE_EPOCH) */
	int64_t max_mtime; /* seconds since the epoch */

	/*
	 * The lower layers the tree was written over (borrowed directory fds), if known: the kernel
	 * marks every new directory as opaque, and only with these can markers that hide nothing be
	 * left out.
	 */
	const int *lower_fds;
	size_t n_lower;
};

/*
 * Pack the tree of UPPER_FD (a readable directory fd) into a blob of STORE. 0 with *ret all filled
 * in, or negative errno with ERR. *ret_empty (may be NULL) tells that the tree had no entry: the
 * layer may be left out.
 */
int layer_pack(struct manifest_layer *ret, bool *ret_empty, struct image_store *store, int upper_fd,
	       const struct layer_pack_options *options, struct err *err);
