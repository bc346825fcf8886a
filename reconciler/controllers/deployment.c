/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments: one step of a rollout at a time, or of scaling, and the status (k8s-semantics 2.1
 * to 2.9). Looks at levels only: what comes next is told by what is there.
 */
#include "reconciler/controllers/deployment.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/deployment_priv.h"
#include "reconciler/controllers/deployment_status.h"
#include "reconciler/controllers/scaling.h"
#include "reconciler/events.h"

#define NO_HISTORY_LIMIT INT32_MAX

static int64_t size_of(const json_t *rs)
{
	return json_path_int(rs, "spec.replicas", 0);
}

/* ---- rolling ---- */

/* Pods beyond a set's size are on their way out, whatever its status still counts. */
static struct rolling_set as_rolling_set(const json_t *rs)
{
	int64_t available = json_path_int(rs, "status.availableReplicas", 0);

	return (struct rolling_set){.spec = size_of(rs),
				    .available = available < size_of(rs) ? available : size_of(rs)};
}

static void roll(struct rollout *o)
{
	size_t n = json_array_size(o->olds);
	autofree struct rolling_set *olds = mem_calloc(n + 1, sizeof(*olds));
	struct rolling_set new = as_rolling_set(o->new);

	for (size_t i = 0; i < n; i++)
		olds[i] = as_rolling_set(json_array_get(o->olds, i));
	if (!rolling_step(&new, olds, n, o->replicas, o->limits))
		return;
	if (new.next != new.spec)
		(void)rollout_scale_set(o, o->new, new.next);
	for (size_t i = 0; i < n; i++) {
		if (olds[i].next != olds[i].spec)
			(void)rollout_scale_set(o, json_array_get(o->olds, i), olds[i].next);
	}
}

/* ---- Recreate ---- */

static bool has_live_pods(const struct rollout *o, const json_t *rs)
{
	autojson *pods = store_owned(o->r->store, KIND_POD, rs);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		const char *phase = json_path_str(pod, "status.phase", "Pending");

		if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed"))
			return true;
	}
	return false;
}

/* Takes the old sets to nothing. True while any of them has a pod that is not at its end, those on
 * their way out included. */
static bool olds_are_left(struct rollout *o)
{
	bool left = false;
	json_t *rs;
	size_t i;

	json_array_foreach(o->olds, i, rs) {
		if (size_of(rs) > 0)
			left |= rollout_scale_set(o, rs, 0);
		left |= json_path_int(rs, "status.replicas", 0) > 0 || has_live_pods(o, rs);
	}
	return left;
}

static void recreate(struct rollout *o)
{
	if (olds_are_left(o))
		return;
	if (!o->new)
		rollout_create_new(o);
	else if (size_of(o->new) != o->replicas)
		(void)rollout_scale_set(o, o->new, o->replicas);
}

/* ---- scaling ---- */

static json_t *active_sets(const struct rollout *o)
{
	json_t *active = json_array(), *rs;
	size_t i;

	json_array_foreach(o->sets, i, rs) {
		if (size_of(rs) > 0)
			json_array_append(active, rs);
	}
	return active;
}

/* Has spec.replicas changed since the active sets were sized? */
static bool is_scaled(const struct rollout *o)
{
	autojson *active = active_sets(o);
	json_t *rs;
	size_t i;

	json_array_foreach(active, i, rs) {
		int64_t desired = rollout_annotation_int(rs, DEPLOYMENT_DESIRED);

		if (desired >= 0 && desired != o->replicas)
			return true;
	}
	return false;
}

static bool is_saturated(const struct rollout *o)
{
	return o->new &&size_of(o->new) ==
	       o->replicas &&rollout_annotation_int(o->new, DEPLOYMENT_DESIRED) ==
	       o->replicas &&json_path_int(o->new, "status.availableReplicas", 0) == o->replicas;
}

static int64_t unavailable_of(const json_t *rs)
{
	int64_t n = size_of(rs) - json_path_int(rs, "status.availableReplicas", 0);

	return n > 0 ? n : 0;
}

static void share(struct rollout *o, json_t *active)
{
	size_t n = json_array_size(active);
	autofree struct scaling_set *sets = mem_calloc(n + 1, sizeof(*sets));
	struct scaling_room room = {o->replicas, o->limits.surge,
				    json_path_int(o->d, "status.replicas", 0)};

	for (size_t i = 0; i < n; i++) {
		const json_t *rs = json_array_get(active, i);

		sets[i] = (struct scaling_set){.spec = size_of(rs),
					       .unavailable = unavailable_of(rs),
					       .max_replicas =
						       rollout_annotation_int(rs, DEPLOYMENT_MAX)};
	}
	scaling_share(sets, n, room);
	for (size_t i = 0; i < n; i++)
		(void)rollout_scale_set(o, json_array_get(active, i), sets[i].next);
}

/* The only active set, or, when none is, the newest: the one that all pods belong to. NULL while
 * several are active, and when there is none at all. */
static const json_t *active_or_latest(const struct rollout *o, json_t *active)
{
	if (json_array_size(active) == 1)
		return json_array_get(active, 0);
	if (json_array_size(active) > 1 || json_array_size(o->sets) == 0)
		return NULL;
	return o->new ?: json_array_get(o->sets, json_array_size(o->sets) - 1);
}

/* Always writes what the sets were sized for, which is what ends the scaling. */
static void scale(struct rollout *o)
{
	autojson *active = active_sets(o);
	const json_t *one = active_or_latest(o, active);
	json_t *rs;
	size_t i;

	if (one) {
		(void)rollout_scale_set(o, one, o->replicas);
	} else if (is_saturated(o)) {
		json_array_foreach(o->olds, i, rs) {
			if (size_of(rs) > 0)
				(void)rollout_scale_set(o, rs, 0);
		}
	} else if (!o->recreate) {
		share(o, active);
	} else {
		json_array_foreach(active, i, rs)
			(void)rollout_scale_set(o, rs, size_of(rs));
	}
}

/* ---- history and status ---- */

static void trim_history(struct rollout *o)
{
	int64_t limit = json_path_int(o->d, "spec.revisionHistoryLimit", 10);
	autojson *surplus = limit < NO_HISTORY_LIMIT ? revision_surplus(o->olds, limit) : NULL;
	json_t *rs;
	size_t i;

	json_array_foreach(surplus, i, rs)
		reconciler_delete(o->r, rs);
}

bool deployment_complete(const json_t *deployment)
{
	return json_path_int(deployment, "status.observedGeneration", 0) >=
		       json_path_int(deployment, "metadata.generation", 0) &&
	       deployment_counts_complete(deployment, json_object_get(deployment, "status"));
}

/* Conditions that tell of pausing and resuming; the clock of the deadline starts again with them.
 */
static void note_pausing(struct rollout *o)
{
	bool paused = json_path_bool(o->d, "spec.paused", false);
	struct deployment_progress pausing = {"Unknown", "DeploymentPaused",
					      "Deployment is paused"};
	struct deployment_progress resuming = {"Unknown", "DeploymentResumed",
					       "Deployment is resumed"};
	const char *reason = json_path_str(object_condition(o->d, "Progressing"), "reason", "");
	bool noted = str_eq(reason, pausing.reason);
	char now[CLOCK_RFC3339_SIZE];
	autojson *d = NULL;

	if (paused == noted || !deployment_has_deadline(o->d) ||
	    str_eq(reason, "ProgressDeadlineExceeded"))
		return; /* what was reported of no progress stays */
	d = json_clone(o->d);
	reconciler_rfc3339(o->r, now);
	deployment_status_note(d, paused ? &pausing : &resuming, now);
	(void)store_update_status(o->r->store, d);
	rollout_refresh(o);
}

/* PROGRESS: a rollout may be judged, and is looked at again when its deadline ends. */
static void write_status(struct rollout *o, bool progress)
{
	char now[CLOCK_RFC3339_SIZE];
	struct deployment_view v = {.deployment = o->d,
				    .new_rs = o->new,
				    .all = o->sets,
				    .now = now,
				    .now_ns = reconciler_realtime_ns(o->r),
				    .started_ns = o->r->started_ns};
	autofree char *key = mem_asprintf("%s/%s", object_namespace(o->d), object_name(o->d));
	autojson *d = json_copy(o->d);
	int64_t deadline_s = -1;

	reconciler_rfc3339(o->r, now);
	json_set(d, "status",
		 progress ? deployment_status(&v, &deadline_s) : deployment_status_counts(&v));
	(void)store_update_status(o->r->store, d);
	if (deadline_s >= 0)
		reconciler_queue_after(o->r, WORK_DEPLOYMENT, key, (uint64_t)deadline_s * 1000);
}

/* ---- the controller ---- */

static void step(struct rollout *o)
{
	if (o->recreate)
		recreate(o);
	else if (!o->new)
		rollout_create_new(o);
	else
		roll(o);
	rollout_refresh(o);
	rollout_remember_available(o);
	rollout_refresh(o);
	write_status(o, true);
	rollout_refresh(o);
	if (deployment_complete(o->d))
		trim_history(o);
}

static bool selects_all(const json_t *d)
{
	const json_t *selector = json_path(d, "spec.selector");

	return json_object_size(json_object_get(selector, "matchLabels")) == 0 &&
	       json_array_size(json_object_get(selector, "matchExpressions")) == 0;
}

static void refuse_to_select_all(struct reconciler *r, const json_t *d)
{
	autojson *copy = json_clone(d);

	json_path_set_new(copy, "status.observedGeneration",
			  json_integer(json_path_int(d, "metadata.generation", 0)));
	if (!json_equal(copy, (json_t *)(uintptr_t)d))
		events_warning(
			r, d, DEPLOYMENT_COMPONENT, "SelectingAll",
			"This deployment is selecting all pods. A non-empty selector is required.");
	(void)store_update_status(r->store, copy);
}

static void reconcile(struct rollout *o)
{
	bool paused = json_path_bool(o->d, "spec.paused", false);

	note_pausing(o);
	if (o->new) {
		rollout_keep_new(o);
		rollout_refresh(o);
	}
	if (!paused && rollout_go_back(o)) {
		rollout_refresh(o);
		write_status(o, false);
	} else if (paused || is_scaled(o)) {
		scale(o);
		if (paused)
			trim_history(o);
		rollout_refresh(o);
		if (paused || o->new)
			write_status(o, false);
		else
			step(o); /* what the conditions say is still of another template */
	} else {
		step(o);
	}
}

void deployment_reconcile(struct reconciler *r, const char *key)
{
	const char *slash = strchr(key, '/');
	autofree char *ns = mem_strndup(key, (size_t)(slash - key));
	const json_t *d = store_get(r->store, KIND_DEPLOYMENT, ns, slash + 1);
	_cleanup_(rollout_deinit) struct rollout o = {0};

	if (!d)
		return;
	if (selects_all(d)) {
		refuse_to_select_all(r, d);
		return;
	}
	o = rollout_observe(r, d);
	if (object_deleting(d))
		write_status(&o, false);
	else
		reconcile(&o);
}

void deployment_queue_matching(struct reconciler *r, const json_t *rs)
{
	autojson *all = store_list(r->store, KIND_DEPLOYMENT, object_namespace(rs));
	json_t *d;
	size_t i;

	json_array_foreach(all, i, d) {
		if (object_selector_matches(json_path(d, "spec.selector"),
					    json_path(rs, "metadata.labels")))
			reconciler_queue_object(r, WORK_DEPLOYMENT, d);
	}
}
