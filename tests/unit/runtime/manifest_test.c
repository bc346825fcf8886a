/* SPDX-License-Identifier: Apache-2.0 */
/* What is a manifest, what an index, and what neither. */
#include "runtime/manifest.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D "\"sha256:" HEX "\""
#define CONFIG "\"config\":{\"mediaType\":\"" MANIFEST_OCI_CONFIG "\",\"digest\":" D ",\"size\":2}"
#define LAYER(type, size) "{\"mediaType\":\"" type "\",\"digest\":" D ",\"size\":" size "}"
#define ENTRY(type, more) "{\"mediaType\":\"" type "\",\"digest\":" D ",\"size\":1" more "}"
#define PLATFORM(os, arch) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"
#define V2 "\"schemaVersion\":2,"

static json_t *parse(const char *text)
{
	json_t *j = NULL;
	struct err err = {};

	cr_assert_eq(json_parse(&j, text, strlen(text), MANIFEST_MAX_BYTES, &err), 0, "%s: %s",
		     text, err.message);
	return j;
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *media_type;
	int want; /* kind, or -1 */
} kinds[] = {
	{ "a manifest", "{" V2 CONFIG ",\"layers\":[]}", NULL, MANIFEST_IS_MANIFEST },
	{ "an index", "{" V2 "\"manifests\":[]}", NULL, MANIFEST_IS_INDEX },
	{ "both in one", "{" V2 CONFIG ",\"layers\":[],\"manifests\":[]}", NULL, -1 },
	{ "an index with a configuration", "{" V2 CONFIG ",\"manifests\":[]}", NULL, -1 },
	{ "neither", "{" V2 "\"a\":1}", NULL, -1 },
	{ "an array", "[]", NULL, -1 },
	{ "schema 1", "{\"schemaVersion\":1,\"fsLayers\":[],\"layers\":[]}", NULL, -1 },
	{ "no schemaVersion", "{\"manifests\":[]}", NULL, -1 },
	{ "schemaVersion as a string", "{\"schemaVersion\":\"2\",\"manifests\":[]}", NULL, -1 },
	{ "schemaVersion as a real", "{\"schemaVersion\":2.0,\"manifests\":[]}", NULL, -1 },
	{ "mediaType agrees", "{" V2 "\"mediaType\":\"" MANIFEST_OCI_INDEX "\",\"manifests\":[]}", NULL, MANIFEST_IS_INDEX },
	{ "mediaType contradicts", "{" V2 "\"mediaType\":\"" MANIFEST_OCI_MANIFEST "\",\"manifests\":[]}", NULL, -1 },
	{ "mediaType is a number", "{" V2 "\"mediaType\":1,\"manifests\":[]}", NULL, -1 },
	{ "the descriptor contradicts", "{" V2 "\"manifests\":[]}", MANIFEST_OCI_MANIFEST, -1 },
	{ "the descriptor says something unknown", "{" V2 "\"manifests\":[]}", "text/html", -1 },
	{ "inside and outside differ", "{" V2 "\"mediaType\":\"" MANIFEST_OCI_INDEX "\",\"manifests\":[]}",
	  "application/vnd.docker.distribution.manifest.list.v2+json", -1 },
};

static const struct {
	const char *sentence;
	const char *layers; /* what follows the configuration */
	int n;              /* layers, or -1: refused */
	enum manifest_compression first;
} manifests[] = {
	{ "no layers", ",\"layers\":[]", 0, MANIFEST_PLAIN },
	{ "null layers, as BuildKit writes", ",\"layers\":null", 0, MANIFEST_PLAIN },
	{ "missing layers", "", 0, MANIFEST_PLAIN },
	{ "a gzip layer", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER_GZIP, "5") "]", 1, MANIFEST_GZIP },
	{ "a zstd layer", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER_ZSTD, "5") "]", 1, MANIFEST_ZSTD },
	{ "a plain layer", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER, "5") "]", 1, MANIFEST_PLAIN },
	{ "a Docker layer", ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.diff.tar.gzip", "5") "]", 1, MANIFEST_GZIP },
	{ "a foreign layer", ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "5") "]", -1, 0 },
	{ "a layer of an unknown type", ",\"layers\":[" LAYER("text/plain", "5") "]", -1, 0 },
	{ "a negative size", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER, "-5") "]", -1, 0 },
	{ "a real size", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER, "5.0") "]", -1, 0 },
	{ "a size as a string", ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER, "\"5\"") "]", -1, 0 },
	{ "layers as an object", ",\"layers\":{}", -1, 0 },
	{ "a layer that is a string", ",\"layers\":[\"x\"]", -1, 0 },
	{ "a digest with dots", ",\"layers\":[{\"mediaType\":\"" MANIFEST_OCI_LAYER "\",\"digest\":\"sha256:../../x\",\"size\":1}]", -1, 0 },
};

static const struct {
	const char *sentence;
	const char *entries;
	int want; /* which entry is chosen, -1 none */
} choices[] = {
	{ "this host's", ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("linux", "s390x")) "," ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("linux", "arm64")), 1 },
	{ "the first of two", ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("linux", "arm64")) "," ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("linux", "arm64")), 0 },
	{ "not another system's", ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("windows", "arm64")), -1 },
	{ "not an attestation", ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("unknown", "unknown")), -1 },
	{ "one alone without platform", ENTRY(MANIFEST_OCI_MANIFEST, ""), 0 },
	{ "not one of two without platform", ENTRY(MANIFEST_OCI_MANIFEST, "") "," ENTRY(MANIFEST_OCI_MANIFEST, ""), -1 },
	{ "artifacts are left out", ENTRY("application/x", "") "," ENTRY(MANIFEST_OCI_MANIFEST, PLATFORM("linux", "arm64")), 0 },
	{ "a platform of wrong types is none", ENTRY(MANIFEST_OCI_MANIFEST, ",\"platform\":{\"os\":1,\"architecture\":[]}"), 0 },
};
/* clang-format on */

Test(manifest, a_document_is_one_thing_or_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		autojson *doc = parse(kinds[i].text);
		enum manifest_kind kind = MANIFEST_KIND_N_;
		struct err err = {};
		int r = manifest_classify(&kind, doc, kinds[i].media_type, &err);

		cr_expect_eq(r < 0 ? -1 : (int)kind, kinds[i].want, "%s: got %d %d",
			     kinds[i].sentence, r, kind);
		if (r < 0)
			cr_expect_str_eq(err.reason, "InvalidImage", "%s", kinds[i].sentence);
	}
}

Test(manifest, layers)
{
	for (size_t i = 0; i < ARRAY_SIZE(manifests); i++) {
		autofree char *text = mem_asprintf("{" V2 CONFIG "%s}", manifests[i].layers);
		autofree struct manifest *m = NEW(struct manifest);
		autojson *doc = parse(text);
		struct err err = {};
		int r = manifest_parse(m, doc, &err);

		cr_expect_eq(r < 0 ? -1 : (int)m->n_layers, manifests[i].n,
			     "%s: got %d, %zu layers: %s", manifests[i].sentence, r, m->n_layers,
			     err.message);
		if (r >= 0 && m->n_layers > 0)
			cr_expect_eq(m->layers[0].compression, manifests[i].first, "%s",
				     manifests[i].sentence);
	}
}

Test(manifest, more_than_127_layers_are_refused)
{
	autofree struct manifest *m = NEW(struct manifest);
	autojson *doc = parse("{" V2 CONFIG ",\"layers\":[" LAYER(MANIFEST_OCI_LAYER, "5") "]}");
	json_t *layers = json_object_get(doc, "layers");

	while (json_array_size(layers) < MANIFEST_MAX_LAYERS)
		cr_assert_eq(json_array_append(layers, json_array_get(layers, 0)), 0);
	cr_expect_eq(manifest_parse(m, doc, NULL), 0);
	cr_assert_eq(json_array_append(layers, json_array_get(layers, 0)), 0);
	cr_expect_eq(manifest_parse(m, doc, NULL), -EINVAL);
}

Test(manifest, the_configuration_of_an_artifact_is_refused)
{
	autofree struct manifest *m = NEW(struct manifest);
	autojson *doc = parse("{" V2 "\"config\":" ENTRY("application/vnd.oci.empty.v1+json",
							 "") ",\"layers\":[]}");

	cr_expect_eq(manifest_parse(m, doc, NULL), -EINVAL);
}

Test(manifest, choice_of_a_platform)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		autofree char *text =
			mem_asprintf("{" V2 "\"manifests\":[%s]}", choices[i].entries);
		_cleanup_(manifest_index_deinit) struct manifest_index index = {};
		autojson *doc = parse(text);
		const struct manifest_entry *e;

		cr_assert_eq(manifest_index_parse(&index, doc, NULL), 0, "%s", choices[i].sentence);
		e = manifest_index_choose(&index, "arm64");
		cr_expect_eq(e ? (int)(e - index.entries) : -1, choices[i].want, "%s",
			     choices[i].sentence);
	}
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *config;
	int want;
} joins[] = {
	{ "one layer, one diff_id", "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" D "]}}", 0 },
	{ "one layer, no diff_id", "{\"rootfs\":{\"diff_ids\":[]}}", -EINVAL },
	{ "one layer, two diff_ids", "{\"rootfs\":{\"diff_ids\":[" D "," D "]}}", -EINVAL },
	{ "no rootfs", "{}", -EINVAL },
	{ "a diff_id that is a path", "{\"rootfs\":{\"diff_ids\":[\"sha256:../x\"]}}", -EINVAL },
	{ "a diff_id that is a number", "{\"rootfs\":{\"diff_ids\":[1]}}", -EINVAL },
	{ "diff_ids as a string", "{\"rootfs\":{\"diff_ids\":\"" "x" "\"}}", -EINVAL },
};
/* clang-format on */

Test(manifest, join_with_the_configuration)
{
	for (size_t i = 0; i < ARRAY_SIZE(joins); i++) {
		autofree struct manifest *m = NEW(struct manifest);
		autojson *config = parse(joins[i].config);

		m->n_layers = 1;
		cr_expect_eq(manifest_join_config(m, config, NULL), joins[i].want, "%s",
			     joins[i].sentence);
	}
}

Test(manifest, a_layer_that_is_its_own_tar_is_plain)
{
	autofree struct manifest *m = NEW(struct manifest);
	autojson *config = parse("{\"rootfs\":{\"diff_ids\":[" D "]}}");

	m->n_layers = 1;
	m->layers[0].compression = MANIFEST_GZIP;
	memcpy(m->layers[0].digest, "sha256:" HEX, DIGEST_STR_SIZE);
	cr_assert_eq(manifest_join_config(m, config, NULL), 0);
	cr_expect_eq(m->layers[0].compression, MANIFEST_PLAIN);
}

Test(manifest, what_is_written_can_be_read)
{
	autofree struct manifest *m = NEW(struct manifest), *got = NEW(struct manifest);
	autofree char *text = NULL;
	autojson *doc = NULL;
	enum manifest_kind kind = MANIFEST_KIND_N_;

	memcpy(m->config_digest, "sha256:" HEX, DIGEST_STR_SIZE);
	m->config_size_bytes = 7;
	m->n_layers = 1;
	memcpy(m->layers[0].digest, "sha256:" HEX, DIGEST_STR_SIZE);
	m->layers[0].size_bytes = 1ULL << 40;
	m->layers[0].compression = MANIFEST_ZSTD;
	text = manifest_format(m);
	doc = parse(text);
	cr_assert_eq(manifest_classify(&kind, doc, MANIFEST_OCI_MANIFEST, NULL), 0);
	cr_assert_eq(manifest_parse(got, doc, NULL), 0);
	cr_expect_eq(memcmp(m, got, sizeof(*m)), 0, "%s", text);
}
