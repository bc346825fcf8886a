/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and conditions of Deployments, as kubectl rollout status and every health check read them
 * (k8s-semantics 2.7).
 */
#include "reconciler/controllers/deployment_status.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/controllers/rolling.h"
#include "reconciler/object.h"

#define NO_DEADLINE INT32_MAX

int64_t deployment_sum(json_t *sets, const char *path)
{
	int64_t sum = 0;
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs)
		sum += json_path_int(rs, path, 0);
	return sum;
}

static int64_t deadline_of(const json_t *deployment)
{
	return json_path_int(deployment, "spec.progressDeadlineSeconds", 600);
}

bool deployment_has_deadline(const json_t *deployment)
{
	return deadline_of(deployment) < NO_DEADLINE;
}

bool deployment_counts_complete(const json_t *deployment, const json_t *status)
{
	int64_t want = json_path_int(deployment, "spec.replicas", 1);

	return json_path_int(status, "updatedReplicas", 0) == want &&
	       json_path_int(status, "replicas", 0) == want &&
	       json_path_int(status, "availableReplicas", 0) == want;
}

/* ---- conditions ---- */

void deployment_status_note(json_t *deployment, const struct deployment_progress *progress,
			    const char *now)
{
	const json_t *c = object_condition(deployment, "Progressing");
	bool same = c && str_eq(json_path_str(c, "status", ""), progress->value) &&
		    str_eq(json_path_str(c, "reason", ""), progress->reason);

	assert(progress->value && progress->reason);
	if (same && !str_eq(progress->reason, "ReplicaSetUpdated"))
		return;
	object_set_condition(deployment, "Progressing", progress->value, progress->reason,
			     progress->message, now);
	json_set(object_condition(deployment, "Progressing"), "lastUpdateTime", json_text(now));
}

static void set_available(const struct deployment_view *v, json_t *d)
{
	int64_t replicas = json_path_int(d, "spec.replicas", 1);
	struct rolling_limits l = rolling_limits(json_path(d, "spec.strategy"), replicas);
	bool enough = json_path_int(d, "status.availableReplicas", 0) >= replicas - l.unavailable;

	object_set_condition(d, "Available", enough ? "True" : "False",
			     enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
			     enough ? "Deployment has minimum availability."
				    : "Deployment does not have minimum availability.",
			     v->now);
}

static bool counts_progressed(const json_t *old, const json_t *new)
{
	int64_t updated_old = json_path_int(old, "updatedReplicas", 0);
	int64_t updated_new = json_path_int(new, "updatedReplicas", 0);

	return updated_new > updated_old ||
	       json_path_int(new, "replicas", 0) - updated_new <
		       json_path_int(old, "replicas", 0) - updated_old ||
	       json_path_int(new, "readyReplicas", 0) > json_path_int(old, "readyReplicas", 0) ||
	       json_path_int(new, "availableReplicas", 0) >
		       json_path_int(old, "availableReplicas", 0);
}

/* Seconds left before the Progressing condition is older than the deadline; negative when it is. */
static int64_t seconds_left(const struct deployment_view *v, const json_t *progressing)
{
	int64_t since_ns = v->now_ns;

	(void)clock_parse_rfc3339(
		&since_ns, json_path_str(progressing, "lastUpdateTime",
					 json_path_str(progressing, "lastTransitionTime", "")));
	if (since_ns > v->now_ns) /* by an earlier process, before the clock was set back */
		since_ns = v->started_ns;
	return deadline_of(v->deployment) - (v->now_ns - since_ns) / 1000000000;
}

static const char *reason_of(const json_t *d)
{
	return json_path_str(object_condition(d, "Progressing"), "reason", "");
}

static bool timed_out(const struct deployment_view *v, const json_t *d)
{
	const json_t *progressing = object_condition(d, "Progressing");

	if (!progressing || str_eq(reason_of(d), "NewReplicaSetAvailable"))
		return false; /* what was finished once does not run out of time */
	return str_eq(reason_of(d), "ProgressDeadlineExceeded") || seconds_left(v, progressing) < 0;
}

static void note_about_set(const struct deployment_view *v, json_t *d, const char *value,
			   const char *reason, const char *verb)
{
	autofree char *message =
		v->new_rs ? mem_asprintf("ReplicaSet \"%s\" %s.", object_name(v->new_rs), verb)
			  : mem_asprintf("Deployment \"%s\" %s.", object_name(d), verb);

	deployment_status_note(d, &(struct deployment_progress){value, reason, message}, v->now);
}

/* What an older spec failed at is no failure of this one: it has its own time. */
static bool is_new_to_us(const struct deployment_view *v)
{
	return json_path_int(v->deployment, "status.observedGeneration", 0) <
	       json_path_int(v->deployment, "metadata.generation", 0);
}

/* D has the new counts; v->deployment the ones before. */
static void judge_progress(const struct deployment_view *v, json_t *d)
{
	const json_t *status = json_object_get(d, "status");
	bool done =
		str_eq(reason_of(d), "NewReplicaSetAvailable") &&
		json_path_int(status, "replicas", 0) == json_path_int(status, "updatedReplicas", 0);

	if (done)
		return; /* pods that come and go later are no rollout */
	if (deployment_counts_complete(d, status))
		note_about_set(v, d, "True", "NewReplicaSetAvailable",
			       "has successfully progressed");
	else if (counts_progressed(json_object_get(v->deployment, "status"), status))
		note_about_set(v, d, "True", "ReplicaSetUpdated", "is progressing");
	else if (is_new_to_us(v) && str_eq(reason_of(d), "ProgressDeadlineExceeded"))
		note_about_set(v, d, "True", "ReplicaSetUpdated", "is progressing");
	else if (timed_out(v, d))
		note_about_set(v, d, "False", "ProgressDeadlineExceeded",
			       "has timed out progressing");
}

static int64_t look_again_s(const struct deployment_view *v, const json_t *d)
{
	const json_t *progressing = object_condition(d, "Progressing");
	int64_t left;

	if (!progressing || deployment_counts_complete(d, json_object_get(d, "status")) ||
	    str_eq(reason_of(d), "ProgressDeadlineExceeded") ||
	    str_eq(reason_of(d), "NewReplicaSetAvailable"))
		return -1;
	left = seconds_left(v, progressing);
	return left < 0 ? 1 : left + 1;
}

/* The ReplicaFailure condition of the new set, or of the first old one that has it. */
static const json_t *replica_failure(const struct deployment_view *v)
{
	const json_t *c = v->new_rs ? object_condition(v->new_rs, "ReplicaFailure") : NULL;
	json_t *rs;
	size_t i;

	json_array_foreach(v->all, i, rs) {
		if (!c)
			c = object_condition(rs, "ReplicaFailure");
	}
	return c;
}

static void copy_failure(const struct deployment_view *v, json_t *d)
{
	const json_t *c = replica_failure(v);

	if (!c) {
		object_drop_condition(d, "ReplicaFailure");
		return;
	}
	object_set_condition(d, "ReplicaFailure", json_path_str(c, "status", "True"),
			     json_path_str(c, "reason", ""), json_path_str(c, "message", ""),
			     v->now);
}

/* ---- the status ---- */

static json_t *counts(const struct deployment_view *v)
{
	const json_t *old = json_object_get(v->deployment, "status");
	int64_t available = deployment_sum(v->all, "status.availableReplicas");
	int64_t unavailable = deployment_sum(v->all, "spec.replicas") - available;
	json_t *s = json_object();

	json_set(s, "observedGeneration",
		 json_integer(json_path_int(v->deployment, "metadata.generation", 0)));
	json_set(s, "replicas", json_integer(deployment_sum(v->all, "status.replicas")));
	json_set(s, "updatedReplicas",
		 json_integer(v->new_rs ? json_path_int(v->new_rs, "status.replicas", 0) : 0));
	json_set(s, "readyReplicas", json_integer(deployment_sum(v->all, "status.readyReplicas")));
	json_set(s, "availableReplicas", json_integer(available));
	json_set(s, "unavailableReplicas", json_integer(unavailable > 0 ? unavailable : 0));
	json_set(s, "terminatingReplicas",
		 json_integer(deployment_sum(v->all, "status.terminatingReplicas")));
	if (json_object_get(old, "collisionCount"))
		json_set(s, "collisionCount", json_incref(json_object_get(old, "collisionCount")));
	json_set(s, "conditions",
		 json_object_get(old, "conditions") ? json_clone(json_object_get(old, "conditions"))
						    : json_array());
	return s;
}

/* The Deployment with new counts and availability; its conditions are its own. */
static json_t *with_counts(const struct deployment_view *v)
{
	json_t *d = json_copy((json_t *)(uintptr_t)v->deployment);

	json_set(d, "status", counts(v));
	set_available(v, d);
	return d;
}

json_t *deployment_status_counts(const struct deployment_view *v)
{
	autojson *d = with_counts(v);

	return json_incref(json_object_get(d, "status"));
}

json_t *deployment_status(const struct deployment_view *v, int64_t *ret_deadline_s)
{
	autojson *d = with_counts(v);

	*ret_deadline_s = -1;
	if (deployment_has_deadline(d)) {
		judge_progress(v, d);
		*ret_deadline_s = look_again_s(v, d);
	} else {
		object_drop_condition(d, "Progressing");
	}
	copy_failure(v, d);
	return json_incref(json_object_get(d, "status"));
}
