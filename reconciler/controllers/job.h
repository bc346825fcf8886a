/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Job controller: pods that run to their end, as often as asked for. Each pod is counted once,
 * in the transaction that takes its finalizer; a Job ends in two steps, so that it is Complete or
 * Failed only when nothing of it runs any more.
 *
 * An app's Job runs once for each content of it: what is complete is not run again because its
 * object went (ttlSecondsAfterFinished) or because the app went back to it.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/reconciler_priv.h"

/* Queue work: bring the Job KEY ("namespace/name") one step on. */
void job_reconcile(struct reconciler *r, const char *key);

/* POD's Job is gone: nobody will count it, and nothing holds it any longer. */
void job_release_pod(struct reconciler *r, const json_t *pod);

/* Has the Job ended? Complete, or Failed with the reason and message (borrowed) why. */
bool job_complete(const json_t *job);
bool job_failed(const json_t *job, const char **ret_reason, const char **ret_message);

/* Did a Job of this name and content complete before? WANTED is as an app asks for it. */
bool job_was_done(struct reconciler *r, const json_t *wanted);

/* JOB goes, its object or its place in the app: remember that it was done if it was / forget all
 * that was done under its name. */
void job_remember(struct reconciler *r, const json_t *job);
void job_forget(struct reconciler *r, const char *ns, const char *name);

/* Are there pods of a Job of that name that is gone? A new one waits for them. */
bool job_leaves_pods(struct reconciler *r, const char *ns, const char *name);
