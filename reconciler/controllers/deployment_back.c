/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a Deployment back to an older template. An app that is being rolled out decides for itself
 * (sync.c) and puts back all of it; here it is about one Deployment that nobody else looks after,
 * and about the annotation that clients of the removed rollback API still write.
 */
#include <assert.h>

#include "reconciler/controllers/deployment_priv.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/controllers/revision.h"
#include "reconciler/drift.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define WAS_AVAILABLE                                                                              \
	"recond.dev/was-available" /* on a ReplicaSet that once had all its replicas available */

static void write_template(struct rollout *o, json_t *d, const json_t *from)
{
	json_path_set_new(d, "spec.template", rollout_template(json_path(from, "spec.template")));
	(void)store_update(o->r->store, d);
}

/* ---- by annotation ---- */

/* The set of REVISION; for 0 the newest but the current one. */
static const json_t *set_of_revision(const struct rollout *o, int64_t revision)
{
	const json_t *newest = NULL;
	json_t *rs;
	size_t i;

	json_array_foreach(o->sets, i, rs) {
		if (revision > 0 && revision_of(rs) == revision)
			return rs;
		if (revision == 0 && rs != o->new &&
		    (!newest || revision_of(rs) > revision_of(newest)))
			newest = rs;
	}
	return newest;
}

static bool back_by_annotation(struct rollout *o)
{
	const json_t *target;
	int64_t revision;
	autojson *d = NULL;

	if (!object_annotation(o->d, DEPLOYMENT_ROLLBACK))
		return false;
	revision = rollout_annotation_int(o->d, DEPLOYMENT_ROLLBACK);
	target = revision >= 0 ? set_of_revision(o, revision) : NULL;
	d = json_clone(o->d);
	(void)json_object_del(json_path(d, "metadata.annotations"), DEPLOYMENT_ROLLBACK);
	if (!target) {
		events_warning(o->r, o->d, DEPLOYMENT_COMPONENT,
			       "DeploymentRollbackRevisionNotFound", "%s",
			       revision == 0 ? "Unable to find last revision."
					     : "Unable to find the revision to rollback to.");
		(void)store_update(o->r->store, d);
		return true;
	}
	if (target == o->new) {
		events_warning(
			o->r, o->d, DEPLOYMENT_COMPONENT, "DeploymentRollbackTemplateUnchanged",
			"The rollback revision contains the same template as current deployment \"%s\"",
			object_name(o->d));
		(void)store_update(o->r->store, d);
		return true;
	}
	write_template(o, d, target);
	events_normal(o->r, o->d, DEPLOYMENT_COMPONENT, "DeploymentRollback",
		      "Rolled back deployment \"%s\" to revision %lld", object_name(o->d),
		      (long long)revision_of(target));
	return true;
}

/* ---- a new revision that comes up short of its image ---- */

static const char *const image_reasons[] = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull",
					    "InvalidImageName"};

/* The reason (one of the kubelet's about images) that a pod of the new set waits for, or NULL. */
static const char *missing_image(const struct rollout *o, char message[512])
{
	autojson *pods = store_owned(o->r->store, KIND_POD, o->new);
	json_t *pod;
	size_t i, k;

	json_array_foreach(pods, i, pod) {
		const char *text = "";
		const char *reason = pod_status_failure(pod, &text);

		for (k = 0; reason && k < ARRAY_SIZE(image_reasons); k++) {
			if (str_eq(reason, image_reasons[k])) {
				(void)snprintf(message, 512, "%s", text);
				return image_reasons[k];
			}
		}
	}
	return NULL;
}

/* The newest old set that was once available as a whole. */
static const json_t *last_available(const struct rollout *o)
{
	const json_t *best = NULL;
	json_t *rs;
	size_t i;

	json_array_foreach(o->olds, i, rs) {
		if (object_annotation(rs, WAS_AVAILABLE) &&
		    (!best || revision_of(rs) > revision_of(best)))
			best = rs;
	}
	return best;
}

static bool back_for_image(struct rollout *o)
{
	const json_t *target =
		o->new && !object_annotation(o->new, WAS_AVAILABLE) ? last_available(o) : NULL;
	autojson *d = NULL;
	const char *reason;
	char message[512];

	if (!target || sync_object_in_rollout(o->r, o->d))
		return false;
	reason = missing_image(o, message);
	if (!reason)
		return false;
	d = json_clone(o->d);
	write_template(o, d, target);
	drift_accept_template(o->r, d);
	events_warning(o->r, o->d, DEPLOYMENT_COMPONENT, "DeploymentRollback",
		       "Rolled back to revision %lld: the image of revision %lld cannot be had",
		       (long long)revision_of(target), (long long)revision_of(o->new));
	sync_deployment_went_back(o->r, d, reason, message);
	return true;
}

bool rollout_go_back(struct rollout *o)
{
	assert(o->d);
	return back_by_annotation(o) || back_for_image(o);
}

void rollout_remember_available(struct rollout *o)
{
	autojson *rs = NULL;

	if (!o->new || object_annotation(o->new, WAS_AVAILABLE) || o->replicas == 0 ||
	    json_path_int(o->new, "status.availableReplicas", 0) < o->replicas)
		return;
	rs = json_clone(o->new);
	object_set_annotation(rs, WAS_AVAILABLE, "true");
	(void)store_update_status(o->r->store, rs);
}
