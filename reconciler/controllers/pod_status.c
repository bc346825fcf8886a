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
#include "reconciler/controllers/pod_phase.h"
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

static json_t *backoff_state(const json_t *pod, const struct container_run *c)
{
	autofree char *message = mem_asprintf(
		"back-off %llus restarting failed container=%s pod=%s_%s(%s)",
		(unsigned long long)pod_retry_seconds(c->n_backoff > 1 ? c->n_backoff - 1 : 1),
		c->name, object_name(pod), object_namespace(pod), object_uid(pod));

	return waiting_state("CrashLoopBackOff", message);
}

/* A container whose postStart hook is not over shows what it showed before it started. */
static json_t *container_state(const json_t *pod, const json_t *spec, const struct pod_run *run,
			       const struct container_run *c, uint64_t now_ms)
{
	bool pods_init = json_array_size(json_path(pod, "spec.initContainers")) > 0;
	bool again = c->state == CONTAINER_EXITED && !run->ending && pod_may_restart(pod, c);

	if (container_run_up(c))
		return running_state(c);
	if (again && !c->stale && c->retry_ms > now_ms)
		return backoff_state(pod, c);
	if (c->hook_failure.kind != ERR_NONE && (again || c->state == CONTAINER_RUNNING))
		return waiting_state(c->hook_failure.reason, c->hook_failure.message);
	if (c->failure.kind != ERR_NONE && !pod_run_hiccup(&c->failure, c->n_failures))
		return failed_state(spec, c, now_ms);
	if (c->last && !(pods_init && c->stale))
		return terminated_state(c->last);
	return waiting_state(pods_init ? "PodInitializing" : "ContainerCreating", NULL);
}

static bool container_ready(const struct container_run *c)
{
	if (c->role == CONTAINER_INIT)
		return c->state == CONTAINER_EXITED && !c->stale &&
		       json_path_int(c->last, "exit_code", 0) == 0;
	return container_run_ready(c);
}

static json_t *container_status(const json_t *pod, const json_t *spec, const struct pod_run *run,
				const struct container_run *c, uint64_t now_ms)
{
	json_t *state = container_state(pod, spec, run, c, now_ms);
	const json_t *before = json_object_get(state, "terminated") ? c->previous : c->last;
	json_t *s = json_object();

	json_set(s, "name", json_text(c->name));
	json_set(s, "image", json_text(json_path_str(spec, "image", "")));
	json_set(s, "imageID", json_text(c->image_digest ? c->image_digest : ""));
	json_set(s, "restartCount", json_integer(c->attempt));
	json_set(s, "ready", json_boolean(container_ready(c)));
	json_set(s, "started", json_boolean(container_run_started(c)));
	if (c->state == CONTAINER_RUNNING)
		json_set(s, "containerID", json_text(json_path_str(c->info, "id", "")));
	else if (c->last)
		json_set(s, "containerID", json_text(json_path_str(c->last, "id", "")));
	json_set(s, "lastState", before ? terminated_state(before) : json_object());
	json_set(s, "state", state);
	return s;
}

/* The statuses of the containers in LIST of the spec. */
static json_t *container_statuses(const json_t *pod, const struct pod_run *run, const char *list,
				  uint64_t now_ms)
{
	json_t *statuses = json_array(), *spec;
	size_t i;

	json_array_foreach(json_path(pod, list), i, spec) {
		for (size_t k = 0; k < run->n_containers; k++) {
			const struct container_run *c = &run->containers[k];

			if (str_eq(c->name, json_path_str(spec, "name", "")))
				json_array_append_new(statuses,
						      container_status(pod, spec, run, c, now_ms));
		}
	}
	return statuses;
}

/* ---- the pod ---- */

/* What is still running is not called over: a terminal phase waits for it. */
static void set_phase(json_t *o, const struct pod_run *run, const struct pod_status_env *env)
{
	json_t *status = json_object_get(o, "status");
	const char *old = json_path_str(status, "phase", "Pending");
	bool deadline = pod_plan_end(o, run, env->now_ms) == POD_DEADLINE;
	bool ending = run->ending || object_deleting(o);
	const char *phase =
		deadline ? "Failed" : pod_phase(json_object_get(o, "spec"), status, ending);

	if (pod_phase_is_terminal(old) || (pod_phase_is_terminal(phase) && pod_run_busy(run)))
		return;
	json_set(status, "phase", json_text(phase));
	if (!deadline)
		return;
	json_set(status, "reason", json_text("DeadlineExceeded"));
	json_set(status, "message",
		 json_text("Pod was active on the node longer than the specified deadline"));
}

static void set_sandbox_condition(json_t *o, const struct pod_run *run, const char *now)
{
	bool ready = run->sandbox == SANDBOX_READY;
	bool quiet = ready || pod_run_hiccup(&run->failure, run->n_failures);

	object_set_condition(o, "PodReadyToStartContainers", ready ? "True" : "False",
			     quiet ? "" : run->failure.reason, quiet ? "" : run->failure.message,
			     now);
}

json_t *pod_status(const json_t *pod, const struct pod_run *run, const struct pod_status_env *env)
{
	autojson *o = json_copy((json_t *)(uintptr_t)pod);
	json_t *old = json_object_get(pod, "status");
	json_t *status = json_is_object(old) ? json_copy(old) : json_object();

	if (json_object_get(old, "conditions")) /* the one member that is changed in place */
		json_set(status, "conditions", json_clone(json_object_get(old, "conditions")));
	json_set(o, "status", status);
	if (!json_object_get(status, "phase"))
		json_set(status, "phase", json_text("Pending"));
	json_set(status, "qosClass", json_text(pod_qos_class(json_object_get(pod, "spec"))));
	json_set(status, "hostIP", json_text(env->host_ip));
	if (!json_object_get(status, "startTime"))
		json_set(status, "startTime", json_text(env->now));
	if (run->ip) {
		json_set(status, "podIP", json_text(run->ip));
		json_set(status, "podIPs", json_pack("[{s:s}]", "ip", run->ip));
	}
	if (json_array_size(json_path(pod, "spec.initContainers")) > 0)
		json_set(status, "initContainerStatuses",
			 container_statuses(pod, run, "spec.initContainers", env->now_ms));
	json_set(status, "containerStatuses",
		 container_statuses(pod, run, "spec.containers", env->now_ms));
	set_phase(o, run, env);
	set_sandbox_condition(o, run, env->now);
	pod_phase_set_conditions(o, env->now);
	object_set_condition(o, "PodScheduled", "True", "", "", env->now);
	return json_incref(status);
}

/* ---- what others ask about a status ---- */

static const char *const hopeless[] = {
	"CreateContainerError", "CreateContainerConfigError", "RunContainerError", "ErrImagePull",
	"ImagePullBackOff",     "ErrImageNeverPull",          "InvalidImageName",  NULL,
};

/* Why the container with status S can't come up, or NULL. */
static const char *container_failure(const json_t *s, const char **ret_message)
{
	const char *waiting = json_path_str(s, "state.waiting.reason", "");
	const char *ended = json_path_str(s, "lastState.terminated.reason",
					  json_path_str(s, "state.terminated.reason", ""));

	for (size_t k = 0; hopeless[k]; k++) {
		if (str_eq(waiting, hopeless[k])) {
			*ret_message = json_path_str(s, "state.waiting.message", "");
			return hopeless[k];
		}
	}
	if (!str_eq(ended, "StartError"))
		return NULL;
	*ret_message = json_path_str(s, "lastState.terminated.message",
				     json_path_str(s, "state.terminated.message", ""));
	return "StartError";
}

const char *pod_status_failure(const json_t *pod, const char **ret_message)
{
	static const char *const lists[] = {"status.initContainerStatuses",
					    "status.containerStatuses"};
	const json_t *sandbox = object_condition(pod, "PodReadyToStartContainers");
	json_t *s;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		json_array_foreach(json_path(pod, lists[l]), i, s) {
			const char *reason = container_failure(s, ret_message);

			if (reason)
				return reason;
		}
	}
	if (!sandbox || !*json_path_str(sandbox, "reason", ""))
		return NULL;
	*ret_message = json_path_str(sandbox, "message", "");
	return json_path_str(sandbox, "reason", "");
}

#define LAST_WORDS_MAX 200

char *pod_status_last_words(const json_t *terminated)
{
	const char *text = json_path_str(terminated, "message", ""), *line;
	size_t end = strlen(text), begin, n;

	while (end > 0 && strchr(" \t\r\n", text[end - 1]))
		end--;
	for (begin = end; begin > 0 && text[begin - 1] != '\n';)
		begin--;
	line = text + begin;
	n = end - begin;
	if (n == 0)
		return mem_strdup("");
	if (n <= LAST_WORDS_MAX)
		return mem_asprintf(": \"%.*s\"", (int)n, line);
	n = LAST_WORDS_MAX;
	while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80) /* not within a character */
		n--;
	return mem_asprintf(": \"%.*s...\"", (int)n, line);
}
