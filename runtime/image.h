/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images of this host: <state-dir>/images is an OCI image layout that skopeo and podman read in
 * place (oci:<state-dir>/images:web:latest), <state-dir>/layers holds their unpacked layers
 * (runtime/layer.h).
 *
 * Nothing is cached that could be wrong: index.json is read again whenever it changed on disk, so
 * what a user copies into the layout shows up by itself; every document is verified against its
 * digest when it is read. Blobs appear under their digest whole or not at all, so that a killed
 * writer leaves nothing behind. Several processes may use one store: index.json is changed under a
 * lock.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "runtime/imageconfig.h"
#include "runtime/imageref.h"
#include "runtime/manifest.h"

struct image_store; /* opaque */

/* Open the store below STATE_DIR (which exists), creating what is missing. 0 and *ret, or negative
 * errno. */
int image_store_open(struct image_store **ret, const char *state_dir, struct err *err);
struct image_store *image_store_free(struct image_store *s);
DEFINE_FREEP(struct image_store, image_store_free)

/* The state directory it was opened with, borrowed. */
const char *image_store_state_dir(const struct image_store *s);

/* Borrowed directory fds: the layout, and the directory of unpacked layers. */
int image_store_images_fd(const struct image_store *s);
int image_store_layers_fd(const struct image_store *s);

/*
 * Look REFERENCE up ("web", "web:1", "web@sha256:..."). 1 with the digest of its manifest (or
 * index) in RET, 0 when it is not here, -EINVAL for a reference that is none (InvalidImageName),
 * other negative errno. A digest is found when its document is stored, tagged or not.
 */
int image_store_resolve(struct image_store *s, const char *reference, char ret[DIGEST_STR_SIZE],
			struct err *err);

/* A loaded image. */
struct image {
	char digest[DIGEST_STR_SIZE];          /* as it was asked for: of a manifest or an index */
	char manifest_digest[DIGEST_STR_SIZE]; /* of the manifest for this host */
	struct manifest manifest;              /* layers carry their diff_id */
	struct imageconfig config;             /* the allow-list */
	json_t *document;    /* the whole configuration, verified: for builders and for show only */
	uint64_t size_bytes; /* of all its blobs */
};

/*
 * Load the image whose manifest or index has DIGEST. 0 and *ret, or negative errno with ERR:
 * -ENOENT when a document is missing, -EINVAL when one is malformed or not for this host (reasons
 * InvalidImage, ImageArchitectureMismatch), -EBADMSG when bytes and digest differ (ImageCorrupt).
 */
int image_store_load(struct image_store *s, const char *digest, struct image **ret,
		     struct err *err);
struct image *image_free(struct image *i);
DEFINE_FREEP(struct image, image_free)

/*
 * All images as a JSON array sorted by repository, then tag: {"repository", "tag", "digest",
 * "created", "sizeBytes", "inUse"} and "error" where one cannot be read. Untagged ones have
 * repository and tag "<none>". IN_USE: the digests (of manifests or indexes) pods use, or NULL. 0
 * and *ret (owned by the caller), or negative errno.
 */
int image_store_list(struct image_store *s, const struct strlist *in_use, json_t **ret,
		     struct err *err);

/*
 * Make REFERENCE (no digest in it) name the stored manifest or index DIGEST. What it named before
 * stays, untagged. Durable on return. 0, or negative errno (-ENOENT: no such document).
 */
int image_store_tag(struct image_store *s, const char *reference, const char *digest,
		    struct err *err);

/* Remove the name REFERENCE; the blobs stay. 1 when it was there, 0 when not, negative errno. */
int image_store_untag(struct image_store *s, const char *reference, struct err *err);

/*
 * Store a small document (a configuration, a manifest) as a blob, durably. 0 with its digest, or
 * negative errno.
 */
int image_store_put(struct image_store *s, const void *data, size_t n, char ret[DIGEST_STR_SIZE],
		    struct err *err);

/*
 * Read a small blob of at most MAX bytes and verify it against DIGEST. 0 with *ret (NUL-terminated,
 * owned) and *ret_len, -ENOENT, -EBADMSG (ImageCorrupt), -EFBIG, or another negative errno.
 */
int image_store_get(struct image_store *s, const char *digest, size_t max, char **ret,
		    size_t *ret_len, struct err *err);

/* True when a blob with this digest is stored. *ret_size (may be NULL) gets its size. */
bool image_store_has(struct image_store *s, const char *digest, uint64_t *ret_size);

/*
 * Commit a new image: CONFIG (a whole configuration document; its rootfs.diff_ids are set here from
 * LAYERS) and LAYERS, lowest first, whose blobs are stored already. Writes configuration, manifest
 * and an entry in index.json with the name REFERENCE, or untagged when it is NULL. Repeating it is
 * harmless. 0 with the digest of the manifest, or negative errno.
 */
struct image_commit {
	const json_t *config;
	const struct manifest_layer *layers;
	size_t n_layers;
	const char *reference; /* may be NULL */
};
int image_store_commit(struct image_store *s, const struct image_commit *c,
		       char ret[DIGEST_STR_SIZE], struct err *err);
