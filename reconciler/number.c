/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortest round-trip printing of doubles by trying precisions in turn, then laying the digits out
 * by Go's rules.
 */
#include "reconciler/number.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digits {
	char text[24]; /* significant digits without trailing zeros, at least one */
	int exp10;     /* of the first digit */
	bool negative;
};

static void digits_shortest(struct digits *d, double v, bool single)
{
	char buf[NUMBER_TEXT_SIZE];
	char *e;
	size_t n = 0;

	for (int p = 0; p <= 17; p++) {
		(void)snprintf(buf, sizeof(buf), "%.*e", p, v);
		if (single ? strtof(buf, NULL) == (float)v : strtod(buf, NULL) == v)
			break;
	}
	d->negative = buf[0] == '-';
	e = strchr(buf, 'e');
	assert(e);
	d->exp10 = (int)strtol(e + 1, NULL, 10);
	for (const char *p = buf; p < e; p++)
		if (*p >= '0' && *p <= '9' && n + 1 < sizeof(d->text))
			d->text[n++] = *p;
	while (n > 1 && d->text[n - 1] == '0')
		n--;
	d->text[n] = '\0';
}

static void layout_exponent(char *ret, const struct digits *d)
{
	const char *sign = d->negative ? "-" : "";
	const char *dot = d->text[1] ? "." : "";

	(void)snprintf(ret, NUMBER_TEXT_SIZE, "%s%c%s%se%c%02d", sign, d->text[0], dot, d->text + 1,
		       d->exp10 < 0 ? '-' : '+', abs(d->exp10));
}

/* Only for exponents in [-7, 21]: fits the buffer. */
static void layout_plain(char *ret, const struct digits *d)
{
	int n = (int)strlen(d->text);
	size_t out = 0;

	if (d->negative)
		ret[out++] = '-';
	if (d->exp10 < 0) {
		ret[out++] = '0';
		ret[out++] = '.';
		for (int i = -1; i > d->exp10; i--)
			ret[out++] = '0';
	}
	for (int i = 0; i < n || i <= d->exp10; i++) {
		if (d->exp10 >= 0 && i == d->exp10 + 1)
			ret[out++] = '.';
		ret[out++] = i < n ? d->text[i] : '0';
	}
	ret[out] = '\0';
}

void number_format(char ret[NUMBER_TEXT_SIZE], double v)
{
	struct digits d;

	assert(isfinite(v));
	digits_shortest(&d, v, false);
	if (v != 0 && (d.exp10 < -6 || d.exp10 >= 21))
		layout_exponent(ret, &d);
	else
		layout_plain(ret, &d);
}

void number_format_key(char ret[NUMBER_TEXT_SIZE], double v)
{
	struct digits d;

	assert(isfinite(v));
	digits_shortest(&d, v, true);
	if (v != 0 && (d.exp10 < -4 || d.exp10 >= 6))
		layout_exponent(ret, &d);
	else
		layout_plain(ret, &d);
}

void number_format_json(char ret[NUMBER_TEXT_SIZE], const json_t *j)
{
	assert(json_is_number(j));
	if (json_is_integer(j))
		(void)snprintf(ret, NUMBER_TEXT_SIZE, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(j));
	else
		number_format(ret, json_real_value(j));
}
