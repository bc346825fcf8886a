/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod of a set goes first. Now is 2026-01-10T00:00:00Z. */
#include "reconciler/controllers/victims.h"

#include "base/clock.h"
#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

#define NOW "2026-01-10T00:00:00Z"
#define RUN "'status': {'phase': 'Running', "
#define READY_AT(t)                                                                                \
	"'conditions': [{'type': 'Ready', 'status': 'True', 'lastTransitionTime': '" t "'}]"
#define READY READY_AT("2026-01-01T00:00:00Z")
#define UNREADY                                                                                    \
	"'conditions': [{'type': 'Ready', 'status': 'False', 'lastTransitionTime': '2026-01-01T00:00:00Z'}]"
#define RESTARTS(n) "'containerStatuses': [{'restartCount': 0}, {'restartCount': " #n "}]"
#define INIT_RESTARTS(n) "'initContainerStatuses': [{'name': 'i', 'restartCount': " #n "}]"
#define SIDECAR                                                                                    \
	"'spec': {'nodeName': 'n', 'initContainers': [{'name': 'i', 'restartPolicy': 'Always'}]}"
#define INIT "'spec': {'nodeName': 'n', 'initContainers': [{'name': 'i'}]}"
#define NODE "'spec': {'nodeName': 'n'}"
#define COST(n)                                                                                    \
	"'metadata': {'annotations': {'controller.kubernetes.io/pod-deletion-cost': '" n "'}}"
#define UID(u) "'metadata': {'uid': '" u "'}"
#define MADE(u, t) "'metadata': {'uid': '" u "', 'creationTimestamp': '" t "'}"

/* clang-format off */
static const struct {
	const char *name, *first, *second; /* `first` is deleted before `second` */
} victims[] = {
	{ "one without a node before one with", "{" RUN READY "}}", "{" NODE ", 'status': {'phase': 'Pending'}}" },
	{ "a pending one before a running one", "{" NODE ", 'status': {'phase': 'Pending'}}", "{" NODE ", " RUN UNREADY "}}" },
	{ "one without a status is pending", "{" NODE "}", "{" NODE ", " RUN UNREADY "}}" },
	{ "a pending one before an unknown one", "{" NODE "}", "{" NODE ", 'status': {'phase': 'Unknown'}}" },
	{ "an unknown one before a running one", "{" NODE ", 'status': {'phase': 'Unknown'}}", "{" NODE ", " RUN UNREADY "}}" },
	{ "one that is not ready before a ready one", "{" RUN UNREADY "}}", "{" RUN READY "}}" },
	{ "readiness counts before cost", "{" COST("9") ", " RUN UNREADY "}}", "{" COST("1") ", " RUN READY "}}" },
	{ "the one that costs less", "{" COST("-5") ", " RUN READY "}}", "{" RUN READY "}}" },
	{ "no cost is 0", "{" RUN READY "}}", "{" COST("1") ", " RUN READY "}}" },
	{ "what is no number costs 0", "{" COST("-1") ", " RUN READY "}}", "{" COST("cheap") ", " RUN READY "}}" },
	{ "more than 32 bits are no number", "{" COST("-1") ", " RUN READY "}}", "{" COST("-3000000000") ", " RUN READY "}}" },
	{ "cost counts before the time of being ready",
	  "{" COST("1") ", " RUN READY "}}", "{" COST("2") ", " RUN READY_AT("2026-01-09T00:00:00Z") "}}" },
	{ "the one that is ready for a shorter time",
	  "{" RUN READY_AT("2026-01-09T00:00:00Z") "}}", "{" RUN READY "}}" },
	{ "nearly the same time: the uid decides, not the time",
	  "{" UID("a") ", " RUN READY_AT("2026-01-01T00:00:00Z") "}}",
	  "{" UID("b") ", " RUN READY_AT("2026-01-01T00:00:09Z") "}}" },
	{ "it is not known since when", "{" RUN READY_AT("") "}}", "{" RUN READY_AT("2026-01-09T00:00:00Z") "}}" },
	{ "the time of being ready counts before restarts",
	  "{" RUN READY_AT("2026-01-09T00:00:00Z") ", " RESTARTS(0) "}}", "{" RUN READY ", " RESTARTS(5) "}}" },
	{ "ready since the same second: restarts", "{" RUN READY ", " RESTARTS(2) "}}", "{" RUN READY ", " RESTARTS(1) "}}" },
	{ "the one with more restarts of any container",
	  "{" RUN UNREADY ", " RESTARTS(3) "}}", "{" RUN UNREADY ", " RESTARTS(2) "}}" },
	{ "restarts of a sidecar", "{" SIDECAR ", " RUN UNREADY ", " INIT_RESTARTS(2) "}}",
	  "{" SIDECAR ", " RUN UNREADY ", " INIT_RESTARTS(1) "}}" },
	{ "restarts of an init container do not count",
	  "{" INIT ", " MADE("b", "2026-01-09T00:00:00Z") ", " RUN UNREADY ", " INIT_RESTARTS(1) "}}",
	  "{" INIT ", " MADE("a", "2026-01-01T00:00:00Z") ", " RUN UNREADY ", " INIT_RESTARTS(9) "}}" },
	{ "the newer one when all else is equal",
	  "{" MADE("b", "2026-01-09T00:00:00Z") ", " RUN UNREADY "}}",
	  "{" MADE("a", "2026-01-01T00:00:00Z") ", " RUN UNREADY "}}" },
	{ "nearly the same age: the uid decides",
	  "{" MADE("a", "2026-01-01T00:00:00Z") ", " RUN UNREADY "}}",
	  "{" MADE("b", "2026-01-01T00:00:01Z") ", " RUN UNREADY "}}" },
};
/* clang-format on */

static int64_t now(void)
{
	int64_t ns = 0;

	cr_assert(clock_parse_rfc3339(&ns, NOW) == 0);
	return ns;
}

Test(victims, who_goes_first)
{
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
		autojson *first = json_like(victims[i].first);
		autojson *second = json_like(victims[i].second);
		autojson *there = json_pack("[O, O]", first, second);
		autojson *back = json_pack("[O, O]", second, first);
		autojson *a = victims_choose(there, 1, 0, now()),
			 *b = victims_choose(back, 1, 0, now());

		cr_expect(json_array_get(a, 0) == first && json_array_get(b, 0) == first,
			  "%s\nfirst %s\nthen  %s\n got the other, of %s", victims[i].name,
			  victims[i].first, victims[i].second,
			  json_array_get(a, 0) == first ? "the reverse" : "this order");
	}
}

Test(victims, a_whole_set_is_ranked)
{
	autojson *pods = json_like("[{" UID("old") ", " RUN READY "}}, {" UID(
		"sick") ", " RUN UNREADY
			"}}, {" UID("new") ", " RUN READY_AT("2026-01-09T23:00:00Z") "}}, {" UID(
				"pending") "}]");
	static const char *const want[] = {"pending", "sick", "new"};
	autojson *chosen = victims_choose(pods, 3, 0, now());
	autojson *none = victims_choose(pods, 0, 0, now()),
		 *all = victims_choose(pods, 4, 0, now());

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		cr_expect(str_eq(object_uid(json_array_get(chosen, i)), want[i]),
			  "%zu\n got %s\nwant %s", i, object_uid(json_array_get(chosen, i)),
			  want[i]);
	cr_expect(json_array_size(none) == 0 && json_array_size(all) == 4);
}

Test(victims, what_is_ready_but_not_available_goes_before_what_serves)
{
	autojson *pods =
		json_like("[{" UID("a") ", " RUN READY_AT("2026-01-09T23:00:00Z") "}}, {" UID(
			"b") ", " RUN READY_AT("2026-01-09T23:00:01Z") "}}]");
	int64_t at_ns = 0;

	(void)clock_parse_rfc3339(&at_ns, "2026-01-09T23:00:10Z");
	for (int64_t min_ready_s = 10; min_ready_s <= 11; min_ready_s++) {
		autojson *chosen = victims_choose(pods, 1, min_ready_s, at_ns);
		const char *want = min_ready_s == 10 ? "b" : "a"; /* both not yet: as ever */

		cr_expect_str_eq(object_uid(json_array_get(chosen, 0)), want, "%d",
				 (int)min_ready_s);
	}
}
