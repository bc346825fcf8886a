/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two messages of grpc.health.v1 in their frames: small enough to be written and read by hand.
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define PROBE_GRPC_SERVICE_MAX 4096 /* bytes of a service's name that are asked for */

enum probe_grpc_serving {
	PROBE_GRPC_UNKNOWN,
	PROBE_GRPC_SERVING,
	PROBE_GRPC_NOT_SERVING,
	PROBE_GRPC_SERVICE_UNKNOWN,
	PROBE_GRPC_SERVING_N_,
};

/* The status as protobuf prints it: "SERVING"; a number for one nobody knows, written into BUF. */
const char *probe_grpc_name(char buf[24], uint64_t status);

/* Append the frame of HealthCheckRequest{SERVICE}. 0, or -E2BIG. */
int probe_grpc_request(struct strbuf *out, const char *service);

/*
 * Read the frame of a HealthCheckResponse: exactly one, not compressed. Unknown fields are skipped.
 * 0 with *ret_status (any number), or -EBADMSG.
 */
int probe_grpc_response(uint64_t *ret_status, const void *data, size_t n);
