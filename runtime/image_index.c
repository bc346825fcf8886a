/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.json of the image layout: names → digests. Others write it too (skopeo copy), without our
 * lock and not atomically, so reading tells a stable file from one in the making, and changing
 * keeps every entry and annotation that is not ours.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/image_priv.h"

#define INDEX_NAME "index.json"
#define LOCK_NAME "images.lock"

/* File time stamps move in steps of a kernel tick: a write this soon after another may not show in
 * them. */
#define SETTLE_NS (100 * 1000 * 1000)

static int index_lock(struct image_store *s, struct err *err)
{
	autoclose int fd = fs_open_at(s->state_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, fd, "open %s", LOCK_NAME);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "lock %s", LOCK_NAME);
	return TAKE_FD(fd);
}

int image_index_init(struct image_store *s, struct err *err)
{
	static const struct {
		const char *name;
		const char *content;
	} files[] = {
		{"oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"},
		{INDEX_NAME,
		 "{\"manifests\":[],\"mediaType\":\"" MANIFEST_OCI_INDEX "\",\"schemaVersion\":2}"},
	};
	autoclose int lock = index_lock(s, err);

	if (lock < 0)
		return lock;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r;

		if (faccessat(s->images_fd, files[i].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		r = fs_replace(s->images_fd, files[i].name, files[i].content,
			       strlen(files[i].content), 0644, err);
		if (r < 0)
			return err_wrap(err, "create %s of the image layout", files[i].name);
	}
	return 0;
}

/* Read and parse what FD holds; -EAGAIN when it changed meanwhile. */
static int read_stable(json_t **ret, struct stat *ret_stat, int fd, struct err *err)
{
	autofree char *text = NULL;
	autojson *doc = NULL;
	struct stat before, after;
	size_t n;
	int r;

	if (fstat(fd, &before) < 0)
		return err_errno(err, errno, "stat %s", INDEX_NAME);
	r = fs_read_fd(&text, &n, fd, MANIFEST_MAX_BYTES);
	if (r < 0)
		return err_errno(err, r, "read %s", INDEX_NAME);
	if (fstat(fd, &after) < 0)
		return err_errno(err, errno, "stat %s", INDEX_NAME);
	if (!fs_same_file(&before, &after))
		return err_set(err, ERR_TRANSIENT, EAGAIN, NULL, "%s is being written", INDEX_NAME);
	r = json_parse(&doc, text, n, MANIFEST_MAX_BYTES, err);
	if (r < 0)
		return err_wrap(err, "%s", INDEX_NAME);
	*ret = TAKE_PTR(doc);
	*ret_stat = after;
	return 0;
}

static int index_read(json_t **ret, struct stat *ret_stat, struct image_store *s, struct err *err)
{
	autojson *doc = NULL;
	autoclose int fd =
		fs_open_at(s->images_fd, INDEX_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	enum manifest_kind kind;
	int r;

	if (fd < 0)
		return err_errno(err, fd, "open %s", INDEX_NAME);
	r = read_stable(&doc, ret_stat, fd, err);
	if (r >= 0)
		r = manifest_classify(&kind, doc, NULL, err);
	if (r < 0)
		return err_wrap(err, "image layout");
	if (kind != MANIFEST_IS_INDEX)
		return err_invalid(err, "image layout: %s is not an image index", INDEX_NAME);
	*ret = TAKE_PTR(doc);
	return 0;
}

/* The named entries of DOC whose names are references, into S. */
static int index_take_names(struct image_store *s, json_t *doc, struct err *err)
{
	_cleanup_(manifest_index_deinit) struct manifest_index index = {};
	int r = manifest_index_parse(&index, doc, err);

	if (r < 0)
		return err_wrap(err, "image layout: %s", INDEX_NAME);
	free(s->names);
	s->names = mem_calloc(index.n_entries + 1, sizeof(*s->names));
	s->n_names = 0;
	for (size_t i = 0; i < index.n_entries; i++) {
		struct image_name *name = &s->names[s->n_names];

		if (!index.entries[i].ref_name ||
		    imageref_parse(&name->ref, index.entries[i].ref_name, NULL) < 0)
			continue;
		if (*name->ref.digest)
			continue;
		memcpy(name->digest, index.entries[i].digest, sizeof(name->digest));
		s->n_names++;
	}
	return 0;
}

static bool is_settled(const struct stat *st)
{
	int64_t changed = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec;

	return clock_realtime_ns() - changed > SETTLE_NS;
}

/* Take over DOC, which index.json held when it had the stat ST. */
static int index_adopt(struct image_store *s, json_t *doc, const struct stat *st, struct err *err)
{
	int r = index_take_names(s, doc, err);

	if (r < 0)
		return r;
	json_decref(s->index);
	s->index = json_incref(doc);
	s->index_stat = *st;
	s->index_settled = is_settled(st);
	return 0;
}

int image_index_refresh(struct image_store *s, struct err *err)
{
	autojson *doc = NULL;
	struct stat st;
	int r;

	if (s->index && s->index_settled &&
	    fstatat(s->images_fd, INDEX_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fs_same_file(&st, &s->index_stat))
		return 0;
	r = index_read(&doc, &st, s, err);
	if (r >= 0)
		r = index_adopt(s, doc, &st, err);
	if (r < 0 && s->index)
		return 0;
	return r < 0 ? r : 0;
}

/* The same registry, repository and tag: digests do not matter for names. */
static bool same_name(const struct imageref *a, const struct imageref *b)
{
	return str_eq(a->registry, b->registry) && str_eq(a->repository, b->repository) &&
	       str_eq(a->tag, b->tag);
}

const char *image_index_find(const struct image_store *s, const struct imageref *ref)
{
	/* Writers append: of two entries with one name the later is the newer. */
	for (size_t i = s->n_names; i-- > 0;)
		if (same_name(&s->names[i].ref, ref))
			return s->names[i].digest;
	return NULL;
}

static const char *entry_name(const json_t *entry)
{
	return json_string_value(
		json_object_get(json_object_get(entry, "annotations"), MANIFEST_REF_NAME));
}

static bool entry_has_name(const json_t *entry, const struct imageref *ref)
{
	const char *text = entry_name(entry);
	struct imageref name;

	return text && imageref_parse(&name, text, NULL) == 0 && same_name(&name, ref);
}

static const char *entry_digest(const json_t *entry)
{
	return json_string_value(json_object_get(entry, "digest"));
}

/* Whether another entry than the one at EXCEPT has DIGEST. */
static bool has_other(const json_t *list, const char *digest, size_t except)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		if (i != except && str_eq(entry_digest(entry), digest))
			return true;
	}
	return false;
}

/* Take the name REF off the entries of LIST; those stay untagged unless their digest is listed
 * elsewhere. */
static bool list_remove_name(json_t *list, const struct imageref *ref)
{
	bool found = false;

	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *entry = json_array_get(list, i);

		if (!entry_has_name(entry, ref))
			continue;
		found = true;
		if (has_other(list, entry_digest(entry), i))
			(void)json_array_remove(list, i);
		else
			(void)json_object_del(json_object_get(entry, "annotations"),
					      MANIFEST_REF_NAME);
	}
	return found;
}

/* Where an untagged entry of DIGEST is, or the end of LIST. */
static size_t list_find_untagged(const json_t *list, const char *digest)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		if (str_eq(entry_digest(entry), digest) && !entry_name(entry))
			return i;
	}
	return json_array_size(list);
}

/* DESCRIPTOR with the name REF (may be NULL) among its annotations. */
static json_t *entry_new(const json_t *descriptor, const struct imageref *ref)
{
	json_t *entry = json_deep_copy(descriptor),
	       *annotations = json_object_get(entry, "annotations");
	char name[IMAGEREF_MAX];

	if (!ref)
		return entry;
	imageref_format_familiar(name, ref);
	if (!annotations) {
		annotations = json_object();
		json_set(entry, "annotations", annotations);
	}
	json_set(annotations, MANIFEST_REF_NAME, json_text(name));
	return entry;
}

static void list_add(json_t *list, const json_t *descriptor, const struct imageref *ref)
{
	const char *digest = entry_digest(descriptor);
	size_t at = list_find_untagged(list, digest);

	assert(digest);
	if (!ref && has_other(list, digest, SIZE_MAX))
		return;
	if (at < json_array_size(list))
		(void)json_array_remove(list, at);
	(void)json_array_append_new(list, entry_new(descriptor, ref));
}

static int index_write(struct image_store *s, json_t *doc, struct err *err)
{
	autofree char *text = json_canonical(doc);
	struct stat st;
	int r = fs_replace(s->images_fd, INDEX_NAME, text, strlen(text), 0644, err);

	if (r < 0)
		return err_wrap(err, "write %s", INDEX_NAME);
	if (fstatat(s->images_fd, INDEX_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, errno, "stat %s", INDEX_NAME);
	return index_adopt(s, doc, &st, err);
}

int image_index_change(struct image_store *s, const struct image_index_change *change,
		       struct err *err)
{
	autoclose int lock = index_lock(s, err);
	autojson *doc = NULL;
	bool found = false;
	struct stat st;
	json_t *list;
	int r;

	assert(change->ref || change->descriptor);
	if (lock < 0)
		return lock;

	/* Strictly: what cannot be read now must not be overwritten. */
	r = index_read(&doc, &st, s, err);
	if (r < 0)
		return r;
	list = json_object_get(doc, "manifests");
	if (change->ref)
		found = list_remove_name(list, change->ref);
	if (change->descriptor)
		list_add(list, change->descriptor, change->ref);
	r = index_write(s, doc, err);
	return r < 0 ? r : found;
}

int image_index_forget(struct image_store *s, const char *digest, struct err *err)
{
	autoclose int lock = index_lock(s, err);
	autojson *doc = NULL;
	bool found = false;
	struct stat st;
	json_t *list;
	int r;

	assert(digest_valid(digest));
	if (lock < 0)
		return lock;
	r = index_read(&doc, &st, s, err);
	if (r < 0)
		return r;
	list = json_object_get(doc, "manifests");
	for (size_t i = json_array_size(list); i-- > 0;) {
		if (!str_eq(entry_digest(json_array_get(list, i)), digest))
			continue;
		(void)json_array_remove(list, i);
		found = true;
	}
	r = found ? index_write(s, doc, err) : 0;
	return r < 0 ? r : found;
}
