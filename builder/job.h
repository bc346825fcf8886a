/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build from request to image: reads the Dockerfile, plans, looks up each step's record and makes
 * what is missing. The same code answers what would happen (plan only), changing nothing. Blocking;
 * for workers.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "builder/plan.h"
#include "builder/request.h"

struct job_callbacks {
	/* Step I (from 1) of N begins, or is taken from the cache. Negative ends the build. */
	int (*progress)(size_t i, size_t n, const struct plan_step *step, bool cached, void *data);
	/* One line of output of a RUN. Negative ends the build. */
	int (*log)(const char *line, void *data);
	void *data;
};

/*
 * What building RQ would do: {"bases": [{"reference","digest"}], "key", "current", "steps":
 * [{"text","line", "cached"}]}. A base that is not here has digest ""; then key, current and steps
 * are empty. Nothing is written, the state directory need not exist. 0 with *ret (owned by the
 * caller), or negative errno with ERR.
 */
int job_plan(json_t **ret, const struct request *rq, struct err *err);

/*
 * Build RQ, as root in the build's own mount and process namespaces. 0 with the digest of the
 * image's manifest in RET, tagged with all names; or negative errno with ERR whose reason is
 * BuildFailed or ErrImagePull.
 */
int job_build(char ret[DIGEST_STR_SIZE], const struct request *rq, const struct job_callbacks *cb,
	      struct err *err);
