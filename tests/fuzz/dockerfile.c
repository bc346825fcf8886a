/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Dockerfile from outside, all the way to its plan; and the same bytes as an ignore file.
 *
 * uses: builder base
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "builder/ignore.h"
#include "builder/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan_it(const struct dockerfile *f, const struct ignore *ignore, struct diag *d)
{
	autojson *entries =
		json_pack("[{s:s, s:i}, {s:s, s:i}, {s:s, s:i}]", "path", "d", "mode", 16384,
			  "path", "d/e", "mode", 16384, "path", "f", "mode", 16384);
	autojson *args = json_pack("{s:s, s:s}", "A", "a:b/c.d", "SOURCE_DATE_EPOCH", "1");
	autojson *document =
		json_pack("{s:{s:[s], s:[s]}}", "config", "Env", "PATH=/bin", "Shell", "sh");
	struct plan_input in = {.file = f, .build_args = args, .platform = "linux/amd64"};
	_cleanup_(context_freep) struct context *context = NULL;
	_cleanup_(build_plan_freep) struct build_plan *plan = NULL;
	struct plan_base *bases;
	autostrlist refs = {};

	if (context_new(&context, entries, ignore, NULL) < 0)
		abort();
	in.context = context;
	if (plan_bases(&refs, &in, d) < 0) {
		assert(diag_failed(d));
		return;
	}
	bases = mem_calloc(refs.n, sizeof(*bases));
	for (size_t i = 0; i < refs.n; i++)
		bases[i] = (struct plan_base){
			.reference = refs.items[i], .digest = "", .document = document};
	in.bases = bases;
	in.n_bases = refs.n;
	if (plan_new(&plan, &in, d) < 0)
		assert(diag_failed(d));
	free(bases);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(dockerfile_freep) struct dockerfile *f = NULL;
	_cleanup_(ignore_freep) struct ignore *ignore = NULL;
	autodiag d = {.file = "Dockerfile"};
	autodiag ignore_diag = {.file = ".dockerignore"};

	(void)ignore_parse(&ignore, (const char *)data, size, &ignore_diag);
	if (dockerfile_parse(&f, (const char *)data, size, &d) < 0)
		assert(diag_failed(&d));
	else
		plan_it(f, ignore, &d);
	return 0;
}
