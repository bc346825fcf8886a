/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revision numbers (k8s-semantics 2.2 and 2.9).
 */
#include "reconciler/controllers/revision.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

int64_t revision_of(const json_t *object)
{
	uint64_t n = 0;

	(void)str_parse_u64(&n, object_annotation(object, DEPLOYMENT_REVISION) ?: "0", 0,
			    INT64_MAX);
	return (int64_t)n;
}

int64_t revision_max(json_t *sets)
{
	int64_t max = 0;
	json_t *rs;
	size_t i;

	json_array_foreach(sets, i, rs) {
		if (revision_of(rs) > max)
			max = revision_of(rs);
	}
	return max;
}

/* HISTORY with HAD at its end, within the limit. */
static char *longer_history(const char *history, const char *had)
{
	size_t room = REVISION_HISTORY_MAX - strlen(had) - 1;

	assert(strlen(had) < REVISION_HISTORY_MAX);
	if (!history || !*history)
		return mem_strdup(had);
	while (strlen(history) > room) {
		const char *comma = strchr(history, ',');

		if (!comma)
			return mem_strdup(had);
		history = comma + 1;
	}
	return mem_asprintf("%s,%s", history, had);
}

void revision_raise(json_t *rs, int64_t revision)
{
	int64_t had = revision_of(rs);
	autofree char *text = mem_asprintf("%lld", (long long)revision);

	if (had >= revision)
		return;
	if (had > 0) {
		autofree char *old = mem_asprintf("%lld", (long long)had);
		autofree char *history =
			longer_history(object_annotation(rs, DEPLOYMENT_HISTORY), old);

		object_set_annotation(rs, DEPLOYMENT_HISTORY, history);
	}
	object_set_annotation(rs, DEPLOYMENT_REVISION, text);
}

static int compare_revision(const void *a, const void *b)
{
	int64_t x = revision_of(*(json_t *const *)a), y = revision_of(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

static bool idle(const json_t *rs)
{
	return json_path_int(rs, "spec.replicas", 1) == 0 &&
	       json_path_int(rs, "status.replicas", 0) == 0 &&
	       json_path_int(rs, "status.observedGeneration", 0) >=
		       json_path_int(rs, "metadata.generation", 0);
}

json_t *revision_surplus(json_t *olds, int64_t limit)
{
	autofree json_t **sorted = mem_calloc(json_array_size(olds) + 1, sizeof(*sorted));
	json_t *surplus = json_array(), *rs;
	size_t n = 0, i;

	json_array_foreach(olds, i, rs) {
		if (!object_deleting(rs))
			sorted[n++] = rs;
	}
	qsort(sorted, n, sizeof(*sorted), compare_revision);
	for (i = 0; i < n && (int64_t)(n - i) > limit; i++) {
		if (idle(sorted[i]))
			json_array_append(surplus, sorted[i]);
	}
	return surplus;
}
