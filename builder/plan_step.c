/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of one stage as steps, history and configuration, and the digest of what defines
 * each step.
 */
#include <assert.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "builder/glob.h"
#include "builder/plan_priv.h"

#define FAIL(d, in, ...) (diag_error((d), (in)->line, __VA_ARGS__), -EINVAL)

struct reader {
	struct build_plan *plan;
	struct plan_stage *stage;
	const struct plan_input *in;
	size_t copy; /* index of the next COPY in stage->copies */
	struct diag *d;
};

void plan_step_deinit(struct plan_step *s)
{
	free(s->text);
	free(s->cwd);
	free(s->user);
	free(s->dest);
	free(s->chown);
	strlist_deinit(&s->argv);
	strlist_deinit(&s->env);
	strlist_deinit(&s->sources);
	plan_origin_deinit(&s->from);
}

static struct plan_step *add_step(struct reader *r, enum plan_op op, const struct instr *in)
{
	struct plan_stage *s = r->stage;

	GROW(s->steps, s->steps_cap, s->n_steps + 1);
	s->steps[s->n_steps] =
		(struct plan_step){.op = op, .line = in->line, .text = mem_strdup(in->text)};
	return &s->steps[s->n_steps++];
}

/* Takes over CREATED_BY. */
static void add_history(struct reader *r, char *created_by, bool empty_layer)
{
	struct plan_stage *s = r->stage;

	GROW(s->history, s->history_cap, s->n_history + 1);
	s->history[s->n_history++] = (struct plan_history){created_by, empty_layer};
}

static json_t *list_json(const struct strlist *l)
{
	json_t *j = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(j, json_text(l->items[i]));
	return j;
}

/* Takes over DEFINITION. */
static void set_definition(struct plan_step *s, json_t *definition)
{
	char digest[80];

	assert(definition);
	json_digest(digest, definition);
	memcpy(s->definition, digest, DIGEST_STR_SIZE);
	json_decref(definition);
}

/* "RUN |1 A=1 /bin/sh -c CMD # buildkit": the form that history readers know. */
static char *run_history(const struct plan_step *s, const struct scope *scope)
{
	autostrbuf sb = STRBUF_INIT;
	const char *name;
	json_t *value;

	strbuf_adds(&sb, "RUN");
	if (json_object_size(scope->args))
		strbuf_addf(&sb, " |%zu", json_object_size(scope->args));
	json_object_foreach(scope->args, name, value)
		strbuf_addf(&sb, " %s=%s", name, json_string_value(value));
	for (size_t i = 0; i < s->argv.n; i++)
		strbuf_addf(&sb, " %s", s->argv.items[i]);
	strbuf_adds(&sb, " # buildkit");
	return strbuf_take(&sb);
}

static int check_run_flags(struct reader *r, const struct instr *in, bool *ret_host)
{
	const char *network = instr_flag(in, "network"), *security = instr_flag(in, "security");

	*ret_host = r->in->host_network;
	if (network && !str_eq(network, "default") && !str_eq(network, "none") &&
	    !str_eq(network, "host"))
		return FAIL(r->d, in, "invalid network mode \"%s\"", network);
	if (network && str_eq(network, "host") && !*ret_host)
		return FAIL(r->d, in, "network.host is not allowed");
	if (network && str_eq(network, "none"))
		*ret_host = false;
	if (security && str_eq(security, "insecure"))
		return FAIL(r->d, in, "security.insecure is not allowed");
	if (security && !str_eq(security, "sandbox"))
		return FAIL(r->d, in, "security \"%s\" is not valid", security);
	return 0;
}

static int read_run(struct reader *r, const struct instr *in)
{
	struct scope *scope = &r->stage->scope;
	struct plan_step *s;
	bool host;

	if (check_run_flags(r, in, &host) < 0)
		return -EINVAL;
	s = add_step(r, PLAN_RUN, in);
	s->host_network = host;
	s->cwd = scope_workdir(scope);
	s->user = mem_strdup(scope_user(scope));
	scope_command(&s->argv, scope, in);
	scope_environment(&s->env, scope);
	set_definition(s, json_pack("{s:s, s:o, s:o, s:s, s:s, s:b, s:s}", "op", "run", "argv",
				    list_json(&s->argv), "env", list_json(&s->env), "cwd", s->cwd,
				    "user", s->user, "hostNetwork", host, "platform",
				    r->in->platform));
	add_history(r, run_history(s, scope), false);
	return 0;
}

static int read_workdir(struct reader *r, const struct instr *in)
{
	struct scope *scope = &r->stage->scope;
	autofree char *history = NULL;
	autofree char *path = NULL;
	struct plan_step *s;

	if (scope_apply(&history, scope, in, r->d) < 0)
		return -EINVAL;
	path = scope_workdir(scope);
	if (str_eq(path, "/")) {
		add_history(r, TAKE_PTR(history), true);
		return 0;
	}
	s = add_step(r, PLAN_WORKDIR, in);
	s->cwd = TAKE_PTR(path);
	s->user = mem_strdup(scope_user(scope));
	set_definition(s, json_pack("{s:s, s:s, s:s, s:b, s:I}", "op", "workdir", "path", s->cwd,
				    "user", s->user, "hasEpoch", r->plan->has_epoch, "epoch",
				    (json_int_t)r->plan->epoch_s));
	add_history(r, TAKE_PTR(history), false);
	return 0;
}

static int expand_arg(char **ret, struct reader *r, const struct instr *in, const char *word)
{
	struct expand x = scope_expand(&r->stage->scope);
	struct err err = {};

	if (expand_word(ret, &x, word, &err) < 0)
		return FAIL(r->d, in, "%s: %s", instr_name(in->kind), err.message);
	return 0;
}

/* Octal only: what is left of chmod(1)'s symbolic language is not supported yet. */
static int read_chmod(struct reader *r, const struct instr *in, struct plan_step *s)
{
	const char *flag = instr_flag(in, "chmod");
	autofree char *value = NULL;
	size_t n;

	if (!flag)
		return 0;
	if (expand_arg(&value, r, in, flag) < 0)
		return -EINVAL;
	n = strlen(value);
	if (!n || n > 5 || value[strspn(value, "01234567")] || strtoul(value, NULL, 8) > 07777)
		return FAIL(
			r->d, in,
			"invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777",
			value);
	s->has_chmod = true;
	s->chmod = (unsigned)strtoul(value, NULL, 8);
	return 0;
}

/* Absolute, clean; "." and what ends in "/" is a directory and ends in "/". */
static int read_dest(struct reader *r, const struct instr *in, struct plan_step *s,
		     struct strlist *written)
{
	autofree char *dest = NULL;
	autofree char *cwd = scope_workdir(&r->stage->scope);
	autofree char *joined = NULL;
	autofree char *clean = NULL;
	bool dir;

	if (expand_arg(&dest, r, in, in->args.items[in->args.n - 1]) < 0)
		return -EINVAL;
	strlist_add(written, dest);
	dir = !*dest || str_eq(dest, ".") || str_has_suffix(dest, "/") ||
	      str_has_suffix(dest, "/.");
	joined = mem_asprintf("%s/%s", *dest == '/' ? "" : cwd, dest);
	clean = fs_clean_path(joined);
	s->dest = mem_asprintf("%s%s", clean, dir && clean[1] ? "/" : "");
	return 0;
}

/* Sources relative to the origin's root: "../x" and "/x" are "x", the root itself is "". */
static int read_sources(struct reader *r, const struct instr *in, struct plan_step *s,
			struct strlist *written)
{
	for (size_t i = 0; i + 1 < in->args.n; i++) {
		autofree char *word = NULL;
		autofree char *rooted = NULL;
		autofree char *clean = NULL;

		if (expand_arg(&word, r, in, in->args.items[i]) < 0)
			return -EINVAL;
		if (str_skip_prefix(word, "http://") || str_skip_prefix(word, "https://"))
			return FAIL(r->d, in, "source can't be a URL for COPY");
		if (str_skip_prefix(word, "git@"))
			return FAIL(r->d, in, "source can't be a git ref for COPY");
		strlist_add(written, word);
		rooted = mem_asprintf("/%s", word);
		clean = fs_clean_path(rooted);
		strlist_add(&s->sources, clean + 1);
	}
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Append {name, digest} of one context path; the name is the one written, not the one a link leads
 * to. */
static int define_path(struct reader *r, const struct instr *in, json_t *content, const char *path)
{
	autofree char *resolved = NULL;
	char digest[DIGEST_STR_SIZE];
	struct err err = {};
	int found;

	found = context_resolve(&resolved, r->in->context, path, &err);
	if (found < 0)
		return FAIL(r->d, in, "COPY: %s", err.message);
	if (!found)
		return FAIL(r->d, in, "COPY: \"/%s\": not found", path);
	context_digest(digest, r->in->context, resolved);
	json_array_append_new(content, json_pack("[s, s]", base_name(path), digest));
	return 0;
}

/* A missing plain source is an error, a pattern that matches nothing is not. */
static int define_context(struct reader *r, const struct instr *in, const struct plan_step *s,
			  json_t *content)
{
	for (size_t i = 0; i < s->sources.n; i++) {
		const char *source = s->sources.items[i];
		autostrlist matches = {};
		struct err err = {};

		if (!glob_has_magic(source)) {
			if (define_path(r, in, content, source) < 0)
				return -EINVAL;
			continue;
		}
		if (context_glob(&matches, r->in->context, source, &err) < 0)
			return FAIL(r->d, in, "COPY: %s", err.message);
		for (size_t k = 0; k < matches.n; k++)
			if (define_path(r, in, content, matches.items[k]) < 0)
				return -EINVAL;
	}
	return 0;
}

static int define_copy(struct reader *r, const struct instr *in, struct plan_step *s)
{
	autojson *content = json_array();

	if (s->from.kind == PLAN_CONTEXT) {
		if (define_context(r, in, s, content) < 0)
			return -EINVAL;
	} else {
		json_decref(content);
		content = list_json(&s->sources);
	}
	set_definition(s,
		       json_pack("{s:s, s:b, s:O, s:s, s:s*, s:i}", "op", "copy", "from",
				 s->from.kind != PLAN_CONTEXT, "sources", content, "dest", s->dest,
				 "chown", s->chown, "chmod", s->has_chmod ? (int)s->chmod : -1));
	return 0;
}

/* "COPY [--chown=...] [--chmod=...] srcs dest # buildkit": the words as written, expanded. */
static char *copy_history(const struct instr *in, const struct plan_step *s,
			  const struct strlist *written)
{
	autostrbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "COPY");
	if (s->chown)
		strbuf_addf(&sb, " --chown=%s", s->chown);
	if (s->has_chmod)
		strbuf_addf(&sb, " --chmod=%s", instr_flag(in, "chmod"));
	for (size_t i = 0; i < written->n; i++)
		strbuf_addf(&sb, " %s", written->items[i]);
	strbuf_adds(&sb, " # buildkit");
	return strbuf_take(&sb);
}

static int read_copy(struct reader *r, const struct instr *in)
{
	const struct plan_origin *from = &r->stage->copies[r->copy++];
	const char *chown = instr_flag(in, "chown");
	struct plan_step *s = add_step(r, PLAN_COPY, in);
	autostrlist written = {};

	s->from = *from;
	s->from.reference = mem_strdup(from->reference);
	s->user = mem_strdup("");
	if (chown && expand_arg(&s->chown, r, in, chown) < 0)
		return -EINVAL;
	if (read_chmod(r, in, s) < 0 || read_sources(r, in, s, &written) < 0 ||
	    read_dest(r, in, s, &written) < 0)
		return -EINVAL;
	if (define_copy(r, in, s) < 0)
		return -EINVAL;
	add_history(r, copy_history(in, s, &written), false);
	return 0;
}

static int read_instr(struct reader *r, const struct instr *in)
{
	autofree char *history = NULL;

	switch (in->kind) {
	case INSTR_RUN:
		return read_run(r, in);
	case INSTR_COPY:
		return read_copy(r, in);
	case INSTR_WORKDIR:
		return read_workdir(r, in);
	default:
		if (scope_apply(&history, &r->stage->scope, in, r->d) < 0)
			return -EINVAL;
		add_history(r, TAKE_PTR(history), true);
		return 0;
	}
}

int plan_stage_read(struct build_plan *p, size_t i, const struct plan_input *in, struct diag *d)
{
	struct reader r = {.plan = p, .stage = &p->stages[i], .in = in, .d = d};
	int failed = 0;

	for (size_t k = r.stage->first; k < r.stage->last; k++)
		if (read_instr(&r, &in->file->instrs[k]) < 0)
			failed = -EINVAL;
	return failed;
}
