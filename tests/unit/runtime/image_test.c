/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: names, documents, what others write into the layout, and what a broken disk leaves.
 */
#include "runtime/image.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/blob.h"

static char dir[] = "/tmp/recond-image-test.XXXXXX";
static struct image_store *store;
static struct err err;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	cr_assert_eq(image_store_open(&store, dir, &err), 0, "%s", err.message);
}

static void teardown(void)
{
	store = image_store_free(store);
	cr_expect_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

TestSuite(image, .init = setup, .fini = teardown, .timeout = 60);

/* Commit an image without layers whose configuration differs by LABEL. */
static void commit(const char *reference, const char *label, char ret[DIGEST_STR_SIZE])
{
	autofree char *text = mem_asprintf(
		"{\"os\":\"linux\",\"architecture\":\"%s\",\"created\":\"2026-01-02T03:04:05Z\","
		"\"config\":{\"Labels\":{\"l\":\"%s\"}}}",
		manifest_host_architecture(), label);
	autojson *config = json_loads(text, 0, NULL);
	const struct image_commit c = {.config = config, .reference = reference};

	cr_assert(config);
	cr_assert_eq(image_store_commit(store, &c, ret, &err), 0, "%s", err.message);
}

static bool resolves_to(const char *reference, const char *digest)
{
	char got[DIGEST_STR_SIZE] = "";
	int r = image_store_resolve(store, reference, got, &err);

	cr_expect_geq(r, 0, "%s", err.message);
	return digest ? r == 1 && str_eq(got, digest) : r == 0;
}

static void write_index(const char *text)
{
	autoclose int fd =
		openat(image_store_images_fd(store), "index.json", O_WRONLY | O_TRUNC | O_CLOEXEC);

	cr_assert_eq(fs_write_all(fd, text, strlen(text)), 0);
}

static char *read_index(void)
{
	char *text;
	size_t n;

	cr_assert_eq(fs_read_at(&text, &n, image_store_images_fd(store), "index.json", 1 << 20), 0);
	return text;
}

Test(image, a_committed_image_is_found_under_every_form_of_its_name)
{
	autofree char *pinned = NULL;
	char digest[DIGEST_STR_SIZE];

	commit("web", "a", digest);
	pinned = mem_asprintf("web@%s", digest);
	cr_expect(resolves_to("web", digest));
	cr_expect(resolves_to("web:latest", digest));
	cr_expect(resolves_to("docker.io/library/web", digest));
	cr_expect(resolves_to(pinned, digest));
	cr_expect(resolves_to("web:1", NULL));
	cr_expect(resolves_to("localhost/web", NULL));
	cr_expect_eq(image_store_resolve(store, "Web", digest, &err), -EINVAL);
}

Test(image, what_was_committed_loads)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char digest[DIGEST_STR_SIZE];

	commit("web", "a", digest);
	cr_assert_eq(image_store_load(store, digest, &image, &err), 0, "%s", err.message);
	cr_expect_str_eq(image->manifest_digest, digest);
	cr_expect_str_eq(json_path_str(image->config.labels, "l", ""), "a");
	cr_expect_gt(image->size_bytes, 0);
}

Test(image, committing_again_changes_nothing)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];
	autofree char *before = NULL, *after = NULL;

	commit("web", "a", a);
	before = read_index();
	commit("web", "a", b);
	after = read_index();
	cr_expect_str_eq(a, b);
	cr_expect_str_eq(before, after);
}

Test(image, a_name_moves_and_the_old_image_stays_untagged)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];
	autojson *list = NULL;

	commit("web", "a", a);
	commit("web", "b", b);
	cr_expect(resolves_to("web", b));
	cr_assert_eq(image_store_list(store, NULL, &list, &err), 0);
	cr_assert_eq(json_array_size(list), 2);
	cr_expect_str_eq(json_path_str(json_array_get(list, 0), "repository", ""), "<none>");
	cr_expect_str_eq(json_path_str(json_array_get(list, 0), "digest", ""), a);
	cr_expect_str_eq(json_path_str(json_array_get(list, 1), "repository", ""), "web");
}

Test(image, one_image_may_have_many_names)
{
	char a[DIGEST_STR_SIZE];
	autojson *list = NULL;

	commit("web", "a", a);
	cr_assert_eq(image_store_tag(store, "localhost/other:2", a, &err), 0, "%s", err.message);
	cr_expect(resolves_to("web", a));
	cr_expect(resolves_to("localhost/other:2", a));
	cr_expect_eq(image_store_untag(store, "web", &err), 1);
	cr_expect(resolves_to("web", NULL));
	cr_expect_eq(image_store_untag(store, "web", &err), 0);
	cr_assert_eq(image_store_list(store, NULL, &list, &err), 0);
	cr_expect_eq(json_array_size(list), 1, "no untagged twin is left");
}

Test(image, names_are_not_given_to_what_is_not_there)
{
	char digest[DIGEST_STR_SIZE];

	digest_bytes(digest, "x", 1);
	cr_expect_lt(image_store_tag(store, "web", digest, &err), 0);
	cr_expect_str_eq(err.reason, "ImageNotPresent");
	commit(NULL, "a", digest);
	cr_expect_lt(image_store_tag(store, "web@sha256:0000", digest, &err), 0);
}

Test(image, the_list_tells_what_is_in_use)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];
	autostrlist in_use = {};
	autojson *list = NULL;

	commit("a", "a", a);
	commit("b", "b", b);
	strlist_add(&in_use, b);
	cr_assert_eq(image_store_list(store, &in_use, &list, &err), 0);
	cr_expect(!json_path_bool(json_array_get(list, 0), "inUse", true));
	cr_expect(json_path_bool(json_array_get(list, 1), "inUse", false));
	cr_expect_str_eq(json_path_str(json_array_get(list, 0), "created", ""),
			 "2026-01-02T03:04:05Z");
}

Test(image, what_others_write_into_the_index_shows_up)
{
	char a[DIGEST_STR_SIZE];
	autofree char *text = NULL, *other = NULL;

	commit("web", "a", a);
	cr_expect(resolves_to("new:1", NULL));
	text = read_index();
	other = mem_asprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1,"
		"\"annotations\":{\"%s\":\"new:1\"}}]}",
		MANIFEST_OCI_MANIFEST, a, MANIFEST_REF_NAME);
	write_index(other);
	cr_expect(resolves_to("new:1", a));
	cr_expect(resolves_to("web", NULL));
	write_index(text);
	cr_expect(resolves_to("web", a));
}

Test(image, half_a_file_does_not_make_images_vanish_and_is_not_written_over)
{
	char a[DIGEST_STR_SIZE];
	autofree char *text = NULL, *half = NULL;

	commit("web", "a", a);
	cr_expect(resolves_to("web", a));
	text = read_index();
	half = mem_strndup(text, strlen(text) / 2);
	write_index(half);
	cr_expect(resolves_to("web", a));
	cr_expect_lt(image_store_tag(store, "other", a, &err), 0);
	write_index(text);
	cr_expect_eq(image_store_tag(store, "other", a, &err), 0);
	cr_expect(resolves_to("web", a));
}

Test(image, entries_and_annotations_of_others_survive_our_changes)
{
	char a[DIGEST_STR_SIZE];
	autofree char *index = NULL, *after = NULL;

	index = mem_asprintf(
		"{\"schemaVersion\":2,\"x\":1,\"manifests\":[{\"mediaType\":\"application/x\",\"digest\":"
		"\"sha256:%064d\",\"size\":5,\"annotations\":{\"their\":\"own\"}}]}",
		7);
	write_index(index);
	commit("web", "a", a);
	after = read_index();
	cr_expect(strstr(after, "\"their\":\"own\""), "%s", after);
	cr_expect(strstr(after, "\"x\":1"), "%s", after);
}

Test(image, names_that_are_no_references_are_listed_and_found_by_digest_only)
{
	char a[DIGEST_STR_SIZE];
	autofree char *index = NULL;
	autojson *list = NULL;

	commit(NULL, "a", a);
	index = mem_asprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1,"
		"\"annotations\":{\"%s\":\"../../x\"}}]}",
		MANIFEST_OCI_MANIFEST, a, MANIFEST_REF_NAME);
	write_index(index);
	cr_assert_eq(image_store_list(store, NULL, &list, &err), 0);
	cr_expect_str_eq(json_path_str(json_array_get(list, 0), "repository", ""), "<none>");
}

Test(image, changed_bytes_are_noticed)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char digest[DIGEST_STR_SIZE];
	autofree char *path = NULL;
	autoclose int fd = -1;

	commit("web", "a", digest);
	path = mem_asprintf("%s/images/blobs/sha256/%s", dir, digest_hex(digest));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(pwrite(fd, "X", 1, 20), 1);
	cr_expect_lt(image_store_load(store, digest, &image, &err), 0);
	cr_expect_str_eq(err.reason, "ImageCorrupt");
}

Test(image, a_blob_of_the_wrong_size_is_written_again)
{
	char digest[DIGEST_STR_SIZE], again[DIGEST_STR_SIZE];
	autofree char *path = NULL, *data = NULL;
	size_t n;

	cr_assert_eq(image_store_put(store, "content", 7, digest, &err), 0);
	path = mem_asprintf("%s/images/blobs/sha256/%s", dir, digest_hex(digest));
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(image_store_put(store, "content", 7, again, &err), 0);
	cr_expect_eq(image_store_get(store, digest, 100, &data, &n, &err), 0, "%s", err.message);
}

Test(image, documents_are_bounded)
{
	autofree char *data = NULL;
	char digest[DIGEST_STR_SIZE];
	size_t n;

	cr_assert_eq(image_store_put(store, "0123456789", 10, digest, &err), 0);
	cr_expect_eq(image_store_get(store, digest, 9, &data, &n, &err), -EFBIG);
	cr_expect_eq(image_store_get(store, digest, 10, &data, &n, &err), 0);
}

Test(image, a_blob_with_another_digest_than_promised_is_not_stored)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	char want[DIGEST_STR_SIZE], got[DIGEST_STR_SIZE];
	uint64_t size;

	digest_bytes(want, "a", 1);
	cr_assert_eq(blob_writer_new(&w, store, &err), 0);
	cr_assert_eq(blob_writer_add(w, "b", 1, &err), 0);
	cr_expect_eq(blob_writer_commit(w, want, got, &size, &err), -EBADMSG);
	cr_expect(!image_store_has(store, want, NULL));
}

/* "web", an index over manifests of this and another architecture. */
Test(image, an_index_leads_to_this_hosts_manifest)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char ours[DIGEST_STR_SIZE], index[DIGEST_STR_SIZE], foreign[DIGEST_STR_SIZE];
	autofree char *text = NULL, *other = NULL;

	commit(NULL, "a", ours);
	text = mem_asprintf(
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"%s\",\"digest\":\"sha256:%064d\",\"size\":1,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"mips\"}},"
		"{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"%s\"}}]}",
		MANIFEST_OCI_MANIFEST, 1, MANIFEST_OCI_MANIFEST, ours,
		manifest_host_architecture());
	cr_assert_eq(image_store_put(store, text, strlen(text), index, &err), 0);
	cr_assert_eq(image_store_tag(store, "web", index, &err), 0, "%s", err.message);
	cr_expect(resolves_to("web", index));
	cr_assert_eq(image_store_load(store, index, &image, &err), 0, "%s", err.message);
	cr_expect_str_eq(image->digest, index);
	cr_expect_str_eq(image->manifest_digest, ours);
	other = mem_asprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"sha256:%064d\","
		"\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"mips\"}}]}",
		MANIFEST_OCI_MANIFEST, 1);
	cr_assert_eq(image_store_put(store, other, strlen(other), foreign, &err), 0);
	image = image_free(image);
	cr_expect_lt(image_store_load(store, foreign, &image, &err), 0);
	cr_expect_str_eq(err.reason, "ImageArchitectureMismatch");
}

Test(image, an_image_of_another_architecture_is_refused)
{
	_cleanup_(image_freep) struct image *image = NULL;
	autojson *config = json_loads("{\"os\":\"linux\",\"architecture\":\"mips\"}", 0, NULL);
	const struct image_commit c = {.config = config};
	char digest[DIGEST_STR_SIZE];

	cr_expect_lt(image_store_commit(store, &c, digest, &err), 0);
	cr_expect_str_eq(err.reason, "ImageArchitectureMismatch");
}

Test(image, a_history_that_tells_of_other_layers_is_refused)
{
	autojson *config = json_loads("{\"history\":[{\"created_by\":\"RUN x\"}]}", 0, NULL);
	const struct image_commit c = {.config = config};
	char digest[DIGEST_STR_SIZE];

	cr_expect_eq(image_store_commit(store, &c, digest, &err), -EINVAL);
}

Test(image, an_index_that_contains_itself_ends)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char digest[DIGEST_STR_SIZE];

	/* A true cycle needs a SHA-256 collision; a chain as long as one must end too. */
	commit(NULL, "a", digest);
	for (int i = 0; i < 6; i++) {
		autofree char *text =
			mem_asprintf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\","
				     "\"digest\":\"%s\",\"size\":1}]}",
				     MANIFEST_OCI_INDEX, digest);

		cr_assert_eq(image_store_put(store, text, strlen(text), digest, &err), 0);
	}
	cr_expect_eq(image_store_load(store, digest, &image, &err), -EINVAL);
}

/* Several build workers enter their images at once: none is lost. */
Test(image, concurrent_commits_all_arrive)
{
	enum { WORKERS = 4, EACH = 10 };
	pid_t pids[WORKERS];

	for (int w = 0; w < WORKERS; w++) {
		pids[w] = fork();
		cr_assert_geq(pids[w], 0);
		if (pids[w] > 0)
			continue;
		for (int i = 0; i < EACH; i++) {
			autofree char *name = mem_asprintf("w%d-%d", w, i);
			char digest[DIGEST_STR_SIZE];

			commit(name, name, digest);
		}
		_exit(0);
	}
	for (int w = 0; w < WORKERS; w++) {
		int status;

		cr_assert_eq(waitpid(pids[w], &status, 0), pids[w]);
		cr_assert_eq(status, 0);
	}
	for (int w = 0; w < WORKERS; w++) {
		for (int i = 0; i < EACH; i++) {
			autofree char *name = mem_asprintf("w%d-%d", w, i);
			char digest[DIGEST_STR_SIZE];

			cr_expect_eq(image_store_resolve(store, name, digest, &err), 1,
				     "%s is lost", name);
		}
	}
}
