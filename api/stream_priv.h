/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response body that is produced piece by piece for as long as the client listens: a watch, a
 * followed log. The server pulls; the producer says when there is something again.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/mem.h"

/* What read returns besides a byte count. */
#define STREAM_IDLE 0 /* nothing now; the producer will call stream_wake */
#define STREAM_AGAIN                                                                               \
	(-1) /* nothing yet, but ask again soon: it worked long enough for one turn of the loop */
#define STREAM_END (-2) /* the body is complete */

struct stream;

struct stream_ops {
	/* Put up to MAX bytes into BUF: their number, or one of the above. */
	ssize_t (*read)(struct stream *s, char *buf, size_t max);
	/* Release everything; no wake after that. */
	void (*free)(struct stream *s);
};

/* To be embedded as the first member of a producer. WAKE is set by the server before the first
 * read. */
struct stream {
	const struct stream_ops *ops;
	void (*wake)(void *data);
	void *wake_data;
};

/* Producer: there is something to read, or the end. May be called at any time, also when nobody
 * listens yet. */
static inline void stream_wake(struct stream *s)
{
	if (s->wake)
		s->wake(s->wake_data);
}

/* Free S by its own operation; NULL is fine. Returns NULL. */
static inline struct stream *stream_free(struct stream *s)
{
	if (s)
		s->ops->free(s);
	return NULL;
}
DEFINE_FREEP(struct stream, stream_free)
