/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a container: envFrom, env, references to ConfigMaps, Secrets and the pod's own
 * fields, in Kubernetes' order. Later entries win.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"
#include "reconciler/controllers/pod_request.h"

/*
 * Resolve the environment of the container SPEC of POD: *ret_list as [["NAME", "value"], ...] in
 * order of first appearance, *ret_vars as {"NAME": "value"} for $(NAME). Both owned by the caller.
 * 0, or -ENOENT with ERR reason CreateContainerConfigError in the kubelet's words.
 */
int pod_env_resolve(json_t **ret_list, json_t **ret_vars, const json_t *pod, const json_t *spec,
		    const struct pod_request_env *env, struct err *err);

/* Base64 of N bytes. Owned by the caller. */
char *pod_env_base64(const void *data, size_t n);

/* Decoded base64 as a string (cut at the first NUL), or NULL when it is not base64. Owned by the
 * caller. */
char *pod_env_unbase64(const char *text);
