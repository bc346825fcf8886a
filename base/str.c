/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String helpers. Bytes are ASCII or UTF-8 whatever the locale says.
 */
#include "base/str.h"

#include <assert.h>
#include <errno.h>

/* Longer words are no typos of ours; it also bounds the quadratic search on foreign input. */
#define NEAREST_MAX 64

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

/* By hand: keys of objects are made more often than anything else. */
char *str_path(const char *a, const char *b, const char *c)
{
	size_t n_a = strlen(a), n_b = strlen(b), n_c = c ? strlen(c) : 0;
	char *out = mem_alloc(n_a + n_b + n_c + 3), *p = out;

	memcpy(p, a, n_a);
	p += n_a;
	*p++ = '/';
	memcpy(p, b, n_b);
	p += n_b;
	if (c) {
		*p++ = '/';
		memcpy(p, c, n_c);
		p += n_c;
	}
	*p = '\0';
	return out;
}

const char *str_skip_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* Digits only, no leading zero; -ERANGE above UINT64_MAX. */
static int parse_digits(uint64_t *ret, const char *s)
{
	uint64_t v = 0;

	if (*s == '\0' || (s[0] == '0' && s[1] != '\0'))
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (*p < '0' || *p > '9')
			return -EINVAL;
	for (; *s; s++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	*ret = v;
	return 0;
}

int str_parse_u64(uint64_t *ret, const char *s, uint64_t min, uint64_t max)
{
	uint64_t v;
	int r;

	assert(min <= max);
	if (!s)
		return -EINVAL;
	r = parse_digits(&v, s);
	if (r < 0)
		return r;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_parse_i64(int64_t *ret, const char *s, int64_t min, int64_t max)
{
	bool negative;
	uint64_t magnitude;
	int64_t v;
	int r;

	assert(min <= max);
	if (!s)
		return -EINVAL;
	negative = *s == '-';
	r = parse_digits(&magnitude, s + negative);
	if (r < 0)
		return r;
	if (negative && magnitude == 0)
		return -EINVAL;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	v = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

size_t str_utf8_len(uint32_t *ret, const char *s, size_t n)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c;
	size_t len;

	if (n == 0)
		return 0;
	if (u[0] < 0x80) {
		*ret = u[0];
		return 1;
	}
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		len = 2, c = u[0] & 0x1f;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		len = 3, c = u[0] & 0x0f;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		len = 4, c = u[0] & 0x07;
	else
		return 0;
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < smallest[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*ret = c;
	return len;
}

void strlist_deinit(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct strlist){0};
}

void strlist_add(struct strlist *l, const char *s)
{
	assert(s);
	strlist_add_take(l, mem_strdup(s));
}

void strlist_add_take(struct strlist *l, char *s)
{
	assert(s);
	GROW(l->items, l->cap, l->n + 2);
	l->items[l->n++] = s;
	l->items[l->n] = NULL;
}

bool strlist_contains(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i], s) == 0)
			return true;
	return false;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
	if (l->n > 1)
		qsort(l->items, l->n, sizeof(*l->items), compare_items);
}

void strlist_split(struct strlist *l, const char *s, char sep)
{
	const char *end;

	assert(sep != '\0');
	for (; (end = strchr(s, sep)); s = end + 1)
		strlist_add_take(l, mem_strndup(s, (size_t)(end - s)));
	strlist_add(l, s);
}

void str_hex(char *out, const void *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 0xf];
	}
	out[2 * n] = '\0';
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Cost of writing B for A, in half edits. */
static unsigned substitution(char a, char b)
{
	if (a == b)
		return 0;
	return ascii_lower(a) == ascii_lower(b) ? 1 : 2;
}

/*
 * Damerau-Levenshtein distance (restricted: no edit inside a transposed pair) in half edits. Both
 * lengths are at most NEAREST_MAX. Three rows of the matrix are enough: a transposition looks back
 * two.
 */
static unsigned half_edits(const char *a, size_t n, const char *b, size_t m)
{
	unsigned rows[3][NEAREST_MAX + 1];

	assert(n <= NEAREST_MAX && m <= NEAREST_MAX);
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)(2 * j);
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned)(2 * i);
		for (size_t j = 1; j <= m; j++) {
			row[j] = min3(up[j] + 2, row[j - 1] + 2,
				      up[j - 1] + substitution(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 2 < row[j])
				row[j] = up2[j - 2] + 2;
		}
	}
	return rows[n % 3][m];
}

const char *str_nearest(const char *word, const char *const *candidates)
{
	size_t n = strlen(word);
	unsigned best = (unsigned)(2 * (1 + n / 4)) + 1;
	const char *nearest = NULL;

	if (n == 0 || n > NEAREST_MAX)
		return NULL;
	/* Something of the word has to remain, or every one-letter word would be a typo of every
	 * other. */
	if (best > 2 * n)
		best = (unsigned)(2 * n);
	for (; *candidates; candidates++) {
		size_t m = strlen(*candidates);
		unsigned d;

		if (m > NEAREST_MAX)
			continue;
		d = half_edits(word, n, *candidates, m);
		if (d < best) {
			best = d;
			nearest = *candidates;
		}
	}
	return nearest;
}

uint32_t str_fnv32(uint32_t seed, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		seed = (seed ^ p[i]) * 16777619u;
	return seed;
}
