/* SPDX-License-Identifier: Apache-2.0 */
/* Since when a pod is available, how many are made at once, and what a set owns and says. */
#include "reconciler/controllers/replicaset.h"

#include "tests/unit/policy/lib.h"

#define READY_AT(t)                                                                                \
	"'conditions': [{'type': 'Ready', 'status': 'True', 'lastTransitionTime': '" t "'}]"
#define UNREADY                                                                                    \
	"'conditions': [{'type': 'Ready', 'status': 'False', 'lastTransitionTime': '2026-01-01T00:00:00Z'}]"

/* clang-format off */
/* Ready since 00:00:10. */
static const struct { const char *name; int64_t min_ready_s, now_s; bool available; uint64_t wait_ms; } since[] = {
	{ "at once without minReadySeconds", 0, 10, true, 0 },
	{ "not before minReadySeconds are over", 5, 12, false, 3000 },
	{ "when they are over", 5, 15, true, 0 },
	{ "and ever after", 5, 1000, true, 0 },
};
/* clang-format on */

Test(replicaset, availability)
{
	autojson *pod = json_like("{'status': {" READY_AT("1970-01-01T00:00:10Z") "}}");
	autojson *unready = json_like("{'status': {" UNREADY "}}");

	for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
		uint64_t wait = UINT64_MAX;
		bool got = replicaset_pod_available(pod, since[i].min_ready_s, 10000000000,
						    since[i].now_s * 1000000000, &wait);

		cr_expect(got == since[i].available && (got || wait == since[i].wait_ms),
			  "%s\n got %d, wait %llu\nwant %d, wait %llu", since[i].name, got,
			  (unsigned long long)wait, since[i].available,
			  (unsigned long long)since[i].wait_ms);
	}
	cr_expect(!replicaset_pod_available(unready, 0, 0, INT64_MAX / 2, NULL));
	cr_expect(!replicaset_pod_ready(unready) && replicaset_pod_ready(pod));
}

struct factory {
	size_t asked, broken_from; /* the broken_from-th and later ones fail */
};

static bool make_one(void *data)
{
	struct factory *f = data;

	return ++f->asked < f->broken_from;
}

/* clang-format off */
static const struct { const char *name; size_t n, broken_from, asked, made; } starts[] = {
	{ "all of them when nothing fails", 10, 99, 10, 10 },
	{ "none", 0, 1, 0, 0 },
	{ "one that fails is the only one tried", 500, 1, 1, 0 },
	{ "the batch of two is finished", 500, 2, 3, 1 },
	{ "and so is the batch of four", 500, 5, 7, 4 },
	{ "the last batch is as large as what is left", 9, 99, 9, 9 },
};
/* clang-format on */

Test(replicaset, slow_start)
{
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		struct factory f = {0, starts[i].broken_from};
		size_t made = replicaset_slow_start(starts[i].n, make_one, &f);

		cr_expect(made == starts[i].made && f.asked == starts[i].asked,
			  "%s\n got %zu of %zu asked\nwant %zu of %zu", starts[i].name, made,
			  f.asked, starts[i].made, starts[i].asked);
	}
}
