/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of image references, as a scanner over the text: each scan_ function returns the end
 * of the longest match or NULL. Names are split and completed afterwards, by the rules of familiar
 * names.
 */
#include "runtime/imageref.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define REASON "InvalidImageName"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One of ".", "_", "__", or dashes; the end of it, or S when there is none. */
static const char *scan_separator(const char *s)
{
	if (*s == '.')
		return s + 1;
	if (*s == '_')
		return s + (s[1] == '_' ? 2 : 1);
	while (*s == '-')
		s++;
	return s;
}

/* alphanumeric (separator alphanumeric)*, all of [S, END). */
static bool is_path_component(const char *s, const char *end)
{
	const char *next;

	while (s < end) {
		if (!is_lower_alnum(*s))
			return false;
		while (s < end && is_lower_alnum(*s))
			s++;
		if (s == end)
			return true;
		next = scan_separator(s);
		if (next == s)
			return false;
		s = next;
	}
	return false;
}

static bool is_path(const char *s)
{
	const char *slash;

	while ((slash = strchr(s, '/'))) {
		if (!is_path_component(s, slash))
			return false;
		s = slash + 1;
	}
	return is_path_component(s, s + strlen(s));
}

/* Labels of letters, digits and inner dashes, separated by dots: all of [S, END). */
static bool is_host_name(const char *s, const char *end)
{
	if (s == end)
		return false;
	for (const char *p = s; p < end; p++) {
		bool first = p == s || p[-1] == '.', last = p + 1 == end || p[1] == '.';

		if (*p == '.' && !first && !(p + 1 == end))
			continue;
		if (*p == '-' && !first && !last)
			continue;
		if (!is_alnum(*p))
			return false;
	}
	return true;
}

/* "[2001:db8::1]": hex digits and colons in brackets. */
static bool is_ipv6_literal(const char *s, const char *end)
{
	if (end - s < 3 || *s != '[' || end[-1] != ']')
		return false;
	return strspn(s + 1, "0123456789abcdefABCDEF:") == (size_t)(end - s - 2);
}

static bool is_registry(const char *s)
{
	const char *end = s + strlen(s), *colon = *s == '[' ? strchr(s, ']') : s;

	colon = colon ? strchr(colon, ':') : NULL;
	if (colon) {
		if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
			return false;
		end = colon;
	}
	return is_host_name(s, end) || is_ipv6_literal(s, end);
}

static bool is_tag(const char *s)
{
	if (!is_alnum(*s) && *s != '_')
		return false;
	if (strlen(s) > IMAGEREF_MAX_TAG)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && *s != '_' && *s != '.' && *s != '-')
			return false;
	return true;
}

/* Whether the first of several components names a registry: it has a dot, a colon or a capital, or
 * is "localhost". */
static bool looks_like_registry(const char *s)
{
	if (str_eq(s, IMAGEREF_LOCAL_REGISTRY) || *s == '[')
		return true;
	for (; *s; s++)
		if (*s == '.' || *s == ':' || (*s >= 'A' && *s <= 'Z'))
			return true;
	return false;
}

static void copy(char *ret, size_t size, const char *s)
{
	size_t n = strlen(s);

	assert(n < size);
	memcpy(ret, s, n + 1);
}

/* Split NAME (neither tag nor digest in it) into registry and repository; false when it is too
 * long. */
static bool split_name(struct imageref *ref, char *name)
{
	char *slash = strchr(name, '/');
	const char *registry = IMAGEREF_DEFAULT_REGISTRY, *prefix = "";
	int n;

	if (slash) {
		*slash = '\0';
		if (looks_like_registry(name)) {
			registry =
				str_eq(name, "index.docker.io") ? IMAGEREF_DEFAULT_REGISTRY : name;
			name = slash + 1;
		} else {
			*slash = '/';
		}
	}
	if (str_eq(registry, IMAGEREF_DEFAULT_REGISTRY) && !strchr(name, '/'))
		prefix = "library/";
	copy(ref->registry, sizeof(ref->registry), registry);
	n = snprintf(ref->repository, sizeof(ref->repository), "%s%s", prefix, name);
	return n > 0 && strlen(registry) + 1 + (size_t)n <= IMAGEREF_MAX_NAME;
}

/* Sixty-four hex digits alone would be taken for an image id elsewhere. */
static bool is_bare_id(const char *name)
{
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* Take "@digest" and ":tag" off the end of TEXT. A message for people, or NULL when both are fine.
 */
static const char *split_suffixes(struct imageref *ref, char *text)
{
	char *at = strchr(text, '@'), *colon;

	if (at) {
		if (!digest_valid(at + 1))
			return "the digest is not sha256: and 64 hex digits";
		copy(ref->digest, sizeof(ref->digest), at + 1);
		*at = '\0';
	}
	colon = strrchr(text, ':');
	if (colon && !strchr(colon, '/') && !strchr(colon, ']')) {
		/* "host:5000" alone is a name with a tag, as everywhere. */
		if (!is_tag(colon + 1))
			return "the tag has a character or a length that tags cannot have";
		copy(ref->tag, sizeof(ref->tag), colon + 1);
		*colon = '\0';
	}
	if (!at && !*ref->tag)
		copy(ref->tag, sizeof(ref->tag), "latest");
	return NULL;
}

static const char *parse(struct imageref *ref, char *text)
{
	const char *wrong = split_suffixes(ref, text);

	if (wrong)
		return wrong;
	if (!*text)
		return "the name is empty";
	if (strlen(text) > IMAGEREF_MAX_NAME)
		return "the name is longer than 255 characters";
	if (is_bare_id(text))
		return "an image id is not a name";
	if (!split_name(ref, text))
		return "the name is longer than 255 characters";
	if (!is_registry(ref->registry))
		return "the registry is not a host name";
	if (!is_path(ref->repository))
		return "the repository must be of lower-case letters and digits, separated by '/', '.', '_' or '-'";
	return NULL;
}

int imageref_parse(struct imageref *ret, const char *text, struct err *err)
{
	struct imageref ref = {};
	char buf[IMAGEREF_MAX];
	const char *wrong;

	assert(ret && text);

	if (strlen(text) >= sizeof(buf))
		return err_set(err, ERR_INVALID, EINVAL, REASON,
			       "image name of %zu characters is too long", strlen(text));
	copy(buf, sizeof(buf), text);
	wrong = parse(&ref, buf);
	if (wrong)
		return err_set(err, ERR_INVALID, EINVAL, REASON, "image name '%s': %s", text,
			       wrong);
	*ret = ref;
	return 0;
}

static void format(char ret[IMAGEREF_MAX], const char *registry, const char *repository,
		   const struct imageref *suffixes)
{
	int n = snprintf(ret, IMAGEREF_MAX, "%s%s%s", registry, *registry ? "/" : "", repository);

	assert(n > 0 && n <= IMAGEREF_MAX_NAME);
	if (!suffixes)
		return;
	(void)snprintf(ret + n, (size_t)(IMAGEREF_MAX - n), "%s%s%s%s", *suffixes->tag ? ":" : "",
		       suffixes->tag, *suffixes->digest ? "@" : "", suffixes->digest);
}

static void format_familiar(char ret[IMAGEREF_MAX], const struct imageref *ref,
			    const struct imageref *suffixes)
{
	const char *repository = ref->repository, *rest, *slash;
	char first[IMAGEREF_MAX_NAME + 1];

	if (!str_eq(ref->registry, IMAGEREF_DEFAULT_REGISTRY)) {
		format(ret, ref->registry, repository, suffixes);
		return;
	}
	rest = str_skip_prefix(repository, "library/");
	if (rest && !strchr(rest, '/'))
		repository = rest;

	/* "docker.io/localhost/x" without its registry would name another one. */
	copy(first, sizeof(first), repository);
	slash = strchr(first, '/');
	if (slash)
		first[slash - first] = '\0';
	format(ret, slash && looks_like_registry(first) ? ref->registry : "", repository, suffixes);
}

void imageref_format(char ret[IMAGEREF_MAX], const struct imageref *ref)
{
	format(ret, ref->registry, ref->repository, ref);
}

void imageref_format_familiar(char ret[IMAGEREF_MAX], const struct imageref *ref)
{
	format_familiar(ret, ref, ref);
}

void imageref_format_repository(char ret[IMAGEREF_MAX], const struct imageref *ref)
{
	format_familiar(ret, ref, NULL);
}

bool imageref_equal(const struct imageref *a, const struct imageref *b)
{
	return str_eq(a->registry, b->registry) && str_eq(a->repository, b->repository) &&
	       str_eq(a->tag, b->tag) && str_eq(a->digest, b->digest);
}
