/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet's arithmetic for resources (cpu shares from requests, quota and memory from limits).
 */
#include "reconciler/controllers/pod_resources.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/quantity.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define SHARES_PER_CPU 1024
#define QUOTA_PERIOD_US 100000
#define QUOTA_MIN_US 1000

int64_t pod_resources_milli(const char *text)
{
	struct quantity q;

	if (!text || !*text || quantity_parse(&q, text) < 0)
		return -1;
	return quantity_milli(&q);
}

int64_t pod_resources_bytes(const char *text)
{
	int64_t milli = pod_resources_milli(text);

	return milli < 0 ? -1 : (milli + 999) / 1000;
}

static const char *resource_text(const json_t *container, const char *list, const char *name)
{
	return json_path_str(json_object_get(json_object_get(container, "resources"), list), name,
			     "");
}

/* A request, which a limit alone stands in for; in milli. 0 when neither is there. */
static int64_t request_milli(const json_t *container, const char *name)
{
	int64_t request = pod_resources_milli(resource_text(container, "requests", name));
	int64_t limit = pod_resources_milli(resource_text(container, "limits", name));

	if (request >= 0)
		return request;
	return limit >= 0 ? limit : 0;
}

static int64_t shares(int64_t milli_cpu)
{
	int64_t s = milli_cpu * SHARES_PER_CPU / 1000;

	if (s < SHARES_MIN)
		return SHARES_MIN;
	return s > SHARES_MAX ? SHARES_MAX : s;
}

static int64_t quota_us(int64_t milli_cpu)
{
	int64_t q = milli_cpu * QUOTA_PERIOD_US / 1000;

	return q < QUOTA_MIN_US ? QUOTA_MIN_US : q;
}

static void set_limits(json_t *out, int64_t cpu_milli, int64_t memory_milli)
{
	if (cpu_milli > 0)
		json_set(out, "cpuQuotaUs", json_integer(quota_us(cpu_milli)));
	if (memory_milli > 0)
		json_set(out, "memoryBytes", json_integer((memory_milli + 999) / 1000));
}

json_t *pod_resources_container(const json_t *container_spec)
{
	json_t *out = json_object();

	json_set(out, "cpuShares", json_integer(shares(request_milli(container_spec, "cpu"))));
	set_limits(out, pod_resources_milli(resource_text(container_spec, "limits", "cpu")),
		   pod_resources_milli(resource_text(container_spec, "limits", "memory")));
	return out;
}

/* ---- the pod as a whole ---- */

static const char *const container_lists[] = {"initContainers", "containers"};

static bool is_sidecar(const json_t *init_container)
{
	return str_eq(json_path_str(init_container, "restartPolicy", ""), "Always");
}

/*
 * What the pod asks for at its peak: all that run together in the end, or one init container beside
 * the sidecars before it. GET: the figure of one container, negative or 0 when it has none.
 */
static int64_t peak(const json_t *pod_spec, const char *name,
		    int64_t (*get)(const json_t *container, const char *name))
{
	int64_t sidecars = 0, init = 0, mains = 0;
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(pod_spec, "initContainers"), i, c) {
		int64_t own = get(c, name);

		if (is_sidecar(c))
			sidecars += own;
		if ((is_sidecar(c) ? 0 : own) + sidecars > init)
			init = (is_sidecar(c) ? 0 : own) + sidecars;
	}
	json_array_foreach(json_object_get(pod_spec, "containers"), i, c)
		mains += get(c, name);
	return mains + sidecars > init ? mains + sidecars : init;
}

static int64_t limit_milli(const json_t *container, const char *name)
{
	int64_t limit = pod_resources_milli(resource_text(container, "limits", name));

	return limit > 0 ? limit : 0;
}

/* The limit of the pod as a whole; 0 when a container has none. */
static int64_t pod_limit(const json_t *pod_spec, const char *name)
{
	json_t *c;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		json_array_foreach(json_object_get(pod_spec, container_lists[l]), i, c) {
			if (limit_milli(c, name) == 0)
				return 0;
		}
	}
	return peak(pod_spec, name, limit_milli);
}

json_t *pod_resources_sandbox(const json_t *pod_spec)
{
	json_t *out = json_pack("{s:s}", "qos", pod_qos_class(pod_spec));

	json_set(out, "cpuShares", json_integer(shares(peak(pod_spec, "cpu", request_milli))));
	set_limits(out, pod_limit(pod_spec, "cpu"), pod_limit(pod_spec, "memory"));
	return out;
}

static bool has_any(const json_t *container)
{
	static const char *const lists[] = {"requests", "limits"}, *const names[] = {"cpu",
										     "memory"};

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			if (pod_resources_milli(resource_text(container, lists[l], names[n])) > 0)
				return true;
		}
	}
	return false;
}

/* Both limits, and no request that differs from its limit. */
static bool is_guaranteed(const json_t *container)
{
	static const char *const names[] = {"cpu", "memory"};

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		int64_t limit = pod_resources_milli(resource_text(container, "limits", names[n]));

		if (limit <= 0 || request_milli(container, names[n]) != limit)
			return false;
	}
	return true;
}

const char *pod_qos_class(const json_t *spec)
{
	bool any = false, all = true;
	json_t *c;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
		json_array_foreach(json_object_get(spec, container_lists[l]), i, c) {
			any |= has_any(c);
			all &= is_guaranteed(c);
		}
	}
	if (!any)
		return "BestEffort";
	return all ? "Guaranteed" : "Burstable";
}

static int burstable_score(const json_t *container_spec, int64_t node_memory_bytes)
{
	int64_t request = request_milli(container_spec, "memory") / 1000;
	int64_t adj = 1000;

	if (node_memory_bytes >= 1024)
		adj -= 1000 * (request >> 10) / (node_memory_bytes >> 10);
	if (adj < 3)
		return 3;
	return adj > 999 ? 999 : (int)adj;
}

/* A sidecar must not be killed before those it serves: at most the lowest of theirs. */
static int sidecar_score(const json_t *pod_spec, int own, int64_t node_memory_bytes)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(pod_spec, "containers"), i, c) {
		int score = burstable_score(c, node_memory_bytes);

		if (score < own)
			own = score;
	}
	return own;
}

int pod_resources_oom_score_adj(const json_t *pod_spec, const json_t *container_spec,
				int64_t node_memory_bytes)
{
	const char *qos = pod_qos_class(pod_spec);
	int score = burstable_score(container_spec, node_memory_bytes);

	if (str_eq(qos, "Guaranteed"))
		return -997;
	if (str_eq(qos, "BestEffort"))
		return 1000;
	return is_sidecar(container_spec) ? sidecar_score(pod_spec, score, node_memory_bytes)
					  : score;
}

char *pod_resources_field(const json_t *container_spec, const char *resource, const char *divisor,
			  const struct node_capacity *node)
{
	const char *name = str_skip_prefix(resource, "limits.");
	int64_t unit = pod_resources_milli(divisor), milli;

	if (name) {
		milli = pod_resources_milli(resource_text(container_spec, "limits", name));
		if (milli < 0) /* no limit: what the node has */
			milli = (str_eq(name, "cpu") ? node->cpus : node->memory_bytes) * 1000;
	} else {
		name = str_skip_prefix(resource, "requests.");
		milli = name ? request_milli(container_spec, name) : 0;
	}
	if (unit <= 0)
		unit = 1000;
	return mem_asprintf("%lld", (long long)((milli + unit - 1) / unit));
}
