/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rolling-update arithmetic. R = replicas, S = surge, U = unavailable, N = the new set, O = the old
 * ones.
 */
#include "reconciler/controllers/rolling.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* An int or "25%" of REPLICAS, percentages rounded up or down. */
static int64_t int_or_percent(const json_t *value, int64_t replicas, bool up, int64_t def_percent)
{
	const char *text = json_string_value(value);
	uint64_t percent = (uint64_t)def_percent;

	if (json_is_integer(value))
		return json_integer_value(value);
	if (text) {
		autofree char *digits = mem_strdup(text);
		size_t n = strlen(digits);

		if (n > 0 && digits[n - 1] == '%')
			digits[n - 1] = '\0';
		if (str_parse_u64(&percent, digits, 0, 1000000) < 0)
			percent = (uint64_t)def_percent;
	}
	return ((int64_t)percent * replicas + (up ? 99 : 0)) / 100;
}

struct rolling_limits rolling_limits(const json_t *strategy, int64_t replicas)
{
	const json_t *rolling = json_object_get(strategy, "rollingUpdate");
	struct rolling_limits l = {0};

	if (str_eq(json_path_str(strategy, "type", "RollingUpdate"), "Recreate"))
		return l;
	l.surge = int_or_percent(json_object_get(rolling, "maxSurge"), replicas, true, 25);
	l.unavailable =
		int_or_percent(json_object_get(rolling, "maxUnavailable"), replicas, false, 25);
	if (l.surge == 0 && l.unavailable == 0)
		l.unavailable = 1;
	l.unavailable = min64(l.unavailable, replicas);
	return l;
}

static int64_t sum_spec(const struct rolling_set *sets, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += sets[i].next;
	return sum;
}

/* Step A: the new set grows into what surge allows. */
static bool grow_new(struct rolling_set *new, int64_t total, int64_t replicas, int64_t surge)
{
	if (new->spec == replicas)
		return false;
	if (new->spec > replicas) {
		new->next = replicas;
		return true;
	}
	if (total >= replicas + surge)
		return false;
	new->next = new->spec + min64(replicas + surge - total, replicas - new->spec);
	return true;
}

/* Step B1: old replicas that were never available cost nothing to remove. */
static void shrink_unhealthy(struct rolling_set *olds, size_t n, int64_t budget)
{
	for (size_t i = 0; i < n && budget > 0; i++) {
		int64_t unhealthy = olds[i].next - olds[i].available;
		int64_t drop = unhealthy > 0 ? min64(budget, unhealthy) : 0;

		olds[i].next -= drop;
		budget -= drop;
	}
}

/* Step B2: healthy ones, as many as are available above the floor. */
static void shrink_healthy(struct rolling_set *olds, size_t n, int64_t room)
{
	for (size_t i = 0; i < n && room > 0; i++) {
		int64_t drop = min64(olds[i].next, room);

		olds[i].next -= drop;
		room -= drop;
	}
}

bool rolling_step(struct rolling_set *new, struct rolling_set *olds, size_t n_olds,
		  int64_t replicas, struct rolling_limits limits)
{
	int64_t floor = replicas - limits.unavailable, total, available, budget;

	assert(new);
	new->next = new->spec;
	for (size_t i = 0; i < n_olds; i++)
		olds[i].next = olds[i].spec;
	total = new->spec + sum_spec(olds, n_olds);
	if (grow_new(new, total, replicas, limits.surge))
		return true;
	if (sum_spec(olds, n_olds) == 0)
		return false;
	budget = total - floor - (new->spec - new->available);
	if (budget <= 0)
		return false;
	shrink_unhealthy(olds, n_olds, budget);
	available = new->available;
	for (size_t i = 0; i < n_olds; i++)
		available += olds[i].available;
	shrink_healthy(olds, n_olds, available - floor);
	return new->spec + sum_spec(olds, n_olds) != total;
}

int64_t rolling_initial(int64_t replicas, int64_t total, struct rolling_limits limits,
			bool recreate)
{
	int64_t room = replicas + limits.surge - total;

	if (recreate)
		return replicas;
	return room > 0 ? min64(room, replicas) : 0;
}
