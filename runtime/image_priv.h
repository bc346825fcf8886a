/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the image store, shared by image.c (documents, blobs), image_index.c (index.json)
 * and blob.c.
 */
#pragma once

#include <sys/stat.h>

#include "runtime/image.h"

/* One named entry of index.json whose name is a reference. */
struct image_name {
	struct imageref ref; /* without digest */
	char digest[DIGEST_STR_SIZE];
};

struct image_store {
	char *state_dir;
	int state_fd;
	int images_fd;
	int blobs_fd; /* images/blobs/sha256 */
	int layers_fd;

	/* index.json as it was read last. */
	json_t *index;
	struct stat index_stat;
	bool index_settled; /* old enough when read that a later write must show in its time stamps
			     */
	struct image_name *names;
	size_t n_names;

	json_t *summaries; /* digest → {"created", "sizeBytes"}, for listing: documents never change
			    */
};

/* Create oci-layout and index.json where they are missing. */
int image_index_init(struct image_store *s, struct err *err);

/*
 * Read index.json again if it changed. 0 or negative errno; while somebody else is half way through
 * writing it, what was read before stays in force.
 */
int image_index_refresh(struct image_store *s, struct err *err);

/* The digest REF names, borrowed until the next refresh, or NULL. Call image_index_refresh() first.
 */
const char *image_index_find(const struct image_store *s, const struct imageref *ref);

/* One change of index.json, made under the lock: DESCRIPTOR (borrowed) is what the name shall mean.
 */
struct image_index_change {
	const struct imageref *ref; /* the name, NULL for an untagged entry */
	const json_t *descriptor;   /* mediaType, digest, size, ...; NULL removes the name */
};

/* Remove all entries of DIGEST, named or not, durably. 1 when there were any, 0 when not, or
 * negative errno. */
int image_index_forget(struct image_store *s, const char *digest, struct err *err);

/* Apply CHANGE durably. 1 when the name was there before, 0 when not, or negative errno. */
int image_index_change(struct image_store *s, const struct image_index_change *change,
		       struct err *err);
