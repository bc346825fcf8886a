/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one blob of unknown digest into a store as a stream: an unnamed file (O_TMPFILE) that
 * gets its name, its digest, only when it is whole and on disk. A killed writer leaves nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "runtime/image.h"

struct blob_writer; /* opaque */

/* Begin a blob in S, which must outlive the writer. 0 and *ret, or negative errno. */
int blob_writer_new(struct blob_writer **ret, struct image_store *s, struct err *err);

/* Append N bytes. 0 or negative errno. */
int blob_writer_add(struct blob_writer *w, const void *data, size_t n, struct err *err);

/*
 * Sync the data, give it its name and sync the directory. EXPECTED (may be NULL) is what the digest
 * must be (-EBADMSG otherwise, and nothing is stored). 0 with the digest and the size. The writer
 * may only be freed afterwards.
 */
int blob_writer_commit(struct blob_writer *w, const char *expected, char ret[DIGEST_STR_SIZE],
		       uint64_t *ret_size, struct err *err);

/* Drop what was not committed. NULL is fine; returns NULL. */
struct blob_writer *blob_writer_free(struct blob_writer *w);
DEFINE_FREEP(struct blob_writer, blob_writer_free)

/* Open a stored blob for reading: fd (owned by the caller), or negative errno with ERR. */
int blob_open(struct image_store *s, const char *digest, struct err *err);
