/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READY, STATUS and RESTARTS of a pod as `kubectl get pods` shows them. The order of the rules is
 * kubectl's (pkg/printers/internalversion, printPod) and matters: the first listed container that
 * does not run wins.
 */
#include <string.h>

#include "api/age.h"
#include "api/table_priv.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/object.h"

#define STATUS_SIZE 128

struct pod_view {
	char status[STATUS_SIZE];
	int ready;
	int total;
	int64_t restarts;
	int64_t last_restart_ns; /* 0 = never */
	bool initializing;
};

static bool is_sidecar(const json_t *spec, const char *name)
{
	size_t i;
	json_t *c;

	json_array_foreach(json_object_get(spec, "initContainers"), i, c) {
		if (str_eq(json_path_str(c, "name", ""), name))
			return str_eq(json_path_str(c, "restartPolicy", ""), "Always");
	}
	return false;
}

static bool condition_is(const json_t *pod, const char *type, const char *status)
{
	const json_t *c = object_condition(pod, type);

	return c && str_eq(json_path_str(c, "status", ""), status);
}

/* "<prefix><reason>", or how it ended where the runtime named no reason. */
static void set_terminated(struct pod_view *v, const char *prefix, const json_t *terminated)
{
	const char *reason = json_path_str(terminated, "reason", "");
	long long signal_number = json_path_int(terminated, "signal", 0);

	if (*reason)
		(void)snprintf(v->status, STATUS_SIZE, "%s%s", prefix, reason);
	else if (signal_number != 0)
		(void)snprintf(v->status, STATUS_SIZE, "%sSignal:%lld", prefix, signal_number);
	else
		(void)snprintf(v->status, STATUS_SIZE, "%sExitCode:%lld", prefix,
			       (long long)json_path_int(terminated, "exitCode", 0));
}

static void count_restarts(struct pod_view *v, const json_t *status)
{
	int64_t finished;

	v->restarts += json_path_int(status, "restartCount", 0);
	if (clock_parse_rfc3339(
		    &finished, json_path_str(status, "lastState.terminated.finishedAt", "")) == 0 &&
	    finished > v->last_restart_ns)
		v->last_restart_ns = finished;
}

/* Restarts of sidecars go on counting when the init phase is over; those of ordinary init
 * containers do not. */
static void view_init_containers(struct pod_view *v, const json_t *pod, struct pod_view *sidecars)
{
	const json_t *spec = json_object_get(pod, "spec");
	size_t n_init = json_array_size(json_object_get(spec, "initContainers"));
	size_t i;
	json_t *s;

	json_array_foreach(json_path(pod, "status.initContainerStatuses"), i, s) {
		const json_t *terminated = json_path(s, "state.terminated");
		const char *waiting = json_path_str(s, "state.waiting.reason", "");
		bool sidecar = is_sidecar(spec, json_path_str(s, "name", ""));

		count_restarts(v, s);
		if (sidecar)
			count_restarts(sidecars, s);
		if (terminated && json_path_int(terminated, "exitCode", 0) == 0)
			continue;
		if (sidecar && json_path_bool(s, "started", false)) {
			v->ready += json_path_bool(s, "ready", false);
			continue;
		}
		if (terminated)
			set_terminated(v, "Init:", terminated);
		else if (*waiting && !str_eq(waiting, "PodInitializing"))
			(void)snprintf(v->status, STATUS_SIZE, "Init:%s", waiting);
		else
			(void)snprintf(v->status, STATUS_SIZE, "Init:%zu/%zu", i, n_init);
		v->initializing = true;
		return;
	}
}

static void view_containers(struct pod_view *v, const json_t *pod)
{
	json_t *statuses = json_path(pod, "status.containerStatuses");
	char error[STATUS_SIZE] = "";
	bool running = false;

	for (size_t i = json_array_size(statuses); i-- > 0;) {
		json_t *s = json_array_get(statuses, i);
		const json_t *terminated = json_path(s, "state.terminated");
		const char *waiting = json_path_str(s, "state.waiting.reason", "");

		count_restarts(v, s);
		if (*waiting) {
			(void)snprintf(v->status, STATUS_SIZE, "%s", waiting);
		} else if (terminated) {
			set_terminated(v, "", terminated);
			if (json_path_int(terminated, "exitCode", 0) != 0)
				memcpy(error, v->status, sizeof(error));
		} else if (json_path_bool(s, "ready", false) && json_path(s, "state.running")) {
			v->ready++;
			running = true;
		}
	}
	if (!str_eq(v->status, "Completed"))
		return;
	if (running && condition_is(pod, "Ready", "True"))
		(void)snprintf(v->status, STATUS_SIZE, "Running");
	else if (*error)
		memcpy(v->status, error, sizeof(error));
	else if (running)
		(void)snprintf(v->status, STATUS_SIZE, "NotReady");
}

static int count_total(const json_t *pod)
{
	int n = (int)json_array_size(json_path(pod, "spec.containers"));
	size_t i;
	json_t *c;

	json_array_foreach(json_path(pod, "spec.initContainers"), i, c)
		n += str_eq(json_path_str(c, "restartPolicy", ""), "Always");
	return n;
}

static void start_text(struct pod_view *v, const json_t *pod)
{
	const json_t *scheduled = object_condition(pod, "PodScheduled");
	const char *text = json_path_str(pod, "status.phase", "Pending");
	const char *reason = json_path_str(pod, "status.reason", "");

	if (*reason)
		text = reason;
	if (scheduled && str_eq(json_path_str(scheduled, "reason", ""), "SchedulingGated"))
		text = "SchedulingGated";
	(void)snprintf(v->status, STATUS_SIZE, "%s", text);
}

static void view_deletion(struct pod_view *v, const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "");

	if (!object_deleting(pod))
		return;
	if (str_eq(json_path_str(pod, "status.reason", ""), "NodeLost"))
		(void)snprintf(v->status, STATUS_SIZE, "Unknown");
	else if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed"))
		(void)snprintf(v->status, STATUS_SIZE, "Terminating");
}

static struct pod_view pod_view(const json_t *pod)
{
	struct pod_view v = {.total = count_total(pod)};
	struct pod_view sidecars = {};

	start_text(&v, pod);
	view_init_containers(&v, pod, &sidecars);
	if (!v.initializing || condition_is(pod, "Initialized", "True")) {
		v.restarts = sidecars.restarts;
		v.last_restart_ns = sidecars.last_restart_ns;
		view_containers(&v, pod);
	}
	view_deletion(&v, pod);
	return v;
}

json_t *table_pod_ready(const json_t *pod, int64_t now_ns UNUSED)
{
	struct pod_view v = pod_view(pod);

	return json_sprintf("%d/%d", v.ready, v.total);
}

json_t *table_pod_status(const json_t *pod, int64_t now_ns UNUSED)
{
	struct pod_view v = pod_view(pod);

	return json_text(v.status);
}

json_t *table_pod_restarts(const json_t *pod, int64_t now_ns)
{
	struct pod_view v = pod_view(pod);
	char age[AGE_SIZE];

	if (v.restarts == 0 || v.last_restart_ns == 0)
		return json_sprintf("%lld", (long long)v.restarts);
	age_format(age, (now_ns - v.last_restart_ns) / AGE_NS_PER_S);
	return json_sprintf("%lld (%s ago)", (long long)v.restarts, age);
}
