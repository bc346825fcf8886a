/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing and unpacking: the way of a tree into a layer and back, and asking for layers on a loop.
 * What needs root is skipped without.
 */
#include "runtime/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/layer_pack.h"
#include "runtime/layer_unpack.h"

static char dir[] = "/tmp/recond-layer-test.XXXXXX";
static struct image_store *store;
static struct err err;
static int top = -1, upper = -1;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	(void)umask(022);
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(top, "state", 0700), 0);
	cr_assert_eq(mkdirat(top, "upper", 0755), 0);
	upper = openat(top, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree char *state = mem_asprintf("%s/state", dir);
	cr_assert_eq(image_store_open(&store, state, &err), 0, "%s", err.message);
}

static void teardown(void)
{
	store = image_store_free(store);
	top = mem_close(top);
	upper = mem_close(upper);
	cr_expect_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

TestSuite(layer, .init = setup, .fini = teardown, .timeout = 60);

static void need_root(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
}

static void put(const char *name, const char *text)
{
	autoclose int fd = openat(upper, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 5}};

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(fs_write_all(fd, text, strlen(text)), 0);
	cr_assert_eq(futimens(fd, times), 0);
}

static struct manifest_layer pack(const struct layer_pack_options *options)
{
	struct manifest_layer layer;

	cr_assert_eq(layer_pack(&layer, NULL, store, upper, options, &err), 0, "%s", err.message);
	return layer;
}

/* The entries of a layer's tar: one line each, "path type mode mtime [-> target]". */
static char *tar_listing(const struct manifest_layer *layer)
{
	autofree char *path =
		mem_asprintf("%s/state/images/blobs/sha256/%s", dir, digest_hex(layer->digest));
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	struct strbuf out = STRBUF_INIT;

	cr_assert_eq(archive_read_support_filter_all(a), 0);
	cr_assert_eq(archive_read_support_format_tar(a), 0);
	cr_assert_eq(archive_read_open_filename(a, path, 65536), 0);
	while (archive_read_next_header(a, &e) != ARCHIVE_EOF) {
		const char *target = archive_entry_hardlink(e) ?: archive_entry_symlink(e);

		strbuf_addf(&out, "%s %o %o %d%s%s\n", archive_entry_pathname(e),
			    archive_entry_filetype(e) >> 12, archive_entry_perm(e),
			    (int)archive_entry_mtime(e), target ? " -> " : "", target ?: "");
		cr_expect_eq(archive_entry_mtime_nsec(e), 0);
		cr_expect(!archive_entry_uname(e) || !*archive_entry_uname(e));
		cr_expect_eq(archive_entry_atime_is_set(e), 0);
	}
	(void)archive_read_free(a);
	return strbuf_take(&out);
}

static void set_mtime(const char *name)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	cr_assert_eq(utimensat(upper, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

Test(layer, the_tar_has_buildkits_order_and_form)
{
	autofree char *got = NULL;
	struct manifest_layer layer;

	cr_assert_eq(mkdirat(upper, "a", 0755), 0);
	cr_assert_eq(mkdirat(upper, "a.d", 0750), 0);
	put("a/1", "x");
	put("a-x", "y");
	put("b", "z");
	cr_assert_eq(linkat(upper, "b", upper, "c", 0), 0);
	cr_assert_eq(symlinkat("b", upper, "l"), 0);
	cr_assert_eq(mknodat(upper, "socket", S_IFSOCK | 0644, 0), 0);
	set_mtime("a");
	set_mtime("a.d");
	set_mtime("l");
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	got = tar_listing(&layer);
	cr_expect_str_eq(got,
			 "a/ 4 755 1000\n"
			 "a/1 10 644 1000\n"
			 "a-x 10 644 1000\n"
			 "a.d/ 4 750 1000\n"
			 "b 10 644 1000\n"
			 "c 0 644 1000 -> b\n"
			 "l 12 777 1000 -> b\n",
			 "got:\n%s", got);
}

Test(layer, whiteouts_and_opaque_directories_become_marks)
{
	autofree char *got = NULL, *bare = NULL;
	autoclose int lower = -1;
	struct manifest_layer layer;

	need_root();
	cr_assert_eq(mkdirat(upper, "new", 0755), 0);
	cr_assert_eq(mkdirat(upper, "old", 0755), 0);
	cr_assert_eq(mknodat(upper, "gone", S_IFCHR, makedev(0, 0)), 0);
	for (const char *const *d = (const char *const[]){"new", "old", NULL}; *d; d++) {
		autoclose int fd = openat(upper, *d, O_RDONLY | O_CLOEXEC);

		if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
			cr_skip_test("no trusted attributes here");
		cr_assert_eq(fsetxattr(fd, "trusted.overlay.origin", "x", 1, 0), 0);
		set_mtime(*d);
	}
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_PLAIN});
	bare = tar_listing(&layer);
	cr_expect_str_eq(bare, ".wh.gone 10 0 0\nnew/ 4 755 1000\nnew/.wh..wh..opq 10 0 0\n"
			       "old/ 4 755 1000\nold/.wh..wh..opq 10 0 0\n");

	/* With the lower layer known, a mark that hides nothing is left out. */
	cr_assert_eq(fs_mkdir_p(top, "lower/old", 0755), 0);
	lower = openat(top, "lower", O_PATH | O_CLOEXEC);
	layer = pack(&(struct layer_pack_options){.lower_fds = &lower, .n_lower = 1});
	got = tar_listing(&layer);
	cr_expect_str_eq(
		got, ".wh.gone 10 0 0\nnew/ 4 755 1000\nold/ 4 755 1000\nold/.wh..wh..opq 10 0 0\n",
		"%s", got);
}

Test(layer, equal_trees_give_equal_blobs_and_time_can_be_clamped)
{
	static const struct layer_pack_options clamped = {
		.compression = MANIFEST_GZIP, .clamp_mtime = true, .max_mtime = 500};
	struct manifest_layer a, b;
	autofree char *got = NULL;

	put("f", "x");
	a = pack(&clamped);
	cr_assert_eq(unlinkat(upper, "f", 0), 0);
	put("f", "x");
	set_mtime("f");
	b = pack(&clamped);
	cr_expect_str_eq(a.digest, b.digest);
	got = tar_listing(&a);
	cr_expect_str_eq(got, "f 10 644 500\n");
}

Test(layer, the_diff_id_does_not_depend_on_the_compressor)
{
	struct manifest_layer layers[MANIFEST_COMPRESSION_N_];

	put("f", "content");
	for (int c = 0; c < MANIFEST_COMPRESSION_N_; c++) {
		layers[c] = pack(
			&(struct layer_pack_options){.compression = (enum manifest_compression)c});
		cr_expect_str_eq(layers[c].diff_id, layers[0].diff_id);
	}
	cr_expect_str_eq(layers[MANIFEST_PLAIN].digest, layers[MANIFEST_PLAIN].diff_id);
}

Test(layer, an_empty_tree_says_so)
{
	const struct layer_pack_options options = {.compression = MANIFEST_GZIP};
	struct manifest_layer layer;
	bool empty = false;

	cr_assert_eq(layer_pack(&layer, &empty, store, upper, &options, &err), 0);
	cr_expect(empty);
}

Test(layer, what_cannot_be_in_a_layer_is_named)
{
	const struct layer_pack_options options = {.compression = MANIFEST_GZIP};
	struct manifest_layer layer;

	cr_assert_eq(mkdirat(upper, "d", 0755), 0);
	put("d/.wh.x", "");
	cr_expect_eq(layer_pack(&layer, NULL, store, upper, &options, &err), -EINVAL);
	cr_expect(strstr(err.message, "d/.wh.x"), "%s", err.message);
	cr_assert_eq(unlinkat(upper, "d/.wh.x", 0), 0);
	need_root();
	cr_assert_eq(mknodat(upper, "d/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	cr_expect_eq(layer_pack(&layer, NULL, store, upper, &options, &err), -EINVAL);
	cr_expect(strstr(err.message, "d/null"), "%s", err.message);
}

Test(layer, a_capability_goes_there_and_back)
{
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	struct manifest_layer layer;
	unsigned char got[32];

	need_root();
	put("f", "x");
	{
		autoclose int fd = openat(upper, "f", O_RDONLY | O_CLOEXEC);

		cr_assert_eq(fsetxattr(fd, "security.capability", cap, sizeof(cap), 0), 0);
	}
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_ZSTD});
	cr_assert_eq(layer_unpack(store, &layer, NULL, &err), 0, "%s", err.message);
	autofree char *path = layer_path(store, layer.diff_id);
	autofree char *file = mem_asprintf("%s/f", path);
	cr_expect_eq(getxattr(file, "security.capability", got, sizeof(got)), 20);
	cr_expect_eq(memcmp(got, cap, 20), 0);
}

Test(layer, an_adopted_tree_is_the_layer)
{
	struct manifest_layer layer;

	put("f", "x");
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	cr_expect(!layer_exists(store, layer.diff_id));
	cr_assert_eq(layer_adopt(store, layer.diff_id, top, "upper", &err), 0, "%s", err.message);
	cr_expect(layer_exists(store, layer.diff_id));
	cr_expect_eq(faccessat(top, "upper", F_OK, 0), -1);
	cr_assert_eq(mkdirat(top, "upper", 0755), 0);
	cr_assert_eq(layer_adopt(store, layer.diff_id, top, "upper", &err), 0);
	cr_expect_eq(faccessat(top, "upper", F_OK, 0), 0, "a second one stays where it is");
}

Test(layer, leftovers_are_collected_but_not_those_in_use)
{
	cr_assert_eq(fs_mkdir_p(image_store_layers_fd(store), ".staging/dead/fs/x", 0700), 0);
	cr_assert_eq(layer_unpack_collect(store, &err), 0, "%s", err.message);
	cr_expect_eq(faccessat(image_store_layers_fd(store), ".staging/dead", F_OK, 0), -1);
}

/* --- on a loop */

struct waiter {
	struct layer_job *job;
	sd_event *loop;
	int *left;
	int result;
	int calls;
	struct err err;
};

static void on_done(struct layer_job *job, int r, const struct err *e, void *data)
{
	struct waiter *w = data;

	cr_expect_eq(job, w->job);
	w->result = r;
	w->calls++;
	w->err = *e;
	w->job = layer_job_free(w->job);
	if (--*w->left == 0)
		(void)sd_event_exit(w->loop, 0);
}

Test(layer, many_jobs_for_the_same_layers_share_workers)
{
	_cleanup_(layer_unpacker_freep) struct layer_unpacker *u = NULL;
	struct manifest_layer layers[3];
	struct waiter waiters[5];
	struct layer_job *job;
	sd_event *loop;
	int left = ARRAY_SIZE(waiters);

	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		autofree char *name = mem_asprintf("f%zu", i);

		put(name, name);
		layers[i] = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	}
	cr_assert_eq(loop_new(&loop, &err), 0);
	cr_assert_eq(layer_unpacker_new(&u, loop, store, NULL, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i] = (struct waiter){.loop = loop, .left = &left, .result = 1};
		cr_assert_eq(
			layer_ensure(&waiters[i].job, u, layers, 3, on_done, &waiters[i], &err), 0);
	}
	cr_assert_geq(sd_event_loop(loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		cr_expect_eq(waiters[i].result, 0, "%s", waiters[i].err.message);
		cr_expect_eq(waiters[i].calls, 1);
	}
	cr_expect_eq(layer_ensure(&job, u, layers, 3, on_done, NULL, &err), 1,
		     "now they are there");
	u = layer_unpacker_free(u);
	(void)sd_event_unref(loop);
}

Test(layer, a_bad_layer_fails_its_jobs_and_no_others)
{
	_cleanup_(layer_unpacker_freep) struct layer_unpacker *u = NULL;
	struct manifest_layer good, bad;
	struct waiter waiters[2];
	sd_event *loop;
	int left = 2;

	need_root();
	put("f", "x");
	good = bad = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	digest_bytes(bad.diff_id, "other", 5);
	cr_assert_eq(loop_new(&loop, &err), 0);
	cr_assert_eq(layer_unpacker_new(&u, loop, store, NULL, &err), 0);
	for (int i = 0; i < 2; i++) {
		waiters[i] = (struct waiter){.loop = loop, .left = &left, .result = 1};
		cr_assert_eq(layer_ensure(&waiters[i].job, u, i ? &bad : &good, 1, on_done,
					  &waiters[i], &err),
			     0);
	}
	cr_assert_geq(sd_event_loop(loop), 0);
	cr_expect_eq(waiters[0].result, 0, "%s", waiters[0].err.message);
	cr_expect_lt(waiters[1].result, 0);
	cr_expect_eq(waiters[1].err.kind, ERR_INVALID);
	cr_expect_str_eq(waiters[1].err.reason, "InvalidImage");
	u = layer_unpacker_free(u);
	(void)sd_event_unref(loop);
}

Test(layer, jobs_may_be_given_up)
{
	_cleanup_(layer_unpacker_freep) struct layer_unpacker *u = NULL;
	struct waiter waiters[2];
	struct manifest_layer layer;
	sd_event *loop;
	int left = 1;

	need_root();
	put("f", "x");
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	cr_assert_eq(loop_new(&loop, &err), 0);
	cr_assert_eq(layer_unpacker_new(&u, loop, store, NULL, &err), 0);
	for (int i = 0; i < 2; i++) {
		waiters[i] = (struct waiter){.loop = loop, .left = &left, .result = 1};
		cr_assert_eq(
			layer_ensure(&waiters[i].job, u, &layer, 1, on_done, &waiters[i], &err), 0);
	}
	waiters[0].job = layer_job_free(waiters[0].job);
	cr_assert_geq(sd_event_loop(loop), 0);
	cr_expect_eq(waiters[0].calls, 0);
	cr_expect_eq(waiters[1].result, 0, "%s", waiters[1].err.message);
	u = layer_unpacker_free(u);
	(void)sd_event_unref(loop);
}

Test(layer, blocking_from_a_worker)
{
	struct manifest_layer layer;

	need_root();
	put("f", "x");
	layer = pack(&(struct layer_pack_options){.compression = MANIFEST_GZIP});
	cr_assert_eq(layer_ensure_sync(store, &layer, NULL, &err), 0, "%s", err.message);
	cr_expect(layer_exists(store, layer.diff_id));
	cr_expect_eq(layer_ensure_sync(store, &layer, NULL, &err), 0);
}
