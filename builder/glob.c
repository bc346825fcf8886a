/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern becomes a row of tokens; matching keeps the set of tokens that may come next (the
 * states of a non-deterministic automaton) and moves it forward one character at a time.
 */
#include "builder/glob.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum token_kind {
	TOKEN_CHAR,
	TOKEN_ONE,   /* any character; "/" only in GLOB_STRING */
	TOKEN_STAR,  /* any run of what TOKEN_ONE matches */
	TOKEN_CLASS, /* [...] */
	TOKEN_SKIP,  /* the entry of "(.*"/")?": the next token or the one after it */
	TOKEN_DIRS,  /* ".*" that is left after a "/" only */
	TOKEN_ALL,   /* ".*" */
};

struct range {
	uint32_t lo;
	uint32_t hi;
};

struct token {
	enum token_kind kind;
	uint32_t c;
	bool negated;
	size_t first; /* of the class's ranges */
	size_t n;
};

struct glob {
	enum glob_syntax syntax;
	struct token *tokens;
	size_t n;
	size_t cap;
	struct range *ranges;
	size_t n_ranges;
	size_t ranges_cap;
};

/*
 * The next character of *s as a code point; bytes that are no UTF-8 give values above the Unicode
 * range. Overlong forms are not told apart: equal bytes give equal values, which is all a match
 * needs.
 */
static uint32_t take_char(const char **s, const char *end)
{
	const unsigned char *p = (const unsigned char *)*s;
	size_t left = (size_t)(end - *s);
	size_t n = p[0] < 0x80                   ? 1
		   : p[0] >= 0xf0 && p[0] < 0xf8 ? 4
		   : p[0] >= 0xe0                ? 3
		   : p[0] >= 0xc0                ? 2
						 : 0;
	uint32_t c;

	if (n == 1) {
		(*s)++;
		return p[0];
	}
	if (n == 0 || n > left || p[0] >= 0xf8)
		goto invalid;
	c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			goto invalid;
		c = c << 6 | (p[i] & 0x3f);
	}
	*s += n;
	return c;

invalid:
	(*s)++;
	return 0x400000u + p[0];
}

static struct token *add_token(struct glob *g, enum token_kind kind, uint32_t c)
{
	GROW(g->tokens, g->cap, g->n + 1);
	g->tokens[g->n] = (struct token){.kind = kind, .c = c};
	return &g->tokens[g->n++];
}

static int bad_pattern(struct err *err, const char *pattern)
{
	return err_invalid(err, "syntax error in pattern '%s'", pattern);
}

/* One bound of a class; a backslash takes the next character literally. */
static bool class_char(const char **p, const char *end, uint32_t *ret)
{
	if (**p == '\\')
		(*p)++;
	if (*p == end)
		return false;
	*ret = take_char(p, end);
	return true;
}

/* *p is behind the "[". */
static bool parse_class(struct glob *g, const char **p, const char *end)
{
	struct token *t = add_token(g, TOKEN_CLASS, 0);

	t->first = g->n_ranges;
	if (**p == '^' || **p == '!') {
		t->negated = true;
		(*p)++;
	}
	while (*p < end && **p != ']') {
		struct range r;

		if (!class_char(p, end, &r.lo))
			return false;
		r.hi = r.lo;
		if (**p == '-') {
			(*p)++;
			if (**p == ']' || !class_char(p, end, &r.hi))
				return false;
		}
		GROW(g->ranges, g->ranges_cap, g->n_ranges + 1);
		g->ranges[g->n_ranges++] = r;
		t->n++;
	}
	if (*p == end || !t->n)
		return false;
	(*p)++;
	return true;
}

static void parse_star(struct glob *g, const char **p, const char *end)
{
	if (g->syntax != GLOB_IGNORE || **p != '*') {
		add_token(g, TOKEN_STAR, 0);
		return;
	}
	(*p)++;
	if (**p == '/')
		(*p)++;
	if (*p == end) {
		add_token(g, TOKEN_ALL, 0);
		return;
	}
	add_token(g, TOKEN_SKIP, 0);
	add_token(g, TOKEN_DIRS, 0);
}

static bool compile(struct glob *g, const char *p, const char *end)
{
	while (p < end) {
		uint32_t c = take_char(&p, end);

		if (c == '*') {
			parse_star(g, &p, end);
		} else if (c == '?') {
			add_token(g, TOKEN_ONE, 0);
		} else if (c == '[' && g->syntax != GLOB_STRING) {
			if (!parse_class(g, &p, end))
				return false;
		} else if (c == '\\') {
			if (p == end)
				return false;
			add_token(g, TOKEN_CHAR, take_char(&p, end));
		} else {
			add_token(g, TOKEN_CHAR, c);
		}
	}
	return true;
}

int glob_new(struct glob **ret, const char *pattern, enum glob_syntax syntax, struct err *err)
{
	_cleanup_(glob_freep) struct glob *g = NEW(struct glob);
	size_t n = strlen(pattern);

	g->syntax = syntax;
	if (n > GLOB_MAX_BYTES)
		return err_invalid(err, "pattern is longer than %d bytes", GLOB_MAX_BYTES);
	if (!compile(g, pattern, pattern + n))
		return bad_pattern(err, pattern);
	*ret = TAKE_PTR(g);
	return 0;
}

struct glob *glob_free(struct glob *g)
{
	if (!g)
		return NULL;
	free(g->tokens);
	free(g->ranges);
	free(g);
	return NULL;
}

bool glob_has_magic(const char *pattern)
{
	return strpbrk(pattern, "*?[\\") != NULL;
}

/* A set of token indices: sets[i] means that token i may match next; sets[n] means that the pattern
 * is done. */
struct states {
	const struct glob *g;
	bool *now;
	bool *next;
	bool any; /* NOW is not empty */
};

/* Enter token I of SET, and what can be reached from it without a character. */
static void enter(const struct glob *g, bool *set, size_t i)
{
	while (!set[i]) {
		set[i] = true;
		if (i == g->n)
			return;
		if (g->tokens[i].kind == TOKEN_SKIP) {
			enter(g, set, i + 2);
			i++;
		} else if (g->tokens[i].kind == TOKEN_STAR || g->tokens[i].kind == TOKEN_ALL) {
			i++;
		}
	}
}

static void states_init(struct states *s, const struct glob *g)
{
	s->g = g;
	s->now = mem_calloc(2 * (g->n + 1), sizeof(bool));
	s->next = s->now + g->n + 1;
	s->any = true;
	enter(g, s->now, 0);
}

static void states_deinit(struct states *s)
{
	free(s->now < s->next ? s->now : s->next);
}

static bool class_has(const struct glob *g, const struct token *t, uint32_t c)
{
	bool in = false;

	for (size_t i = 0; i < t->n && !in; i++)
		in = c >= g->ranges[t->first + i].lo && c <= g->ranges[t->first + i].hi;
	return in != t->negated && c != '/';
}

/* Token I sees character C: which tokens may come next? */
static void step_token(struct states *s, size_t i, uint32_t c)
{
	const struct token *t = &s->g->tokens[i];
	bool any = c != '/' || s->g->syntax == GLOB_STRING;

	switch (t->kind) {
	case TOKEN_CHAR:
		if (c == t->c)
			enter(s->g, s->next, i + 1);
		break;
	case TOKEN_ONE:
		if (any)
			enter(s->g, s->next, i + 1);
		break;
	case TOKEN_STAR:
		if (any)
			enter(s->g, s->next, i);
		break;
	case TOKEN_CLASS:
		if (class_has(s->g, t, c))
			enter(s->g, s->next, i + 1);
		break;
	case TOKEN_DIRS:
		enter(s->g, s->next, i);
		if (c == '/')
			enter(s->g, s->next, i + 1);
		break;
	case TOKEN_ALL:
		enter(s->g, s->next, i);
		break;
	case TOKEN_SKIP:
		break;
	}
}

static void states_step(struct states *s, uint32_t c)
{
	bool *swap;

	memset(s->next, 0, (s->g->n + 1) * sizeof(bool));
	for (size_t i = 0; i < s->g->n; i++)
		if (s->now[i])
			step_token(s, i, c);
	swap = s->now;
	s->now = s->next;
	s->next = swap;
	s->any = memchr(s->now, true, s->g->n + 1) != NULL;
}

static bool match(const struct glob *g, const char *text, bool parents)
{
	_cleanup_(states_deinit) struct states s;
	const char *end = text + strlen(text);

	states_init(&s, g);
	while (text < end && s.any) {
		if (parents && *text == '/' && s.now[g->n])
			return true;
		states_step(&s, take_char(&text, end));
	}
	return text == end && s.now[g->n];
}

bool glob_match(const struct glob *g, const char *text)
{
	return match(g, text, false);
}

bool glob_match_parents(const struct glob *g, const char *text)
{
	return match(g, text, true);
}

bool glob_prefix(const struct glob *g, const char *text, size_t n, size_t *ret_shortest,
		 size_t *ret_longest)
{
	_cleanup_(states_deinit) struct states s;
	const char *p = text, *end = text + n;
	bool found = false;

	states_init(&s, g);
	for (;;) {
		if (s.now[g->n]) {
			if (!found)
				*ret_shortest = (size_t)(p - text);
			*ret_longest = (size_t)(p - text);
			found = true;
		}
		if (p == end || !s.any)
			return found;
		states_step(&s, take_char(&p, end));
	}
}
