/* SPDX-License-Identifier: Apache-2.0 */
/* Which content of a ConfigMap or Secret a pod gets, between two sets of its app. */
#include "reconciler/controllers/pod_config.h"

#include "tests/unit/policy/lib.h"

#define LIVE(data)                                                                                             \
	"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c', 'namespace': 'n'}, 'data': " data \
	"}"
#define APPLIED(app, data)                                                                                           \
	"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c', 'namespace': 'n', 'annotations': {" app \
	"}}, 'data': " data "}"
#define SHOP "'recond.dev/app': 'shop'"
#define SET(object) "{'objects': [" object "]}"
#define OTHERS                                                                                                          \
	"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c', 'namespace': 'm'}, 'data': {'k': 'no'}}, " \
	"{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'c', 'namespace': 'n'}, 'data': {'k': 'bm8='}}"

/* clang-format off */
static const struct {
	const char *name;
	const char *live;    /* in the store; NULL: none */
	const char *applied; /* what a source wrote last of it; NULL: it is no source's */
	const char *set;     /* that the pod came with; NULL: none */
	bool optional;
	const char *want;    /* data that is read; NULL: there is none */
} cases[] = {
	{ "nobody's pod reads what is there", LIVE("{'k': '1'}"), NULL, NULL, false, "{'k': '1'}" },
	{ "nobody's pod reads what an app has now", LIVE("{'k': '2'}"), APPLIED(SHOP, "{'k': '2'}"), NULL, false, "{'k': '2'}" },
	{ "what the pod came with and what is applied are the same", LIVE("{'k': '1'}"), APPLIED(SHOP, "{'k': '1'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "a newer set, or the one put back, says otherwise", LIVE("{'k': '2'}"), APPLIED(SHOP, "{'k': '2'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "a newer set has another key as well", LIVE("{'k': '1', 'l': '2'}"), APPLIED(SHOP, "{'k': '1', 'l': '2'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "a newer set has nothing in it", LIVE("{}"), APPLIED(SHOP, "{}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "a newer set does not have it", NULL, NULL, SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "it moved to another app, which changed it", LIVE("{'k': '2'}"), APPLIED("'recond.dev/app': 'crm'", "{'k': '2'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "its siblings in the set are not it", LIVE("{'k': '2'}"), APPLIED(SHOP, "{'k': '2'}"), SET(OTHERS ", " LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "people changed what the pod came with", LIVE("{'k': 'hand'}"), APPLIED(SHOP, "{'k': '1'}"), SET(LIVE("{'k': '1'}")), false, "{'k': 'hand'}" },
	{ "people changed what is newer", LIVE("{'k': 'hand'}"), APPLIED(SHOP, "{'k': '2'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '1'}" },
	{ "people deleted what the pod came with", NULL, APPLIED(SHOP, "{'k': '1'}"), SET(LIVE("{'k': '1'}")), false, NULL },
	{ "it opted out of going back", LIVE("{'k': '2'}"), APPLIED(SHOP ", 'recond.dev/rollback': 'false'", "{'k': '2'}"), SET(LIVE("{'k': '1'}")), false, "{'k': '2'}" },
	{ "people's own is read as it is", LIVE("{'k': '1'}"), NULL, SET(OTHERS), false, "{'k': '1'}" },
	{ "people's own is not there", NULL, NULL, SET(OTHERS), false, NULL },
	{ "another app's is read as it is", LIVE("{'k': '2'}"), APPLIED("'recond.dev/app': 'crm'", "{'k': '2'}"), SET(OTHERS), true, "{'k': '2'}" },
	{ "the pod could do without, and a newer set brought it", LIVE("{'k': '2'}"), APPLIED(SHOP, "{'k': '2'}"), SET(OTHERS), true, NULL },
	{ "the pod needs what a newer set took over from people", LIVE("{'k': '2'}"), APPLIED(SHOP, "{'k': '2'}"), SET(OTHERS), false, "{'k': '2'}" },
	{ "the pod could do without, and people made it", LIVE("{'k': '1'}"), NULL, SET(OTHERS), true, "{'k': '1'}" },
};
/* clang-format on */

Test(pod_config, what_is_read)
{
	autojson *pod =
		json_like("{'metadata': {'name': 'p', 'namespace': 'n', 'annotations': {" SHOP
			  ", 'recond.dev/config-hash': 'h'}}}");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct still_world world = {0};
		_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
		autojson *set = cases[i].set ? json_like(cases[i].set) : NULL;
		const struct pod_request_env env = {.store = s, .set = set};
		const json_t *got;

		if (cases[i].live)
			(void)create(s, cases[i].live);
		if (cases[i].applied) {
			autojson *doc = json_pack("{s:o}", "object", json_like(cases[i].applied));

			store_doc_put(s, "applied", "ConfigMap/n/c", doc);
		}
		got = pod_config_read(&env, pod, KIND_CONFIGMAP, "c", cases[i].optional);
		if (cases[i].want && got)
			expect_json(cases[i].name, json_object_get(got, "data"), cases[i].want);
		else
			cr_expect(!cases[i].want && !got, "%s\n got %s\nwant %s", cases[i].name,
				  got ? "something" : "nothing",
				  cases[i].want ? cases[i].want : "nothing");
	}
}

Test(pod_config, a_secret_and_binary_data_are_compared_as_well)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	autojson *set = json_like(SET(
		"{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 's', 'namespace': 'n'}, 'data': {'k': 'b2xk'}}, "
		"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'b', 'namespace': 'n'}, 'binaryData': {'k': 'b2xk'}}"));
	autojson *pod = json_like(
		"{'metadata': {'name': 'p', 'namespace': 'n'}, 'spec': {'volumes': ["
		"{'name': 's', 'secret': {'secretName': 's'}}, {'name': 'b', 'configMap': {'name': 'b'}}]}}");
	autojson *spec = json_like(
		"{'env': [{'name': 'K', 'valueFrom': {'secretKeyRef': {'name': 's', 'key': 'k'}}}]}");
	const struct pod_request_env env = {.store = s, .set = set};
	autojson *sandbox = NULL, *container = NULL, *applied = NULL;
	struct err err = {0};

	applied = json_pack(
		"{s:o}", "object",
		json_like(
			"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'b'}, 'binaryData': {'k': 'bmV3'}}"));
	store_doc_put(s, "applied", "ConfigMap/n/b", applied);
	(void)create(
		s,
		"{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 's', 'namespace': 'n'}, 'data': {'k': 'bmV3'}}");
	(void)create(
		s,
		"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'b', 'namespace': 'n'}, 'binaryData': {'k': 'bmV3'}}");
	cr_assert_eq(pod_request_sandbox(&sandbox, pod, &env, &err), 0, "%s", err.message);
	cr_assert_eq(pod_request_container(&container, pod, spec, 0, "sha256:0", &env, &err), 0,
		     "%s", err.message);
	for (size_t i = 0; i < 2; i++)
		expect_json("a volume",
			    json_path(json_array_get(json_object_get(sandbox, "volumes"), i),
				      "files.items.[0].data"),
			    "'b2xk'");
	expect_json("a variable", json_object_get(container, "env"), "[['K', 'old']]");
}
