/* SPDX-License-Identifier: Apache-2.0 */
/* Object accessors: selectors, owners, conditions, normalisation. */
#include "reconciler/object.h"

#include <criterion/criterion.h>

#include "base/str.h"

static json_t *parse(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	cr_assert(j, "%s: %s", text, e.text);
	return j;
}

Test(object, names_are_borrowed_and_empty_when_absent)
{
	autojson *o =
		parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"}}}");

	cr_assert_str_eq(object_name(o), "a");
	cr_assert_str_eq(object_namespace(o), "");
	cr_assert_str_eq(object_label(o, "x"), "1");
	cr_assert_null(object_annotation(o, "x"));
	cr_assert_str_eq(object_name(NULL), "");
}

Test(object, describe_leaves_the_default_namespace_out)
{
	autojson *a =
		parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\"}}");
	autojson *b = parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"}}");
	autofree char *da = object_describe(a);
	autofree char *db = object_describe(b);

	cr_assert_str_eq(da, "Pod/a");
	cr_assert_str_eq(db, "Pod/n/a");
}

Test(object, a_draft_is_changed_without_its_original)
{
	autojson *o = parse("{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"replicas\":1,"
			    "\"template\":{}},\"status\":{\"conditions\":[]}}");
	autojson *draft = object_draft(o);
	autofree char *before = json_canonical(o), *after = NULL;

	json_path_set_new(draft, "metadata.labels.a", json_text("c"));
	json_path_set_new(draft, "spec.replicas", json_integer(2));
	json_array_append_new(json_path(draft, "status.conditions"), json_true());
	after = json_canonical(o);
	cr_expect_str_eq(after, before);
	cr_expect_eq(json_path(draft, "spec.template"), json_path(o, "spec.template"), "is shared");
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *selector; /* NULL: none */
	bool matches;
} selectors[] = {
	{ "no selector selects nothing", NULL, false },
	{ "an empty selector selects everything", "{}", true },
	{ "all labels must be equal", "{\"matchLabels\":{\"app\":\"web\",\"tier\":\"front\"}}", true },
	{ "one different label is enough to fail", "{\"matchLabels\":{\"app\":\"web\",\"tier\":\"back\"}}", false },
	{ "a missing label fails", "{\"matchLabels\":{\"zone\":\"a\"}}", false },
	{ "In wants one of the values",
	  "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\",\"values\":[\"db\",\"web\"]}]}", true },
	{ "In fails on a missing key",
	  "{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"a\"]}]}", false },
	{ "NotIn also selects what lacks the key",
	  "{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"NotIn\",\"values\":[\"a\"]}]}", true },
	{ "NotIn fails on one of the values",
	  "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"NotIn\",\"values\":[\"web\"]}]}", false },
	{ "Exists wants the key", "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Exists\"}]}", true },
	{ "DoesNotExist wants it away",
	  "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"DoesNotExist\"}]}", false },
	{ "labels and expressions are and-ed",
	  "{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"Exists\"}]}", false },
	{ "an unknown operator selects nothing",
	  "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Like\"}]}", false },
};
/* clang-format on */

Test(object, selectors)
{
	autojson *labels = parse("{\"app\":\"web\",\"tier\":\"front\"}");

	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		autojson *s = selectors[i].selector ? parse(selectors[i].selector) : NULL;

		cr_expect_eq(object_selector_matches(s, labels), selectors[i].matches, "%s",
			     selectors[i].sentence);
	}
}

Test(object, an_owner_is_known_by_uid_not_by_name)
{
	autojson *owner = parse("{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","
				"\"metadata\":{\"name\":\"r\",\"uid\":\"u1\"}}");
	autojson *again = parse("{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","
				"\"metadata\":{\"name\":\"r\",\"uid\":\"u2\"}}");
	autojson *pod =
		parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"ownerReferences\":[]}}");

	cr_assert_null(object_controller_ref(pod));
	json_array_append_new(json_path(pod, "metadata.ownerReferences"), object_owner_ref(owner));
	cr_assert(object_is_controlled_by(pod, owner));
	cr_assert_not(object_is_controlled_by(pod, again));
}

Test(object, an_orphan_is_not_controlled_by_an_object_without_uid)
{
	autojson *o = parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}");

	cr_assert_not(object_is_controlled_by(o, o));
}

Test(object, a_condition_keeps_its_transition_time_while_the_status_stays)
{
	autojson *o = parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}");

	cr_assert(object_set_condition(o, "Ready", "False", "Starting", "wait", "t1"));
	cr_assert_not(object_set_condition(o, "Ready", "False", "Starting", "wait", "t2"));
	cr_assert(object_set_condition(o, "Ready", "False", "Starting", "still", "t3"));
	cr_assert_str_eq(json_string_value(json_object_get(object_condition(o, "Ready"),
							   "lastTransitionTime")),
			 "t1");
	cr_assert(object_set_condition(o, "Ready", "True", NULL, NULL, "t4"));
	cr_assert_str_eq(json_string_value(json_object_get(object_condition(o, "Ready"),
							   "lastTransitionTime")),
			 "t4");
	cr_assert_null(json_object_get(object_condition(o, "Ready"), "reason"));
	cr_assert_null(json_object_get(object_condition(o, "Ready"), "lastUpdateTime"));
}

Test(object, progress_of_a_deployment_moves_its_update_time_at_every_call)
{
	autojson *o = parse("{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"}}");
	const json_t *c;

	cr_assert(object_set_condition(o, "Progressing", "True", "ReplicaSetUpdated", "m", "t1"));
	cr_assert_not(
		object_set_condition(o, "Progressing", "True", "ReplicaSetUpdated", "m", "t2"));
	c = object_condition(o, "Progressing");
	cr_assert_str_eq(json_string_value(json_object_get(c, "lastUpdateTime")), "t2");
	cr_assert_str_eq(json_string_value(json_object_get(c, "lastTransitionTime")), "t1");
}

Test(object, normalising_leaves_what_a_source_can_ask_for)
{
	autojson *o = parse(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\",\"uid\":\"u\","
		"\"resourceVersion\":\"7\",\"generation\":2,\"creationTimestamp\":\"t\",\"annotations\":{"
		"\"recond.dev/app\":\"a\",\"deployment.kubernetes.io/revision\":\"3\",\"mine\":\"x\"}},"
		"\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"recond.dev/config-hash\":\"h\"}},"
		"\"spec\":{}}},\"status\":{\"replicas\":1}}");
	autojson *want = parse(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\","
		"\"annotations\":{\"mine\":\"x\"}},\"spec\":{\"template\":{\"spec\":{}}}}");
	autojson *got = object_normalised(o);
	autofree char *text = json_dumps(got, 0);

	cr_assert(json_equal(got, want), "got %s", text);
	cr_assert_str_eq(object_uid(o), "u", "the original is untouched");
}

Test(object, an_implicit_image_stays_marked)
{
	autojson *o = parse("{\"kind\":\"Image\",\"metadata\":{\"name\":\"i\",\"annotations\":{"
			    "\"recond.dev/implicit\":\"true\"}}}");
	autojson *got = object_normalised(o);

	cr_assert_str_eq(object_annotation(got, "recond.dev/implicit"), "true");
}
