/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observe, plan, act, write status: the loop of one pod, and the answers of the runtime that feed
 * it. Intent (the pod object with its uid and attempt numbers) is durable before any effect, and
 * the effects are keyed by it.
 */
#include "reconciler/controllers/pod.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "reconciler/controllers/pod_plan.h"
#include "reconciler/controllers/pod_request.h"
#include "reconciler/controllers/pod_resources.h"
#include "reconciler/controllers/pod_run.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define CONFIG_RETRY_MS 2000
#define CREATE_RETRY_MS 10000
#define HICCUP_RETRY_MS 500
#define MIN_GRACE_MS 2000
#define MAX_STEPS 64 /* per pass and pod: each container a few */

/* ---- observe ---- */

static const json_t *old_container_status(const json_t *pod, const char *name)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_path(pod, "status.containerStatuses"), i, s) {
		if (str_eq(json_path_str(s, "name", ""), name))
			return s;
	}
	return NULL;
}

/* The end of an attempt that ran when recond last wrote the status and of which nothing is left. */
static json_t *lost_end(struct reconciler *r, const json_t *status)
{
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "exit_code", 137, "reason",
			 "ContainerStatusUnknown", "message",
			 "the container could not be located when recond came back", "started_at",
			 json_path_str(status, "state.running.startedAt", ""), "finished_at", now,
			 "id", json_path_str(status, "containerID", ""));
}

static json_t *end_from_status(const json_t *terminated)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "exit_code",
			 (json_int_t)json_path_int(terminated, "exitCode", 0), "reason",
			 json_path_str(terminated, "reason", ""), "message",
			 json_path_str(terminated, "message", ""), "started_at",
			 json_path_str(terminated, "startedAt", ""), "finished_at",
			 json_path_str(terminated, "finishedAt", ""), "id",
			 json_path_str(terminated, "containerID", ""));
}

/* A container the runtime said nothing of, continued from what its status says. */
static void adopt_status(struct reconciler *r, const json_t *pod, struct container_run *c)
{
	const json_t *status = old_container_status(pod, c->name);
	const json_t *terminated =
		json_path(status, "state.terminated") ?: json_path(status, "lastState.terminated");
	const char *image = json_path_str(status, "imageID", "");

	if (status && !c->last && c->state == CONTAINER_RUNNING && terminated) {
		c->last =
			end_from_status(terminated); /* only the state before this one is missing */
		c->n_backoff = c->attempt;
	}
	if (!status || c->state != CONTAINER_WAITING || c->last)
		return;
	c->attempt = (unsigned int)json_path_int(status, "restartCount", 0);
	if (*image)
		c->image_digest = mem_strdup(image);
	if (json_path(status, "state.running"))
		container_run_ended(c, lost_end(r, status));
	else if (terminated)
		container_run_ended(c, end_from_status(terminated));
	if (c->state == CONTAINER_EXITED)
		c->n_backoff = c->attempt;
}

/* The runtime reports containers as it finds them; everything else relies on the order of the spec.
 */
static void order_containers(struct pod_run *run, json_t *specs)
{
	json_t *spec;
	size_t i;

	json_array_foreach(specs, i, spec) {
		const struct container_run *c =
			pod_run_container(run, json_path_str(spec, "name", ""));
		size_t at = (size_t)(c - run->containers);
		struct container_run moved = *c;

		run->containers[at] = run->containers[i];
		run->containers[i] = moved;
	}
}

static struct pod_run *observe(struct reconciler *r, const json_t *pod)
{
	struct pod_run *run = pods_add(r->pods, object_uid(pod));
	json_t *spec;
	size_t i;

	json_array_foreach(json_path(pod, "spec.containers"), i, spec) {
		const char *name = json_path_str(spec, "name", "");
		bool known = pod_run_container(run, name) != NULL;
		struct container_run *c = pod_run_add_container(run, name);

		if (!known || !run->adopted)
			adopt_status(r, pod, c);
	}
	run->adopted = true;
	order_containers(run, json_path(pod, "spec.containers"));
	return run;
}

/* ---- act ---- */

static struct pod_request_env request_env(struct reconciler *r, const struct pod_run *run)
{
	return (struct pod_request_env){
		.store = r->store,
		.node_name = r->node_name,
		.host_ip = r->host_ip,
		.pod_ip = run->ip ? run->ip : "",
		.node = r->node,
	};
}

static void act_sandbox_up(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	struct pod_request_env env = request_env(r, run);
	json_t *request = NULL;
	struct err err = {0};

	if (pod_request_sandbox(&request, pod, &env, &err) < 0) {
		run->sandbox = SANDBOX_FAILED;
		run->failure = err;
		run->retry_ms = reconciler_now_ms(r) + CONFIG_RETRY_MS;
		events_warning(r, pod, "kubelet", "FailedMount", "%s", err.message);
		return;
	}
	run->sandbox = SANDBOX_STARTING;
	effect_sandbox_up(r, request);
}

static const json_t *container_spec(const json_t *pod, const char *name)
{
	json_t *spec;
	size_t i;

	json_array_foreach(json_path(pod, "spec.containers"), i, spec) {
		if (str_eq(json_path_str(spec, "name", ""), name))
			return spec;
	}
	return NULL;
}

static void container_failed(struct reconciler *r, const json_t *pod, struct container_run *c,
			     const struct err *err)
{
	const char *reason = *err->reason ? err->reason : "CreateContainerError";
	bool config = str_eq(reason, "CreateContainerConfigError");
	bool image = str_eq(reason, "ErrImagePull") || str_eq(reason, "ErrImageNeverPull");
	uint64_t wait = config ? CONFIG_RETRY_MS : CREATE_RETRY_MS;
	bool hiccup;

	c->state = c->last ? CONTAINER_EXITED : CONTAINER_WAITING;
	c->failure = *err;
	(void)snprintf(c->failure.reason, sizeof(c->failure.reason), "%s", reason);
	c->n_failures++;
	hiccup = pod_run_hiccup(&c->failure, c->n_failures);
	if (image)
		wait = pod_retry_seconds(c->n_failures) * 1000;
	c->retry_ms = reconciler_now_ms(r) + (hiccup ? HICCUP_RETRY_MS : wait);
	if (hiccup)
		return;
	if (image)
		events_warning(r, pod, "kubelet", "Failed", "Failed to pull image \"%s\": %s",
			       json_path_str(container_spec(pod, c->name), "image", ""),
			       err->message);
	events_warning(r, pod, "kubelet", "Failed", "Error: %s", image ? reason : err->message);
}

/* The digest a container has to run: pinned by the app's rollout, or what its reference means here.
 */
static bool wanted_image(struct reconciler *r, const json_t *pod, const json_t *spec,
			 char digest[80])
{
	const char *pins = object_annotation(pod, SYNC_ANNOTATION_DIGESTS);
	autojson *pinned = pins ? json_loads(pins, 0, NULL) : NULL;
	const char *pin = json_path_str(pinned, json_path_str(spec, "name", ""), NULL);

	return r->ports.image_resolve(r->ports.data, digest,
				      pin ? pin : json_path_str(spec, "image", "")) == 1;
}

static void act_image_missing(struct reconciler *r, const json_t *pod, const json_t *spec,
			      struct container_run *c)
{
	const char *image = json_path_str(spec, "image", "");
	struct err err = {0};

	if (str_eq(json_path_str(spec, "imagePullPolicy", ""), "Never")) {
		(void)err_set(&err, ERR_INVALID, ENOENT, "ErrImageNeverPull",
			      "Container image \"%s\" is not present with pull policy of Never",
			      image);
		container_failed(r, pod, c, &err);
		return;
	}
	c->image_wanted = true;
	events_normal(r, pod, "kubelet", "Pulling", "Pulling image \"%s\"", image);
	effect_image_get(r, image);
}

static void act_container_start(struct reconciler *r, const json_t *pod, struct pod_run *run,
				struct container_run *c)
{
	const json_t *spec = container_spec(pod, c->name);
	struct pod_request_env env = request_env(r, run);
	json_t *request = NULL;
	struct err err = {0};
	char digest[80];

	if (!wanted_image(r, pod, spec, digest)) {
		act_image_missing(r, pod, spec, c);
		return;
	}
	if (c->state == CONTAINER_EXITED && c->failure.kind == ERR_NONE)
		c->attempt++;
	if (pod_request_container(&request, pod, spec, c->attempt, digest, &env, &err) < 0) {
		container_failed(r, pod, c, &err);
		return;
	}
	free(c->image_digest);
	c->image_digest = mem_strdup(digest);
	c->state = CONTAINER_STARTING;
	c->failure = (struct err){0};
	effect_container_start(r, request);
}

static void act_stop(struct reconciler *r, const json_t *pod, struct pod_run *run,
		     struct container_run *c, int signo)
{
	if (signo == SIGKILL)
		c->kill_sent = true;
	else
		events_normal(r, pod, "kubelet", "Killing", "Stopping container %s", c->name);
	c->stop_sent = true;
	effect_container_signal(r, run->uid, c->name, c->attempt, signo);
}

/* Carry out one step; false when it was the last of the pod. */
static bool act(struct reconciler *r, const json_t *pod, struct pod_run *run,
		const struct pod_step *s)
{
	switch (s->type) {
	case POD_STEP_SANDBOX_UP:
		act_sandbox_up(r, pod, run);
		return true;
	case POD_STEP_CONTAINER_START:
		act_container_start(r, pod, run, s->c);
		return true;
	case POD_STEP_CONTAINER_STOP:
		act_stop(r, pod, run, s->c, 0);
		return true;
	case POD_STEP_CONTAINER_KILL:
		act_stop(r, pod, run, s->c, SIGKILL);
		return true;
	case POD_STEP_DOWN:
		run->sandbox = SANDBOX_STOPPING;
		effect_pod_down(r, run->uid);
		return true;
	case POD_STEP_FORGET:
		pods_remove(r->pods, object_uid(pod));
		(void)store_delete(r->store, KIND_POD, object_namespace(pod), object_name(pod));
		return false;
	default:
		return true;
	}
}

/* ---- status ---- */

/* Waits that only show in the status (back-off over, ErrImagePull turning into ImagePullBackOff)
 * are part of it. */
static void write_status(struct reconciler *r, const json_t *pod, const struct pod_run *run)
{
	char now[CLOCK_RFC3339_SIZE];
	struct pod_status_env env = {
		.now = now, .host_ip = r->host_ip, .now_ms = reconciler_now_ms(r)};
	autojson *copy = json_deep_copy(pod);

	reconciler_rfc3339(r, now);
	json_set(copy, "status", pod_status(pod, run, &env));
	(void)store_update_status(r->store, copy);
}

/* When SIGKILL is due, from the object's deletion time; earlier when the grace was shortened. */
static void note_deletion(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	int64_t deadline_ns = 0, left_ms, grace_ms;

	if (!object_deleting(pod))
		return;
	grace_ms = json_path_int(pod, "metadata.deletionGracePeriodSeconds", 30) * 1000;
	if (grace_ms < MIN_GRACE_MS)
		grace_ms = MIN_GRACE_MS;
	(void)clock_parse_rfc3339(&deadline_ns,
				  json_path_str(pod, "metadata.deletionTimestamp", ""));
	left_ms = (deadline_ns - reconciler_realtime_ns(r)) / 1000000;
	if (left_ms < 0 || left_ms > grace_ms)
		left_ms = left_ms < 0 ? 0
				      : grace_ms; /* the wall clock was moved, or recond was away */
	if (!run->kill_ms)
		run->kill_ms = reconciler_now_ms(r) +
			       (uint64_t)(left_ms < MIN_GRACE_MS ? MIN_GRACE_MS : left_ms);
	else if (reconciler_now_ms(r) + (uint64_t)grace_ms < run->kill_ms)
		run->kill_ms = reconciler_now_ms(r) + (uint64_t)grace_ms;
}

void pod_reconcile(struct reconciler *r, const char *key)
{
	autojson *pod = json_incref((json_t *)(uintptr_t)store_get_uid(r->store, key));
	struct pod_run *run;
	struct pod_step s;

	if (!pod || !r->recovered)
		return;
	assert(object_kind(pod) == KIND_POD);
	run = observe(r, pod);
	note_deletion(r, pod, run);
	for (int i = 0; i < MAX_STEPS; i++) {
		s = pod_plan(pod, run, reconciler_now_ms(r));
		if (s.type == POD_STEP_NONE)
			break;
		if (!act(r, pod, run, &s))
			return;
	}
	if (s.type == POD_STEP_NONE && s.again_ms != UINT64_MAX)
		queue_add(r->queue, WORK_POD, key, s.again_ms);
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
	run->retry_ms = reconciler_now_ms(r) + (hiccup ? HICCUP_RETRY_MS : CREATE_RETRY_MS);
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
	c->info = json_deep_copy(info);
	c->failure = (struct err){0};
	c->n_failures = 0;
	c->started_ms = reconciler_now_ms(r);
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
		container_failed(r, pod, c, err);
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
	uint64_t now = reconciler_now_ms(r);

	if (!c || c->state == CONTAINER_EXITED)
		return;
	effects_answered(r, QUESTION_KILL, uid, name);
	container_run_ended(c, json_deep_copy(info));
	c->failure = (struct err){0};
	if (!pod || !pod_may_restart(pod, json_path_int(info, "exit_code", 0)))
		return;
	pod_plan_backoff(c, now);
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
	reconciler_queue(r, WORK_POD, uid);
}

/* ---- images ---- */

struct image_answer {
	struct reconciler *r;
	const char *ref;
	const struct err *err; /* NULL: it is here */
};

static void image_answered(struct pod_run *run, void *data)
{
	struct image_answer *a = data;
	const json_t *pod = store_get_uid(a->r->store, run->uid);

	for (size_t i = 0; pod && i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];
		const json_t *spec = container_spec(pod, c->name);

		if (!c->image_wanted || !str_eq(json_path_str(spec, "image", ""), a->ref))
			continue;
		c->image_wanted = false;
		if (a->err)
			container_failed(a->r, pod, c, a->err);
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

static void queue_pod(const json_t *pod, void *data)
{
	reconciler_queue(data, WORK_POD, object_uid(pod));
}

void reconciler_recovered(struct reconciler *r)
{
	r->recovered = true;
	pods_each(r->pods, recover_run, r);
	store_each(r->store, KIND_POD, NULL, queue_pod, r);
	reconciler_queue(r, WORK_EVENTS, "");
}
