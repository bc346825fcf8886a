/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration documents: times of history lines, members, and that equal inputs give equal text.
 */
#include "builder/document.h"

#include "lib.h"

#define NOW INT64_C(5000000000)

static struct build_plan *make_plan(const char *text, const char *build_args)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	_cleanup_(context_freep) struct context *c = make_context("f=1", "");
	autojson *args = json_loads(build_args, 0, NULL);
	autodiag d = {.file = "Dockerfile"};
	struct build_plan *p = NULL;

	cr_assert_eq(dockerfile_parse(&f, text, strlen(text), &d), 0);
	cr_assert_eq(plan_new(&p,
			      &(struct plan_input){.file = f,
						   .context = c,
						   .build_args = args,
						   .platform = "linux/arm/v7"},
			      &d),
		     0);
	return p;
}

/* The document of TEXT whose steps ended at 1 s, 2 s, ...; canonical. */
static char *document(const char *text, const char *build_args)
{
	static const int64_t times[] = {1000000000, 2000000000, 3000000000};
	_cleanup_(build_plan_freep) struct build_plan *p = make_plan(text, build_args);
	const struct plan_stage *s = &p->stages[p->target];
	autojson *history = json_array();
	autojson *doc = NULL;

	document_add_history(history, p, s, times, NOW);
	doc = document_new(p, "linux/arm/v7", history, s->n_history, NOW);
	(void)json_object_del(doc, "config");
	return json_canonical(doc);
}

#define LINE(at, by, more)                                                                         \
	"{\"comment\":\"buildkit.dockerfile.v0\",\"created\":\"" at "\",\"created_by\":\"" by      \
	"\"" more "}"
#define EMPTY ",\"empty_layer\":true"
#define T0 "1970-01-01T00:00:00Z"
#define T1 "1970-01-01T00:00:01Z"
#define T2 "1970-01-01T00:00:02Z"
#define T5 "1970-01-01T00:00:05Z"

/* clang-format off */
static const struct {
	const char *sentence;
	const char *file;
	const char *build_args;
	const char *want; /* up to "os" */
} cases[] = {
	{ "an empty line takes the time of the next layer, the last ones that of the last layer",
	  "FROM scratch\nENV a=1\nCOPY f /\nENV b=1\nCOPY f /g\nLABEL c=1", "{}",
	  "{\"architecture\":\"arm\",\"created\":\"" T2 "\",\"history\":["
	  LINE(T1, "ENV a=1", EMPTY) "," LINE(T1, "COPY f / # buildkit", "") "," LINE(T2, "ENV b=1", EMPTY) ","
	  LINE(T2, "COPY f /g # buildkit", "") "," LINE(T2, "LABEL c=1", EMPTY) "]," },
	{ "without layers the time is now", "FROM scratch\nMAINTAINER me", "{}",
	  "{\"architecture\":\"arm\",\"author\":\"me\",\"created\":\"" T5 "\",\"history\":["
	  LINE(T5, "MAINTAINER me", EMPTY) "]," },
	{ "without any line the time is now", "FROM scratch", "{}",
	  "{\"architecture\":\"arm\",\"created\":\"" T5 "\",\"history\":[]," },
	{ "times are clamped to the epoch", "FROM scratch\nCOPY f /\nCOPY f /g", "{\"SOURCE_DATE_EPOCH\":\"1\"}",
	  "{\"architecture\":\"arm\",\"created\":\"" T1 "\",\"history\":["
	  LINE(T1, "COPY f / # buildkit", "") "," LINE(T1, "COPY f /g # buildkit", "") "]," },
	{ "epoch zero is an epoch", "FROM scratch\nCOPY f /", "{\"SOURCE_DATE_EPOCH\":\"0\"}",
	  "{\"architecture\":\"arm\",\"created\":\"" T0 "\",\"history\":[" LINE(T0, "COPY f / # buildkit", "") "]," },
	{ "an empty epoch is none", "FROM scratch\nCOPY f /", "{\"SOURCE_DATE_EPOCH\":\"\"}",
	  "{\"architecture\":\"arm\",\"created\":\"" T1 "\",\"history\":[" LINE(T1, "COPY f / # buildkit", "") "]," },
};
/* clang-format on */

/* Nanoseconds of zero are written out; the comparison is about the second. */
static char *without_fraction(const char *text)
{
	char *out = mem_strdup(text), *to = out;

	for (const char *p = out; *p; p++) {
		if (strncmp(p, ".000000000Z", 11) == 0)
			p += 10;
		*to++ = *p;
	}
	*to = '\0';
	return out;
}

Test(document, history_and_times)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *raw = document(cases[i].file, cases[i].build_args);
		autofree char *got = without_fraction(raw);

		cr_expect(str_skip_prefix(got, cases[i].want), "%s:\n%s\ngot  %s\nwant %s",
			  cases[i].sentence, cases[i].file, got, cases[i].want);
		cr_expect(strstr(got, "\"os\":\"linux\",\"variant\":\"v7\"}"), "%s", got);
	}
}
