/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a pod's spec to the fully resolved requests of the runtime: environment with $(VAR),
 * contents of ConfigMaps and Secrets (pod_config.h), merged security contexts, cgroup figures. Pure
 * but for lookups in the store.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "reconciler/reconciler.h"
#include "reconciler/store.h"

struct pod_request_env {
	const struct store *store;
	const json_t *set; /* of its app that the pod came with (sync_pod_set); NULL: none */
	const char *node_name;
	const char *host_ip;
	const char *pod_ip; /* "" before the sandbox is up */
	struct node_capacity node;
};

/*
 * The sandbox request of POD in *ret (owned by the caller): names, volumes with contents, dns,
 * cgroup. 0, or -ENOENT with ERR (reason FailedMount) when a ConfigMap, Secret or key that is not
 * optional is missing.
 */
int pod_request_sandbox(json_t **ret, const json_t *pod, const struct pod_request_env *env,
			struct err *err);

/*
 * The request to start attempt ATTEMPT of the container SPEC of POD from image IMAGE_DIGEST. 0 with
 * *ret (owned by the caller), or negative errno with ERR (reason CreateContainerConfigError).
 */
int pod_request_container(json_t **ret, const json_t *pod, const json_t *spec, unsigned int attempt,
			  const char *image_digest, const struct pod_request_env *env,
			  struct err *err);

/* The spec of the container or init container NAME of POD, borrowed, or NULL. */
const json_t *pod_request_container_spec(const json_t *pod, const char *name);

/*
 * Expand $(NAME) in TEXT from VARS (object of strings): "$$" gives "$", an unknown name stays as
 * written. Owned by the caller.
 */
char *pod_request_expand(const char *text, const json_t *vars);
