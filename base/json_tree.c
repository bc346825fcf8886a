/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying and writing documents as the trees that they are. What jansson has for this looks for
 * cycles at every level, which costs more than the work itself; the store does both for each change
 * of each object.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* ---- copying ---- */

static json_t *clone_object(const json_t *j)
{
	json_t *out = json_object(), *value;
	const char *key;
	size_t n;

	json_object_keylen_foreach((json_t *)(uintptr_t)j, key, n, value)(void)
		json_object_setn_new_nocheck(out, key, n, json_clone(value));
	return out;
}

static json_t *clone_array(const json_t *j)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(j); i++)
		(void)json_array_append_new(out, json_clone(json_array_get(j, i)));
	return out;
}

json_t *json_clone(const json_t *j)
{
	if (json_is_object(j))
		return clone_object(j);
	if (json_is_array(j))
		return clone_array(j);
	return json_incref((json_t *)(uintptr_t)j);
}

/* ---- writing ---- */

struct text {
	char *data;
	size_t len, cap;
};

static void write_value(struct text *t, const json_t *j);

/* Room for N more bytes. */
static char *room(struct text *t, size_t n)
{
	GROW(t->data, t->cap, t->len + n);
	return t->data + t->len;
}

static void write_char(struct text *t, char c)
{
	*room(t, 1) = c;
	t->len++;
}

static void write_word(struct text *t, const char *word)
{
	size_t n = strlen(word);

	memcpy(room(t, n), word, n);
	t->len += n;
}

/* C, which can't stand for itself, at P. Returns where it ends. */
static char *escape(char *p, char c)
{
	static const char pairs[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* character, its letter */

	for (size_t i = 0; i < sizeof(pairs) - 1; i += 2) {
		if (pairs[i] == c) {
			*p++ = '\\';
			*p++ = pairs[i + 1];
			return p;
		}
	}
	(void)snprintf(p, sizeof("\\u0000"), "\\u%04X", (unsigned int)(unsigned char)c);
	return p + strlen(p);
}

static void write_string(struct text *t, const char *s, size_t n)
{
	char *p = room(t, 6 * n + 3); /* as long as it can get */

	*p++ = '"';
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == '"' || s[i] == '\\')
			p = escape(p, s[i]);
		else
			*p++ = s[i];
	}
	*p++ = '"';
	t->len = (size_t)(p - t->data);
}

static void write_object(struct text *t, const json_t *j)
{
	const char *key;
	bool first = true;
	json_t *value;
	size_t n;

	write_char(t, '{');
	json_object_keylen_foreach((json_t *)(uintptr_t)j, key, n, value)
	{
		if (!first)
			write_char(t, ',');
		first = false;
		write_string(t, key, n);
		write_char(t, ':');
		write_value(t, value);
	}
	write_char(t, '}');
}

static void write_array(struct text *t, const json_t *j)
{
	write_char(t, '[');
	for (size_t i = 0; i < json_array_size(j); i++) {
		if (i > 0)
			write_char(t, ',');
		write_value(t, json_array_get(j, i));
	}
	write_char(t, ']');
}

/* The text of numbers takes care: it is jansson's. */
static void write_number(struct text *t, const json_t *j)
{
	autofree char *text = json_dumps(j, JSON_ENCODE_ANY);

	assert(text);
	write_word(t, text);
}

static void write_value(struct text *t, const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return write_object(t, j);
	case JSON_ARRAY:
		return write_array(t, j);
	case JSON_STRING:
		return write_string(t, json_string_value(j), json_string_length(j));
	case JSON_INTEGER:
	case JSON_REAL:
		return write_number(t, j);
	case JSON_TRUE:
		return write_word(t, "true");
	case JSON_FALSE:
		return write_word(t, "false");
	default:
		return write_word(t, "null");
	}
}

char *json_compact(const json_t *j)
{
	struct text t = {0};

	assert(j);
	write_value(&t, j);
	write_char(&t, '\0');
	return t.data;
}
