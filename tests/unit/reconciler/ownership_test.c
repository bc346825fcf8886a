/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields a manifest owns, and what a three-way merge leaves to others. */
#include "reconciler/ownership.h"

#include "base/json.h"
#include "base/str.h"
#include "reconciler/defaults.h"
#include "tests/unit/policy/lib.h"

#define HEAD "'apiVersion': 'apps/v1', 'kind': 'Deployment', "
#define CONFIG "'apiVersion': 'v1', 'kind': 'ConfigMap', "
#define POD "'apiVersion': 'v1', 'kind': 'Pod', "
#define SPEC(inside) "{" HEAD "'spec': {" inside "}}"
#define CONTAINERS(inside) "{" POD "'spec': {'containers': [" inside "]}}"
#define ENV(inside) CONTAINERS("{'name': 'c', 'env': [" inside "]}")

/* clang-format off */
static const struct {
	const char *name, *live, *last, *desired, *want; /* last "": nothing was applied */
} merges[] = {
	{ "a stated field is put back",
	  SPEC("'replicas': 7"), SPEC("'replicas': 3"), SPEC("'replicas': 3"), SPEC("'replicas': 3") },
	{ "a field that only a default gave stays as it is",
	  SPEC("'replicas': 7"), SPEC("'paused': false"),
	  "{" HEAD "'spec': {'replicas': 1, 'paused': false}, 'defaulted': {'spec': {'replicas': true}}}",
	  SPEC("'replicas': 7, 'paused': false") },
	{ "and is given when it is missing",
	  SPEC("'paused': false"), "",
	  "{" HEAD "'spec': {'replicas': 1, 'paused': false}, 'defaulted': {'spec': {'replicas': true}}}",
	  SPEC("'replicas': 1, 'paused': false") },
	{ "no longer stated: back to the default",
	  SPEC("'replicas': 7"), SPEC("'replicas': 7"),
	  "{" HEAD "'spec': {'replicas': 1}, 'defaulted': {'spec': {'replicas': true}}}", SPEC("'replicas': 1") },
	{ "no longer stated, and without a default: gone",
	  SPEC("'replicas': 1, 'minReadySeconds': 5"), SPEC("'replicas': 1, 'minReadySeconds': 5"),
	  SPEC("'replicas': 1"), SPEC("'replicas': 1") },
	{ "other people's annotations stay, ours come and go",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1', 'theirs': '2'}}}",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1'}}}",
	  "{" CONFIG "'metadata': {'annotations': {'new': '3'}}}",
	  "{" CONFIG "'metadata': {'annotations': {'theirs': '2', 'new': '3'}}}" },
	{ "the last of our annotations leaves theirs",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1', 'theirs': '2'}}}",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1'}}}", "{" CONFIG "'metadata': {}}",
	  "{" CONFIG "'metadata': {'annotations': {'theirs': '2'}}}" },
	{ "and nothing when there are none",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1'}}}",
	  "{" CONFIG "'metadata': {'annotations': {'old': '1'}}}", "{" CONFIG "'metadata': {}}", "{" CONFIG "'metadata': {}}" },
	{ "a restart that someone asked for stays in the template",
	  SPEC("'template': {'metadata': {'annotations': {'kubectl.kubernetes.io/restartedAt': 'now', 'a': 'x'}}}"),
	  SPEC("'template': {'metadata': {'annotations': {'a': 'b'}}}"),
	  SPEC("'template': {'metadata': {'annotations': {'a': 'b'}}}"),
	  SPEC("'template': {'metadata': {'annotations': {'kubectl.kubernetes.io/restartedAt': 'now', 'a': 'b'}}}") },
	{ "keys of a ConfigMap are owned one by one",
	  "{" CONFIG "'data': {'ours': 'changed', 'theirs': 'x'}}", "{" CONFIG "'data': {'ours': '1', 'gone': '2'}}",
	  "{" CONFIG "'data': {'ours': '1'}}", "{" CONFIG "'data': {'ours': '1', 'theirs': 'x'}}" },
	{ "what the server wrote stays",
	  "{" HEAD "'metadata': {'uid': 'u', 'generation': 4}, 'spec': {'replicas': 2}, 'status': {'replicas': 2}}", "",
	  SPEC("'replicas': 3"),
	  "{" HEAD "'metadata': {'uid': 'u', 'generation': 4}, 'spec': {'replicas': 3}, 'status': {'replicas': 2}}" },
	{ "containers are told apart by name",
	  CONTAINERS("{'name': 'theirs'}, {'name': 'web', 'image': 'b', 'tty': true}"),
	  CONTAINERS("{'name': 'web', 'image': 'a'}"), CONTAINERS("{'name': 'web', 'image': 'a'}"),
	  CONTAINERS("{'name': 'theirs'}, {'name': 'web', 'image': 'a', 'tty': true}") },
	{ "one that was ours goes, theirs stays",
	  CONTAINERS("{'name': 'web'}, {'name': 'old'}, {'name': 'theirs'}"),
	  CONTAINERS("{'name': 'web'}, {'name': 'old'}"), CONTAINERS("{'name': 'web'}"),
	  CONTAINERS("{'name': 'web'}, {'name': 'theirs'}") },
	{ "a new one comes where it belongs",
	  CONTAINERS("{'name': 'a'}, {'name': 'c'}"), CONTAINERS("{'name': 'a'}, {'name': 'c'}"),
	  CONTAINERS("{'name': 'a'}, {'name': 'b'}, {'name': 'c'}"), CONTAINERS("{'name': 'a'}, {'name': 'b'}, {'name': 'c'}") },
	{ "our order counts among ours",
	  CONTAINERS("{'name': 'b'}, {'name': 'a'}"), "", CONTAINERS("{'name': 'a'}, {'name': 'b'}"),
	  CONTAINERS("{'name': 'a'}, {'name': 'b'}") },
	{ "a variable is owned as a whole: half a value is none",
	  ENV("{'name': 'A', 'valueFrom': {'x': 1}}, {'name': 'T', 'value': 't'}"), ENV("{'name': 'A', 'value': '1'}"),
	  ENV("{'name': 'A', 'value': '1'}"), ENV("{'name': 'A', 'value': '1'}, {'name': 'T', 'value': 't'}") },
	{ "all of our variables gone, theirs left",
	  ENV("{'name': 'A', 'value': '1'}, {'name': 'T', 'value': 't'}"), ENV("{'name': 'A', 'value': '1'}"),
	  CONTAINERS("{'name': 'c'}"), ENV("{'name': 'T', 'value': 't'}") },
	{ "a strategy is owned as a whole",
	  SPEC("'strategy': {'type': 'RollingUpdate', 'rollingUpdate': {'maxSurge': 1}}"),
	  SPEC("'strategy': {'type': 'RollingUpdate'}"), SPEC("'strategy': {'type': 'Recreate'}"),
	  SPEC("'strategy': {'type': 'Recreate'}") },
	{ "a list without keys is owned as a whole",
	  CONTAINERS("{'name': 'c', 'args': ['x', 'y']}"), CONTAINERS("{'name': 'c', 'args': ['x']}"),
	  CONTAINERS("{'name': 'c', 'args': ['x']}"), CONTAINERS("{'name': 'c', 'args': ['x']}") },
	{ "defaults inside of elements are no one's",
	  CONTAINERS("{'name': 'c', 'image': 'i', 'imagePullPolicy': 'Never'}"), "",
	  "{" POD "'spec': {'containers': [{'name': 'c', 'image': 'i', 'imagePullPolicy': 'Always'}]},"
	  " 'defaulted': {'spec': {'containers': [{'imagePullPolicy': true}]}}}",
	  CONTAINERS("{'name': 'c', 'image': 'i', 'imagePullPolicy': 'Never'}") },
};

static const struct { const char *name, *kind, *stated, *complete, *want; } trees[] = {
	{ "what is not written is the default's", "apps/v1 Deployment", "{'spec': {'paused': true}}",
	  "{'spec': {'paused': true, 'replicas': 1}}", "{'spec': {'replicas': true}}" },
	{ "inside of list elements, by position", "v1 Pod", "{'c': [{'a': 1}, {'a': 1, 'b': 2}]}",
	  "{'c': [{'a': 1, 'b': 0}, {'a': 1, 'b': 2}]}", "{'c': [{'b': true}, null]}" },
	{ "null is not said", "apps/v1 Deployment", "{'spec': {'replicas': null}}", "{'spec': {'replicas': 1}}",
	  "{'spec': {'replicas': true}}" },
	{ "another spelling is the same field", "v1 Pod", "{'cpu': '1000m'}", "{'cpu': '1'}", "null" },
	{ "stringData states data", "v1 Secret", "{'stringData': {'k': 'v'}}", "{'data': {'k': 'dg=='}}", "null" },
};

static const struct { const char *name, *a, *b, *want; } differences[] = {
	{ "fields by their path", "{'spec': {'a': 1, 'b': 2}}", "{'spec': {'a': 3, 'c': 4}}", "spec.a, spec.b, spec.c" },
	{ "elements by name", "{'c': [{'name': 'web', 'image': 'a'}]}", "{'c': [{'name': 'web', 'image': 'b'}]}", "c[web].image" },
	{ "elements without one by position", "{'c': [1, 2]}", "{'c': [1, 3]}", "c[1]" },
	{ "a list of another length as a whole", "{'c': [1, 2]}", "{'c': [1]}", "c" },
	{ "many are counted", "{'a': 1, 'b': 1, 'c': 1, 'd': 1, 'e': 1, 'f': 1, 'g': 1}", "{}", "a, b, c, d, e and 2 more" },
	{ "nothing", "{'a': 1}", "{'a': 1}", "" },
};
/* clang-format on */

Test(ownership, merging)
{
	for (size_t i = 0; i < ARRAY_SIZE(merges); i++) {
		autojson *live = json_like(merges[i].live), *desired = json_like(merges[i].desired);
		autojson *last = *merges[i].last ? json_like(merges[i].last) : NULL;
		autojson *before = json_deep_copy(live), *again = NULL;
		autojson *merged = ownership_merge(live, last, desired);

		expect_json(merges[i].name, merged, merges[i].want);
		again = ownership_merge(merged, desired, desired);
		cr_expect(json_equal(again, merged), "%s: a second time changes more",
			  merges[i].name);
		cr_expect(json_equal(live, before), "%s: the live object was written to",
			  merges[i].name);
	}
}

Test(ownership, what_defaults_gave)
{
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		autojson *stated = json_like(trees[i].stated);
		autojson *complete = json_like(trees[i].complete);
		const char *space = strchr(trees[i].kind, ' ');
		autofree char *version =
			mem_strndup(trees[i].kind, (size_t)(space - trees[i].kind));
		autojson *tree = NULL, *none = json_null();
		enum kind kind;

		cr_assert(kind_lookup(&kind, version, space + 1) == 1);
		tree = ownership_defaulted(kind, stated, complete);
		expect_json(trees[i].name, tree ? tree : none, trees[i].want);
	}
}

Test(ownership, a_whole_deployment_owns_what_it_states)
{
	autojson *stated = json_like(
		"{" HEAD
		"'metadata': {'name': 'w'}, 'spec': {'selector': {'matchLabels': {'a': 'b'}}, "
		"'template': {'metadata': {'labels': {'a': 'b'}}, "
		"'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}}}");
	autojson *desired = json_deep_copy(stated), *live = NULL, *merged = NULL;
	json_t *tree;

	defaults_apply(KIND_DEPLOYMENT, desired);
	live = json_deep_copy(desired);
	tree = ownership_defaulted(KIND_DEPLOYMENT, stated, desired);
	cr_assert(tree);
	json_set(desired, OWNERSHIP_DEFAULTED, tree);
	json_path_set_new(live, "spec.replicas", json_integer(9));
	json_path_set_new(live, "spec.revisionHistoryLimit", json_integer(2));
	merged = ownership_merge(live, desired, desired);
	cr_expect(json_equal(merged, live), "what only defaults gave was put back");
	json_path_set_new(live, "spec.template.spec.containers",
			  json_pack("[{s:s, s:s}]", "name", "c", "image", "other"));
	json_decref(merged);
	merged = ownership_merge(live, desired, desired);
	cr_expect_str_eq(json_path_str(merged, "spec.template.spec.containers.[0].image", ""), "i");
	cr_expect(json_path_int(merged, "spec.replicas", 0) == 9);
}

Test(ownership, naming_differences)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		autojson *a = json_like(differences[i].a), *b = json_like(differences[i].b);
		autofree char *got = ownership_differences(a, b);

		cr_expect(str_eq(got, differences[i].want), "%s\n got '%s'\nwant '%s'",
			  differences[i].name, got, differences[i].want);
	}
}
