/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: golden files (NAME.desired.yaml as app "web" of source "src" against NAME.live.yaml), the
 * guard, who owns what, and that nothing is left to do once a plan was followed.
 */
#include "reconciler/plan.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "golden.h"
#include "reconciler/diff.h"
#include "reconciler/manifest.h"
#include "reconciler/object.h"
#include "reconciler/yaml.h"

static json_t *decode(const char *text)
{
	const struct manifest_file file = {
		.path = "web/app.yaml", .content = text, .len = strlen(text)};
	const struct manifest_app app = {.name = "web", .files = &file, .n_files = 1};
	const struct manifest_input input = {.apps = &app, .n_apps = 1};
	json_t *result = manifest_decode(&input);
	json_t *apps = json_incref(json_object_get(result, "apps"));

	json_decref(result);
	return apps;
}

/* The documents of TEXT as an array. */
static json_t *documents(const char *text)
{
	json_t *list = json_array();
	struct yaml_file f;

	cr_assert_eq(yaml_read(&f, text, strlen(text)), 0);
	for (size_t i = 0; i < f.n_documents; i++)
		json_array_append(list, f.documents[i].value);
	yaml_file_deinit(&f);
	return list;
}

static const char *const cases[] = {"fresh", "changes", "broken", "gone", "conflict", NULL};

Test(plan, golden)
{
	for (size_t i = 0; cases[i]; i++) {
		autofree char *desired_name = mem_asprintf("plan/%s.desired.yaml", cases[i]);
		autofree char *live_name = mem_asprintf("plan/%s.live.yaml", cases[i]);
		autofree char *text_name = mem_asprintf("plan/%s.txt", cases[i]);
		autofree char *json_name = mem_asprintf("plan/%s.json", cases[i]);
		autofree char *desired = golden_read(desired_name, NULL);
		autofree char *live_text = golden_read(live_name, NULL);
		autojson *apps = NULL, *live = NULL, *builds = NULL, *j = NULL;
		_cleanup_(plan_freep) struct plan *plan = NULL;
		autostrbuf out = STRBUF_INIT;
		autofree char *pretty = NULL;

		cr_assert(desired && live_text, "%s", cases[i]);
		apps = decode(desired);
		live = documents(live_text);
		builds = json_pack("[{s:s, s:s, s:b, s:s}, {s:s, s:s, s:b}]", "app", "web", "name",
				   "site", "current", false, "why", "page.html changed", "app",
				   "web", "name", "tools", "current", true);
		plan = plan_compute(&(struct plan_input){
			.source = "src", .apps = apps, .live = live, .builds = builds});
		plan_render_text(&out, plan, false);
		golden_check(text_name, strbuf_str(&out));
		j = plan_render_json(plan);
		pretty = json_pretty(j);
		golden_check(json_name, pretty);
	}
}

/* What the server makes of a decoded object. */
static json_t *applied(const json_t *object, const char *app)
{
	json_t *o = json_deep_copy(object);

	json_path_set_new(o, "metadata.uid", json_text("0-1-2"));
	json_path_set_new(o, "metadata.resourceVersion", json_text("5"));
	json_path_set_new(o, "metadata.creationTimestamp", json_text("2026-01-01T00:00:00Z"));
	if (!json_path(o, "metadata.annotations"))
		json_path_set_new(o, "metadata.annotations", json_object());
	json_set(json_path(o, "metadata.annotations"), "recond.dev/app", json_text(app));
	json_set(o, "status", json_object());
	if (object_kind(o) == KIND_DEPLOYMENT) {
		json_set(json_path(o, "metadata.annotations"), "deployment.kubernetes.io/revision",
			 json_text("1"));
		if (!json_path(o, "spec.template.metadata.annotations"))
			json_path_set_new(o, "spec.template.metadata.annotations", json_object());
		json_set(json_path(o, "spec.template.metadata.annotations"),
			 "recond.dev/image-digests", json_text("{}"));
		json_set(json_path(o, "spec.template.metadata.annotations"),
			 "recond.dev/config-hash", json_text("sha256:0"));
	}
	if (object_kind(o) == KIND_POD)
		json_path_set_new(o, "spec.nodeName", json_text("host"));
	if (object_kind(o) == KIND_SERVICE)
		json_path_set_new(o, "spec.clusterIP", json_text("10.96.0.7"));
	if (object_kind(o) == KIND_NAMESPACE)
		json_path_set_new(o, "spec", json_pack("{s:[s]}", "finalizers", "kubernetes"));
	return o;
}

/* The store after TEXT was applied as app "web" of "src". */
static json_t *live_after(const json_t *apps)
{
	json_t *live = json_pack("[{s:s, s:s, s:{s:s}, s:{s:s}}]", "apiVersion", "recond.dev/v1",
				 "kind", "App", "metadata", "name", "web", "spec", "source", "src");
	const json_t *entry;
	size_t i;

	json_array_foreach(json_path(json_array_get(apps, 0), "objects"), i, entry) {
		json_array_append_new(live, applied(json_object_get(entry, "object"), "web"));
	}
	return live;
}

static void check_settled(const char *what, const char *text)
{
	autojson *apps = decode(text);
	autojson *live = live_after(apps);
	_cleanup_(plan_freep) struct plan *plan =
		plan_compute(&(struct plan_input){.source = "src", .apps = apps, .live = live});
	autostrbuf out = STRBUF_INIT;

	plan_render_text(&out, plan, false);
	cr_expect_not(plan_has_changes(plan), "%s:\n%s", what, strbuf_str(&out));
}

Test(plan, nothing_is_left_to_do_after_an_apply)
{
	autofree char *dir_name = mem_asprintf("%s/tests/golden/manifest", getenv("SOURCE_DIR"));
	DIR *dir = opendir(dir_name);
	const struct dirent *e;
	size_t n = 0;

	cr_assert(dir);
	while ((e = readdir(dir))) {
		autofree char *name = mem_asprintf("manifest/%s", e->d_name);
		autofree char *text = NULL;

		if (!str_has_suffix(e->d_name, ".yaml"))
			continue;
		text = golden_read(name, NULL);
		check_settled(e->d_name, text);
		n++;
	}
	cr_assert_geq(n, 5);
	(void)closedir(dir);
}

/* clang-format off */
static const struct {
	const char *sentence;
	int owned, kept;
	bool confirm, held;
} guards[] = {
	{ "ten objects may lose half", 10, 5, false, false },
	{ "ten objects may not lose six", 10, 4, false, true },
	{ "nine objects may not lose five", 9, 4, false, true },
	{ "three objects may lose one", 3, 2, false, false },
	{ "three objects may not lose two", 3, 1, false, true },
	{ "one of one is nothing left", 1, 0, false, true },
	{ "nothing may be left of nothing", 2, 0, false, true },
	{ "a confirmation lets it all go", 12, 0, true, false },
	{ "what stays needs no confirmation", 12, 12, false, false },
};
/* clang-format on */

static json_t *configs(int n, bool live)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++) {
		autofree char *name = mem_asprintf("c%d", i);
		json_t *o = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}}", "apiVersion", "v1",
				      "kind", "ConfigMap", "metadata", "name", name, "namespace",
				      "default", "annotations", "recond.dev/app", "web");

		json_array_append_new(list, live ? o : json_pack("{s:o}", "object", o));
	}
	return list;
}

Test(plan, the_guard_against_mass_deletion)
{
	for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
		autojson *apps = json_pack("[{s:s, s:o, s:[], s:[]}]", "name", "web", "objects",
					   configs(guards[i].kept, false), "errors", "notes");
		autojson *live = configs(guards[i].owned, true);
		_cleanup_(plan_freep) struct plan *plan =
			plan_compute(&(struct plan_input){.source = "src",
							  .apps = apps,
							  .live = live,
							  .confirm_prune = guards[i].confirm});

		cr_expect_eq(str_eq(plan->apps[0].held, "prune"), guards[i].held, "%s",
			     guards[i].sentence);
		cr_expect_eq(plan->apps[0].n_changes, (size_t)(guards[i].owned - guards[i].kept),
			     "%s", guards[i].sentence);
		cr_expect_eq(plan_has_errors(plan), guards[i].held, "%s", guards[i].sentence);
	}
}

#define SECRET(value)                                                                              \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: " value              \
	", same: xyzzy}\n"

Test(plan, a_plan_shows_that_a_secret_changes_but_not_to_what)
{
	autojson *before = decode(SECRET("hunter2")), *after = decode(SECRET("hunter3"));
	autojson *live = live_after(before);
	_cleanup_(plan_freep) struct plan *plan =
		plan_compute(&(struct plan_input){.source = "src", .apps = after, .live = live});
	autojson *j = plan_render_json(plan);
	autofree char *text = json_pretty(j);

	cr_assert(strstr(text, "(hidden, after)"), "%s", text);
	cr_assert_null(strstr(text, "aHVudGVyM"), "%s", text);
	cr_assert_null(strstr(text, "eHl6enk="), "%s", text);
}
