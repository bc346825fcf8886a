/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source objects: what is shown of each source, how a problem comes and goes, and what becomes of
 * apps whose source is configured no more.
 */
#include "reconciler/sources.h"

#include "tests/unit/policy/lib.h"

struct rig {
	struct still_world world;
	struct store *store;
	struct reconciler *r;
	unsigned int decodes;
};

static uint64_t rig_now(void *data)
{
	return (uint64_t)(((struct rig *)data)->world.now_ns / 1000000);
}

static int64_t rig_realtime(void *data)
{
	return still_realtime(&((struct rig *)data)->world);
}

static void rig_random(void *data, void *buf, size_t n)
{
	still_random(&((struct rig *)data)->world, buf, n);
}

static void rig_wake(void *data UNUSED, uint64_t at_ms UNUSED)
{
}

static void rig_decode(void *data, const char *source UNUSED, const char *revision UNUSED)
{
	((struct rig *)data)->decodes++;
}

static void rig_start(struct rig *rig)
{
	struct ports ports = {.data = rig,
			      .now_ms = rig_now,
			      .realtime_ns = rig_realtime,
			      .random = rig_random,
			      .wake_at = rig_wake,
			      .decode = rig_decode};
	struct reconciler_config config = {.node_name = "n", .host_ip = "127.0.0.1"};

	rig->r = reconciler_new(rig->store, &ports, &config);
	reconciler_recovered(rig->r);
}

static void rig_run(struct rig *rig)
{
	struct err err = {0};

	cr_assert(reconciler_run(rig->r, &err) == 0, "%s", err.message);
}

static void rig_init(struct rig *rig)
{
	*rig = (struct rig){0};
	rig->store = store_in(&rig->world, NULL);
	rig_start(rig);
}

static void rig_deinit(struct rig *rig)
{
	rig->r = reconciler_free(rig->r);
	rig->store = store_free(rig->store);
}

static void configure(struct rig *rig, const char *text)
{
	autojson *sources = json_like(text);

	reconciler_sources(rig->r, sources);
	rig_run(rig);
}

static void revision(struct rig *rig, const char *source, const char *id, const char *apps)
{
	autojson *j = json_like(apps);

	reconciler_revision(rig->r, source, id, j);
	rig_run(rig);
}

/* An app of SOURCE that was made before: its record and its object. */
static void app_exists(struct rig *rig, const char *app, const char *source)
{
	autojson *doc = json_pack("{s:s, s:[]}", "source", source, "ledger");
	autofree char *text =
		mem_asprintf("{'apiVersion': 'recond.dev/v1', 'kind': 'App', 'metadata': {'name': "
			     "'%s'}, 'spec': {'source': '%s'}}",
			     app, source);

	(void)create(rig->store, text);
	store_doc_put(rig->store, "apps", app, doc);
}

static const json_t *source(struct rig *rig, const char *name)
{
	return store_get(rig->store, KIND_SOURCE, NULL, name);
}

static void expect_phase(struct rig *rig, const char *name, const char *phase, const char *reason)
{
	const json_t *o = source(rig, name);

	cr_assert(o, "there is no Source %s", name);
	cr_expect_str_eq(json_path_str(o, "status.phase", ""), phase, "%s: %s", name,
			 json_path_str(o, "status.message", ""));
	cr_expect_str_eq(json_path_str(o, "status.reason", ""), reason, "%s", name);
}

static size_t events_of(struct rig *rig, const char *reason)
{
	autojson *list = store_list(rig->store, KIND_EVENT, NULL);
	size_t i, n = 0;
	json_t *e;

	json_array_foreach(list, i, e) {
		n += str_eq(json_path_str(e, "reason", ""), reason);
	}
	return n;
}

#define SHOP "{'shop': {'location': '/srv/shop', 'spec': {'path': '/srv/shop'}}}"

Test(sources, a_source_is_shown_from_the_first_moment_and_ready_once_it_was_read)
{
	struct rig rig;

	rig_init(&rig);
	configure(&rig, SHOP);
	expect_phase(&rig, "shop", "Waiting", "NotRead");
	expect_json("spec", json_object_get(source(&rig, "shop"), "spec"), "{'path': '/srv/shop'}");
	revision(&rig, "shop", "sha256:1", "{}");
	expect_phase(&rig, "shop", "Ready", "");
	cr_expect_str_eq(json_path_str(source(&rig, "shop"), "status.revision", ""), "sha256:1");
	cr_expect_eq(rig.decodes, 1);
	rig_deinit(&rig);
}

Test(sources, a_problem_shows_with_its_remedy_and_goes)
{
	struct rig rig;
	struct err err = {0};
	const json_t *o;

	rig_init(&rig);
	configure(&rig, SHOP);
	(void)err_set(&err, ERR_TRANSIENT, ENOENT, "SourceMissing", "/srv/shop: not there");
	rig.world.now_ns = INT64_C(60) * 1000000000;
	reconciler_source_problem(rig.r, "shop", &err);
	rig_run(&rig);
	expect_phase(&rig, "shop", "Failed", "SourceMissing");
	o = source(&rig, "shop");
	cr_expect_str_eq(json_path_str(o, "status.message", ""), "/srv/shop: not there");
	cr_expect(*json_path_str(o, "status.remedy", ""));
	cr_expect_str_eq(json_path_str(object_condition(o, "Ready"), "lastTransitionTime", ""),
			 "1970-01-01T00:01:00Z", "since when");
	cr_expect_eq(events_of(&rig, "SourceMissing"), 1);
	reconciler_source_problem(rig.r, "shop", NULL);
	rig_run(&rig);
	expect_phase(&rig, "shop", "Waiting", "NotRead");
	reconciler_source_problem(rig.r, "nobody", &err);
	rig_run(&rig);
	cr_expect_null(source(&rig, "nobody"));
	rig_deinit(&rig);
}

Test(sources, a_configuration_that_is_not_used_shows_on_every_source)
{
	struct rig rig;
	struct err err = {0};
	const json_t *c;

	rig_init(&rig);
	configure(&rig, SHOP);
	(void)err_invalid(&err, "/etc/x.yaml:3:1: no");
	reconciler_configuration_problem(rig.r, &err);
	rig_run(&rig);
	c = object_condition(source(&rig, "shop"), "ConfigurationCurrent");
	cr_expect_str_eq(json_path_str(c, "status", ""), "False");
	cr_expect_str_eq(json_path_str(c, "message", ""), "/etc/x.yaml:3:1: no");
	reconciler_configuration_problem(rig.r, NULL);
	rig_run(&rig);
	c = object_condition(source(&rig, "shop"), "ConfigurationCurrent");
	cr_expect_str_eq(json_path_str(c, "status", ""), "True");
	rig_deinit(&rig);
}

Test(sources, apps_of_a_source_that_is_configured_no_more_stay_and_it_says_so)
{
	struct rig rig;

	rig_init(&rig);
	app_exists(&rig, "web", "shop");
	rig_deinit(&(struct rig){.r = rig.r}); /* the next start finds the app */
	rig_start(&rig);
	configure(&rig, "{'other': {'location': '/srv/other', 'spec': {}}}");
	expect_phase(&rig, "shop", "NotConfigured", "NotConfigured");
	expect_json("apps", json_path(source(&rig, "shop"), "status.apps"), "['web']");
	cr_expect(store_doc_get(rig.store, "apps", "web"), "the app is kept");
	rig_deinit(&rig);
}

Test(sources, a_source_without_apps_goes_with_its_configuration)
{
	struct rig rig;

	rig_init(&rig);
	configure(&rig, SHOP);
	configure(&rig, "{}");
	cr_expect_null(source(&rig, "shop"));
	rig_deinit(&rig);
}

Test(sources, another_source_may_take_over_apps_of_one_that_went)
{
	struct rig rig;

	rig_init(&rig);
	configure(&rig, SHOP);
	revision(&rig, "shop", "sha256:1", "{'web': {'inputs': 'a'}}");
	configure(&rig, "{'new': {'location': '/srv/shop', 'spec': {}}}");
	expect_phase(&rig, "shop", "NotConfigured", "NotConfigured");
	revision(&rig, "new", "sha256:1", "{'web': {'inputs': 'a'}}");
	cr_expect_null(source(&rig, "shop"), "nothing is left of it");
	expect_json("apps", json_path(source(&rig, "new"), "status.apps"), "['web']");
	rig_deinit(&rig);
}

Test(sources, two_sources_that_are_configured_do_not_take_each_others_apps)
{
	struct rig rig;

	rig_init(&rig);
	configure(&rig,
		  "{'a': {'location': '/a', 'spec': {}}, 'b': {'location': '/b', 'spec': {}}}");
	revision(&rig, "a", "sha256:1", "{'web': {'inputs': 'a'}}");
	revision(&rig, "b", "sha256:2", "{'web': {'inputs': 'b'}}");
	expect_json("a", json_path(source(&rig, "a"), "status.apps"), "['web']");
	expect_json("b", json_path(source(&rig, "b"), "status.apps"), "[]");
	rig_deinit(&rig);
}

/* clang-format off */
static const struct {
	const char *sentence, *source, *want; /* WANT without the digits of the hash */
} names[] = {
	{ "a source with a name of its own has that", "shop.prod", "shop.prod" },
	{ "a path is called by its last component", "/srv/shop", "shop-" },
	{ "a branch belongs to it", "/srv/Shop.git#release/1", "1-" },
	{ "what no name may hold is left out", "/srv/_Über uns__", "ber-uns-" },
	{ "a path of nothing else", "/srv/___", "" },
};
/* clang-format on */

Test(sources, objects_are_named_after_their_source)
{
	autofree char *a = sources_object_name("/srv/a/shop"),
		      *b = sources_object_name("/srv/b/shop");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		autofree char *got = sources_object_name(names[i].source);
		size_t n = strlen(got), hash = *names[i].source == '/' ? 8 : 0;

		cr_expect(n == strlen(names[i].want) + hash &&
				  !strncmp(got, names[i].want, n - hash),
			  "%s: got %s", names[i].sentence, got);
	}
	cr_expect_str_neq(a, b, "two folders of one name are two sources");
}
