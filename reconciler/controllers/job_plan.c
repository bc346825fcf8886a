/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision of the Job controller: no clock, no store.
 */
#include "reconciler/controllers/job_plan.h"

#include <assert.h>

#define BACKOFF_FIRST_S 10
#define BACKOFF_MAX_S 600
#define BURST_PODS 500 /* Kubernetes' limit for one pass */
#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS 1000000

int64_t job_backoff_seconds(int64_t n)
{
	int64_t s = BACKOFF_FIRST_S;

	assert(n >= 0);
	if (n == 0)
		return 0;
	for (int64_t i = 1; i < n && s < BACKOFF_MAX_S; i++)
		s *= 2;
	return s < BACKOFF_MAX_S ? s : BACKOFF_MAX_S;
}

/* Milliseconds from V's now until AT, rounded up; never negative. */
static int64_t ms_until(const struct job_view *v, int64_t at_ns)
{
	return at_ns <= v->now_ns ? 0 : (at_ns - v->now_ns + NS_PER_MS - 1) / NS_PER_MS;
}

static int64_t deadline_left_ms(const struct job_view *v)
{
	if (v->deadline_s == JOB_NONE || v->started_ns == 0)
		return INT64_MAX;
	return ms_until(v, v->started_ns + v->deadline_s * NS_PER_S);
}

static bool restarted_too_often(const struct job_view *v)
{
	if (!v->on_failure)
		return false;
	return v->backoff_limit == 0 ? v->restarts > 0 : v->restarts >= v->backoff_limit;
}

/* Has it failed? In the order in which the causes count. */
static bool has_failed(const struct job_view *v, enum job_failure_cause *ret_why)
{
	if (v->fail_job)
		*ret_why = JOB_POLICY;
	else if (v->failed > v->backoff_limit || restarted_too_often(v))
		*ret_why = JOB_BACKOFF;
	else if (deadline_left_ms(v) == 0)
		*ret_why = JOB_DEADLINE;
	else
		return false;
	return true;
}

static bool has_succeeded(const struct job_view *v)
{
	if (v->completions == JOB_NONE)
		return v->succeeded > 0 && v->active == 0;
	return v->succeeded >= v->completions;
}

static int64_t wanted_active(const struct job_view *v)
{
	int64_t missing;

	if (v->suspend)
		return 0;
	if (v->completions == JOB_NONE)
		return v->succeeded > 0 ? v->active : v->parallelism;
	missing = v->completions - v->succeeded;
	return missing < v->parallelism ? missing : v->parallelism;
}

static int64_t backoff_left_ms(const struct job_view *v)
{
	if (v->recent_failures == 0)
		return 0;
	return ms_until(v, v->last_failure_ns + job_backoff_seconds(v->recent_failures) * NS_PER_S);
}

/* More pods, fewer, or as many: and when only time is missing, how much. */
static void plan_size(const struct job_view *v, struct job_step *s)
{
	int64_t wanted = wanted_active(v), wait_ms;
	int64_t have = v->active + (v->replace_failed_only ? v->terminating : 0);

	if (v->active > wanted) {
		s->remove = v->active - wanted;
		return;
	}
	if (have >= wanted)
		return;
	wait_ms = backoff_left_ms(v);
	if (wait_ms == 0)
		s->create = wanted - have < BURST_PODS ? wanted - have : BURST_PODS;
	else if (wait_ms < s->again_ms)
		s->again_ms = wait_ms;
	if (s->create == BURST_PODS)
		s->again_ms = 0;
}

struct job_step job_plan(const struct job_view *v)
{
	struct job_step s = {.verdict = JOB_GOES_ON, .again_ms = INT64_MAX};

	assert(v->active >= 0 && v->terminating >= 0);
	if (v->failing || v->succeeded_enough) {
		s.remove = v->active;
		if (v->active + v->terminating == 0)
			s.verdict = JOB_ENDED;
		return s;
	}
	if (has_failed(v, &s.why)) {
		s.verdict = JOB_FAILS;
		s.remove = v->active;
		return s;
	}
	if (has_succeeded(v)) {
		s.verdict = JOB_SUCCEEDS;
		s.remove = v->active;
		return s;
	}
	if (!v->suspend)
		s.again_ms = deadline_left_ms(v);
	plan_size(v, &s);
	return s;
}
