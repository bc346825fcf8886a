/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML writer. A string is written plain when the reader would take it back as that string, as
 * a literal block when it has lines, else in double quotes with escapes.
 */
#include "reconciler/yamlout.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/number.h"
#include "reconciler/scalar.h"

#define SIMPLE_KEY_MAX                                                                             \
	1000 /* libyaml looks no further than 1024 characters for the ':' of a key                 \
	      */

static void write_node(struct strbuf *out, const json_t *j, size_t indent);

static void spaces(struct strbuf *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addc(out, ' ');
}

/* Decode one character of the valid UTF-8 at *S and move behind it. */
static unsigned int utf8_next(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	int n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	unsigned int c = n == 1 ? *p : *p & (0xffu >> (n + 1));

	for (int i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*s += n;
	return c;
}

/* May the character stand as it is, in every style? */
static bool printable(unsigned int c)
{
	if (c < 0xa1)
		return c >= ' ' && c <= '~';
	return !(c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff ||
		 (c >= 0xd800 && c <= 0xdfff) || (c >= 0x200b && c <= 0x200f) ||
		 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069));
}

static bool all_printable(const char *s, bool lines)
{
	while (*s) {
		unsigned int c = utf8_next(&s);

		if (!printable(c) && !(lines && (c == '\n' || c == '\t')))
			return false;
	}
	return true;
}

/* Dates and base 60 numbers are strings for kubectl, but not for every reader: quote them. */
static bool looks_typed_elsewhere(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	if (digits == 4 && s[4] == '-' && s[5] >= '0' && s[5] <= '9')
		return true;
	return digits > 0 && strspn(s, "0123456789:._") == strlen(s);
}

static bool plain_is_safe(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || strchr("?:,[]{}#&*!|>'\"%@` =<", s[0]) || s[n - 1] == ' ' || s[n - 1] == ':')
		return false;
	if (s[0] == '-' && (n == 1 || strchr(" -", s[1])) &&
	    !(s[1] == '-' && s[2] > ' ' && s[2] != '-'))
		return false;
	if (strstr(s, ": ") || strstr(s, " #") || str_skip_prefix(s, "..."))
		return false;
	return all_printable(s, false) && scalar_plain_is_string(s) && !looks_typed_elsewhere(s);
}

static void write_escape(struct strbuf *out, unsigned int c)
{
	if (c == '"' || c == '\\')
		strbuf_addf(out, "\\%c", (char)c);
	else if (c == '\n')
		strbuf_adds(out, "\\n");
	else if (c == '\t')
		strbuf_adds(out, "\\t");
	else if (c == '\r')
		strbuf_adds(out, "\\r");
	else if (c <= 0xff)
		strbuf_addf(out, "\\x%02x", c);
	else if (c <= 0xffff)
		strbuf_addf(out, "\\u%04x", c);
	else
		strbuf_addf(out, "\\U%08x", c);
}

static void write_quoted(struct strbuf *out, const char *s)
{
	strbuf_addc(out, '"');
	while (*s) {
		const char *begin = s;
		unsigned int c = utf8_next(&s);

		if (printable(c) && c != '"' && c != '\\')
			strbuf_add(out, begin, (size_t)(s - begin));
		else
			write_escape(out, c);
	}
	strbuf_addc(out, '"');
}

static bool literal_is_safe(const char *s)
{
	const char *newline = strchr(s, '\n');

	if (!newline || *s == '\n' || *s == ' ' || *s == '\t')
		return false;
	return all_printable(s, true);
}

/* The lines of S as a block whose lines are indented by INDENT. */
static void write_literal(struct strbuf *out, const char *s, size_t indent)
{
	size_t n = strlen(s);
	bool ends = n >= 1 && s[n - 1] == '\n';
	bool more = n >= 2 && ends && s[n - 2] == '\n';

	strbuf_adds(out, more ? "|+" : ends ? "|" : "|-");
	while (*s) {
		size_t len = strcspn(s, "\n");

		strbuf_addc(out, '\n');
		if (len)
			spaces(out, indent);
		strbuf_add(out, s, len);
		s += len;
		s += *s == '\n';
	}
}

/* A string without a line end of its own. INDENT is that of a block, should it become one. */
static void write_string(struct strbuf *out, const char *s, size_t indent, bool block)
{
	if (block && literal_is_safe(s))
		write_literal(out, s, indent);
	else if (plain_is_safe(s))
		strbuf_adds(out, s);
	else
		write_quoted(out, s);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_keys(const json_t *object)
{
	const char **keys = mem_calloc(json_object_size(object) + 1, sizeof(*keys));
	const json_t *value;
	const char *key;
	size_t n = 0;

	json_object_foreach((json_t *)object, key, value) {
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

static bool is_inline(const json_t *j)
{
	return !(json_is_object(j) && json_object_size(j)) &&
	       !(json_is_array(j) && json_array_size(j));
}

/* "key:" with what follows it, up to its line end. */
static void write_member(struct strbuf *out, const char *key, const json_t *value, size_t indent)
{
	size_t begin = out->len;
	bool explicit_key;

	write_string(out, key, indent, false);
	explicit_key = out->len - begin > SIMPLE_KEY_MAX;
	if (explicit_key) {
		autofree char *text = mem_strdup(strbuf_str(out) + begin);

		strbuf_truncate(out, begin);
		strbuf_addf(out, "? %s\n", text);
		spaces(out, indent);
	}
	strbuf_addc(out, ':');
	if (is_inline(value)) {
		strbuf_addc(out, ' ');
		write_node(out, value, indent + 2);
		return;
	}
	strbuf_addc(out, '\n');
	/* A list may stand at its key's own indent. */
	indent += json_is_object(value) || explicit_key ? 2 : 0;
	spaces(out, indent);
	write_node(out, value, indent);
}

static void write_object(struct strbuf *out, const json_t *j, size_t indent)
{
	autofree const char **keys = sorted_keys(j);

	for (size_t i = 0; keys[i]; i++) {
		if (i) {
			strbuf_addc(out, '\n');
			spaces(out, indent);
		}
		write_member(out, keys[i], json_object_get(j, keys[i]), indent);
	}
}

static void write_array(struct strbuf *out, const json_t *j, size_t indent)
{
	const json_t *element;
	size_t i;

	json_array_foreach(j, i, element) {
		if (i) {
			strbuf_addc(out, '\n');
			spaces(out, indent);
		}
		strbuf_adds(out, "- ");
		write_node(out, element, indent + 2);
	}
}

/* J, its first line continuing the current one, its others indented by INDENT; no line end. */
static void write_node(struct strbuf *out, const json_t *j, size_t indent)
{
	char number[NUMBER_TEXT_SIZE];

	switch (json_typeof(j)) {
	case JSON_OBJECT:
		if (json_object_size(j))
			write_object(out, j, indent);
		else
			strbuf_adds(out, "{}");
		break;
	case JSON_ARRAY:
		if (json_array_size(j))
			write_array(out, j, indent);
		else
			strbuf_adds(out, "[]");
		break;
	case JSON_STRING:
		write_string(out, json_string_value(j), indent, indent > 0);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		number_format_json(number, j);
		strbuf_adds(out, number);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		strbuf_adds(out, json_is_true(j) ? "true" : "false");
		break;
	default:
		strbuf_adds(out, "null");
		break;
	}
}

void yamlout_write(struct strbuf *out, const json_t *j)
{
	assert(j);
	write_node(out, j, 0);
	strbuf_addc(out, '\n');
}
