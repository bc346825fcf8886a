/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store: opening it, reading verified documents out of it, committing new images to it.
 * Names live in image_index.c, big blobs in blob.c.
 */
#include "runtime/image.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/blob.h"
#include "runtime/image_priv.h"

#define MAX_INDEX_DEPTH                                                                            \
	2 /* an index in an index: what "skopeo copy --all" of a nested one makes                  \
	   */

static int open_dir(int dirfd, const char *path, struct err *err)
{
	int r = fs_mkdir_p(dirfd, path, 0700);

	if (r >= 0)
		r = fs_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	return r < 0 ? err_errno(err, r, "image store: directory %s", path) : r;
}

static int open_dirs(struct image_store *s, struct err *err)
{
	s->state_fd = fs_open(s->state_dir, O_RDONLY | O_DIRECTORY, 0);
	if (s->state_fd < 0)
		return err_errno(err, s->state_fd, "state directory %s", s->state_dir);
	s->images_fd = open_dir(s->state_fd, "images", err);
	if (s->images_fd < 0)
		return s->images_fd;
	s->blobs_fd = open_dir(s->images_fd, "blobs/sha256", err);
	if (s->blobs_fd < 0)
		return s->blobs_fd;
	s->layers_fd = open_dir(s->state_fd, "layers", err);
	return s->layers_fd < 0 ? s->layers_fd : 0;
}

int image_store_open(struct image_store **ret, const char *state_dir, struct err *err)
{
	_cleanup_(image_store_freep) struct image_store *s = NEW(struct image_store);
	int r;

	assert(ret && state_dir);

	s->state_dir = mem_strdup(state_dir);
	s->state_fd = s->images_fd = s->blobs_fd = s->layers_fd = -1;
	s->summaries = json_object();
	r = open_dirs(s, err);
	if (r >= 0)
		r = image_index_init(s, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct image_store *image_store_free(struct image_store *s)
{
	if (!s)
		return NULL;
	(void)mem_close(s->state_fd);
	(void)mem_close(s->images_fd);
	(void)mem_close(s->blobs_fd);
	(void)mem_close(s->layers_fd);
	json_decref(s->index);
	json_decref(s->summaries);
	free(s->names);
	free(s->state_dir);
	free(s);
	return NULL;
}

const char *image_store_state_dir(const struct image_store *s)
{
	return s->state_dir;
}

int image_store_images_fd(const struct image_store *s)
{
	return s->images_fd;
}

int image_store_layers_fd(const struct image_store *s)
{
	return s->layers_fd;
}

bool image_store_has(struct image_store *s, const char *digest, uint64_t *ret_size)
{
	struct stat st;

	if (fstatat(s->blobs_fd, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

int image_store_get(struct image_store *s, const char *digest, size_t max, char **ret,
		    size_t *ret_len, struct err *err)
{
	autoclose int fd = -1;
	autofree char *data = NULL;
	char got[DIGEST_STR_SIZE];
	size_t n;
	int r;

	assert(digest_valid(digest));

	fd = blob_open(s, digest, err);
	if (fd < 0)
		return fd;
	r = fs_read_fd(&data, &n, fd, max);
	if (r == -EFBIG)
		return err_set(err, ERR_INVALID, EFBIG, "InvalidImage",
			       "document %s is larger than %zu bytes", digest, max);
	if (r < 0)
		return err_errno(err, r, "read blob %s", digest);
	digest_bytes(got, data, n);
	if (!str_eq(got, digest))
		return err_set(err, ERR_FATAL, EBADMSG, "ImageCorrupt",
			       "blob %s holds other bytes (%s)", digest, got);
	*ret = TAKE_PTR(data);
	*ret_len = n;
	return 0;
}

int image_store_put(struct image_store *s, const void *data, size_t n, char ret[DIGEST_STR_SIZE],
		    struct err *err)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	char digest[DIGEST_STR_SIZE];
	uint64_t size;
	int r;

	digest_bytes(digest, data, n);
	if (!image_store_has(s, digest, &size) || size != n) {
		r = blob_writer_new(&w, s, err);
		if (r >= 0)
			r = blob_writer_add(w, data, n, err);
		if (r >= 0)
			r = blob_writer_commit(w, digest, digest, &size, err);
		if (r < 0)
			return r;
	}
	memcpy(ret, digest, sizeof(digest));
	return 0;
}

int image_store_resolve(struct image_store *s, const char *reference, char ret[DIGEST_STR_SIZE],
			struct err *err)
{
	struct imageref ref;
	const char *digest;
	int r;

	r = imageref_parse(&ref, reference, err);
	if (r < 0)
		return r;
	if (*ref.digest) {
		if (!image_store_has(s, ref.digest, NULL))
			return 0;
		memcpy(ret, ref.digest, DIGEST_STR_SIZE);
		return 1;
	}
	r = image_index_refresh(s, err);
	if (r < 0)
		return r;
	digest = image_index_find(s, &ref);
	if (!digest)
		return 0;
	memcpy(ret, digest, DIGEST_STR_SIZE);
	return 1;
}

/* Read the manifest or index DIGEST and tell which it is. MEDIA_TYPE may be NULL. */
static int load_document(json_t **ret, enum manifest_kind *ret_kind, struct image_store *s,
			 const char *digest, struct err *err)
{
	autofree char *text = NULL;
	autojson *doc = NULL;
	size_t n;
	int r;

	r = image_store_get(s, digest, MANIFEST_MAX_BYTES, &text, &n, err);
	if (r < 0)
		return r;
	r = json_parse(&doc, text, n, MANIFEST_MAX_BYTES, err);
	if (r < 0) {
		(void)err_reason(err, "InvalidImage");
		return r;
	}
	r = manifest_classify(ret_kind, doc, NULL, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

/* Descend from DOC, an index, to the digest of the entry for this host. */
static int choose_entry(char ret[DIGEST_STR_SIZE], const json_t *doc, struct err *err)
{
	_cleanup_(manifest_index_deinit) struct manifest_index index = {};
	const struct manifest_entry *entry;
	int r = manifest_index_parse(&index, doc, err);

	if (r < 0)
		return r;
	entry = manifest_index_choose(&index, manifest_host_architecture());
	if (!entry)
		return err_set(err, ERR_INVALID, EINVAL, "ImageArchitectureMismatch",
			       "the image index has no entry for linux/%s",
			       manifest_host_architecture());
	memcpy(ret, entry->digest, DIGEST_STR_SIZE);
	return 0;
}

/* Fill in manifest and manifest_digest from the document I->digest. */
static int load_manifest(struct image *i, struct image_store *s, struct err *err)
{
	memcpy(i->manifest_digest, i->digest, sizeof(i->digest));
	for (int depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
		autojson *doc = NULL;
		enum manifest_kind kind;
		int r = load_document(&doc, &kind, s, i->manifest_digest, err);

		if (r >= 0 && kind == MANIFEST_IS_MANIFEST)
			return manifest_parse(&i->manifest, doc, err);
		if (r >= 0)
			r = choose_entry(i->manifest_digest, doc, err);
		if (r < 0)
			return r;
	}
	return err_set(err, ERR_INVALID, EINVAL, "InvalidImage",
		       "image indexes are nested too deeply");
}

static bool matches_host(const struct imageconfig *c)
{
	return (!*c->os || str_eq(c->os, "linux")) &&
	       (!*c->architecture || str_eq(c->architecture, manifest_host_architecture()));
}

static int load_config(struct image *i, struct image_store *s, struct err *err)
{
	autofree char *text = NULL;
	size_t n;
	int r;

	r = image_store_get(s, i->manifest.config_digest, IMAGECONFIG_MAX_BYTES, &text, &n, err);
	if (r < 0)
		return r;
	if (n != i->manifest.config_size_bytes)
		return err_set(err, ERR_INVALID, EINVAL, "InvalidImage",
			       "configuration has %zu bytes, its manifest says %" PRIu64, n,
			       i->manifest.config_size_bytes);
	r = json_parse(&i->document, text, n, IMAGECONFIG_MAX_BYTES, err);
	if (r >= 0)
		r = imageconfig_parse(&i->config, i->document, err);
	if (r >= 0)
		r = manifest_join_config(&i->manifest, i->document, err);
	if (r < 0) {
		(void)err_reason(err, "InvalidImage");
		return r;
	}
	if (!matches_host(&i->config))
		return err_set(err, ERR_INVALID, EINVAL, "ImageArchitectureMismatch",
			       "the image is for %.32s/%.32s, this host is linux/%s", i->config.os,
			       i->config.architecture, manifest_host_architecture());
	return 0;
}

int image_store_load(struct image_store *s, const char *digest, struct image **ret, struct err *err)
{
	_cleanup_(image_freep) struct image *i = NEW(struct image);
	uint64_t size;
	int r;

	assert(digest_valid(digest));

	memcpy(i->digest, digest, sizeof(i->digest));
	r = load_manifest(i, s, err);
	if (r >= 0)
		r = load_config(i, s, err);
	if (r < 0)
		return err_wrap(err, "image %s", digest);
	i->size_bytes = i->manifest.config_size_bytes;
	for (size_t l = 0; l < i->manifest.n_layers; l++)
		i->size_bytes += i->manifest.layers[l].size_bytes;
	if (image_store_has(s, i->manifest_digest, &size))
		i->size_bytes += size;
	*ret = TAKE_PTR(i);
	return 0;
}

struct image *image_free(struct image *i)
{
	if (!i)
		return NULL;
	imageconfig_deinit(&i->config);
	json_decref(i->document);
	free(i);
	return NULL;
}

/* {"created", "sizeBytes"} or {"error"} of the image DIGEST; borrowed from the cache or owned by
 * *RET_OWNED. */
static const json_t *summarise(struct image_store *s, const char *digest, json_t **ret_owned)
{
	_cleanup_(image_freep) struct image *i = NULL;
	json_t *summary = json_object_get(s->summaries, digest);
	struct err err = {};

	if (summary)
		return summary;
	summary = json_object();
	if (image_store_load(s, digest, &i, &err) < 0) {
		json_set(summary, "error", json_text(err.message));
		*ret_owned = summary;
		return summary;
	}
	json_set(summary, "created", json_text(i->config.created));
	json_set(summary, "sizeBytes", json_integer((json_int_t)i->size_bytes));
	json_set(s->summaries, digest, summary);
	return summary;
}

static json_t *list_row(struct image_store *s, const struct manifest_entry *entry,
			const struct strlist *in_use)
{
	autojson *owned = NULL;
	const json_t *summary = summarise(s, entry->digest, &owned);
	char repository[IMAGEREF_MAX] = "<none>";
	const char *tag = "<none>";
	struct imageref ref;
	json_t *row = json_object();

	if (entry->ref_name && imageref_parse(&ref, entry->ref_name, NULL) == 0 && !*ref.digest) {
		imageref_format_repository(repository, &ref);
		tag = ref.tag;
	}
	json_set(row, "repository", json_text(repository));
	json_set(row, "tag", json_text(tag));
	json_set(row, "digest", json_text(entry->digest));
	json_set(row, "inUse", json_boolean(in_use && strlist_contains(in_use, entry->digest)));
	(void)json_object_update_missing(row, (json_t *)summary);
	return row;
}

static int compare_rows(const void *a, const void *b)
{
	static const char *const keys[] = {"repository", "tag", "digest"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int c = strcmp(json_path_str(*(json_t *const *)a, keys[i], ""),
			       json_path_str(*(json_t *const *)b, keys[i], ""));

		if (c != 0)
			return c;
	}
	return 0;
}

int image_store_list(struct image_store *s, const struct strlist *in_use, json_t **ret,
		     struct err *err)
{
	_cleanup_(manifest_index_deinit) struct manifest_index index = {};
	autofree json_t **rows = NULL;
	json_t *list;
	int r;

	r = image_index_refresh(s, err);
	if (r >= 0)
		r = manifest_index_parse(&index, s->index, err);
	if (r < 0)
		return err_wrap(err, "list images");
	rows = mem_calloc(index.n_entries + 1, sizeof(*rows));
	for (size_t i = 0; i < index.n_entries; i++)
		rows[i] = list_row(s, &index.entries[i], in_use);
	qsort(rows, index.n_entries, sizeof(*rows), compare_rows);
	list = json_array();
	for (size_t i = 0; i < index.n_entries; i++)
		(void)json_array_append_new(list, rows[i]);
	*ret = list;
	return 0;
}

/* The descriptor of a stored manifest or index for index.json. I: the image it loads as. */
static int describe(json_t **ret, struct image_store *s, const struct image *i, struct err *err)
{
	autojson *doc = NULL;
	enum manifest_kind kind;
	uint64_t size = 0;
	json_t *desc, *platform, *annotations;
	const char *media_type;
	int r;

	r = load_document(&doc, &kind, s, i->digest, err);
	if (r < 0)
		return r;
	(void)image_store_has(s, i->digest, &size);
	media_type = json_path_str(doc, "mediaType",
				   kind == MANIFEST_IS_INDEX ? MANIFEST_OCI_INDEX
							     : MANIFEST_OCI_MANIFEST);
	desc = json_object();
	json_set(desc, "mediaType", json_text(media_type));
	json_set(desc, "digest", json_text(i->digest));
	json_set(desc, "size", json_integer((json_int_t)size));
	if (kind == MANIFEST_IS_MANIFEST && *i->config.os && *i->config.architecture) {
		platform = json_object();
		json_set(platform, "os", json_text(i->config.os));
		json_set(platform, "architecture", json_text(i->config.architecture));
		json_set(desc, "platform", platform);
	}
	if (*i->config.created) {
		annotations = json_object();
		json_set(annotations, "org.opencontainers.image.created",
			 json_text(i->config.created));
		json_set(desc, "annotations", annotations);
	}
	*ret = desc;
	return 0;
}

/* Enter the stored image DIGEST into index.json, named REF or (NULL) untagged. */
static int enter(struct image_store *s, const struct imageref *ref, const char *digest,
		 struct err *err)
{
	_cleanup_(image_freep) struct image *i = NULL;
	autojson *descriptor = NULL;
	struct image_index_change change = {.ref = ref};
	int r;

	r = image_store_load(s, digest, &i, err);
	if (r >= 0)
		r = describe(&descriptor, s, i, err);
	if (r < 0)
		return r;
	change.descriptor = descriptor;
	r = image_index_change(s, &change, err);
	return r < 0 ? r : 0;
}

/* Parse a REFERENCE that is to be written: a digest in it would be a promise nobody keeps. */
static int parse_name(struct imageref *ret, const char *reference, struct err *err)
{
	int r = imageref_parse(ret, reference, err);

	if (r >= 0 && *ret->digest)
		return err_set(err, ERR_INVALID, EINVAL, "InvalidImageName",
			       "'%s' has a digest and is no tag", reference);
	return r;
}

int image_store_tag(struct image_store *s, const char *reference, const char *digest,
		    struct err *err)
{
	struct imageref ref;
	int r = parse_name(&ref, reference, err);

	if (r >= 0)
		r = enter(s, &ref, digest, err);
	return r < 0 ? err_wrap(err, "tag '%s'", reference) : 0;
}

int image_store_untag(struct image_store *s, const char *reference, struct err *err)
{
	struct imageref ref;
	struct image_index_change change = {.ref = &ref};
	int r = parse_name(&ref, reference, err);

	if (r >= 0)
		r = image_index_refresh(s, err);
	if (r < 0)
		return r;
	if (!image_index_find(s, &ref))
		return 0;
	return image_index_change(s, &change, err);
}

/* The configuration of C with its layer list set, as text. */
static char *commit_config_text(const struct image_commit *c)
{
	autojson *doc = json_deep_copy(c->config);
	json_t *rootfs = json_object(), *ids = json_array();

	for (size_t i = 0; i < c->n_layers; i++)
		(void)json_array_append_new(ids, json_text(c->layers[i].diff_id));
	json_set(rootfs, "type", json_text("layers"));
	json_set(rootfs, "diff_ids", ids);
	json_set(doc, "rootfs", rootfs);
	return json_canonical(doc);
}

/* Others refuse an image whose history does not tell as many layers as it has. */
static int commit_check(struct image_store *s, const struct image_commit *c, struct err *err)
{
	const json_t *history = json_object_get(c->config, "history"), *entry;
	size_t i, n = 0;

	if (c->n_layers > MANIFEST_MAX_LAYERS)
		return err_invalid(err, "%zu layers, more than %d", c->n_layers,
				   MANIFEST_MAX_LAYERS);
	json_array_foreach(history, i, entry)
		n += !json_is_true(json_object_get(entry, "empty_layer"));
	if (json_array_size(history) > 0 && n != c->n_layers)
		return err_invalid(err, "history tells of %zu layers, the image has %zu", n,
				   c->n_layers);
	for (i = 0; i < c->n_layers; i++) {
		if (!digest_valid(c->layers[i].diff_id) || !digest_valid(c->layers[i].digest))
			return err_invalid(err, "layer %zu has no digests", i);
		if (!image_store_has(s, c->layers[i].digest, NULL))
			return err_set(err, ERR_INVALID, ENOENT, NULL, "layer blob %s is not here",
				       c->layers[i].digest);
	}
	return 0;
}

static int commit_documents(struct image_store *s, const struct image_commit *c,
			    char ret[DIGEST_STR_SIZE], struct err *err)
{
	autofree struct manifest *m = NEW(struct manifest);
	autofree char *config = commit_config_text(c), *text = NULL;
	int r;

	m->config_size_bytes = strlen(config);
	r = image_store_put(s, config, strlen(config), m->config_digest, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n_layers; i++)
		m->layers[i] = c->layers[i];
	m->n_layers = c->n_layers;
	text = manifest_format(m);
	return image_store_put(s, text, strlen(text), ret, err);
}

int image_store_commit(struct image_store *s, const struct image_commit *c,
		       char ret[DIGEST_STR_SIZE], struct err *err)
{
	char digest[DIGEST_STR_SIZE];
	struct imageref ref;
	int r = 0;

	if (c->reference)
		r = parse_name(&ref, c->reference, err);
	if (r >= 0)
		r = commit_check(s, c, err);
	if (r >= 0)
		r = commit_documents(s, c, digest, err);
	if (r >= 0)
		r = enter(s, c->reference ? &ref : NULL, digest, err);
	if (r < 0)
		return err_wrap(err, "commit image '%s'", c->reference ?: "<none>");
	memcpy(ret, digest, sizeof(digest));
	return 0;
}
