/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observing half of the pod controller. What is in memory about a pod comes from the runtime's
 * reports; what those can't say after a restart of recond (earlier attempts, hooks that ran, probes
 * that succeeded) is read from the pod's own status, once.
 */
#include "reconciler/controllers/pod_observe.h"

#include <assert.h>

#include "reconciler/controllers/pod_plan.h"
#include "reconciler/controllers/pod_request.h"

#define CLOCK_SKEW_NS INT64_C(60000000000) /* more than news of a container is ever late */

/* ---- time ---- */

/* How long ago TEXT was by the wall clock; 0 when it is no time or lies ahead. */
static uint64_t age_ms(struct reconciler *r, const char *text)
{
	int64_t ns = 0, now = reconciler_realtime_ns(r);

	if (clock_parse_rfc3339(&ns, text) < 0 || ns > now)
		return 0;
	return (uint64_t)(now - ns) / 1000000;
}

static uint64_t ran_ms(struct reconciler *r, const json_t *end)
{
	uint64_t started = age_ms(r, json_path_str(end, "started_at", ""));
	uint64_t finished = age_ms(r, json_path_str(end, "finished_at", ""));

	return started > finished ? started - finished : 0;
}

static void move_stamp(json_t *info, const char *member, int64_t by_ns)
{
	const char *text = json_path_str(info, member, NULL);
	char moved[CLOCK_RFC3339_SIZE];
	int64_t ns = 0;

	if (!text || clock_parse_rfc3339(&ns, text) < 0)
		return;
	clock_format_rfc3339_nano(moved, ns + by_ns);
	json_set(info, member, json_text(moved));
}

json_t *pod_observe_times(struct reconciler *r, const json_t *info)
{
	json_t *copy = json_clone(info);
	const char *last =
		json_path_str(info, "finished_at", json_path_str(info, "started_at", ""));
	int64_t ns = 0, late_ns;

	if (clock_parse_rfc3339(&ns, last) < 0)
		return copy;
	late_ns = reconciler_realtime_ns(r) - ns;
	if (late_ns >= -CLOCK_SKEW_NS && (late_ns <= CLOCK_SKEW_NS || !r->recovered))
		return copy;
	move_stamp(copy, "started_at", late_ns);
	move_stamp(copy, "finished_at", late_ns);
	return copy;
}

/* ---- what the status remembers ---- */

static const json_t *status_in(const json_t *pod, const char *list, const char *name)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_path(pod, list), i, s) {
		if (str_eq(json_path_str(s, "name", ""), name))
			return s;
	}
	return NULL;
}

static const json_t *old_status(const json_t *pod, const struct container_run *c)
{
	return status_in(pod,
			 c->role == CONTAINER_MAIN ? "status.containerStatuses"
						   : "status.initContainerStatuses",
			 c->name);
}

static json_t *end_from_status(const json_t *terminated)
{
	if (!terminated)
		return NULL;
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "exit_code",
			 (json_int_t)json_path_int(terminated, "exitCode", 0), "reason",
			 json_path_str(terminated, "reason", ""), "message",
			 json_path_str(terminated, "message", ""), "started_at",
			 json_path_str(terminated, "startedAt", ""), "finished_at",
			 json_path_str(terminated, "finishedAt", ""), "id",
			 json_path_str(terminated, "containerID", ""));
}

void pod_observe_lost(struct reconciler *r, struct container_run *c, const char *started_at,
		      const char *id)
{
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	container_run_ended(c, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "exit_code", 137,
					 "reason", "ContainerStatusUnknown", "message",
					 "the container could not be located when recond came back",
					 "started_at", started_at, "finished_at", now, "id", id));
}

/* The end before the present attempt or end. */
static const json_t *end_before(const json_t *status, const struct container_run *c)
{
	const json_t *state = json_path(status, "state.terminated");
	const json_t *last = json_path(status, "lastState.terminated");

	if (state && c->last &&
	    str_eq(json_path_str(state, "finishedAt", ""),
		   json_path_str(c->last, "finished_at", "")))
		return last; /* this end was noted already */
	return state ?: last;
}

void pod_observe_started(const json_t *pod, struct container_run *c, uint64_t started_ms)
{
	const json_t *spec = pod_request_container_spec(pod, c->name);

	assert(c->state == CONTAINER_RUNNING);
	c->post_start = json_path(spec, "lifecycle.postStart") ? HOOK_DUE : HOOK_OVER;
	if (c->post_start == HOOK_OVER)
		probes_begin(c->probes, spec, started_ms);
}

/* It ran on while recond was away. A hook that is not known to have succeeded runs again. */
static void adopt_running(struct reconciler *r, const json_t *pod, struct container_run *c,
			  const json_t *status)
{
	uint64_t age = age_ms(r, json_path_str(c->info, "started_at", ""));
	uint64_t now = reconciler_now_ms(r);
	bool known = json_path_int(status, "restartCount", 0) == (json_int_t)c->attempt &&
		     json_path(status, "state.running");
	uint32_t spread = 0;

	c->started_ms = age < now ? now - age : 1;
	pod_observe_started(pod, c, c->started_ms);
	if (!known)
		return;
	if (c->post_start == HOOK_DUE) {
		c->post_start = HOOK_OVER;
		probes_begin(c->probes, pod_request_container_spec(pod, c->name), c->started_ms);
	}
	r->ports.random(r->ports.data, &spread, sizeof(spread));
	probes_resume(c->probes, json_path_bool(status, "started", false),
		      json_path_bool(status, "ready", false), now, spread);
}

/* Nothing of it was found: it had ended before, or its sandbox went with all that ran in it. */
static void adopt_absent(struct reconciler *r, struct container_run *c, const json_t *status)
{
	const json_t *ended =
		json_path(status, "state.terminated") ?: json_path(status, "lastState.terminated");

	c->attempt = (unsigned int)json_path_int(status, "restartCount", 0);
	if (ended)
		container_run_ended(c, end_from_status(ended));
	if (json_path(status, "state.running"))
		pod_observe_lost(r, c, json_path_str(status, "state.running.startedAt", ""),
				 json_path_str(status, "containerID", ""));
	else if (json_path(status, "state.waiting") && c->role == CONTAINER_INIT && ended)
		c->stale = true; /* done once, and had to be done again */
}

static void adopt(struct reconciler *r, const json_t *pod, struct container_run *c)
{
	const json_t *status = old_status(pod, c);
	const char *image = json_path_str(status, "imageID", "");
	const json_t *before = status ? end_before(status, c) : NULL;
	bool lost = json_path(status, "state.running") != NULL;

	if (c->state == CONTAINER_RUNNING) {
		if (!c->last)
			c->last = end_from_status(before);
		adopt_running(r, pod, c, status);
	} else if (c->state == CONTAINER_EXITED) {
		lost = false;
		if (!c->previous)
			c->previous = end_from_status(before);
	} else if (status && c->state == CONTAINER_WAITING) {
		adopt_absent(r, c, status);
	}
	if (*image && !c->image_digest)
		c->image_digest = mem_strdup(image);
	if (c->last)
		c->n_backoff = c->attempt;
	if (c->state == CONTAINER_EXITED && !lost && pod_may_restart(pod, c))
		pod_plan_backoff(c, reconciler_now_ms(r),
				 age_ms(r, json_path_str(c->last, "finished_at", "")),
				 ran_ms(r, c->last));
}

/* When an init container has to run again, whatever ended after it ended in an earlier sandbox,
 * too. */
static void adopt_staleness(struct pod_run *run)
{
	bool stale = run->sandbox == SANDBOX_ABSENT;

	for (size_t i = 0; i < run->n_containers; i++) {
		struct container_run *c = &run->containers[i];

		stale |= c->stale;
		c->stale = stale && c->state == CONTAINER_EXITED;
	}
}

/* ---- the run ---- */

static enum container_role role_of(const char *list, const json_t *spec)
{
	if (str_eq(list, "spec.containers"))
		return CONTAINER_MAIN;
	return str_eq(json_path_str(spec, "restartPolicy", ""), "Always") ? CONTAINER_SIDECAR
									  : CONTAINER_INIT;
}

/*
 * The containers of LIST at their places, from *AT on: the runtime reports containers as it finds
 * them, everything else relies on the order of the spec.
 */
static void observe_list(struct reconciler *r, const json_t *pod, struct pod_run *run,
			 const char *list, size_t *at)
{
	json_t *spec;
	size_t i;

	json_array_foreach(json_path(pod, list), i, spec) {
		const char *name = json_path_str(spec, "name", "");
		bool known = pod_run_container(run, name) != NULL;
		struct container_run *c = pod_run_add_container(run, name), moved;

		c->role = role_of(list, spec);
		if (!known || !run->adopted)
			adopt(r, pod, c);
		moved = *c;
		*c = run->containers[*at];
		run->containers[(*at)++] = moved;
	}
}

static void observe_deadline(struct reconciler *r, const json_t *pod, struct pod_run *run)
{
	int64_t deadline_s = json_path_int(pod, "spec.activeDeadlineSeconds", 0);
	uint64_t age = age_ms(r, json_path_str(pod, "status.startTime", ""));

	if (deadline_s == run->deadline_s)
		return;
	run->deadline_s = deadline_s;
	run->deadline_ms = deadline_s ? reconciler_now_ms(r) + 1 : 0;
	if (age < (uint64_t)deadline_s * 1000)
		run->deadline_ms = reconciler_now_ms(r) + (uint64_t)deadline_s * 1000 - age;
}

struct pod_run *pod_observe(struct reconciler *r, const json_t *pod)
{
	struct pod_run *run = pods_add(r->pods, object_uid(pod));
	size_t at = 0;

	observe_list(r, pod, run, "spec.initContainers", &at);
	observe_list(r, pod, run, "spec.containers", &at);
	assert(at <= run->n_containers);
	if (!run->adopted)
		adopt_staleness(run);
	run->adopted = true;
	observe_deadline(r, pod, run);
	return run;
}
