/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a container, $(NAME), and the sandbox's host name. */
#include "reconciler/controllers/pod_env.h"

#include "tests/unit/policy/lib.h"

#define CONFIG(name, data)                                                                         \
	"{'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': '" name                    \
	"', 'namespace': 'n'}, 'data': " data "}"

/* clang-format off */
static const struct { const char *name, *spec, *list, *message; } cases[] = {
	{ "values see what came before", "{'env': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '$(A)$(C)'}, {'name': 'C', 'value': '3'}]}",
	  "[['A', '1'], ['B', '1$(C)'], ['C', '3']]", NULL },
	{ "a later source wins, env wins over both", "{'envFrom': [{'configMapRef': {'name': 'one'}}, {'configMapRef': {'name': 'two'}}], 'env': [{'name': 'Z', 'value': 'env'}]}",
	  "[['X', '2'], ['Z', 'env']]", NULL },
	{ "a prefix", "{'envFrom': [{'prefix': 'P_', 'configMapRef': {'name': 'two'}}]}", "[['P_X', '2']]", NULL },
	{ "a secret is decoded", "{'env': [{'name': 'S', 'valueFrom': {'secretKeyRef': {'name': 's', 'key': 'k'}}}]}", "[['S', 'hi']]", NULL },
	{ "a referenced value is not expanded", "{'env': [{'name': 'R', 'valueFrom': {'configMapKeyRef': {'name': 'raw', 'key': 'k'}}}]}", "[['R', '$(A)']]", NULL },
	{ "a missing ConfigMap", "{'envFrom': [{'configMapRef': {'name': 'no'}}]}", NULL, "configmap \"no\" not found" },
	{ "a missing Secret", "{'envFrom': [{'secretRef': {'name': 'no'}}]}", NULL, "secret \"no\" not found" },
	{ "a missing key", "{'env': [{'name': 'A', 'valueFrom': {'configMapKeyRef': {'name': 'one', 'key': 'k'}}}]}", NULL, "couldn't find key k in ConfigMap n/one" },
	{ "what is optional may be missing", "{'envFrom': [{'configMapRef': {'name': 'no', 'optional': true}}], 'env': [{'name': 'A', 'valueFrom': {'configMapKeyRef': {'name': 'one', 'key': 'k', 'optional': true}}}]}", "[]", NULL },
	{ "the pod's own fields", "{'env': [{'name': 'N', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}}, {'name': 'I', 'valueFrom': {'fieldRef': {'fieldPath': 'status.podIP'}}}]}", "[['N', 'p'], ['I', '10.0.0.2']]", NULL },
};

static const struct { const char *text, *want; } expansions[] = {
	{ "$(A)", "1" }, { "x$(A)y$(B)", "x1y2" }, { "$$(A)", "$(A)" }, { "$$$(A)", "$1" }, { "$(NO)", "$(NO)" }, { "$(A", "$(A" },
	{ "$", "$" }, { "$A", "$A" }, { "$()", "$()" }, { "", "" }, { "$(A$(B))", "$(A$(B))" },
};

static const struct { const char *name, *want; } hostnames[] = {
	{ "web-1", "web-1" },
	{ "a23456789012345678901234567890123456789012345678901234567890123-tail", "a23456789012345678901234567890123456789012345678901234567890123" },
	{ "a2345678901234567890123456789012345678901234567890123456789-.--tail", "a2345678901234567890123456789012345678901234567890123456789" },
};
/* clang-format on */

static struct store *filled_store(struct still_world *world)
{
	struct store *s = store_in(world, NULL);

	(void)create(s, CONFIG("one", "{'X': '1', 'Z': 'one'}"));
	(void)create(s, CONFIG("two", "{'X': '2'}"));
	(void)create(s, CONFIG("raw", "{'k': '$(A)'}"));
	(void)create(s, "{'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 's',"
			" 'namespace': 'n'}, 'data': {'k': 'aGk='}}");
	return s;
}

Test(pod_env, environments)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = filled_store(&world);
	const struct pod_request_env env = {
		.store = s, .node_name = "node", .host_ip = "192.0.2.1", .pod_ip = "10.0.0.2"};
	autojson *pod = json_like("{'metadata': {'name': 'p', 'namespace': 'n'}}");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *spec = json_like(cases[i].spec), *list = NULL, *vars = NULL;
		struct err err = {0};
		int r = pod_env_resolve(&list, &vars, pod, spec, &env, &err);

		cr_expect((r < 0) == (cases[i].message != NULL), "%s: got %d, %s", cases[i].name, r,
			  err.message);
		if (r >= 0 && cases[i].list)
			expect_json(cases[i].name, list, cases[i].list);
		else if (cases[i].message)
			cr_expect(str_eq(err.message, cases[i].message) &&
					  str_eq(err.reason, "CreateContainerConfigError"),
				  "%s (%s)\n got %s: %s\nwant %s", cases[i].name, cases[i].spec,
				  err.reason, err.message, cases[i].message);
	}
}

Test(pod_env, expansion)
{
	autojson *vars = json_like("{'A': '1', 'B': '2'}");

	for (size_t i = 0; i < ARRAY_SIZE(expansions); i++) {
		autofree char *got = pod_request_expand(expansions[i].text, vars);

		cr_expect(str_eq(got, expansions[i].want), "'%s'\n got '%s'\nwant '%s'",
			  expansions[i].text, got, expansions[i].want);
	}
}

Test(pod_env, host_names_are_cut)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	const struct pod_request_env env = {.store = s};

	for (size_t i = 0; i < ARRAY_SIZE(hostnames); i++) {
		autojson *pod = json_pack("{s:{s:s, s:s}, s:{}}", "metadata", "name",
					  hostnames[i].name, "namespace", "n", "spec");
		autojson *request = NULL;
		struct err err = {0};
		const char *got;

		cr_assert(pod_request_sandbox(&request, pod, &env, &err) == 0, "%s", err.message);
		got = json_path_str(request, "hostname", "");
		cr_expect(str_eq(got, hostnames[i].want), "'%s'\n got '%s'\nwant '%s'",
			  hostnames[i].name, got, hostnames[i].want);
	}
}
