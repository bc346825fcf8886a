/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of deletion (k8s-semantics 3.1). "More siblings on its node", the fifth criterion of
 * Kubernetes, is the same for all pods of one host and left out.
 */
#include "reconciler/controllers/victims.h"

#include <assert.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

#define NS_PER_S 1000000000
#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"

/* What the order looks at, read once for each pod. */
struct victim {
	json_t *pod;
	bool assigned;
	int phase; /* 0 pending, 1 unknown, 2 running */
	bool ready, available;
	int64_t cost;
	int64_t ready_ns; /* since when; 0: not known */
	int64_t restarts, sidecar_restarts;
	int64_t created_ns;
};

static int64_t time_ns(const char *text)
{
	int64_t ns = 0;

	(void)clock_parse_rfc3339(&ns, text);
	return ns;
}

static int64_t max_restarts(const json_t *statuses)
{
	int64_t max = 0;
	json_t *s;
	size_t i;

	json_array_foreach(statuses, i, s) {
		if (json_path_int(s, "restartCount", 0) > max)
			max = json_path_int(s, "restartCount", 0);
	}
	return max;
}

/* Of init containers only those that go on running beside the others. */
static int64_t max_sidecar_restarts(const json_t *pod)
{
	autojson *statuses = json_array();
	json_t *c, *s;
	size_t i, k;

	json_array_foreach(json_path(pod, "spec.initContainers"), i, c) {
		if (!str_eq(json_path_str(c, "restartPolicy", ""), "Always"))
			continue;
		json_array_foreach(json_path(pod, "status.initContainerStatuses"), k, s) {
			if (str_eq(json_path_str(s, "name", ""), json_path_str(c, "name", "")))
				json_array_append(statuses, s);
		}
	}
	return max_restarts(statuses);
}

static struct victim victim_of(json_t *pod, int64_t min_ready_s, int64_t now_ns)
{
	const json_t *ready = object_condition(pod, "Ready");
	const char *phase = json_path_str(pod, "status.phase", "Pending");
	struct victim v = {.pod = pod, .phase = 2};

	if (str_eq(phase, "Pending"))
		v.phase = 0;
	else if (str_eq(phase, "Unknown"))
		v.phase = 1;
	v.assigned = *json_path_str(pod, "spec.nodeName", "") != '\0';
	v.ready = str_eq(json_path_str(ready, "status", ""), "True");
	v.ready_ns = time_ns(json_path_str(ready, "lastTransitionTime", ""));
	v.available =
		v.ready && (v.ready_ns > now_ns || now_ns - v.ready_ns >= min_ready_s * NS_PER_S);
	(void)str_parse_i64(&v.cost, object_annotation(pod, DELETION_COST) ?: "", INT32_MIN,
			    INT32_MAX);
	v.restarts = max_restarts(json_path(pod, "status.containerStatuses"));
	v.sidecar_restarts = max_sidecar_restarts(pod);
	v.created_ns = time_ns(json_path_str(pod, "metadata.creationTimestamp", ""));
	return v;
}

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* The power of two of how long ago SINCE_NS was; -1 for now and the future. */
static int rank(int64_t since_ns, int64_t now_ns)
{
	int64_t age = now_ns - since_ns;

	return age > 0 ? 63 - __builtin_clzll((unsigned long long)age) : -1;
}

/* Two different times: the later one first, as far as their powers of two tell them apart. */
static int compare_times(const struct victim *a, const struct victim *b, int64_t at_a, int64_t at_b,
			 int64_t now_ns)
{
	int by_rank = compare(rank(at_a, now_ns), rank(at_b, now_ns));

	if (at_a == 0 || at_b == 0)
		return at_a == 0 ? -1 : 1;
	return by_rank ? by_rank : strcmp(object_uid(a->pod), object_uid(b->pod));
}

/* Negative when A goes before B. Not transitive where equal and nearly equal times meet: never give
 * it to qsort. */
static int compare_victims(const struct victim *a, const struct victim *b, int64_t now_ns)
{
	if (a->assigned != b->assigned)
		return a->assigned ? 1 : -1;
	if (a->phase != b->phase)
		return compare(a->phase, b->phase);
	if (a->ready != b->ready)
		return a->ready ? 1 : -1;
	if (a->available != b->available)
		return a->available ? 1 : -1;
	if (a->cost != b->cost)
		return compare(a->cost, b->cost);
	if (a->ready && a->ready_ns != b->ready_ns)
		return compare_times(a, b, a->ready_ns, b->ready_ns, now_ns);
	if (a->restarts != b->restarts)
		return compare(b->restarts, a->restarts);
	if (a->sidecar_restarts != b->sidecar_restarts)
		return compare(b->sidecar_restarts, a->sidecar_restarts);
	if (a->created_ns != b->created_ns)
		return compare_times(a, b, a->created_ns, b->created_ns, now_ns);
	return 0;
}

/* Insertion sort: safe with any order of compare_victims, and a set has few pods. */
static void sort(struct victim *victims, size_t n, int64_t now_ns)
{
	for (size_t i = 1; i < n; i++) {
		struct victim v = victims[i];
		size_t k = i;

		for (; k > 0 && compare_victims(&v, &victims[k - 1], now_ns) < 0; k--)
			victims[k] = victims[k - 1];
		victims[k] = v;
	}
}

json_t *victims_choose(json_t *pods, size_t n, int64_t min_ready_s, int64_t now_ns)
{
	size_t total = json_array_size(pods);
	autofree struct victim *victims = mem_calloc(total + 1, sizeof(*victims));
	json_t *chosen = json_array();

	assert(n <= total);
	for (size_t i = 0; i < total; i++)
		victims[i] = victim_of(json_array_get(pods, i), min_ready_s, now_ns);
	if (n < total)
		sort(victims, total, now_ns);
	for (size_t i = 0; i < n; i++)
		json_array_append(chosen, victims[i].pod);
	return chosen;
}
