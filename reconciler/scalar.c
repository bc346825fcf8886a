/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolution table of go-yaml v2 as sigs.k8s.io/yaml uses it, measured against kubectl:
 * tests/golden/ yaml_scalars.tsv is its ground truth. Pure; knows nothing of libyaml.
 */
#include "reconciler/scalar.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/number.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

/* clang-format off */
static const struct word {
	const char *text;
	enum scalar_type type;
	bool boolean;
	double real;
} words[] = {
	{ "", SCALAR_NULL, .real = 0 },       { "~", SCALAR_NULL, .real = 0 },
	{ "null", SCALAR_NULL, .real = 0 },   { "Null", SCALAR_NULL, .real = 0 },
	{ "NULL", SCALAR_NULL, .real = 0 },
	{ "y", SCALAR_BOOL, .boolean = true },     { "Y", SCALAR_BOOL, .boolean = true },
	{ "yes", SCALAR_BOOL, .boolean = true },   { "Yes", SCALAR_BOOL, .boolean = true },
	{ "YES", SCALAR_BOOL, .boolean = true },   { "true", SCALAR_BOOL, .boolean = true },
	{ "True", SCALAR_BOOL, .boolean = true },  { "TRUE", SCALAR_BOOL, .boolean = true },
	{ "on", SCALAR_BOOL, .boolean = true },    { "On", SCALAR_BOOL, .boolean = true },
	{ "ON", SCALAR_BOOL, .boolean = true },
	{ "n", SCALAR_BOOL, .boolean = false },     { "N", SCALAR_BOOL, .boolean = false },
	{ "no", SCALAR_BOOL, .boolean = false },    { "No", SCALAR_BOOL, .boolean = false },
	{ "NO", SCALAR_BOOL, .boolean = false },    { "false", SCALAR_BOOL, .boolean = false },
	{ "False", SCALAR_BOOL, .boolean = false }, { "FALSE", SCALAR_BOOL, .boolean = false },
	{ "off", SCALAR_BOOL, .boolean = false },   { "Off", SCALAR_BOOL, .boolean = false },
	{ "OFF", SCALAR_BOOL, .boolean = false },
	{ ".nan", SCALAR_FLOAT, .real = NAN },   { ".NaN", SCALAR_FLOAT, .real = NAN },
	{ ".NAN", SCALAR_FLOAT, .real = NAN },
	{ ".inf", SCALAR_FLOAT, .real = INFINITY },   { ".Inf", SCALAR_FLOAT, .real = INFINITY },
	{ ".INF", SCALAR_FLOAT, .real = INFINITY },   { "+.inf", SCALAR_FLOAT, .real = INFINITY },
	{ "+.Inf", SCALAR_FLOAT, .real = INFINITY },  { "+.INF", SCALAR_FLOAT, .real = INFINITY },
	{ "-.inf", SCALAR_FLOAT, .real = -INFINITY }, { "-.Inf", SCALAR_FLOAT, .real = -INFINITY },
	{ "-.INF", SCALAR_FLOAT, .real = -INFINITY },
};
/* clang-format on */

void scalar_deinit(struct scalar *s)
{
	free(s->text);
	s->text = NULL;
	s->len = 0;
}

static bool word_find(struct scalar *s, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].text, text)) {
			s->type = words[i].type;
			s->boolean = words[i].boolean;
			s->real = words[i].real;
			return true;
		}
	return false;
}

/* The base a prefix asks for ("0x", "0o", "0b", "0"); *s is moved behind it. */
static int base_of(const char **s)
{
	const char *p = *s;

	if (p[0] != '0' || !p[1])
		return 10;
	*s += 2;
	switch (p[1]) {
	case 'x':
	case 'X':
		return 16;
	case 'o':
	case 'O':
		return 8;
	case 'b':
	case 'B':
		return 2;
	default:
		*s -= 1;
		return 8;
	}
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Go's ParseInt and ParseUint with base 0 on a text that has lost its underscores. */
static bool int_parse(struct scalar *s, const char *text)
{
	bool negative = *text == '-';
	bool sign = negative || *text == '+';
	uint64_t v = 0;
	int base;

	text += sign;
	base = base_of(&text);
	if (!*text)
		return false;
	for (; *text; text++) {
		int d = digit_value(*text);

		if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	if (v > (uint64_t)INT64_MAX + negative) {
		if (sign)
			return false;
		s->too_big = true;
		s->real = (double)v;
	}
	s->type = SCALAR_INT;
	s->integer = (int64_t)(negative ? 0 - v : v);
	return true;
}

/* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ */
static bool looks_like_float(const char *s)
{
	size_t whole, fraction = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.') {
		fraction = strspn(s + 1, "0123456789");
		s += fraction + 1;
	}
	if (whole + fraction == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!strspn(s, "0123456789"))
			return false;
		s += strspn(s, "0123456789");
	}
	return *s == '\0';
}

static bool float_parse(struct scalar *s, const char *text)
{
	double v;

	if (!looks_like_float(text))
		return false;
	v = strtod(text, NULL);
	if (!isfinite(v))
		return false;
	s->type = SCALAR_FLOAT;
	s->real = v;
	return true;
}

/* Type a plain text; what is nothing else stays a string. The first character decides what it may
 * be. */
static void plain_resolve(struct scalar *s, const char *text, size_t n)
{
	autofree char *digits = NULL;
	size_t len = 0;

	s->type = SCALAR_STRING;
	if (n > 64 && !strchr("+-.0123456789", *text))
		return;
	if (!*text ? n == 0 : strchr("yYnNtTfFoO~.+-", *text) != NULL)
		if (word_find(s, text))
			return;
	if (*text == '.')
		(void)float_parse(s, text);
	if (!*text || !strchr("+-0123456789", *text) || n > 1024)
		return;
	digits = mem_alloc(n + 1);
	for (size_t i = 0; i < n; i++)
		if (text[i] != '_')
			digits[len++] = text[i];
	digits[len] = '\0';
	if (!int_parse(s, digits))
		(void)float_parse(s, digits);
}

static int base64_digit(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

/* Decode in place of S->text; line breaks are allowed as in RFC 2045. */
static int binary_decode(struct scalar *s)
{
	size_t out = 0, chars = 0, pad = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < s->len; i++) {
		char c = s->text[i];
		int d = base64_digit(c);

		if (c == '\n' || c == '\r' || c == ' ')
			continue;
		pad += c == '=';
		if ((d < 0 && c != '=') || (pad && c != '=') || pad > 2)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(d < 0 ? 0 : d);
		if (++chars % 4)
			continue;
		for (size_t k = 0; k < 3 - pad; k++)
			s->text[out++] = (char)(bits >> (16 - 8 * k));
	}
	if (chars % 4)
		return -EINVAL;
	s->text[out] = '\0';
	s->len = out;
	return 0;
}

static bool type_fits(enum scalar_type type, const char *tag)
{
	static const char *const names[] = {
		[SCALAR_STRING] = "str", [SCALAR_NULL] = "null",   [SCALAR_BOOL] = "bool",
		[SCALAR_INT] = "int",    [SCALAR_FLOAT] = "float",
	};

	return str_eq(names[type], tag) || (type == SCALAR_INT && str_eq(tag, "float"));
}

/* Does S look like a date at all? Enough to refuse "!!timestamp foo"; the text is kept either way.
 */
static bool looks_like_date(const char *s)
{
	return strspn(s, "0123456789") == 4 && s[4] == '-' && strspn(s + 5, "0123456789") > 0;
}

/* A scalar with one of YAML's own tags, TAG without its prefix. S holds the text. */
static int tagged_resolve(struct scalar *s, const char **ret_problem, const char *tag)
{
	static const char *const typed[] = {"null", "bool", "int", "float"};

	if (str_eq(tag, "binary") && binary_decode(s) < 0) {
		*ret_problem = "!!binary with text that is not base64";
		return -EINVAL;
	}
	if (str_eq(tag, "timestamp") && !looks_like_date(s->text)) {
		*ret_problem = "!!timestamp with text that is not a date";
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(typed); i++) {
		if (!str_eq(tag, typed[i]))
			continue;
		plain_resolve(s, s->text, s->len);
		if (type_fits(s->type, tag))
			return 0;
		*ret_problem = "the text does not fit its type tag";
		return -EINVAL;
	}
	return 0;
}

int scalar_resolve(struct scalar *ret, const char **ret_problem, const char *tag, bool plain,
		   const char *text, size_t n)
{
	const char *own = tag ? str_skip_prefix(tag, TAG_PREFIX) : NULL;
	struct scalar s = {.type = SCALAR_STRING};
	int r = 0;

	assert(ret && ret_problem && text);
	s.text = mem_alloc(n + 1); /* may hold NUL characters */
	memcpy(s.text, text, n);
	s.text[n] = '\0';
	s.len = n;
	if (tag) {
		if (own)
			r = tagged_resolve(&s, ret_problem, own);
	} else if (plain && strlen(s.text) == n) {
		plain_resolve(&s, s.text, n);
	}
	if (r < 0)
		scalar_deinit(&s);
	else
		*ret = s;
	return r;
}

/* What encoding/json makes of a float and the API reads again: whole numbers within int64 become
 * integers. */
static json_t *real_to_json(double v, const char **ret_problem)
{
	if (!isfinite(v)) {
		*ret_problem = "infinity and NaN are not values";
		return NULL;
	}
	if (v == trunc(v) && v >= -9223372036854775808.0 && v < 9223372036854775808.0)
		return json_integer((json_int_t)v);
	return json_real(v);
}

json_t *scalar_to_json(const struct scalar *s, const char **ret_problem)
{
	json_t *j = NULL;

	switch (s->type) {
	case SCALAR_NULL:
		return json_null();
	case SCALAR_BOOL:
		return json_boolean(s->boolean);
	case SCALAR_INT:
		return s->too_big ? json_real(s->real) : json_integer(s->integer);
	case SCALAR_FLOAT:
		return real_to_json(s->real, ret_problem);
	default:
		if (strlen(s->text) != s->len) {
			*ret_problem = "a string must not contain a NUL character";
			return NULL;
		}
		j = json_string(s->text);
		if (!j)
			*ret_problem = "the text is not UTF-8";
		return j;
	}
}

static char *string_to_key(const struct scalar *s, const char **ret_problem)
{
	autojson *utf8 = json_stringn(s->text, s->len); /* !!binary may hold any bytes */

	if (!utf8)
		*ret_problem = "the key is not UTF-8";
	else if (strlen(s->text) != s->len)
		*ret_problem = "a key must not contain a NUL character";
	else
		return mem_strndup(s->text, s->len);
	return NULL;
}

char *scalar_to_key(const struct scalar *s, const char **ret_problem)
{
	char text[NUMBER_TEXT_SIZE];

	switch (s->type) {
	case SCALAR_BOOL:
		return mem_strdup(s->boolean ? "true" : "false");
	case SCALAR_INT:
		if (!s->too_big)
			return mem_asprintf("%lld", (long long)s->integer);
		*ret_problem = "the number is too big for a key";
		return NULL;
	case SCALAR_FLOAT:
		if (isnan(s->real))
			return mem_strdup(".nan");
		if (isinf(s->real))
			return mem_strdup(s->real > 0 ? ".inf" : "-.inf");
		number_format_key(text, s->real);
		return mem_strdup(text);
	case SCALAR_STRING:
		return string_to_key(s, ret_problem);
	default:
		*ret_problem = "null can't be a key";
		return NULL;
	}
}

bool scalar_plain_is_string(const char *s)
{
	struct scalar v = {.type = SCALAR_STRING};

	plain_resolve(&v, s, strlen(s));
	return v.type == SCALAR_STRING;
}
