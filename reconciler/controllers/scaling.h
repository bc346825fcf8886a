/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Deployment that is scaled while it rolls: how the new number of pods is shared among its
 * ReplicaSets, in proportion to their sizes. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct scaling_set {
	int64_t spec;         /* wanted size now, above 0 */
	int64_t max_replicas; /* what its Deployment allowed in all when it was sized; 0: not known
			       */
	int64_t next;         /* out: the size it is given */
	int64_t unavailable;  /* of spec, how many serve nobody */
};

/* What a Deployment of `replicas` allows in all, and has in all as of its status. */
struct scaling_room {
	int64_t replicas;
	int64_t surge;
	int64_t status_replicas;
};

/*
 * Set `next` of the N active SETS (oldest first) so that together they have replicas + surge, none
 * when replicas is 0. When they shrink, those that are not available go first (spec is lowered by
 * them). Each grows or shrinks by its share, larger ones first; what rounding leaves over goes to
 * the largest.
 */
void scaling_share(struct scaling_set *sets, size_t n, struct scaling_room room);
