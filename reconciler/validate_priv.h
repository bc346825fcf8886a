/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that the schema can't express, by kind. They run on documents whose shape may be wrong:
 * each looks at types itself and stays silent about what the shape check has said.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/validate.h"

/* Errors and notes of a validation V at a path. */
#define ERR(v, path, ...) findings_add((v)->errors, &(v)->at, (path), __VA_ARGS__)
#define NOTE(v, path, ...) findings_add((v)->notes, &(v)->at, (path), __VA_ARGS__)

/* One step below UP, for a stack of paths. */
#define MEMBER(up, name) (&(const struct path){(up), (name), 0})
#define ELEMENT(up, i) (&(const struct path){(up), NULL, (i)})

/* Has J a member KEY that is not null? */
static inline bool is_given(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return value && !json_is_null(value);
}

/* A pod's spec; TEMPLATE: that of a Deployment or ReplicaSet. */
void validate_pod_spec(const struct validation *v, const struct path *path, const json_t *spec,
		       bool in_template);

/* What a pod's spec asks for against the policy of its source. */
void validate_policy(const struct validation *v, const struct path *path, const json_t *spec);

/* A container's own fields. */
void validate_container(const struct validation *v, const struct path *path,
			const json_t *container);

/* Probes and hooks of a container of POD_SPEC; INIT: one of its initContainers. */
void validate_checks(const struct validation *v, const struct path *path, const json_t *pod_spec,
		     const json_t *container, bool init);

/* A workload's selector: it selects something, and that is the template's labels. */
void validate_selector(const struct validation *v, const json_t *spec);

void validate_deployment(const struct validation *v, const json_t *o);
void validate_replicaset(const struct validation *v, const json_t *o);
void validate_job(const struct validation *v, const json_t *o);
void validate_service(const struct validation *v, const json_t *o);
void validate_configmap(const struct validation *v, const json_t *o);
void validate_secret(const struct validation *v, const json_t *o);
void validate_source(const struct validation *v, const json_t *o);
