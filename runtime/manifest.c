/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index, manifest and the layer list of a configuration, JSON in and checked structs out. One table
 * knows the media types; what is not in it is no image.
 */
#include "runtime/manifest.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "runtime/imageconfig.h"

#define REASON "InvalidImage"
#define MAX_REF_NAME 1024

enum media_role {
	MEDIA_UNKNOWN,
	MEDIA_INDEX,
	MEDIA_MANIFEST,
	MEDIA_CONFIG,
	MEDIA_LAYER,
};

/* clang-format off */
static const struct media_type {
	const char *name;
	enum media_role role;
	enum manifest_compression compression;
} media_types[] = {
	{ MANIFEST_OCI_INDEX, MEDIA_INDEX, MANIFEST_PLAIN },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX, MANIFEST_PLAIN },
	{ MANIFEST_OCI_MANIFEST, MEDIA_MANIFEST, MANIFEST_PLAIN },
	{ "application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST, MANIFEST_PLAIN },
	{ MANIFEST_OCI_CONFIG, MEDIA_CONFIG, MANIFEST_PLAIN },
	{ "application/vnd.docker.container.image.v1+json", MEDIA_CONFIG, MANIFEST_PLAIN },
	{ MANIFEST_OCI_LAYER, MEDIA_LAYER, MANIFEST_PLAIN },
	{ MANIFEST_OCI_LAYER_GZIP, MEDIA_LAYER, MANIFEST_GZIP },
	{ MANIFEST_OCI_LAYER_ZSTD, MEDIA_LAYER, MANIFEST_ZSTD },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER, MANIFEST_PLAIN },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER, MANIFEST_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER, MANIFEST_ZSTD },
};

static const struct {
	const char *name;
	const char *media_type;
} compressions[MANIFEST_COMPRESSION_N_] = {
	[MANIFEST_PLAIN] = { "none", MANIFEST_OCI_LAYER },
	[MANIFEST_GZIP]  = { "gzip", MANIFEST_OCI_LAYER_GZIP },
	[MANIFEST_ZSTD]  = { "zstd", MANIFEST_OCI_LAYER_ZSTD },
};
/* clang-format on */

#define invalid(err, ...) err_set(err, ERR_INVALID, EINVAL, REASON, __VA_ARGS__)

static const struct media_type *media_type_find(const char *name)
{
	static const struct media_type unknown = {"", MEDIA_UNKNOWN, MANIFEST_PLAIN};

	for (size_t i = 0; name && i < ARRAY_SIZE(media_types); i++)
		if (str_eq(media_types[i].name, name))
			return &media_types[i];
	return &unknown;
}

const char *manifest_compression_name(enum manifest_compression c)
{
	assert((unsigned)c < MANIFEST_COMPRESSION_N_);
	return compressions[c].name;
}

const char *manifest_layer_media_type(enum manifest_compression c)
{
	assert((unsigned)c < MANIFEST_COMPRESSION_N_);
	return compressions[c].media_type;
}

const char *manifest_host_architecture(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return "ppc64le";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__arm__)
	return "arm";
#elif defined(__i386__)
	return "386";
#else
#error "name this architecture as Go does"
#endif
}

/* The kind its members make DOC, or a negative errno: exactly one of the two families may be there.
 */
static int classify_members(enum manifest_kind *ret, const json_t *doc, struct err *err)
{
	bool index = json_object_get(doc, "manifests");
	bool manifest = json_object_get(doc, "layers") || json_object_get(doc, "config");

	if (json_object_get(doc, "fsLayers"))
		return invalid(err, "image manifest of schema 1 is not supported");
	if (index && manifest)
		return invalid(err, "document is both an image manifest and an image index");
	if (!index && !manifest)
		return invalid(err, "document is neither an image manifest nor an image index");
	*ret = index ? MANIFEST_IS_INDEX : MANIFEST_IS_MANIFEST;
	return 0;
}

/* MEDIA_TYPE (NULL: nobody said) must be one of KIND. */
static int check_media_type(enum manifest_kind kind, const char *media_type, struct err *err)
{
	enum media_role want = kind == MANIFEST_IS_INDEX ? MEDIA_INDEX : MEDIA_MANIFEST;

	if (media_type && media_type_find(media_type)->role != want)
		return invalid(err, "media type '%s' contradicts the document, an image %s",
			       media_type, kind == MANIFEST_IS_INDEX ? "index" : "manifest");
	return 0;
}

int manifest_classify(enum manifest_kind *ret, const json_t *doc, const char *media_type,
		      struct err *err)
{
	const json_t *version, *inner;
	enum manifest_kind kind = MANIFEST_IS_MANIFEST;
	int r;

	if (!json_is_object(doc))
		return invalid(err, "image manifest is not a JSON object");
	r = classify_members(&kind, doc, err);
	if (r < 0)
		return r;
	version = json_object_get(doc, "schemaVersion");
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return invalid(err, "schemaVersion is not 2");
	inner = json_object_get(doc, "mediaType");
	if (inner && !json_is_string(inner))
		return invalid(err, "mediaType is not a string");
	r = check_media_type(kind, json_string_value(inner), err);
	if (r >= 0)
		r = check_media_type(kind, media_type, err);
	if (r >= 0 && inner && media_type && !str_eq(json_string_value(inner), media_type))
		r = invalid(err, "media type is '%s' outside and '%s' inside the document",
			    media_type, json_string_value(inner));
	if (r < 0)
		return r;
	*ret = kind;
	return 0;
}

/* mediaType, digest and size of a descriptor; WHAT is for messages. The digest is borrowed from
 * DESC. */
static int parse_descriptor(const struct media_type **ret_type, const char **ret_digest,
			    uint64_t *ret_size, const json_t *desc, const char *what,
			    struct err *err)
{
	const char *media_type, *digest;
	const json_t *size;

	if (!json_is_object(desc))
		return invalid(err, "%s: not a descriptor", what);
	media_type = json_string_value(json_object_get(desc, "mediaType"));
	digest = json_string_value(json_object_get(desc, "digest"));
	size = json_object_get(desc, "size");
	if (!media_type)
		return invalid(err, "%s: no mediaType", what);
	if (!digest || !digest_valid(digest))
		return invalid(err, "%s: digest is not sha256: and 64 hex digits", what);
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return invalid(err, "%s: size is not a positive integer", what);
	*ret_type = media_type_find(media_type);
	*ret_digest = digest;
	*ret_size = (uint64_t)json_integer_value(size);
	return 0;
}

static void copy_digest(char ret[DIGEST_STR_SIZE], const char *digest)
{
	size_t n = strlen(digest);

	assert(n < DIGEST_STR_SIZE);
	memcpy(ret, digest, n + 1);
}

static int parse_config_descriptor(struct manifest *m, const json_t *desc, struct err *err)
{
	const struct media_type *type;
	const char *digest;
	int r;

	r = parse_descriptor(&type, &digest, &m->config_size_bytes, desc, "config", err);
	if (r < 0)
		return r;
	if (type->role != MEDIA_CONFIG)
		return invalid(
			err,
			"config: media type is not that of a container image: this is another artifact");
	if (m->config_size_bytes > IMAGECONFIG_MAX_BYTES)
		return invalid(err, "config: larger than %u bytes", IMAGECONFIG_MAX_BYTES);
	copy_digest(m->config_digest, digest);
	return 0;
}

static int parse_layer(struct manifest_layer *ret, const json_t *desc, struct err *err)
{
	const struct media_type *type;
	const char *digest;
	int r;

	r = parse_descriptor(&type, &digest, &ret->size_bytes, desc, "layer", err);
	if (r < 0)
		return r;
	if (type->role != MEDIA_LAYER)
		return invalid(
			err, "layer: media type is not supported (tar, tar+gzip and tar+zstd are)");
	copy_digest(ret->digest, digest);
	ret->compression = type->compression;
	return 0;
}

int manifest_parse(struct manifest *ret, const json_t *doc, struct err *err)
{
	autofree struct manifest *m = NEW(struct manifest);
	const json_t *layers = json_object_get(doc, "layers"), *layer;
	size_t i;
	int r;

	/* BuildKit writes null for an image without layers. */
	if (layers && !json_is_array(layers) && !json_is_null(layers))
		return invalid(err, "layers is not a list");
	if (json_array_size(layers) > MANIFEST_MAX_LAYERS)
		return invalid(err, "%zu layers, more than %d", json_array_size(layers),
			       MANIFEST_MAX_LAYERS);
	r = parse_config_descriptor(m, json_object_get(doc, "config"), err);
	if (r < 0)
		return r;
	json_array_foreach(layers, i, layer) {
		r = parse_layer(&m->layers[i], layer, err);
		if (r < 0)
			return r;
	}
	m->n_layers = json_array_size(layers);
	*ret = *m;
	return 0;
}

/* A bounded copy of the string VALUE, "" when it is none or too long. */
static void copy_platform(char *ret, size_t size, const json_t *value)
{
	size_t n = json_string_length(value);

	*ret = '\0';
	if (n < size && n > 0)
		memcpy(ret, json_string_value(value), n + 1);
}

static void parse_entry_details(struct manifest_entry *e, const json_t *desc)
{
	const json_t *platform = json_object_get(desc, "platform");
	const json_t *name =
		json_object_get(json_object_get(desc, "annotations"), MANIFEST_REF_NAME);

	copy_platform(e->os, sizeof(e->os), json_object_get(platform, "os"));
	copy_platform(e->architecture, sizeof(e->architecture),
		      json_object_get(platform, "architecture"));
	copy_platform(e->variant, sizeof(e->variant), json_object_get(platform, "variant"));
	if (json_is_string(name) && json_string_length(name) <= MAX_REF_NAME)
		e->ref_name = mem_strdup(json_string_value(name));
}

int manifest_index_parse(struct manifest_index *ret, const json_t *doc, struct err *err)
{
	_cleanup_(manifest_index_deinit) struct manifest_index index = {};
	const json_t *list = json_object_get(doc, "manifests"), *desc;
	size_t i;
	int r;

	if (!json_is_array(list))
		return invalid(err, "manifests is not a list");
	if (json_array_size(list) > MANIFEST_MAX_ENTRIES)
		return invalid(err, "index of %zu manifests, more than %d", json_array_size(list),
			       MANIFEST_MAX_ENTRIES);
	index.entries = mem_calloc(json_array_size(list) + 1, sizeof(*index.entries));
	json_array_foreach(list, i, desc) {
		struct manifest_entry *e = &index.entries[index.n_entries];
		const struct media_type *type;
		const char *digest;

		r = parse_descriptor(&type, &digest, &e->size_bytes, desc, "manifest of an index",
				     err);
		if (r < 0)
			return r;
		if (type->role != MEDIA_INDEX && type->role != MEDIA_MANIFEST)
			continue;
		e->is_index = type->role == MEDIA_INDEX;
		copy_digest(e->digest, digest);
		parse_entry_details(e, desc);
		index.n_entries++;
	}
	*ret = index;
	index = (struct manifest_index){};
	return 0;
}

void manifest_index_deinit(struct manifest_index *index)
{
	for (size_t i = 0; i < index->n_entries; i++)
		free(index->entries[i].ref_name);
	free(index->entries);
	*index = (struct manifest_index){};
}

const struct manifest_entry *manifest_index_choose(const struct manifest_index *index,
						   const char *architecture)
{
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct manifest_entry *e = &index->entries[i];

		if (str_eq(e->os, "linux") && str_eq(e->architecture, architecture))
			return e;
	}
	if (index->n_entries == 1 && !*index->entries[0].os && !*index->entries[0].architecture)
		return &index->entries[0];
	return NULL;
}

int manifest_join_config(struct manifest *m, const json_t *config, struct err *err)
{
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids"), *id;
	size_t i;

	if (ids && !json_is_array(ids) && !json_is_null(ids))
		return invalid(err, "rootfs.diff_ids is not a list");
	if (json_array_size(ids) != m->n_layers)
		return invalid(err,
			       "%zu layers in the manifest but %zu diff_ids in the configuration",
			       m->n_layers, json_array_size(ids));
	json_array_foreach(ids, i, id) {
		if (!json_is_string(id) || !digest_valid(json_string_value(id)))
			return invalid(err, "rootfs.diff_ids[%zu] is not sha256: and 64 hex digits",
				       i);
	}
	json_array_foreach(ids, i, id) {
		copy_digest(m->layers[i].diff_id, json_string_value(id));

		/* skopeo calls a plain blob it found in the layout "+gzip"; equal digests leave no
		 * doubt. */
		if (str_eq(m->layers[i].diff_id, m->layers[i].digest))
			m->layers[i].compression = MANIFEST_PLAIN;
	}
	return 0;
}

static json_t *format_descriptor(const char *media_type, const char *digest, uint64_t size)
{
	json_t *desc = json_object();

	json_set(desc, "mediaType", json_text(media_type));
	json_set(desc, "digest", json_text(digest));
	json_set(desc, "size", json_integer((json_int_t)size));
	return desc;
}

char *manifest_format(const struct manifest *m)
{
	autojson *doc = json_object();
	json_t *layers = json_array();

	assert(m->n_layers <= MANIFEST_MAX_LAYERS);

	for (size_t i = 0; i < m->n_layers; i++) {
		const struct manifest_layer *l = &m->layers[i];

		(void)json_array_append_new(
			layers, format_descriptor(manifest_layer_media_type(l->compression),
						  l->digest, l->size_bytes));
	}
	json_set(doc, "schemaVersion", json_integer(2));
	json_set(doc, "mediaType", json_text(MANIFEST_OCI_MANIFEST));
	json_set(doc, "config",
		 format_descriptor(MANIFEST_OCI_CONFIG, m->config_digest, m->config_size_bytes));
	json_set(doc, "layers", layers);
	return json_canonical(doc);
}
