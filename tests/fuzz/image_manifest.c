/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image indexes, manifests, configurations and references: whatever the bytes, no crash; what is
 * accepted holds what the headers promise; what is written from it is read as the same.
 *
 * uses: runtime base
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "runtime/imageconfig.h"
#include "runtime/imageref.h"
#include "runtime/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_manifest(const json_t *doc, const json_t *config)
{
	autofree struct manifest *m = NEW(struct manifest), *again = NEW(struct manifest);
	autofree char *text = NULL;
	autojson *copy = NULL;

	if (manifest_parse(m, doc, NULL) < 0)
		return;
	assert(digest_valid(m->config_digest) && m->n_layers <= MANIFEST_MAX_LAYERS);
	text = manifest_format(m);
	assert(json_parse(&copy, text, strlen(text), MANIFEST_MAX_BYTES, NULL) == 0);
	assert(manifest_parse(again, copy, NULL) == 0);
	assert(memcmp(m, again, sizeof(*m)) == 0);
	if (manifest_join_config(m, config, NULL) == 0)
		for (size_t i = 0; i < m->n_layers; i++)
			assert(digest_valid(m->layers[i].diff_id));
}

static void try_index(const json_t *doc)
{
	_cleanup_(manifest_index_deinit) struct manifest_index index = {};
	const struct manifest_entry *e;

	if (manifest_index_parse(&index, doc, NULL) < 0)
		return;
	for (size_t i = 0; i < index.n_entries; i++)
		assert(digest_valid(index.entries[i].digest));
	e = manifest_index_choose(&index, "amd64");
	assert(!e || (e >= index.entries && e < index.entries + index.n_entries));
}

static void try_config(const json_t *doc)
{
	_cleanup_(imageconfig_deinit) struct imageconfig c = {};
	autojson *j = NULL;

	if (imageconfig_parse(&c, doc, NULL) < 0)
		return;
	assert(*c.working_dir == '/' && !strstr(c.working_dir, "/../"));
	assert(c.env.n <= IMAGECONFIG_MAX_ENV && c.stop_signal >= 0 && c.stop_signal <= 64);
	for (size_t i = 0; i < c.volumes.n; i++)
		assert(c.volumes.items[i][0] == '/' && c.volumes.items[i][1]);
	j = imageconfig_to_json(&c);
}

static void try_reference(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup((const char *)data, size);
	char familiar[IMAGEREF_MAX], full[IMAGEREF_MAX];
	struct imageref ref, again;

	if (imageref_parse(&ref, text, NULL) < 0)
		return;
	imageref_format_familiar(familiar, &ref);
	imageref_format(full, &ref);
	assert(imageref_parse(&again, familiar, NULL) == 0 && imageref_equal(&ref, &again));
	assert(imageref_parse(&again, full, NULL) == 0 && imageref_equal(&ref, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson *doc = NULL;
	enum manifest_kind kind;

	try_reference(data, size);
	if (json_parse(&doc, (const char *)data, size, MANIFEST_MAX_BYTES, NULL) < 0)
		return 0;
	try_config(doc);
	if (manifest_classify(&kind, doc, NULL, NULL) < 0)
		return 0;
	if (kind == MANIFEST_IS_MANIFEST)
		try_manifest(doc, doc);
	else
		try_index(doc);
	return 0;
}
