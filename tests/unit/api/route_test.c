/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: every row has a rule and is denied to strangers; paths are exact; selectors and Accept
 * headers are read as kubectl writes them.
 */
#include "api/route_priv.h"

#include <criterion/criterion.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/selector_priv.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/api/fixture.h"

/* A path that PATTERN's route answers. */
static char *example_path(const char *pattern)
{
	static const struct {
		const char *word;
		const char *value;
	} values[] = {
		{"{group}", "apps"}, {"{version}", "v1"}, {"{plural}", "deployments"},
		{"{ns}", "default"}, {"{name}", "web"},   {"{sub}", "retry"},
	};
	autostrbuf path = STRBUF_INIT;

	while (*pattern) {
		size_t n = strcspn(pattern, "}") + 1;
		bool replaced = false;

		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			if (*pattern != '{' || strncmp(values[i].word, pattern, n) != 0)
				continue;
			strbuf_adds(&path, values[i].value);
			pattern += n;
			replaced = true;
			break;
		}
		if (!replaced)
			strbuf_addc(&path, *pattern++);
	}
	return strbuf_take(&path);
}

static unsigned int ask(struct api *api, const char *method, const char *path, bool is_operator)
{
	struct request r = {.method = method, .path = path};
	autoreply reply = {};

	route_dispatch(api, &r, is_operator, &reply);
	return reply.status;
}

Test(route, every_row_has_a_rule_and_refuses_strangers_and_other_verbs)
{
	static const char *const verbs[] = {"OPTIONS", "CONNECT", "TRACE", "Get",
					    "get",     "post",    ""};
	static const char *const writes[] = {"POST", "PUT", "PATCH", "DELETE"};
	struct store *store = fixture_store();
	struct api api = {.store = store, .version = "0"};
	size_t n;
	const struct route *routes = route_table(&n);

	for (size_t i = 0; i < n; i++) {
		autofree char *path = example_path(routes[i].pattern);
		bool open = routes[i].rule == ROUTE_OPEN;

		cr_expect(routes[i].rule > ROUTE_DENY && routes[i].rule < ROUTE_RULE_N_,
			  "%s has no rule", path);
		cr_expect_eq(open,
			     str_eq(path, "/healthz") || str_eq(path, "/livez") ||
				     str_eq(path, "/readyz"),
			     "%s", path);
		cr_expect_eq(ask(&api, "GET", path, false) == 403, !open, "GET %s by a stranger",
			     path);
		cr_expect_eq(ask(&api, "HEAD", path, false) == 403, !open, "HEAD %s by a stranger",
			     path);
		cr_expect_neq(ask(&api, "GET", path, true), 403, "GET %s by an operator", path);
		for (size_t v = 0; v < ARRAY_SIZE(writes); v++)
			cr_expect_eq(ask(&api, writes[v], path, false) == 403, !open,
				     "%s %s by a stranger", writes[v], path);
		for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
			unsigned int got = ask(&api, verbs[v], path, true);

			cr_expect_eq(got, 405, "%s %s: got %u, want 405", verbs[v], path, got);
		}
	}
	store_free(store);
}

static const struct {
	const char *sentence;
	const char *path;
	const char *pattern; /* NULL: no route */
	const char *variables;
} paths[] = {
	/* clang-format off */
	{ "a namespace is an object like others", "/api/v1/namespaces/x", "/api/v1/{plural}/{name}", ",v1,namespaces,,x" },
	{ "a list in a namespace", "/api/v1/namespaces/x/pods", "/api/v1/namespaces/{ns}/{plural}", ",v1,pods,x," },
	{ "an object of a group", "/apis/apps/v1/namespaces/x/deployments/d",
	  "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", "apps,v1,deployments,x,d" },
	{ "a scale", "/apis/apps/v1/namespaces/x/deployments/d/scale",
	  "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}/scale", "apps,v1,deployments,x,d" },
	{ "a log", "/api/v1/namespaces/x/pods/p/log", "/api/v1/namespaces/{ns}/pods/{name}/log", ",v1,,x,p" },
	{ "only pods have logs", "/api/v1/namespaces/x/services/p/log", NULL, "" },
	{ "the local images stand before the kinds", "/apis/recond.dev/v1/localimages", "/apis/recond.dev/v1/localimages", ",,,," },
	{ "a trailing slash is another path", "/api/v1/", NULL, "" },
	{ "an empty segment is another path", "/api/v1//pods", NULL, "" },
	{ "a doubled slash at the start is another path", "//api", NULL, "" },
	{ "the root leads nowhere", "/", NULL, "" },
	{ "the empty path leads nowhere", "", NULL, "" },
	{ "case matters", "/API", NULL, "" },
	/* clang-format on */
};

Test(route, paths_are_exact)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct request r = {.method = "GET", .path = paths[i].path};
		const struct route *route = route_match(&r);
		autofree char *variables =
			mem_asprintf("%s,%s,%s,%s,%s", r.group, r.version, r.plural, r.ns, r.name);

		cr_expect(str_eq(route ? route->pattern : NULL, paths[i].pattern), "%s: got %s",
			  paths[i].sentence, route ? route->pattern : "none");
		if (route)
			cr_expect_str_eq(variables, paths[i].variables, "%s: got %s",
					 paths[i].sentence, variables);
	}
}

Test(route, a_name_longer_than_any_name_leads_nowhere)
{
	autostrbuf path = STRBUF_INIT;
	struct request r = {.method = "GET"};

	strbuf_adds(&path, "/api/v1/namespaces/");
	for (int i = 0; i < 300; i++)
		strbuf_addc(&path, 'a');
	r.path = strbuf_str(&path);
	cr_expect_null(route_match(&r));
}

static const struct {
	const char *sentence;
	const char *labels;
	const char *fields;
	int result; /* 1 selects, 0 does not, -1 is refused */
} selectors[] = {
	/* the object: labels app=web, tier=front; name n, namespace x; status.phase Running */
	{"nothing selects everything", "", "", 1},
	{"equality", "app=web", "", 1},
	{"equality with two signs", "app==web", "", 1},
	{"inequality", "app!=web", "", 0},
	{"inequality holds for a missing key", "zone!=a", "", 1},
	{"a set", "app in (db, web)", "", 1},
	{"a negated set", "app notin (db,web)", "", 0},
	{"a negated set holds for a missing key", "zone notin (a)", "", 1},
	{"existence", "tier", "", 1},
	{"absence", "!tier", "", 0},
	{"terms are joined by and", "app=web,tier=back", "", 0},
	{"spaces do not matter", " app = web , tier ", "", 1},
	{"an empty value is a value", "app=", "", 0},
	{"a key is needed", "=web", "", -1},
	{"a set needs parentheses", "app in web", "", -1},
	{"a set must end", "app in (web", "", -1},
	{"numbers are not compared", "app>1", "", -1},
	{"nothing may follow a term", "app=web tier", "", -1},
	{"nothing may follow an absence", "!app=web", "", -1},
	{"a trailing comma is refused", "app=web,", "", -1},
	{"a field", "", "metadata.name=n", 1},
	{"a field with two signs", "", "status.phase==Running", 1},
	{"a negated field", "", "status.phase!=Running", 0},
	{"fields are joined by and", "", "metadata.name=n,metadata.namespace=y", 0},
	{"a missing field is empty", "", "spec.nodeName=", 1},
	{"other fields are refused", "", "spec.hostname=n", -1},
	{"fields of another kind are refused", "", "involvedObject.name=n", -1},
	{"a field needs a value", "", "metadata.name", -1},
	{"labels and fields are joined by and", "app=web", "metadata.name=other", 0},
};

Test(route, selectors_are_read_as_kubectl_writes_them)
{
	autojson *object =
		json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}}, s:{s:s}}", "apiVersion", "v1",
			  "kind", "Pod", "metadata", "name", "n", "namespace", "x", "labels", "app",
			  "web", "tier", "front", "status", "phase", "Running");

	cr_assert(object);
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		struct selector *s = NULL;
		struct err err = {};
		int got = selector_parse(&s, KIND_POD, selectors[i].labels, selectors[i].fields,
					 &err);

		if (got == 0)
			got = selector_matches(s, object);
		else
			got = -1;
		cr_expect_eq(got, selectors[i].result, "%s: got %d (%s)", selectors[i].sentence,
			     got, err.message);
		selector_free(s);
	}
}

static const struct {
	const char *sentence;
	const char *accept;
	bool table;
} accepts[] = {
	{"no header", NULL, false},
	{"anything", "*/*", false},
	{"plain JSON", "application/json", false},
	{"kubectl's header",
	 "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
	 true},
	{"spaces and another order", "application/json; g=meta.k8s.io; v=v1; as=Table", true},
	{"JSON preferred", "application/json,application/json;as=Table;v=v1;g=meta.k8s.io", false},
	{"an old version of tables alone", "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
	 false},
	{"a table in a form that we do not speak",
	 "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", false},
};

Test(route, tables_are_for_those_who_prefer_them)
{
	for (size_t i = 0; i < ARRAY_SIZE(accepts); i++) {
		struct request r = {.accept = accepts[i].accept};

		cr_expect_eq(request_wants_table(&r), accepts[i].table, "%s", accepts[i].sentence);
	}
}
