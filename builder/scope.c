/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image configuration and variables of a stage.
 */
#include "builder/scope.h"

#include <assert.h>
#include <ctype.h>

#include "base/fs.h"
#include "base/strbuf.h"
#include "builder/port.h"
#include "runtime/imageconfig.h"

/* What a stage inherits from its base image; everything else in its configuration stays behind. */
static const char *const inherited[] = {
	"Env",          "Cmd",     "Entrypoint", "WorkingDir",  "User",  "Labels",
	"ExposedPorts", "Volumes", "StopSignal", "Healthcheck", "Shell",
};

#define FAIL(d, in, ...) (diag_error((d), (in)->line, __VA_ARGS__), -EINVAL)

static void set_text(json_t *object, const char *key, const char *value)
{
	json_set(object, key, json_text(value));
}

static const char *get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* Replace "NAME=..." in config.Env in place, or append it. */
static void set_env(struct scope *s, const char *name, const char *value)
{
	json_t *env = json_object_get(s->config, "Env"), *item;
	autofree char *text = mem_asprintf("%s=%s", name, value);
	size_t i, n = strlen(name);

	json_array_foreach(env, i, item) {
		const char *old = json_string_value(item);

		if (old && strncmp(old, name, n) == 0 && old[n] == '=') {
			json_array_set_new(env, i, json_text(text));
			return;
		}
	}
	json_array_append_new(env, json_text(text));
}

static void init_vars(struct scope *s)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(s->config, "Env"), i, item) {
		const char *text = json_string_value(item), *eq = text ? strchr(text, '=') : NULL;

		if (eq && eq > text) {
			autofree char *name = mem_strndup(text, (size_t)(eq - text));

			set_text(s->vars, name, eq + 1);
		}
	}
	if (!json_object_get(s->vars, "PATH")) {
		set_env(s, "PATH", SCOPE_PATH);
		set_text(s->vars, "PATH", SCOPE_PATH);
	}
}

void scope_init(struct scope *s, const json_t *document, char escape)
{
	const json_t *config = json_object_get(document, "config");

	*s = (struct scope){.config = json_object(),
			    .vars = json_object(),
			    .args = json_object(),
			    .escape = escape};
	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
		json_t *value = json_object_get(config, inherited[i]);

		if (value && !json_is_null(value))
			json_set(s->config, inherited[i], json_deep_copy(value));
	}
	if (!json_is_array(json_object_get(s->config, "Env")))
		json_set(s->config, "Env", json_array());
	if (!document)
		set_text(s->config, "WorkingDir", "/");
	init_vars(s);
}

void scope_init_from(struct scope *s, const struct scope *from)
{
	*s = (struct scope){
		.config = json_deep_copy(from->config),
		.vars = json_deep_copy(from->vars),
		.args = json_deep_copy(from->args),
		.author = mem_strdup(from->author),
		.escape = from->escape,
		.build_args = from->build_args,
		.globals = from->globals,
	};
}

void scope_deinit(struct scope *s)
{
	json_decref(s->config);
	json_decref(s->vars);
	json_decref(s->args);
	free(s->author);
	*s = (struct scope){};
}

static const char *lookup(const char *name, void *data)
{
	const struct scope *s = data;

	return get_text(s->vars, name);
}

struct expand scope_expand(struct scope *s)
{
	return (struct expand){.escape = s->escape, .lookup = lookup, .data = s};
}

char *scope_workdir(const struct scope *s)
{
	const char *dir = get_text(s->config, "WorkingDir");
	autofree char *rooted = mem_asprintf("/%s", dir ? dir : "");

	return fs_clean_path(rooted);
}

const char *scope_user(const struct scope *s)
{
	const char *user = get_text(s->config, "User");

	return user ? user : "";
}

void scope_command(struct strlist *ret, const struct scope *s, const struct instr *in)
{
	json_t *shell = json_object_get(s->config, "Shell"), *item;
	size_t i;

	if (!in->json && json_array_size(shell)) {
		json_array_foreach(shell, i, item)
			strlist_add(ret, json_is_string(item) ? json_string_value(item) : "");
	} else if (!in->json) {
		strlist_add(ret, "/bin/sh");
		strlist_add(ret, "-c");
	}
	for (i = 0; i < in->args.n; i++)
		strlist_add(ret, in->args.items[i]);
}

void scope_environment(struct strlist *ret, const struct scope *s)
{
	const char *name;
	json_t *value;

	json_object_foreach(s->vars, name, value)
		strlist_add_take(ret, mem_asprintf("%s=%s", name, json_string_value(value)));
}

/* Expand one word for IN: 0 with *ret, or -EINVAL reported. */
static int expand_arg(char **ret, struct scope *s, const struct instr *in, const char *word,
		      struct diag *d)
{
	struct expand x = scope_expand(s);
	struct err err = {};

	if (expand_word(ret, &x, word, &err) < 0)
		return FAIL(d, in, "%s: %s", instr_name(in->kind), err.message);
	return 0;
}

/*
 * ENV and LABEL: everything is expanded with the variables as they were before the instruction,
 * then set. The history shows the expanded words.
 */
static int apply_pairs(struct strbuf *history, struct scope *s, const struct instr *in,
		       struct diag *d)
{
	autojson *set = json_object();
	json_t *labels = json_object_get(s->config, "Labels"), *value;
	const char *name;

	for (size_t i = 0; i < in->n_pairs; i++) {
		autofree char *key = NULL;
		autofree char *text = NULL;

		if (expand_arg(&key, s, in, in->pairs[i].key, d) < 0 ||
		    expand_arg(&text, s, in, in->pairs[i].value, d) < 0)
			return -EINVAL;
		if (!*key || (in->kind == INSTR_ENV && strchr(key, '=')))
			return FAIL(d, in, "%s names can not be blank or hold '='",
				    instr_name(in->kind));
		set_text(set, key, text);
		strbuf_addf(history, " %s=%s", key, text);
	}
	if (in->kind == INSTR_LABEL && !json_is_object(labels)) {
		labels = json_object();
		json_set(s->config, "Labels", labels);
	}
	json_object_foreach(set, name, value) {
		if (in->kind == INSTR_LABEL) {
			json_set(labels, name, json_incref(value));
			continue;
		}
		set_env(s, name, json_string_value(value));
		json_set(s->vars, name, json_incref(value));
	}
	return 0;
}

/* The value of the ARG PAIR: command line, own default, global; NULL with 0 when it has none. */
static int arg_value(char **ret, struct expand *x, const struct instr *in,
		     const struct instr_pair *pair, const json_t *build_args, const json_t *globals,
		     struct diag *d)
{
	const char *given = get_text(build_args, pair->key);
	struct err err = {};

	*ret = NULL;
	if (given)
		*ret = mem_strdup(given);
	else if (pair->value && expand_word(ret, x, pair->value, &err) < 0)
		return FAIL(d, in, "ARG: %s", err.message);
	else if (!pair->value)
		*ret = mem_strdup(get_text(globals, pair->key));
	return 0;
}

static int apply_args(struct strbuf *history, struct scope *s, const struct instr *in,
		      struct diag *d)
{
	struct expand x = scope_expand(s);

	for (size_t i = 0; i < in->n_pairs; i++) {
		const char *name = in->pairs[i].key;
		autofree char *value = NULL;

		if (arg_value(&value, &x, in, &in->pairs[i], s->build_args, s->globals, d) < 0)
			return -EINVAL;
		strbuf_addf(history, value ? " %s=%s" : " %s", name, value);
		if (!value)
			continue;
		set_text(s->vars, name, value);
		set_text(s->args, name, value);
	}
	return 0;
}

static const char *lookup_global(const char *name, void *data)
{
	return get_text(data, name);
}

int scope_apply_global_arg(json_t *globals, const json_t *build_args, const struct instr *in,
			   char escape, struct diag *d)
{
	struct expand x = {.escape = escape, .lookup = lookup_global, .data = globals};

	assert(in->kind == INSTR_ARG);
	for (size_t i = 0; i < in->n_pairs; i++) {
		autofree char *value = NULL;

		if (arg_value(&value, &x, in, &in->pairs[i], build_args, NULL, d) < 0)
			return -EINVAL;
		if (value)
			set_text(globals, in->pairs[i].key, value);
	}
	return 0;
}

/* EXPOSE: words are split after expansion and taken in lexical order. */
static int apply_expose(struct strbuf *history, struct scope *s, const struct instr *in,
			struct diag *d)
{
	json_t *ports = json_object_get(s->config, "ExposedPorts");
	struct expand x = scope_expand(s);
	autostrlist words = {};
	autostrlist expanded = {};
	struct err err = {};

	for (size_t i = 0; i < in->args.n; i++)
		if (expand_words(&words, &x, in->args.items[i], &err) < 0)
			return FAIL(d, in, "EXPOSE: %s", err.message);
	strlist_sort(&words);
	for (size_t i = 0; i < words.n; i++)
		if (port_expand(&expanded, words.items[i], &err) < 0)
			return FAIL(d, in, "EXPOSE: %s", err.message);

	if (!json_is_object(ports)) {
		ports = json_object();
		json_set(s->config, "ExposedPorts", ports);
	}
	for (size_t i = 0; i < expanded.n; i++) {
		json_set(ports, expanded.items[i], json_object());
		strbuf_addf(history, "%s%s", i ? " " : " [", expanded.items[i]);
	}
	strbuf_adds(history, expanded.n ? "]" : " []");
	return 0;
}

static int apply_volume(struct strbuf *history, struct scope *s, const struct instr *in,
			struct diag *d)
{
	json_t *volumes = json_object_get(s->config, "Volumes");

	if (!json_is_object(volumes)) {
		volumes = json_object();
		json_set(s->config, "Volumes", volumes);
	}
	for (size_t i = 0; i < in->args.n; i++) {
		autofree char *path = NULL;

		if (expand_arg(&path, s, in, in->args.items[i], d) < 0)
			return -EINVAL;
		if (!*path)
			return FAIL(d, in, "VOLUME specified can not be an empty string");
		json_set(volumes, path, json_object());
		strbuf_addf(history, "%s%s", i ? " " : " [", path);
	}
	strbuf_addc(history, ']');
	return 0;
}

/* An absolute WORKDIR is stored as it is written, a relative one joined and cleaned. */
static int apply_workdir(struct strbuf *history, struct scope *s, const struct instr *in,
			 struct diag *d)
{
	autofree char *path = NULL;
	autofree char *old = scope_workdir(s);
	autofree char *joined = NULL;
	autofree char *clean = NULL;

	if (expand_arg(&path, s, in, in->args.items[0], d) < 0)
		return -EINVAL;
	if (*path != '/') {
		joined = mem_asprintf("%s/%s", old, path);
		clean = fs_clean_path(joined);
	}
	set_text(s->config, "WorkingDir", clean ? clean : path);
	strbuf_addf(history, " %s", clean ? clean : path);
	return 0;
}

static int apply_user(struct strbuf *history, struct scope *s, const struct instr *in,
		      struct diag *d)
{
	autofree char *user = NULL;

	if (expand_arg(&user, s, in, in->args.items[0], d) < 0)
		return -EINVAL;
	set_text(s->config, "User", user);
	strbuf_addf(history, " %s", user);
	return 0;
}

static int apply_stopsignal(struct strbuf *history, struct scope *s, const struct instr *in,
			    struct diag *d)
{
	autofree char *name = NULL;

	if (expand_arg(&name, s, in, in->args.items[0], d) < 0)
		return -EINVAL;
	if (imageconfig_parse_signal(name) <= 0)
		return FAIL(d, in, "invalid signal: %s", name);
	set_text(s->config, "StopSignal", name);
	strbuf_addf(history, " %s", name);
	return 0;
}

/* Append ` ["a" "b"]` as Go prints a quoted list. */
static void add_quoted(struct strbuf *history, const struct strlist *words)
{
	strbuf_adds(history, " [");
	for (size_t i = 0; i < words->n; i++) {
		strbuf_adds(history, i ? " \"" : "\"");
		for (const char *p = words->items[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_addc(history, '\\');
			strbuf_addc(history, *p);
		}
		strbuf_addc(history, '"');
	}
	strbuf_addc(history, ']');
}

/*
 * CMD and ENTRYPOINT. An ENTRYPOINT drops a Cmd that this stage did not set itself: it belonged to
 * another command.
 */
static void apply_command(struct strbuf *history, struct scope *s, const struct instr *in)
{
	autostrlist words = {};
	json_t *list = json_array();

	scope_command(&words, s, in);
	for (size_t i = 0; i < words.n; i++)
		json_array_append_new(list, json_text(words.items[i]));
	json_set(s->config, in->kind == INSTR_CMD ? "Cmd" : "Entrypoint", list);
	if (!words.n)
		json_object_del(s->config, in->kind == INSTR_CMD ? "Cmd" : "Entrypoint");
	if (in->kind == INSTR_CMD)
		s->has_cmd = true;
	else if (!s->has_cmd)
		json_object_del(s->config, "Cmd");
	add_quoted(history, &words);
}

static void apply_shell(struct strbuf *history, struct scope *s, const struct instr *in)
{
	json_t *list = json_array();

	for (size_t i = 0; i < in->args.n; i++) {
		json_array_append_new(list, json_text(in->args.items[i]));
		strbuf_addf(history, "%s%s", i ? " " : " [", in->args.items[i]);
	}
	strbuf_addc(history, ']');
	json_set(s->config, "Shell", list);
}

static int apply(struct strbuf *history, struct scope *s, const struct instr *in, struct diag *d)
{
	switch (in->kind) {
	case INSTR_ENV:
	case INSTR_LABEL:
		return apply_pairs(history, s, in, d);
	case INSTR_ARG:
		return apply_args(history, s, in, d);
	case INSTR_EXPOSE:
		return apply_expose(history, s, in, d);
	case INSTR_VOLUME:
		return apply_volume(history, s, in, d);
	case INSTR_WORKDIR:
		return apply_workdir(history, s, in, d);
	case INSTR_USER:
		return apply_user(history, s, in, d);
	case INSTR_STOPSIGNAL:
		return apply_stopsignal(history, s, in, d);
	case INSTR_CMD:
	case INSTR_ENTRYPOINT:
		apply_command(history, s, in);
		return 0;
	case INSTR_SHELL:
		apply_shell(history, s, in);
		return 0;
	case INSTR_MAINTAINER:
		free(s->author);
		s->author = mem_strdup(in->args.items[0]);
		strbuf_addf(history, " %s", s->author);
		return 0;
	default:
		assert(!"an instruction that makes a layer");
		return -EINVAL;
	}
}

int scope_apply(char **ret_history, struct scope *s, const struct instr *in, struct diag *d)
{
	autostrbuf history = STRBUF_INIT;
	int r;

	strbuf_adds(&history, instr_name(in->kind));
	r = apply(&history, s, in, d);
	if (r < 0)
		return r;
	*ret_history = strbuf_take(&history);
	return 0;
}
