/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet's probe workers, folded into one structure per container: thresholds count equal
 * results in a row, startup comes before all others, a verdict of startup or liveness is final for
 * the instance.
 */
#include "reconciler/controllers/probe.h"

#include <assert.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* A run may try several times within its timeout each; then there is the way to and fro. */
#define TRIES 4
#define ANSWER_SLACK_MS 5000

/* clang-format off */
static const struct {
	const char *name, *field, *title;
	enum probe_result initial;
} probe_types[PROBE_N_] = {
	[PROBE_STARTUP]   = { "startup",   "startupProbe",   "Startup",   PROBE_UNKNOWN },
	[PROBE_READINESS] = { "readiness", "readinessProbe", "Readiness", PROBE_FAILURE },
	[PROBE_LIVENESS]  = { "liveness",  "livenessProbe",  "Liveness",  PROBE_SUCCESS },
};
/* clang-format on */

const char *probe_name(enum probe_type type)
{
	assert(type < PROBE_N_);
	return probe_types[type].name;
}

const char *probe_field(enum probe_type type)
{
	assert(type < PROBE_N_);
	return probe_types[type].field;
}

const char *probe_title(enum probe_type type)
{
	assert(type < PROBE_N_);
	return probe_types[type].title;
}

bool probe_type_parse(enum probe_type *ret, const char *name)
{
	for (int type = 0; type < PROBE_N_; type++) {
		if (!str_eq(probe_types[type].name, name))
			continue;
		*ret = (enum probe_type)type;
		return true;
	}
	return false;
}

static uint64_t seconds_ms(const json_t *spec, const char *field, int64_t fallback)
{
	int64_t s = json_path_int(spec, field, fallback);

	return s < 0 ? 0 : (uint64_t)s * 1000;
}

static struct probe probe_read(const json_t *spec, enum probe_type type)
{
	return (struct probe){
		.defined = spec != NULL,
		.initial_delay_ms = seconds_ms(spec, "initialDelaySeconds", 0),
		.timeout_ms = seconds_ms(spec, "timeoutSeconds", 1),
		.period_ms = seconds_ms(spec, "periodSeconds", 10),
		.success_threshold = (unsigned int)json_path_int(spec, "successThreshold", 1),
		.failure_threshold = (unsigned int)json_path_int(spec, "failureThreshold", 3),
		.grace_s = json_path_int(spec, "terminationGracePeriodSeconds", -1),
		.result = probe_types[type].initial,
		.last = PROBE_UNKNOWN,
	};
}

void probes_begin(struct probe probes[PROBE_N_], const json_t *spec, uint64_t started_ms)
{
	for (int type = 0; type < PROBE_N_; type++) {
		struct probe *p = &probes[type];

		*p = probe_read(json_object_get(spec, probe_types[type].field),
				(enum probe_type)type);
		p->due_ms = started_ms + p->initial_delay_ms;
	}
}

void probes_resume(struct probe probes[PROBE_N_], bool started, bool ready, uint64_t now_ms,
		   uint64_t spread)
{
	for (int type = 0; type < PROBE_N_; type++) {
		struct probe *p = &probes[type];
		uint64_t first = now_ms + (p->period_ms ? spread % p->period_ms : 0);

		assert(!p->asked);
		if (p->due_ms < first)
			p->due_ms = first;
	}
	if (started) {
		probes[PROBE_STARTUP].result = PROBE_SUCCESS;
		probes[PROBE_STARTUP].resting = true;
	}
	if (ready)
		probes[PROBE_READINESS].result = PROBE_SUCCESS;
}

bool probes_started(const struct probe probes[PROBE_N_])
{
	return !probes[PROBE_STARTUP].defined || probes[PROBE_STARTUP].result == PROBE_SUCCESS;
}

bool probes_ready(const struct probe probes[PROBE_N_])
{
	const struct probe *p = &probes[PROBE_READINESS];

	return probes_started(probes) && (!p->defined || p->result == PROBE_SUCCESS);
}

bool probes_run(const struct probe probes[PROBE_N_], enum probe_type type, bool ending)
{
	if (!probes[type].defined || probes[type].resting)
		return false;
	if (ending && type != PROBE_READINESS)
		return false;
	return type == PROBE_STARTUP || probes_started(probes);
}

uint64_t probes_next_ms(const struct probe probes[PROBE_N_], bool ending)
{
	uint64_t next = UINT64_MAX;

	for (int type = 0; type < PROBE_N_; type++) {
		if (probes_run(probes, (enum probe_type)type, ending) && probes[type].due_ms < next)
			next = probes[type].due_ms;
	}
	return next;
}

bool probe_overdue(const struct probe *p, uint64_t now_ms)
{
	return p->asked && p->due_ms <= now_ms;
}

void probe_ask(struct probe *p, uint64_t now_ms)
{
	assert(p->defined && !p->asked && !p->resting);
	p->asked = true;
	p->asked_ms = now_ms;
	p->due_ms = now_ms + TRIES * p->timeout_ms + ANSWER_SLACK_MS;
}

/* The next run of P on its own beat, not before NOW_MS. */
static uint64_t next_beat(const struct probe *p, uint64_t from_ms, uint64_t now_ms)
{
	uint64_t period = p->period_ms ? p->period_ms : 1;

	if (from_ms >= now_ms)
		return from_ms;
	return from_ms + (now_ms - from_ms + period - 1) / period * period;
}

/* Readiness need not wait for its beat now; liveness keeps its own, counted from its first delay.
 */
static void startup_over(struct probe probes[PROBE_N_], uint64_t now_ms)
{
	struct probe *ready = &probes[PROBE_READINESS], *live = &probes[PROBE_LIVENESS];

	if (ready->due_ms < now_ms)
		ready->due_ms = now_ms;
	live->due_ms = next_beat(live, live->due_ms, now_ms);
}

enum probe_verdict probes_answer(struct probe probes[PROBE_N_], enum probe_type type, bool ok,
				 uint64_t now_ms)
{
	struct probe *p = &probes[type];
	enum probe_result result = ok ? PROBE_SUCCESS : PROBE_FAILURE;
	unsigned int threshold = ok ? p->success_threshold : p->failure_threshold;
	bool changed;

	assert(p->asked && p->defined);
	p->asked = false;
	p->due_ms = p->asked_ms + p->period_ms > now_ms ? p->asked_ms + p->period_ms : now_ms;
	p->n_last = p->last == result ? p->n_last + 1 : 1;
	p->last = result;
	if (p->n_last < threshold)
		return PROBE_UNCHANGED;
	changed = p->result != result;
	p->result = result;
	if (type == PROBE_READINESS || (type == PROBE_LIVENESS && ok))
		return changed ? PROBE_CHANGED : PROBE_UNCHANGED;
	p->resting = true;
	if (!ok)
		return PROBE_KILL;
	startup_over(probes, now_ms);
	return PROBE_CHANGED;
}
