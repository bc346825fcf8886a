/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additions to jansson: paths, canonical text, bounded parsing. Exhaustion aborts as in base/mem.
 */
#include "base/json.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "base/strbuf.h"

#define MAX_DEPTH 64

/* So that a member that could not be allocated is never taken for one that is not there. */
__attribute__((constructor)) static void abort_on_exhaustion(void)
{
	json_set_alloc_funcs(mem_alloc, free);
}

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* One step of a path: a member name (unescaped when it held a backslash) or an array index. */
struct step {
	const char *key;
	size_t key_len;
	size_t index;
	bool is_index;
	struct strbuf unescaped;
};

static void step_deinit(struct step *s)
{
	strbuf_deinit(&s->unescaped);
}

/* "[N]" at P: the rest of the path behind it, or NULL when it is not an index. */
static const char *step_index(struct step *s, const char *p)
{
	size_t v = 0;

	if (*p != '[' || p[1] < '0' || p[1] > '9')
		return NULL;
	for (p++; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, (size_t)10, &v) ||
		    __builtin_add_overflow(v, (size_t)(*p - '0'), &v))
			return NULL;
	if (*p != ']')
		return NULL;
	s->index = v;
	s->is_index = true;
	return p + 1;
}

/* A member name at P, up to an unescaped '.' or '[' or the end. Returns that end. */
static const char *step_key(struct step *s, const char *p)
{
	size_t plain = strcspn(p, ".[\\");

	s->is_index = false;
	s->key = p;
	s->key_len = plain;
	if (p[plain] != '\\')
		return p + plain;
	strbuf_reset(&s->unescaped);
	for (; *p && *p != '.' && *p != '['; p++) {
		if (*p == '\\' && p[1])
			p++;
		strbuf_addc(&s->unescaped, *p);
	}
	s->key = strbuf_str(&s->unescaped);
	s->key_len = s->unescaped.len;
	return p;
}

/* Parse the step at PATH. Returns the rest ("" after the last step), or NULL when the path is
 * malformed. */
static const char *step_next(struct step *s, const char *path)
{
	const char *end = *path == '[' ? step_index(s, path) : step_key(s, path);

	if (!end)
		return NULL;
	if (*end == '.')
		return end[1] ? end + 1 : NULL;
	return *end == '\0' || *end == '[' ? end : NULL;
}

static json_t *step_get(const struct step *s, const json_t *j)
{
	if (s->is_index)
		return json_array_get(j, s->index);
	return json_object_getn(j, s->key, s->key_len);
}

json_t *json_path(const json_t *j, const char *path)
{
	_cleanup_(step_deinit) struct step s = {0};
	json_t *found = NULL;

	assert(*path);
	while (j && path && *path) {
		path = step_next(&s, path);
		found = path ? step_get(&s, j) : NULL;
		j = found;
	}
	return found;
}

const char *json_path_str(const json_t *j, const char *path, const char *def)
{
	const char *s = json_string_value(json_path(j, path));

	return s ? s : def;
}

int64_t json_path_int(const json_t *j, const char *path, int64_t def)
{
	const json_t *v = json_path(j, path);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool json_path_bool(const json_t *j, const char *path, bool def)
{
	const json_t *v = json_path(j, path);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

/* Set the step of J to VALUE (borrowed). False when J is of another type or the array too short. */
static bool step_set(const struct step *s, json_t *j, json_t *value)
{
	if (s->is_index)
		return s->index < json_array_size(j) && json_array_set(j, s->index, value) == 0;
	if (!json_is_object(j))
		return false;
	require(json_object_setn(j, s->key, s->key_len, value) == 0);
	return true;
}

/* What had to be created is attached only after everything below it succeeded, so a failure leaves
 * no trace. */
static bool path_set(json_t *j, const char *path, json_t *value)
{
	_cleanup_(step_deinit) struct step s = {0};
	autojson *created = NULL;
	const char *rest = step_next(&s, path);
	json_t *child;

	if (!rest)
		return false;
	if (!*rest)
		return step_set(&s, j, value);
	child = step_get(&s, j);
	if (child)
		return path_set(child, rest, value);
	created = json_object();
	require(created);
	return path_set(created, rest, value) && step_set(&s, j, created);
}

void json_path_set_new(json_t *j, const char *path, json_t *value)
{
	autojson *owned = value;

	assert(*path);
	require(owned);
	(void)path_set(j, path, owned);
}

void json_path_del(json_t *j, const char *path)
{
	_cleanup_(step_deinit) struct step s = {0};

	assert(*path);
	while (j) {
		const char *rest = step_next(&s, path);

		if (!rest)
			return;
		if (!*rest)
			break;
		j = step_get(&s, j);
		path = rest;
	}
	if (s.is_index)
		(void)json_array_remove(j, s.index);
	else
		(void)json_object_deln(j, s.key, s.key_len);
}

void json_set(json_t *object, const char *key, json_t *value)
{
	assert(json_is_object(object));
	require(value && json_object_set_new(object, key, value) == 0);
}

bool json_list_has(const json_t *array, const char *text)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (str_eq(json_string_value(json_array_get(array, i)), text))
			return true;
	}
	return false;
}

json_t *json_text(const char *s)
{
	autostrbuf clean = STRBUF_INIT;
	size_t n = strlen(s), i = 0;
	json_t *j = json_string(s);

	if (j)
		return j;
	while (i < n) {
		uint32_t c;
		size_t len = str_utf8_len(&c, s + i, n - i);

		if (len)
			strbuf_add(&clean, s + i, len);
		else
			strbuf_adds(&clean, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
	j = json_string(strbuf_str(&clean));
	require(j);
	return j;
}

static char *dump(const json_t *j, size_t flags)
{
	char *text = json_dumps(j, flags | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	require(text);
	return text;
}

char *json_canonical(const json_t *j)
{
	return dump(j, JSON_COMPACT);
}

char *json_pretty(const json_t *j)
{
	autofree char *text = dump(j, JSON_INDENT(2));

	return mem_asprintf("%s\n", text);
}

/* jansson nests up to 2048 deep, and frees recursively; refuse such text before it allocates for
 * it. */
static int check_depth(const char *text, size_t n, struct err *err)
{
	unsigned depth = 0, line = 1;
	size_t line_start = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '\n') {
			line++;
			line_start = i + 1;
		} else if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > MAX_DEPTH)
				return err_invalid(err, "%u:%zu: nested deeper than %d levels",
						   line, i - line_start + 1, MAX_DEPTH);
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		}
	}
	return 0;
}

int json_parse(json_t **ret, const char *text, size_t n, size_t max_bytes, struct err *err)
{
	autostrbuf safe = STRBUF_INIT;
	json_error_t e;
	json_t *j;
	int r;

	if (n > max_bytes)
		return err_set(err, ERR_INVALID, E2BIG, NULL, "larger than %zu bytes", max_bytes);
	r = check_depth(text, n, err);
	if (r < 0)
		return r;
	j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!j) {
		strbuf_add_escaped(&safe, e.text, strlen(e.text));
		return err_invalid(err, "%d:%d: %s", e.line, e.column, strbuf_str(&safe));
	}
	*ret = j;
	return 0;
}
