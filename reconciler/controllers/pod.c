/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observe, plan, act, write status: the loop of one pod, and the answers of the runtime that feed
 * it.
 */
#include "reconciler/controllers/pod.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "reconciler/controllers/pod_act.h"
#include "reconciler/controllers/pod_check.h"
#include "reconciler/controllers/pod_observe.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/controllers/pod_request.h"
#include "reconciler/controllers/pod_run.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define MAX_STEPS 256 /* per pass and pod: each container a few */

/* ---- status ---- */

/* Waits that only show in the status (back-off over, ErrImagePull turning into ImagePullBackOff)
 * are part of it. */
static void write_status(struct reconciler *r, const json_t *pod, const struct pod_run *run)
{
	char now[CLOCK_RFC3339_SIZE];
	struct pod_status_env env = {
		.now = now, .host_ip = r->host_ip, .now_ms = reconciler_now_ms(r)};
	autojson *copy = json_copy((json_t *)(uintptr_t)pod);

	reconciler_rfc3339(r, now);
	json_set(copy, "status", pod_status(pod, run, &env));
	(void)store_update_status(r->store, copy);
}

/* When grace is over, from the object's deletion time; earlier when the grace was shortened. */
static void note_deletion(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	int64_t deadline_ns = 0, left_ms, grace_ms;
	uint64_t end_ms;

	if (!object_deleting(pod))
		return;
	grace_ms = json_path_int(pod, "metadata.deletionGracePeriodSeconds", 30) * 1000;
	(void)clock_parse_rfc3339(&deadline_ns,
				  json_path_str(pod, "metadata.deletionTimestamp", ""));
	left_ms = (deadline_ns - reconciler_realtime_ns(r)) / 1000000;
	if (left_ms > grace_ms)
		left_ms = grace_ms; /* the wall clock was moved */
	end_ms = reconciler_now_ms(r) + (uint64_t)(left_ms < 0 ? 0 : left_ms);
	if (!run->grace_end_ms || reconciler_now_ms(r) + (uint64_t)grace_ms < run->grace_end_ms)
		run->grace_end_ms = end_ms;
}

void pod_reconcile(struct reconciler *r, const char *key)
{
	autojson *pod = json_incref((json_t *)(uintptr_t)store_get_uid(r->store, key));
	struct pod_run *run;
	struct pod_step s;
	bool was_ending;

	if (!pod || !r->recovered)
		return;
	assert(object_kind(pod) == KIND_POD);
	run = pod_observe(r, pod);
	was_ending = run->ending;
	note_deletion(r, pod, run);
	for (int i = 0; i < MAX_STEPS; i++) {
		s = pod_plan(pod, run, reconciler_now_ms(r));
		if (s.type == POD_STEP_NONE)
			break;
		if (!pod_act(r, pod, run, &s))
			return;
	}
	if (s.type == POD_STEP_NONE && s.again_ms != UINT64_MAX)
		queue_add(r->queue, WORK_POD, key, s.again_ms);
	if (!was_ending && pod_plan_end(pod, run, reconciler_now_ms(r)) == POD_DEADLINE)
		events_normal(r, pod, "kubelet", "DeadlineExceeded",
			      "Pod was active on the node longer than the specified deadline");
	pod_check_schedule(r, run);
	write_status(r, pod, run);
}

/* ---- answers of the runtime ---- */

void reconciler_sandbox_ready(struct reconciler *r, const char *uid, const char *ip)
{
	struct pod_run *run = pods_add(r->pods, uid);

	effects_answered(r, QUESTION_SANDBOX, uid, NULL);
	if (run->sandbox != SANDBOX_STOPPING && run->sandbox != SANDBOX_GONE)
		run->sandbox = SANDBOX_READY;
	free(run->ip);
	run->ip = mem_strdup(ip);
	run->failure = (struct err){0};
	run->n_failures = 0;
	reconciler_queue(r, WORK_POD, uid);
}

void reconciler_sandbox_failed(struct reconciler *r, const char *uid, const struct err *err)
{
	struct pod_run *run = pods_add(r->pods, uid);
	const json_t *pod = store_get_uid(r->store, uid);
	bool hiccup;

	effects_answered(r, QUESTION_SANDBOX, uid, NULL);
	run->sandbox = SANDBOX_FAILED;
	run->failure = *err;
	if (!*run->failure.reason)
		(void)err_reason(&run->failure, "FailedCreatePodSandBox");
	run->n_failures++;
	hiccup = pod_run_hiccup(&run->failure, run->n_failures);
	run->retry_ms = reconciler_now_ms(r) + (hiccup ? POD_HICCUP_RETRY_MS : POD_CREATE_RETRY_MS);
	if (pod && !hiccup)
		events_warning(r, pod, "kubelet", run->failure.reason,
			       "Failed to create pod sandbox: %s", err->message);
	reconciler_queue(r, WORK_POD, uid);
}

/* The container an answer is about; NULL when the answer is of an older attempt. */
static struct container_run *answered(struct reconciler *r, const char *uid, const char *name,
				      unsigned int attempt)
{
	struct pod_run *run = pods_add(r->pods, uid);
	struct container_run *c = pod_run_add_container(run, name);

	if (attempt < c->attempt)
		return NULL;
	effects_answered(r, QUESTION_START, uid, name);
	c->attempt = attempt;
	reconciler_queue(r, WORK_POD, uid);
	return c;
}

void reconciler_container_started(struct reconciler *r, const char *uid, const char *name,
				  unsigned int attempt, const json_t *info)
{
	struct container_run *c = answered(r, uid, name, attempt);
	const json_t *pod = store_get_uid(r->store, uid);

	if (!c || c->state == CONTAINER_RUNNING || c->state == CONTAINER_EXITED)
		return;
	c->state = CONTAINER_RUNNING;
	json_decref(c->info);
	c->info = pod_observe_times(r, info);
	c->failure = (struct err){0};
	c->n_failures = 0;
	c->started_ms = reconciler_now_ms(r);
	if (pod && pods_get(r->pods, uid)->adopted)
		pod_observe_started(pod, c, c->started_ms);
	if (pod && r->recovered) {
		events_normal(r, pod, "kubelet", "Created", "Created container: %s", name);
		events_normal(r, pod, "kubelet", "Started", "Started container %s", name);
	}
}

void reconciler_container_failed(struct reconciler *r, const char *uid, const char *name,
				 unsigned int attempt, const struct err *err)
{
	struct container_run *c = answered(r, uid, name, attempt);
	const json_t *pod = store_get_uid(r->store, uid);

	if (c && pod)
		pod_act_container_failed(r, pod, c, err);
	else if (c)
		c->state = CONTAINER_WAITING;
}

static void warn_backoff(struct reconciler *r, const json_t *pod, const struct container_run *c)
{
	if (c->retry_ms > reconciler_now_ms(r))
		events_warning(r, pod, "kubelet", "BackOff",
			       "Back-off restarting failed container %s in pod %s_%s(%s)", c->name,
			       object_name(pod), object_namespace(pod), object_uid(pod));
}

void reconciler_container_exited(struct reconciler *r, const char *uid, const char *name,
				 unsigned int attempt, const json_t *info)
{
	struct container_run *c = answered(r, uid, name, attempt);
	const json_t *pod = store_get_uid(r->store, uid);
	uint64_t now = reconciler_now_ms(r), ran_ms;

	if (!c || c->state == CONTAINER_EXITED)
		return;
	/* Whose start nobody told ran for who knows how long; started_ms is of the attempt before.
	 */
	ran_ms = c->state == CONTAINER_RUNNING && c->started_ms ? now - c->started_ms : 0;
	effects_answered(r, QUESTION_KILL, uid, name);
	pod_check_abandon(r, pods_get(r->pods, uid), c);
	container_run_ended(c, pod_observe_times(r, info));
	c->failure = (struct err){0};
	if (!pod || !r->recovered || !pod_may_restart(pod, c))
		return; /* what ended while recond was away is counted when its pod is observed */
	pod_plan_backoff(c, now, 0, ran_ms);
	if (!object_deleting(pod))
		warn_backoff(r, pod, c);
}

void reconciler_pod_gone(struct reconciler *r, const char *uid)
{
	struct pod_run *run = pods_get(r->pods, uid);

	effects_pod_gone(r, uid);
	if (!run)
		return;
	if (!store_get_uid(r->store, uid)) {
		pods_remove(r->pods, uid);
		return;
	}
	run->sandbox = run->sandbox == SANDBOX_STOPPING ? SANDBOX_GONE : SANDBOX_ABSENT;
	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];

		if (c->state != CONTAINER_RUNNING && c->state != CONTAINER_STARTING)
			continue;
		pod_check_abandon(r, run, c);
		pod_observe_lost(r, c, json_path_str(c->info, "started_at", ""),
				 json_path_str(c->info, "id", ""));
	}
	reconciler_queue(r, WORK_POD, uid);
}

/* ---- images ---- */

struct image_answer {
	struct reconciler *r;
	const char *ref;
	const struct err *err; /* NULL: it is here */
};

/* The name means another image by now, and the one that the pod was made for is gone: waiting a
 * while is all that is left. */
static void image_moved_on(const struct image_answer *a, const json_t *pod, struct container_run *c)
{
	struct err err = {0};

	(void)err_set(&err, ERR_TRANSIENT, ENOENT, "ErrImagePull",
		      "%s is another image by now, and the one that this pod was made for is gone",
		      a->ref);
	pod_act_container_failed(a->r, pod, c, &err);
}

static void image_answered(struct pod_run *run, void *data)
{
	struct image_answer *a = data;
	const json_t *pod = store_get_uid(a->r->store, run->uid);

	for (size_t i = 0; pod && i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];
		const json_t *spec = pod_request_container_spec(pod, c->name);

		if (!c->image_wanted || !str_eq(json_path_str(spec, "image", ""), a->ref))
			continue;
		c->image_wanted = false;
		if (a->err)
			pod_act_container_failed(a->r, pod, c, a->err);
		else if (!pod_act_image_is_here(a->r, pod, spec))
			image_moved_on(a, pod, c);
		else
			events_normal(a->r, pod, "kubelet", "Pulled",
				      "Successfully pulled image \"%s\"", a->ref);
		reconciler_queue(a->r, WORK_POD, run->uid);
	}
}

void reconciler_image_done(struct reconciler *r, const char *ref, const char *digest,
			   const struct err *err)
{
	struct image_answer a = {.r = r, .ref = ref, .err = digest ? NULL : err};

	effects_answered(r, QUESTION_IMAGE, ref, NULL);
	pods_each(r->pods, image_answered, &a);
	sync_image_done(r, ref, digest, err);
}

/* ---- recovery ---- */

static void recover_run(struct pod_run *run, void *data)
{
	struct reconciler *r = data;

	if (!store_get_uid(r->store, run->uid)) {
		run->sandbox = SANDBOX_STOPPING;
		effect_pod_down(
			r, run->uid); /* carried out by the pass that reconciler_recovered queues */
	}
}

/*
 * What became of pods meanwhile is seen first, then counted, and only then acted upon: a Deployment
 * that trusts the counts of before would take pods away that it can't spare. Nothing else is due at
 * these times.
 */
static void queue_pod(const json_t *pod, void *data)
{
	queue_add(((struct reconciler *)data)->queue, WORK_POD, object_uid(pod), 0);
}

static void queue_set(const json_t *rs, void *data)
{
	autofree char *key = mem_asprintf("%s/%s", object_namespace(rs), object_name(rs));

	queue_add(((struct reconciler *)data)->queue, WORK_REPLICASET, key, 1);
}

void reconciler_recovered(struct reconciler *r)
{
	r->recovered = true;
	pods_each(r->pods, recover_run, r);
	store_each(r->store, KIND_POD, NULL, queue_pod, r);
	store_each(r->store, KIND_REPLICASET, NULL, queue_set, r);
	reconciler_queue(r, WORK_EVENTS, "");
}
