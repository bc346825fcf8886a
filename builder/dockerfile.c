/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From physical lines to logical ones, and the checks that need more than one instruction. What an
 * instruction is made of is instr.c's business.
 */
#include "builder/dockerfile.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/strbuf.h"

enum directive {
	DIRECTIVE_SYNTAX,
	DIRECTIVE_ESCAPE,
	DIRECTIVE_CHECK,
	DIRECTIVE_N_,
};

static const char *const directive_names[DIRECTIVE_N_] = {"syntax", "escape", "check"};

struct reader {
	const char *p; /* next physical line */
	const char *end;
	unsigned line;   /* of the line last read, from 1 */
	bool directives; /* still in the run of lines at the top */
	bool seen[DIRECTIVE_N_];
	struct dockerfile *file;
	struct diag *d;
};

struct dockerfile *dockerfile_free(struct dockerfile *f)
{
	if (!f)
		return NULL;
	for (size_t i = 0; i < f->n; i++)
		instr_deinit(&f->instrs[i]);
	free(f->instrs);
	free(f);
	return NULL;
}

/* The next physical line without its line end, borrowed from the text; false at the end. */
static bool next_line(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *nl;
	size_t len;

	if (r->p == r->end)
		return false;
	nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	len = (size_t)((nl ? nl : r->end) - r->p);
	*ret = r->p;
	r->p += len + (nl != NULL);
	r->line++;
	if (len > DOCKERFILE_MAX_LINE) {
		diag_error(r->d, r->line, "dockerfile line greater than max allowed size of %d",
			   DOCKERFILE_MAX_LINE);
		len = 0;
	}
	while (len && (*ret)[len - 1] == '\r')
		len--;
	*ret_len = len;
	return true;
}

static size_t leading_blanks(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && isspace((unsigned char)s[i]))
		i++;
	return i;
}

static void set_escape(struct reader *r, const char *value)
{
	if (!str_eq(value, "\\") && !str_eq(value, "`"))
		diag_error(r->d, r->line, "invalid escape token '%s' does not match ` or \\",
			   value);
	else
		r->file->escape = value[0];
}

/*
 * A comment line (S begins with '#') in directive mode. Whatever is no directive of a known name
 * ends the mode: from then on look-alikes are comments.
 */
static void read_directive(struct reader *r, const char *s, size_t n)
{
	autofree char *line = mem_strndup(s + 1, n - 1);
	char *name = line + strspn(line, " \t"), *value;
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	size_t end;

	value = name + len + strspn(name + len, " \t");
	r->directives = false;
	if (!len || *value != '=')
		return;
	value += 1 + strspn(value + 1, " \t");
	for (end = strlen(value); end && isspace((unsigned char)value[end - 1]); end--)
		value[end - 1] = '\0';
	if (!*value)
		return;

	for (size_t i = 0; i < DIRECTIVE_N_; i++) {
		if (strlen(directive_names[i]) != len ||
		    strncasecmp(name, directive_names[i], len) != 0)
			continue;
		r->directives = true;
		if (r->seen[i])
			diag_error(r->d, r->line, "only one %s parser directive can be used",
				   directive_names[i]);
		else if (i == DIRECTIVE_ESCAPE)
			set_escape(r, value);
		r->seen[i] = true;
	}
}

/*
 * If the line ends in an unescaped escape character (blanks may follow), *n becomes the length
 * before it and the line continues. Two of them in a row, or more, do not continue it.
 */
static bool continues(char escape, const char *s, size_t *n)
{
	size_t i = *n;

	while (i && (s[i - 1] == ' ' || s[i - 1] == '\t'))
		i--;
	if (!i || s[i - 1] != escape || (i > 1 && s[i - 2] == escape))
		return false;
	*n = i - 1;
	return true;
}

/* Append the lines that continue the instruction begun in TEXT. */
static void join_lines(struct reader *r, struct strbuf *text)
{
	const char *s;
	size_t n;

	while (next_line(r, &s, &n)) {
		size_t skip = leading_blanks(s, n);
		bool more;

		if (skip == n) {
			diag_warn(r->d, r->line, "NoEmptyContinuation: empty continuation line");
			continue;
		}
		if (s[skip] == '#')
			continue;
		more = continues(r->file->escape, s, &n);
		strbuf_add(text, s, n);
		if (!more)
			return;
	}
}

/* The instruction in TEXT had a heredoc: skip the body so that its lines are not taken for
 * instructions. */
static void skip_heredoc(struct reader *r, const struct instr *in, const char *text, unsigned line)
{
	bool tabs = false;
	autofree char *word = instr_heredoc_word(in->kind, text, r->file->escape, &tabs);
	const char *s;
	size_t n;

	if (!word)
		return;
	while (next_line(r, &s, &n)) {
		while (tabs && n && *s == '\t') {
			s++;
			n--;
		}
		if (n == strlen(word) && memcmp(s, word, n) == 0)
			return;
	}
	diag_error(r->d, line, "unterminated heredoc");
}

static void add_instruction(struct reader *r, const char *text, unsigned line)
{
	struct dockerfile *f = r->file;
	struct instr in;

	if (instr_parse(&in, text, line, f->escape, r->d) < 0) {
		skip_heredoc(r, &in, text, line);
		instr_deinit(&in);
		return;
	}
	GROW(f->instrs, f->cap, f->n + 1);
	f->instrs[f->n++] = in;
}

static void read_lines(struct reader *r)
{
	const char *s;
	size_t n;

	while (next_line(r, &s, &n)) {
		autostrbuf text = STRBUF_INIT;
		size_t skip = leading_blanks(s, n);
		unsigned line = r->line;
		bool more;

		s += skip;
		n -= skip;
		if (!n) {
			r->directives = false;
			continue;
		}
		if (*s == '#') {
			if (r->directives)
				read_directive(r, s, n);
			continue;
		}
		r->directives = false;
		more = continues(r->file->escape, s, &n);
		strbuf_add(&text, s, n);
		if (more)
			join_lines(r, &text);
		if (text.len)
			add_instruction(r, strbuf_str(&text), line);
	}
}

/* Stage names are lower-cased; what is left must be [a-z][a-z0-9-_.]*. */
static void check_stage_name(struct instr *in, struct diag *d)
{
	char *name = in->args.items[2];
	bool ok;

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	ok = islower((unsigned char)*name) &&
	     !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")];
	if (!ok)
		diag_error(
			d, in->line,
			"invalid name for build stage: \"%s\", name can't start with a number or contain symbols",
			name);
}

static void check_file(struct dockerfile *f, struct diag *d)
{
	bool stage = false;

	for (size_t i = 0; i < f->n; i++) {
		struct instr *in = &f->instrs[i];

		if (in->kind == INSTR_FROM) {
			stage = true;
			if (in->args.n == 3)
				check_stage_name(in, d);
		} else if (!stage && in->kind != INSTR_ARG) {
			diag_error(d, in->line, "%s: no build stage in current context",
				   instr_name(in->kind));
		}
	}
	if (diag_failed(d))
		return;
	if (!f->n)
		diag_error(d, 0, "file with no instructions");
	else if (!stage)
		diag_error(d, 0, "dockerfile contains no stages to build");
}

int dockerfile_parse(struct dockerfile **ret, const char *text, size_t n, struct diag *d)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NEW(struct dockerfile);
	struct reader r = {.directives = true, .file = f, .d = d};

	f->escape = '\\';
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	if (!n)
		diag_error(d, 0, "the Dockerfile cannot be empty");
	else if (n > DOCKERFILE_MAX_BYTES)
		diag_error(d, 0, "the Dockerfile is longer than %u bytes", DOCKERFILE_MAX_BYTES);
	else if (memchr(text, '\0', n))
		diag_error(d, 0, "the Dockerfile contains a NUL byte");
	if (diag_failed(d))
		return -EINVAL;

	r.p = text;
	r.end = text + n;
	read_lines(&r);
	check_file(f, d);
	if (diag_failed(d))
		return -EINVAL;
	*ret = TAKE_PTR(f);
	return 0;
}
