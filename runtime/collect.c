/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting references and removing what has none.
 */
#include "runtime/collect.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/image_priv.h"
#include "runtime/layer_staging_priv.h"

#define LOCK_NAME "store.lock"
#define DEPTH_MAX 4
#define HEX_DIGITS 64
/* What nothing ever referred to may be on its way: skopeo writes blobs first and the index last. */
#define STRAY_MIN_AGE_S 3600

struct unit {
	char *id; /* of an image its digest, of a record its name */
	bool is_record;
	bool keep;
	bool named;
	bool gone;
	int dirfd; /* of a record */
	int64_t time_s;
	json_t *blobs;     /* array of digests it refers to */
	json_t *layers;    /* array of diff_ids */
	const char *image; /* of a record of an image: its digest, in blobs */
};

struct collection {
	struct image_store *store;
	const struct collect_options *options;
	int lock_fd;
	json_t *wanted; /* digest -> true: in use */
	struct unit *units;
	size_t n_units, cap_units;
	json_t *blobs;  /* digest -> how many units refer to it */
	json_t *layers; /* diff_id -> the same */
	struct collect_result result;
};

/* ---- the lock ---- */

static int lock_store(struct image_store *s, int operation, struct err *err)
{
	autoclose int fd = fs_open_at(s->state_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, fd, "open %s", LOCK_NAME);
	while (flock(fd, operation) < 0) {
		if (errno == EWOULDBLOCK)
			return -EWOULDBLOCK;
		if (errno != EINTR)
			return err_errno(err, errno, "lock %s", LOCK_NAME);
	}
	return TAKE_FD(fd);
}

int collect_hold(struct image_store *store, struct err *err)
{
	return lock_store(store, LOCK_SH, err);
}

/* ---- units ---- */

static struct unit *unit_add(struct collection *c, const char *id)
{
	GROW(c->units, c->cap_units, c->n_units + 1);
	c->units[c->n_units] =
		(struct unit){.id = mem_strdup(id), .blobs = json_array(), .layers = json_array()};
	return &c->units[c->n_units++];
}

static void refer(json_t *list, const char *digest)
{
	if (digest && digest_valid(digest) && !json_list_has(list, digest))
		json_array_append_new(list, json_text(digest));
}

static void count(json_t *counts, const json_t *list, int by)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		const char *digest = json_string_value(entry);
		json_int_t n = json_integer_value(json_object_get(counts, digest)) + by;

		assert(n >= 0);
		json_set(counts, digest, json_integer(n));
	}
}

static void unit_count(struct collection *c, const struct unit *u, int by)
{
	count(c->blobs, u->blobs, by);
	count(c->layers, u->layers, by);
}

static int read_document(json_t **ret, struct image_store *s, const char *digest, struct err *err)
{
	autofree char *text = NULL;
	size_t n;
	int r = image_store_get(s, digest, MANIFEST_MAX_BYTES, &text, &n, err);

	return r < 0 ? r : json_parse(ret, text, n, MANIFEST_MAX_BYTES, err);
}

/* The layers of a configuration, as they are unpacked. */
static int read_config(struct unit *u, struct image_store *s, const char *digest, struct err *err)
{
	autojson *config = NULL;
	const json_t *id;
	size_t i;
	int r = digest_valid(digest) ? read_document(&config, s, digest, err) : 0;

	json_array_foreach(json_path(config, "rootfs.diff_ids"), i, id)
		refer(u->layers, json_string_value(id));
	return r;
}

/* All that the manifest or index DIGEST leads to, for whatever platform. */
static int read_image(struct unit *u, struct image_store *s, const char *digest, int depth,
		      struct err *err)
{
	autojson *doc = NULL;
	const char *config;
	const json_t *e;
	size_t i;
	int r;

	refer(u->blobs, digest);
	if (depth == DEPTH_MAX)
		return err_invalid(err, "indexes are nested too deeply");
	r = read_document(&doc, s, digest, err);
	json_array_foreach(json_object_get(doc, "manifests"), i, e) {
		const char *below = json_path_str(e, "digest", "");

		if (r >= 0 && digest_valid(below) && image_store_has(s, below, NULL))
			r = read_image(u, s, below, depth + 1, err);
	}
	json_array_foreach(json_object_get(doc, "layers"), i, e)
		refer(u->blobs, json_path_str(e, "digest", ""));
	config = json_path_str(doc, "config.digest", "");
	refer(u->blobs, config);
	if (r < 0 || !doc || !*config)
		return r;
	return read_config(u, s, config, err);
}

static int64_t blob_time(struct image_store *s, const char *digest)
{
	struct stat st;

	return fstatat(s->blobs_fd, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? 0
		       : st.st_mtim.tv_sec;
}

static bool is_wanted(const struct collection *c, const struct unit *u)
{
	const json_t *e;
	size_t i;

	json_array_foreach(u->blobs, i, e) {
		if (json_object_get(c->wanted, json_string_value(e)))
			return true;
	}
	return false;
}

static struct unit *find_image(struct collection *c, const char *digest)
{
	for (size_t i = 0; i < c->n_units; i++) {
		if (!c->units[i].is_record && str_eq(c->units[i].id, digest))
			return &c->units[i];
	}
	return NULL;
}

/* An image, once however many names it has. What is needed has to be readable. */
static int add_image(struct collection *c, const char *digest, bool named, struct err *err)
{
	struct unit *u = find_image(c, digest);
	int r;

	if (u) {
		u->named |= named;
		u->keep |= named && !c->options->all;
		return 0;
	}
	u = unit_add(c, digest);
	r = read_image(u, c->store, digest, 0, err);
	u->time_s = blob_time(c->store, digest);
	u->named = named;
	u->keep = (named && !c->options->all) || is_wanted(c, u);
	if (r < 0 && u->keep && r != -ENOENT)
		return err_wrap(err,
				"image %s is needed and cannot be read, so nothing is collected",
				digest);
	return 0;
}

static int add_images(struct collection *c, struct err *err)
{
	const json_t *entry;
	const char *digest;
	json_t *unused;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(c->store->index, "manifests"), i, entry) {
		const char *name = json_string_value(
			json_object_get(json_object_get(entry, "annotations"), MANIFEST_REF_NAME));

		digest = json_path_str(entry, "digest", "");
		if (r >= 0 && digest_valid(digest))
			r = add_image(c, digest, name != NULL, err);
	}
	/* Somebody may have taken the entry of an image that runs. */
	json_object_foreach(c->wanted, digest, unused) {
		if (r >= 0 && image_store_has(c->store, digest, NULL))
			r = add_image(c, digest, false, err);
	}
	return r;
}

void collect_add_record(struct collection *c, const struct collect_record *record)
{
	struct unit *u = unit_add(c, record->name);

	u->is_record = true;
	u->dirfd = record->dirfd;
	u->time_s = record->time_s;
	if (record->image) {
		refer(u->blobs, record->image);
		u->image = json_string_value(json_array_get(u->blobs, 0));
		return; /* it tells of the image, and does not keep it */
	}
	refer(u->blobs, record->blob);
	refer(u->layers, record->layer);
}

/* ---- life ---- */

static void want_digests(struct collection *c)
{
	const json_t *e;
	size_t i;

	json_array_foreach(c->options->digests, i, e) {
		if (json_string_value(e) && digest_valid(json_string_value(e)))
			json_set(c->wanted, json_string_value(e), json_true());
	}
	json_array_foreach(c->options->references, i, e) {
		const char *ref = json_string_value(e);
		char digest[DIGEST_STR_SIZE];

		if (ref && image_store_resolve(c->store, ref, digest, NULL) == 1)
			json_set(c->wanted, digest, json_true());
	}
}

int collect_begin(struct collection **ret, struct image_store *store,
		  const struct collect_options *options, struct err *err)
{
	_cleanup_(collection_freep) struct collection *c = NEW(struct collection);
	int r;

	assert(store && options);
	*c = (struct collection){.store = store,
				 .options = options,
				 .wanted = json_object(),
				 .blobs = json_object(),
				 .layers = json_object()};
	c->lock_fd = lock_store(store, LOCK_EX | LOCK_NB, err);
	if (c->lock_fd == -EWOULDBLOCK)
		return 0;
	if (c->lock_fd < 0)
		return c->lock_fd;
	r = image_index_refresh(store, err);
	if (r < 0)
		return r;
	want_digests(c);
	r = add_images(c, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 1;
}

struct collection *collection_free(struct collection *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_units; i++) {
		free(c->units[i].id);
		json_decref(c->units[i].blobs);
		json_decref(c->units[i].layers);
	}
	free(c->units);
	json_decref(c->wanted);
	json_decref(c->blobs);
	json_decref(c->layers);
	(void)mem_close(c->lock_fd);
	free(c);
	return NULL;
}

/* ---- disk ---- */

int collect_used_percent(int fd)
{
	struct statvfs st;
	uint64_t used, usable;

	if (fstatvfs(fd, &st) < 0)
		return -errno;
	used = (uint64_t)st.f_blocks - st.f_bfree;
	usable = used + st.f_bavail;
	return usable ? (int)((used * 100 + usable - 1) / usable) : 0;
}

static bool is_enough(const struct collection *c)
{
	int used = c->options->until_percent ? collect_used_percent(c->store->state_fd) : 101;

	return used >= 0 && used <= (int)c->options->until_percent;
}

/* ---- removing ---- */

static int remove_blob(struct collection *c, const char *hex, struct err *err)
{
	int r = fs_remove_tree(c->store->blobs_fd, hex);

	if (r < 0)
		return err_errno(err, r, "remove blob %s", hex);
	c->result.blobs++;
	FAILPOINT("collect.after_blob");
	return 0;
}

static int remove_layer(struct collection *c, const char *hex, struct err *err)
{
	int r = layer_staging_discard(c->store, hex, err);

	c->result.layers += r == 1;
	FAILPOINT("collect.after_layer");
	return r < 0 ? r : 0;
}

/* What of LIST nothing refers to any more goes. */
static int remove_freed(struct collection *c, const json_t *counts, const json_t *list,
			int (*discard)(struct collection *c, const char *hex, struct err *err),
			struct err *err)
{
	const json_t *e;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, e) {
		const char *digest = json_string_value(e);

		if (r == 0 && json_integer_value(json_object_get(counts, digest)) == 0)
			r = discard(c, digest_hex(digest), err);
	}
	return r;
}

static int remove_record(struct collection *c, struct unit *u, struct err *err)
{
	int r = fs_remove_tree(u->dirfd, u->id);

	if (r < 0)
		return err_errno(err, r, "remove record %s", u->id);
	u->gone = true;
	c->result.records++;
	if (!u->image)
		unit_count(c, u, -1);
	return 0;
}

/* Does a unit that stays refer to DIGEST? */
static bool is_kept(const struct collection *c, const char *digest)
{
	for (size_t i = 0; i < c->n_units; i++) {
		const struct unit *u = &c->units[i];

		if (u->keep && !u->gone && json_list_has(u->blobs, digest))
			return true;
	}
	return false;
}

/* The records of what goes with the image GOING: they would only say what is not here. */
static int remove_records_of(struct collection *c, const struct unit *going, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_units; i++) {
		struct unit *u = &c->units[i];
		const char *blob = json_string_value(json_array_get(u->blobs, 0));

		if (!u->is_record || u->gone || !blob || !json_list_has(going->blobs, blob) ||
		    is_kept(c, blob))
			continue;
		r = remove_record(c, u, err);
	}
	return r;
}

static int remove_image(struct collection *c, struct unit *u, struct err *err)
{
	int r = image_index_forget(c->store, u->id, err);

	if (r < 0)
		return r;
	FAILPOINT("collect.after_index");
	u->gone = true;
	c->result.images++;
	unit_count(c, u, -1);
	return remove_records_of(c, u, err);
}

static int remove_unit(struct collection *c, struct unit *u, struct err *err)
{
	int r = u->is_record ? remove_record(c, u, err) : remove_image(c, u, err);

	if (r == 0)
		r = remove_freed(c, c->blobs, u->blobs, remove_blob, err);
	if (r == 0)
		r = remove_freed(c, c->layers, u->layers, remove_layer, err);
	return r;
}

/* ---- strays ---- */

static bool is_old(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       clock_realtime_ns() / 1000000000 - st.st_mtim.tv_sec > STRAY_MIN_AGE_S;
}

static bool is_stray(const json_t *counts, int dirfd, const char *name)
{
	autofree char *digest = mem_asprintf("sha256:%s", name);

	return strlen(name) == HEX_DIGITS && digest_valid(digest) &&
	       !json_object_get(counts, digest) && is_old(dirfd, name);
}

/* What is in DIRFD and no unit ever referred to. */
static int remove_strays(struct collection *c, int dirfd, const json_t *counts,
			 int (*discard)(struct collection *c, const char *hex, struct err *err),
			 struct err *err)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		(void)mem_close(fd);
		return err_errno(err, fd < 0 ? fd : errno, "look for what nothing refers to");
	}
	while (r == 0 && (d = readdir(dir))) {
		if (is_stray(counts, dirfd, d->d_name))
			r = discard(c, d->d_name, err);
	}
	(void)closedir(dir);
	return r;
}

/* ---- the run ---- */

static int compare_age(const void *a, const void *b)
{
	const struct unit *x = *(struct unit *const *)a, *y = *(struct unit *const *)b;

	if (x->time_s != y->time_s)
		return x->time_s < y->time_s ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* May U go by itself? Records of images go with those; other records only for want of space. */
static bool is_candidate(const struct collection *c, const struct unit *u)
{
	if (u->keep || u->gone || u->image)
		return false;
	return !u->is_record || c->options->all || c->options->until_percent;
}

static int remove_units(struct collection *c, struct err *err)
{
	autofree struct unit **units = mem_calloc(c->n_units + 1, sizeof(struct unit *));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < c->n_units; i++) {
		if (is_candidate(c, &c->units[i]))
			units[n++] = &c->units[i];
	}
	qsort(units, n, sizeof(*units), compare_age);
	for (size_t i = 0; r == 0 && i < n && !is_enough(c); i++) {
		const char *blob = json_string_value(json_array_get(units[i]->blobs, 0));

		if (units[i]->gone || (units[i]->is_record && blob && is_kept(c, blob)))
			continue; /* it would free nothing */
		r = remove_unit(c, units[i], err);
	}
	return r;
}

int collect_run(struct collection *c, struct collect_result *ret, struct err *err)
{
	int64_t before = fs_free_bytes(c->store->state_fd), after;
	int r;

	for (size_t i = 0; i < c->n_units; i++) {
		if (!c->units[i].image)
			unit_count(c, &c->units[i], 1);
	}
	r = remove_strays(c, c->store->blobs_fd, c->blobs, remove_blob, err);
	if (r == 0)
		r = remove_strays(c, c->store->layers_fd, c->layers, remove_layer, err);
	if (r == 0)
		r = remove_units(c, err);
	if (fsync(c->store->blobs_fd) < 0 && r == 0)
		r = err_errno(err, errno, "sync blobs");
	after = fs_free_bytes(c->store->state_fd);
	c->result.freed_bytes = after > before && before >= 0 ? (uint64_t)(after - before) : 0;
	*ret = c->result;
	return r;
}
