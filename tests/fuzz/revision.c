/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision from foreign JSON: whatever is accepted says the same when it is written and read
 * again. The same bytes go to the parsers of git's ref files.
 *
 * uses: watch base
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "watch/gitref_priv.h"
#include "watch/revision.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_refs(const char *text, size_t size)
{
	autofree char *symbolic = NULL;
	char oid[GITREF_OID_SIZE];

	if (gitref_parse_loose(oid, &symbolic, text, size) == 0)
		assert(gitref_oid_valid(oid));
	if (gitref_parse_packed(oid, text, size, "refs/heads/main") == GITREF_FOUND)
		assert(gitref_oid_valid(oid));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(revision_unrefp) struct revision *rev = NULL, *back = NULL;
	autojson *j = NULL, *first = NULL, *second = NULL;
	struct err err = {0};

	try_refs((const char *)data, size);
	if (json_parse(&j, (const char *)data, size, 1 << 20, &err) < 0 ||
	    revision_from_json(&rev, j, &err) < 0)
		return 0;
	first = revision_to_json(rev);
	if (revision_from_json(&back, first, &err) < 0)
		abort();
	second = revision_to_json(back);
	if (!json_equal(first, second))
		abort();
	return 0;
}
