/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Job reads off its pods: whether one counts, how its failure is taken, which index it has,
 * when it ended; and the text that a Job's status keeps of completed indexes. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool job_pod_ended(const json_t *pod);  /* phase Succeeded or Failed */
bool job_pod_active(const json_t *pod); /* not ended, not on its way out */
bool job_pod_in_phase(const json_t *pod, const char *phase);
bool job_pod_uncounted(const json_t *pod); /* has the finalizer of job tracking */

/* Does POD count as failed? One on its way out does at once, unless only ended ones are replaced
 * (REPLACE_FAILED_ONLY). */
bool job_pod_failed(const json_t *pod, bool replace_failed_only);

/* The completion index of POD, or -1. */
int64_t job_pod_index(const json_t *pod);

/* When the last container of POD ended, or what comes nearest to that. Nanoseconds. */
int64_t job_pod_finished_ns(const json_t *pod);

/* Restarts of POD's containers. */
int64_t job_pod_restarts(const json_t *pod);

enum job_failure_action { JOB_COUNT, JOB_IGNORE, JOB_FAIL, JOB_FAILURE_ACTION_N_ };

/*
 * How the podFailurePolicy of the Job's SPEC takes the failed POD. With JOB_FAIL *ret_message says
 * which rule and why (owned by the caller); else it is untouched.
 */
enum job_failure_action job_pod_failure(const json_t *spec, const json_t *pod, char **ret_message);

/* Set those of DONE (N of them) that TEXT ("0-2,5") names. */
void job_indexes_parse(bool *done, size_t n, const char *text);

/* The text for DONE. Owned by the caller. */
char *job_indexes_format(const bool *done, size_t n);
