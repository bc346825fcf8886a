/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a request as a value: a status with a complete body, or a stream. Errors are
 * Kubernetes' Status documents.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "api/stream_priv.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define REPLY_JSON "application/json"
#define REPLY_TEXT "text/plain; charset=utf-8"

struct reply {
	unsigned int status;      /* HTTP status code */
	const char *content_type; /* static */
	struct strbuf body;
	struct stream *stream; /* owned; the body when not NULL */
	char allow[48];        /* Allow header of a 405; "" for none */
	json_t *warnings;      /* texts for Warning headers; owned, may be NULL */
};
#define autoreply __attribute__((cleanup(reply_deinit))) struct reply

/* Free what R holds; idempotent. */
void reply_deinit(struct reply *r);

/* 200 with document J; steals J. */
void reply_json(struct reply *r, json_t *j);

/* 200 with plain TEXT. */
void reply_text(struct reply *r, const char *text);

/* 200 with a stream; takes it over. */
void reply_stream(struct reply *r, const char *content_type, struct stream *s);

/* An error of HTTP status CODE as a Status document; REASON is Kubernetes' ("BadRequest"). */
void reply_error(struct reply *r, unsigned int code, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* 404 in the words of Kubernetes: pods "x" not found, deployments.apps "x" not found. */
void reply_not_found(struct reply *r, const char *group, const char *plural, const char *name);

/* 404 for a path that leads nowhere. */
void reply_no_resource(struct reply *r);

/*
 * An error about the object NAME: as reply_error, with details. KIND stands there as Kubernetes
 * puts it: the plural, or the kind of an invalid object. CAUSES (may be NULL, borrowed) say what is
 * wrong with it.
 */
struct reply_subject {
	const char *group;
	const char *kind;
	const char *name;
	json_t *causes;
};
void reply_refusal(struct reply *r, unsigned int code, const char *reason, const char *message,
		   const struct reply_subject *subject);

/* A new Status document of a failure, owned by the caller. For error events of watches. */
json_t *reply_status(unsigned int code, const char *reason, const char *message);
