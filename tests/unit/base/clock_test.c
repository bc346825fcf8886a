/* SPDX-License-Identifier: Apache-2.0 */
/* Time stamps there and back. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define S INT64_C(1000000000)

Test(clock, round_trips)
{
	static const struct {
		const char *name;
		int64_t ns;
		const char *nano, *seconds;
	} cases[] = {
		{"the epoch", 0, "1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00Z"},
		{"a fraction", 1136214245 * S + 123456789, "2006-01-02T15:04:05.123456789Z",
		 "2006-01-02T15:04:05Z"},
		{"leading zeros of the fraction", 1136214245 * S + 7,
		 "2006-01-02T15:04:05.000000007Z", "2006-01-02T15:04:05Z"},
		{"before the epoch", -1, "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59Z"},
		{"a leap day", 951782400 * S, "2000-02-29T00:00:00.000000000Z",
		 "2000-02-29T00:00:00Z"},
		{"the last of all", INT64_MAX, "2262-04-11T23:47:16.854775807Z",
		 "2262-04-11T23:47:16Z"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[CLOCK_RFC3339_SIZE];
		int64_t back = 0;

		clock_format_rfc3339(text, cases[i].ns);
		cr_expect_str_eq(text, cases[i].seconds, "%s: %s", cases[i].name, text);
		clock_format_rfc3339_nano(text, cases[i].ns);
		cr_expect_str_eq(text, cases[i].nano, "%s: %s", cases[i].name, text);
		cr_expect_eq(clock_parse_rfc3339(&back, text), 0, "%s", cases[i].name);
		cr_expect_eq(back, cases[i].ns, "%s: got %lld", cases[i].name, (long long)back);
	}
}

Test(clock, the_first_of_all)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339_nano(text, INT64_MIN);
	cr_expect_str_eq(text, "1677-09-21T00:12:43.145224192Z");
}

Test(clock, parsing)
{
	static const struct {
		const char *name, *in;
		int64_t want;
	} cases[] = {
		{"no fraction", "1970-01-01T00:00:01Z", S},
		{"one digit of fraction", "1970-01-01T00:00:00.5Z", S / 2},
		{"more digits than nanoseconds", "1970-01-01T00:00:00.1234567899999Z", 123456789},
		{"east of Greenwich", "1970-01-01T02:00:00+02:00", 0},
		{"west of Greenwich", "1969-12-31T18:30:00-05:30", 0},
	};
	static const struct {
		const char *name, *in;
	} bad[] = {
		{"none", NULL},
		{"empty", ""},
		{"no zone", "1970-01-01T00:00:00"},
		{"a space for the T", "1970-01-01 00:00:00Z"},
		{"text behind it", "1970-01-01T00:00:00Z "},
		{"30 February", "2001-02-30T00:00:00Z"},
		{"29 February of a common year", "2001-02-29T00:00:00Z"},
		{"month 0", "2001-00-01T00:00:00Z"},
		{"month 13", "2001-13-01T00:00:00Z"},
		{"day 0", "2001-01-00T00:00:00Z"},
		{"hour 24", "2001-01-01T24:00:00Z"},
		{"minute 60", "2001-01-01T00:60:00Z"},
		{"second 60", "2001-01-01T00:00:60Z"},
		{"a fraction of no digits", "2001-01-01T00:00:00.Z"},
		{"a zone without colon", "2001-01-01T00:00:00+0200"},
		{"a zone of 24 hours", "2001-01-01T00:00:00+24:00"},
		{"one digit less", "2001-1-01T00:00:00Z"},
		{"a year that does not fit", "9999-01-01T00:00:00Z"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t got = -1;

		cr_expect_eq(clock_parse_rfc3339(&got, cases[i].in), 0, "%s", cases[i].name);
		cr_expect_eq(got, cases[i].want, "%s: got %lld", cases[i].name, (long long)got);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t got = 4711;

		cr_expect_eq(clock_parse_rfc3339(&got, bad[i].in), -EINVAL, "%s", bad[i].name);
		cr_expect_eq(got, 4711, "%s: touched", bad[i].name);
	}
}

Test(clock, the_host)
{
	uint64_t a = clock_boottime_ms(), b = clock_boottime_ms();
	char id[37], again[37], r1[16] = {0}, r2[16] = {0};

	cr_expect_leq(a, b);
	cr_expect_gt(clock_realtime_ns(), 1600000000 * S);
	cr_assert_eq(clock_boot_id(id), 0);
	cr_assert_eq(clock_boot_id(again), 0);
	cr_expect_str_eq(id, again);
	cr_expect_eq(strlen(id), 36);
	clock_random(r1, sizeof(r1));
	clock_random(r2, sizeof(r2));
	cr_expect_neq(memcmp(r1, r2, sizeof(r1)), 0);
}
