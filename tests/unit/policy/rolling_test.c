/* SPDX-License-Identifier: Apache-2.0 */
/* Rolling updates: the limits, single steps, and whole rollouts as traces of sizes. */
#include "reconciler/controllers/rolling.h"

#include "base/strbuf.h"
#include "tests/unit/policy/lib.h"

/* clang-format off */
static const struct {
	const char *name, *strategy;
	int64_t replicas, surge, unavailable;
} limits[] = {
	{ "nothing written means 25 % of each", "{}", 4, 1, 1 },
	{ "one replica: the new one comes first", "{}", 1, 1, 0 },
	{ "two replicas", "{}", 2, 1, 0 },
	{ "three replicas", "{}", 3, 1, 0 },
	{ "ten replicas: surge rounds up, unavailable down", "{}", 10, 3, 2 },
	{ "no replicas have no unavailable ones", "{}", 0, 0, 0 },
	{ "numbers are taken as they are", "{'rollingUpdate': {'maxSurge': 2, 'maxUnavailable': 3}}", 10, 2, 3 },
	{ "percentages of their own", "{'rollingUpdate': {'maxSurge': '10%', 'maxUnavailable': '50%'}}", 5, 1, 2 },
	{ "both zero: one unavailable", "{'rollingUpdate': {'maxSurge': 0, 'maxUnavailable': 0}}", 3, 0, 1 },
	{ "both zero after rounding: one unavailable", "{'rollingUpdate': {'maxSurge': '0%', 'maxUnavailable': '10%'}}", 3, 0, 1 },
	{ "unavailable is at most all of them", "{'rollingUpdate': {'maxSurge': 0, 'maxUnavailable': 9}}", 2, 0, 2 },
	{ "one of the two written, the other stays 25 %", "{'rollingUpdate': {'maxSurge': 5}}", 8, 5, 2 },
	{ "Recreate has neither", "{'type': 'Recreate'}", 10, 0, 0 },
};

static const struct {
	const char *name;
	int64_t replicas;
	struct rolling_limits limits;
	struct rolling_set new, olds[3];
	size_t n_olds;
	bool changed;
	int64_t new_next, old_next[3];
} steps[] = {
	{ "the new set grows first, and alone", 3, {1, 0}, {0, 0, 0}, {{3, 3, 0}}, 1, true, 1, {3} },
	{ "at the ceiling and not yet available: nothing", 3, {1, 0}, {1, 0, 0}, {{3, 3, 0}}, 1, false, 1, {3} },
	{ "available: one old one goes", 3, {1, 0}, {1, 1, 0}, {{3, 3, 0}}, 1, true, 1, {2} },
	{ "the last old one goes", 3, {1, 0}, {3, 3, 0}, {{1, 1, 0}}, 1, true, 3, {0} },
	{ "all is done", 3, {1, 0}, {3, 3, 0}, {{0, 0, 0}}, 1, false, 3, {0} },
	{ "without old sets nothing shrinks", 3, {1, 0}, {3, 1, 0}, {{0, 0, 0}}, 0, false, 3, {0} },
	{ "a new set that is too large is cut", 2, {1, 0}, {5, 5, 0}, {{0, 0, 0}}, 1, true, 2, {0} },
	{ "unhealthy old ones go although the new set is not up", 3, {1, 0}, {1, 0, 0}, {{3, 1, 0}}, 1, false, 1, {3} },
	{ "unhealthy old ones use what budget there is", 4, {1, 1}, {2, 1, 0}, {{3, 1, 0}}, 1, true, 2, {2} },
	{ "rollover: the previous new set goes first when it never came up",
	  3, {1, 1}, {0, 0, 0}, {{3, 3, 0}, {1, 0, 0}}, 2, true, 0, {2, 0} },
	{ "the oldest set goes first", 4, {0, 2}, {2, 2, 0}, {{1, 1, 0}, {1, 1, 0}}, 2, true, 2, {0, 0} },
	{ "a broken new revision leaves the floor of old ones", 10, {3, 2}, {5, 0, 0}, {{8, 8, 0}}, 1, false, 5, {8} },
	{ "ten replicas take three up at once", 10, {3, 2}, {0, 0, 0}, {{10, 10, 0}}, 1, true, 3, {10} },
	{ "and two old ones down beside them", 10, {3, 2}, {3, 0, 0}, {{10, 10, 0}}, 1, true, 3, {8} },
};

/* Every pod is available as soon as its set has its size. */
static const struct { const char *name; int64_t replicas; struct rolling_limits limits; const char *trace; } traces[] = {
	{ "three replicas, one above, none below", 3, {1, 0}, "1/3 1/2 2/2 2/1 3/1 3/0" },
	{ "three replicas, none above, one below", 3, {0, 1}, "0/2 1/2 1/1 2/1 2/0 3/0" },
	{ "one replica, one above", 1, {1, 0}, "1/1 1/0" },
	{ "ten replicas, 25 %", 10, {3, 2}, "3/10 3/5 8/5 8/0 10/0" },
};
/* clang-format on */

Test(rolling, limits_of_a_strategy)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		autojson *strategy = json_like(limits[i].strategy);
		struct rolling_limits got = rolling_limits(strategy, limits[i].replicas);

		cr_expect(got.surge == limits[i].surge && got.unavailable == limits[i].unavailable,
			  "%s (%s of %lld)\n got %lld/%lld\nwant %lld/%lld", limits[i].name,
			  limits[i].strategy, (long long)limits[i].replicas, (long long)got.surge,
			  (long long)got.unavailable, (long long)limits[i].surge,
			  (long long)limits[i].unavailable);
	}
}

Test(rolling, one_step)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct rolling_set new = steps[i].new, olds[3];
		bool changed;

		memcpy(olds, steps[i].olds, sizeof(olds));
		changed = rolling_step(&new, olds, steps[i].n_olds, steps[i].replicas,
				       steps[i].limits);
		cr_expect(changed == steps[i].changed && new.next == steps[i].new_next,
			  "%s\n got %d, new %lld\nwant %d, new %lld", steps[i].name, changed,
			  (long long)new.next, steps[i].changed, (long long)steps[i].new_next);
		for (size_t o = 0; o < steps[i].n_olds; o++)
			cr_expect(olds[o].next == steps[i].old_next[o],
				  "%s: old set %zu\n got %lld\nwant %lld", steps[i].name, o,
				  (long long)olds[o].next, (long long)steps[i].old_next[o]);
	}
}

Test(rolling, whole_rollouts)
{
	for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
		struct rolling_set new = {0}, old = {traces[i].replicas, traces[i].replicas, 0};
		autostrbuf got = STRBUF_INIT;

		for (int n = 0; n < 50; n++) {
			if (!rolling_step(&new, &old, 1, traces[i].replicas, traces[i].limits))
				break;
			new.spec = new.available = new.next;
			old.spec = old.available = old.next;
			strbuf_addf(&got, "%s%lld/%lld", n ? " " : "", (long long)new.spec,
				    (long long)old.spec);
		}
		cr_expect(str_eq(strbuf_str(&got), traces[i].trace), "%s\n got %s\nwant %s",
			  traces[i].name, strbuf_str(&got), traces[i].trace);
	}
}

Test(rolling, a_new_set_starts_with_what_room_there_is)
{
	struct rolling_limits one_above = {1, 0};

	cr_expect(rolling_initial(3, 3, one_above, false) == 1);
	cr_expect(rolling_initial(3, 4, one_above, false) == 0);
	cr_expect(rolling_initial(3, 9, one_above, false) == 0);
	cr_expect(rolling_initial(3, 0, one_above, false) == 3);
	cr_expect(rolling_initial(3, 3, (struct rolling_limits){0, 0}, true) == 3);
}
