/* SPDX-License-Identifier: Apache-2.0 */
/* The three patches: the RFCs' own examples, kubectl's directives, and what is refused. */
#include "reconciler/patch.h"

#include <criterion/criterion.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* JSON written with ' for ". Owned by the caller. */
static json_t *parse(const char *text)
{
	autofree char *copy = mem_strdup(text);
	json_error_t e;
	json_t *j;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	j = json_loads(copy, JSON_DECODE_ANY, &e);
	cr_assert(j, "%s: %s", text, e.text);
	return j;
}

static void expect(const char *sentence, const json_t *got, const char *want_text)
{
	autojson *want = parse(want_text);
	autofree char *text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

	cr_expect(got && json_equal(got, want), "%s:\n got %s\nwant %s", sentence, text, want_text);
}

/* clang-format off */
static const struct { const char *sentence, *doc, *patch, *want; } merges[] = {
	/* RFC 7386, appendix A */
	{ "a member is replaced", "{'a':'b'}", "{'a':'c'}", "{'a':'c'}" },
	{ "a member is added", "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}" },
	{ "null removes", "{'a':'b'}", "{'a':null}", "{}" },
	{ "null removes one of several", "{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}" },
	{ "a list is replaced by a text", "{'a':['b']}", "{'a':'c'}", "{'a':'c'}" },
	{ "a text by a list", "{'a':'c'}", "{'a':['b']}", "{'a':['b']}" },
	{ "objects are merged", "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}" },
	{ "lists are not", "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}" },
	{ "a list as a whole", "['a','b']", "['c','d']", "['c','d']" },
	{ "an object becomes a list", "{'a':'b'}", "['c']", "['c']" },
	{ "or null", "{'a':'foo'}", "null", "null" },
	{ "or a text", "{'a':'foo'}", "'bar'", "'bar'" },
	{ "null that is there stays", "{'e':null}", "{'a':1}", "{'e':null,'a':1}" },
	{ "a list becomes an object, without nulls", "[1,2]", "{'a':'b','c':null}", "{'a':'b'}" },
	{ "nulls deep inside go", "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}" },
};

static const struct { const char *sentence, *doc, *ops, *want, *error; } operations[] = {
	/* RFC 6902, appendix A */
	{ "add a member", "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'baz':'qux','foo':'bar'}", NULL },
	{ "add an element", "{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}", NULL },
	{ "remove a member", "{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}", NULL },
	{ "remove an element", "{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}", NULL },
	{ "replace", "{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]", "{'baz':'boo','foo':'bar'}", NULL },
	{ "move a member", "{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
	  "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]", "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}", NULL },
	{ "move an element", "{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
	  "{'foo':['all','cows','eat','grass']}", NULL },
	{ "copy", "{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'},{'op':'replace','path':'/c/b','value':2}]", "{'a':{'b':1},'c':{'b':2}}", NULL },
	{ "test that holds", "{'baz':'qux','foo':['a',2,'c']}", "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
	  "{'baz':'qux','foo':['a',2,'c']}", NULL },
	{ "test that fails", "{'baz':'qux'}", "[{'op':'remove','path':'/baz'},{'op':'test','path':'/baz','value':'bar'}]", NULL,
	  "operation 1 (test): testing value /baz failed" },
	{ "an object inside", "{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]", "{'foo':'bar','child':{'grandchild':{}}}", NULL },
	{ "unknown members of an operation are ignored", "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", "{'foo':'bar','baz':'qux'}", NULL },
	{ "add below what is not there", "{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", NULL,
	  "operation 0 (add): there is nothing at '/baz/bat'" },
	{ "~1 is / and ~0 is ~", "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10},{'op':'remove','path':'/~1'}]", "{'~1':10}", NULL },
	{ "a text is no number", "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", NULL, "operation 0 (test): testing value /~01 failed" },
	{ "- is the end of a list", "{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc']}]", "{'foo':['bar',['abc']]}", NULL },
	{ "the whole document", "{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", "{'b':2}", NULL },
	{ "a member called with the empty name", "{'':{'':1}}", "[{'op':'remove','path':'//'}]", "{'':{}}", NULL },
	{ "beyond the end", "{'a':[1]}", "[{'op':'add','path':'/a/2','value':3}]", NULL, "operation 0 (add): '/a/2' is no place of a list of 1 elements" },
	{ "a leading zero is no index", "{'a':[1,2]}", "[{'op':'remove','path':'/a/01'}]", NULL, "operation 0 (remove): there is nothing to remove at '/a/01'" },
	{ "- is nothing to remove", "{'a':[1]}", "[{'op':'remove','path':'/a/-'}]", NULL, "operation 0 (remove): there is nothing to remove at '/a/-'" },
	{ "a missing member", "{}", "[{'op':'replace','path':'/a','value':1}]", NULL, "operation 0 (replace): there is nothing to replace at '/a'" },
	{ "into itself", "{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/c'}]", NULL, "operation 0 (move): '/a' cannot be moved into itself" },
	{ "not a pointer", "{'a':1}", "[{'op':'remove','path':'a'}]", NULL, "operation 0 (remove): 'a' is not a JSON pointer" },
	{ "no path", "{}", "[{'op':'add','value':1}]", NULL, "operation 0 (add): path is missing" },
	{ "no value", "{}", "[{'op':'add','path':'/a'}]", NULL, "operation 0 (add): value is missing" },
	{ "no from", "{}", "[{'op':'copy','path':'/a'}]", NULL, "operation 0 (copy): from is missing" },
	{ "no such operation", "{}", "[{'op':'merge','path':'/a'}]", NULL, "operation 0 (merge): there is no operation 'merge'" },
	{ "no list", "{}", "{}", NULL, "a JSON patch is a list of operations" },
	{ "no object among the operations", "{}", "[1]", NULL, "operation 0 (?): there is no operation ''" },
};

#define POD(containers) "{'spec': {'containers': [" containers "]}}"
#define A "{'name': 'a', 'image': 'i:1', 'env': [{'name': 'X', 'value': '1'}, {'name': 'Y', 'value': '2'}]}"
#define B "{'name': 'b', 'image': 'j:1', 'ports': [{'containerPort': 53, 'protocol': 'UDP'}, {'containerPort': 53, 'protocol': 'TCP', 'name': 't'}]}"

static const struct { const char *sentence; enum kind kind; const char *doc, *patch, *want, *error; } strategic[] = {
	{ "an element of a keyed list is merged", KIND_POD, POD(A), POD("{'name': 'a', 'image': 'i:2'}"),
	  POD("{'name': 'a', 'image': 'i:2', 'env': [{'name': 'X', 'value': '1'}, {'name': 'Y', 'value': '2'}]}"), NULL },
	{ "an unknown one is added at the end", KIND_POD, POD(A), POD("{'name': 'c', 'image': 'k'}"), POD(A ", {'name': 'c', 'image': 'k'}"), NULL },
	{ "lists in lists have keys, too", KIND_POD, POD(A), POD("{'name': 'a', 'env': [{'name': 'Y', 'value': '3'}, {'name': 'Z', 'value': '4'}]}"),
	  POD("{'name': 'a', 'image': 'i:1', 'env': [{'name': 'X', 'value': '1'}, {'name': 'Y', 'value': '3'}, {'name': 'Z', 'value': '4'}]}"), NULL },
	{ "an element is deleted", KIND_POD, POD(A ", " B), POD("{'name': 'a', '$patch': 'delete'}"), POD(B), NULL },
	{ "what is not there need not be deleted", KIND_POD, POD(B), POD("{'name': 'a', '$patch': 'delete'}"), POD(B), NULL },
	{ "an element is replaced", KIND_POD, POD(A), POD("{'name': 'a', 'image': 'x', '$patch': 'replace'}"), POD("{'name': 'a', 'image': 'x'}"), NULL },
	{ "a list is replaced", KIND_POD, POD(A), POD("{'$patch': 'replace'}, {'name': 'c', 'image': 'k'}"), POD("{'name': 'c', 'image': 'k'}"), NULL },
	{ "null removes a member", KIND_POD, POD(A), POD("{'name': 'a', 'env': null}"), POD("{'name': 'a', 'image': 'i:1'}"), NULL },
	{ "a list without a key is replaced", KIND_POD, POD("{'name': 'a', 'args': ['1', '2']}"), POD("{'name': 'a', 'args': ['3']}"),
	  POD("{'name': 'a', 'args': ['3']}"), NULL },
	{ "a port is known by its number", KIND_POD, POD("{'name': 'a', 'ports': [{'containerPort': 80, 'protocol': 'TCP'}]}"),
	  POD("{'name': 'a', 'ports': [{'containerPort': 80, 'name': 'web'}]}"),
	  POD("{'name': 'a', 'ports': [{'containerPort': 80, 'protocol': 'TCP', 'name': 'web'}]}"), NULL },
	{ "and by its protocol when the patch names it", KIND_POD, POD(B), POD("{'name': 'b', 'ports': [{'containerPort': 53, 'protocol': 'TCP', 'name': 'tcp'}]}"),
	  POD("{'name': 'b', 'image': 'j:1', 'ports': [{'containerPort': 53, 'protocol': 'UDP'}, {'containerPort': 53, 'protocol': 'TCP', 'name': 'tcp'}]}"), NULL },
	{ "an element without its key", KIND_POD, POD(A), POD("{'image': 'i:2'}"), NULL, "containers: an element of the patch lacks its merge key 'name'" },
	{ "the order that is asked for", KIND_POD, POD("{'name': 'a'}, {'name': 'b'}"),
	  "{'spec': {'$setElementOrder/containers': [{'name': 'c'}, {'name': 'a'}], 'containers': [{'name': 'c'}]}}",
	  POD("{'name': 'b'}, {'name': 'c'}, {'name': 'a'}"), NULL },
	{ "what the patch does not know keeps its neighbours", KIND_POD, POD("{'name': 'x'}, {'name': 'a'}, {'name': 'b'}"),
	  "{'spec': {'$setElementOrder/containers': [{'name': 'a'}, {'name': 'b'}]}}", POD("{'name': 'x'}, {'name': 'a'}, {'name': 'b'}"), NULL },
	{ "an order that names one twice", KIND_POD, POD("{'name': 'a'}, {'name': 'b'}"),
	  "{'spec': {'$setElementOrder/containers': [{'name': 'b'}, {'name': 'b'}, {'name': 'a'}]}}", POD("{'name': 'b'}, {'name': 'a'}"), NULL },
	{ "only some keys are kept", KIND_DEPLOYMENT, "{'spec': {'strategy': {'type': 'RollingUpdate', 'rollingUpdate': {'maxSurge': 1}}}}",
	  "{'spec': {'strategy': {'$retainKeys': ['type'], 'type': 'Recreate'}}}", "{'spec': {'strategy': {'type': 'Recreate'}}}", NULL },
	{ "a map is merged", KIND_CONFIGMAP, "{'data': {'a': '1', 'b': '2'}}", "{'data': {'b': null, 'c': '3'}}", "{'data': {'a': '1', 'c': '3'}}", NULL },
	{ "or replaced", KIND_CONFIGMAP, "{'data': {'a': '1', 'b': '2'}}", "{'data': {'$patch': 'replace', 'c': '3'}}", "{'data': {'c': '3'}}", NULL },
	{ "or deleted", KIND_CONFIGMAP, "{'data': {'a': '1'}}", "{'data': {'$patch': 'delete'}}", "{}", NULL },
	{ "annotations as kubectl rollout restart writes them", KIND_DEPLOYMENT, "{'spec': {'template': {'metadata': {'labels': {'a': 'b'}}}}}",
	  "{'spec': {'template': {'metadata': {'annotations': {'kubectl.kubernetes.io/restartedAt': 't'}}}}}",
	  "{'spec': {'template': {'metadata': {'labels': {'a': 'b'}, 'annotations': {'kubectl.kubernetes.io/restartedAt': 't'}}}}}", NULL },
	{ "sets are united", KIND_CONFIGMAP, "{'metadata': {'finalizers': ['a/b', 'c/d']}}", "{'metadata': {'finalizers': ['c/d', 'e/f']}}",
	  "{'metadata': {'finalizers': ['a/b', 'c/d', 'e/f']}}", NULL },
	{ "values are taken out of a set", KIND_CONFIGMAP, "{'metadata': {'finalizers': ['a/b', 'c/d']}}",
	  "{'metadata': {'$deleteFromPrimitiveList/finalizers': ['a/b', 'x/y']}}", "{'metadata': {'finalizers': ['c/d']}}", NULL },
	{ "owners are known by their uid", KIND_POD, "{'metadata': {'ownerReferences': [{'uid': '1', 'name': 'a'}]}}",
	  "{'metadata': {'ownerReferences': [{'uid': '1', '$patch': 'delete'}]}}", "{'metadata': {'ownerReferences': []}}", NULL },
	{ "directives in what is new are not kept", KIND_POD, "{}", "{'spec': {'$retainKeys': ['x'], 'x': 1, 'y': null}}", "{'spec': {'x': 1}}", NULL },
	{ "an unknown $patch", KIND_POD, "{}", "{'$patch': 'burn'}", NULL, "unknown $patch directive 'burn'" },
	{ "an unknown directive", KIND_POD, "{}", "{'$burn': []}", NULL, "unknown directive '$burn'" },
	{ "a directive that is no list", KIND_POD, "{}", "{'$retainKeys': 1}", NULL, "$retainKeys must be a list" },
	{ "no object", KIND_POD, "{}", "[]", NULL, "a strategic merge patch is an object" },
};
/* clang-format on */

Test(patch, merge)
{
	for (size_t i = 0; i < ARRAY_SIZE(merges); i++) {
		autojson *doc = parse(merges[i].doc), *patch = parse(merges[i].patch);
		autojson *before = json_deep_copy(doc), *got = patch_merge(doc, patch);

		expect(merges[i].sentence, got, merges[i].want);
		cr_expect(json_equal(doc, before), "%s: the document is not touched",
			  merges[i].sentence);
	}
}

Test(patch, operations)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		autojson *doc = parse(operations[i].doc), *ops = parse(operations[i].ops);
		autojson *before = json_deep_copy(doc), *got = NULL;
		struct err err = {0};
		int r = patch_json(&got, doc, ops, &err);

		cr_expect((r == 0) == (operations[i].want != NULL), "%s: %s",
			  operations[i].sentence, err.message);
		if (r == 0)
			expect(operations[i].sentence, got, operations[i].want);
		else
			cr_expect_str_eq(err.message, operations[i].error, "%s: %s",
					 operations[i].sentence, err.message);
		cr_expect(json_equal(doc, before), "%s: the document is not touched",
			  operations[i].sentence);
	}
}

Test(patch, strategic)
{
	for (size_t i = 0; i < ARRAY_SIZE(strategic); i++) {
		autojson *doc = parse(strategic[i].doc), *patch = parse(strategic[i].patch);
		autojson *before = json_deep_copy(doc), *got = NULL;
		struct err err = {0};
		int r = patch_strategic(&got, strategic[i].kind, doc, patch, &err);

		cr_expect((r == 0) == (strategic[i].want != NULL), "%s: %s", strategic[i].sentence,
			  err.message);
		if (r == 0)
			expect(strategic[i].sentence, got, strategic[i].want);
		else
			cr_expect_str_eq(err.message, strategic[i].error, "%s: %s",
					 strategic[i].sentence, err.message);
		cr_expect(json_equal(doc, before), "%s: the document is not touched",
			  strategic[i].sentence);
	}
}

Test(patch, copies_that_double_a_document_are_bounded)
{
	autojson *doc = parse("{'a': ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx']}");
	autojson *ops = json_array(), *got = NULL;
	struct err err = {0};

	for (int i = 0; i < 60; i++)
		json_array_append_new(ops, json_pack("{s:s, s:s, s:s}", "op", "copy", "from", "/a",
						     "path", "/a/-"));
	cr_assert_lt(patch_json(&got, doc, ops, &err), 0);
	cr_assert_eq(err.code, -E2BIG, "%s", err.message);
	while (json_array_size(ops) <= PATCH_OPS_MAX)
		json_array_append_new(ops, json_object());
	cr_assert_lt(patch_json(&got, doc, ops, &err), 0);
	cr_assert_str_eq(err.message, "more than 10000 operations");
}
