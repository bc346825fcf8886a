/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and conditions of Deployments, as kubectl rollout status and every health check read them.
 */
#include "reconciler/controllers/deployment_status.h"

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

void deployment_status_progress(json_t *status, const char *value, const char *reason,
				const char *message, const char *now)
{
	autojson *o = json_pack("{s:O}", "status", status);
	json_t *c = json_incref(object_condition(o, "Progressing"));
	bool same = c && str_eq(json_path_str(c, "status", ""), value) &&
		    str_eq(json_path_str(c, "reason", ""), reason);

	if (!same || str_eq(reason, "ReplicaSetUpdated")) {
		object_set_condition(o, "Progressing", value, reason, message, now);
		json_set(object_condition(o, "Progressing"), "lastUpdateTime", json_text(now));
	}
	json_decref(c);
}

static bool counts_complete(const json_t *deployment, const json_t *status)
{
	int64_t want = json_path_int(deployment, "spec.replicas", 1);

	return json_path_int(status, "updatedReplicas", 0) == want &&
	       json_path_int(status, "replicas", 0) == want &&
	       json_path_int(status, "availableReplicas", 0) == want;
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

static void set_available(const struct deployment_view *v, json_t *status)
{
	int64_t replicas = json_path_int(v->deployment, "spec.replicas", 1);
	struct rolling_limits l =
		rolling_limits(json_path(v->deployment, "spec.strategy"), replicas);
	bool enough = json_path_int(status, "availableReplicas", 0) >= replicas - l.unavailable;
	autojson *o = json_pack("{s:O}", "status", status);

	object_set_condition(o, "Available", enough ? "True" : "False",
			     enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
			     enough ? "Deployment has minimum availability."
				    : "Deployment does not have minimum availability.",
			     v->now);
}

/* Seconds left before the Progressing condition is older than the deadline; negative when it is. */
static int64_t seconds_left(const struct deployment_view *v, const json_t *progressing)
{
	int64_t since_ns = v->now_ns;

	(void)clock_parse_rfc3339(
		&since_ns, json_path_str(progressing, "lastUpdateTime",
					 json_path_str(progressing, "lastTransitionTime", "")));
	return json_path_int(v->deployment, "spec.progressDeadlineSeconds", 600) -
	       (v->now_ns - since_ns) / 1000000000;
}

static void set_progressing(const struct deployment_view *v, json_t *status,
			    int64_t *ret_deadline_s)
{
	autojson *o = json_pack("{s:O}", "status", status);
	const char *name = v->new_rs ? object_name(v->new_rs) : object_name(v->deployment);
	const json_t *old = object_condition(o, "Progressing");
	bool done =
		old && str_eq(json_path_str(old, "reason", ""), "NewReplicaSetAvailable") &&
		json_path_int(status, "replicas", 0) == json_path_int(status, "updatedReplicas", 0);
	autofree char *message = NULL;

	if (json_path_int(v->deployment, "spec.progressDeadlineSeconds", 600) >= NO_DEADLINE ||
	    done)
		return;
	if (counts_complete(v->deployment, status)) {
		message = mem_asprintf("ReplicaSet \"%s\" has successfully progressed.", name);
		deployment_status_progress(status, "True", "NewReplicaSetAvailable", message,
					   v->now);
	} else if (counts_progressed(json_object_get(v->deployment, "status"), status)) {
		message = mem_asprintf("ReplicaSet \"%s\" is progressing.", name);
		deployment_status_progress(status, "True", "ReplicaSetUpdated", message, v->now);
	} else if (old && !str_eq(json_path_str(old, "reason", ""), "DeploymentPaused") &&
		   seconds_left(v, old) < 0) {
		message = mem_asprintf("ReplicaSet \"%s\" has timed out progressing.", name);
		deployment_status_progress(status, "False", "ProgressDeadlineExceeded", message,
					   v->now);
		return;
	}
	old = object_condition(o, "Progressing");
	if (old && !str_eq(json_path_str(old, "reason", ""), "NewReplicaSetAvailable"))
		*ret_deadline_s = seconds_left(v, old) + 1;
}

json_t *deployment_status(const struct deployment_view *v, int64_t *ret_deadline_s)
{
	const json_t *old = json_object_get(v->deployment, "status");
	int64_t available = deployment_sum(v->all, "status.availableReplicas");
	int64_t unavailable = deployment_sum(v->all, "spec.replicas") - available;
	json_t *s = json_object();

	*ret_deadline_s = -1;
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
		 json_object_get(old, "conditions")
			 ? json_deep_copy(json_object_get(old, "conditions"))
			 : json_array());
	set_available(v, s);
	set_progressing(v, s, ret_deadline_s);
	return s;
}
