/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a container: when its hook is over, when it is told, when it is killed. */
#include "reconciler/controllers/pod_stop.h"

#include <signal.h>

#include "tests/unit/policy/lib.h"

#define NOW_MS 100000
#define NONE UINT64_MAX

/* clang-format off */
static const struct {
	const char *name;
	struct container_stop stop;
	uint64_t limit_ms;
	bool turn;
	enum stop_act act;
	uint64_t again_ms;
} steps[] = {
	{ "it begins", { STOP_NONE }, NONE, true, STOP_ACT_BEGIN, NONE },
	{ "so it does when a probe wants it", { STOP_WANTED, 30000 }, NONE, true, STOP_ACT_BEGIN, NONE },
	{ "a hook runs until its answer or the end of grace", { STOP_HOOK, 0, NOW_MS + 30000, NONE }, NONE, true,
	  STOP_ACT_NONE, NOW_MS + 30000 },
	{ "a sleep until it is over", { STOP_HOOK, 0, NOW_MS + 30000, NOW_MS + 5 }, NONE, true, STOP_ACT_NONE, NOW_MS + 5 },
	{ "then it is", { STOP_HOOK, 0, NOW_MS + 30000, NOW_MS }, NONE, true, STOP_ACT_HOOK_END, NONE },
	{ "grace ends a hook", { STOP_HOOK, 0, NOW_MS, NONE }, NONE, true, STOP_ACT_HOOK_END, NONE },
	{ "the pod's grace does, too", { STOP_HOOK, 0, NOW_MS + 30000, NONE }, NOW_MS, true, STOP_ACT_HOOK_END, NONE },
	{ "who has the turn is told", { STOP_TURN, 0, NOW_MS + 30000, 0 }, NONE, true, STOP_ACT_SIGNAL, NONE },
	{ "who has not waits", { STOP_TURN, 0, NOW_MS + 30000, 0 }, NONE, false, STOP_ACT_NONE, NOW_MS + 30000 },
	{ "until grace is over", { STOP_TURN, 0, NOW_MS, 0 }, NONE, false, STOP_ACT_SIGNAL, NONE },
	{ "the rest of grace is left to it", { STOP_SIGNALLED, 0, NOW_MS + 20000, 0, NOW_MS - 10000 }, NONE, true,
	  STOP_ACT_NONE, NOW_MS + 20000 },
	{ "then it is killed", { STOP_SIGNALLED, 0, NOW_MS, 0, NOW_MS - 30000 }, NONE, true, STOP_ACT_KILL, NONE },
	{ "a shortened grace of the pod counts", { STOP_SIGNALLED, 0, NOW_MS + 20000, 0, NOW_MS - 10000 }, NOW_MS, true,
	  STOP_ACT_KILL, NONE },
	{ "two seconds are left however short grace is", { STOP_SIGNALLED, 0, NOW_MS - 500, 0, NOW_MS - 500 }, NONE, true,
	  STOP_ACT_NONE, NOW_MS + 1500 },
	{ "no more", { STOP_SIGNALLED, 0, NOW_MS - 2000, 0, NOW_MS - 2000 }, NONE, true, STOP_ACT_KILL, NONE },
	{ "after the kill nothing helps", { STOP_KILLED, 0, 0, 0, 0 }, NONE, true, STOP_ACT_NONE, NONE },
};
/* clang-format on */

Test(pod_stop, steps)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t again = NONE;
		enum stop_act got =
			stop_plan(&steps[i].stop, steps[i].limit_ms, steps[i].turn, NOW_MS, &again);

		cr_expect(got == steps[i].act && again == steps[i].again_ms,
			  "%s (%s)\n got %d again at %llu\nwant %d again at %llu", steps[i].name,
			  stop_phase_name(steps[i].stop.phase), got, (unsigned long long)again,
			  steps[i].act, (unsigned long long)steps[i].again_ms);
	}
}

Test(pod_stop, a_sooner_time_is_kept)
{
	struct container_stop s = {.phase = STOP_SIGNALLED, .end_ms = NOW_MS + 9};
	uint64_t again = NOW_MS + 3;

	cr_expect_eq(stop_plan(&s, NONE, true, NOW_MS, &again), STOP_ACT_NONE);
	cr_expect_eq(again, NOW_MS + 3);
}

Test(pod_stop, the_phases_come_in_order)
{
	struct container_stop s = {0};

	stop_move(&s, STOP_WANTED);
	stop_move(&s, STOP_HOOK);
	stop_move(&s, STOP_TURN);
	stop_move(&s, STOP_SIGNALLED);
	stop_move(&s, STOP_KILLED);
	cr_expect_str_eq(stop_phase_name(s.phase), "killed");
}

Test(pod_stop, there_is_no_way_back, .signal = SIGABRT)
{
	struct container_stop s = {.phase = STOP_SIGNALLED};

	stop_move(&s, STOP_HOOK);
}
