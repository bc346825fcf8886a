/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a Job the server gives out (its selector and the labels that go with it), and what of it
 * can be changed once it is there. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#define JOBSPEC_LABEL_NAME "batch.kubernetes.io/job-name"
#define JOBSPEC_LABEL_UID "batch.kubernetes.io/controller-uid"
#define JOBSPEC_INDEX                                                                              \
	"batch.kubernetes.io/job-completion-index"           /* label and annotation of a pod      \
							      */
#define JOBSPEC_FINALIZER "batch.kubernetes.io/job-tracking" /* of a pod not counted yet */

/*
 * Give JOB, which has its uid, the selector and the labels that tell its pods from all others,
 * unless it has spec.manualSelector. True when something was missing.
 */
bool jobspec_generate(json_t *job);

/* Take away what jobspec_generate gave. */
void jobspec_strip(json_t *job);

/*
 * The path of the first field in which WANTED differs from LIVE and that a Job cannot have changed,
 * owned by the caller, or NULL. Both with defaults; what the server gave out is not compared.
 */
char *jobspec_frozen(const json_t *live, const json_t *wanted);

/* A digest of all that makes JOB this work and no other, as of json_digest; the server's parts and
 * what can be changed do not count. */
void jobspec_digest(char ret[80], const json_t *job);
