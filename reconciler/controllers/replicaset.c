/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReplicaSets: claim, scale, count. One pass does the whole difference; pods are created in the
 * same transaction that counts them, so nothing is expected twice.
 */
#include "reconciler/controllers/replicaset.h"

#include <assert.h>
#include <string.h>

#include "reconciler/events.h"
#include "reconciler/sync.h"

#define BURST_REPLICAS 500 /* Kubernetes' limit for one pass */

/* ---- pods of a set ---- */

bool replicaset_pod_ready(const json_t *pod)
{
	return str_eq(json_path_str(object_condition(pod, "Ready"), "status", ""), "True");
}

bool replicaset_pod_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_ns,
			      uint64_t *ret_wait_ms)
{
	int64_t since_ns = 0, missing_ms;

	if (!replicaset_pod_ready(pod))
		return false;
	if (min_ready_seconds == 0)
		return true;
	(void)clock_parse_rfc3339(
		&since_ns, json_path_str(object_condition(pod, "Ready"), "lastTransitionTime", ""));
	missing_ms = min_ready_seconds * 1000 - (now_ns - since_ns) / 1000000;
	if (missing_ms <= 0)
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

static int64_t max_restarts(const json_t *pod)
{
	int64_t max = 0;
	json_t *s;
	size_t i;

	json_array_foreach(json_path(pod, "status.containerStatuses"), i, s) {
		if (json_path_int(s, "restartCount", 0) > max)
			max = json_path_int(s, "restartCount", 0);
	}
	return max;
}

int replicaset_compare_victims(const json_t *a, const json_t *b)
{
	bool pending_a = str_eq(json_path_str(a, "status.phase", "Pending"), "Pending");
	bool pending_b = str_eq(json_path_str(b, "status.phase", "Pending"), "Pending");
	bool ready_a = replicaset_pod_ready(a), ready_b = replicaset_pod_ready(b);
	int64_t restarts_a = max_restarts(a), restarts_b = max_restarts(b);
	int by_time;

	if (pending_a != pending_b)
		return pending_a ? -1 : 1;
	if (ready_a != ready_b)
		return ready_a ? 1 : -1;
	by_time = ready_a ? strcmp(json_path_str(object_condition(b, "Ready"), "lastTransitionTime",
						 ""),
				   json_path_str(object_condition(a, "Ready"), "lastTransitionTime",
						 ""))
			  : 0;
	if (by_time)
		return by_time;
	if (restarts_a != restarts_b)
		return restarts_a > restarts_b ? -1 : 1;
	return strcmp(json_path_str(b, "metadata.creationTimestamp", ""),
		      json_path_str(a, "metadata.creationTimestamp", ""));
}

static int compare_victim_pointers(const void *a, const void *b)
{
	return replicaset_compare_victims(*(json_t *const *)a, *(json_t *const *)b);
}

/* ---- claiming ---- */

static void set_owner(struct reconciler *r, const json_t *pod, const json_t *rs)
{
	autojson *copy = json_deep_copy(pod);

	if (rs)
		json_path_set_new(copy, "metadata.ownerReferences",
				  json_pack("[o]", object_owner_ref(rs)));
	else
		json_path_del(copy, "metadata.ownerReferences");
	(void)store_update_status(r->store, copy);
}

/* The pods of RS: its own that match; matching orphans become its own, its own that stopped
 * matching are let go. */
static json_t *claim_pods(struct reconciler *r, const json_t *rs)
{
	autojson *all = store_list(r->store, KIND_POD, object_namespace(rs));
	const json_t *selector = json_path(rs, "spec.selector");
	json_t *claimed = json_array(), *pod;
	size_t i;

	json_array_foreach(all, i, pod) {
		bool matches = object_selector_matches(selector, json_path(pod, "metadata.labels"));
		bool mine = object_is_controlled_by(pod, rs);

		if (mine && !matches) {
			set_owner(r, pod, NULL);
		} else if (mine || (matches && !object_controller_ref(pod) && pod_active(pod) &&
				    !object_deleting(rs))) {
			if (!mine)
				set_owner(r, pod, rs);
			json_array_append(claimed, (json_t *)(uintptr_t)store_get_uid(
							   r->store, object_uid(pod)));
		}
	}
	return claimed;
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

static void create_pod(struct reconciler *r, const json_t *rs)
{
	autojson *pod =
		json_pack("{s:s, s:s, s:{}}", "apiVersion", "v1", "kind", "Pod", "metadata");
	const json_t *template = json_path(rs, "spec.template");
	autofree char *base = mem_asprintf("%s-", object_name(rs));
	const char *app = sync_owner_app(r, rs);
	const json_t *created = NULL;

	if (json_path(template, "metadata.labels"))
		json_path_set_new(pod, "metadata.labels",
				  json_deep_copy(json_path(template, "metadata.labels")));
	if (json_path(template, "metadata.annotations"))
		json_path_set_new(pod, "metadata.annotations",
				  json_deep_copy(json_path(template, "metadata.annotations")));
	if (app) { /* not in the template: moving to another app is no reason to roll */
		if (!json_path(pod, "metadata.annotations"))
			json_path_set_new(pod, "metadata.annotations", json_object());
		json_set(json_path(pod, "metadata.annotations"), SYNC_ANNOTATION_APP,
			 json_text(app));
	}
	json_path_set_new(pod, "metadata.generateName", json_text(base));
	json_path_set_new(pod, "metadata.namespace", json_text(object_namespace(rs)));
	json_path_set_new(pod, "metadata.ownerReferences", json_pack("[o]", object_owner_ref(rs)));
	json_set(pod, "spec", json_deep_copy(json_object_get(template, "spec")));
	json_path_set_new(pod, "spec.nodeName", json_text(r->node_name));
	if (store_create(r->store, pod, &created) == 0)
		events_normal(r, rs, "replicaset-controller", "SuccessfulCreate", "Created pod: %s",
			      object_name(created));
}

static void delete_surplus(struct reconciler *r, const json_t *rs, json_t *active, size_t surplus)
{
	size_t n = json_array_size(active);
	autofree json_t **sorted = mem_calloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(active, i);
	qsort(sorted, n, sizeof(*sorted), compare_victim_pointers);
	for (size_t i = 0; i < surplus && i < n; i++) {
		reconciler_delete(r, sorted[i]);
		events_normal(r, rs, "replicaset-controller", "SuccessfulDelete", "Deleted pod: %s",
			      object_name(sorted[i]));
	}
}

static void scale(struct reconciler *r, const json_t *rs, json_t *active)
{
	size_t want = (size_t)json_path_int(rs, "spec.replicas", 1), have = json_array_size(active);

	if (object_deleting(rs))
		return;
	for (size_t i = have; i < want && i - have < BURST_REPLICAS; i++)
		create_pod(r, rs);
	if (have > want)
		delete_surplus(r, rs, active, have - want);
}

/* ---- status ---- */

static void write_status(struct reconciler *r, const json_t *rs, const json_t *claimed)
{
	autojson *copy = json_deep_copy(rs);
	const json_t *labels = json_path(rs, "spec.template.metadata.labels");
	int64_t replicas = 0, fully = 0, ready = 0, available = 0, terminating = 0;
	uint64_t wait_ms = UINT64_MAX;
	json_t *pod, *status;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)claimed, i, pod) {
		autojson *selector = json_pack("{s:O?}", "matchLabels", labels);

		terminating += object_deleting(pod);
		if (!pod_active(pod))
			continue;
		replicas++;
		fully += object_selector_matches(selector, json_path(pod, "metadata.labels"));
		ready += replicaset_pod_ready(pod);
		available +=
			replicaset_pod_available(pod, json_path_int(rs, "spec.minReadySeconds", 0),
						 reconciler_realtime_ns(r), &wait_ms);
	}
	status = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "replicas", (json_int_t)replicas,
			   "fullyLabeledReplicas", (json_int_t)fully, "readyReplicas",
			   (json_int_t)ready, "availableReplicas", (json_int_t)available,
			   "terminatingReplicas", (json_int_t)terminating, "observedGeneration",
			   (json_int_t)json_path_int(rs, "metadata.generation", 0));
	if (json_path(rs, "status.conditions"))
		json_set(status, "conditions", json_incref(json_path(rs, "status.conditions")));
	json_set(copy, "status", status);
	(void)store_update_status(r->store, copy);
	if (wait_ms != UINT64_MAX) {
		autofree char *key = mem_asprintf("%s/%s", object_namespace(rs), object_name(rs));

		reconciler_queue_after(r, WORK_REPLICASET, key, wait_ms);
	}
}

void replicaset_reconcile(struct reconciler *r, const char *key)
{
	const char *slash = strchr(key, '/');
	autofree char *ns = mem_strndup(key, (size_t)(slash - key));
	autojson *rs = json_incref(
		(json_t *)(uintptr_t)store_get(r->store, KIND_REPLICASET, ns, slash + 1));
	autojson *claimed = NULL, *active = json_array(), *after = NULL;
	json_t *pod;
	size_t i;

	if (!rs)
		return;
	claimed = claim_pods(r, rs);
	json_array_foreach(claimed, i, pod) {
		if (pod_active(pod))
			json_array_append(active, pod);
	}
	scale(r, rs, active);
	after = claim_pods(r, rs);
	write_status(r, rs, after);
}
