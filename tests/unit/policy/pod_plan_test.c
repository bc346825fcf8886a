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
	bool image_wanted;
	enum stop_phase stop;
};

/* clang-format off */
static const struct {
	const char *name, *pod;
	enum sandbox_state sandbox;
	uint64_t sandbox_retry_ms, grace_end_ms;
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
	{ "deletion begins with the first", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1}, {CONTAINER_RUNNING, -1}}, POD_STEP_STOP_BEGIN, 0, NEVER },
	{ "which gets its stop signal", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_TURN}, {CONTAINER_RUNNING, -1}}, POD_STEP_CONTAINER_STOP, 0, NEVER },
	{ "and the second begins at once", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_SIGNALLED}, {CONTAINER_RUNNING, -1}}, POD_STEP_STOP_BEGIN, 1, NEVER },
	{ "so it does while the first one's hook runs", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_HOOK}, {CONTAINER_RUNNING, -1}}, POD_STEP_STOP_BEGIN, 1, NEVER },
	{ "then it waits for the end of grace", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_SIGNALLED}, {CONTAINER_RUNNING, -1, 0, false, STOP_HOOK}},
	  POD_STEP_NONE, -1, NOW_MS + 30000 },
	{ "a hook that outlasts grace is over", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_RUNNING, -1, 0, false, STOP_HOOK}}, POD_STEP_STOP_HOOK_END, 1, NEVER },
	{ "when grace is over it kills", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_EXITED, 0}, {CONTAINER_RUNNING, -1, 0, false, STOP_SIGNALLED}}, POD_STEP_CONTAINER_KILL, 1, NEVER },
	{ "without grace it is told all the same", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_TURN}, {CONTAINER_EXITED, 0}}, POD_STEP_CONTAINER_STOP, 0, NEVER },
	{ "after the kill only the exit helps", DELETED, SANDBOX_READY, 0, NOW_MS,
	  {{CONTAINER_RUNNING, -1, 0, false, STOP_KILLED}, {CONTAINER_EXITED, 0}}, POD_STEP_NONE, -1, NEVER },
	{ "a start that is under way is waited for", DELETED, SANDBOX_READY, 0, NOW_MS + 30000,
	  {{CONTAINER_STARTING, -1}, {CONTAINER_WAITING, -1}}, POD_STEP_NONE, -1, NEVER },
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

static const struct { const char *name, *policy; enum container_role role; int code; bool stale, again; } restarts[] = {
	{ "Always after success", POLICY("Always"), CONTAINER_MAIN, 0, false, true },
	{ "Always after failure", POLICY("Always"), CONTAINER_MAIN, 1, false, true },
	{ "OnFailure after success", POLICY("OnFailure"), CONTAINER_MAIN, 0, false, false },
	{ "OnFailure after failure", POLICY("OnFailure"), CONTAINER_MAIN, 137, false, true },
	{ "Never after success", POLICY("Never"), CONTAINER_MAIN, 0, false, false },
	{ "Never after failure", POLICY("Never"), CONTAINER_MAIN, 1, false, false },
	{ "nothing written means Always", "{}", CONTAINER_MAIN, 0, false, true },
	{ "an init container that did its work", "{}", CONTAINER_INIT, 0, false, false },
	{ "in a sandbox that is gone", "{}", CONTAINER_INIT, 0, true, true },
	{ "an init container that failed", "{}", CONTAINER_INIT, 1, false, true },
	{ "and under OnFailure", POLICY("OnFailure"), CONTAINER_INIT, 1, false, true },
	{ "and under Never", POLICY("Never"), CONTAINER_INIT, 1, false, false },
	{ "a sidecar, whatever the pod says", POLICY("Never"), CONTAINER_SIDECAR, 0, false, true },
};

/* Init containers i, sidecars s and others m in one word of letters: what each is at. */
static const struct { const char *name, *policy, *roles, *states, *step; int container; } orders[] = {
	{ "the first init container starts alone", "{}", "iim", "www", "container-start", 0 },
	{ "nothing else while it runs", "{}", "iim", "rww", "none", -1 },
	{ "the second when it has ended well", "{}", "iim", "0ww", "container-start", 1 },
	{ "not when it failed: that one again", "{}", "iim", "1ww", "container-start", 0 },
	{ "nor while that waits", "{}", "iim", "bww", "none", -1 },
	{ "under Never the pod is over then", POLICY("Never"), "iim", "1ww", "none", -1 },
	{ "the main ones when all have ended well", "{}", "iim", "00w", "container-start", 2 },
	{ "an init container is not run again beside them", "{}", "im", "wr", "none", -1 },
	{ "nor after them", "{}", "im", "w1", "container-start", 1 },
	{ "a sidecar is waited for until it has started", "{}", "sim", "uww", "none", -1 },
	{ "and no longer", "{}", "sim", "rww", "container-start", 1 },
	{ "its hook has to be over", "{}", "sm", "hw", "post-start", 0 },
	{ "so has a main container's", "{}", "mm", "hw", "post-start", 0 },
	{ "a sidecar that ended starts again beside the others", "{}", "sm", "1r", "container-start", 0 },
	{ "and in between does not hold up what went on", "{}", "siim", "b0ww", "container-start", 2 },
	{ "but the first of its kind does", "{}", "sim", "bww", "none", -1 },
	{ "an old sandbox's work counts for nothing", "{}", "iim", "xxx", "container-start", 0 },
	{ "until it was done again", "{}", "iim", "0xx", "container-start", 1 },
	{ "and the others come after it", "{}", "iim", "00x", "container-start", 2 },
	{ "a sidecar does not keep a pod that is done", POLICY("Never"), "sm", "r0", "stop-begin", 0 },
	{ "nor is it started again", POLICY("Never"), "sm", "10", "none", -1 },
	{ "a failed one's sidecars go, too", POLICY("Never"), "sim", "r1w", "stop-begin", 0 },
	{ "deletion begins with all at once", DELETED, "ssm", "ttr", "stop-begin", 2 },
	{ "sidecars wait for the others", DELETED, "ssm", "tte", "none", -1 },
	{ "then the last one goes first", DELETED, "ssm", "tt0", "container-stop", 1 },
	{ "and the first last", DELETED, "ssm", "te0", "none", -1 },
	{ "when its turn comes", DELETED, "ssm", "t00", "container-stop", 0 },
	{ "who failed its probe is stopped out of turn", "{}", "sm", "kr", "stop-begin", 0 },
};
/* clang-format on */

static struct pod_run *run_of(struct pods *pods, size_t i)
{
	struct pod_run *run = pods_add(pods, "uid");

	run->sandbox = steps[i].sandbox;
	run->retry_ms = steps[i].sandbox_retry_ms;
	run->grace_end_ms = steps[i].grace_end_ms;
	for (size_t k = 0; k < 2; k++) {
		const struct box *b = &steps[i].boxes[k];
		struct container_run *c = pod_run_add_container(run, k ? "b" : "a");

		if (b->code >= 0)
			container_run_ended(c, json_pack("{s:i}", "exit_code", b->code));
		c->state = b->state;
		c->retry_ms = b->retry_ms;
		c->image_wanted = b->image_wanted;
		c->stop = (struct container_stop){
			.phase = b->stop, .end_ms = UINT64_MAX, .hook_end_ms = UINT64_MAX};
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
		int c = got.c && got.type != POD_STEP_NONE ? (int)(got.c - run->containers) : -1;

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
		autojson *end = json_pack("{s:i}", "exit_code", restarts[i].code);
		struct container_run c = {
			.role = restarts[i].role, .last = end, .stale = restarts[i].stale};
		bool got = pod_may_restart(pod, &c);

		cr_expect(got == restarts[i].again, "%s\n got %d\nwant %d", restarts[i].name, got,
			  restarts[i].again);
	}
}

/* One container as a letter says: w waiting, r running, u running and not started by its probe, h
 * with its hook due, k to be stopped for a probe, t its turn is waited for, e told to end, 0 and 1
 * ended, b in back-off, x ended in an old sandbox. */
static void put(struct pod_run *run, const char *name, char role, char state)
{
	struct container_run *c = pod_run_add_container(run, name);

	c->role = role == 'i' ? CONTAINER_INIT : role == 's' ? CONTAINER_SIDECAR : CONTAINER_MAIN;
	if (strchr("01bx", state))
		container_run_ended(c,
				    json_pack("{s:i}", "exit_code", strchr("1b", state) ? 1 : 0));
	else if (state != 'w')
		c->state = CONTAINER_RUNNING;
	c->stale = state == 'x';
	c->retry_ms = state == 'b' ? NOW_MS + 5 : 0;
	c->post_start = state == 'h' ? HOOK_DUE : HOOK_OVER;
	c->probes[PROBE_STARTUP].defined = state == 'u';
	if (state == 'k')
		c->stop.phase = STOP_WANTED;
	if (state == 't' || state == 'e')
		c->stop = (struct container_stop){
			.phase = state == 't' ? STOP_TURN : STOP_SIGNALLED, .end_ms = UINT64_MAX};
}

Test(pod_plan, order_of_init_containers_and_sidecars)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		_cleanup_(pods_freep) struct pods *pods = pods_new();
		struct pod_run *run = pods_add(pods, "uid");
		autojson *pod = json_like(orders[i].policy);
		struct pod_step got;
		int c;

		run->sandbox = SANDBOX_READY;
		for (size_t k = 0; orders[i].roles[k]; k++)
			put(run, names[k], orders[i].roles[k], orders[i].states[k]);
		got = pod_plan(pod, run, NOW_MS);
		c = got.c && got.type != POD_STEP_NONE ? (int)(got.c - run->containers) : -1;
		cr_expect(str_eq(pod_step_name(got.type), orders[i].step) &&
				  c == orders[i].container,
			  "%s (%s %s)\n got %s %d\nwant %s %d", orders[i].name, orders[i].roles,
			  orders[i].states, pod_step_name(got.type), c, orders[i].step,
			  orders[i].container);
	}
}

Test(pod_plan, a_deadline_ends_what_runs)
{
	_cleanup_(pods_freep) struct pods *pods = pods_new();
	struct pod_run *run = pods_add(pods, "uid");
	autojson *pod = json_like(RUNS);
	struct pod_step got;

	run->sandbox = SANDBOX_READY;
	put(run, "a", 'm', 'r');
	run->deadline_ms = NOW_MS + 1;
	got = pod_plan(pod, run, NOW_MS);
	cr_expect(got.type == POD_STEP_NONE && got.again_ms == NOW_MS + 1);
	got = pod_plan(pod, run, NOW_MS + 1);
	cr_expect(got.type == POD_STEP_STOP_BEGIN, "got %s", pod_step_name(got.type));
	cr_expect(pod_plan_end(pod, run, NOW_MS + 1) == POD_DEADLINE);
}

/* Crash after a second of running, each time as soon as the back-off allows. */
Test(pod_plan, back_off_series)
{
	static const uint64_t want_s[] = {0, 10, 20, 40, 80, 160, 300, 300, 300};
	struct container_run c = {0};

	for (size_t i = 0; i < ARRAY_SIZE(want_s); i++) {
		pod_plan_backoff(&c, NOW_MS, 0, 1000);
		cr_expect(c.retry_ms == NOW_MS + want_s[i] * 1000,
			  "exit %zu\n got a wait of %llu ms\nwant %llu s", i,
			  (unsigned long long)(c.retry_ms - NOW_MS), (unsigned long long)want_s[i]);
	}
}

Test(pod_plan, back_off_counts_from_the_end)
{
	struct container_run c = {.n_backoff = 2};

	pod_plan_backoff(&c, NOW_MS, 15000, 1000);
	cr_expect(c.retry_ms == NOW_MS + 5000, "got %llu", (unsigned long long)c.retry_ms);
	c.n_backoff = 2;
	pod_plan_backoff(&c, NOW_MS, 25000, 1000);
	cr_expect(c.retry_ms == NOW_MS, "got %llu", (unsigned long long)c.retry_ms);
}

Test(pod_plan, back_off_starts_again_after_ten_minutes_of_running)
{
	struct container_run c = {.n_backoff = 6};

	pod_plan_backoff(&c, NOW_MS, 0, 600 * 1000);
	cr_expect(c.retry_ms == NOW_MS + 300 * 1000, "ten minutes are not enough: %llu",
		  (unsigned long long)c.retry_ms);
	pod_plan_backoff(&c, NOW_MS, 0, 600 * 1000 + 1);
	cr_expect(c.retry_ms == NOW_MS, "want at once, got %llu", (unsigned long long)c.retry_ms);
	pod_plan_backoff(&c, NOW_MS, 0, 5);
	cr_expect(c.retry_ms == NOW_MS + 10000, "want 10 s after that, got %llu",
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
