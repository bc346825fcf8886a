/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phase and conditions. They look at what the status says of the containers, not at how it came
 * about: so do the kubelet's, and so it can be compared.
 */
#include "reconciler/controllers/pod_phase.h"

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"

bool pod_phase_is_terminal(const char *phase)
{
	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static const json_t *status_of(const json_t *status, const char *list, const json_t *container)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(status, list), i, s) {
		if (str_eq(json_path_str(s, "name", ""), json_path_str(container, "name", "")))
			return s;
	}
	return NULL;
}

static bool is_sidecar(const json_t *init_container)
{
	return str_eq(json_path_str(init_container, "restartPolicy", ""), "Always");
}

/* ---- phase ---- */

struct tally {
	unsigned int init_failed, init_pending, sidecars_pending;
	unsigned int running, waiting, unknown, stopped, succeeded;
	bool any_main_ran;
};

static const json_t *any_end(const json_t *s)
{
	return json_path(s, "state.terminated")
		       ?: (json_path(s, "state.waiting") ? json_path(s, "lastState.terminated")
							 : NULL);
}

static void count_init(struct tally *t, const json_t *s, bool never)
{
	const json_t *end = any_end(s);

	if (!s || json_path(s, "state.running") || !end)
		t->init_pending++;
	else if (json_path_int(end, "exitCode", 0) != 0)
		t->init_failed += never;
}

static void count_sidecar(struct tally *t, const json_t *s)
{
	if (!s) {
		t->unknown++;
	} else if (json_path(s, "state.running")) {
		t->running++;
		t->sidecars_pending += !json_path_bool(s, "started", false);
	} else if (!any_end(s)) {
		t->sidecars_pending++;
		t->waiting++;
	}
}

static void count_main(struct tally *t, const json_t *s)
{
	const json_t *end = any_end(s);

	if (!s)
		t->unknown++;
	else if (json_path(s, "state.running"))
		t->running++;
	else if (end)
		t->stopped++;
	else
		t->waiting++;
	t->succeeded += json_path(s, "state.terminated") && json_path_int(end, "exitCode", 0) == 0;
	t->any_main_ran |= end || json_path(s, "state.running");
}

static struct tally count(const json_t *spec, const json_t *status)
{
	bool never = str_eq(json_path_str(spec, "restartPolicy", ""), "Never");
	struct tally t = {0};
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(spec, "initContainers"), i, c) {
		const json_t *s = status_of(status, "initContainerStatuses", c);

		if (is_sidecar(c))
			count_sidecar(&t, s);
		else
			count_init(&t, s, never);
	}
	json_array_foreach(json_object_get(spec, "containers"), i, c)
		count_main(&t, status_of(status, "containerStatuses", c));
	return t;
}

const char *pod_phase(const json_t *spec, const json_t *status, bool ending)
{
	const char *policy = json_path_str(spec, "restartPolicy", "Always");
	struct tally t = count(spec, status);

	if (t.init_failed > 0)
		return "Failed";
	if (t.init_pending > 0 || (t.sidecars_pending > 0 && !t.any_main_ran) || t.waiting > 0)
		return "Pending";
	if (t.running > 0 && t.unknown == 0)
		return "Running";
	if (t.stopped == 0 || t.unknown > 0)
		return "Pending";
	if (!ending && str_eq(policy, "Always"))
		return "Running";
	if (t.stopped == t.succeeded)
		return "Succeeded";
	return ending || str_eq(policy, "Never") ? "Failed" : "Running";
}

/* ---- conditions ---- */

struct condition {
	const char *status, *reason;
	char *message; /* owned, or NULL */
};

/* Names of CONTAINERS out of LIST that WANTED (a member of their status) is not true of; SIDECARS:
 * of those only. */
static size_t add_names(struct strbuf *out, const json_t *o, const char *list, const char *wanted,
			bool sidecars)
{
	bool init = str_eq(list, "initContainers");
	const json_t *status = json_object_get(o, "status");
	size_t i, n = 0;
	json_t *c;

	json_array_foreach(json_object_get(json_object_get(o, "spec"), list), i, c) {
		const json_t *s =
			status_of(status, init ? "initContainerStatuses" : "containerStatuses", c);
		const char *member = wanted;

		if (sidecars && !is_sidecar(c))
			continue;
		if (!member)
			member = is_sidecar(c) ? "started" : "ready";
		if (json_path_bool(s, member, false))
			continue;
		strbuf_addf(out, "%s%s", out->len ? " " : "", json_path_str(c, "name", ""));
		n++;
	}
	return n;
}

static bool any_main_ran(const json_t *o)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_path(o, "status.containerStatuses"), i, s) {
		if (json_path(s, "state.running") || json_path(s, "state.terminated") ||
		    json_path(s, "lastState.terminated"))
			return true;
	}
	return false;
}

static void set_initialized(json_t *o, const char *phase, const char *now)
{
	autostrbuf names = STRBUF_INIT;
	autofree char *message = NULL;

	if (str_eq(phase, "Succeeded")) {
		object_set_condition(o, "Initialized", "True", "PodCompleted", "", now);
		return;
	}
	if (add_names(&names, o, "initContainers", NULL, false) == 0 || any_main_ran(o)) {
		object_set_condition(o, "Initialized", "True", "", "", now);
		return;
	}
	message = mem_asprintf("containers with incomplete status: [%s]", strbuf_str(&names));
	object_set_condition(o, "Initialized", "False", "ContainersNotInitialized", message, now);
}

static struct condition containers_ready(const json_t *o, const char *phase)
{
	struct condition c = {.status = "False", .reason = "ContainersNotReady"};
	autostrbuf names = STRBUF_INIT;
	size_t n;

	if (pod_phase_is_terminal(phase)) {
		c.reason = str_eq(phase, "Succeeded") ? "PodCompleted" : "PodFailed";
		return c;
	}
	n = add_names(&names, o, "initContainers", "ready", true) +
	    add_names(&names, o, "containers", "ready", false);
	if (n == 0) {
		c.status = "True";
		c.reason = "";
		return c;
	}
	c.message = mem_asprintf("containers with unready status: [%s]", strbuf_str(&names));
	return c;
}

/* What of the readiness gates is missing, appended to OUT. */
static void check_gates(struct strbuf *out, const json_t *o)
{
	json_t *gate;
	size_t i;

	json_array_foreach(json_path(o, "spec.readinessGates"), i, gate) {
		const char *type = json_path_str(gate, "conditionType", "");
		const json_t *c = object_condition(o, type);
		const char *status = json_path_str(c, "status", "");

		if (!c)
			strbuf_addf(out,
				    "%scorresponding condition of pod readiness gate \"%s\" does "
				    "not exist.",
				    out->len ? ", " : "", type);
		else if (!str_eq(status, "True"))
			strbuf_addf(out,
				    "%sthe status of pod readiness gate \"%s\" is not \"True\", "
				    "but %s",
				    out->len ? ", " : "", type, status);
	}
}

void pod_phase_set_conditions(json_t *o, const char *now)
{
	const char *phase = json_path_str(o, "status.phase", "");
	struct condition c = containers_ready(o, phase);
	autostrbuf gates = STRBUF_INIT;

	set_initialized(o, phase, now);
	if (*c.status == 'T')
		check_gates(&gates, o);
	if (gates.len > 0)
		object_set_condition(o, "Ready", "False", "ReadinessGatesNotReady",
				     strbuf_str(&gates), now);
	else
		object_set_condition(o, "Ready", c.status, c.reason, c.message, now);
	object_set_condition(o, "ContainersReady", c.status, c.reason, c.message, now);
	free(c.message);
}
