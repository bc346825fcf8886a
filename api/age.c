/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl's rounding of durations, as one table of steps. There is no clock here: the caller says
 * what time it is.
 */
#include "api/age.h"

#include <stdio.h>

#include "base/clock.h"

#define MINUTE INT64_C(60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

/* Below LIMIT seconds an age is "<n><unit>", and "<n><unit><m><sub_unit>" where there is a sub-unit
 * and m > 0. */
static const struct {
	int64_t limit;
	int64_t unit;
	char name;
	int64_t sub_unit;
	char sub_name;
} steps[] = {
	/* clang-format off */
	{ 2 * MINUTE,  1,      's', 0,      0   },
	{ 10 * MINUTE, MINUTE, 'm', 1,      's' },
	{ 3 * HOUR,    MINUTE, 'm', 0,      0   },
	{ 8 * HOUR,    HOUR,   'h', MINUTE, 'm' },
	{ 2 * DAY,     HOUR,   'h', 0,      0   },
	{ 8 * DAY,     DAY,    'd', HOUR,   'h' },
	{ 2 * YEAR,    DAY,    'd', 0,      0   },
	{ 8 * YEAR,    YEAR,   'y', DAY,    'd' },
	{ INT64_MAX,   YEAR,   'y', 0,      0   },
	/* clang-format on */
};

void age_format(char ret[AGE_SIZE], int64_t seconds)
{
	size_t i = 0;
	int64_t rest;

	if (seconds < -1) {
		(void)snprintf(ret, AGE_SIZE, "<invalid>");
		return;
	}
	if (seconds < 0)
		seconds = 0;
	while (seconds >= steps[i].limit)
		i++;
	rest = steps[i].sub_unit ? seconds % steps[i].unit / steps[i].sub_unit : 0;
	if (rest > 0)
		(void)snprintf(ret, AGE_SIZE, "%lld%c%lld%c", (long long)(seconds / steps[i].unit),
			       steps[i].name, (long long)rest, steps[i].sub_name);
	else
		(void)snprintf(ret, AGE_SIZE, "%lld%c", (long long)(seconds / steps[i].unit),
			       steps[i].name);
}

void age_since(char ret[AGE_SIZE], const char *since, int64_t now_ns)
{
	int64_t then;

	if (!since || clock_parse_rfc3339(&then, since) < 0) {
		(void)snprintf(ret, AGE_SIZE, "<unknown>");
		return;
	}
	age_format(ret, (now_ns - then) / AGE_NS_PER_S);
}
