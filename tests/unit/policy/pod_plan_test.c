/* SPDX-License-Identifier: Apache-2.0 */
/* The next step of a pod, and when a container that ended runs again. */
#include "reconciler/controllers/pod_plan.h"

#include "tests/unit/policy/lib.h"

#define NOW_MS 100000
#define NEVER UINT64_MAX
#define RUNS "{}"
#define DELETED "{'metadata': {'deletionTimestamp': '2026-01-01T00:00:00Z'}}"
#define POLICY(p) "{'spec': {'restartPolicy': '" p "'}}"

struct box {
	enum container_state state;
	int code;          /* of the last exit; -1: never ended */
	uint64_t retry_ms; /* not before */
	bool image_wanted, stop_sent, kill_sent;
};

/* clang-format off */
static const struct {
	const char *name, *pod;
	enum sandbox_state sandbox;
	uint64_t sandbox_retry_ms, kill_ms;
	struct box boxes[2];
	enum pod_step_type step;
	int container; /* index, -1: none */
	uint64_t again_ms;
} steps[] = {
	/* towards running */
	{ "a new pod gets a sandbox", RUNS, SANDBOX_ABSENT, 0, 0, {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}},
	  POD_STEP_SANDBOX_UP, -1, NEVER },
	{ "while that is made nothing starts", RUNS, SANDBOX_STARTING, 0, 0, {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}},
	  POD_STEP_NONE, -1, NEVER },
	{ "a sandbox that failed waits for its time", RUNS, SANDBOX_FAILED, NOW_MS + 7, 0,
	  {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NOW_MS + 7 },
	{ "and is tried again then", RUNS, SANDBOX_FAILED, NOW_MS, 0, {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}},
	  POD_STEP_SANDBOX_UP, -1, NEVER },
	{ "with a sandbox the first container starts", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_CONTAINER_START, 0, NEVER },
	{ "the second waits until the first one's start is decided", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_STARTING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NEVER },
	{ "and for the first one's image", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_WAITING, -1, 0, true}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NEVER },
	{ "then the second starts", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_RUNNING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_CONTAINER_START, 1, NEVER },
	{ "a first one in back-off does not hold up the second", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_WAITING, -1, NOW_MS + 5}, {CONTAINER_WAITING, -1}}, POD_STEP_CONTAINER_START, 1, NEVER },
	{ "all run: only an event changes that", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_RUNNING, -1}, {CONTAINER_RUNNING, -1}}, POD_STEP_NONE, -1, NEVER },
	/* after an exit */
	{ "one that ended starts again", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 0, NOW_MS}, {CONTAINER_RUNNING, -1}}, POD_STEP_CONTAINER_START, 0, NEVER },
	{ "not before its back-off is over", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 1, NOW_MS + 1}, {CONTAINER_RUNNING, -1}}, POD_STEP_NONE, -1, NOW_MS + 1 },
	{ "the earliest of two back-offs counts", RUNS, SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 1, NOW_MS + 9}, {CONTAINER_EXITED, 1, NOW_MS + 4}}, POD_STEP_NONE, -1, NOW_MS + 4 },
	{ "Never means never", POLICY("Never"), SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 1}, {CONTAINER_RUNNING, -1}}, POD_STEP_NONE, -1, NEVER },
	{ "OnFailure leaves success alone", POLICY("OnFailure"), SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_RUNNING, -1}}, POD_STEP_NONE, -1, NEVER },
	{ "OnFailure starts a failed one again", POLICY("OnFailure"), SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 3}, {CONTAINER_RUNNING, -1}}, POD_STEP_CONTAINER_START, 0, NEVER },
	{ "a pod in a terminal phase is left as it is", "{'status': {'phase': 'Failed'}}", SANDBOX_READY, 0, 0,
	  {{CONTAINER_EXITED, 1}, {CONTAINER_EXITED, 1}}, POD_STEP_NONE, -1, NEVER },
	/* away */
	{ "deletion sends the first its stop signal", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1}, {CONTAINER_RUNNING, -1}}, POD_STEP_CONTAINER_STOP, 0, NEVER },
	{ "and the second at once", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, true}, {CONTAINER_RUNNING, -1}}, POD_STEP_CONTAINER_STOP, 1, NEVER },
	{ "then it waits for the end of grace", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, true}, {CONTAINER_RUNNING, -1, 0, false, true}},
	  POD_STEP_NONE, -1, NOW_MS + 30000 },
	{ "when grace is over it kills", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_RUNNING, -1, 0, false, true}}, POD_STEP_CONTAINER_KILL, 1, NEVER },
	{ "without grace it kills at once", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_RUNNING, -1}, {CONTAINER_EXITED, 0}}, POD_STEP_CONTAINER_KILL, 0, NEVER },
	{ "after the kill only the exit helps", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_RUNNING, -1, 0, false, true, true}, {CONTAINER_EXITED, 0}}, POD_STEP_NONE, -1, NEVER },
	{ "a start that is under way is waited for", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_STARTING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NOW_MS + 30000 },
	{ "all ended: the sandbox goes", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_WAITING, -1}}, POD_STEP_DOWN, -1, NEVER },
	{ "so does one that failed half-way", DELETED, SANDBOX_FAILED, 0, NOW_MS + 30000,
	  {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_DOWN, -1, NEVER },
	{ "one being made is not taken down before its answer", DELETED, SANDBOX_STARTING, 0, NOW_MS + 30000,
	  {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NEVER },
	{ "its end is waited for", DELETED, SANDBOX_STOPPING, 0, NOW_MS + 30000,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_EXITED, 0}}, POD_STEP_NONE, -1, NEVER },
	{ "then the object may go", DELETED, SANDBOX_GONE, 0, NOW_MS + 30000,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_EXITED, 0}}, POD_STEP_FORGET, -1, NEVER },
	{ "a pod that never ran goes at once", DELETED, SANDBOX_ABSENT, 0, NOW_MS + 30000,
	  {{CONTAINER_WAITING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_FORGET, -1, NEVER },
};

static const struct { const char *name, *policy; int64_t code; bool again; } restarts[] = {
	{ "Always after success", POLICY("Always"), 0, true },
	{ "Always after failure", POLICY("Always"), 1, true },
	{ "OnFailure after success", POLICY("OnFailure"), 0, false },
	{ "OnFailure after failure", POLICY("OnFailure"), 137, true },
	{ "Never after success", POLICY("Never"), 0, false },
	{ "Never after failure", POLICY("Never"), 1, false },
	{ "nothing written means Always", "{}", 0, true },
};
/* clang-format on */

static struct pod_run *run_of(struct pods *pods, size_t i)
{
	struct pod_run *run = pods_add(pods, "uid");

	run->sandbox = steps[i].sandbox;
	run->retry_ms = steps[i].sandbox_retry_ms;
	run->kill_ms = steps[i].kill_ms;
	for (size_t k = 0; k < 2; k++) {
		const struct box *b = &steps[i].boxes[k];
		struct container_run *c = pod_run_add_container(run, k ? "b" : "a");

		if (b->code >= 0)
			container_run_ended(c, json_pack("{s:i}", "exit_code", b->code));
		c->state = b->state;
		c->retry_ms = b->retry_ms;
		c->image_wanted = b->image_wanted;
		c->stop_sent = b->stop_sent;
		c->kill_sent = b->kill_sent;
	}
	return run;
}

Test(pod_plan, steps)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_(pods_freep) struct pods *pods = pods_new();
		struct pod_run *run = run_of(pods, i);
		autojson *pod = json_like(steps[i].pod);
		struct pod_step got = pod_plan(pod, run, NOW_MS);
		int c = got.c ? (int)(got.c - run->containers) : -1;

		cr_expect(got.type == steps[i].step && c == steps[i].container &&
				  got.again_ms == steps[i].again_ms,
			  "%s (%s)\n got %s %d again at %llu\nwant %s %d again at %llu",
			  steps[i].name, steps[i].pod, pod_step_name(got.type), c,
			  (unsigned long long)got.again_ms, pod_step_name(steps[i].step),
			  steps[i].container, (unsigned long long)steps[i].again_ms);
	}
}

Test(pod_plan, restart_policies)
{
	for (size_t i = 0; i < ARRAY_SIZE(restarts); i++) {
		autojson *pod = json_like(restarts[i].policy);
		bool got = pod_may_restart(pod, restarts[i].code);

		cr_expect(got == restarts[i].again, "%s\n got %d\nwant %d", restarts[i].name, got,
			  restarts[i].again);
	}
}

/* Crash after a second of running, each time as soon as the back-off allows. */
Test(pod_plan, back_off_series)
{
	static const uint64_t want_s[] = {0, 10, 20, 40, 80, 160, 300, 300, 300};
	struct container_run c = {0};
	uint64_t now_ms = 1000;

	for (size_t i = 0; i < ARRAY_SIZE(want_s); i++) {
		c.started_ms = now_ms;
		now_ms += 1000;
		pod_plan_backoff(&c, now_ms);
		cr_expect(c.retry_ms == now_ms + want_s[i] * 1000,
			  "exit %zu\n got a wait of %llu ms\nwant %llu s", i,
			  (unsigned long long)(c.retry_ms - now_ms), (unsigned long long)want_s[i]);
		now_ms = c.retry_ms;
	}
}

Test(pod_plan, back_off_starts_again_after_ten_minutes_of_running)
{
	struct container_run c = {.n_backoff = 6, .started_ms = 1000};

	pod_plan_backoff(&c, 1000 + 600 * 1000);
	cr_expect(c.retry_ms == 1000 + 600 * 1000 + 300 * 1000, "ten minutes are not enough: %llu",
		  (unsigned long long)c.retry_ms);
	pod_plan_backoff(&c, 1000 + 600 * 1000 + 1);
	cr_expect(c.retry_ms == 1000 + 600 * 1000 + 1, "want at once, got %llu",
		  (unsigned long long)c.retry_ms);
	c.started_ms = c.retry_ms;
	pod_plan_backoff(&c, c.retry_ms + 5);
	cr_expect(c.retry_ms == 1000 + 600 * 1000 + 6 + 10000, "want 10 s after that, got %llu",
		  (unsigned long long)c.retry_ms);
}

Test(pod_plan, waits_after_failures)
{
	static const uint64_t want_s[] = {10, 10, 20, 40, 80, 160, 300, 300};

	for (unsigned int n = 0; n < ARRAY_SIZE(want_s); n++)
		cr_expect(pod_retry_seconds(n) == want_s[n], "%u failures\n got %llu\nwant %llu", n,
			  (unsigned long long)pod_retry_seconds(n), (unsigned long long)want_s[n]);
	cr_expect(pod_retry_seconds(UINT32_MAX) == 300);
}
