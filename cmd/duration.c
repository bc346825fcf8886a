/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over number-unit pairs. Units must fall, so that "5m1h" and "1m1m" are the mistakes they
 * look like.
 */
#include "cmd/duration.h"

#include <string.h>

#include "base/str.h"

#define DURATION_MAX_S (INT64_C(10) * 365 * 86400)

static const struct {
	char unit;
	int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

int duration_parse(int64_t *ret_s, const char *text, struct err *err)
{
	const char *p = text;
	int64_t total = 0;
	size_t unit = 0;

	while (*p) {
		size_t n = strspn(p, "0123456789");
		autofree char *digits = mem_strndup(p, n);
		int64_t value;

		while (unit < ARRAY_SIZE(units) && units[unit].unit != p[n])
			unit++;
		if (unit == ARRAY_SIZE(units) ||
		    str_parse_i64(&value, digits, 0, DURATION_MAX_S) < 0)
			return err_invalid(err, "'%s' is not a duration like 90s, 5m, 1h30m", text);
		total += value * units[unit].seconds;
		if (total > DURATION_MAX_S)
			return err_invalid(err, "'%s' is longer than ten years", text);
		unit++;
		p += n + 1;
	}
	if (total == 0)
		return err_invalid(err, "'%s' is not a duration like 90s, 5m, 1h30m", text);
	*ret_s = total;
	return 0;
}
