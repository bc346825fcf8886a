/* SPDX-License-Identifier: Apache-2.0 */
/* What a Job does next: one row per situation. */
#include "reconciler/controllers/job_plan.h"

#include "tests/unit/policy/lib.h"

#define S INT64_C(1000000000) /* a second */
#define NOW (1000 * S)
#define NEVER INT64_MAX

/* How many at once, how many in all, failures borne, deadline; begun a hundred seconds ago. */
#define JOB(p, c, limit, deadline)                                                                 \
	.parallelism = (p), .completions = (c), .backoff_limit = (limit),                          \
	.deadline_s = (deadline), .started_ns = 900 * S, .now_ns = NOW
#define SUSPENDED(deadline)                                                                        \
	.parallelism = 2, .completions = 3, .deadline_s = (deadline), .now_ns = NOW, .suspend = true

/* clang-format off */
static const struct {
	const char *name;
	struct job_view v;
	struct job_step want;
} cases[] = {
	{ "at the start as many as may run at once", { JOB(2, 3, 6, JOB_NONE) }, { JOB_GOES_ON, 0, 2, 0, NEVER } },
	{ "all run: nothing", { JOB(2, 3, 6, JOB_NONE), .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "one is done: the next", { JOB(2, 3, 6, JOB_NONE), .active = 1, .succeeded = 1 }, { JOB_GOES_ON, 0, 1, 0, NEVER } },
	{ "not more than are missing", { JOB(2, 3, 6, JOB_NONE), .active = 1, .succeeded = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "made narrower: the surplus goes", { JOB(1, 3, 6, JOB_NONE), .active = 2 }, { JOB_GOES_ON, 0, 0, 1, NEVER } },
	{ "no width: nothing runs", { JOB(0, 3, 6, JOB_NONE), .active = 1 }, { JOB_GOES_ON, 0, 0, 1, NEVER } },
	{ "enough have succeeded", { JOB(2, 3, 6, JOB_NONE), .succeeded = 3 }, { JOB_SUCCEEDS, 0, 0, 0, NEVER } },
	{ "enough have succeeded and more run: they go", { JOB(2, 3, 6, JOB_NONE), .succeeded = 3, .active = 1 }, { JOB_SUCCEEDS, 0, 0, 1, NEVER } },
	{ "no completions asked for: done at once", { JOB(2, 0, 6, JOB_NONE) }, { JOB_SUCCEEDS, 0, 0, 0, NEVER } },
	{ "500 at once are enough for one pass", { JOB(600, 600, 6, JOB_NONE) }, { JOB_GOES_ON, 0, 500, 0, 0 } },

	{ "a queue starts as wide as it may", { JOB(2, JOB_NONE, 6, JOB_NONE) }, { JOB_GOES_ON, 0, 2, 0, NEVER } },
	{ "after the first success of a queue none is started", { JOB(2, JOB_NONE, 6, JOB_NONE), .succeeded = 1, .active = 1 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "a queue ends when the last of its pods did", { JOB(2, JOB_NONE, 6, JOB_NONE), .succeeded = 1 }, { JOB_SUCCEEDS, 0, 0, 0, NEVER } },
	{ "a queue without a success goes on", { JOB(2, JOB_NONE, 6, JOB_NONE), .active = 1 }, { JOB_GOES_ON, 0, 1, 0, NEVER } },

	{ "one failure: the next after ten seconds", { JOB(2, 3, 6, JOB_NONE), .failed = 1, .recent_failures = 1, .last_failure_ns = NOW - 4 * S },
	  { JOB_GOES_ON, 0, 0, 0, 6000 } },
	{ "ten seconds after it: two", { JOB(2, 3, 6, JOB_NONE), .failed = 1, .recent_failures = 1, .last_failure_ns = NOW - 10 * S },
	  { JOB_GOES_ON, 0, 2, 0, NEVER } },
	{ "three failures: forty seconds", { JOB(2, 3, 6, JOB_NONE), .failed = 3, .recent_failures = 3, .last_failure_ns = NOW },
	  { JOB_GOES_ON, 0, 0, 0, 40000 } },
	{ "a clock that was set back waits no longer than the pause from then",
	  { JOB(2, 3, 6, JOB_NONE), .failed = 1, .recent_failures = 1, .last_failure_ns = NOW + 5 * S }, { JOB_GOES_ON, 0, 0, 0, 15000 } },
	{ "what is too many goes without a pause", { JOB(0, 3, 6, JOB_NONE), .active = 1, .failed = 1, .recent_failures = 1, .last_failure_ns = NOW },
	  { JOB_GOES_ON, 0, 0, 1, NEVER } },
	{ "as many failures as are borne", { JOB(2, 3, 2, JOB_NONE), .failed = 2, .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "one more than that", { JOB(2, 3, 2, JOB_NONE), .failed = 3, .active = 2 }, { JOB_FAILS, JOB_BACKOFF, 0, 2, NEVER } },
	{ "no failure is borne and there is none", { JOB(2, 3, 0, JOB_NONE), .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "no failure is borne and there is one", { JOB(2, 3, 0, JOB_NONE), .failed = 1 }, { JOB_FAILS, JOB_BACKOFF, 0, 0, NEVER } },
	{ "restarts in place do not count with Never", { JOB(2, 3, 2, JOB_NONE), .restarts = 9, .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "with OnFailure they count up to the limit", { JOB(2, 3, 2, JOB_NONE), .on_failure = true, .restarts = 1, .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "and fail the Job when they reach it", { JOB(2, 3, 2, JOB_NONE), .on_failure = true, .restarts = 2, .active = 2 }, { JOB_FAILS, JOB_BACKOFF, 0, 2, NEVER } },
	{ "with a limit of 0 the first restart does", { JOB(2, 3, 0, JOB_NONE), .on_failure = true, .restarts = 1, .active = 2 }, { JOB_FAILS, JOB_BACKOFF, 0, 2, NEVER } },
	{ "with a limit of 0 none is no failure", { JOB(2, 3, 0, JOB_NONE), .on_failure = true, .active = 2 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "a rule fails it before anything is counted", { JOB(2, 3, 6, JOB_NONE), .replace_failed_only = true, .fail_job = true, .failed = 9, .active = 1 }, { JOB_FAILS, JOB_POLICY, 0, 1, NEVER } },
	{ "failing counts before succeeding", { JOB(2, 3, 6, JOB_NONE), .succeeded = 3, .failed = 7 }, { JOB_FAILS, JOB_BACKOFF, 0, 0, NEVER } },

	{ "before the deadline it is waited for", { JOB(2, 3, 6, 130), .active = 2 }, { JOB_GOES_ON, 0, 0, 0, 30000 } },
	{ "at the deadline it fails", { JOB(2, 3, 6, 100), .active = 2 }, { JOB_FAILS, JOB_DEADLINE, 0, 2, NEVER } },
	{ "the pause is shorter than the deadline", { JOB(2, 3, 6, 130), .recent_failures = 1, .last_failure_ns = NOW }, { JOB_GOES_ON, 0, 0, 0, 10000 } },
	{ "the deadline is shorter than the pause", { JOB(2, 3, 6, 105), .recent_failures = 1, .last_failure_ns = NOW }, { JOB_GOES_ON, 0, 0, 0, 5000 } },

	{ "suspended: what runs goes", { SUSPENDED(JOB_NONE), .active = 2 }, { JOB_GOES_ON, 0, 0, 2, NEVER } },
	{ "suspended: nothing is started", { SUSPENDED(JOB_NONE) }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "suspended: no deadline runs", { SUSPENDED(1) }, { JOB_GOES_ON, 0, 0, 0, NEVER } },

	{ "a pod on its way out is replaced at once", { JOB(2, 3, 6, JOB_NONE), .active = 1, .terminating = 1 }, { JOB_GOES_ON, 0, 1, 0, NEVER } },
	{ "only when it has ended, if that is wanted", { JOB(2, 3, 6, JOB_NONE), .replace_failed_only = true, .active = 1, .terminating = 1 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },

	{ "failing: what runs goes", { JOB(2, 3, 6, JOB_NONE), .failing = true, .active = 1 }, { JOB_GOES_ON, 0, 0, 1, NEVER } },
	{ "failing: not over while a pod is on its way out", { JOB(2, 3, 6, JOB_NONE), .failing = true, .terminating = 1 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "failing: over", { JOB(2, 3, 6, JOB_NONE), .failing = true }, { JOB_ENDED, 0, 0, 0, NEVER } },
	{ "succeeding: not over while a pod is on its way out", { JOB(2, 3, 6, JOB_NONE), .succeeded_enough = true, .succeeded = 3, .terminating = 1 }, { JOB_GOES_ON, 0, 0, 0, NEVER } },
	{ "succeeding: over, whatever failed meanwhile", { JOB(2, 3, 6, JOB_NONE), .succeeded_enough = true, .failed = 9 }, { JOB_ENDED, 0, 0, 0, NEVER } },
};
/* clang-format on */

Test(job_plan, steps)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct job_step got = job_plan(&cases[i].v), want = cases[i].want;

		cr_expect(got.verdict == want.verdict && got.create == want.create &&
				  got.remove == want.remove && got.again_ms == want.again_ms &&
				  (got.verdict != JOB_FAILS || got.why == want.why),
			  "%s:\n got verdict %d why %d create %lld remove %lld again %lld\n"
			  "want verdict %d why %d create %lld remove %lld again %lld",
			  cases[i].name, got.verdict, got.why, (long long)got.create,
			  (long long)got.remove, (long long)got.again_ms, want.verdict, want.why,
			  (long long)want.create, (long long)want.remove, (long long)want.again_ms);
	}
}

Test(job_plan, the_pause_doubles_up_to_ten_minutes)
{
	static const int64_t want[] = {0, 10, 20, 40, 80, 160, 320, 600, 600};

	for (size_t n = 0; n < ARRAY_SIZE(want); n++)
		cr_expect_eq(job_backoff_seconds((int64_t)n), want[n], "after %zu failures", n);
	cr_expect_eq(job_backoff_seconds(INT64_MAX), 600);
}
