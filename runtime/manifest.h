/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON documents of an image layout: index, manifest, and the part of an image's configuration
 * that ties it to its layers. Both families of media types (OCI 1.x and Docker schema 2) are read,
 * OCI is written. Pure functions on bounded text, a fuzz target; what is not understood is refused,
 * never guessed. A document that would pass as a manifest and as an index is refused
 * (CVE-2021-41190).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

#define MANIFEST_MAX_BYTES (4u << 20)
#define MANIFEST_MAX_LAYERS 127
#define MANIFEST_MAX_ENTRIES 4096 /* descriptors of one index */

#define MANIFEST_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MANIFEST_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MANIFEST_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MANIFEST_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MANIFEST_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MANIFEST_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"

#define MANIFEST_REF_NAME                                                                          \
	"org.opencontainers.image.ref.name" /* annotation of a descriptor: its tag in a layout */

enum manifest_compression {
	MANIFEST_PLAIN,
	MANIFEST_GZIP,
	MANIFEST_ZSTD,
	MANIFEST_COMPRESSION_N_,
};

/* "none", "gzip", "zstd". */
const char *manifest_compression_name(enum manifest_compression c);

/* The OCI media type of a layer compressed with C. */
const char *manifest_layer_media_type(enum manifest_compression c);

/* One compressed layer as a manifest names it, with the digest of its tar from the configuration.
 */
struct manifest_layer {
	char digest[DIGEST_STR_SIZE];  /* of the blob */
	char diff_id[DIGEST_STR_SIZE]; /* of the uncompressed tar; "" until manifest_join_config()
					*/
	uint64_t size_bytes;           /* of the blob */
	enum manifest_compression compression;
};

struct manifest {
	char config_digest[DIGEST_STR_SIZE];
	uint64_t config_size_bytes;
	struct manifest_layer layers[MANIFEST_MAX_LAYERS]; /* lowest first */
	size_t n_layers;
};

/* One descriptor of an index. */
struct manifest_entry {
	char digest[DIGEST_STR_SIZE];
	uint64_t size_bytes;
	bool is_index; /* of an index again, else of a manifest */
	char os[32];   /* platform; "" when not given */
	char architecture[32];
	char variant[32];
	char *ref_name; /* annotation MANIFEST_REF_NAME, or NULL */
};

struct manifest_index {
	struct manifest_entry *entries;
	size_t n_entries;
};

/* Free the entries; INDEX is empty then. Idempotent. */
void manifest_index_deinit(struct manifest_index *index);

enum manifest_kind {
	MANIFEST_IS_MANIFEST,
	MANIFEST_IS_INDEX,
	MANIFEST_KIND_N_,
};

/*
 * Tell what DOC is. 0 and *ret, or -EINVAL when it is neither, both, or its mediaType contradicts
 * its members. MEDIA_TYPE: what the descriptor or the HTTP header said, or NULL when nobody did; it
 * must agree too.
 */
int manifest_classify(enum manifest_kind *ret, const json_t *doc, const char *media_type,
		      struct err *err);

/* Read a manifest that manifest_classify() called one. 0 and *ret, or -EINVAL with ERR (reason
 * InvalidImage). */
int manifest_parse(struct manifest *ret, const json_t *doc, struct err *err);

/*
 * Read an index. 0 and *ret (to be released with manifest_index_deinit), or -EINVAL. Descriptors of
 * foreign media types (signatures, artifacts) are left out.
 */
int manifest_index_parse(struct manifest_index *ret, const json_t *doc, struct err *err);

/*
 * Choose the entry for linux on ARCHITECTURE (GOARCH, see manifest_host_architecture). An entry
 * without platform fits only when it is alone. NULL when none fits; borrowed from INDEX.
 */
const struct manifest_entry *manifest_index_choose(const struct manifest_index *index,
						   const char *architecture);

/*
 * Take the diff_ids of the configuration CONFIG over into M: their number must be that of the
 * layers, each must be a digest. A layer whose diff_id is its digest is plain, whatever its media
 * type says. 0 or -EINVAL.
 */
int manifest_join_config(struct manifest *m, const json_t *config, struct err *err);

/* The JSON text of an OCI manifest for M, canonical, owned by the caller. */
char *manifest_format(const struct manifest *m);

/* GOARCH of this host: "amd64", "arm64", ... */
const char *manifest_host_architecture(void);
