/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's half of HTTP/1.1: from bytes of one response to its status and body. Strict and
 * bounded; knows no sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strbuf.h"

enum http_decode_state {
	HTTP_DECODE_HEAD,
	HTTP_DECODE_LENGTH,     /* body of known length */
	HTTP_DECODE_UNTIL_END,  /* body until the connection ends */
	HTTP_DECODE_CHUNK_SIZE, /* the line before a chunk */
	HTTP_DECODE_CHUNK,      /* inside a chunk */
	HTTP_DECODE_CHUNK_END,  /* the line end after a chunk */
	HTTP_DECODE_TRAILER,    /* lines after the last chunk */
	HTTP_DECODE_DONE,
	HTTP_DECODE_STATE_N_,
};

struct http_decode {
	enum http_decode_state state;
	unsigned int status;     /* valid once state is past HTTP_DECODE_HEAD */
	uint64_t left;           /* of the body or chunk */
	struct strbuf line;      /* an incomplete head or line */
	struct strlist warnings; /* texts of Warning fields, as they came */
};

/* Start anew. A zeroed struct is started. */
void http_decode_reset(struct http_decode *d);
/* Free what D holds; idempotent. */
void http_decode_deinit(struct http_decode *d);

/*
 * Take N more bytes; what is body is appended to BODY. 0, or -EBADMSG with ERR when this is not an
 * HTTP/1.1 response that we accept. Bytes after the end of the response are refused.
 */
int http_decode_feed(struct http_decode *d, const char *data, size_t n, struct strbuf *body,
		     struct err *err);

/* The connection ended. 0 when the response is complete, -EBADMSG with ERR when it was cut. */
int http_decode_end(struct http_decode *d, struct err *err);
