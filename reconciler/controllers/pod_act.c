/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acting half of the pod controller. Intent (the pod object with its uid and attempt numbers)
 * is durable before any effect, and the effects are keyed by it.
 */
#include "reconciler/controllers/pod_act.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "reconciler/controllers/deletion.h"
#include "reconciler/controllers/pod_check.h"
#include "reconciler/controllers/pod_phase.h"
#include "reconciler/controllers/pod_request.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define CONFIG_RETRY_MS 2000

/* ---- starting ---- */

static struct pod_request_env request_env(struct reconciler *r, const json_t *pod,
					  const struct pod_run *run)
{
	return (struct pod_request_env){
		.store = r->store,
		.set = sync_pod_set(r, pod),
		.node_name = r->node_name,
		.host_ip = r->host_ip,
		.pod_ip = run->ip ? run->ip : "",
		.node = r->node,
	};
}

/* What ran before has prepared nothing in a new sandbox. */
static void note_new_sandbox(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	bool again = false;

	for (size_t i = 0; i < run->n_containers; i++) {
		again |= run->containers[i].last != NULL;
		run->containers[i].stale = run->containers[i].state == CONTAINER_EXITED;
	}
	if (again)
		events_normal(r, pod, "kubelet", "SandboxChanged",
			      "Pod sandbox changed, it will be killed and re-created.");
}

static void act_sandbox_up(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	struct pod_request_env env = request_env(r, pod, run);
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
	note_new_sandbox(r, pod, run);
	effect_sandbox_up(r, request);
}

static bool is_of_config(const char *reason)
{
	return str_eq(reason, "CreateContainerConfigError");
}

static bool is_of_image(const char *reason)
{
	return str_eq(reason, "ErrImagePull") || str_eq(reason, "ErrImageNeverPull");
}

void pod_act_container_failed(struct reconciler *r, const json_t *pod, struct container_run *c,
			      const struct err *err)
{
	const char *reason = *err->reason ? err->reason : "CreateContainerError";
	bool config = is_of_config(reason), image = is_of_image(reason);
	uint64_t wait = config ? CONFIG_RETRY_MS : POD_CREATE_RETRY_MS;
	bool hiccup;

	c->state = c->last ? CONTAINER_EXITED : CONTAINER_WAITING;
	c->failure = *err;
	(void)snprintf(c->failure.reason, sizeof(c->failure.reason), "%s", reason);
	c->n_failures++;
	hiccup = pod_run_hiccup(&c->failure, c->n_failures);
	if (image)
		wait = pod_retry_seconds(c->n_failures) * 1000;
	c->retry_ms = reconciler_now_ms(r) + (hiccup ? POD_HICCUP_RETRY_MS : wait);
	if (hiccup)
		return;
	if (image)
		events_warning(r, pod, "kubelet", "Failed", "Failed to pull image \"%s\": %s",
			       json_path_str(pod_request_container_spec(pod, c->name), "image", ""),
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

bool pod_act_image_is_here(struct reconciler *r, const json_t *pod, const json_t *spec)
{
	char digest[80];

	return wanted_image(r, pod, spec, digest);
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
		pod_act_container_failed(r, pod, c, &err);
		return;
	}
	c->image_wanted = true;
	events_normal(r, pod, "kubelet", "Pulling", "Pulling image \"%s\"", image);
	effect_image_get(r, image);
}

/*
 * What its image or configuration lacked is here now. What the host failed at is shown until it
 * works: a status that shows each try in between is written twice for each of them, forever.
 */
static void note_try(struct container_run *c)
{
	c->hook_failure = (struct err){0};
	if (is_of_config(c->failure.reason) || is_of_image(c->failure.reason))
		c->failure = (struct err){0};
}

static void act_container_start(struct reconciler *r, const json_t *pod, struct pod_run *run,
				struct container_run *c)
{
	const json_t *spec = pod_request_container_spec(pod, c->name);
	struct pod_request_env env = request_env(r, pod, run);
	json_t *request = NULL;
	struct err err = {0};
	char digest[80];

	if (!wanted_image(r, pod, spec, digest)) {
		act_image_missing(r, pod, spec, c);
		return;
	}
	c->attempt += c->spent;
	c->spent = false;
	if (pod_request_container(&request, pod, spec, c->attempt, digest, &env, &err) < 0) {
		pod_act_container_failed(r, pod, c, &err);
		return;
	}
	free(c->image_digest);
	c->image_digest = mem_strdup(digest);
	c->state = CONTAINER_STARTING;
	note_try(c);
	effect_container_start(r, request);
}

/* ---- stopping ---- */

/* What is left of the pod's grace, or its whole, as nobody deleted it. */
static uint64_t pod_grace_ms(struct reconciler *r, const json_t *pod, const struct pod_run *run)
{
	int64_t grace_s = json_path_int(pod, "spec.terminationGracePeriodSeconds", 30);
	uint64_t now = reconciler_now_ms(r);

	if (run->grace_end_ms)
		return run->grace_end_ms > now ? run->grace_end_ms - now : 0;
	return grace_s > 0 ? (uint64_t)grace_s * 1000 : 0;
}

static void act_stop_begin(struct reconciler *r, const json_t *pod, struct pod_run *run,
			   struct container_run *c)
{
	bool wanted = c->stop.phase == STOP_WANTED; /* an event told why */
	uint64_t grace_ms = wanted ? c->stop.grace_ms : pod_grace_ms(r, pod, run);

	if (!wanted)
		events_normal(r, pod, "kubelet", "Killing", "Stopping container %s", c->name);
	c->stop.end_ms = reconciler_now_ms(r) + grace_ms;
	stop_move(&c->stop, pod_check_pre_stop(r, pod, run, c, grace_ms) ? STOP_HOOK : STOP_TURN);
}

static void act_signal(struct reconciler *r, const struct pod_run *run, struct container_run *c,
		       int signo)
{
	stop_move(&c->stop, signo == SIGKILL ? STOP_KILLED : STOP_SIGNALLED);
	c->stop.signalled_ms = reconciler_now_ms(r);
	effect_container_signal(r, run->uid, c->name, c->attempt, signo);
}

static void act_container(struct reconciler *r, const json_t *pod, struct pod_run *run,
			  const struct pod_step *s)
{
	switch (s->type) {
	case POD_STEP_CONTAINER_START:
		act_container_start(r, pod, run, s->c);
		return;
	case POD_STEP_POST_START:
		pod_check_post_start(r, pod, run, s->c);
		return;
	case POD_STEP_STOP_BEGIN:
		act_stop_begin(r, pod, run, s->c);
		return;
	case POD_STEP_STOP_HOOK_END:
		pod_check_pre_stop_end(r, run, s->c);
		stop_move(&s->c->stop, STOP_TURN);
		return;
	default:
		act_signal(r, run, s->c, s->type == POD_STEP_CONTAINER_KILL ? SIGKILL : 0);
	}
}

/*
 * The end of a pod that is on its way out. Who holds it by a finalizer comes first: a Job counts
 * its own. What ended without having said how ended badly.
 */
static void forget(struct reconciler *r, const json_t *pod)
{
	autojson *copy = NULL;

	if (!deletion_is_held(pod)) {
		queue_remove(r->queue, WORK_PROBE, object_uid(pod));
		pods_remove(r->pods, object_uid(pod));
		(void)store_delete(r->store, KIND_POD, object_namespace(pod), object_name(pod));
		return;
	}
	if (pod_phase_is_terminal(json_path_str(pod, "status.phase", "")))
		return;
	copy = json_clone(pod);
	json_path_set_new(copy, "status.phase", json_text("Failed"));
	(void)store_update_status(r->store, copy);
}

bool pod_act(struct reconciler *r, const json_t *pod, struct pod_run *run, const struct pod_step *s)
{
	assert(s->type != POD_STEP_NONE);
	switch (s->type) {
	case POD_STEP_SANDBOX_UP:
		act_sandbox_up(r, pod, run);
		return true;
	case POD_STEP_DOWN:
		run->sandbox = SANDBOX_STOPPING;
		effect_pod_down(r, run->uid);
		return true;
	case POD_STEP_FORGET:
		forget(r, pod);
		return false;
	default:
		assert(s->c);
		act_container(r, pod, run, s);
		return true;
	}
}
