/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build request as the worker reads it. Its JSON form is described in build.h.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct request {
	json_t *json; /* everything below is borrowed from it */
	bool plan_only;
	const char *state_dir;
	struct strlist names;    /* "name" and "tags": what the image shall be called */
	const char *context_dir; /* NULL: content cannot be read */
	json_t *entries;
	const char *dockerfile; /* its path, for messages */
	const char *dockerfile_text;
	const char *dockerignore;
	const char *dockerignore_text; /* NULL: none */
	const char *target;
	const json_t *build_args;
	const char *platform;
	bool host_network;
	const char *cgroup_root; /* NULL: the top of each hierarchy */
	int64_t memory_bytes;    /* of a RUN; 0: no limit */
};

/* Read J, which comes from the daemon. 0 with *ret (to be released with request_deinit), or -EINVAL
 * with ERR. */
int request_init(struct request *ret, json_t *j, struct err *err);

/* Drop what the request owns; idempotent. */
void request_deinit(struct request *rq);
