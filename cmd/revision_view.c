/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From revisions to the inputs of decoding and building. An app is a top-level directory; files at
 * the root form the app named after the source.
 */
#include "cmd/revision_view.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"

struct app_view {
	struct manifest_app app;
	char *name;
	struct manifest_file *files;
	size_t cap_files;
	struct strlist dockerfiles;
};

struct revision_view {
	struct revision *rev;
	struct manifest_input input;
	json_t *policy;
	struct app_view *apps;
	struct manifest_app *list;
	size_t n_apps;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_manifest(const char *path)
{
	return str_has_suffix(path, ".yaml") || str_has_suffix(path, ".yml") ||
	       str_has_suffix(path, ".json");
}

static bool is_yaml(const char *path)
{
	return str_has_suffix(path, ".yaml") || str_has_suffix(path, ".yml");
}

static bool is_dockerfile(const char *path)
{
	return str_eq(base_name(path), "Dockerfile");
}

/* ---- apps ---- */

/* A digest of the files at the root, which belong to no directory. */
static bool root_digest(const struct revision *rev, char ret[DIGEST_STR_SIZE])
{
	size_t n;
	const struct revision_entry *entries = revision_entries(rev, &n);
	_cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
	size_t len;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct revision_entry *e = &entries[i];

		if (strchr(e->path, '/') || S_ISDIR(e->mode))
			continue;
		digest_update(ctx, e->path, strlen(e->path) + 1);
		digest_update(ctx, e->digest, strlen(e->digest) + 1);
		any |= is_dockerfile(e->path) || is_yaml(e->path) ||
		       (is_manifest(e->path) && revision_content(rev, e->path, &len));
	}
	digest_final(ctx, ret);
	return any;
}

json_t *revision_view_apps(const struct revision *rev)
{
	json_t *apps = json_object();
	autostrlist names = {0};
	char root[DIGEST_STR_SIZE];

	revision_apps(rev, &names);
	for (size_t i = 0; i < names.n; i++)
		json_set(apps, names.items[i],
			 json_pack("{s:s}", "inputs", revision_dir_digest(rev, names.items[i])));
	if (root_digest(rev, root)) {
		json_t *same = json_object_get(apps, revision_source_name(rev));
		autofree char *both =
			mem_asprintf("%s %s", json_path_str(same, "inputs", ""), root);

		json_set(apps, revision_source_name(rev),
			 json_pack("{s:s}", "inputs", same ? both : root));
	}
	return apps;
}

/* ---- decoding ---- */

static struct app_view *view_app(struct revision_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_apps; i++) {
		if (str_eq(v->apps[i].name, name))
			return &v->apps[i];
	}
	v->apps = mem_realloc(v->apps, v->n_apps + 1, sizeof(*v->apps));
	v->apps[v->n_apps] = (struct app_view){.name = mem_strdup(name)};
	return &v->apps[v->n_apps++];
}

static void add_file(struct app_view *a, const char *path, const char *content, size_t len)
{
	GROW(a->files, a->cap_files, a->app.n_files + 1);
	a->files[a->app.n_files++] =
		(struct manifest_file){.path = path, .content = content, .len = len};
}

static void view_entry(struct revision_view *v, const struct revision_entry *e)
{
	const char *slash = strchr(e->path, '/');
	autofree char *name = slash ? mem_strndup(e->path, (size_t)(slash - e->path))
				    : mem_strdup(revision_source_name(v->rev));
	size_t len = 0;
	const char *content;

	if (S_ISDIR(e->mode))
		return;
	if (is_dockerfile(e->path))
		strlist_add(&view_app(v, name)->dockerfiles, e->path);
	if (!is_manifest(e->path))
		return;
	content = revision_content(v->rev, e->path, &len);
	if (content)
		add_file(view_app(v, name), e->path, content, len);
}

static const char *const no_strings[] = {NULL};

struct revision_view *revision_view_new(struct revision *rev, const json_t *policy)
{
	struct revision_view *v = NEW(struct revision_view);
	size_t n;
	const struct revision_entry *entries = revision_entries(rev, &n);

	v->rev = revision_ref(rev);
	for (size_t i = 0; i < n; i++)
		view_entry(v, &entries[i]);
	v->list = mem_calloc(v->n_apps + 1, sizeof(*v->list));
	for (size_t i = 0; i < v->n_apps; i++) {
		struct app_view *a = &v->apps[i];

		a->app.name = a->name;
		a->app.files = a->files;
		a->app.dockerfiles =
			a->dockerfiles.n ? (const char *const *)a->dockerfiles.items : no_strings;
		v->list[i] = a->app;
	}
	v->policy = json_deep_copy(policy);
	v->input =
		(struct manifest_input){.apps = v->list, .n_apps = v->n_apps, .policy = v->policy};
	return v;
}

struct revision_view *revision_view_free(struct revision_view *view)
{
	if (!view)
		return NULL;
	for (size_t i = 0; i < view->n_apps; i++) {
		free(view->apps[i].name);
		free(view->apps[i].files);
		strlist_deinit(&view->apps[i].dockerfiles);
	}
	free(view->apps);
	free(view->list);
	revision_unref(view->rev);
	json_decref(view->policy);
	free(view);
	return NULL;
}

const struct manifest_input *revision_view_input(const struct revision_view *view)
{
	return &view->input;
}

/* The app NAME of a decoded result, added when it has nothing else. Borrowed. */
static json_t *result_app(json_t *apps, const char *name)
{
	json_t *app;
	size_t i;

	json_array_foreach(apps, i, app) {
		if (str_eq(json_path_str(app, "name", ""), name))
			return app;
	}
	app = json_pack("{s:s, s:[], s:[], s:[]}", "name", name, "objects", "errors", "notes");
	json_array_append_new(apps, app);
	return app;
}

static void add_too_large(json_t *apps, const struct revision *rev, const struct revision_entry *e)
{
	const char *slash = strchr(e->path, '/');
	autofree char *name = slash ? mem_strndup(e->path, (size_t)(slash - e->path))
				    : mem_strdup(revision_source_name(rev));
	autofree char *text =
		mem_asprintf("%s: a manifest of %llu bytes: at most %u are read; split it", e->path,
			     (unsigned long long)e->size, REVISION_KEPT_FILE_MAX);
	json_t *app = result_app(apps, name);

	json_array_append_new(json_object_get(app, "errors"), json_text(text));
	json_set(app, "objects", json_array()); /* an app with an error has none */
}

json_t *revision_view_complete(const json_t *result, const struct revision *rev)
{
	json_t *whole = json_deep_copy(result);
	size_t n;
	const struct revision_entry *entries = revision_entries(rev, &n);

	for (size_t i = 0; i < n; i++) {
		const struct revision_entry *e = &entries[i];

		if (S_ISREG(e->mode) && is_yaml(e->path) && e->size > REVISION_KEPT_FILE_MAX)
			add_too_large(json_object_get(whole, "apps"), rev, e);
	}
	return whole;
}

/* ---- building ---- */

char *revision_view_context(const json_t *image)
{
	const char *context = json_path_str(image, "spec.context", "");
	autofree char *clean = NULL;

	while (*context == '/')
		context++;
	clean = fs_clean_path(context);
	return str_eq(clean, ".") ? mem_strdup("") : TAKE_PTR(clean);
}

/* PATH below DIR ("" is the root). Owned by the caller. */
static char *below(const char *dir, const char *path)
{
	return *dir ? mem_asprintf("%s/%s", dir, path) : mem_strdup(path);
}

static json_t *context_entry(const struct revision_entry *e, const char *dir)
{
	const char *path = *dir ? e->path + strlen(dir) + 1 : e->path;
	json_t *j = json_pack("{s:s, s:i, s:I, s:s, s:s}", "path", path, "mode", (int)e->mode,
			      "size", (json_int_t)e->size, "digest", e->digest, "real", e->real);

	if (S_ISLNK(e->mode))
		json_set(j, "content", json_text(e->content));
	return j;
}

static json_t *context_entries(const struct revision *rev, const char *dir)
{
	json_t *list = json_array();
	size_t n;
	const struct revision_entry *entries = revision_below(rev, dir, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, context_entry(&entries[i], dir));
	return list;
}

static void add_text(json_t *request, const char *key, const struct revision *rev, const char *dir,
		     const char *name)
{
	autofree char *path = below(dir, name);
	size_t len;
	const char *text = revision_content(rev, path, &len);

	if (text)
		json_set(request, key, json_text(text));
}

/* Dockerfile.dockerignore stands before .dockerignore, as BuildKit has it. */
static void add_ignore(json_t *request, const struct revision *rev, const char *dir,
		       const char *dockerfile)
{
	autofree char *own = mem_asprintf("%s.dockerignore", dockerfile);

	add_text(request, "dockerignoreText", rev, dir, own);
	if (!json_object_get(request, "dockerignoreText"))
		add_text(request, "dockerignoreText", rev, dir, ".dockerignore");
}

static void copy_member(json_t *request, const json_t *image, const char *key)
{
	json_t *value = json_object_get(json_object_get(image, "spec"), key);

	if (value)
		json_set(request, key, json_incref(value));
}

int revision_view_build_request(json_t **ret, const struct revision *rev, const json_t *image,
				const char *state_dir, const char *content_dir, struct err *err)
{
	autofree char *dir = revision_view_context(image);
	const char *dockerfile = json_path_str(image, "spec.dockerfile", "Dockerfile");
	const char *name = json_path_str(image, "metadata.name", "");
	autojson *request = NULL;

	if (*dir && !revision_dir_digest(rev, dir))
		return err_set(err, ERR_INVALID, ENOENT, "BuildFailed",
			       "Image/%s: spec.context: no directory '%s' in %s", name, dir,
			       revision_source(rev));
	request = json_pack("{s:s, s:s, s:s, s:o, s:s}", "stateDir", state_dir, "name", name,
			    "contextDir", content_dir ? content_dir : "", "entries",
			    context_entries(rev, dir), "dockerfile", dockerfile);
	assert(request);
	add_text(request, "dockerfileText", rev, dir, dockerfile);
	if (!json_object_get(request, "dockerfileText"))
		return err_set(err, ERR_INVALID, ENOENT, "BuildFailed",
			       "Image/%s: spec.dockerfile: no file '%s%s%s' in %s", name, dir,
			       *dir ? "/" : "", dockerfile, revision_source(rev));
	add_ignore(request, rev, dir, dockerfile);
	copy_member(request, image, "tags");
	copy_member(request, image, "target");
	copy_member(request, image, "buildArgs");
	copy_member(request, image, "platform");
	*ret = TAKE_PTR(request);
	return 0;
}
