/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matcher for .dockerignore.
 */
#include "builder/ignore.h"

#include <ctype.h>
#include <string.h>

#include "base/fs.h"
#include "builder/glob.h"

struct pattern {
	char *literal;     /* the pattern, when it has no wildcard */
	struct glob *glob; /* otherwise */
	bool include;      /* began with "!" */
};

struct ignore {
	struct pattern *patterns;
	size_t n;
	size_t cap;
};

struct ignore *ignore_free(struct ignore *ig)
{
	if (!ig)
		return NULL;
	for (size_t i = 0; i < ig->n; i++) {
		free(ig->patterns[i].literal);
		glob_free(ig->patterns[i].glob);
	}
	free(ig->patterns);
	free(ig);
	return NULL;
}

/* S without white space at both ends, in place. */
static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	for (n = strlen(s); n && isspace((unsigned char)s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

static void add_pattern(struct ignore *ig, char *line, unsigned n, struct diag *d)
{
	struct pattern p = {};
	autofree char *clean = NULL;
	struct err err = {};
	char *s = trim(line);

	if (!*s)
		return;
	if (*s == '!') {
		p.include = true;
		s = trim(s + 1);
		if (!*s) {
			diag_error(d, n, "illegal exclusion pattern: \"!\"");
			return;
		}
	}
	clean = fs_clean_path(s);
	s = clean[0] == '/' && clean[1] ? clean + 1 : clean;
	if (!glob_has_magic(s))
		p.literal = mem_strdup(s);
	else if (glob_new(&p.glob, s, GLOB_IGNORE, &err) < 0) {
		diag_error(d, n, "%s", err.message);
		return;
	}
	GROW(ig->patterns, ig->cap, ig->n + 1);
	ig->patterns[ig->n++] = p;
}

int ignore_parse(struct ignore **ret, const char *text, size_t n, struct diag *d)
{
	_cleanup_(ignore_freep) struct ignore *ig = NEW(struct ignore);
	unsigned line = 0;

	if (n > IGNORE_MAX_BYTES || memchr(text, '\0', n)) {
		diag_error(d, 0, "longer than %u bytes or with a NUL byte", IGNORE_MAX_BYTES);
		return -EINVAL;
	}
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	while (n) {
		const char *nl = memchr(text, '\n', n);
		size_t len = nl ? (size_t)(nl - text) : n;
		autofree char *copy = mem_strndup(text, len);

		line++;
		if (*copy != '#')
			add_pattern(ig, copy, line, d);
		len += nl != NULL;
		text += len;
		n -= len;
	}
	if (diag_failed(d))
		return -EINVAL;
	*ret = TAKE_PTR(ig);
	return 0;
}

static bool pattern_match(const struct pattern *p, const char *path)
{
	const char *rest;

	if (p->glob)
		return glob_match_parents(p->glob, path);
	rest = str_skip_prefix(path, p->literal);
	return rest && (*rest == '\0' || *rest == '/');
}

bool ignore_match(const struct ignore *ig, const char *path)
{
	/* From the bottom: the first that matches is the last in the file. */
	for (size_t i = ig ? ig->n : 0; i > 0; i--)
		if (pattern_match(&ig->patterns[i - 1], path))
			return !ig->patterns[i - 1].include;
	return false;
}
