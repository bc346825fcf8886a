/* SPDX-License-Identifier: Apache-2.0 */
/* Events: repetitions are counted on one object, differences make another. */
#include "reconciler/events.h"

#include "tests/unit/policy/lib.h"

static uint64_t still_now(void *data)
{
	return 1000 + (uint64_t)((struct still_world *)data)->now_ns / 1000000;
}

static void still_wake(void *data UNUSED, uint64_t at_ms UNUSED)
{
}

Test(events, repetitions_fold_into_a_count)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	_cleanup_(events_freep) struct events *events = events_new();
	struct reconciler r = {.store = s, .queue = queue, .events = events, .pass_open = true};
	autojson *pod = json_like("{'apiVersion': 'v1', 'kind': 'Pod', 'metadata':"
				  " {'name': 'p', 'namespace': 'n', 'uid': 'u'}}");
	autojson *list = NULL;
	const json_t *first;

	r.ports = (struct ports){.data = &world,
				 .now_ms = still_now,
				 .realtime_ns = still_realtime,
				 .random = still_random,
				 .wake_at = still_wake};
	events_warning(&r, pod, "kubelet", "BackOff", "try %d", 1);
	world.now_ns = INT64_C(60) * 1000000000;
	events_warning(&r, pod, "kubelet", "BackOff", "try %d", 1);
	events_warning(&r, pod, "kubelet", "BackOff", "try %d", 1);
	list = store_list(s, KIND_EVENT, "n");
	cr_assert(json_array_size(list) == 1, "got %zu events, want 1", json_array_size(list));
	first = json_array_get(list, 0);
	cr_expect(json_path_int(first, "count", 0) == 3, "got %lld, want 3",
		  (long long)json_path_int(first, "count", 0));
	cr_expect(str_eq(json_path_str(first, "firstTimestamp", ""), "1970-01-01T00:00:00Z"));
	cr_expect(str_eq(json_path_str(first, "lastTimestamp", ""), "1970-01-01T00:01:00Z"));
	events_warning(&r, pod, "kubelet", "BackOff", "try %d", 2);
	events_normal(&r, pod, "kubelet", "BackOff", "try %d", 1);
	json_decref(list);
	list = store_list(s, KIND_EVENT, "n");
	cr_expect(json_array_size(list) == 3, "got %zu events, want 3", json_array_size(list));
}

static int64_t counted(struct store *s, const char *reason)
{
	autojson *list = store_list(s, KIND_EVENT, "n");
	int64_t n = 0;
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		n += str_eq(json_path_str(e, "reason", ""), reason) ? json_path_int(e, "count", 0)
								    : 0;
	return n;
}

Test(events, of_a_flood_a_few_are_kept)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	_cleanup_(events_freep) struct events *events = events_new();
	struct reconciler r = {.store = s, .queue = queue, .events = events, .pass_open = true};
	autojson *pod = json_like("{'apiVersion': 'v1', 'kind': 'Pod', 'metadata':"
				  " {'name': 'p', 'namespace': 'n', 'uid': 'u'}}");

	r.ports = (struct ports){.data = &world,
				 .now_ms = still_now,
				 .realtime_ns = still_realtime,
				 .random = still_random,
				 .wake_at = still_wake};
	for (int i = 0; i < 100; i++)
		events_warning(&r, pod, "kubelet", "Unhealthy", "no answer");
	cr_expect_eq(counted(s, "Unhealthy"), 25, "got %lld", (long long)counted(s, "Unhealthy"));
	events_normal(&r, pod, "kubelet", "Killing", "other reasons go through");
	cr_expect_eq(counted(s, "Killing"), 1);
	world.now_ns = INT64_C(299) * 1000000000;
	events_warning(&r, pod, "kubelet", "Unhealthy", "no answer");
	cr_expect_eq(counted(s, "Unhealthy"), 25);
	world.now_ns = INT64_C(301) * 1000000000;
	for (int i = 0; i < 3; i++)
		events_warning(&r, pod, "kubelet", "Unhealthy", "no answer");
	cr_expect_eq(counted(s, "Unhealthy"), 26, "one more after five minutes: got %lld",
		     (long long)counted(s, "Unhealthy"));
}
