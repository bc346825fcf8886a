/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container's probes as a state machine without clock or host: which probe is to run when, and
 * what a result means. The rules are the kubelet's (pkg/kubelet/prober/worker.go).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum probe_type {
	PROBE_STARTUP,
	PROBE_READINESS,
	PROBE_LIVENESS,
	PROBE_N_,
};

enum probe_result {
	PROBE_UNKNOWN,
	PROBE_SUCCESS,
	PROBE_FAILURE,
};

enum probe_verdict {
	PROBE_UNCHANGED, /* below its threshold, or what was known already */
	PROBE_CHANGED,   /* started, ready or not ready from now on */
	PROBE_KILL,      /* the container has to end; the probe rests until the next one */
};

struct probe {
	bool defined;
	uint64_t initial_delay_ms, period_ms, timeout_ms;
	unsigned int success_threshold, failure_threshold;
	int64_t grace_s; /* terminationGracePeriodSeconds of its own; -1: the pod's */

	enum probe_result result; /* the verdict that holds */
	enum probe_result last;   /* of the latest run */
	unsigned int n_last;      /* runs in a row with that result */
	bool resting;             /* gave its verdict: not run before the next instance */
	bool asked;               /* a run is under way */
	uint64_t asked_ms;
	uint64_t due_ms; /* the next run; while one is under way: when its answer is overdue */
};

/* "readiness" (also in ids of checks) / "readinessProbe" / "Readiness". */
const char *probe_name(enum probe_type type);
const char *probe_field(enum probe_type type);
const char *probe_title(enum probe_type type);

/* The type called NAME in *ret; false when there is none. */
bool probe_type_parse(enum probe_type *ret, const char *name);

/*
 * The probes of an instance of the container SPEC that started at STARTED_MS: none succeeded yet,
 * the first runs when its delay is over.
 */
void probes_begin(struct probe probes[PROBE_N_], const json_t *spec, uint64_t started_ms);

/*
 * Go on with probes of an instance that was STARTED and READY by its last known status, as recond
 * itself comes back at NOW_MS: what held goes on holding. SPREAD (any number) makes the first run
 * of a probe fall somewhere into its first period.
 */
void probes_resume(struct probe probes[PROBE_N_], bool started, bool ready, uint64_t now_ms,
		   uint64_t spread);

/* Did the startup probe succeed (or is there none)? / And the readiness probe? */
bool probes_started(const struct probe probes[PROBE_N_]);
bool probes_ready(const struct probe probes[PROBE_N_]);

/*
 * Is TYPE run at all, as things are? While the startup probe has not succeeded, nothing else is; in
 * a pod that is ENDING only readiness.
 */
bool probes_run(const struct probe probes[PROBE_N_], enum probe_type type, bool ending);

/* When something has to be done about the probes next; UINT64_MAX: never. */
uint64_t probes_next_ms(const struct probe probes[PROBE_N_], bool ending);

/* Has an answer of P been missing for so long that it will not come? */
bool probe_overdue(const struct probe *p, uint64_t now_ms);

/* A run of P begins. */
void probe_ask(struct probe *p, uint64_t now_ms);

/* The run of TYPE that was asked for ended at NOW_MS, well (OK) or not. */
enum probe_verdict probes_answer(struct probe probes[PROBE_N_], enum probe_type type, bool ok,
				 uint64_t now_ms);
