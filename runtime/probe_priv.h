/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One check under way, in three files: probe.c (libcurl on the loop, bounds on what is read),
 * probe_http.c and probe_grpc.c (what is asked and what the answer means; tcpSocket needs no file).
 */
#pragma once

#include <curl/curl.h>

#include "base/strbuf.h"
#include "runtime/probe.h"
#include "runtime/probe_grpc.h"
#include "runtime/prober_wire.h"

#define PROBE_HEADERS_MAX (256u << 10) /* bytes of all header lines of a check */

struct probe {
	struct probe_set *set;
	struct probe *prev, *next;
	uint64_t seq;
	const struct probe_kind *kind;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	char *address; /* "10.88.0.2:80", "[fd00::2]:80" */
	char *url;     /* of the request under way */
	uint64_t timeout_ms, end_ms;
	struct strbuf body; /* of the request under way, at most PROBER_OUTPUT_MAX */
	bool body_full;     /* there was more, which nobody reads */
	size_t header_bytes;
	struct strbuf message; /* what is reported */

	/* httpGet */
	json_t *request;
	unsigned int requests;  /* made so far */
	bool location_absolute; /* the Location of this response names a host */

	/* grpc */
	int grpc_status; /* -1: none came */
	char *grpc_message;
};

/* What differs between the types. */
struct probe_kind {
	const char *name;
	/* Set the options of p->easy; p->url is what it makes. 0, or -EINVAL with p->message. */
	int (*prepare)(struct probe *p, const json_t *request);
	/* One header line without its end; may be NULL. */
	void (*header)(struct probe *p, const char *line, size_t n);
	/* The transfer ended with CODE: 1 it is well, 0 it failed (both with p->message), 2 it goes
	 * on with another transfer on the same handle. */
	int (*judge)(struct probe *p, CURLcode code);
};

extern const struct probe_kind probe_http, probe_grpc;

/* The text for a transfer that failed with CODE, in Go's words where it has some: "dial tcp
 * 10.88.0.2:80: connect: connection refused". */
void probe_add_failure(struct probe *p, struct strbuf *out, CURLcode code);

/* True when NAME can be a header's name, and VALUE its value. */
bool probe_header_valid(const char *name, const char *value);
