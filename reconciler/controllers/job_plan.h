/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Job does next, as a pure function of what is wanted of it and of what is known of its
 * pods: start some, remove some, end. The rules are Kubernetes' (k8s-semantics 3.4).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define JOB_NONE (-1) /* a number that is not given */

struct job_view {
	/* wanted */
	int64_t parallelism;
	int64_t completions; /* JOB_NONE: one success ends the work */
	int64_t backoff_limit;
	int64_t deadline_s; /* JOB_NONE: none */
	bool suspend;
	bool on_failure;          /* containers are started again in place */
	bool replace_failed_only; /* a pod on its way out still counts */
	/* seen */
	int64_t active;      /* pods neither ended nor on their way out */
	int64_t terminating; /* on their way out and not ended */
	int64_t succeeded;
	int64_t failed;
	int64_t restarts;        /* of the containers of pods that have not ended */
	int64_t recent_failures; /* since the last success */
	int64_t last_failure_ns; /* when the newest of them ended */
	int64_t started_ns;      /* 0: not yet, or suspended */
	int64_t now_ns;
	bool fail_job;         /* a failed pod met a rule that ends the Job */
	bool failing;          /* condition FailureTarget is there */
	bool succeeded_enough; /* condition SuccessCriteriaMet is there */
};

enum job_verdict {
	JOB_GOES_ON,
	JOB_SUCCEEDS, /* enough has succeeded: the rest is removed */
	JOB_FAILS,    /* see why */
	JOB_ENDED,    /* and no pod of it is left running */
	JOB_VERDICT_N_,
};

enum job_failure_cause { JOB_POLICY, JOB_BACKOFF, JOB_DEADLINE, JOB_FAILURE_CAUSE_N_ };

struct job_step {
	enum job_verdict verdict;
	enum job_failure_cause why; /* of JOB_FAILS */
	int64_t create;             /* pods to start */
	int64_t remove;             /* active pods to delete */
	int64_t again_ms; /* look again after this long; INT64_MAX: when something changes */
};

/* The next step of the Job that V shows. */
struct job_step job_plan(const struct job_view *v);

/* How long after its newest failure a Job with N failures in a row starts the next pod, in seconds:
 * 10, 20, 40 ... 600. */
int64_t job_backoff_seconds(int64_t n);
