/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's status, as a pure function of its object and of what is known to run: phase, conditions,
 * container states with Kubernetes' reasons.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/controllers/pod_run.h"

struct pod_status_env {
	const char *now; /* RFC 3339 */
	const char *host_ip;
	uint64_t now_ms;
};

/*
 * The new status of POD given RUN. Conditions keep their transition times from the old status.
 * Owned by the caller. Nothing of it depends on time unless something changed, so that an unchanged
 * pod is not written.
 */
json_t *pod_status(const json_t *pod, const struct pod_run *run, const struct pod_status_env *env);

/* Guaranteed, Burstable or BestEffort, from the resources of SPEC's containers (k8s-semantics:
 * QoS). */
const char *pod_qos_class(const json_t *spec);

/*
 * Is a container of POD stopped by something that waiting will not mend? The reason (borrowed from
 * the status, e.g. "CreateContainerError") with its message in *ret_message, or NULL.
 */
const char *pod_status_failure(const json_t *pod, const char **ret_message);

/*
 * What a container said last, from its state TERMINATED (NULL: it has none): the last line of its
 * termination message, cut to 200 bytes, as ': "..."'; else "". Owned by the caller. Goes where a
 * verdict is remembered, for the pod and its log go when its app goes back.
 */
char *pod_status_last_words(const json_t *terminated);
