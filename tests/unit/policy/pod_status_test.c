/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's status: phases, the states of a container with Kubernetes' reasons, conditions. */
#include "reconciler/controllers/pod_status.h"

#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

#define NOW "2026-01-02T03:04:05Z"
#define NOW_MS 100000

struct box {
	enum container_state state;
	const char *last;    /* how the last attempt ended, NULL: none did */
	const char *failure; /* reason of a transient failure to start */
	unsigned int n_failures;
	uint64_t retry_ms;
	unsigned int n_backoff;
};

#define WAITING                                                                                    \
	{                                                                                          \
		CONTAINER_WAITING, NULL, NULL, 0, 0, 0                                             \
	}
#define RUNNING                                                                                    \
	{                                                                                          \
		CONTAINER_RUNNING, NULL, NULL, 0, 0, 0                                             \
	}
#define ENDED(code)                                                                                \
	{                                                                                          \
		CONTAINER_EXITED, "{'exit_code': " #code "}", NULL, 0, 0, 0                        \
	}

/* clang-format off */
static const struct {
	const char *name, *pod;
	struct box boxes[2];
	const char *phase;
} phases[] = {
	{ "nothing started", "{}", {WAITING, WAITING}, "Pending" },
	{ "one runs, one was never started", "{}", {RUNNING, WAITING}, "Pending" },
	{ "all run", "{}", {RUNNING, RUNNING}, "Running" },
	{ "one runs, one ended", "{}", {RUNNING, ENDED(1)}, "Running" },
	{ "all ended under Always", "{}", {ENDED(0), ENDED(0)}, "Running" },
	{ "all ended well under Never", "{'spec': {'restartPolicy': 'Never'}}", {ENDED(0), ENDED(0)}, "Succeeded" },
	{ "one failed under Never", "{'spec': {'restartPolicy': 'Never'}}", {ENDED(0), ENDED(2)}, "Failed" },
	{ "one runs on under Never", "{'spec': {'restartPolicy': 'Never'}}", {RUNNING, ENDED(2)}, "Running" },
	{ "all ended well under OnFailure", "{'spec': {'restartPolicy': 'OnFailure'}}", {ENDED(0), ENDED(0)}, "Succeeded" },
	{ "one failed under OnFailure", "{'spec': {'restartPolicy': 'OnFailure'}}", {ENDED(0), ENDED(2)}, "Running" },
	{ "deleted, all ended well", "{'metadata': {'deletionTimestamp': '" NOW "'}}", {ENDED(0), ENDED(0)}, "Succeeded" },
	{ "deleted, one failed, whatever the policy", "{'metadata': {'deletionTimestamp': '" NOW "'}}",
	  {ENDED(0), ENDED(143)}, "Failed" },
	{ "deleted, one still runs", "{'metadata': {'deletionTimestamp': '" NOW "'}}", {ENDED(0), RUNNING}, "Running" },
	{ "a terminal phase stays", "{'status': {'phase': 'Succeeded'}}", {RUNNING, RUNNING}, "Succeeded" },
};

#define BACKOFF "back-off 20s restarting failed container=a pod=web_shop(u1)"
#define EXIT_1 "{'exitCode': 1, 'reason': 'Error', 'startedAt': '', 'finishedAt': ''}"

static const struct {
	const char *name;
	struct box box;
	const char *state, *last_state;
} states[] = {
	{ "not started yet", WAITING, "{'waiting': {'reason': 'ContainerCreating'}}", "{}" },
	{ "runs", RUNNING, "{'running': {'startedAt': '" NOW "'}}", "{}" },
	{ "ended well", ENDED(0),
	  "{'terminated': {'exitCode': 0, 'reason': 'Completed', 'startedAt': '', 'finishedAt': ''}}", "{}" },
	{ "ended badly", ENDED(1), "{'terminated': " EXIT_1 "}", "{}" },
	{ "was killed for its memory", { CONTAINER_EXITED, "{'exit_code': 137, 'oom_killed': true, 'signal': 9}", NULL, 0, 0, 0 },
	  "{'terminated': {'exitCode': 137, 'reason': 'OOMKilled', 'signal': 9, 'startedAt': '', 'finishedAt': ''}}", "{}" },
	{ "the runtime's own reason and message are kept",
	  { CONTAINER_EXITED, "{'exit_code': 128, 'reason': 'StartError', 'message': 'no such file'}", NULL, 0, 0, 0 },
	  "{'terminated': {'exitCode': 128, 'reason': 'StartError', 'message': 'no such file', 'startedAt': '', 'finishedAt': ''}}",
	  "{}" },
	{ "waits to run again", { CONTAINER_EXITED, "{'exit_code': 1}", NULL, 0, NOW_MS + 1, 3 },
	  "{'waiting': {'reason': 'CrashLoopBackOff', 'message': '" BACKOFF "'}}", "{'terminated': " EXIT_1 "}" },
	{ "ended well and waits all the same", { CONTAINER_EXITED, "{'exit_code': 0}", NULL, 0, NOW_MS + 1, 3 },
	  "{'waiting': {'reason': 'CrashLoopBackOff', 'message': '" BACKOFF "'}}",
	  "{'terminated': {'exitCode': 0, 'reason': 'Completed', 'startedAt': '', 'finishedAt': ''}}" },
	{ "in the gap before a plain restart it stays terminated",
	  { CONTAINER_STARTING, "{'exit_code': 1}", NULL, 0, 0, 1 }, "{'terminated': " EXIT_1 "}", "{}" },
	{ "runs again", { CONTAINER_RUNNING, "{'exit_code': 1}", NULL, 0, 0, 1 },
	  "{'running': {'startedAt': '" NOW "'}}", "{'terminated': " EXIT_1 "}" },
	{ "its image can't be had, a first time", { CONTAINER_WAITING, NULL, "ErrImagePull", 1, NOW_MS + 1, 0 },
	  "{'waiting': {'reason': 'ErrImagePull', 'message': 'refused'}}", "{}" },
	{ "its image can't be had, again: the wait shows", { CONTAINER_WAITING, NULL, "ErrImagePull", 2, NOW_MS + 1, 0 },
	  "{'waiting': {'reason': 'ImagePullBackOff', 'message': 'Back-off pulling image \\'x:1\\': refused'}}", "{}" },
	{ "between two waits the attempt shows", { CONTAINER_WAITING, NULL, "ErrImagePull", 2, NOW_MS, 0 },
	  "{'waiting': {'reason': 'ErrImagePull', 'message': 'refused'}}", "{}" },
	{ "a missing ConfigMap shows at once", { CONTAINER_WAITING, NULL, "CreateContainerConfigError", 1, 0, 0 },
	  "{'waiting': {'reason': 'CreateContainerConfigError', 'message': 'refused'}}", "{}" },
	{ "a hiccup is not shown", { CONTAINER_WAITING, NULL, "CreateContainerError", 1, 0, 0 },
	  "{'waiting': {'reason': 'ContainerCreating'}}", "{}" },
	{ "nor a second one", { CONTAINER_WAITING, NULL, "CreateContainerError", 2, 0, 0 },
	  "{'waiting': {'reason': 'ContainerCreating'}}", "{}" },
	{ "the third in a row is", { CONTAINER_WAITING, NULL, "CreateContainerError", 3, 0, 0 },
	  "{'waiting': {'reason': 'CreateContainerError', 'message': 'refused'}}", "{}" },
};
/* clang-format on */

static void add_box(struct pod_run *run, const char *name, const struct box *b)
{
	struct container_run *c = pod_run_add_container(run, name);

	if (b->last)
		container_run_ended(c, json_like(b->last));
	c->state = b->state;
	if (b->state == CONTAINER_RUNNING)
		c->info = json_pack("{s:s, s:s}", "id", "c1", "started_at", NOW);
	if (b->failure)
		(void)err_set(&c->failure, ERR_TRANSIENT, EIO, b->failure, "refused");
	c->n_failures = b->n_failures;
	c->retry_ms = b->retry_ms;
	c->n_backoff = b->n_backoff;
}

/* OBJECT with N containers in its spec, called NAMES, if it names none. Owned by the caller. */
static json_t *with_containers(const json_t *object, const char *const *names, size_t n)
{
	json_t *pod = json_deep_copy(object), *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "name", names[i], "image", "x:1"));
	if (json_path(pod, "spec.containers"))
		json_decref(list);
	else
		json_path_set_new(pod, "spec.containers", list);
	return pod;
}

/* The status of the pod OBJECT with BOXES. Owned by the caller. */
static json_t *status_of(const json_t *object, enum sandbox_state sandbox, const struct box *boxes,
			 size_t n)
{
	static const char *const names[] = {"a", "b"};
	const struct pod_status_env env = {NOW, "192.0.2.1", NOW_MS};
	_cleanup_(pods_freep) struct pods *pods = pods_new();
	struct pod_run *run = pods_add(pods, "u1");
	autojson *pod = with_containers(object, names, n);

	run->sandbox = sandbox;
	run->ip = mem_strdup("10.0.0.2");
	for (size_t i = 0; i < n; i++)
		add_box(run, names[i], &boxes[i]);
	return pod_status(pod, run, &env);
}

Test(pod_status, phases)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		autojson *pod = json_like(phases[i].pod);
		autojson *status = status_of(pod, SANDBOX_READY, phases[i].boxes, 2);
		const char *got = json_path_str(status, "phase", "none");

		cr_expect(str_eq(got, phases[i].phase), "%s (%s)\n got %s\nwant %s", phases[i].name,
			  phases[i].pod, got, phases[i].phase);
	}
}

Test(pod_status, states_of_a_container)
{
	autojson *pod = json_like("{'metadata': {'name': 'web', 'namespace': 'shop', 'uid': 'u1'},"
				  " 'spec': {'containers': [{'name': 'a', 'image': 'x:1'}]}}");

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		autojson *status = status_of(pod, SANDBOX_READY, &states[i].box, 1);
		const json_t *c = json_array_get(json_object_get(status, "containerStatuses"), 0);

		expect_json(states[i].name, json_object_get(c, "state"), states[i].state);
		expect_json(states[i].name, json_object_get(c, "lastState"), states[i].last_state);
		cr_expect(json_path_bool(c, "ready", false) ==
				  (states[i].box.state == CONTAINER_RUNNING),
			  "%s: ready", states[i].name);
	}
}

/* clang-format off */
static const struct {
	const char *name, *pod;
	enum sandbox_state sandbox;
	struct box boxes[2];
	const char *sandbox_ready, *ready, *reason, *message;
} conditions[] = {
	{ "all run", "{}", SANDBOX_READY, {RUNNING, RUNNING}, "True", "True", "", "" },
	{ "one does not", "{}", SANDBOX_READY, {RUNNING, WAITING},
	  "True", "False", "ContainersNotReady", "containers with unready status: [b]" },
	{ "none does", "{}", SANDBOX_STARTING, {WAITING, WAITING},
	  "False", "False", "ContainersNotReady", "containers with unready status: [a b]" },
	{ "done", "{'spec': {'restartPolicy': 'Never'}}", SANDBOX_READY, {ENDED(0), ENDED(0)}, "True", "False", "PodCompleted", "" },
	{ "failed", "{'spec': {'restartPolicy': 'Never'}}", SANDBOX_READY, {ENDED(0), ENDED(1)}, "True", "False", "PodFailed", "" },
};

static const struct { const char *name, *status, *reason, *message; } failures[] = {
	{ "all is well", "{'containerStatuses': [{'state': {'running': {}}}]}", NULL, NULL },
	{ "a crash may mend", "{'containerStatuses': [{'state': {'waiting': {'reason': 'CrashLoopBackOff'}}}]}", NULL, NULL },
	{ "an image that can't be had",
	  "{'containerStatuses': [{'state': {'waiting': {'reason': 'ImagePullBackOff', 'message': 'm'}}}]}", "ImagePullBackOff", "m" },
	{ "a missing ConfigMap in the second container",
	  "{'containerStatuses': [{'state': {'running': {}}}, {'state': {'waiting': {'reason': 'CreateContainerConfigError', 'message': 'm'}}}]}",
	  "CreateContainerConfigError", "m" },
	{ "no such program, seen in the last attempt",
	  "{'containerStatuses': [{'state': {'waiting': {'reason': 'CrashLoopBackOff'}}, 'lastState': {'terminated': {'reason': 'StartError', 'message': 'm'}}}]}",
	  "StartError", "m" },
	{ "a sandbox that can't be made",
	  "{'conditions': [{'type': 'PodReadyToStartContainers', 'status': 'False', 'reason': 'FailedMount', 'message': 'm'}]}", "FailedMount", "m" },
};
/* clang-format on */

Test(pod_status, conditions)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		autojson *pod = json_like(conditions[i].pod);
		autojson *status = status_of(pod, conditions[i].sandbox, conditions[i].boxes, 2);
		autojson *o = json_pack("{s:O}", "status", status);
		const json_t *ready = object_condition(o, "Ready");
		const char *sandbox = json_path_str(
			object_condition(o, "PodReadyToStartContainers"), "status", "");
		const char *got = json_path_str(ready, "status", "none");
		const char *reason = json_path_str(ready, "reason", "");
		const char *message = json_path_str(ready, "message", "");

		cr_expect(str_eq(sandbox, conditions[i].sandbox_ready),
			  "%s: sandbox\n got %s\nwant %s", conditions[i].name, sandbox,
			  conditions[i].sandbox_ready);
		cr_expect(
			str_eq(got, conditions[i].ready) && str_eq(reason, conditions[i].reason) &&
				str_eq(message, conditions[i].message),
			"%s\n got %s %s '%s'\nwant %s %s '%s'", conditions[i].name, got, reason,
			message, conditions[i].ready, conditions[i].reason, conditions[i].message);
	}
}

Test(pod_status, an_unchanged_pod_has_an_unchanged_status)
{
	static const struct box boxes[] = {RUNNING, ENDED(1)};
	autojson *pod = json_like("{'spec': {}}");
	autojson *first = status_of(pod, SANDBOX_READY, boxes, 2);
	autojson *second = NULL;
	autofree char *want = json_dumps(first, JSON_SORT_KEYS);

	json_set(pod, "status", json_incref(first));
	second = status_of(pod, SANDBOX_READY, boxes, 2);
	expect_json("the status again", second, want);
}

Test(pod_status, what_waiting_will_not_mend)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		autojson *status = json_like(failures[i].status);
		autojson *pod = json_pack("{s:O}", "status", status);
		const char *message = NULL, *got = pod_status_failure(pod, &message);

		cr_expect(str_eq(got, failures[i].reason) && str_eq(message, failures[i].message),
			  "%s\n got %s '%s'\nwant %s '%s'", failures[i].name, got ? got : "none",
			  message ? message : "", failures[i].reason ? failures[i].reason : "none",
			  failures[i].message ? failures[i].message : "");
	}
}

/* ---- init containers and sidecars ---- */

#define POD(policy)                                                                                \
	"{'spec': {'restartPolicy': '" policy "',"                                                 \
	" 'initContainers': [{'name': 'i'}, {'name': 's', 'restartPolicy': 'Always'}],"            \
	" 'containers': [{'name': 'm'}]}}"

/* clang-format off */
/* States of i, s and m: w waiting, r running, u running and not started, 0 1 ended, x ended in an old sandbox. */
static const struct { const char *name, *policy, *states, *phase, *initialized, *unready; } inits[] = {
	{ "nothing started", POD("Always"), "www", "Pending", "False", "containers with unready status: [s m]" },
	{ "the init container runs", POD("Always"), "rww", "Pending", "False", "containers with unready status: [s m]" },
	{ "it failed and is tried again", POD("Always"), "1ww", "Pending", "False", "containers with unready status: [s m]" },
	{ "it failed under Never", POD("Never"), "1ww", "Failed", "False", "" },
	{ "the sidecar has not started", POD("Always"), "0uw", "Pending", "False", "containers with unready status: [s m]" },
	{ "the main container is next", POD("Always"), "0rw", "Pending", "True", "containers with unready status: [m]" },
	{ "all run", POD("Always"), "0rr", "Running", "True", "" },
	{ "the sidecar starts again: still initialized", POD("Always"), "0ur", "Running", "True", "containers with unready status: [s]" },
	{ "a sidecar alone keeps no pod alive", POD("Never"), "000", "Succeeded", "True", "" },
	{ "how it ended does not matter", POD("Never"), "010", "Succeeded", "True", "" },
	{ "how the others did does", POD("Never"), "001", "Failed", "True", "" },
	{ "what runs is waited for", POD("Never"), "0r0", "Running", "True", "containers with unready status: [m]" },
	{ "a new sandbox takes nothing back", POD("Always"), "xxx", "Running", "True", "containers with unready status: [s m]" },
};
/* clang-format on */

static void put(struct pod_run *run, const char *name, enum container_role role, char state)
{
	struct container_run *c = pod_run_add_container(run, name);

	c->role = role;
	if (strchr("01x", state))
		container_run_ended(c, json_pack("{s:i}", "exit_code", state == '1'));
	else if (state != 'w')
		c->state = CONTAINER_RUNNING;
	c->stale = state == 'x';
	c->probes[PROBE_STARTUP].defined = state == 'u';
}

Test(pod_status, init_containers_and_sidecars)
{
	const struct pod_status_env env = {NOW, "192.0.2.1", NOW_MS};

	for (size_t i = 0; i < ARRAY_SIZE(inits); i++) {
		_cleanup_(pods_freep) struct pods *pods = pods_new();
		struct pod_run *run = pods_add(pods, "u1");
		autojson *pod = json_like(inits[i].policy), *status = NULL, *o = NULL;
		const char *phase, *initialized, *unready;

		run->sandbox = SANDBOX_READY;
		put(run, "i", CONTAINER_INIT, inits[i].states[0]);
		put(run, "s", CONTAINER_SIDECAR, inits[i].states[1]);
		put(run, "m", CONTAINER_MAIN, inits[i].states[2]);
		status = pod_status(pod, run, &env);
		o = json_pack("{s:O}", "status", status);
		phase = json_path_str(status, "phase", "");
		initialized = json_path_str(object_condition(o, "Initialized"), "status", "");
		unready = json_path_str(object_condition(o, "Ready"), "message", "");
		cr_expect(str_eq(phase, inits[i].phase) &&
				  str_eq(initialized, inits[i].initialized) &&
				  str_eq(unready, inits[i].unready),
			  "%s (%s)\n got %s, %s, '%s'\nwant %s, %s, '%s'", inits[i].name,
			  inits[i].states, phase, initialized, unready, inits[i].phase,
			  inits[i].initialized, inits[i].unready);
	}
}

/* clang-format off */
static const struct { const char *name, *conditions, *status, *reason, *message; } gates[] = {
	{ "a gate that nobody has set", "[]", "False", "ReadinessGatesNotReady",
	  "corresponding condition of pod readiness gate \"x.io/lb\" does not exist." },
	{ "one that is shut", "[{'type': 'x.io/lb', 'status': 'False'}]", "False", "ReadinessGatesNotReady",
	  "the status of pod readiness gate \"x.io/lb\" is not \"True\", but False" },
	{ "one that is open", "[{'type': 'x.io/lb', 'status': 'True'}]", "True", "", "" },
};
/* clang-format on */

Test(pod_status, readiness_gates)
{
	const struct pod_status_env env = {NOW, "192.0.2.1", NOW_MS};

	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		_cleanup_(pods_freep) struct pods *pods = pods_new();
		struct pod_run *run = pods_add(pods, "u1");
		autojson *pod = json_like("{'spec': {'containers': [{'name': 'm'}],"
					  " 'readinessGates': [{'conditionType': 'x.io/lb'}]}}");
		autojson *status = NULL, *o = NULL;
		const json_t *ready, *containers;

		json_path_set_new(pod, "status.conditions", json_like(gates[i].conditions));
		run->sandbox = SANDBOX_READY;
		put(run, "m", CONTAINER_MAIN, 'r');
		status = pod_status(pod, run, &env);
		o = json_pack("{s:O}", "status", status);
		ready = object_condition(o, "Ready");
		containers = object_condition(o, "ContainersReady");
		cr_expect_str_eq(json_path_str(containers, "status", ""), "True");
		cr_expect_str_eq(json_path_str(ready, "status", ""), gates[i].status, "%s",
				 gates[i].name);
		cr_expect_str_eq(json_path_str(ready, "reason", ""), gates[i].reason, "%s",
				 gates[i].name);
		cr_expect_str_eq(json_path_str(ready, "message", ""), gates[i].message, "%s",
				 gates[i].name);
	}
}

Test(pod_status, a_deadline_shows_when_all_has_ended)
{
	const struct pod_status_env env = {NOW, "192.0.2.1", NOW_MS};
	_cleanup_(pods_freep) struct pods *pods = pods_new();
	struct pod_run *run = pods_add(pods, "u1");
	autojson *pod = json_like("{'spec': {'containers': [{'name': 'm'}]}}");
	autojson *before = NULL, *after = NULL;

	run->sandbox = SANDBOX_READY;
	run->deadline_ms = NOW_MS;
	put(run, "m", CONTAINER_MAIN, 'r');
	before = pod_status(pod, run, &env);
	cr_expect_str_neq(json_path_str(before, "phase", ""), "Failed", "it still runs");
	container_run_ended(run->containers, json_pack("{s:i}", "exit_code", 143));
	after = pod_status(pod, run, &env);
	cr_expect_str_eq(json_path_str(after, "phase", ""), "Failed");
	cr_expect_str_eq(json_path_str(after, "reason", ""), "DeadlineExceeded");
}

Test(pod_status, last_words_are_the_last_line_of_a_termination_message)
{
	static const struct {
		const char *sentence, *terminated, *want;
	} cases[] = {
		{"nothing was said", "{'exitCode': 1}", ""},
		{"only blank lines", "{'message': ' \\n\\n'}", ""},
		{"one line", "{'message': 'no such table'}", ": \"no such table\""},
		{"the last of several", "{'message': 'one\\ntwo\\r\\n\\n'}", ": \"two\""},
	};
	autofree char *line = mem_alloc(402), *cut = NULL;
	autojson *large = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *terminated = json_like(cases[i].terminated);
		autofree char *got = pod_status_last_words(terminated);

		cr_expect_str_eq(got, cases[i].want, "%s: got '%s'", cases[i].sentence, got);
	}
	for (size_t i = 0; i < 400; i += 2)
		memcpy(line + 1 + i, "\xc3\xa4", 2);
	line[0] = 'x'; /* byte 200 is within a character */
	line[401] = '\0';
	large = json_pack("{s:s}", "message", line);
	cut = pod_status_last_words(large);
	cr_expect_eq(strlen(cut), strlen(": \"") + 199 + strlen("...\""), "got %zu", strlen(cut));
	json_decref(large);
	large = json_string(cut);
	cr_expect_not_null(large, "cut within a character");
}
