/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReplicaSets: claim, scale, count. One pass does the whole difference; pods are created in the
 * same transaction that counts them, so nothing is expected twice.
 */
#include "reconciler/controllers/replicaset.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/template.h"
#include "reconciler/controllers/victims.h"
#include "reconciler/events.h"

#define COMPONENT "replicaset-controller"
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 1000000

/* ---- pods of a set ---- */

bool replicaset_pod_ready(const json_t *pod)
{
	return str_eq(json_path_str(object_condition(pod, "Ready"), "status", ""), "True");
}

bool replicaset_pod_available(const json_t *pod, int64_t min_ready_seconds, int64_t since_ns,
			      int64_t now_ns, uint64_t *ret_wait_ms)
{
	int64_t missing_ms = min_ready_seconds * 1000 - (now_ns - since_ns) / 1000000;

	if (!replicaset_pod_ready(pod))
		return false;
	if (min_ready_seconds == 0 || missing_ms <= 0)
		return true;
	if (ret_wait_ms && (uint64_t)missing_ms < *ret_wait_ms)
		*ret_wait_ms = (uint64_t)missing_ms;
	return false;
}

static bool pod_active(const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "Pending");

	return !str_eq(phase, "Succeeded") && !str_eq(phase, "Failed") && !object_deleting(pod);
}

/* ---- claiming ---- */

/* POD belongs to BY from here on, or, when that is NULL, to nobody. */
static void set_owner(struct reconciler *r, const json_t *pod, const json_t *by)
{
	autojson *copy = json_clone(pod);

	if (by)
		object_set_controller(copy, by);
	else
		object_drop_controller(copy);
	(void)store_update_status(r->store, copy);
}

static bool matches(const json_t *rs, const json_t *pod)
{
	return object_selector_matches(json_path(rs, "spec.selector"),
				       json_path(pod, "metadata.labels"));
}

/* Matching orphans become its own, its own that stopped matching are let go. */
static void claim_pods(struct reconciler *r, const json_t *rs)
{
	autojson *owned = store_owned(r->store, KIND_POD, rs), *orphans = NULL;
	json_t *pod;
	size_t i;

	if (object_deleting(rs))
		return;
	json_array_foreach(owned, i, pod) {
		if (!matches(rs, pod) && !object_deleting(pod))
			set_owner(r, pod, NULL);
	}
	orphans = store_orphans(r->store, KIND_POD, object_namespace(rs));
	json_array_foreach(orphans, i, pod) {
		if (matches(rs, pod) && pod_active(pod))
			set_owner(r, pod, rs);
	}
}

static json_t *active_pods(struct reconciler *r, const json_t *rs)
{
	autojson *owned = store_owned(r->store, KIND_POD, rs);
	json_t *active = json_array(), *pod;
	size_t i;

	json_array_foreach(owned, i, pod) {
		if (pod_active(pod))
			json_array_append(active, pod);
	}
	return active;
}

void replicaset_queue_matching(struct reconciler *r, const json_t *pod)
{
	autojson *sets = store_list(r->store, KIND_REPLICASET, object_namespace(pod));
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs) {
		if (object_selector_matches(json_path(rs, "spec.selector"),
					    json_path(pod, "metadata.labels")))
			reconciler_queue_object(r, WORK_REPLICASET, rs);
	}
}

/* ---- scaling ---- */

struct creation {
	struct reconciler *r;
	const json_t *rs;
	const char *failed; /* why, once one failed */
};

static bool create_pod(void *data)
{
	struct creation *c = data;
	autojson *pod = template_pod(c->r, c->rs);
	const json_t *created = NULL;

	if (store_create(c->r->store, pod, &created) != 0) {
		c->failed = "no name is free for another pod: delete pods that are not needed";
		events_warning(c->r, c->rs, COMPONENT, "FailedCreate", "Error creating: %s",
			       c->failed);
		return false;
	}
	events_normal(c->r, c->rs, COMPONENT, "SuccessfulCreate", "Created pod: %s",
		      object_name(created));
	return true;
}

size_t replicaset_slow_start(size_t n, bool (*create)(void *data), void *data)
{
	size_t done = 0, failures = 0;

	assert(create);
	for (size_t batch = 1; done < n && failures == 0; batch *= 2) {
		size_t here = batch < n - done ? batch : n - done;

		for (size_t i = 0; i < here; i++) {
			if (create(data))
				done++;
			else
				failures++;
		}
	}
	return done;
}

static void delete_surplus(struct reconciler *r, const json_t *rs, json_t *active, size_t surplus)
{
	autojson *victims =
		victims_choose(active, surplus, json_path_int(rs, "spec.minReadySeconds", 0),
			       reconciler_realtime_ns(r));
	json_t *pod;
	size_t i;

	json_array_foreach(victims, i, pod) {
		reconciler_delete(r, pod);
		events_normal(r, rs, COMPONENT, "SuccessfulDelete", "Deleted pod: %s",
			      object_name(pod));
	}
}

static bool namespace_is_going(struct reconciler *r, const json_t *rs)
{
	const json_t *ns = store_get(r->store, KIND_NAMESPACE, NULL, object_namespace(rs));

	return ns && object_deleting(ns);
}

static size_t at_most_a_burst(size_t n)
{
	return n < REPLICASET_BURST ? n : REPLICASET_BURST;
}

/* One burst towards the size that is wanted; what is left follows with the events of this one. Why
 * a pod could not be made, or NULL. */
static const char *scale(struct reconciler *r, const json_t *rs)
{
	autojson *active = active_pods(r, rs);
	size_t want = (size_t)json_path_int(rs, "spec.replicas", 1), have = json_array_size(active);
	struct creation c = {r, rs, NULL};

	if (object_deleting(rs))
		return NULL;
	if (have < want && !namespace_is_going(r, rs)) /* it would take them along at once */
		(void)replicaset_slow_start(at_most_a_burst(want - have), create_pod, &c);
	else if (have > want)
		delete_surplus(r, rs, active, at_most_a_burst(have - want));
	return c.failed;
}

/* ---- status ---- */

struct counts {
	int64_t replicas, labelled, ready, available, terminating;
	uint64_t
		wait_ms; /* until the next pod is available; UINT64_MAX: none is to be waited for */
};

struct availability {
	int64_t available;
	int64_t doubtful; /* ready since a time that lies ahead: the clock was set back */
};

static void count_available(struct availability *a, struct reconciler *r, const json_t *rs,
			    const json_t *pod, uint64_t *ret_wait_ms)
{
	const char *since = json_path_str(object_condition(pod, "Ready"), "lastTransitionTime", "");
	int64_t now_ns = reconciler_realtime_ns(r), ns = 0;

	(void)clock_parse_rfc3339(&ns, since);
	if (replicaset_pod_available(pod, json_path_int(rs, "spec.minReadySeconds", 0),
				     reconciler_stamp_ns(r, since, 0), now_ns, ret_wait_ms))
		a->available++;
	else
		a->doubtful += ns > now_ns;
}

/* Of the doubtful ones as many are available as were counted before: to take all of them for new
 * would have a Deployment replace what serves. */
static int64_t all_available(const struct availability *a, const json_t *rs)
{
	int64_t before = json_path_int(rs, "status.availableReplicas", 0) - a->available;

	if (a->doubtful == 0 || before <= 0)
		return a->available;
	return a->available + (before < a->doubtful ? before : a->doubtful);
}

static struct counts count_pods(struct reconciler *r, const json_t *rs)
{
	autojson *pods = store_owned(r->store, KIND_POD, rs);
	const json_t *labels = json_path(rs, "spec.template.metadata.labels");
	autojson *selector = labels ? json_pack("{s:O}", "matchLabels", labels) : json_object();
	struct availability available = {0};
	struct counts n = {.wait_ms = UINT64_MAX};
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		n.terminating += object_deleting(pod);
		if (!pod_active(pod))
			continue;
		n.replicas++;
		n.labelled += object_selector_matches(selector, json_path(pod, "metadata.labels"));
		n.ready += replicaset_pod_ready(pod);
		count_available(&available, r, rs, pod, &n.wait_ms);
	}
	n.available = all_available(&available, rs);
	return n;
}

/* The condition ReplicaFailure comes with the first pod that cannot be made and goes with the next
 * success. */
static void note_failure(struct reconciler *r, json_t *rs, const char *failed)
{
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	if (!failed)
		object_drop_condition(rs, "ReplicaFailure");
	else if (!object_condition(rs, "ReplicaFailure"))
		object_set_condition(rs, "ReplicaFailure", "True", "FailedCreate", failed, now);
}

/* How long it has failed for is how long the next try waits. */
static uint64_t retry_ms(struct reconciler *r, const json_t *rs)
{
	const json_t *c = object_condition(rs, "ReplicaFailure");
	int64_t since_ns = reconciler_realtime_ns(r), ms;

	(void)clock_parse_rfc3339(&since_ns, json_path_str(c, "lastTransitionTime", ""));
	ms = (reconciler_realtime_ns(r) - since_ns) / 1000000;
	if (ms < RETRY_MIN_MS)
		return RETRY_MIN_MS;
	return ms < RETRY_MAX_MS ? (uint64_t)ms : RETRY_MAX_MS;
}

static void write_status(struct reconciler *r, const json_t *rs, const char *failed)
{
	struct counts n = count_pods(r, rs);
	autofree char *key = mem_asprintf("%s/%s", object_namespace(rs), object_name(rs));
	autojson *copy = json_copy((json_t *)(uintptr_t)rs);
	json_t *status =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "replicas", (json_int_t)n.replicas,
			  "fullyLabeledReplicas", (json_int_t)n.labelled, "readyReplicas",
			  (json_int_t)n.ready, "availableReplicas", (json_int_t)n.available,
			  "terminatingReplicas", (json_int_t)n.terminating, "observedGeneration",
			  (json_int_t)json_path_int(rs, "metadata.generation", 0));

	if (json_path(rs, "status.conditions"))
		json_set(status, "conditions", json_clone(json_path(rs, "status.conditions")));
	json_set(copy, "status", status);
	note_failure(r, copy, failed);
	(void)store_update_status(r->store, copy);
	if (n.wait_ms != UINT64_MAX)
		reconciler_queue_after(r, WORK_REPLICASET, key, n.wait_ms);
	if (failed)
		reconciler_queue_after(r, WORK_REPLICASET, key, retry_ms(r, copy));
}

void replicaset_reconcile(struct reconciler *r, const char *key)
{
	const char *slash = strchr(key, '/');
	autofree char *ns = mem_strndup(key, (size_t)(slash - key));
	autojson *rs = json_incref(
		(json_t *)(uintptr_t)store_get(r->store, KIND_REPLICASET, ns, slash + 1));

	if (!rs)
		return;
	claim_pods(r, rs);
	write_status(r, rs, scale(r, rs));
}
