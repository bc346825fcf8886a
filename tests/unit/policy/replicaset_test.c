/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod of a set goes first, and since when one is available. */
#include "reconciler/controllers/replicaset.h"

#include "tests/unit/policy/lib.h"

#define READY_AT(t)                                                                                \
	"'conditions': [{'type': 'Ready', 'status': 'True', 'lastTransitionTime': '" t "'}]"
#define UNREADY                                                                                    \
	"'conditions': [{'type': 'Ready', 'status': 'False', 'lastTransitionTime': '2026-01-01T00:00:00Z'}]"
#define RESTARTS(n) "'containerStatuses': [{'restartCount': 0}, {'restartCount': " #n "}]"
#define MADE(t) "'metadata': {'creationTimestamp': '" t "'}"

/* clang-format off */
static const struct {
	const char *name, *first, *second; /* `first` is deleted before `second` */
} victims[] = {
	{ "a pending one before a running one",
	  "{'status': {'phase': 'Pending'}}", "{'status': {'phase': 'Running'}}" },
	{ "one without a status is pending",
	  "{}", "{'status': {'phase': 'Running'}}" },
	{ "one that is not ready before a ready one",
	  "{'status': {'phase': 'Running', " UNREADY "}}",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-01T00:00:00Z") "}}" },
	{ "the one that is ready for a shorter time",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-02T00:00:00Z") "}}",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-01T00:00:00Z") "}}" },
	{ "readiness counts before restarts",
	  "{'status': {'phase': 'Running', " UNREADY ", " RESTARTS(0) "}}",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-01T00:00:00Z") ", " RESTARTS(9) "}}" },
	{ "the one with more restarts of any container",
	  "{'status': {'phase': 'Running', " UNREADY ", " RESTARTS(3) "}}",
	  "{'status': {'phase': 'Running', " UNREADY ", " RESTARTS(2) "}}" },
	{ "the time of being ready counts before restarts",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-02T00:00:00Z") ", " RESTARTS(0) "}}",
	  "{'status': {'phase': 'Running', " READY_AT("2026-01-01T00:00:00Z") ", " RESTARTS(5) "}}" },
	{ "the newer one when all else is equal",
	  "{" MADE("2026-01-02T00:00:00Z") ", 'status': {'phase': 'Running'}}",
	  "{" MADE("2026-01-01T00:00:00Z") ", 'status': {'phase': 'Running'}}" },
};

/* Ready since 00:00:10. */
static const struct { const char *name; int64_t min_ready_s, now_s; bool available; uint64_t wait_ms; } since[] = {
	{ "at once without minReadySeconds", 0, 10, true, 0 },
	{ "not before minReadySeconds are over", 5, 12, false, 3000 },
	{ "when they are over", 5, 15, true, 0 },
	{ "and ever after", 5, 1000, true, 0 },
};
/* clang-format on */

Test(replicaset, victims)
{
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
		autojson *first = json_like(victims[i].first);
		autojson *second = json_like(victims[i].second);
		int there = replicaset_compare_victims(first, second);
		int back = replicaset_compare_victims(second, first);

		cr_expect(there < 0 && back > 0,
			  "%s\nfirst %s\nthen  %s\n got %d and %d\nwant negative and positive",
			  victims[i].name, victims[i].first, victims[i].second, there, back);
		cr_expect(replicaset_compare_victims(first, first) == 0, "%s: itself",
			  victims[i].name);
	}
}

Test(replicaset, availability)
{
	autojson *pod = json_like("{'status': {" READY_AT("1970-01-01T00:00:10Z") "}}");
	autojson *unready = json_like("{'status': {" UNREADY "}}");

	for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
		uint64_t wait = UINT64_MAX;
		bool got = replicaset_pod_available(pod, since[i].min_ready_s,
						    since[i].now_s * 1000000000, &wait);

		cr_expect(got == since[i].available && (got || wait == since[i].wait_ms),
			  "%s\n got %d, wait %llu\nwant %d, wait %llu", since[i].name, got,
			  (unsigned long long)wait, since[i].available,
			  (unsigned long long)since[i].wait_ms);
	}
	cr_expect(!replicaset_pod_available(unready, 0, INT64_MAX / 2, NULL));
	cr_expect(!replicaset_pod_ready(unready) && replicaset_pod_ready(pod));
}
