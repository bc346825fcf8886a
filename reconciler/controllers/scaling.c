/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proportional scaling as the Deployment controller of Kubernetes does it (k8s-semantics 2.5), but
 * for what is not available: it goes first, so that no share is taken from what serves in its
 * stead.
 */
#include "reconciler/controllers/scaling.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

struct ranked {
	struct scaling_set *set;
	int64_t spec;
	int64_t age; /* position, 0 is the oldest; negative to let the newest win */
};

/* The largest first; among equals, the lower age. */
static int compare_size(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->spec != y->spec)
		return x->spec > y->spec ? -1 : 1;
	return x->age < y->age ? -1 : x->age > y->age;
}

/* By how much SET would change if nothing but its share counted. */
static int64_t fraction(const struct scaling_set *set, struct scaling_room room)
{
	int64_t before = set->max_replicas > 0 ? set->max_replicas : room.status_replicas;
	double size;

	if (room.replicas == 0)
		return -set->spec;
	if (before <= 0)
		return 0;
	size = (double)set->spec * (double)(room.replicas + room.surge) / (double)before;
	return (int64_t)llround(size) - set->spec;
}

/* No more than LEFT in LEFT's direction. */
static int64_t clamp(int64_t share, int64_t left)
{
	if (left > 0)
		return share < left ? share : left;
	return share > left ? share : left;
}

/* As many as SURPLUS of those that serve nobody. How many they were. */
static int64_t drop_unavailable(struct scaling_set *sets, size_t n, int64_t surplus)
{
	int64_t dropped = 0;

	for (size_t i = 0; i < n && dropped < surplus; i++) {
		int64_t drop = sets[i].unavailable;

		if (drop > surplus - dropped)
			drop = surplus - dropped;
		sets[i].spec -= drop;
		sets[i].next = sets[i].spec;
		dropped += drop;
	}
	return dropped;
}

void scaling_share(struct scaling_set *sets, size_t n, struct scaling_room room)
{
	autofree struct ranked *ranked = mem_calloc(n + 1, sizeof(*ranked));
	int64_t add = room.replicas > 0 ? room.replicas + room.surge : 0, added = 0;

	for (size_t i = 0; i < n; i++) {
		assert(sets[i].spec > 0 && sets[i].unavailable <= sets[i].spec);
		add -= sets[i].spec;
		sets[i].next = sets[i].spec;
	}
	add += drop_unavailable(sets, n, -add);
	if (add == 0 || n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		ranked[i] =
			(struct ranked){&sets[i], sets[i].spec, add > 0 ? -(int64_t)i : (int64_t)i};
	qsort(ranked, n, sizeof(*ranked), compare_size);
	for (size_t i = 0; i < n && added != add; i++) {
		int64_t share = clamp(fraction(ranked[i].set, room), add - added);

		ranked[i].set->next += share;
		added += share;
	}
	ranked[0].set->next += add - added;
	if (ranked[0].set->next < 0)
		ranked[0].set->next = 0;
}
