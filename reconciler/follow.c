/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following what was applied: is every workload up, still on its way, or stopped by something that
 * waiting will not mend? Reads the store only; what is in it came from the host.
 */
#include <assert.h>
#include <string.h>

#include "base/strbuf.h"
#include "reconciler/controllers/deployment.h"
#include "reconciler/controllers/deployment_priv.h"
#include "reconciler/controllers/job.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/controllers/replicaset.h"
#include "reconciler/jobspec.h"
#include "reconciler/sync_priv.h"

/* A missing ConfigMap may still come with another app of the same revision. */
#define CONFIG_PATIENCE_MS 5000
#define DEFAULT_DEADLINE_MS 600000

struct follow {
	struct reconciler *r;
	enum follow_result result;
	struct strbuf text;
	uint64_t again_ms;
	const char *since; /* when what is followed was asked for; NULL: it was up already */
	struct err *err;
};

static void look_again(struct follow *f, uint64_t in_ms)
{
	if (in_ms < f->again_ms)
		f->again_ms = in_ms;
}

static bool is_config_error(const char *reason)
{
	return str_eq(reason, "CreateContainerConfigError") || str_eq(reason, "FailedMount");
}

static int64_t past_ms(struct reconciler *r, const char *stamp)
{
	return (reconciler_realtime_ns(r) - reconciler_stamp_ns(r, stamp, 0)) / 1000000;
}

static int64_t age_ms(struct reconciler *r, const json_t *o)
{
	return past_ms(r, json_path_str(o, "metadata.creationTimestamp", ""));
}

/* Twice in a row is a loop: the second end starts the back-off, which waits for nothing that could
 * mend it. */
static bool check_crash_loop(struct follow *f, const json_t *pod)
{
	static const char *const lists[] = {"status.initContainerStatuses",
					    "status.containerStatuses"};
	json_t *s;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach(json_path(pod, lists[l]), i, s) {
			const char *name = json_path_str(s, "name", "");
			autofree char *said =
				pod_status_last_words(json_path(s, "lastState.terminated"));

			if (!str_eq(json_path_str(s, "state.waiting.reason", ""),
				    "CrashLoopBackOff") ||
			    str_eq(json_path_str(s, "lastState.terminated.reason", ""),
				   "StartError"))
				continue;
			f->result = FOLLOW_FAILED;
			(void)err_set(
				f->err, ERR_INVALID, ENOEXEC, "CrashLoopBackOff",
				"pod %s: container %s ends with exit code %lld (%s) again and again%s: `recond logs -p %s -c %s -n %s` shows its output while the pod is there",
				object_name(pod), name,
				(long long)json_path_int(s, "lastState.terminated.exitCode", 0),
				json_path_str(s, "lastState.terminated.reason", ""), said,
				object_name(pod), name, object_namespace(pod));
			return true;
		}
	}
	return false;
}

/* What stands in the way of POD's start, as far as waiting does not mend it. */
static void check_obstacle(struct follow *f, const json_t *pod)
{
	const char *message = "", *reason = pod_status_failure(pod, &message);

	if (!reason || object_deleting(pod) || f->result == FOLLOW_FAILED)
		return;
	if (is_config_error(reason) && age_ms(f->r, pod) < CONFIG_PATIENCE_MS) {
		look_again(f, CONFIG_PATIENCE_MS);
		return;
	}
	f->result = FOLLOW_FAILED;
	(void)err_set(f->err, ERR_INVALID, ENOEXEC, reason, "pod %s: %s", object_name(pod),
		      message);
}

static void check_pod(struct follow *f, const json_t *pod)
{
	if (object_deleting(pod) || f->result == FOLLOW_FAILED || check_crash_loop(f, pod))
		return;
	check_obstacle(f, pod);
}

static void check_pods_of(struct follow *f, const json_t *owner,
			  void (*check)(struct follow *f, const json_t *pod))
{
	autojson *pods = store_owned(f->r->store, KIND_POD, owner);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod)
		check(f, pod);
}

/* The ReplicaSet of a Deployment's current template. Its revision does not tell: with Recreate the
 * Deployment carries the old one's until the last old pod is gone. */
static const json_t *current_set(struct reconciler *r, const json_t *d)
{
	autojson *sets = store_owned(r->store, KIND_REPLICASET, d);
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs) {
		if (rollout_same_template(rs, d))
			return store_get_uid(r->store, object_uid(rs));
	}
	return NULL;
}

static void progress(struct follow *f, const json_t *o, int64_t have, int64_t want)
{
	autofree char *name = object_describe(o);

	if (f->result == FOLLOW_UP)
		f->result = FOLLOW_PROGRESS;
	strbuf_addf(&f->text, "%s%s %lld/%lld", f->text.len ? ", " : "", name, (long long)have,
		    (long long)want);
}

static void check_deadline(struct follow *f, const json_t *d)
{
	const json_t *progressing = object_condition(d, "Progressing");

	if (f->result == FOLLOW_FAILED ||
	    !str_eq(json_path_str(progressing, "status", ""), "False"))
		return;
	f->result = FOLLOW_FAILED;
	(void)err_set(
		f->err, ERR_INVALID, ETIME,
		json_path_str(progressing, "reason", "ProgressDeadlineExceeded"),
		"deployment %s: %s: `recond get events -n %s` says why its pods are not ready",
		object_name(d), json_path_str(progressing, "message", ""), object_namespace(d));
}

static void follow_deployment(struct follow *f, const json_t *d)
{
	bool observed = json_path_int(d, "status.observedGeneration", 0) >=
			json_path_int(d, "metadata.generation", 0);
	const json_t *rs = observed ? current_set(f->r, d) : NULL;
	int64_t want = json_path_int(d, "spec.replicas", 1);

	if (observed && deployment_complete(d))
		return;
	progress(f, d, rs ? json_path_int(rs, "status.availableReplicas", 0) : 0, want);
	if (rs)
		check_pods_of(f, rs, check_pod);
	if (observed)
		check_deadline(f, d);
}

/* What has no deadline of its own gets a Deployment's default: from when it was made, or when the
 * set that changes it came. */
static void check_age(struct follow *f, const json_t *o)
{
	autofree char *what = object_describe(o);
	int64_t past = age_ms(f->r, o), asked = f->since ? past_ms(f->r, f->since) : 0;
	int64_t left_ms = DEFAULT_DEADLINE_MS - (asked < past ? asked : past);

	if (!f->since)
		return;
	if (left_ms > 0) {
		look_again(f, (uint64_t)left_ms);
		return;
	}
	if (f->result == FOLLOW_FAILED)
		return;
	f->result = FOLLOW_FAILED;
	(void)err_set(f->err, ERR_INVALID, ETIME, "ProgressDeadlineExceeded",
		      "%s is not up %d s after it was asked for", what, DEFAULT_DEADLINE_MS / 1000);
}

static void follow_replicaset(struct follow *f, const json_t *rs)
{
	int64_t want = json_path_int(rs, "spec.replicas", 1);
	int64_t have = json_path_int(rs, "status.availableReplicas", 0);

	if (json_path_int(rs, "status.observedGeneration", 0) >=
		    json_path_int(rs, "metadata.generation", 0) &&
	    have == want && json_path_int(rs, "status.replicas", 0) == want)
		return;
	progress(f, rs, have, want);
	check_pods_of(f, rs, check_pod);
	check_age(f, rs);
}

/* A Pod that ended with a failure and is not started again stays so. */
static void pod_failed(struct follow *f, const json_t *pod)
{
	const char *reason = json_path_str(pod, "status.reason", "");

	f->result = FOLLOW_FAILED;
	(void)err_set(f->err, ERR_INVALID, ENOEXEC, *reason ? reason : "Error",
		      "pod %s failed: `recond logs %s -n %s` shows its output", object_name(pod),
		      object_name(pod), object_namespace(pod));
}

static void follow_pod(struct follow *f, const json_t *pod)
{
	if (!object_deleting(pod) && (replicaset_pod_ready(pod) ||
				      str_eq(json_path_str(pod, "status.phase", ""), "Succeeded")))
		return;
	progress(f, pod, 0, 1);
	if (f->result != FOLLOW_FAILED && !object_deleting(pod) &&
	    str_eq(json_path_str(pod, "status.phase", ""), "Failed"))
		pod_failed(f, pod);
	else
		check_pod(f, pod);
	if (!object_deleting(pod))
		check_age(f, pod);
}

/* A Job is up when it is complete; a suspended one has nothing to do. */
static void follow_job(struct follow *f, const json_t *wanted, const json_t *live)
{
	autofree char *other = live ? jobspec_frozen(live, wanted) : NULL;
	const char *reason = "", *message = "";

	if (!live || other) { /* it ran before, or it is still to be made */
		if (!job_was_done(f->r, wanted))
			progress(f, wanted, 0, json_path_int(wanted, "spec.completions", 1));
		return;
	}
	if (job_complete(live) || json_path_bool(live, "spec.suspend", false))
		return;
	progress(f, live, json_path_int(live, "status.succeeded", 0),
		 json_path_int(live, "spec.completions", 1));
	if (f->result == FOLLOW_FAILED)
		return;
	if (!job_failed(live, &reason, &message)) {
		check_pods_of(f, live, check_obstacle); /* its own limit ends a loop */
		return;
	}
	f->result = FOLLOW_FAILED;
	(void)err_set(f->err, ERR_INVALID, ENOEXEC, reason,
		      "job %s: %s: `recond logs job/%s -n %s` shows its output", object_name(live),
		      message, object_name(live), object_namespace(live));
}

static void follow_one(struct follow *f, const json_t *wanted)
{
	enum kind kind = object_kind(wanted);
	const json_t *live =
		store_get(f->r->store, kind, object_namespace(wanted), object_name(wanted));

	if (kind == KIND_JOB) {
		follow_job(f, wanted, live);
		return;
	}
	if (!live) {
		progress(f, wanted, 0, 1);
		return;
	}
	if (kind == KIND_DEPLOYMENT)
		follow_deployment(f, live);
	else if (kind == KIND_REPLICASET)
		follow_replicaset(f, live);
	else if (kind == KIND_POD)
		follow_pod(f, live);
}

enum follow_result follow_objects(struct reconciler *r, json_t *objects, const char *since,
				  char **ret_text, uint64_t *ret_again_ms, struct err *err)
{
	struct follow f = {
		.r = r, .result = FOLLOW_UP, .again_ms = UINT64_MAX, .since = since, .err = err};
	json_t *o;
	size_t i;

	json_array_foreach(objects, i, o)
		follow_one(&f, o);
	*ret_text = strbuf_take(&f.text);
	*ret_again_ms = f.again_ms;
	return f.result;
}
