/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request over a unix socket. Blocking: for the command line, never for the daemon.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

struct http_client;

struct http_request {
	const char *method;
	const char *target; /* path and encoded query */
	const char *accept; /* the header's value */
	const char *type;   /* of the body; NULL: there is none */
	const char *body;
	size_t n_body;
};

/*
 * Connect to SOCKET_PATH, send REQUEST and read the head of the answer. 0 with *ret (owned by the
 * caller), or negative errno with ERR.
 */
int http_client_send(struct http_client **ret, const char *socket_path,
		     const struct http_request *request, struct err *err);
/* The same for a GET of TARGET. */
int http_client_get(struct http_client **ret, const char *socket_path, const char *target,
		    const char *accept, struct err *err);
struct http_client *http_client_free(struct http_client *c);
DEFINE_FREEP(struct http_client, http_client_free)

/* The status code of the answer. */
unsigned int http_client_status(const struct http_client *c);

/* The texts of the answer's Warning fields; borrowed. */
const struct strlist *http_client_warnings(const struct http_client *c);

/* For poll(2): when it is readable http_client_read returns without waiting for more than the rest
 * of a chunk. */
int http_client_fd(const struct http_client *c);

/* True when body bytes came with the head, so that http_client_read must be called before any poll.
 */
bool http_client_pending(const struct http_client *c);

/* Append the next part of the body to BODY: 1, or 0 at its end, or negative errno with ERR. Blocks
 * until there is some. */
int http_client_read(struct http_client *c, struct strbuf *body, struct err *err);

/* Append the rest of the body, at most MAX bytes in all (-EFBIG beyond). 0, or negative errno with
 * ERR. */
int http_client_read_all(struct http_client *c, struct strbuf *body, size_t max, struct err *err);

/* Append S to TARGET as a query value or path segment: all but unreserved characters
 * percent-encoded. */
void http_client_add_encoded(struct strbuf *target, const char *s);
