/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a probe or a hook as a manifest writes it to the request of ports.check: named ports and the
 * pod's own address filled in. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct check_target {
	const char *pod_uid;
	const char *container;
	unsigned int attempt;
	const char *address; /* the pod's */
	const json_t *spec;  /* of the container */
	uint64_t timeout_ms; /* for the whole check */
};

/*
 * The request for PROBE (exec, httpGet, tcpSocket or grpc) in *ret, owned by the caller. 0, or
 * -ENOENT with ERR in the kubelet's words when a named port is unknown, -EINVAL when it says
 * nothing that could be run.
 */
int check_request_probe(json_t **ret, const struct check_target *target, const json_t *probe,
			struct err *err);

/* The same for HOOK (exec or httpGet; a sleep is not a request). */
int check_request_hook(json_t **ret, const struct check_target *target, const json_t *hook,
		       struct err *err);
