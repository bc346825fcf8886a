/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of revisions: golden files (input NAME.yaml, outcome NAME.out: errors, notes, objects
 * with their defaults), and tables for what spans files and apps.
 */
#include "reconciler/manifest.h"

#include <criterion/criterion.h>
#include <fts.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "golden.h"
#include "reconciler/yamlout.h"

static void print_strings(struct strbuf *out, const char *head, const json_t *list)
{
	const json_t *line;
	size_t i;

	json_array_foreach(list, i, line) {
		strbuf_addf(out, "%s%s\n", head, json_string_value(line));
	}
}

static void print_app(struct strbuf *out, const json_t *app, bool objects)
{
	const json_t *entry;
	size_t i;

	print_strings(out, "error: ", json_object_get(app, "errors"));
	print_strings(out, "note: ", json_object_get(app, "notes"));
	json_array_foreach(json_object_get(app, "objects"), i, entry) {
		if (objects) {
			strbuf_addf(out, "--- # %s:%lld\n", json_path_str(entry, "file", ""),
				    (long long)json_path_int(entry, "line", 0));
			yamlout_write(out, json_object_get(entry, "object"));
		} else {
			strbuf_addf(out, "object: %s %s\n", json_path_str(entry, "object.kind", ""),
				    json_path_str(entry, "object.metadata.name", ""));
		}
	}
}

/* What the golden files were written for: a source that may ask for everything. */
static const json_t *everything(void)
{
	static json_t *policy;

	if (!policy)
		policy = json_pack("{s:s, s:{s:b, s:b, s:[s], s:[s]}}", "source", "shop", "allow",
				   "privileged", 1, "hostNetwork", 1, "hostPath", "/",
				   "capabilities", "ALL");
	return policy;
}

static const char *const cases[] = {
	"slides", "defaults",     "errors",   "unsupported", "volumes", "kinds",
	"checks", "checks_right", "rules",    "secret",      "service", "image",
	"job",    "jobs-wrong",   "settings", "annotations", NULL,
};

Test(manifest, golden)
{
	for (size_t i = 0; cases[i]; i++) {
		autofree char *in = mem_asprintf("manifest/%s.yaml", cases[i]);
		autofree char *out = mem_asprintf("manifest/%s.out", cases[i]);
		autofree char *path = mem_asprintf("app/%s.yaml", cases[i]);
		size_t len = 0;
		autofree char *text = golden_read(in, &len);
		const struct manifest_file file = {.path = path, .content = text, .len = len};
		const struct manifest_app app = {.name = "app", .files = &file, .n_files = 1};
		const struct manifest_input input = {
			.apps = &app, .n_apps = 1, .policy = everything()};
		autostrbuf got = STRBUF_INIT;
		autojson *result = NULL;

		cr_assert(text, "%s", in);
		result = manifest_decode(&input);
		print_app(&got, json_path(result, "apps.[0]"), true);
		golden_check(out, strbuf_str(&got));
	}
}

#define CONFIG(name) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\n"
#define IMAGE(name, spec)                                                                          \
	"apiVersion: recond.dev/v1\nkind: Image\nmetadata: {name: " name "}\nspec: {" spec "}\n"

/* clang-format off */
static const struct {
	const char *sentence;
	struct {
		const char *name;
		const char *path[3], *text[3];
		const char *dockerfiles[3];
	} apps[2];
	const char *want; /* apps separated by "|" */
} revisions[] = {
	{ "the same object twice in a file names both places",
	  { { "a", { "a/x.yaml" }, { CONFIG("c") "---\n" CONFIG("c") }, { NULL } } },
	  "error: a/x.yaml:5:1: ConfigMap/c: is there twice, first in a/x.yaml:1:1\n" },
	{ "the same object in two files names both places",
	  { { "a", { "a/x.yaml", "a/y.yaml" }, { CONFIG("c"), "\n" CONFIG("c") }, { NULL } } },
	  "error: a/y.yaml:2:1: ConfigMap/c: is there twice, first in a/x.yaml:1:1\n" },
	{ "an object of another app is left to it",
	  { { "a", { "a/x.yaml" }, { CONFIG("c") }, { NULL } }, { "b", { "b/x.yaml" }, { CONFIG("c") }, { NULL } } },
	  "object: ConfigMap c\n|error: b/x.yaml:1:1: ConfigMap/c: belongs to the app a already (a/x.yaml:1:1)\n" },
	{ "one name in two namespaces is two objects",
	  { { "a", { "a/x.yaml" }, { CONFIG("c") "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ns}\n" }, { NULL } } },
	  "object: ConfigMap c\nobject: ConfigMap c\n" },
	{ "a broken app does not stop another",
	  { { "a", { "a/x.yaml" }, { "kind: Pod\napiVersion: v1\nspec: [" }, { NULL } }, { "b", { "b/x.yaml" }, { CONFIG("c") }, { NULL } } },
	  "error: a/x.yaml:4:1: did not find expected node content while parsing a flow node (which began in line 4)\n|object: ConfigMap c\n" },
	{ "files that are no manifests are left alone",
	  { { "a", { "a/package.json", "a/ci.yml", "a/broken.yaml" }, { "{\"name\": \"x\"}", "kinds: [push]\n", "x: 1 # kind\n{{ .Values }}: [" }, { NULL } } },
	  "note: a/broken.yaml: not readable, and not a manifest by its looks: left alone\n"
	  "note: a/ci.yml:1:1: not a Kubernetes object (no apiVersion, no kind): left alone\n"
	  "note: a/package.json: not a Kubernetes object: left alone\n" },
	{ "a Dockerfile nobody names is an image called after its directory",
	  { { "shop", { NULL }, { NULL }, { "shop/Dockerfile", "shop/api/Dockerfile" } } },
	  "object: Image shop\nobject: Image api\n" },
	{ "a Dockerfile at the root is called after the app",
	  { { "site", { NULL }, { NULL }, { "Dockerfile" } } }, "object: Image site\n" },
	{ "a Dockerfile that an Image names is built once",
	  { { "a", { "a/i.yaml" }, { IMAGE("web", "context: .") }, { "a/Dockerfile" } } }, "object: Image web\n" },
	{ "a Dockerfile of another name is built only when it is named",
	  { { "a", { NULL }, { NULL }, { "a/Dockerfile.dev", "a/x.Dockerfile" } } }, "" },
	{ "an Image naming a Dockerfile that is not there",
	  { { "a", { "a/i.yaml" }, { IMAGE("web", "context: x") }, { "a/Dockerfile" } } },
	  "error: a/i.yaml:4:7: Image/web: spec.dockerfile: there is no file a/x/Dockerfile\n" },
	{ "an Image may look into a sibling, but not out of the source",
	  { { "a", { "a/i.yaml" }, { IMAGE("one", "context: ../b") "---\n" IMAGE("two", "context: ../../x") }, { "b/Dockerfile" } } },
	  "error: a/i.yaml:9:17: Image/two: spec.context: leads out of the source\n" },
	{ "two directories of one name can't both give the image",
	  { { "a", { NULL }, { NULL }, { "a/web/Dockerfile", "a/x/web/Dockerfile" } } },
	  "error: a/x/web/Dockerfile:1:1: would build an image web, as does a/web/Dockerfile:1; an Image object can give another name\n" },
	{ "two Images can't give one tag",
	  { { "a", { "a/i.yaml" }, { IMAGE("one", "tags: [x]") "---\n" IMAGE("two", "tags: ['x:latest']") }, { "a/Dockerfile" } } },
	  "error: a/i.yaml:6:1: Image/two: the tag x:latest is given by a/i.yaml:1 already\n" },
	{ "a directory whose name is no image's",
	  { { "My_App", { NULL }, { NULL }, { "My_App/Dockerfile" } } },
	  "note: My_App/Dockerfile: not built: an image can't be called as its directory is; an Image object can name it\n" },
};
/* clang-format on */

/* A build context may hold thousands of JSON files. */
Test(manifest, many_files_that_are_no_manifests_are_counted_not_listed)
{
	struct manifest_file files[3000];
	const struct manifest_app app = {.name = "a", .files = files, .n_files = ARRAY_SIZE(files)};
	const struct manifest_input input = {.apps = &app, .n_apps = 1};
	autojson *result = NULL;
	const json_t *notes;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		files[i] = (struct manifest_file){"a/node_modules/x/package.json", "{\"name\": 1}",
						  11};
	result = manifest_decode(&input);
	notes = json_path(result, "apps.[0].notes");
	cr_expect_eq(json_array_size(json_path(result, "apps.[0].errors")), 0);
	cr_expect_eq(json_array_size(notes), 6);
	cr_expect_str_eq(json_string_value(json_array_get(notes, 5)),
			 "2995 more files or documents are not Kubernetes objects: left alone");
}

/* ---- what could be used to stop the decoder ---- */

static char *numbered(const char *head, const char *before, const char *after, size_t times)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, head);
	for (size_t i = 0; i < times; i++)
		strbuf_addf(&out, "%s%zu%s", before, i, after);
	return strbuf_take(&out);
}

/* Decode TEXT (freed) within seconds of CPU although it has an error at every turn. */
static void check_bounded(const char *sentence, char *text)
{
	autofree char *owned = text;
	const struct manifest_file file = {
		.path = "a/x.yaml", .content = text, .len = strlen(text)};
	const struct manifest_app app = {.name = "a", .files = &file, .n_files = 1};
	const struct manifest_input input = {.apps = &app, .n_apps = 1};
	clock_t begin = clock();
	autojson *result = manifest_decode(&input);
	double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
	size_t errors = json_array_size(json_path(result, "apps.[0].errors"));

	cr_expect(errors > 0 && errors < 400, "%s: %zu errors", sentence, errors);
	cr_expect_lt(took, 5.0, "%s took %.2f s of CPU", sentence,
		     took); /* 0.3 s without sanitizers */
}

#define POD "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"

Test(manifest, hostile_manifests_are_refused_in_bounded_time)
{
	autofree char *mounts =
		numbered(POD "  containers:\n  - name: c\n    image: i\n    volumeMounts:\n",
			 "    - {mountPath: /a, name: w", "}\n", 12000);
	autofree char *volumes = numbered("  volumes:\n", "  - {name: v", "}\n", 12000);

	check_bounded("80,000 unknown fields", numbered(POD, "  k", ": 1\n", 80000));
	check_bounded("80,000 keys of the wrong form",
		      numbered("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n",
			       "  'k ", "': a\n", 60000));
	check_bounded("12,000 mounts of none of 12,000 volumes",
		      mem_asprintf("%s%s", mounts, volumes));
	check_bounded("20,000 ports of one name",
		      numbered(POD "  containers:\n  - name: c\n    image: i\n    ports:\n",
			       "    - {name: p, containerPort: ", "}\n", 20000));
	check_bounded("many objects of one name",
		      numbered("", "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}} #",
			       "\n", 250));
}

/* What is shown to people must work. */
Test(manifest, every_example_decodes_without_an_error)
{
	autofree char *root = mem_asprintf("%s/examples/manifests", getenv("SOURCE_DIR"));
	char *const paths[] = {root, NULL};
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *e;

	cr_assert(walk);
	while ((e = fts_read(walk))) {
		autofree char *name =
			mem_asprintf("../../examples/manifests%s", e->fts_path + strlen(root));
		autofree char *text = NULL;
		autostrbuf got = STRBUF_INIT;
		autojson *result = NULL;
		size_t len = 0;

		if (e->fts_info != FTS_F || !str_has_suffix(e->fts_name, ".yaml"))
			continue;
		text = golden_read(name, &len);
		cr_assert(text, "%s", name);
		{
			const struct manifest_file file = {
				.path = "a/x.yaml", .content = text, .len = len};
			const struct manifest_app app = {.name = "a", .files = &file, .n_files = 1};
			const struct manifest_input input = {.apps = &app, .n_apps = 1};

			result = manifest_decode(&input);
		}
		print_strings(&got, "", json_path(result, "apps.[0].errors"));
		cr_expect_eq(got.len, 0, "%s:\n%s", e->fts_path, strbuf_str(&got));
	}
	(void)fts_close(walk);
}

Test(manifest, revisions)
{
	for (size_t i = 0; i < ARRAY_SIZE(revisions); i++) {
		struct manifest_file files[2][3];
		struct manifest_app apps[2];
		struct manifest_input input = {.apps = apps};
		autostrbuf got = STRBUF_INIT;
		autojson *result = NULL;

		for (; input.n_apps < 2 && revisions[i].apps[input.n_apps].name; input.n_apps++) {
			size_t a = input.n_apps, n = 0;

			for (; n < 3 && revisions[i].apps[a].path[n]; n++)
				files[a][n] = (struct manifest_file){
					.path = revisions[i].apps[a].path[n],
					.content = revisions[i].apps[a].text[n],
					.len = strlen(revisions[i].apps[a].text[n]),
				};
			apps[a] = (struct manifest_app){
				.name = revisions[i].apps[a].name,
				.files = files[a],
				.n_files = n,
				.dockerfiles = revisions[i].apps[a].dockerfiles,
			};
		}
		result = manifest_decode(&input);
		for (size_t a = 0; a < input.n_apps; a++) {
			if (a)
				strbuf_addc(&got, '|');
			print_app(&got, json_array_get(json_object_get(result, "apps"), a), false);
		}
		cr_expect_str_eq(strbuf_str(&got), revisions[i].want, "%s:\n got  %s want %s",
				 revisions[i].sentence, strbuf_str(&got), revisions[i].want);
	}
}

/* Decoding what was decoded and printed gives the same: defaults are complete, printing loses
 * nothing. */
Test(manifest, decoding_is_a_fixpoint)
{
	for (size_t i = 0; cases[i]; i++) {
		autofree char *in = mem_asprintf("manifest/%s.yaml", cases[i]);
		size_t len = 0;
		autofree char *text = golden_read(in, &len);
		struct manifest_file file = {.path = "app/x.yaml", .content = text, .len = len};
		const struct manifest_app app = {.name = "app", .files = &file, .n_files = 1};
		const struct manifest_input input = {.apps = &app, .n_apps = 1};
		autojson *first = manifest_decode(&input);
		autojson *second = NULL;
		autostrbuf printed = STRBUF_INIT;
		const json_t *entry, *again;
		size_t k;

		json_array_foreach(json_path(first, "apps.[0].objects"), k, entry) {
			strbuf_adds(&printed, "---\n");
			yamlout_write(&printed, json_object_get(entry, "object"));
		}
		file.content = strbuf_str(&printed);
		file.len = printed.len;
		second = manifest_decode(&input);
		cr_expect_eq(json_array_size(json_path(second, "apps.[0].errors")), 0, "%s",
			     cases[i]);
		json_array_foreach(json_path(first, "apps.[0].objects"), k, entry) {
			again = json_array_get(json_path(second, "apps.[0].objects"), k);
			cr_expect(json_equal(json_object_get(entry, "object"),
					     json_object_get(again, "object")),
				  "%s: object %zu", cases[i], k);
		}
	}
}
