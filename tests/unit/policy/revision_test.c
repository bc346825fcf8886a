/* SPDX-License-Identifier: Apache-2.0 */
/* Revision numbers, the history of a set that comes back, and which sets have had their time. */
#include "reconciler/controllers/revision.h"

#include "base/strbuf.h"
#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

#define R "deployment.kubernetes.io/revision"
#define H "deployment.kubernetes.io/revision-history"

/* clang-format off */
static const struct {
	const char *name, *annotations;
	int64_t raise;
	const char *want;
} raises[] = {
	{ "a new set gets its number, and has no history", "{}", 3, "{'" R "': '3'}" },
	{ "a set that comes back remembers the number it had", "{'" R "': '1'}", 4, "{'" R "': '4', '" H "': '1'}" },
	{ "and the ones before", "{'" R "': '4', '" H "': '1'}", 7, "{'" R "': '7', '" H "': '1,4'}" },
	{ "the same number changes nothing", "{'" R "': '4', '" H "': '1'}", 4, "{'" R "': '4', '" H "': '1'}" },
	{ "a higher one stays: old sets were deleted meanwhile", "{'" R "': '9'}", 4, "{'" R "': '9'}" },
	{ "what is no number is none", "{'" R "': 'x'}", 2, "{'" R "': '2'}" },
};

#define SET(rev, spec, status, observed)                                                           \
	"{'metadata': {'generation': 2, 'annotations': {'" R "': '" rev "'}}, 'spec': {'replicas': " #spec  \
	"}, 'status': {'replicas': " #status ", 'observedGeneration': " #observed "}}"

static const struct {
	const char *name, *sets;
	int64_t limit;
	const char *want; /* revisions that go */
} surpluses[] = {
	{ "the lowest revisions go first", "[" SET("7", 0, 0, 2) ", " SET("3", 0, 0, 2) ", " SET("5", 0, 0, 2) "]", 1, "3 5" },
	{ "nothing beyond the limit", "[" SET("7", 0, 0, 2) ", " SET("3", 0, 0, 2) "]", 2, "" },
	{ "a limit of zero keeps none", "[" SET("7", 0, 0, 2) "]", 0, "7" },
	{ "a set that wants pods is kept and not made up for",
	  "[" SET("1", 1, 0, 2) ", " SET("2", 0, 0, 2) ", " SET("3", 0, 0, 2) "]", 1, "2" },
	{ "so is one that has pods", "[" SET("1", 0, 1, 2) ", " SET("2", 0, 0, 2) "]", 1, "" },
	{ "and one its controller has not seen", "[" SET("1", 0, 0, 1) ", " SET("2", 0, 0, 2) "]", 1, "" },
	{ "one that is being deleted does not count",
	  "[{'metadata': {'deletionTimestamp': 'now'}}, " SET("2", 0, 0, 2) "]", 1, "" },
};
/* clang-format on */

Test(revision, raising)
{
	for (size_t i = 0; i < ARRAY_SIZE(raises); i++) {
		autojson *rs = json_pack("{s:{s:o}}", "metadata", "annotations",
					 json_like(raises[i].annotations));

		revision_raise(rs, raises[i].raise);
		expect_json(raises[i].name, json_path(rs, "metadata.annotations"), raises[i].want);
	}
}

Test(revision, a_long_history_loses_its_oldest_numbers)
{
	autojson *rs = json_like("{'metadata': {'annotations': {'" R "': '1000'}}}");
	const char *history;

	for (int64_t n = 1001; n < 2000; n++)
		revision_raise(rs, n);
	history = object_annotation(rs, H);
	cr_expect(strlen(history) <= REVISION_HISTORY_MAX && strlen(history) > 1990, "%zu bytes",
		  strlen(history));
	cr_expect(str_has_suffix(history, ",1997,1998"), "%s", history);
	cr_expect(str_skip_prefix(history, "1599,1600,"), "%s", history);
}

Test(revision, what_has_had_its_time)
{
	for (size_t i = 0; i < ARRAY_SIZE(surpluses); i++) {
		autojson *sets = json_like(surpluses[i].sets);
		autojson *gone = revision_surplus(sets, surpluses[i].limit);
		autostrbuf got = STRBUF_INIT;

		for (size_t k = 0; k < json_array_size(gone); k++)
			strbuf_addf(&got, "%s%lld", k ? " " : "",
				    (long long)revision_of(json_array_get(gone, k)));
		cr_expect(str_eq(strbuf_str(&got), surpluses[i].want), "%s\n got '%s'\nwant '%s'",
			  surpluses[i].name, strbuf_str(&got), surpluses[i].want);
	}
}

Test(revision, the_highest_of_several)
{
	autojson *sets = json_like("[" SET("7", 0, 0, 2) ", {}, " SET("12", 0, 0, 2) "]");
	autojson *none = json_array();

	cr_expect(revision_max(sets) == 12 && revision_max(none) == 0);
}
