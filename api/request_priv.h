/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as handlers see it: already parsed and bounded by the HTTP library, already matched to
 * a route.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define REQUEST_PARAMS_MAX 32

struct request_param {
	const char *name;
	const char *value;
};

/* All strings are borrowed and live as long as the request. */
struct request {
	const char *method;
	const char *path;         /* decoded, without the query */
	const char *accept;       /* NULL when absent */
	const char *content_type; /* NULL when absent */
	const char *body;         /* NULL when there is none; N_BODY bytes */
	size_t n_body;
	struct request_param params[REQUEST_PARAMS_MAX];
	size_t n_params;

	/* Filled by route_match; "" where the route has none. */
	char group[64];
	char version[16];
	char plural[64];
	char ns[64];
	char name[256];
	char sub[32];
};

/* The value of query parameter NAME, NULL when absent. */
const char *request_get(const struct request *r, const char *name);

/* True for "1", "true", "t" in any case, as Go's ParseBool reads it; anything else and absence are
 * false. */
bool request_get_bool(const struct request *r, const char *name);

/*
 * A decimal parameter within [MIN, MAX]. 1 with *ret, 0 when absent or empty, -EINVAL with ERR
 * invalid when malformed.
 */
int request_get_int(int64_t *ret, const struct request *r, const char *name, int64_t min,
		    int64_t max, struct err *err);

/* True when the media type of the body is TYPE, whatever its parameters. */
bool request_body_is(const struct request *r, const char *type);

/* True when the client prefers the Table form (as=Table;g=meta.k8s.io;v=v1 in its Accept header).
 */
bool request_wants_table(const struct request *r);
