/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting one instruction. The rules are those of BuildKit's Dockerfile frontend: the first blank
 * run ends the keyword, flags come first and only first, a list is JSON exactly when the complete
 * rest decodes as JSON.
 */
#include "builder/instr.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "base/strbuf.h"

enum grammar {
	GRAMMAR_LIST,    /* JSON array or words */
	GRAMMAR_COMMAND, /* JSON array or the whole rest */
	GRAMMAR_JSON,    /* JSON array only */
	GRAMMAR_WORDS,   /* split on white space */
	GRAMMAR_VALUE,   /* the whole rest */
	GRAMMAR_PAIRS,   /* k=v ..., or legacy "k rest" */
	GRAMMAR_ARG,     /* name or name=value ... */
};

enum flag_type {
	FLAG_STRING,
	FLAG_BOOL,
	FLAG_LATER, /* Dockerfile knows it, this builder does not yet */
};

#define FLAGS_MAX 6

struct instr_row {
	const char *name;
	enum grammar grammar;
	bool later; /* known to Dockerfile, not to this builder yet */
	struct {
		const char *name;
		enum flag_type type;
	} flags[FLAGS_MAX];
};

/* clang-format off */
static const struct instr_row rows[INSTR_N_] = {
	[INSTR_ADD]         = { "ADD",         GRAMMAR_LIST,    .later = true },
	[INSTR_ARG]         = { "ARG",         GRAMMAR_ARG },
	[INSTR_CMD]         = { "CMD",         GRAMMAR_COMMAND },
	[INSTR_COPY]        = { "COPY",        GRAMMAR_LIST,
				.flags = { { "from", FLAG_STRING }, { "chown", FLAG_STRING }, { "chmod", FLAG_STRING },
					   { "link", FLAG_LATER }, { "parents", FLAG_LATER }, { "exclude", FLAG_LATER } } },
	[INSTR_ENTRYPOINT]  = { "ENTRYPOINT",  GRAMMAR_COMMAND },
	[INSTR_ENV]         = { "ENV",         GRAMMAR_PAIRS },
	[INSTR_EXPOSE]      = { "EXPOSE",      GRAMMAR_WORDS },
	[INSTR_FROM]        = { "FROM",        GRAMMAR_WORDS,   .flags = { { "platform", FLAG_STRING } } },
	[INSTR_HEALTHCHECK] = { "HEALTHCHECK", GRAMMAR_VALUE,   .later = true },
	[INSTR_LABEL]       = { "LABEL",       GRAMMAR_PAIRS },
	[INSTR_MAINTAINER]  = { "MAINTAINER",  GRAMMAR_VALUE },
	[INSTR_ONBUILD]     = { "ONBUILD",     GRAMMAR_VALUE,   .later = true },
	[INSTR_RUN]         = { "RUN",         GRAMMAR_COMMAND,
				.flags = { { "network", FLAG_STRING }, { "security", FLAG_STRING },
					   { "mount", FLAG_LATER }, { "device", FLAG_LATER } } },
	[INSTR_SHELL]       = { "SHELL",       GRAMMAR_JSON },
	[INSTR_STOPSIGNAL]  = { "STOPSIGNAL",  GRAMMAR_VALUE },
	[INSTR_USER]        = { "USER",        GRAMMAR_VALUE },
	[INSTR_VOLUME]      = { "VOLUME",      GRAMMAR_LIST },
	[INSTR_WORKDIR]     = { "WORKDIR",     GRAMMAR_VALUE },
};
/* clang-format on */

struct cursor {
	struct instr *in;
	const struct instr_row *row;
	const char *p; /* what is left of the text */
	char escape;
	struct diag *d;
};

#define FAIL(c, ...) (diag_error((c)->d, (c)->in->line, __VA_ARGS__), -EINVAL)

const char *instr_name(enum instr_kind kind)
{
	assert(kind < INSTR_N_);
	return rows[kind].name;
}

void instr_deinit(struct instr *in)
{
	for (size_t i = 0; i < in->n_flags; i++) {
		free(in->flags[i].name);
		free(in->flags[i].value);
	}
	for (size_t i = 0; i < in->n_pairs; i++) {
		free(in->pairs[i].key);
		free(in->pairs[i].value);
	}
	free(in->flags);
	free(in->pairs);
	free(in->text);
	strlist_deinit(&in->args);
	*in = (struct instr){};
}

const char *instr_flag(const struct instr *in, const char *name)
{
	for (size_t i = 0; i < in->n_flags; i++)
		if (str_eq(in->flags[i].name, name))
			return in->flags[i].value;
	return NULL;
}

/* The blanks that end a keyword and separate words; bytes above 0x7f are never blank here. */
static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n';
}

static const char *skip_blanks(const char *p)
{
	while (blank(*p))
		p++;
	return p;
}

/* One "--name=value" word with its quotes and escapes resolved; advances past it. */
static char *flag_word(struct cursor *c)
{
	autostrbuf sb = STRBUF_INIT;
	char quote = '\0';

	for (; *c->p && (quote || !blank(*c->p)); c->p++) {
		if (quote && *c->p == quote)
			quote = '\0';
		else if (!quote && (*c->p == '"' || *c->p == '\''))
			quote = *c->p;
		else if (*c->p == c->escape && c->p[1])
			strbuf_addc(&sb, *++c->p);
		else
			strbuf_addc(&sb, *c->p);
	}
	return strbuf_take(&sb);
}

static int flag_bool(struct cursor *c, const char *name, char **value)
{
	if (*value && strcasecmp(*value, "true") != 0 && strcasecmp(*value, "false") != 0)
		return FAIL(c, "expecting boolean value for flag --%s, not: %s", name, *value);
	for (char *p = *value; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!*value)
		*value = mem_strdup("true");
	return 0;
}

/* Check NAME against the row; "did you mean" when it is not there. *ret_type is set on success. */
static int flag_lookup(struct cursor *c, const char *name, enum flag_type *ret_type)
{
	const char *names[FLAGS_MAX + 1] = {};
	const char *near;

	for (size_t i = 0; i < FLAGS_MAX && c->row->flags[i].name; i++) {
		names[i] = c->row->flags[i].name;
		if (!str_eq(names[i], name))
			continue;
		if (c->row->flags[i].type == FLAG_LATER)
			return FAIL(c, "%s --%s is not supported yet", c->row->name, name);
		*ret_type = c->row->flags[i].type;
		return 0;
	}
	near = str_nearest(name, names);
	if (near)
		return FAIL(c, "unknown flag: --%s (did you mean --%s?)", name, near);
	return FAIL(c, "unknown flag: --%s", name);
}

static int parse_flag(struct cursor *c, const char *word)
{
	const char *eq = strchr(word, '=');
	autofree char *name = mem_strndup(word, eq ? (size_t)(eq - word) : strlen(word));
	autofree char *value = eq ? mem_strdup(eq + 1) : NULL;
	enum flag_type type;
	struct instr *in = c->in;
	int r;

	r = flag_lookup(c, name, &type);
	if (r < 0)
		return r;
	if (instr_flag(in, name))
		return FAIL(c, "duplicate flag specified: --%s", name);
	if (type == FLAG_STRING && !value)
		return FAIL(c, "missing a value on flag: --%s", name);
	if (type == FLAG_BOOL) {
		r = flag_bool(c, name, &value);
		if (r < 0)
			return r;
	}
	in->flags = mem_realloc(in->flags, in->n_flags + 1, sizeof(*in->flags));
	in->flags[in->n_flags++] = (struct instr_flag){TAKE_PTR(name), TAKE_PTR(value)};
	return 0;
}

static int parse_flags(struct cursor *c)
{
	int first = 0;

	for (;;) {
		autofree char *word = NULL;

		c->p = skip_blanks(c->p);
		if (strncmp(c->p, "--", 2) != 0)
			return first;
		word = flag_word(c);
		if (str_eq(word, "--")) {
			c->p = skip_blanks(c->p);
			return first;
		}
		if (parse_flag(c, word + 2) < 0)
			first = -EINVAL;
	}
}

/*
 * The rest as a JSON array of strings: 1 when it is one (arguments filled), 0 when it is not JSON
 * at all, -EINVAL when it is an array of other things.
 */
static int parse_json(struct cursor *c)
{
	autojson *j = NULL;
	json_t *item;
	size_t i;

	if (*c->p != '[')
		return 0;
	j = json_loads(c->p, 0, NULL);
	if (!json_is_array(j))
		return 0;
	json_array_foreach(j, i, item) {
		if (!json_is_string(item))
			return FAIL(
				c,
				"when using JSON array syntax, arrays must be comprised of strings only");
		strlist_add(&c->in->args, json_string_value(item));
	}
	c->in->json = true;
	return 1;
}

static void parse_words(struct cursor *c)
{
	while (*(c->p = skip_blanks(c->p))) {
		const char *start = c->p;

		while (*c->p && !blank(*c->p))
			c->p++;
		strlist_add_take(&c->in->args, mem_strndup(start, (size_t)(c->p - start)));
	}
}

/* One word of ENV, LABEL or ARG: quotes and escapes keep it together and stay in it until
 * expansion. */
static char *pair_word(struct cursor *c)
{
	const char *start = c->p;
	char quote = '\0';

	for (; *c->p && (quote || !blank(*c->p)); c->p++) {
		if (quote != '\'' && *c->p == c->escape && c->p[1])
			c->p++;
		else if (quote && *c->p == quote)
			quote = '\0';
		else if (!quote && (*c->p == '"' || *c->p == '\''))
			quote = *c->p;
	}
	return mem_strndup(start, (size_t)(c->p - start));
}

/* Takes over KEY and VALUE. */
static int add_pair(struct cursor *c, char *key, char *value)
{
	struct instr *in = c->in;
	bool empty = !*key;

	in->pairs = mem_realloc(in->pairs, in->n_pairs + 1, sizeof(*in->pairs));
	in->pairs[in->n_pairs++] = (struct instr_pair){key, value};
	return empty ? FAIL(c, "%s names can not be blank", c->row->name) : 0;
}

static int parse_legacy_pair(struct cursor *c, const char *rest)
{
	const char *end = rest;

	while (*end && !blank(*end))
		end++;
	if (!*skip_blanks(end))
		return FAIL(c, "%s must have two arguments", c->row->name);
	return add_pair(c, mem_strndup(rest, (size_t)(end - rest)), mem_strdup(skip_blanks(end)));
}

static int parse_pairs(struct cursor *c)
{
	const char *rest = c->p;

	while (*(c->p = skip_blanks(c->p))) {
		autofree char *word = pair_word(c);
		const char *eq = strchr(word, '=');
		int r;

		if (!eq && c->row->grammar == GRAMMAR_ARG)
			r = add_pair(c, TAKE_PTR(word), NULL);
		else if (!eq && c->in->n_pairs == 0)
			return parse_legacy_pair(c, rest);
		else if (!eq)
			r = FAIL(
				c,
				"Syntax error - can't find = in \"%s\". Must be of the form: name=value",
				word);
		else
			r = add_pair(c, mem_strndup(word, (size_t)(eq - word)), mem_strdup(eq + 1));
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_args(struct cursor *c)
{
	int r;

	switch (c->row->grammar) {
	case GRAMMAR_LIST:
		r = parse_json(c);
		if (r == 0)
			parse_words(c);
		return r < 0 ? r : 0;
	case GRAMMAR_COMMAND:
		r = parse_json(c);
		if (r == 0)
			strlist_add(&c->in->args, c->p);
		return r < 0 ? r : 0;
	case GRAMMAR_JSON:
		r = parse_json(c);
		if (r == 0)
			return FAIL(c, "%s requires the arguments to be in JSON form",
				    c->row->name);
		return r < 0 ? r : 0;
	case GRAMMAR_WORDS:
		parse_words(c);
		return 0;
	case GRAMMAR_VALUE:
		if (*c->p)
			strlist_add(&c->in->args, c->p);
		return 0;
	case GRAMMAR_PAIRS:
	case GRAMMAR_ARG:
		return parse_pairs(c);
	}
	assert(!"unreachable");
	return -EINVAL;
}

static int check_from(struct cursor *c)
{
	const struct strlist *a = &c->in->args;

	if (a->n == 1 || (a->n == 3 && strcasecmp(a->items[1], "as") == 0))
		return 0;
	return FAIL(c, "FROM requires either one or three arguments");
}

/* The number of arguments each instruction needs. */
static int check_count(struct cursor *c)
{
	const struct instr *in = c->in;
	size_t n = in->args.n + in->n_pairs;

	switch (in->kind) {
	case INSTR_FROM:
		return check_from(c);
	case INSTR_COPY:
	case INSTR_ADD:
		if (n == 1)
			return FAIL(
				c,
				"%s requires at least two arguments, but only one was provided. Destination could "
				"not be determined",
				c->row->name);
		return n ? 0 : FAIL(c, "%s requires at least two arguments", c->row->name);
	case INSTR_RUN:
		return n ? 0 : FAIL(c, "RUN requires at least one argument");
	case INSTR_CMD:
	case INSTR_ENTRYPOINT:
		return 0;
	default:
		if (n)
			return 0;
		if (c->row->grammar == GRAMMAR_VALUE)
			return FAIL(c, "%s requires exactly one argument", c->row->name);
		return FAIL(c, "%s requires at least one argument", c->row->name);
	}
}

static int parse_keyword(struct cursor *c)
{
	const char *start = c->p, *names[INSTR_N_ + 1] = {};
	autofree char *word = NULL;
	autofree char *upper = NULL;
	const char *near;

	while (*c->p && !blank(*c->p))
		c->p++;
	word = mem_strndup(start, (size_t)(c->p - start));
	upper = mem_strdup(word);
	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);

	for (size_t i = 0; i < INSTR_N_; i++) {
		names[i] = rows[i].name;
		if (!str_eq(upper, rows[i].name))
			continue;
		c->in->kind = (enum instr_kind)i;
		c->row = &rows[i];
		return 0;
	}
	near = str_nearest(upper, names);
	if (near)
		return FAIL(c, "unknown instruction: %s (did you mean %s?)", word, near);
	return FAIL(c, "unknown instruction: %s", word);
}

/*
 * A heredoc token is a complete shell word "[fd]<<[-]WORD" without a further "<". Words are found
 * as a shell would: quotes and the escape keep them together.
 */
char *instr_heredoc_word(enum instr_kind kind, const char *text, char escape, bool *ret_tabs)
{
	struct cursor c = {.p = text, .escape = escape};

	if (kind != INSTR_RUN && kind != INSTR_COPY && kind != INSTR_ADD)
		return NULL;
	while (*(c.p = skip_blanks(c.p))) {
		autofree char *word = pair_word(&c);
		const char *p = word + strspn(word, "0123456789");
		autofree char *end = NULL;

		p = str_skip_prefix(p, "<<");
		if (!p || strchr(p, '<'))
			continue;
		*ret_tabs = *p == '-';
		p += *ret_tabs;
		if (*p) {
			struct cursor unquote = {.p = p, .escape = escape};

			return flag_word(&unquote);
		}
		c.p = skip_blanks(c.p);
		end = flag_word(&c);
		if (*end && !strchr(end, '<'))
			return TAKE_PTR(end);
	}
	return NULL;
}

/* Everything of an instruction may end up in a JSON document. */
static bool is_utf8(const char *s)
{
	autojson *probe = json_string(s);

	return probe != NULL;
}

static int parse_rest(struct cursor *c)
{
	bool tabs;
	int r;

	if (c->row->later)
		return FAIL(c, "%s is not supported yet", c->row->name);
	if (!is_utf8(c->p))
		return FAIL(c, "%s is not valid UTF-8", c->row->name);
	r = parse_flags(c);
	if (r < 0)
		return r;
	if (c->row->grammar == GRAMMAR_LIST || c->row->grammar == GRAMMAR_COMMAND) {
		autofree char *heredoc = NULL;

		if (*c->p != '[')
			heredoc = instr_heredoc_word(c->in->kind, c->p, c->escape, &tabs);
		if (heredoc)
			return FAIL(c, "%s with a heredoc (<<%s) is not supported yet",
				    c->row->name, heredoc);
	}
	r = parse_args(c);
	if (r < 0)
		return r;
	return check_count(c);
}

int instr_parse(struct instr *ret, const char *text, unsigned line, char escape, struct diag *d)
{
	autofree char *trimmed = NULL;
	struct cursor c;
	size_t n;
	int r;

	*ret = (struct instr){.line = line};
	text = skip_blanks(text);
	n = strlen(text);
	while (n && blank(text[n - 1]))
		n--;
	trimmed = mem_strndup(text, n);

	c = (struct cursor){.in = ret, .p = trimmed, .escape = escape, .d = d};
	r = parse_keyword(&c);
	if (r < 0)
		return r;
	c.p = skip_blanks(c.p);
	ret->text = *c.p ? mem_asprintf("%s %s", c.row->name, c.p) : mem_strdup(c.row->name);
	return parse_rest(&c);
}
