/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting what nothing uses in an image store: images, their blobs, unpacked layers. Blocking;
 * for the worker recond-collect.
 *
 * A store is a set of units (images of index.json, and records of builds that the caller adds) that
 * refer to blobs and layers. Units that are needed stay; others go one by one, oldest first, and
 * with each the blobs and layers that no unit refers to any more. The order on disk is: index entry
 * or record, then blobs, then layers. Dying after any step leaves what the next collection finds
 * unreferred to; a layer is renamed away before it is emptied, so that there is never half of one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/image.h"

/* Between the daemon and the worker recond-collect. */
enum collect_message {
	COLLECT_MSG_RUN =
		1, /* {"stateDir", "digests": [], "references": [], "all", "untilPercent"} */
	COLLECT_MSG_RESULT = 2, /* {"busy", "images", "records", "blobs", "layers", "freedBytes"},
				   and "error" */
};

struct collection; /* opaque */

struct collect_options {
	const json_t *digests;      /* array: of images that are in use */
	const json_t *references;   /* array: names by which images are in use */
	bool all;                   /* also images with a name, and all records */
	unsigned int until_percent; /* stop when no more of the file system is used; 0: go on to the
				       end */
};

struct collect_result {
	unsigned int images, records, blobs, layers;
	uint64_t freed_bytes; /* by which the free space grew */
};

/*
 * Begin: lock STORE against whoever builds or unpacks, and read all its images. 1 with *ret; 0 when
 * somebody uses the store right now; negative errno when an image that is needed cannot be read:
 * then nothing may be collected.
 */
int collect_begin(struct collection **ret, struct image_store *store,
		  const struct collect_options *options, struct err *err);
struct collection *collection_free(struct collection *c);
DEFINE_FREEP(struct collection, collection_free)

/*
 * Add a record of a build: its file NAME in DIRFD (borrowed until the end), made at TIME_S, which
 * refers to a blob and a layer (both NULL: to an image, IMAGE).
 */
struct collect_record {
	int dirfd;
	const char *name;
	int64_t time_s;
	const char *blob;
	const char *layer;
	const char *image;
};
void collect_add_record(struct collection *c, const struct collect_record *record);

/* Collect. 0 with *ret, or negative errno with ERR; what was removed until then is in *ret. */
int collect_run(struct collection *c, struct collect_result *ret, struct err *err);

/*
 * Hold STORE against a collection while this process builds or unpacks: waits for one that runs. A
 * descriptor that is closed at the end, or negative errno.
 */
int collect_hold(struct image_store *store, struct err *err);

/* How much of the file system of FD is used, in percent as df counts it; negative errno. */
int collect_used_percent(int fd);
