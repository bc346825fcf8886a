/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer blob → tar entries, every byte counted and digested on both sides of the decompressor.
 * Two libarchive readers stand in a row: one knows only the one compression the manifest names (no
 * guessing, no stacking), the other only tar. The process's locale must be "C": there names come
 * out as the bytes they are, while in a UTF-8 locale libarchive would normalise them.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "runtime/layer_tar_priv.h"

#define CHUNK_BYTES (64u << 10)
#define SPACE_CHECK_BYTES (64u << 20)
#define REASON "InvalidImage"

struct layer_stream {
	int blob_fd;
	int root_fd;
	struct manifest_layer layer;
	struct layer_limits limits;

	struct archive *decompressor; /* NULL for a plain layer */
	struct archive *tar;          /* NULL until the first entry */
	struct digest_ctx *blob_digest;
	struct digest_ctx *diff_digest;
	uint64_t in_bytes;
	uint64_t out_bytes;
	uint64_t space_checked_at; /* out_bytes then */
	uint64_t n_entries;
	uint64_t content_bytes; /* logical size of all files: a sparse one costs its size */
	bool decompressor_open;
	char buffer[CHUNK_BYTES];
	struct err err; /* of the callbacks */
};

struct layer_limits layer_limits_resolve(const struct layer_limits *limits)
{
	struct layer_limits l = limits ? *limits : (struct layer_limits){};

	l.max_entries = l.max_entries ?: 1000000;
	l.max_bytes = l.max_bytes ?: 10ULL << 30;
	l.max_ratio = l.max_ratio ?: 200;
	l.ratio_free_bytes = l.ratio_free_bytes ?: 256ULL << 20;
	l.min_free_bytes = l.min_free_bytes ?: 1ULL << 30;
	l.deadline_ms = l.deadline_ms ?: 10ULL * 60 * 1000;
	return l;
}

struct layer_stream *layer_stream_new(int blob_fd, int root_fd, const struct manifest_layer *layer,
				      const struct layer_limits *limits)
{
	struct layer_stream *s = NEW(struct layer_stream);

	s->blob_fd = blob_fd;
	s->root_fd = root_fd;
	s->layer = *layer;
	s->limits = layer_limits_resolve(limits);
	s->blob_digest = digest_new();
	s->diff_digest = digest_new();
	return s;
}

struct layer_stream *layer_stream_free(struct layer_stream *s)
{
	if (!s)
		return NULL;
	if (s->tar)
		(void)archive_read_free(s->tar);
	if (s->decompressor)
		(void)archive_read_free(s->decompressor);
	digest_free(s->blob_digest);
	digest_free(s->diff_digest);
	free(s);
	return NULL;
}

/* What libarchive complains about, unless one of our callbacks said it better. */
static int archive_failed(struct layer_stream *s, struct archive *a, struct err *err)
{
	const char *text = archive_error_string(a);

	if (s->err.code < 0) {
		if (err)
			*err = s->err;
		return s->err.code;
	}
	return err_set(err, ERR_INVALID, EINVAL, REASON, "%s", text ? text : "malformed archive");
}

/* Whether the N bytes at the blob's start are of the compression C. libarchive takes others for no
 * data at all. */
static bool has_magic(const unsigned char *p, size_t n, enum manifest_compression c)
{
	static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd},
				   skippable[] = {0x2a, 0x4d, 0x18}; /* after 0x50 to 0x5f */

	switch (c) {
	case MANIFEST_GZIP:
		return n >= sizeof(gzip) && memcmp(p, gzip, sizeof(gzip)) == 0;
	case MANIFEST_ZSTD:
		return n >= 4 && (memcmp(p, zstd, sizeof(zstd)) == 0 ||
				  ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, skippable, 3) == 0));
	default:
		return true;
	}
}

/* Compressed bytes from the blob into s->buffer: how many, 0 at the end, negative errno with
 * s->err. */
static la_ssize_t read_blob(struct layer_stream *s)
{
	ssize_t n;

	do
		n = read(s->blob_fd, s->buffer, sizeof(s->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(&s->err, errno, "read blob");
	if (s->in_bytes == 0 &&
	    !has_magic((const unsigned char *)s->buffer, (size_t)n, s->layer.compression))
		return err_set(&s->err, ERR_INVALID, EINVAL, REASON,
			       "blob is not compressed with %s",
			       manifest_compression_name(s->layer.compression));
	s->in_bytes += (uint64_t)n;
	if (s->in_bytes > s->layer.size_bytes)
		return err_set(&s->err, ERR_INVALID, EBADMSG, "ImageCorrupt",
			       "blob is longer than the %" PRIu64 " bytes of its descriptor",
			       s->layer.size_bytes);
	digest_update(s->blob_digest, s->buffer, (size_t)n);
	return n;
}

static la_ssize_t on_read_blob(struct archive *a, void *data, const void **ret)
{
	struct layer_stream *s = data;
	la_ssize_t n = read_blob(s);

	*ret = s->buffer;
	if (n >= 0)
		return n;
	archive_set_error(a, EIO, "blob");
	return -1;
}

static int check_space(struct layer_stream *s)
{
	struct statvfs v;
	uint64_t total, floor;

	if (s->out_bytes - s->space_checked_at < SPACE_CHECK_BYTES && s->space_checked_at != 0)
		return 0;
	s->space_checked_at = s->out_bytes ?: 1;
	if (fstatvfs(s->root_fd, &v) < 0)
		return err_errno(&s->err, errno, "free space");
	total = (uint64_t)v.f_blocks * v.f_frsize;
	floor = s->limits.min_free_bytes < total / 20 ? s->limits.min_free_bytes : total / 20;
	if ((uint64_t)v.f_bfree * v.f_frsize < floor)
		return err_set(&s->err, ERR_TRANSIENT, ENOSPC, "DiskPressure",
			       "less than %" PRIu64 " bytes are free", floor);
	return 0;
}

/* Account for N uncompressed bytes. */
static int check_output(struct layer_stream *s, size_t n)
{
	s->out_bytes += n;
	if (s->out_bytes > s->limits.max_bytes)
		return err_set(&s->err, ERR_INVALID, EFBIG, REASON,
			       "more than %" PRIu64 " bytes uncompressed", s->limits.max_bytes);
	if (s->out_bytes > s->limits.ratio_free_bytes &&
	    s->out_bytes / s->limits.max_ratio > s->in_bytes)
		return err_set(&s->err, ERR_INVALID, EFBIG, REASON,
			       "compressed more than %" PRIu64 " to 1", s->limits.max_ratio);
	return check_space(s);
}

/* Uncompressed bytes: how many with *ret, 0 at the end, negative errno with s->err. */
static la_ssize_t read_tar(struct layer_stream *s, const void **ret)
{
	la_int64_t offset;
	la_ssize_t n;
	size_t size = 0;
	int r;

	if (!s->decompressor) {
		*ret = s->buffer;
		n = read_blob(s);
	} else if (!s->decompressor_open) {
		n = 0; /* the blob is empty inside */
	} else {
		do
			r = archive_read_data_block(s->decompressor, ret, &size, &offset);
		while (r == ARCHIVE_OK && size == 0);
		if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
			return archive_failed(s, s->decompressor, &s->err);
		n = r == ARCHIVE_EOF ? 0 : (la_ssize_t)size;
	}
	if (n <= 0)
		return n;
	digest_update(s->diff_digest, *ret, (size_t)n);
	r = check_output(s, (size_t)n);
	return r < 0 ? r : n;
}

static la_ssize_t on_read_tar(struct archive *a, void *data, const void **ret)
{
	struct layer_stream *s = data;
	la_ssize_t n = read_tar(s, ret);

	if (n >= 0)
		return n;
	archive_set_error(a, EIO, "layer");
	return -1;
}

static int open_decompressor(struct layer_stream *s, struct err *err)
{
	static const int filters[MANIFEST_COMPRESSION_N_] = {
		[MANIFEST_GZIP] = ARCHIVE_FILTER_GZIP,
		[MANIFEST_ZSTD] = ARCHIVE_FILTER_ZSTD,
	};
	struct archive *a = s->decompressor = archive_read_new();
	struct archive_entry *entry;
	int r;

	/* Appended, not "supported": exactly this one is applied, once. */
	r = archive_read_append_filter(a, filters[s->layer.compression]);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_raw(a);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_empty(a);
	if (r == ARCHIVE_OK)
		r = archive_read_open(a, s, NULL, on_read_blob, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(a, &entry);
	s->decompressor_open = r == ARCHIVE_OK;
	return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : archive_failed(s, a, err);
}

static int stream_open(struct layer_stream *s, struct err *err)
{
	struct archive *a;
	int r;

	if (s->layer.compression != MANIFEST_PLAIN) {
		r = open_decompressor(s, err);
		if (r < 0)
			return r;
	}
	a = s->tar = archive_read_new();
	r = archive_read_support_format_tar(a);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_empty(a);
	if (r == ARCHIVE_OK)
		r = archive_read_open(a, s, NULL, on_read_tar, NULL);
	return r == ARCHIVE_OK ? 0 : archive_failed(s, a, err);
}

/*
 * The one warning that is none: in the C locale a name of a pax header that is not ASCII "can't be
 * converted" and is given as its bytes, which is exactly what is wanted.
 */
static bool is_name_warning(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text && strstr(text, "can't be converted from UTF-8");
}

static int check_entry(struct layer_stream *s, struct archive_entry *entry, struct err *err)
{
	int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;

	if (++s->n_entries > s->limits.max_entries)
		return err_set(err, ERR_INVALID, EFBIG, REASON, "more than %" PRIu64 " entries",
			       s->limits.max_entries);
	if (size < 0)
		return err_set(err, ERR_INVALID, EINVAL, REASON, "an entry has a negative size");
	if ((uint64_t)size > s->limits.max_bytes - s->content_bytes)
		return err_set(err, ERR_INVALID, EFBIG, REASON,
			       "files of more than %" PRIu64 " bytes", s->limits.max_bytes);
	s->content_bytes += (uint64_t)size;
	if (archive_entry_sparse_count(entry) > LAYER_MAX_SPARSE)
		return err_set(err, ERR_INVALID, EFBIG, REASON,
			       "a sparse file of more than %d pieces", LAYER_MAX_SPARSE);
	return 0;
}

int layer_stream_next(struct layer_stream *s, struct archive_entry **ret, struct err *err)
{
	int r;

	if (!s->tar) {
		r = stream_open(s, err);
		if (r < 0)
			return r;
	}
	r = archive_read_next_header(s->tar, ret);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_name_warning(s->tar)))
		return archive_failed(s, s->tar, err);
	r = check_entry(s, *ret, err);
	return r < 0 ? r : 1;
}

int layer_stream_data(struct layer_stream *s, struct layer_piece *ret, struct err *err)
{
	la_int64_t offset = 0;
	int r = archive_read_data_block(s->tar, &ret->data, &ret->n, &offset);

	ret->offset = offset;
	if (r == ARCHIVE_EOF)
		return 0;
	return r == ARCHIVE_OK ? 1 : archive_failed(s, s->tar, err);
}

/* Read both streams to their ends, so that the digests cover all. */
static int drain(struct layer_stream *s)
{
	const void *data;
	la_ssize_t n;

	do
		n = read_tar(s, &data);
	while (n > 0);
	while (n >= 0) {
		n = read_blob(s);
		if (n == 0)
			return 0;
	}
	return (int)n;
}

int layer_stream_verify(struct layer_stream *s, struct err *err)
{
	char blob[DIGEST_STR_SIZE], diff[DIGEST_STR_SIZE];
	int r = drain(s);

	if (r < 0) {
		if (err)
			*err = s->err;
		return r;
	}
	digest_final(s->blob_digest, blob);
	digest_final(s->diff_digest, diff);
	if (s->in_bytes != s->layer.size_bytes)
		return err_set(err, ERR_INVALID, EBADMSG, "ImageCorrupt",
			       "blob has %" PRIu64 " bytes, its descriptor says %" PRIu64,
			       s->in_bytes, s->layer.size_bytes);
	if (!str_eq(blob, s->layer.digest))
		return err_set(err, ERR_INVALID, EBADMSG, "ImageCorrupt", "blob has digest %s",
			       blob);
	if (!str_eq(diff, s->layer.diff_id))
		return err_set(err, ERR_INVALID, EBADMSG, REASON,
			       "layer has diff_id %s, its image says %s", diff, s->layer.diff_id);
	return 0;
}
