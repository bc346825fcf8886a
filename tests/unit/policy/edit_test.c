/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of single objects: what is refused and in which words, what is filled in, what is kept, and
 * what becomes of dependents when something is deleted.
 */
#include "reconciler/edit.h"

#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

static struct still_world world;
static struct store *store;
static struct reconciler *policy;

static uint64_t port_now(void *data UNUSED)
{
	return (uint64_t)world.now_ns / 1000000;
}

static int64_t port_realtime(void *data UNUSED)
{
	return world.now_ns;
}

static void port_random(void *data UNUSED, void *buf, size_t n)
{
	still_random(&world, buf, n);
}

static void port_wake(void *data UNUSED, uint64_t at_ms UNUSED)
{
}

static void port_pod(void *data UNUSED, const json_t *request UNUSED)
{
}

static void port_pod_down(void *data UNUSED, const char *uid UNUSED)
{
}

/* The runtime never answers: pods stay as they are asked for. */
static void setup(void)
{
	static const struct ports ports = {.now_ms = port_now,
					   .realtime_ns = port_realtime,
					   .random = port_random,
					   .wake_at = port_wake,
					   .sandbox_up = port_pod,
					   .pod_down = port_pod_down};
	static const struct reconciler_config config = {.node_name = "node",
							.host_ip = "192.0.2.1"};

	world = (struct still_world){.now_ns = 1800000000000000000};
	store = store_in(&world, NULL);
	policy = reconciler_new(store, &ports, &config);
	reconciler_recovered(policy);
}

static void teardown(void)
{
	policy = reconciler_free(policy);
	store = store_free(store);
}

TestSuite(edit, .init = setup, .fini = teardown);

static void run(void)
{
	struct err err = {0};

	cr_assert_eq(reconciler_run(policy, &err), 0, "%s", err.message);
}

#define META "'metadata': {'name': 'a', 'namespace': 'default'"
#define CM "{'apiVersion': 'v1', 'kind': 'ConfigMap', " META "}, 'data': {'k': 'v'}}"
#define FROZEN                                                                                     \
	"{'apiVersion': 'v1', 'kind': 'ConfigMap', " META                                          \
	"}, 'data': {'k': 'v'}, 'immutable': true}"
#define TEMPLATE(labels)                                                                           \
	"'template': {'metadata': {'labels': {" labels                                             \
	"}}, 'spec': {'containers': [{'name': 'c', 'image': 'i:1'}]}}"
#define DEPLOYMENT                                                                                 \
	"{'apiVersion': 'apps/v1', 'kind': 'Deployment', " META                                    \
	"}, 'spec': {'replicas': 1, 'selector': {'matchLabels': {'a': 'b'}}, " TEMPLATE(           \
		"'a': 'b'") "}}"
#define POD                                                                                        \
	"{'apiVersion': 'v1', 'kind': 'Pod', " META                                                \
	"}, 'spec': {'containers': [{'name': 'c', 'image': 'i:1'}]}}"
#define JOB                                                                                        \
	"{'apiVersion': 'batch/v1', 'kind': 'Job', " META                                          \
	"}, 'spec': {'template': {'spec': {'restartPolicy': 'Never', 'containers': [{'name': 'c', 'image': 'i:1'}]}}}}"
#define NAMESPACE(name)                                                                            \
	"{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': '" name "'}}"

static void create_edit(enum kind kind, const char *text, bool dry_run, struct edit_result *ret)
{
	autojson *body = json_like(text);
	const char *ns = json_path_str(body, "metadata.namespace", "");
	struct edit_target t = {kind, *ns || !kind_info(kind)->namespaced ? ns : "default", "",
				dry_run};

	edit_create(policy, &t, body, ret);
}

static void must_create(enum kind kind, const char *text)
{
	autoedit e = {0};

	create_edit(kind, text, false, &e);
	cr_assert_eq(e.code, EDIT_CREATED, "%s: %s", text, e.message);
}

/* clang-format off */
static const struct {
	const char *sentence;
	enum kind kind;
	const char *body;
	enum edit_code want;
	const char *message; /* of a refusal, from its beginning */
} creations[] = {
	{ "a valid object is made", KIND_CONFIGMAP, CM, EDIT_CREATED, NULL },
	{ "without kind and apiVersion it is what the path says", KIND_CONFIGMAP, "{" META "}}", EDIT_CREATED, NULL },
	{ "another kind than the path's", KIND_SECRET, CM, EDIT_BAD_REQUEST, "the kind in the data (v1 ConfigMap) does not match the kind of the URL (v1 Secret)" },
	{ "no metadata", KIND_CONFIGMAP, "{'kind': 'ConfigMap', 'apiVersion': 'v1'}", EDIT_BAD_REQUEST, "the body is not an object with metadata" },
	{ "no object", KIND_CONFIGMAP, "[]", EDIT_BAD_REQUEST, "the body is not an object with metadata" },
	{ "no name", KIND_CONFIGMAP, "{'metadata': {}}", EDIT_INVALID, "ConfigMap \"\" is invalid: metadata: name is missing" },
	{ "a name to be generated", KIND_CONFIGMAP, "{'metadata': {'generateName': 'a-'}}", EDIT_CREATED, NULL },
	{ "a resourceVersion", KIND_CONFIGMAP, "{'metadata': {'name': 'a', 'resourceVersion': '7'}}", EDIT_BAD_REQUEST, "resourceVersion should not be set on objects to be created" },
	{ "an invalid field", KIND_DEPLOYMENT, "{" META "}, 'spec': {'replicas': -1, 'selector': {'matchLabels': {'a': 'b'}}, " TEMPLATE("'a': 'b'") "}}",
	  EDIT_INVALID, "Deployment.apps \"a\" is invalid: spec.replicas: -1 is not within 0 and 2147483647" },
	{ "two invalid fields", KIND_DEPLOYMENT, "{" META "}, 'spec': {'replica': 1, 'selector': {'matchLabels': {'a': 'b'}}, " TEMPLATE("'a': 'c'") "}}",
	  EDIT_INVALID, "Deployment.apps \"a\" is invalid: [spec.replica: DeploymentSpec has no such field (did you mean replicas?), spec.template.metadata.labels: do not match spec.selector]" },
	{ "a namespace that is not there", KIND_CONFIGMAP, "{'metadata': {'name': 'a', 'namespace': 'nope'}}", EDIT_NOT_FOUND, "namespaces \"nope\" not found" },
	{ "a namespace that goes", KIND_CONFIGMAP, "{'metadata': {'name': 'a', 'namespace': 'going'}}", EDIT_FORBIDDEN,
	  "configmaps is forbidden: unable to create new content in namespace going because it is being terminated" },
	{ "what is there already", KIND_CONFIGMAP, "{'metadata': {'name': 'there', 'namespace': 'default'}}", EDIT_EXISTS, "configmaps \"there\" already exists" },
	{ "a namespace", KIND_NAMESPACE, NAMESPACE("new"), EDIT_CREATED, NULL },
	{ "a pod", KIND_POD, POD, EDIT_CREATED, NULL },
	{ "a job", KIND_JOB, JOB, EDIT_CREATED, NULL },
};

#define BIG "'metadata': {'name': 'a', 'namespace': 'default', 'resourceVersion': '1'}"
static const struct {
	const char *sentence;
	enum kind kind;
	const char *live;
	const char *body; /* the object that replaces it */
	enum edit_code want;
	const char *message;
} replacements[] = {
	{ "other data", KIND_CONFIGMAP, CM, "{" META "}, 'data': {'k': 'w'}}", EDIT_OK, NULL },
	{ "the same", KIND_CONFIGMAP, CM, CM, EDIT_OK, NULL },
	{ "what is not there", KIND_CONFIGMAP, POD, CM, EDIT_NOT_FOUND, "configmaps \"a\" not found" },
	{ "an older version", KIND_DEPLOYMENT, DEPLOYMENT, "{" BIG ", 'spec': {'selector': {'matchLabels': {'a': 'b'}}, " TEMPLATE("'a': 'b'") "}}", EDIT_CONFLICT,
	  "Operation cannot be fulfilled on deployments.apps \"a\": the object has been modified; please apply your changes to the latest version and try again" },
	{ "another uid", KIND_CONFIGMAP, CM, "{'metadata': {'name': 'a', 'uid': 'u'}}", EDIT_CONFLICT,
	  "Operation cannot be fulfilled on configmaps \"a\": Precondition failed: UID in precondition: u, UID in object meta: " },
	{ "another name", KIND_CONFIGMAP, CM, "{'metadata': {'name': 'b'}}", EDIT_BAD_REQUEST, "the name of the object (b) does not match the name on the URL (a)" },
	{ "another namespace", KIND_CONFIGMAP, CM, "{'metadata': {'name': 'a', 'namespace': 'x'}}", EDIT_BAD_REQUEST,
	  "the namespace of the provided object does not match the namespace sent on the request" },
	{ "an immutable field", KIND_DEPLOYMENT, DEPLOYMENT, "{" META "}, 'spec': {'selector': {'matchLabels': {'a': 'c'}}, " TEMPLATE("'a': 'c'") "}}",
	  EDIT_INVALID, "Deployment.apps \"a\" is invalid: spec.selector: field is immutable" },
	{ "an immutable ConfigMap", KIND_CONFIGMAP, FROZEN, "{" META "}, 'data': {'k': 'w'}, 'immutable': true}", EDIT_INVALID, "ConfigMap \"a\" is invalid: data: field is immutable" },
	{ "a pod's label", KIND_POD, POD, "{'metadata': {'name': 'a', 'labels': {'x': 'y'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i:1'}]}}", EDIT_OK, NULL },
	{ "a pod's image", KIND_POD, POD, "{" META "}, 'spec': {'containers': [{'name': 'c', 'image': 'i:2'}]}}", EDIT_INVALID,
	  "Pod \"a\" is invalid: spec: Forbidden: a pod's spec cannot be changed" },
	{ "a job's template", KIND_JOB, JOB, "{" META "}, 'spec': {'template': {'spec': {'restartPolicy': 'Never', 'containers': [{'name': 'd', 'image': 'i:1'}]}}}}",
	  EDIT_INVALID, "Job.batch \"a\" is invalid: spec.template: field is immutable" },
	{ "a job's parallelism, without the server's selector", KIND_JOB, JOB,
	  "{" META "}, 'spec': {'parallelism': 3, 'completions': 1, 'template': {'spec': {'restartPolicy': 'Never', 'containers': [{'name': 'c', 'image': 'i:1'}]}}}}", EDIT_OK, NULL },
	{ "an invalid field", KIND_CONFIGMAP, CM, "{" META "}, 'data': {'k': 1}}", EDIT_INVALID, "ConfigMap \"a\" is invalid: data.k: must be a string, is a number" },
};

static const struct {
	const char *sentence;
	enum kind kind;
	const char *live;
	enum edit_patch type;
	const char *patch;
	enum edit_code want;
	const char *message; /* or, of what worked, "path=value" of the object */
} patches[] = {
	{ "a merge patch", KIND_DEPLOYMENT, DEPLOYMENT, EDIT_MERGE_PATCH, "{'metadata': {'labels': {'x': 'y'}}}", EDIT_OK, "metadata.labels.x=y" },
	{ "a strategic patch merges containers by name", KIND_DEPLOYMENT, DEPLOYMENT, EDIT_STRATEGIC_PATCH,
	  "{'spec': {'template': {'spec': {'containers': [{'name': 'c', 'image': 'i:2'}]}}}}", EDIT_OK, "spec.template.spec.containers.[0].image=i:2" },
	{ "a JSON patch", KIND_CONFIGMAP, CM, EDIT_JSON_PATCH, "[{'op': 'replace', 'path': '/data/k', 'value': 'w'}]", EDIT_OK, "data.k=w" },
	{ "a JSON patch whose test fails", KIND_CONFIGMAP, CM, EDIT_JSON_PATCH, "[{'op': 'test', 'path': '/data/k', 'value': 'w'}]", EDIT_INVALID,
	  "the patch cannot be applied: operation 0 (test): testing value /data/k failed" },
	{ "a patch that is none", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "[]", EDIT_BAD_REQUEST, "the patch cannot be applied: a merge patch is an object" },
	{ "a patch that makes it invalid", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'dat': {}}", EDIT_INVALID, "ConfigMap \"a\" is invalid: dat: ConfigMap has no such field (did you mean data?)" },
	{ "a patch of the kind", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'kind': 'Secret'}", EDIT_BAD_REQUEST, "the kind in the data (v1 Secret)" },
	{ "a patch of the name", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'metadata': {'name': 'b'}}", EDIT_BAD_REQUEST, "the name of the object (b)" },
	{ "a patch that removes metadata", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'metadata': null}", EDIT_BAD_REQUEST, "the body is not an object with metadata" },
	{ "a patch of an older version", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'metadata': {'resourceVersion': '1'}}", EDIT_CONFLICT, "Operation cannot be fulfilled" },
	{ "status cannot be patched", KIND_DEPLOYMENT, DEPLOYMENT, EDIT_MERGE_PATCH, "{'status': {'replicas': 7}}", EDIT_OK, "status.replicas=" },
	{ "nor what the server gives out", KIND_CONFIGMAP, CM, EDIT_MERGE_PATCH, "{'metadata': {'creationTimestamp': 'x', 'selfLink': 'y'}}", EDIT_OK, "metadata.selfLink=" },
};
/* clang-format on */

static void expect_result(const char *sentence, const struct edit_result *e, enum edit_code want,
			  const char *message)
{
	cr_expect(e->code == want, "%s: got %d (%s), want %d", sentence, e->code,
		  e->message ? e->message : "", want);
	if (message)
		cr_expect(str_skip_prefix(e->message ? e->message : "", message),
			  "%s:\n got %s\nwant %s", sentence, e->message, message);
	cr_expect((e->code == EDIT_INVALID && !strstr(e->message, "patch cannot")) ==
			  (json_array_size(e->causes) > 0),
		  "%s: causes", sentence);
}

Test(edit, creations)
{
	for (size_t i = 0; i < ARRAY_SIZE(creations); i++) {
		for (int dry = 1; dry >= 0; dry--) {
			autoedit e = {0};

			teardown();
			setup();
			must_create(KIND_CONFIGMAP,
				    "{'metadata': {'name': 'there', 'namespace': 'default'}}");
			must_create(KIND_NAMESPACE, NAMESPACE("going"));
			must_create(KIND_POD,
				    "{'metadata': {'name': 'p', 'namespace': 'going'}, 'spec': "
				    "{'containers': [{'name': 'c', 'image': 'i'}]}}");
			{
				autoedit d = {0};

				edit_delete(
					policy,
					&(struct edit_target){KIND_NAMESPACE, "", "going", false},
					NULL, &d);
				cr_assert_eq(d.code, EDIT_OK);
			}
			create_edit(creations[i].kind, creations[i].body, dry, &e);
			expect_result(creations[i].sentence, &e, creations[i].want,
				      creations[i].message);
			if (e.code == EDIT_CREATED)
				cr_expect(dry == !store_get_uid(store, object_uid(e.object)),
					  "%s: dry %d", creations[i].sentence, dry);
		}
	}
}

Test(edit, what_is_made_gets_what_a_server_gives)
{
	autoedit pod = {0}, ns = {0}, job = {0};
	const json_t *made;

	create_edit(KIND_POD, POD, false, &pod);
	cr_expect_str_eq(json_path_str(pod.object, "spec.nodeName", ""), "node");
	cr_expect_str_eq(json_path_str(pod.object, "spec.restartPolicy", ""), "Always");
	cr_expect(store_get(store, KIND_NAMESPACE, NULL, "default"),
		  "the default namespace is made");
	create_edit(KIND_NAMESPACE, NAMESPACE("n"), false, &ns);
	cr_expect_str_eq(json_path_str(ns.object, "status.phase", ""), "Active");
	create_edit(KIND_JOB, JOB, false, &job);
	made = store_get(store, KIND_JOB, "default", "a");
	cr_expect(object_selector_matches(json_path(job.object, "spec.selector"),
					  json_path(job.object, "spec.template.metadata.labels")));
	cr_expect(json_equal(made, job.object));
}

Test(edit, nobody_claims_to_be_of_an_app)
{
	autoedit e = {0}, patched = {0};
	autojson *claim = json_like("{'metadata': {'annotations': {'recond.dev/app': 'shop'}}}");
	const struct edit_target t = {KIND_CONFIGMAP, "default", "a", false};

	create_edit(
		KIND_CONFIGMAP,
		"{'metadata': {'name': 'a', 'namespace': 'default', 'annotations': {'recond.dev/app': 'shop'}}}",
		false, &e);
	cr_expect_null(object_annotation(e.object, "recond.dev/app"));
	edit_patch(policy, &t, EDIT_MERGE_PATCH, claim, &patched);
	cr_expect_eq(patched.code, EDIT_OK);
	cr_expect_null(object_annotation(patched.object, "recond.dev/app"));
}

Test(edit, what_an_app_owns_may_be_changed_with_a_warning)
{
	autojson *owned =
		json_like("{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a', "
			  "'namespace': 'default', 'annotations': {'recond.dev/app': 'shop'}}}");
	autojson *patch = json_like("{'data': {'k': 'v'}, 'metadata': {'annotations': null}}");
	const struct edit_target t = {KIND_CONFIGMAP, "default", "a", false};
	autoedit e = {0};

	cr_assert_eq(store_create(store, owned, NULL), 0);
	edit_patch(policy, &t, EDIT_MERGE_PATCH, patch, &e);
	cr_expect_eq(e.code, EDIT_OK);
	cr_expect_str_eq(json_path_str(e.warnings, "[0]", ""),
			 "ConfigMap/a belongs to app 'shop': what its source says is put back");
	cr_expect_str_eq(object_annotation(e.object, "recond.dev/app"), "shop",
			 "it stays the app's");
}

Test(edit, replacements)
{
	for (size_t i = 0; i < ARRAY_SIZE(replacements); i++) {
		autojson *live = json_like(replacements[i].live);
		autojson *body = json_like(replacements[i].body);
		struct edit_target t = {replacements[i].kind, "default", "a", false};
		autofree char *uid = NULL;
		autoedit e = {0};
		enum kind kind;

		teardown();
		setup();
		cr_assert(kind_lookup(&kind, json_path_str(live, "apiVersion", ""),
				      json_path_str(live, "kind", "")));
		must_create(kind, replacements[i].live);
		uid = mem_strdup(object_uid(store_get(store, kind, "default", "a")));
		edit_replace(policy, &t, body, &e);
		expect_result(replacements[i].sentence, &e, replacements[i].want,
			      replacements[i].message);
		cr_expect_str_eq(object_uid(store_get(store, kind, "default", "a")), uid);
	}
}

Test(edit, patches)
{
	for (size_t i = 0; i < ARRAY_SIZE(patches); i++) {
		autojson *patch = json_like(patches[i].patch);
		struct edit_target t = {patches[i].kind, "default", "a", false};
		const char *value = strchr(patches[i].message, '=');
		autofree char *path = value ? mem_strndup(patches[i].message,
							  (size_t)(value - patches[i].message))
					    : NULL;
		autoedit e = {0};

		teardown();
		setup();
		must_create(patches[i].kind, patches[i].live);
		edit_patch(policy, &t, patches[i].type, patch, &e);
		expect_result(patches[i].sentence, &e, patches[i].want,
			      e.code == EDIT_OK ? NULL : patches[i].message);
		if (e.code == EDIT_OK)
			cr_expect_str_eq(json_path_str(e.object, path, ""), value + 1, "%s",
					 patches[i].sentence);
	}
}

Test(edit, a_version_that_is_right_is_taken_and_a_dry_run_changes_nothing)
{
	struct edit_target t = {KIND_CONFIGMAP, "default", "a", true};
	autojson *body = NULL;
	autofree char *version = NULL;
	autoedit dry = {0}, wet = {0};

	must_create(KIND_CONFIGMAP, CM);
	body = json_deep_copy(store_get(store, KIND_CONFIGMAP, "default", "a"));
	version = mem_strdup(json_path_str(body, "metadata.resourceVersion", ""));
	json_path_set_new(body, "data.k", json_text("w"));
	edit_replace(policy, &t, body, &dry);
	cr_expect_eq(dry.code, EDIT_OK);
	cr_expect_str_eq(json_path_str(dry.object, "data.k", ""), "w");
	cr_expect_str_eq(
		json_path_str(store_get(store, KIND_CONFIGMAP, "default", "a"), "data.k", ""), "v");
	t.dry_run = false;
	edit_replace(policy, &t, body, &wet);
	cr_expect_eq(wet.code, EDIT_OK);
	cr_expect_str_neq(json_path_str(wet.object, "metadata.resourceVersion", ""), version);
}

Test(edit, scales)
{
	struct edit_target t = {KIND_DEPLOYMENT, "default", "a", false};
	autojson *scale = NULL, *stale = NULL, *wrong = json_like("{'spec': {'replicas': 'x'}}");
	autoedit e = {0}, old = {0}, bad = {0};

	must_create(KIND_DEPLOYMENT, DEPLOYMENT);
	scale = edit_scale_of(store_get(store, KIND_DEPLOYMENT, "default", "a"));
	cr_assert_eq(json_path_int(scale, "spec.replicas", 0), 1);
	stale = json_deep_copy(scale);
	json_path_set_new(scale, "spec.replicas", json_integer(5));
	edit_scale(policy, &t, scale, &e);
	cr_expect_eq(e.code, EDIT_OK);
	cr_expect_eq(json_path_int(e.object, "spec.replicas", 0), 5);
	edit_scale(policy, &t, stale, &old);
	cr_expect_eq(old.code, EDIT_CONFLICT);
	edit_scale(policy, &t, wrong, &bad);
	cr_expect_eq(bad.code, EDIT_BAD_REQUEST);
}

/* ---- deletions ---- */

static enum edit_code delete (enum kind kind, const char *ns, const char *name,
			      const char *options) {
	autojson *doc = options ? json_like(options) : NULL;
	struct edit_target t = {kind, ns, name, false};
	autoedit e = {0};

	edit_delete(policy, &t, doc, &e);
	return e.code;
}

/* A Deployment with a ReplicaSet and its pods. */
static void make_chain(void)
{
	must_create(KIND_DEPLOYMENT, DEPLOYMENT);
	run();
}

static size_t count(enum kind kind)
{
	autojson *list = store_list(store, kind, NULL);

	return json_array_size(list);
}

static const json_t *first(enum kind kind)
{
	autojson *list = store_list(store, kind, NULL);
	const json_t *o = json_array_get(list, 0);

	return o ? store_get_uid(store, object_uid(o)) : NULL;
}

Test(edit, background_takes_dependents_along)
{
	make_chain();
	cr_assert_eq(count(KIND_REPLICASET), 1);
	cr_assert_eq(count(KIND_POD), 1);
	cr_expect_eq(delete (KIND_DEPLOYMENT, "default", "a", NULL), EDIT_OK);
	run();
	cr_expect_eq(count(KIND_DEPLOYMENT) + count(KIND_REPLICASET), 0);
	cr_expect(object_deleting(first(KIND_POD)), "the pod gets its grace");
}

Test(edit, orphan_leaves_dependents)
{
	make_chain();
	cr_expect_eq(delete (KIND_DEPLOYMENT, "default", "a", "{'propagationPolicy': 'Orphan'}"),
		     EDIT_OK);
	run();
	cr_expect_eq(count(KIND_DEPLOYMENT), 0);
	cr_assert_eq(count(KIND_REPLICASET), 1);
	cr_expect_null(object_controller_ref(first(KIND_REPLICASET)));
	cr_expect_not(object_deleting(first(KIND_POD)));
	must_create(KIND_DEPLOYMENT, DEPLOYMENT);
	run();
	cr_expect_eq(count(KIND_REPLICASET), 1, "a new one takes it over");
	cr_expect_eq(count(KIND_POD), 1);
}

Test(edit, foreground_goes_after_its_dependents)
{
	make_chain();
	cr_expect_eq(
		delete (KIND_DEPLOYMENT, "default", "a", "{'propagationPolicy': 'Foreground'}"),
		EDIT_OK);
	run();
	cr_assert_eq(count(KIND_DEPLOYMENT), 1);
	cr_expect(object_deleting(first(KIND_DEPLOYMENT)) &&
		  object_deleting(first(KIND_REPLICASET)) && object_deleting(first(KIND_POD)));
	cr_expect_eq(count(KIND_POD), 1, "nothing replaces it");
	cr_assert_eq(store_delete(store, KIND_POD, "default", object_name(first(KIND_POD))), 0);
	run();
	run();
	cr_expect_eq(count(KIND_REPLICASET) + count(KIND_DEPLOYMENT), 0);
}

Test(edit, a_job_leaves_its_pods_unless_told_otherwise)
{
	autojson *none = json_object();
	struct edit_target t = {KIND_JOB, "default", "a", false};
	autoedit e = {0};

	must_create(KIND_JOB, JOB);
	run();
	cr_assert_eq(count(KIND_POD), 1);
	edit_delete(policy, &t, none, &e);
	cr_expect_eq(json_array_size(e.warnings), 1);
	run();
	cr_expect(!object_deleting(first(KIND_POD)) &&
		  !json_path(first(KIND_POD), "metadata.finalizers"));
	must_create(KIND_JOB, JOB);
	run();
	cr_expect_eq(delete (KIND_JOB, "default", "a", "{'propagationPolicy': 'Background'}"),
		     EDIT_OK);
	run();
	cr_expect_eq(count(KIND_JOB), 0);
}

Test(edit, grace_can_only_be_shortened)
{
	static const struct {
		const char *options;
		int64_t want;
	} steps[] = {
		{NULL, 30},
		{"{'gracePeriodSeconds': 60}", 30},
		{"{'gracePeriodSeconds': 5}", 5},
		{"{'gracePeriodSeconds': -1}", 1},
		{"{'gracePeriodSeconds': 0}", 0},
	};

	must_create(KIND_POD, POD);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		cr_expect_eq(delete (KIND_POD, "default", "a", steps[i].options), EDIT_OK);
		cr_expect_eq(
			json_path_int(first(KIND_POD), "metadata.deletionGracePeriodSeconds", -1),
			steps[i].want, "step %zu", i);
	}
}

Test(edit, a_finalizer_holds_until_it_is_taken)
{
	autojson *take = json_like("{'metadata': {'finalizers': null}}");
	autojson *add = json_like("{'metadata': {'finalizers': ['a/b', 'c/d']}}");
	struct edit_target t = {KIND_CONFIGMAP, "default", "a", false};
	autoedit added = {0}, taken = {0};

	must_create(KIND_CONFIGMAP,
		    "{'metadata': {'name': 'a', 'namespace': 'default', 'finalizers': ['a/b']}}");
	cr_expect_eq(delete (KIND_CONFIGMAP, "default", "a", NULL), EDIT_OK);
	cr_assert(object_deleting(first(KIND_CONFIGMAP)));
	edit_patch(policy, &t, EDIT_MERGE_PATCH, add, &added);
	expect_result(
		"a new one", &added, EDIT_INVALID,
		"ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers");
	edit_patch(policy, &t, EDIT_MERGE_PATCH, take, &taken);
	cr_expect_eq(taken.code, EDIT_OK);
	cr_expect_eq(count(KIND_CONFIGMAP), 0);
}

Test(edit, a_namespace_waits_for_what_is_held)
{
	autojson *take = json_like("{'metadata': {'finalizers': []}}");
	struct edit_target t = {KIND_CONFIGMAP, "n", "a", false};
	autoedit taken = {0};

	must_create(KIND_NAMESPACE, NAMESPACE("n"));
	must_create(KIND_CONFIGMAP,
		    "{'metadata': {'name': 'a', 'namespace': 'n', 'finalizers': ['a/b']}}");
	cr_expect_eq(delete (KIND_NAMESPACE, "", "n", NULL), EDIT_OK);
	run();
	cr_assert_eq(count(KIND_NAMESPACE), 1);
	edit_patch(policy, &t, EDIT_MERGE_PATCH, take, &taken);
	cr_expect_eq(taken.code, EDIT_OK, "%s", taken.message);
	run();
	cr_expect_eq(count(KIND_NAMESPACE), 0);
}

Test(edit, deletions_that_are_refused)
{
	must_create(KIND_CONFIGMAP, CM);
	cr_expect_eq(delete (KIND_NAMESPACE, "", "default", NULL), EDIT_FORBIDDEN);
	cr_expect_eq(delete (KIND_CONFIGMAP, "default", "b", NULL), EDIT_NOT_FOUND);
	cr_expect_eq(delete (KIND_CONFIGMAP, "default", "a", "{'propagationPolicy': 'Burn'}"),
		     EDIT_BAD_REQUEST);
	cr_expect_eq(delete (KIND_CONFIGMAP, "default", "a", "{'preconditions': {'uid': 'x'}}"),
		     EDIT_CONFLICT);
	cr_expect_eq(delete (KIND_CONFIGMAP, "default", "a",
			     "{'preconditions': {'resourceVersion': '1'}}"),
		     EDIT_CONFLICT);
	cr_expect_eq(count(KIND_CONFIGMAP), 1);
}

Test(edit, only_what_a_source_may_hold_is_written)
{
	cr_expect(edit_allowed(KIND_JOB) && edit_allowed(KIND_NAMESPACE) && edit_allowed(KIND_POD));
	cr_expect(!edit_allowed(KIND_APP) && !edit_allowed(KIND_EVENT) &&
		  !edit_allowed(KIND_IMAGE));
}
