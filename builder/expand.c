/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small shell-like lexer behind the expansion of Dockerfile words. It reads the text once, left
 * to right, and recurses into the words of ${v:-word} and ${v/pattern/word}.
 */
#include "builder/expand.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>

#include "base/strbuf.h"
#include "builder/glob.h"

#define EXPAND_MAX_DEPTH 32

struct lexer {
	const struct expand *x;
	const char *p;
	unsigned depth;
	bool pattern; /* reading a pattern: escapes stay, for glob.c */
	struct strbuf *out;
	struct strlist *words; /* where finished words go, or NULL: no splitting */
	bool quoted;           /* the word being read had quotes: it counts even when empty */
	struct err *err;
};

static int read_until(struct lexer *l, const char *stop);

static int add(struct lexer *l, const char *s, size_t n)
{
	if (l->out->len + n > EXPAND_MAX_BYTES)
		return err_invalid(l->err, "expands to more than %u bytes", EXPAND_MAX_BYTES);
	strbuf_add(l->out, s, n);
	return 0;
}

static int add_char(struct lexer *l, char c)
{
	return add(l, &c, 1);
}

/* In a pattern, a literal character that glob.c would take as special is escaped. */
static int add_literal(struct lexer *l, char c)
{
	int r = 0;

	if (l->pattern && strchr("*?\\", c))
		r = add_char(l, '\\');
	return r < 0 ? r : add_char(l, c);
}

static void end_word(struct lexer *l)
{
	if (l->words && (l->out->len || l->quoted)) {
		strlist_add(l->words, strbuf_str(l->out));
		strbuf_reset(l->out);
		l->quoted = false;
	}
}

/* Unquoted text that came out of a variable or of the source; splits when asked to. */
static int add_unquoted(struct lexer *l, const char *s)
{
	int r = 0;

	for (; *s && r >= 0; s++) {
		if (l->words && isspace((unsigned char)*s))
			end_word(l);
		else
			r = add_char(l, *s);
	}
	return r;
}

static int read_single_quoted(struct lexer *l)
{
	int r;

	l->quoted = true;
	for (l->p++; *l->p != '\''; l->p++) {
		if (!*l->p)
			return err_invalid(
				l->err,
				"unexpected end of statement while looking for matching single-quote");
		r = add_literal(l, *l->p);
		if (r < 0)
			return r;
	}
	l->p++;
	return 0;
}

static bool name_char(char c)
{
	/* Letters beyond ASCII are names too; every byte of their UTF-8 form is above 0x7f. */
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The name at the cursor: a word, a number, or one special character. Empty when there is none. */
static char *read_name(struct lexer *l)
{
	const char *start = l->p;

	if (isdigit((unsigned char)*start))
		while (isdigit((unsigned char)*l->p))
			l->p++;
	else if (*start && strchr("@*#?-$!", *start))
		l->p++;
	else
		while (name_char(*l->p))
			l->p++;
	return mem_strndup(start, (size_t)(l->p - start));
}

/* Read a word of ${v OP word} up to one of STOP into *ret; the cursor stays on the stop character.
 */
static int read_operand(struct lexer *l, char **ret, const char *stop, bool pattern)
{
	autostrbuf out = STRBUF_INIT;
	struct lexer inner = {.x = l->x,
			      .p = l->p,
			      .depth = l->depth + 1,
			      .pattern = pattern,
			      .out = &out,
			      .err = l->err};
	int r;

	if (inner.depth > EXPAND_MAX_DEPTH)
		return err_invalid(l->err, "nested too deeply");
	r = read_until(&inner, stop);
	if (r < 0)
		return r;
	l->p = inner.p;
	if (!*l->p)
		return err_invalid(l->err, "syntax error: missing '}'");
	*ret = strbuf_take(&out);
	return 0;
}

/* v:-w v-w v:+w v+w v:?w v?w: COLON makes an empty value count as unset. */
static int apply_default(struct lexer *l, const char *name, const char *value, bool colon)
{
	char op = *l->p++;
	autofree char *word = NULL;
	bool have = value && (!colon || *value);
	int r;

	r = read_operand(l, &word, "}", false);
	if (r < 0)
		return r;
	switch (op) {
	case '-':
		return add_unquoted(l, have ? value : word);
	case '+':
		return add_unquoted(l, have ? word : "");
	default:
		if (have)
			return add_unquoted(l, value);
		if (!*word)
			return err_invalid(l->err, "%s: is not allowed to be %s", name,
					   colon ? "empty" : "unset");
		return err_invalid(l->err, "%s: %s", name, word);
	}
}

static int check_pattern(struct lexer *l, const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (*p != '\\')
			continue;
		p++;
		if (!*p || !strchr("*?\\}/", *p))
			return err_invalid(
				l->err,
				"invalid pattern (%s) in substitution: invalid escape '\\%c'",
				pattern, *p ? *p : ' ');
	}
	return 0;
}

static int compile_pattern(struct lexer *l, struct glob **ret, const char *pattern)
{
	int r = check_pattern(l, pattern);

	return r < 0 ? r : glob_new(ret, pattern, GLOB_STRING, l->err);
}

/*
 * The longest (or shortest) suffix of VALUE that G matches, as the length of what stays. Each start
 * is tried, so the product of lengths is bounded.
 */
static int suffix_start(struct lexer *l, const struct glob *g, const char *value, bool longest,
			size_t *ret)
{
	size_t n = strlen(value);

	*ret = n;
	if (n > GLOB_MAX_BYTES)
		return err_invalid(l->err, "value is too long for a pattern");
	for (size_t i = 0; i <= n; i++) {
		size_t at = longest ? i : n - i;

		/* Never between the bytes of one character. */
		if (((unsigned char)value[at] & 0xc0) == 0x80)
			continue;
		if (glob_match(g, value + at)) {
			*ret = at;
			break;
		}
	}
	return 0;
}

/* v#p v##p v%p v%%p */
static int apply_trim(struct lexer *l, const char *value)
{
	char op = *l->p++;
	bool longest = *l->p == op;
	_cleanup_(glob_freep) struct glob *g = NULL;
	autofree char *pattern = NULL;
	autofree char *kept = NULL;
	size_t shortest = 0, most = 0, n = strlen(value);
	int r;

	l->p += longest;
	r = read_operand(l, &pattern, "}", true);
	if (r >= 0)
		r = compile_pattern(l, &g, pattern);
	if (r < 0)
		return r;
	if (op == '#') {
		(void)glob_prefix(g, value, n, &shortest, &most);
		return add_unquoted(l, value + (longest ? most : shortest));
	}
	r = suffix_start(l, g, value, longest, &n);
	if (r < 0)
		return r;
	kept = mem_strndup(value, n);
	return add_unquoted(l, kept);
}

static int replace(struct lexer *l, const struct glob *g, const char *value, const char *with,
		   bool all)
{
	autostrbuf out = STRBUF_INIT;
	size_t shortest, longest;
	bool done = false;

	if (strlen(value) > GLOB_MAX_BYTES)
		return err_invalid(l->err, "value is too long for a pattern");
	while (*value) {
		if (!done && glob_prefix(g, value, strlen(value), &shortest, &longest) && longest) {
			strbuf_adds(&out, with);
			value += longest;
			done = !all;
		} else {
			strbuf_addc(&out, *value++);
		}
		if (out.len > EXPAND_MAX_BYTES)
			return err_invalid(l->err, "expands to more than %u bytes",
					   EXPAND_MAX_BYTES);
	}
	return add_unquoted(l, strbuf_str(&out));
}

/* v/p/r v//p/r */
static int apply_replace(struct lexer *l, const char *value)
{
	bool all = l->p[1] == '/';
	_cleanup_(glob_freep) struct glob *g = NULL;
	autofree char *pattern = NULL;
	autofree char *with = NULL;
	int r;

	l->p += 1 + all;
	r = read_operand(l, &pattern, "/}", true);
	if (r < 0)
		return r;
	if (*l->p != '/')
		return err_invalid(l->err, "syntax error: missing '/' in substitution");
	l->p++;
	r = read_operand(l, &with, "}", false);
	if (r >= 0)
		r = compile_pattern(l, &g, pattern);
	if (r < 0)
		return r;
	return replace(l, g, value, with, all);
}

/* The cursor is behind "${NAME" and not on "}". */
static int apply_modifier(struct lexer *l, const char *name, const char *value)
{
	bool colon = *l->p == ':';

	l->p += colon;
	if (*l->p && strchr("-+?", *l->p))
		return apply_default(l, name, value, colon);
	if (!colon && (*l->p == '#' || *l->p == '%'))
		return apply_trim(l, value ? value : "");
	if (!colon && *l->p == '/')
		return apply_replace(l, value ? value : "");
	if (!*l->p)
		return err_invalid(l->err, "syntax error: missing '}'");
	return err_invalid(l->err, "unsupported modifier (%s%c) in substitution", colon ? ":" : "",
			   *l->p);
}

static int read_braced(struct lexer *l)
{
	autofree char *name = NULL;
	autofree char *value = NULL;
	int r;

	l->p += 2;
	if (*l->p == '}' || *l->p == ':' || *l->p == '{')
		return err_invalid(l->err, "syntax error: bad substitution");
	name = read_name(l);
	if (!*l->p)
		return err_invalid(l->err, "syntax error: missing '}'");
	if (!*name)
		return err_invalid(l->err, "syntax error: bad substitution");
	value = mem_strdup(l->x->lookup(name, l->x->data));
	if (*l->p == '}')
		r = add_unquoted(l, value ? value : "");
	else
		r = apply_modifier(l, name, value);
	if (r < 0)
		return r;
	assert(*l->p == '}');
	l->p++;
	return 0;
}

/* The cursor is on "$". What comes out of a variable is never an escape nor a quote again. */
static int read_variable(struct lexer *l)
{
	autofree char *name = NULL;
	const char *value;

	if (l->p[1] == '{')
		return read_braced(l);
	l->p++;
	name = read_name(l);
	if (!*name)
		return add_char(l, '$');
	value = l->x->lookup(name, l->x->data);
	return add_unquoted(l, value ? value : "");
}

/* A variable where quotes protect its value from being split. */
static int read_quoted_variable(struct lexer *l)
{
	struct strlist *words = l->words;
	int r;

	l->words = NULL;
	r = read_variable(l);
	l->words = words;
	return r;
}

static int read_double_quoted(struct lexer *l)
{
	int r = 0;

	l->quoted = true;
	l->p++;
	while (*l->p != '"') {
		if (!*l->p)
			return err_invalid(
				l->err,
				"unexpected end of statement while looking for matching double-quote");
		if (*l->p == '$') {
			r = read_quoted_variable(l);
		} else {
			bool escapes =
				*l->p == l->x->escape && l->p[1] &&
				(l->p[1] == '"' || l->p[1] == '$' || l->p[1] == l->x->escape);

			l->p += escapes;
			r = add_literal(l, *l->p++);
		}
		if (r < 0)
			return r;
	}
	l->p++;
	return 0;
}

/* The cursor is on the escape character, outside of quotes. A lone one at the end is dropped. */
static int read_escape(struct lexer *l)
{
	l->p++;
	if (!*l->p)
		return 0;
	if (!l->pattern)
		return add_char(l, *l->p++);
	/* "\}" and "\/" only serve to write these bytes; the rest is for the pattern. */
	if (*l->p != '}' && *l->p != '/' && add_char(l, '\\') < 0)
		return -EINVAL;
	return add_char(l, *l->p++);
}

/* Read up to an unquoted character of STOP or the end of the text. */
static int read_until(struct lexer *l, const char *stop)
{
	int r;

	while (*l->p && !strchr(stop, *l->p)) {
		if (*l->p == '\'')
			r = read_single_quoted(l);
		else if (*l->p == '"')
			r = read_double_quoted(l);
		else if (*l->p == '$')
			r = read_variable(l);
		else if (*l->p == l->x->escape)
			r = read_escape(l);
		else
			r = add_unquoted(l, (char[]){*l->p++, '\0'});
		if (r < 0)
			return r;
	}
	return 0;
}

static int expand(struct strbuf *out, struct strlist *words, const struct expand *x,
		  const char *word, struct err *err)
{
	struct lexer l = {.x = x, .p = word, .out = out, .words = words, .err = err};
	int r;

	assert(x->escape && x->lookup);
	r = read_until(&l, "");
	if (r < 0)
		return err_wrap(err, "failed to process \"%.200s\"", word);
	end_word(&l);
	return 0;
}

int expand_word(char **ret, const struct expand *x, const char *word, struct err *err)
{
	autostrbuf out = STRBUF_INIT;
	int r;

	r = expand(&out, NULL, x, word, err);
	if (r < 0)
		return r;
	*ret = strbuf_take(&out);
	return 0;
}

int expand_words(struct strlist *ret, const struct expand *x, const char *word, struct err *err)
{
	autostrbuf out = STRBUF_INIT;

	return expand(&out, ret, x, word, err);
}
