/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities after apimachinery's pkg/api/resource: grammar, families, canonical form and
 * saturation. Knows no resource names: that a memory of "100m" is a typo is validate.c's business.
 */
#include "reconciler/quantity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "reconciler/number.h"

#define NANO ((__int128)1000000000)
#define MILLI_IN_NANO ((__int128)1000000)
#define NANO_MAX ((__int128)INT64_MAX * NANO)

/* clang-format off */
static const struct suffix {
	const char *text;
	enum quantity_format format;
	int power; /* of ten, or of 1024 for the binary ones */
} suffixes[] = {
	{ "",   QUANTITY_DECIMAL,  0 }, { "n",  QUANTITY_DECIMAL, -9 }, { "u",  QUANTITY_DECIMAL, -6 },
	{ "m",  QUANTITY_DECIMAL, -3 }, { "k",  QUANTITY_DECIMAL,  3 }, { "M",  QUANTITY_DECIMAL,  6 },
	{ "G",  QUANTITY_DECIMAL,  9 }, { "T",  QUANTITY_DECIMAL, 12 }, { "P",  QUANTITY_DECIMAL, 15 },
	{ "E",  QUANTITY_DECIMAL, 18 },
	{ "Ki", QUANTITY_BINARY,   1 }, { "Mi", QUANTITY_BINARY,   2 }, { "Gi", QUANTITY_BINARY,   3 },
	{ "Ti", QUANTITY_BINARY,   4 }, { "Pi", QUANTITY_BINARY,   5 }, { "Ei", QUANTITY_BINARY,   6 },
};
/* clang-format on */

/* The decimal part of a quantity: DIGITS * 10^EXP10, with INEXACT when digits were cut off below.
 */
struct decimal {
	bool negative;
	bool inexact;
	bool any;
	int exp10;
	__int128 digits;
};

/* Append one digit; beyond 28 significant ones only the magnitude is kept. */
static void decimal_push(struct decimal *d, int digit, bool fraction)
{
	static const __int128 full = NANO * NANO * NANO;

	d->any = true;
	if (d->digits < full) {
		d->digits = d->digits * 10 + digit;
		d->exp10 -= fraction;
		return;
	}
	d->inexact |= digit != 0;
	d->exp10 += !fraction;
}

static const char *decimal_scan(struct decimal *d, const char *s)
{
	bool fraction = false;

	if (*s == '+' || *s == '-')
		d->negative = *s++ == '-';
	for (; (*s >= '0' && *s <= '9') || (*s == '.' && !fraction); s++) {
		if (*s == '.')
			fraction = true;
		else
			decimal_push(d, *s - '0', fraction);
	}
	return s;
}

/* "e3", "E-6": a sign and one to three digits, nothing else. */
static int exponent_scan(int *ret, const char *s)
{
	int sign = 1, v = 0, n = 0;

	if (*s != 'e' && *s != 'E')
		return -EINVAL;
	s++;
	if (*s == '+' || *s == '-')
		sign = *s++ == '-' ? -1 : 1;
	for (; *s >= '0' && *s <= '9' && n < 4; s++, n++)
		v = v * 10 + (*s - '0');
	if (*s || n == 0 || n > 3)
		return -EINVAL;
	*ret = sign * v;
	return 0;
}

static int suffix_scan(enum quantity_format *ret_format, int *ret_power, const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (!strcmp(s, suffixes[i].text)) {
			*ret_format = suffixes[i].format;
			*ret_power = suffixes[i].power;
			return 0;
		}
	*ret_format = QUANTITY_EXPONENT;
	return exponent_scan(ret_power, s);
}

/* V * FACTOR, cut at the greatest quantity; both are not negative. */
static __int128 scale_up(__int128 v, int factor)
{
	return v > NANO_MAX * 1024 / factor ? NANO_MAX * 1024 : v * factor;
}

/* The magnitude of D * 10^power (or * 1024^power) in nano units, rounded up, cut at the greatest
 * quantity. */
static __int128 decimal_nano(struct decimal *d, enum quantity_format format, int power)
{
	__int128 v = d->digits;
	int exp10 = d->exp10 + 9;

	for (int i = 0; format == QUANTITY_BINARY && i < power; i++) {
		/* Ten significant powers of two cost three digits; make room first. */
		while (v > NANO * NANO * NANO * 1000) {
			d->inexact |= v % 10 != 0;
			v /= 10;
			exp10++;
		}
		v *= 1024;
	}
	if (format != QUANTITY_BINARY)
		exp10 += power;
	for (; exp10 > 0 && v > 0 && v < NANO_MAX * 1024; exp10--)
		v = scale_up(v, 10);
	for (; exp10 < 0 && v > 0; exp10++) {
		d->inexact |= v % 10 != 0;
		v /= 10;
	}
	v += d->inexact;
	return v > NANO_MAX ? NANO_MAX : v;
}

int quantity_parse(struct quantity *ret, const char *s)
{
	struct decimal d = {.any = false};
	enum quantity_format format;
	int power, r;

	assert(ret && s);
	s = decimal_scan(&d, s);
	if (!d.any)
		return -EINVAL;
	r = suffix_scan(&format, &power, s);
	if (r < 0)
		return r;
	ret->format = format;
	ret->nano = decimal_nano(&d, format, power);
	if (d.negative)
		ret->nano = -ret->nano;
	return 0;
}

int quantity_parse_json(struct quantity *ret, const json_t *j)
{
	char text[NUMBER_TEXT_SIZE];

	if (json_is_string(j))
		return quantity_parse(ret, json_string_value(j));
	if (!json_is_number(j))
		return -EINVAL;
	number_format_json(text, j);
	return quantity_parse(ret, text);
}

static const char *suffix_text(enum quantity_format format, int power)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (suffixes[i].format == format && suffixes[i].power == power)
			return suffixes[i].text;
	return "";
}

/* V is below 2^94 and not negative: split so that printf can have it. */
static void add_int128(struct strbuf *out, __int128 v)
{
	uint64_t high = (uint64_t)(v / (NANO * NANO)), low = (uint64_t)(v % (NANO * NANO));

	if (high)
		strbuf_addf(out, "%llu%018llu", (unsigned long long)high, (unsigned long long)low);
	else
		strbuf_addf(out, "%llu", (unsigned long long)low);
}

char *quantity_format(const struct quantity *q)
{
	autostrbuf out = STRBUF_INIT;
	enum quantity_format format = q->format;
	__int128 v = q->nano < 0 ? -q->nano : q->nano;
	int power = 0;

	if (format == QUANTITY_BINARY && (v < 1024 * NANO || v % NANO != 0))
		format = QUANTITY_DECIMAL;
	if (v == 0)
		return mem_strdup("0");
	if (q->nano < 0)
		strbuf_addc(&out, '-');
	if (format == QUANTITY_BINARY) {
		for (v /= NANO; v % 1024 == 0 && power < 6; power++)
			v /= 1024;
		add_int128(&out, v);
		strbuf_adds(&out, suffix_text(format, power));
		return strbuf_take(&out);
	}
	for (power = -9; v % 1000 == 0 && power < 18; power += 3)
		v /= 1000;
	add_int128(&out, v);
	if (format == QUANTITY_DECIMAL)
		strbuf_adds(&out, suffix_text(format, power));
	else if (power)
		strbuf_addf(&out, "e%d", power);
	return strbuf_take(&out);
}

/* Q in units of UNIT nano, rounded towards plus infinity. */
static int64_t in_units(const struct quantity *q, __int128 unit)
{
	__int128 v = q->nano / unit;

	if (q->nano > 0 && q->nano % unit != 0)
		v++;
	if (v > INT64_MAX)
		return INT64_MAX;
	return v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_milli(const struct quantity *q)
{
	return in_units(q, MILLI_IN_NANO);
}

int64_t quantity_value(const struct quantity *q)
{
	return in_units(q, NANO);
}

struct quantity quantity_round_milli(const struct quantity *q)
{
	struct quantity r = *q;
	__int128 rest = r.nano % MILLI_IN_NANO;

	if (rest > 0)
		r.nano += MILLI_IN_NANO - rest;
	else if (rest < 0)
		r.nano -= MILLI_IN_NANO + rest;
	return r;
}

int quantity_compare(const struct quantity *a, const struct quantity *b)
{
	return (a->nano > b->nano) - (a->nano < b->nano);
}
