/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: the generated selector, what cannot be changed, and what makes one the work it is. */
#include "reconciler/jobspec.h"

#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

/* JSON written with ' for ". Owned by the caller. */
static json_t *parse(const char *text)
{
	autofree char *copy = mem_strdup(text);
	json_error_t e;
	json_t *j;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	j = json_loads(copy, 0, &e);
	cr_assert(j, "%s: %s", text, e.text);
	return j;
}

/* A Job whose spec has MORE besides its template. */
static json_t *job(const char *more, const char *template)
{
	autofree char *text = mem_asprintf(
		"{'apiVersion': 'batch/v1', 'kind': 'Job', 'metadata': {'name': 'j', 'uid': 'u-1'}, "
		"'spec': {%s 'template': %s}}",
		more, template);

	return parse(text);
}

#define PLAIN "{'metadata': {'labels': {'app': 'x'}}, 'spec': {'containers': []}}"
#define OTHER "{'metadata': {'labels': {'app': 'y'}}, 'spec': {'containers': []}}"
#define BARE "{'spec': {'containers': []}}"

Test(jobspec, the_server_gives_out_the_selector_once)
{
	autojson *j = job("", BARE), *again = NULL;

	cr_assert(jobspec_generate(j));
	cr_assert_str_eq(json_path_str(j,
				       "spec.selector.matchLabels.batch\\.kubernetes\\.io/"
				       "controller-uid",
				       ""),
			 "u-1");
	cr_assert(object_selector_matches(json_path(j, "spec.selector"),
					  json_path(j, "spec.template.metadata.labels")));
	cr_assert_str_eq(json_path_str(j, "spec.template.metadata.labels.job-name", ""), "j");
	again = json_deep_copy(j);
	cr_assert_not(jobspec_generate(again), "the second time nothing is missing");
	cr_assert(json_equal(again, j));
}

Test(jobspec, what_was_given_out_can_be_taken_away)
{
	static const char *const templates[] = {PLAIN, BARE};

	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		autojson *j = job("", templates[i]), *before = json_deep_copy(j);

		(void)jobspec_generate(j);
		cr_assert_not(json_equal(j, before));
		jobspec_strip(j);
		cr_assert(json_equal(j, before), "%s", templates[i]);
	}
}

Test(jobspec, a_manual_selector_is_left_alone)
{
	autojson *j = job("'manualSelector': true, 'selector': {'matchLabels': {'job-name': 'j'}},",
			  "{'metadata': {'labels': {'job-name': 'j'}}, 'spec': {}}");
	autojson *before = json_deep_copy(j);

	cr_assert_not(jobspec_generate(j));
	jobspec_strip(j);
	cr_assert(json_equal(j, before));
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *live, *live_template, *wanted, *wanted_template;
	const char *want; /* NULL: it can be changed in place */
} changes[] = {
	{ "nothing", "", PLAIN, "", PLAIN, NULL },
	{ "the template", "", PLAIN, "", OTHER, "spec.template" },
	{ "how many at once", "'parallelism': 1,", PLAIN, "'parallelism': 2,", PLAIN, NULL },
	{ "how many failures are borne", "'backoffLimit': 1,", PLAIN, "'backoffLimit': 2,", PLAIN, NULL },
	{ "suspending", "'suspend': false,", PLAIN, "'suspend': true,", PLAIN, NULL },
	{ "the deadline and the time to live", "", PLAIN, "'activeDeadlineSeconds': 1, 'ttlSecondsAfterFinished': 2,", PLAIN, NULL },
	{ "how many in all", "'completions': 1, 'parallelism': 1,", PLAIN, "'completions': 2, 'parallelism': 2,", PLAIN, "spec.completions" },
	{ "how many in all, of an Indexed Job as wide as it is long", "'completionMode': 'Indexed', 'completions': 1, 'parallelism': 1,",
	  PLAIN, "'completionMode': 'Indexed', 'completions': 2, 'parallelism': 2,", PLAIN, NULL },
	{ "how many in all, of an Indexed Job that then is not", "'completionMode': 'Indexed', 'completions': 1, 'parallelism': 1,",
	  PLAIN, "'completionMode': 'Indexed', 'completions': 2, 'parallelism': 1,", PLAIN, "spec.completions" },
	{ "how many in all, of an Indexed Job that was not", "'completionMode': 'Indexed', 'completions': 3, 'parallelism': 1,",
	  PLAIN, "'completionMode': 'Indexed', 'completions': 2, 'parallelism': 2,", PLAIN, "spec.completions" },
	{ "the mode", "'completionMode': 'Indexed',", PLAIN, "'completionMode': 'NonIndexed',", PLAIN, "spec.completionMode" },
	{ "the failure policy", "", PLAIN, "'podFailurePolicy': {},", PLAIN, "spec.podFailurePolicy" },
	{ "the selector", "'manualSelector': true, 'selector': {},", PLAIN, "'manualSelector': true,", PLAIN, "spec.selector" },
};
/* clang-format on */

Test(jobspec, what_can_be_changed_in_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		autojson *live = job(changes[i].live, changes[i].live_template);
		autojson *wanted = job(changes[i].wanted, changes[i].wanted_template);
		autofree char *got = NULL;
		char a[80], b[80];

		(void)jobspec_generate(live);
		got = jobspec_frozen(live, wanted);
		cr_expect(str_eq(got, changes[i].want), "%s: got %s, want %s", changes[i].sentence,
			  got, changes[i].want);
		jobspec_digest(a, live);
		jobspec_digest(b, wanted);
		cr_expect(str_eq(a, b) || changes[i].want || strstr(changes[i].wanted, "Indexed"),
			  "%s: the same work has one digest", changes[i].sentence);
		cr_expect(!str_eq(a, b) || !changes[i].want, "%s: other work has another digest",
			  changes[i].sentence);
	}
}
