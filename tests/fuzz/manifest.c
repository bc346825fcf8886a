/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest file from outside, all the way: read, checked, defaulted; then printed, and read
 * again, which must give the same objects without an error; and compared with itself, which must
 * show nothing to do.
 *
 * uses: manifest reconciler base
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "reconciler/diff.h"
#include "reconciler/manifest.h"
#include "reconciler/yamlout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *decode(const char *text, size_t n)
{
	const struct manifest_file file = {.path = "app/x.yaml", .content = text, .len = n};
	const char *const dockerfiles[] = {"app/Dockerfile", NULL};
	const struct manifest_app app = {
		.name = "app", .files = &file, .n_files = 1, .dockerfiles = dockerfiles};
	static json_t *policy; /* a source that may ask for everything gets furthest */
	struct manifest_input input = {.apps = &app, .n_apps = 1};

	if (!policy)
		policy = json_pack("{s:{s:b, s:b, s:[s], s:[s]}}", "allow", "privileged", 1,
				   "hostNetwork", 1, "hostPath", "/", "capabilities", "ALL");
	input.policy = policy;
	return manifest_decode(&input);
}

/* Not the Image that is there without a manifest. */
static void print(struct strbuf *out, const json_t *objects)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(objects, i, entry) {
		if (json_path(entry, "object.metadata.annotations.recond\\.dev/implicit"))
			continue;
		strbuf_adds(out, "---\n");
		yamlout_write(out, json_object_get(entry, "object"));
	}
}

static void check_same(const json_t *objects)
{
	autostrbuf out = STRBUF_INIT, again = STRBUF_INIT, diff = STRBUF_INIT;
	autojson *second = NULL;
	const json_t *entry;
	size_t i;

	json_array_foreach(objects, i, entry) {
		assert(!diff_objects(&diff, json_object_get(entry, "object"),
				     json_object_get(entry, "object")));
	}
	print(&out, objects);
	if (out.len == 0 || out.len > 1u << 20)
		return;
	second = decode(out.data, out.len);
	assert(json_array_size(json_path(second, "apps.[0].errors")) == 0);
	print(&again, json_path(second, "apps.[0].objects"));
	assert(again.len == out.len && !memcmp(again.data, out.data, out.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson *result = decode((const char *)data, size);

	if (json_array_size(json_path(result, "apps.[0].errors")) == 0)
		check_same(json_path(result, "apps.[0].objects"));
	return 0;
}
