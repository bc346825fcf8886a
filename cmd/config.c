/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options and files to a list of sources. Files are read here, decoded by the worker, and what
 * it answers is checked against the host: users, programs, keys.
 */
#include "cmd/config.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "cmd/config_check.h"
#include "cmd/trusted.h"
#include "reconciler/format.h"
#include "reconciler/manifest_worker.h"

#define FILE_MAX_BYTES (1u << 20)
#define FILES_MAX 1000

struct config_load {
	sd_event *loop;
	sd_event_source *soon; /* when there is nothing to decode */
	bool checks;           /* hooks are checked, too: they will be run */
	struct manifest_worker *worker;
	struct manifest_file *files; /* path and content are owned here */
	size_t n_files, cap_files;
	struct config_result result;
	config_load_fn fn;
	void *data;
};

static void source_clear(struct config_source *s)
{
	free(s->name);
	free(s->location);
	free(s->place);
	json_decref(s->policy);
	json_decref(s->hooks);
	json_decref(s->shown);
	*s = (struct config_source){};
}

void config_deinit(struct config *c)
{
	for (size_t i = 0; i < c->n; i++)
		source_clear(&c->sources[i]);
	free(c->sources);
	*c = (struct config){};
}

void config_result_deinit(struct config_result *r)
{
	config_deinit(&r->config);
	strlist_deinit(&r->errors);
	strlist_deinit(&r->warnings);
}

const struct config_source *config_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->sources[i].name, name))
			return &c->sources[i];
	return NULL;
}

json_t *config_announcement(const struct config *c)
{
	json_t *all = json_object();

	for (size_t i = 0; i < c->n; i++) {
		const struct config_source *s = &c->sources[i];

		json_set(all, s->name,
			 json_pack("{s:s, s:O}", "location", s->location, "spec", s->shown));
	}
	return all;
}

static struct config_source *add_source(struct config *c)
{
	GROW(c->sources, c->cap, c->n + 1);
	c->sources[c->n] = (struct config_source){};
	return &c->sources[c->n++];
}

/* ---- plain sources ---- */

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where the branch begins in "PATH#BRANCH"; NULL when TEXT is a path alone, as watch/ sees it. */
static const char *branch_of(const char *text)
{
	const char *hash = strrchr(text, '#');

	return hash && !is_dir(text) ? hash + 1 : NULL;
}

static void add_plain(struct config_load *l, const char *text)
{
	const char *branch = branch_of(text);
	size_t n = branch ? (size_t)(branch - 1 - text) : strlen(text);
	const char *short_name = branch ? str_skip_prefix(branch, "refs/heads/") ?: branch : "";
	autofree char *path = mem_strndup(text, n);
	struct config_source *s;

	if (branch && format_check(FORMAT_BRANCH, short_name)) {
		strlist_add_take(&l->result.errors,
				 mem_asprintf("source '%s': '%s' is not the name of a branch", text,
					      branch));
		return;
	}
	if (config_find(&l->result.config, text))
		return;
	s = add_source(&l->result.config);
	s->name = mem_strdup(text);
	s->location = mem_strdup(text);
	s->place = mem_strdup("");
	s->policy = json_pack("{s:s, s:{}}", "source", text, "allow");
	s->hooks = json_array();
	s->shown = branch ? json_pack("{s:s, s:s, s:{}}", "repository", path, "branch", short_name,
				      "policy")
			  : json_pack("{s:s, s:{}}", "path", path, "policy");
}

/* ---- Source files ---- */

/* SPEC without words that may be a secret: arguments, headers, the path and query of a URL. */
static json_t *without_secrets(const json_t *spec)
{
	json_t *shown = json_deep_copy(spec), *hook, *value;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(shown, "notify"), i, hook) {
		json_t *command = json_object_get(hook, "command");
		const char *url = json_path_str(hook, "webhook.url", NULL);

		if (json_array_size(command) > 1) {
			json_t *program = json_incref(json_array_get(command, 0));

			json_set(hook, "command", json_pack("[o, s]", program, "..."));
		}
		json_object_foreach(json_path(hook, "webhook.headers"), key, value) {
			(void)json_string_set(value, "...");
		}
		if (url) {
			const char *host = strstr(url, "://") + 3;
			int n = (int)(host - url + (ptrdiff_t)strcspn(host, "/?#"));
			autofree char *text = mem_asprintf("%.*s%s", n, url, url[n] ? "/..." : "");

			json_path_set_new(hook, "webhook.url", json_text(text));
		}
	}
	return shown;
}

/* Another source that watches the same is an error of the later one. */
static void check_location(struct config_load *l, const struct config_source *s)
{
	for (size_t i = 0; i < l->result.config.n; i++) {
		const struct config_source *other = &l->result.config.sources[i];

		if (other == s || !str_eq(other->location, s->location))
			continue;
		strlist_add_take(
			&l->result.errors,
			mem_asprintf("%s: Source/%s: '%s' is the source '%s' already%s%s%s",
				     s->place, s->name, s->location, other->name,
				     *other->place ? " (" : "", other->place,
				     *other->place ? ")" : ""));
		return;
	}
}

static void add_object(struct config_load *l, const json_t *entry)
{
	const json_t *o = json_object_get(entry, "object");
	const char *file = json_path_str(entry, "file", "");
	const char *branch = json_path_str(o, "spec.branch", NULL);
	autofree char *path = fs_clean_path(
		json_path_str(o, "spec.path", json_path_str(o, "spec.repository", "")));
	struct config_source *s = add_source(&l->result.config);
	json_t *hooks = json_path(o, "spec.notify");

	s->name = mem_strdup(json_path_str(o, "metadata.name", ""));
	s->location = branch ? mem_asprintf("%s#%s", path, branch) : mem_strdup(path);
	s->place = mem_asprintf("%s:%lld:%lld", file, (long long)json_path_int(entry, "line", 0),
				(long long)json_path_int(entry, "column", 0));
	s->policy = json_pack("{s:s, s:s, s:O}", "source", s->name, "file", file, "allow",
			      json_path(o, "spec.policy"));
	s->hooks = hooks ? json_deep_copy(hooks) : json_array();
	s->shown = without_secrets(json_object_get(o, "spec"));
	check_location(l, s);
	if (l->checks)
		config_check_hooks(s, &l->result.errors, &l->result.warnings);
}

static void add_strings(struct strlist *to, const json_t *from)
{
	const json_t *line;
	size_t i;

	json_array_foreach(from, i, line) {
		strlist_add(to, json_string_value(line));
	}
}

static void finish(void *data)
{
	struct config_load *l = data;
	struct config_result *result = &l->result;

	if (result->errors.n == 0 && result->config.n == 0)
		strlist_add(&result->warnings, "no source is configured");
	l->fn(l, result, l->data);
}

static void on_decoded(struct manifest_worker *w UNUSED, const json_t *answer,
		       const struct err *err, void *data)
{
	struct config_load *l = data;
	const json_t *entry;
	size_t i;

	if (!answer)
		strlist_add(&l->result.errors, err->message);
	add_strings(&l->result.errors, json_path(answer, "apps.[0].errors"));
	add_strings(&l->result.warnings, json_path(answer, "apps.[0].notes"));
	json_array_foreach(json_path(answer, "apps.[0].objects"), i, entry) {
		add_object(l, entry);
	}
	finish(l);
}

static void read_source_file(struct config_load *l, const char *dir, const char *name)
{
	autofree char *path = mem_asprintf("%s/%s", dir, name);
	autofree char *text = NULL;
	struct err err = {};
	size_t n;

	if (trusted_read(&text, &n, path, 022, FILE_MAX_BYTES, &err) < 0) {
		strlist_add(&l->result.errors, err.message);
		return;
	}
	GROW(l->files, l->cap_files, l->n_files + 1);
	l->files[l->n_files++] =
		(struct manifest_file){.path = TAKE_PTR(path), .content = TAKE_PTR(text), .len = n};
}

/* Names of the files in the directory behind FD (kept open by the caller), sorted. */
static void list_files(struct strlist *ret, int fd)
{
	DIR *d = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.' &&
		    (str_has_suffix(e->d_name, ".yaml") || str_has_suffix(e->d_name, ".yml")))
			strlist_add(ret, e->d_name);
	}
	if (d)
		(void)closedir(d);
	strlist_sort(ret);
}

static void read_dir(struct config_load *l, const char *dir, bool must_exist)
{
	autostrlist names = {};
	struct err err = {};
	autoclose int fd = trusted_open(dir, S_IFDIR, 022, &err);

	if (fd == -ENOENT && !must_exist)
		return;
	if (fd < 0) {
		strlist_add(&l->result.errors, err.message);
		return;
	}
	list_files(&names, fd);
	if (names.n > FILES_MAX)
		strlist_add_take(&l->result.errors,
				 mem_asprintf("%s: more than %d files", dir, FILES_MAX));
	for (size_t i = 0; i < names.n && names.n <= FILES_MAX; i++)
		read_source_file(l, dir, names.items[i]);
}

static int decode(struct config_load *l, struct err *err)
{
	const struct manifest_app all = {
		.name = "sources", .files = l->files, .n_files = l->n_files};
	const struct manifest_input input = {.apps = &all, .n_apps = 1, .configuration = true};

	if (l->n_files == 0) {
		int r = loop_timer(&l->soon, l->loop, 0, finish, l);

		return r < 0 ? err_errno(err, r, "timer") : 0;
	}
	return manifest_worker_start(&l->worker, l->loop, &input, on_decoded, l, err);
}

int config_load_start(struct config_load **ret, sd_event *loop, const struct options *o,
		      config_load_fn fn, void *data, struct err *err)
{
	_cleanup_(config_load_freep) struct config_load *l = NEW(struct config_load);
	int r;

	assert(ret && loop && o && fn);
	l->loop = sd_event_ref(loop);
	l->fn = fn;
	l->data = data;
	l->checks = o->mode != OPTIONS_DRY_RUN;
	for (size_t i = 0; i < o->sources.n; i++)
		add_plain(l, o->sources.items[i]);
	if (*o->sources_dir)
		read_dir(l, o->sources_dir, o->sources_dir_given);
	r = decode(l, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

struct config_load *config_load_free(struct config_load *l)
{
	if (!l)
		return NULL;
	manifest_worker_free(l->worker);
	sd_event_source_disable_unref(l->soon);
	for (size_t i = 0; i < l->n_files; i++) {
		free((char *)l->files[i].path);
		free((char *)l->files[i].content);
	}
	free(l->files);
	config_result_deinit(&l->result);
	sd_event_unref(l->loop);
	free(l);
	return NULL;
}

/* ---- at once ---- */

struct now {
	sd_event *loop;
	bool done;
	struct config_result *ret;
};

static void on_loaded(struct config_load *l UNUSED, struct config_result *result, void *data)
{
	struct now *now = data;

	now->done = true;
	*now->ret = *result;
	*result = (struct config_result){};
	(void)sd_event_exit(now->loop, 0);
}

void config_load_now(struct config_result *ret, const struct options *o)
{
	struct now now = {.ret = ret};
	struct config_load *l = NULL;
	struct err err = {};
	int r;

	*ret = (struct config_result){};
	r = loop_new(&now.loop, &err);
	if (r == 0)
		r = config_load_start(&l, now.loop, o, on_loaded, &now, &err);
	if (r == 0)
		(void)sd_event_loop(now.loop);
	if (r == 0 && !now.done)
		r = err_errno(&err, EINTR, "read the configuration");
	if (r < 0)
		strlist_add(&ret->errors, err.message);
	config_load_free(l);
	sd_event_unref(now.loop);
}
