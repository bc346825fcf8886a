/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay's upper directory → a layer blob. Two libarchive writers stand in a row: one makes the
 * tar, whose bytes are digested for the diff_id, the other compresses them, whose bytes are
 * digested and stored by the blob writer. The process's locale must be "C" (never call setlocale):
 * then names pass as the bytes they are.
 */
#include "runtime/layer_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/blob.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define MAX_DEPTH 256
#define MAX_PATH_LEN 4095
#define COPY_BYTES (128u << 10)

struct pack {
	const struct layer_pack_options *options;
	struct archive *tar;
	struct archive *compressor; /* NULL for a plain layer */
	struct archive_entry_linkresolver *links;
	struct digest_ctx *diff;
	struct blob_writer *blob;
	struct strbuf path; /* of the directory being walked, relative, with a final '/' unless it
			       is the root */
	char *buffer;
	size_t n_entries;
	bool failed;     /* and *err names the path */
	struct err *err; /* what the callbacks below report */
};

static void pack_deinit(struct pack *p)
{
	if (p->links)
		archive_entry_linkresolver_free(p->links);
	if (p->tar)
		(void)archive_write_free(p->tar);
	if (p->compressor)
		(void)archive_write_free(p->compressor);
	digest_free(p->diff);
	blob_writer_free(p->blob);
	strbuf_deinit(&p->path);
	free(p->buffer);
}

/* What libarchive complains about, unless one of our callbacks said it better. */
static int archive_failed(struct pack *p, struct archive *a, const char *what)
{
	const char *text = archive_error_string(a);

	if (p->err && p->err->code < 0)
		return p->err->code;
	return err_set(p->err, ERR_FATAL, EIO, NULL, "%s: %s", what, text ? text : "unknown error");
}

static la_ssize_t on_blob_bytes(struct archive *a, void *data, const void *bytes, size_t n)
{
	struct pack *p = data;

	if (blob_writer_add(p->blob, bytes, n, p->err) < 0) {
		archive_set_error(a, EIO, "blob");
		return -1;
	}
	return (la_ssize_t)n;
}

static la_ssize_t on_tar_bytes(struct archive *a, void *data, const void *bytes, size_t n)
{
	struct pack *p = data;

	digest_update(p->diff, bytes, n);
	if (!p->compressor)
		return on_blob_bytes(a, data, bytes, n);
	if (archive_write_data(p->compressor, bytes, n) == (la_ssize_t)n)
		return (la_ssize_t)n;
	(void)archive_failed(p, p->compressor, "compress layer");
	archive_set_error(a, EIO, "compressor");
	return -1;
}

/* No time stamp in the gzip header: equal trees give equal blobs. */
static int add_filter(struct archive *a, const struct layer_pack_options *o)
{
	char level[16];
	int r;

	(void)snprintf(level, sizeof(level), "%d", o->level > 0 ? o->level : 1);
	if (o->compression == MANIFEST_ZSTD)
		r = archive_write_add_filter_zstd(a);
	else
		r = archive_write_add_filter_gzip(a);
	if (r == ARCHIVE_OK)
		r = archive_write_set_filter_option(a, NULL, "compression-level", level);
	if (r == ARCHIVE_OK && o->compression == MANIFEST_GZIP)
		r = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
	return r;
}

static int open_compressor(struct pack *p)
{
	struct archive *a = p->compressor = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	int r;

	r = add_filter(a, p->options);
	if (r == ARCHIVE_OK)
		r = archive_write_set_format_raw(a);
	if (r == ARCHIVE_OK)
		r = archive_write_set_bytes_in_last_block(a, 1);
	if (r == ARCHIVE_OK)
		r = archive_write_open(a, p, NULL, on_blob_bytes, NULL);
	archive_entry_set_filetype(entry, AE_IFREG);
	if (r == ARCHIVE_OK)
		r = archive_write_header(a, entry);
	archive_entry_free(entry);
	return r == ARCHIVE_OK ? 0 : archive_failed(p, a, "open compressor");
}

static int open_tar(struct pack *p)
{
	struct archive *a = p->tar = archive_write_new();
	int r;

	r = archive_write_set_format_pax_restricted(a);
	if (r == ARCHIVE_OK)
		r = archive_write_set_format_option(a, "pax", "xattrheader", "SCHILY");
	if (r == ARCHIVE_OK)
		r = archive_write_set_bytes_in_last_block(a, 1);
	if (r == ARCHIVE_OK)
		r = archive_write_open(a, p, NULL, on_tar_bytes, NULL);
	p->links = archive_entry_linkresolver_new();
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
	return r == ARCHIVE_OK ? 0 : archive_failed(p, a, "open tar writer");
}

static void set_mtime(const struct pack *p, struct archive_entry *entry, int64_t seconds)
{
	if (p->options->clamp_mtime && seconds > p->options->max_mtime)
		seconds = p->options->max_mtime;
	archive_entry_set_mtime(entry, seconds, 0);
}

/* An entry for NAME in the directory being walked, SUFFIX after it, with the metadata of ST. */
static struct archive_entry *entry_new(const struct pack *p, const char *name, const char *suffix,
				       const struct stat *st)
{
	autofree char *path = mem_asprintf("%s%s%s", strbuf_str(&p->path), name, suffix);
	struct archive_entry *entry = archive_entry_new();

	archive_entry_copy_pathname(entry, path);
	archive_entry_set_filetype(entry, st->st_mode & S_IFMT);
	archive_entry_set_perm(entry, st->st_mode & 07777);
	archive_entry_set_uid(entry, st->st_uid);
	archive_entry_set_gid(entry, st->st_gid);
	set_mtime(p, entry, st->st_mtim.tv_sec);
	if (S_ISREG(st->st_mode))
		archive_entry_set_size(entry, st->st_size);
	else
		archive_entry_unset_size(entry);
	return entry;
}

static int write_header(struct pack *p, struct archive_entry *entry)
{
	int r = archive_write_header(p->tar, entry);

	p->n_entries++;
	/* In the C locale a name that is not ASCII cannot be converted and is written as it is:
	 * that is wanted. */
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return archive_failed(p, p->tar, "write tar header");
	return 0;
}

/* An empty file that only says something: a whiteout or an opaque mark. */
static int write_marker(struct pack *p, const char *prefix, const char *name)
{
	static const struct stat marker = {.st_mode = S_IFREG};
	autofree char *full = mem_asprintf("%s%s", prefix, name);
	struct archive_entry *entry = entry_new(p, full, "", &marker);
	int r = write_header(p, entry);

	archive_entry_free(entry);
	return r;
}

/* Copy SIZE bytes of FD into the archive; fewer means that somebody still writes. */
static int write_content(struct pack *p, int fd, off_t size)
{
	while (size > 0) {
		size_t want = size < COPY_BYTES ? (size_t)size : COPY_BYTES;
		ssize_t n = read(fd, p->buffer, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(p->err, errno, "read file");
		if (n == 0)
			return err_set(p->err, ERR_TRANSIENT, EAGAIN, NULL,
				       "file shrank while it was packed");
		if (archive_write_data(p->tar, p->buffer, (size_t)n) != n)
			return archive_failed(p, p->tar, "write tar data");
		size -= n;
	}
	return 0;
}

/* The one extended attribute that is content: file capabilities. */
static int add_capability(struct pack *p, struct archive_entry *entry, int fd)
{
	char value[64];
	ssize_t n = fgetxattr(fd, "security.capability", value, sizeof(value));

	if (n >= 0)
		archive_entry_xattr_add_entry(entry, "security.capability", value, (size_t)n);
	else if (errno != ENODATA && errno != EOPNOTSUPP)
		return err_errno(p->err, errno, "read capability");
	return 0;
}

/* Turn ENTRY into a link entry when its inode was packed before. True then. */
static bool is_known_link(struct pack *p, struct archive_entry **entry, const struct stat *st)
{
	struct archive_entry *spare = NULL;

	if (st->st_nlink < 2)
		return false;
	archive_entry_set_dev(*entry, st->st_dev);
	archive_entry_set_ino64(*entry, (la_int64_t)st->st_ino);
	archive_entry_set_nlink(*entry, (unsigned)st->st_nlink);
	archive_entry_linkify(p->links, entry, &spare);
	assert(*entry && !spare);
	return archive_entry_hardlink(*entry);
}

static int pack_file(struct pack *p, int dirfd, const char *name)
{
	autoclose int fd = fs_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
	struct archive_entry *entry;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return err_errno(p->err, fd, "open file");
	if (fstat(fd, &st) < 0)
		return err_errno(p->err, errno, "stat file");
	if (!S_ISREG(st.st_mode))
		return err_set(p->err, ERR_TRANSIENT, EAGAIN, NULL,
			       "file changed while it was packed");
	entry = entry_new(p, name, "", &st);
	if (is_known_link(p, &entry, &st)) {
		r = write_header(p, entry);
		goto out;
	}
	r = add_capability(p, entry, fd);
	if (r >= 0)
		r = write_header(p, entry);
	if (r >= 0)
		r = write_content(p, fd, st.st_size);
out:
	archive_entry_free(entry);
	return r;
}

static int pack_symlink(struct pack *p, int dirfd, const char *name, const struct stat *st)
{
	char target[MAX_PATH_LEN + 1];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
	struct archive_entry *entry;
	int r;

	if (n < 0)
		return err_errno(p->err, errno, "read symlink");
	if ((size_t)n == sizeof(target))
		return err_invalid(p->err, "symlink is longer than %d bytes", MAX_PATH_LEN);
	target[n] = '\0';
	entry = entry_new(p, name, "", st);
	archive_entry_copy_symlink(entry, target);
	(void)is_known_link(p, &entry, st);
	r = write_header(p, entry);
	archive_entry_free(entry);
	return r;
}

static int pack_fifo(struct pack *p, const char *name, const struct stat *st)
{
	struct archive_entry *entry = entry_new(p, name, "", st);
	int r = write_header(p, entry);

	archive_entry_free(entry);
	return r;
}

static bool is_opaque(int fd)
{
	char value[2];

	return fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) == 1 &&
	       value[0] == 'y';
}

/* Whether a lower layer may have something below the directory being walked. In doubt, yes. */
static bool hides_something(const struct pack *p)
{
	const struct layer_pack_options *o = p->options;

	if (o->n_lower == 0)
		return true;
	for (size_t i = 0; i < o->n_lower; i++) {
		autofree char *path = fs_clean_path(strbuf_str(&p->path));
		autoclose int fd = fs_open_beneath(o->lower_fds[i], path, O_PATH | O_DIRECTORY, 0);

		if (fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
			return true;
	}
	return false;
}

/* The names in FD, sorted bytewise. */
static int read_names(struct strlist *ret, int fd, struct err *err)
{
	int copy = fs_open_beneath(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *d;
	DIR *dir;

	if (copy < 0)
		return err_errno(err, copy, "open directory");
	dir = fdopendir(copy);
	if (!dir) {
		(void)mem_close(copy);
		return err_errno(err, errno, "read directory");
	}
	errno = 0;
	while ((d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			strlist_add(ret, d->d_name);
	(void)closedir(dir);
	if (errno != 0)
		return err_errno(err, errno, "read directory");
	strlist_sort(ret);
	return 0;
}

static int pack_children(struct pack *p, int fd, int depth);

static int pack_directory(struct pack *p, int parent, const char *name, int depth)
{
	autoclose int fd = fs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	struct archive_entry *entry;
	size_t len = p->path.len;
	struct stat st;
	int r;

	if (fd < 0)
		return err_errno(p->err, fd, "open directory");
	if (fstat(fd, &st) < 0)
		return err_errno(p->err, errno, "stat directory");
	entry = entry_new(p, name, "/", &st);
	r = write_header(p, entry);
	archive_entry_free(entry);
	if (r < 0)
		return r;
	strbuf_addf(&p->path, "%s/", name);
	if (is_opaque(fd) && hides_something(p))
		r = write_marker(p, OPAQUE, "");
	if (r >= 0)
		r = pack_children(p, fd, depth + 1);
	strbuf_truncate(&p->path, len);
	return r;
}

static int pack_one(struct pack *p, int dirfd, const char *name, int depth)
{
	struct stat st;

	if (str_skip_prefix(name, WHITEOUT))
		return err_invalid(p->err, "a file of an image cannot be called " WHITEOUT "*");
	if (p->path.len + strlen(name) > MAX_PATH_LEN)
		return err_invalid(p->err, "path is longer than %d bytes", MAX_PATH_LEN);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(p->err, errno, "stat");
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return pack_file(p, dirfd, name);
	case S_IFDIR:
		return pack_directory(p, dirfd, name, depth);
	case S_IFLNK:
		return pack_symlink(p, dirfd, name, &st);
	case S_IFIFO:
		return pack_fifo(p, name, &st);
	case S_IFSOCK:
		return 0; /* means nothing without its process */
	case S_IFCHR:
		if (st.st_rdev == makedev(0, 0))
			return write_marker(p, WHITEOUT, name);
		break;
	default:
		break;
	}
	return err_invalid(p->err, "a device node cannot be part of an image");
}

static int pack_children(struct pack *p, int fd, int depth)
{
	autostrlist names = {};
	int r;

	if (depth > MAX_DEPTH)
		return err_invalid(p->err, "directories are nested more than %d deep", MAX_DEPTH);
	r = read_names(&names, fd, p->err);
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		r = pack_one(p, fd, names.items[i], depth);
		if (r < 0 && !p->failed)
			(void)err_wrap(p->err, "pack layer: '%s%s'", strbuf_str(&p->path),
				       names.items[i]);
		p->failed = r < 0;
	}
	return r;
}

/* Write the ends of both streams and take the digests. */
static int finish(struct pack *p, struct manifest_layer *ret)
{
	struct manifest_layer layer = {.compression = p->options->compression};
	int r;

	if (archive_write_close(p->tar) != ARCHIVE_OK)
		return archive_failed(p, p->tar, "finish tar");
	if (p->compressor && archive_write_close(p->compressor) != ARCHIVE_OK)
		return archive_failed(p, p->compressor, "finish compression");
	digest_final(p->diff, layer.diff_id);
	r = blob_writer_commit(p->blob, NULL, layer.digest, &layer.size_bytes, p->err);
	if (r < 0)
		return r;
	*ret = layer;
	return 0;
}

int layer_pack(struct manifest_layer *ret, bool *ret_empty, struct image_store *store, int upper_fd,
	       const struct layer_pack_options *options, struct err *err)
{
	struct err local = {};
	_cleanup_(pack_deinit) struct pack p = {.options = options, .err = err ? err : &local};
	int r;

	assert(ret && upper_fd >= 0);

	*p.err = (struct err){};
	p.buffer = mem_alloc(COPY_BYTES);
	p.diff = digest_new();
	r = blob_writer_new(&p.blob, store, p.err);
	if (r >= 0 && options->compression != MANIFEST_PLAIN)
		r = open_compressor(&p);
	if (r >= 0)
		r = open_tar(&p);
	if (r >= 0)
		r = pack_children(&p, upper_fd, 0);
	if (r >= 0)
		r = finish(&p, ret);
	if (r < 0)
		return r;
	if (ret_empty)
		*ret_empty = p.n_entries == 0;
	return 0;
}
