/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod status from container runs. The rules are the kubelet's; the reasons are interface strings
 * that tools match on.
 */
#include "reconciler/controllers/pod_status.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/object.h"

/* ---- one container ---- */

static json_t *terminated_state(const json_t *end)
{
	json_t *t = json_object();
	int64_t code = json_path_int(end, "exit_code", 0);
	const char *reason = json_path_str(end, "reason", NULL);
	const char *message = json_path_str(end, "message", NULL);

	if (!reason)
		reason = json_path_bool(end, "oom_killed", false) ? "OOMKilled"
			 : code == 0                              ? "Completed"
								  : "Error";
	json_set(t, "exitCode", json_integer(code));
	json_set(t, "reason", json_text(reason));
	if (message && *message)
		json_set(t, "message", json_text(message));
	if (json_path_int(end, "signal", 0) > 0)
		json_set(t, "signal", json_integer(json_path_int(end, "signal", 0)));
	json_set(t, "startedAt", json_text(json_path_str(end, "started_at", "")));
	json_set(t, "finishedAt", json_text(json_path_str(end, "finished_at", "")));
	if (json_path_str(end, "id", NULL))
		json_set(t, "containerID", json_text(json_path_str(end, "id", "")));
	return json_pack("{s:o}", "terminated", t);
}

static json_t *waiting_state(const char *reason, const char *message)
{
	json_t *w = json_pack("{s:s}", "reason", reason);

	if (message && *message)
		json_set(w, "message", json_text(message));
	return json_pack("{s:o}", "waiting", w);
}

static json_t *running_state(const struct container_run *c)
{
	return json_pack("{s:{s:s}}", "running", "startedAt",
			 json_path_str(c->info, "started_at", ""));
}

/* An image that cannot be had shows the attempt and the wait in turns, as the kubelet does. */
static json_t *failed_state(const json_t *spec, const struct container_run *c, uint64_t now_ms)
{
	const char *reason = *c->failure.reason ? c->failure.reason : "CreateContainerError";
	const char *image = json_path_str(spec, "image", "");

	if (str_eq(reason, "ErrImagePull") && c->n_failures > 1 && c->retry_ms > now_ms) {
		autofree char *message = mem_asprintf("Back-off pulling image \"%s\": %s", image,
						      c->failure.message);

		return waiting_state("ImagePullBackOff", message);
	}
	return waiting_state(reason, c->failure.message);
}

static bool in_crash_backoff(const json_t *pod, const struct container_run *c, uint64_t now_ms)
{
	return c->state == CONTAINER_EXITED && c->retry_ms > now_ms &&
	       pod_may_restart(pod, json_path_int(c->last, "exit_code", 0));
}

static json_t *container_state(const json_t *pod, const json_t *spec, const struct container_run *c,
			       uint64_t now_ms)
{
	if (c->state == CONTAINER_RUNNING)
		return running_state(c);
	if (in_crash_backoff(pod, c, now_ms)) {
		autofree char *message = mem_asprintf(
			"back-off %llus restarting failed container=%s pod=%s_%s(%s)",
			(unsigned long long)pod_retry_seconds(c->n_backoff > 1 ? c->n_backoff - 1
									       : 1),
			c->name, object_name(pod), object_namespace(pod), object_uid(pod));

		return waiting_state("CrashLoopBackOff", message);
	}
	if (c->failure.kind != ERR_NONE && !pod_run_hiccup(&c->failure, c->n_failures))
		return failed_state(spec, c, now_ms);
	if (c->state == CONTAINER_EXITED || (c->state == CONTAINER_STARTING && c->last))
		return terminated_state(c->last);
	return waiting_state("ContainerCreating", NULL);
}

static json_t *container_status(const json_t *pod, const json_t *spec,
				const struct container_run *c, uint64_t now_ms)
{
	bool running = c->state == CONTAINER_RUNNING;
	json_t *state = container_state(pod, spec, c, now_ms);
	json_t *s = json_object();

	json_set(s, "name", json_text(c->name));
	json_set(s, "image", json_text(json_path_str(spec, "image", "")));
	json_set(s, "imageID", json_text(c->image_digest ? c->image_digest : ""));
	json_set(s, "restartCount", json_integer(c->attempt));
	json_set(s, "ready", json_boolean(running));
	json_set(s, "started", json_boolean(running));
	if (running)
		json_set(s, "containerID", json_text(json_path_str(c->info, "id", "")));
	else if (c->last)
		json_set(s, "containerID", json_text(json_path_str(c->last, "id", "")));
	json_set(s, "lastState",
		 c->last && !json_object_get(state, "terminated") ? terminated_state(c->last)
								  : json_object());
	json_set(s, "state", state);
	return s;
}

/* ---- the pod ---- */

struct tally {
	unsigned int running, stopped, waiting, failed, restartable;
};

static struct tally count_containers(const json_t *pod, const struct pod_run *run)
{
	struct tally t = {0};

	for (size_t i = 0; i < run->n_containers; i++) {
		const struct container_run *c = &run->containers[i];
		int64_t code = json_path_int(c->last, "exit_code", 0);

		if (c->state == CONTAINER_RUNNING)
			t.running++;
		else if (c->last)
			t.stopped++;
		else
			t.waiting++;
		if (c->state != CONTAINER_RUNNING && c->last) {
			t.failed += code != 0;
			t.restartable += pod_may_restart(pod, code);
		}
	}
	return t;
}

static const char *pod_phase(const json_t *pod, const struct pod_run *run)
{
	const char *old = json_path_str(pod, "status.phase", "Pending");
	struct tally t = count_containers(pod, run);

	if (str_eq(old, "Succeeded") || str_eq(old, "Failed"))
		return old;
	if (t.waiting > 0)
		return "Pending";
	if (t.running > 0)
		return "Running";
	if (object_deleting(pod))
		return t.failed > 0 ? "Failed" : "Succeeded";
	if (t.restartable > 0)
		return "Running";
	return t.failed > 0 ? "Failed" : "Succeeded";
}

static void names_not_ready(struct strbuf *out, const struct pod_run *run)
{
	const char *separator = "";

	for (size_t i = 0; i < run->n_containers; i++) {
		if (run->containers[i].state == CONTAINER_RUNNING)
			continue;
		strbuf_addf(out, "%s%s", separator, run->containers[i].name);
		separator = " ";
	}
}

static void set_conditions(json_t *o, const struct pod_run *run, const char *phase, const char *now)
{
	autostrbuf unready = STRBUF_INIT;
	autofree char *message = NULL;
	const char *reason = "ContainersNotReady";
	bool ended = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
	bool sandbox = run->sandbox == SANDBOX_READY;
	bool quiet = sandbox || pod_run_hiccup(&run->failure, run->n_failures);
	const char *ready;

	names_not_ready(&unready, run);
	ready = unready.len == 0 && sandbox && !ended ? "True" : "False";
	if (ended)
		reason = str_eq(phase, "Succeeded") ? "PodCompleted" : "PodFailed";
	message = *ready == 'T' || ended ? mem_strdup("")
					 : mem_asprintf("containers with unready status: [%s]",
							strbuf_str(&unready));
	object_set_condition(o, "PodReadyToStartContainers", sandbox ? "True" : "False",
			     quiet ? "" : run->failure.reason, quiet ? "" : run->failure.message,
			     now);
	object_set_condition(o, "Initialized", "True", "", "", now);
	object_set_condition(o, "Ready", ready, *ready == 'T' ? "" : reason, message, now);
	object_set_condition(o, "ContainersReady", ready, *ready == 'T' ? "" : reason, message,
			     now);
	object_set_condition(o, "PodScheduled", "True", "", "", now);
}

json_t *pod_status(const json_t *pod, const struct pod_run *run, const struct pod_status_env *env)
{
	autojson *o = json_pack("{s:O}", "status", json_object_get(pod, "status") ?: json_null());
	json_t *specs = json_path(pod, "spec.containers"), *statuses = json_array(), *status;
	const char *phase = pod_phase(pod, run);

	if (!json_is_object(json_object_get(o, "status"))) {
		json_set(o, "status", json_object());
	} else {
		status = json_deep_copy(json_object_get(o, "status"));
		json_set(o, "status", status);
	}
	status = json_object_get(o, "status");
	json_set(status, "phase", json_text(phase));
	json_set(status, "qosClass", json_text(pod_qos_class(json_object_get(pod, "spec"))));
	json_set(status, "hostIP", json_text(env->host_ip));
	if (!json_object_get(status, "startTime"))
		json_set(status, "startTime", json_text(env->now));
	if (run->ip) {
		json_set(status, "podIP", json_text(run->ip));
		json_set(status, "podIPs", json_pack("[{s:s}]", "ip", run->ip));
	}
	for (size_t i = 0; i < run->n_containers; i++)
		json_array_append_new(statuses, container_status(pod, json_array_get(specs, i),
								 &run->containers[i], env->now_ms));
	json_set(status, "containerStatuses", statuses);
	set_conditions(o, run, phase, env->now);
	return json_incref(status);
}

/* ---- what others ask about a status ---- */

static const char *const hopeless[] = {
	"CreateContainerError", "CreateContainerConfigError", "RunContainerError", "ErrImagePull",
	"ImagePullBackOff",     "ErrImageNeverPull",          "InvalidImageName",  NULL,
};

const char *pod_status_failure(const json_t *pod, const char **ret_message)
{
	const json_t *sandbox = object_condition(pod, "PodReadyToStartContainers");
	json_t *statuses = json_path(pod, "status.containerStatuses"), *s;
	size_t i;

	json_array_foreach(statuses, i, s) {
		const char *waiting = json_path_str(s, "state.waiting.reason", "");
		const char *ended = json_path_str(s, "lastState.terminated.reason",
						  json_path_str(s, "state.terminated.reason", ""));

		for (size_t k = 0; hopeless[k]; k++) {
			if (str_eq(waiting, hopeless[k])) {
				*ret_message = json_path_str(s, "state.waiting.message", "");
				return hopeless[k];
			}
		}
		if (str_eq(ended, "StartError")) {
			*ret_message =
				json_path_str(s, "lastState.terminated.message",
					      json_path_str(s, "state.terminated.message", ""));
			return "StartError";
		}
	}
	if (sandbox && *json_path_str(sandbox, "reason", "")) {
		*ret_message = json_path_str(sandbox, "message", "");
		return json_path_str(sandbox, "reason", "");
	}
	return NULL;
}
