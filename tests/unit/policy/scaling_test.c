/* SPDX-License-Identifier: Apache-2.0 */
/* Proportional scaling: who gets how many when a Deployment is scaled in the middle of a rollout.
 */
#include "reconciler/controllers/scaling.h"

#include "tests/unit/policy/lib.h"

/* clang-format off */
static const struct {
	const char *name;
	struct scaling_room room;
	struct scaling_set sets[3]; /* oldest first: size, what it was sized for */
	size_t n;
	int64_t next[3];
} shares[] = {
	{ "ten to fifteen, stuck in the middle: in proportion", {15, 3, 13}, {{8, 13, 0}, {5, 13, 0}}, 2, {11, 7} },
	{ "the largest set takes what rounding leaves over", {11, 1, 11}, {{5, 11, 0}, {3, 11, 0}, {3, 11, 0}}, 3, {6, 3, 3} },
	{ "down, in proportion too", {5, 0, 10}, {{6, 10, 0}, {4, 10, 0}}, 2, {3, 2} },
	{ "of equal sets the newer one grows first", {4, 1, 4}, {{2, 4, 0}, {2, 4, 0}}, 2, {2, 3} },
	{ "of equal sets the older one shrinks first", {3, 0, 4}, {{2, 4, 0}, {2, 4, 0}}, 2, {1, 2} },
	{ "to nothing, and no surge with it", {0, 3, 13}, {{8, 13, 0}, {5, 13, 0}}, 2, {0, 0} },
	{ "nothing to add, nothing to take", {10, 3, 13}, {{8, 13, 0}, {5, 13, 0}}, 2, {8, 5} },
	{ "what a set was sized for is not known: by what is there", {15, 3, 13}, {{8, -1, 0}, {5, 0, 0}}, 2, {11, 7} },
	{ "nothing is known at all: the largest takes it", {6, 0, 0}, {{2, 0, 0}, {1, 0, 0}}, 2, {5, 1} },
	{ "a share never exceeds what is to be added", {5, 1, 4}, {{2, 1, 0}, {2, 1, 0}}, 2, {2, 4} },
	{ "what is not available goes first, from sets of any size", {4, 0, 5}, {{3, 5, 0, 0}, {2, 5, 0, 2}}, 2, {3, 1} },
	{ "and the rest in proportion", {4, 0, 10}, {{6, 10, 0, 1}, {4, 10, 0, 1}}, 2, {2, 2} },
	{ "when it grows, what is not available stays", {15, 3, 13}, {{8, 13, 0, 8}, {5, 13, 0, 5}}, 2, {11, 7} },
	{ "without sets nothing happens", {5, 1, 4}, {{0}}, 0, {0} },
};
/* clang-format on */

Test(scaling, shares)
{
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		struct scaling_set sets[3];
		int64_t sum = 0, want = shares[i].room.replicas
						? shares[i].room.replicas + shares[i].room.surge
						: 0;

		memcpy(sets, shares[i].sets, sizeof(sets));
		scaling_share(sets, shares[i].n, shares[i].room);
		for (size_t k = 0; k < shares[i].n; k++) {
			cr_expect(sets[k].next == shares[i].next[k],
				  "%s: set %zu\n got %lld\nwant %lld", shares[i].name, k,
				  (long long)sets[k].next, (long long)shares[i].next[k]);
			sum += sets[k].next;
		}
		cr_expect(shares[i].n == 0 || sum == want, "%s: together\n got %lld\nwant %lld",
			  shares[i].name, (long long)sum, (long long)want);
	}
}
