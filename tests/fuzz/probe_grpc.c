/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of a gRPC health check, as any container may send it.
 * uses: probe base
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "runtime/probe_grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of just that size: a read beyond it shows. */
	autofree uint8_t *copy = mem_memdup(data, size);
	uint64_t status = PROBE_GRPC_SERVING;
	char buf[24];

	if (probe_grpc_response(&status, copy, size) == 0 && !*probe_grpc_name(buf, status))
		abort();
	return 0;
}
