/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl's rollout_status.go for Deployments.
 */
#include "cmd/rollout_view.h"

#include <assert.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

#define FINISH "Waiting for deployment \"%s\" rollout to finish: "

enum rollout_state rollout_view_add(struct strbuf *out, const json_t *deployment)
{
	const char *name = object_name(deployment);
	long long wanted = json_path_int(deployment, "spec.replicas", 1);
	long long updated = json_path_int(deployment, "status.updatedReplicas", 0);
	long long replicas = json_path_int(deployment, "status.replicas", 0);
	long long available = json_path_int(deployment, "status.availableReplicas", 0);
	const char *reason =
		json_path_str(object_condition(deployment, "Progressing"), "reason", "");

	assert(out);
	if (json_path_int(deployment, "metadata.generation", 0) >
	    json_path_int(deployment, "status.observedGeneration", 0)) {
		strbuf_adds(out, "Waiting for deployment spec update to be observed...");
	} else if (str_eq(reason, "ProgressDeadlineExceeded")) {
		strbuf_addf(out, "deployment \"%s\" exceeded its progress deadline", name);
		return ROLLOUT_FAILED;
	} else if (updated < wanted) {
		strbuf_addf(out, FINISH "%lld out of %lld new replicas have been updated...", name,
			    updated, wanted);
	} else if (replicas > updated) {
		strbuf_addf(out, FINISH "%lld old replicas are pending termination...", name,
			    replicas - updated);
	} else if (available < updated) {
		strbuf_addf(out, FINISH "%lld of %lld updated replicas are available...", name,
			    available, updated);
	} else {
		strbuf_addf(out, "deployment \"%s\" successfully rolled out", name);
		return ROLLOUT_DONE;
	}
	return ROLLOUT_WAITING;
}
