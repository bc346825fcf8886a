/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the extractor: layer_sandbox.c confines the process, layer_stream.c turns blob
 * bytes into verified tar entries, layer_tree.c writes entries into a directory, layer_extract.c
 * runs them, layer_unpack.c is at the other end of the channel.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/layer.h"

/* The extractor's fds. */
#define LAYER_CHANNEL_FD 3 /* SOCK_SEQPACKET to the committer */
#define LAYER_BLOB_FD 4
#define LAYER_TARGET_FD 5 /* the directory to fill */

#define LAYER_PACKET_MAX 8192

/* First byte of a packet. */
enum layer_packet {
	LAYER_PACKET_REQUEST = 'q', /* to the extractor: JSON of layer and limits */
	LAYER_PACKET_OPAQUE = 'o',  /* to the committer, with a directory fd: mark it as opaque */
	LAYER_PACKET_RESULT = 'r',  /* to the committer: JSON of the error, {} for success */
};

#define LAYER_MAX_PATH 4095
#define LAYER_MAX_NAME 255
#define LAYER_MAX_DEPTH 256
#define LAYER_MAX_XATTR_BYTES (64u << 10)
#define LAYER_MAX_SPARSE 1024

/* Confine the calling process to the directory TARGET_FD, which is closed. It is "/" afterwards. */
int layer_sandbox_enter(int target_fd, struct err *err);

/* LIMITS (may be NULL) with every default filled in. */
struct layer_limits layer_limits_resolve(const struct layer_limits *limits);

/* --- stream */

struct layer_stream; /* opaque */

/* Read LAYER from BLOB_FD (borrowed). ROOT_FD: on the file system whose free space is watched;
 * borrowed. */
struct layer_stream *layer_stream_new(int blob_fd, int root_fd, const struct manifest_layer *layer,
				      const struct layer_limits *limits);
struct layer_stream *layer_stream_free(struct layer_stream *s);
DEFINE_FREEP(struct layer_stream, layer_stream_free)

/* The next entry: 1 with *ret (borrowed until the next call), 0 at the end of the tar, negative
 * errno. */
int layer_stream_next(struct layer_stream *s, struct archive_entry **ret, struct err *err);

/* The next piece of the entry's content: 1, 0 at its end, negative errno. Holes are not delivered.
 */
struct layer_piece {
	const void *data; /* borrowed until the next call */
	size_t n;
	int64_t offset;
};
int layer_stream_data(struct layer_stream *s, struct layer_piece *ret, struct err *err);

/* Read what follows the tar and compare both digests and the size. 0 or negative errno. */
int layer_stream_verify(struct layer_stream *s, struct err *err);

/* --- tree */

struct layer_tree; /* opaque */

/* DIR_FD (borrowed until return) is to become opaque. 0 or negative errno. */
typedef int (*layer_opaque_fn)(int dir_fd, void *data, struct err *err);

/* Write below ROOT_FD (borrowed). */
struct layer_tree *layer_tree_new(int root_fd, layer_opaque_fn opaque, void *data);
struct layer_tree *layer_tree_free(struct layer_tree *t);
DEFINE_FREEP(struct layer_tree, layer_tree_free)

/* Apply ENTRY, its content read from S. 0 or negative errno (reason InvalidImage where it is the
 * entry's fault). */
int layer_tree_add(struct layer_tree *t, struct archive_entry *entry, struct layer_stream *s,
		   struct err *err);

/* Settle what is pending (modification times). 0 or negative errno. */
int layer_tree_finish(struct layer_tree *t, struct err *err);
