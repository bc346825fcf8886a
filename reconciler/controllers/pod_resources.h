/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and limits turned into the figures that cgroups take, and the quality-of-service class
 * they give a pod.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/reconciler.h"

/* A quantity in bytes / thousandths, rounded up; -1 when TEXT is empty or no quantity. */
int64_t pod_resources_bytes(const char *text);
int64_t pod_resources_milli(const char *text);

/* {"qos", "cpuShares", "cpuQuotaUs", "memoryBytes"} for the pod's own cgroup; limits only when all
 * containers have them. */
json_t *pod_resources_sandbox(const json_t *pod_spec);

/* {"cpuShares", "cpuQuotaUs", "memoryBytes"} for one container; absent members mean no limit. */
json_t *pod_resources_container(const json_t *container_spec);

/* The OOM score adjustment the kubelet would give CONTAINER in a pod of POD_SPEC on a node with
 * that much memory. */
int pod_resources_oom_score_adj(const json_t *pod_spec, const json_t *container_spec,
				int64_t node_memory_bytes);

/*
 * What resourceFieldRef gives: RESOURCE ("limits.cpu", "requests.memory", ...) divided by DIVISOR
 * ("" is 1), rounded up. A limit that is not set is what the node has. Owned by the caller.
 */
char *pod_resources_field(const json_t *container_spec, const char *resource, const char *divisor,
			  const struct node_capacity *node);
