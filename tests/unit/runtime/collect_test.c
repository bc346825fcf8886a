/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collections over real stores: what is needed stays whole, what is not goes with all that only it
 * had, in which order and how far; and what somebody else is doing meanwhile.
 */
#include "runtime/collect.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"

static char dir[] = "/tmp/recond-collect-test.XXXXXX";
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

TestSuite(collect, .init = setup, .fini = teardown, .timeout = 60);

/* A layer: a blob of TEXT, and its directory, whose diff_id is the digest of the blob. */
static void make_layer(struct manifest_layer *ret, const char *text)
{
	autofree char *path = NULL;

	*ret = (struct manifest_layer){.size_bytes = strlen(text)};
	cr_assert_eq(image_store_put(store, text, strlen(text), ret->digest, &err), 0);
	memcpy(ret->diff_id, ret->digest, DIGEST_STR_SIZE);
	path = mem_asprintf("%s/fs/etc", digest_hex(ret->diff_id));
	cr_assert_geq(fs_mkdir_p(image_store_layers_fd(store), path, 0755), 0);
}

/* An image called REFERENCE (NULL: nothing) of the layers that WORDS name, one letter each. */
static void make_image(char ret[DIGEST_STR_SIZE], const char *reference, const char *words,
		       const char *label)
{
	struct manifest_layer layers[8];
	autofree char *text = mem_asprintf(
		"{\"os\":\"linux\",\"architecture\":\"%s\",\"config\":{\"Labels\":{\"l\":\"%s\"}}}",
		manifest_host_architecture(), label);
	autojson *config = json_loads(text, 0, NULL);
	size_t n = 0;

	for (; words[n]; n++) {
		char word[2] = {words[n], '\0'};

		make_layer(&layers[n], word);
	}
	cr_assert_eq(image_store_commit(store,
					&(struct image_commit){.config = config,
							       .layers = layers,
							       .n_layers = n,
							       .reference = reference},
					ret, &err),
		     0, "%s", err.message);
}

static bool has_layer(const char *word)
{
	char digest[DIGEST_STR_SIZE];
	bool blob, unpacked;

	digest_bytes(digest, word, strlen(word));
	blob = image_store_has(store, digest, NULL);
	unpacked = faccessat(image_store_layers_fd(store), digest_hex(digest), F_OK, 0) == 0;
	cr_expect_eq(blob, unpacked, "layer %s: blob and directory go together", word);
	return blob;
}

/* Which of the layers a to e are there. */
static void expect_layers(const char *sentence, const char *want)
{
	autostrbuf got = STRBUF_INIT;
	char word[2] = "a";

	for (; *word <= 'e'; (*word)++) {
		if (has_layer(word))
			strbuf_adds(&got, word);
	}
	cr_expect_str_eq(strbuf_str(&got), want, "%s: got %s, want %s", sentence, strbuf_str(&got),
			 want);
}

static struct collect_result run(const json_t *digests, const json_t *references, bool all)
{
	_cleanup_(collection_freep) struct collection *c = NULL;
	const struct collect_options options = {
		.digests = digests, .references = references, .all = all};
	struct collect_result result = {0};

	cr_assert_eq(collect_begin(&c, store, &options, &err), 1, "%s", err.message);
	cr_assert_eq(collect_run(c, &result, &err), 0, "%s", err.message);
	return result;
}

Test(collect, an_image_without_a_name_goes_with_what_only_it_had)
{
	char old[DIGEST_STR_SIZE], new[DIGEST_STR_SIZE];
	_cleanup_(image_freep) struct image *image = NULL;
	struct collect_result result;

	make_image(old, "web", "abc", "old");
	make_image(new, "web", "abd", "new");
	result = run(NULL, NULL, false);
	cr_expect_eq(result.images, 1);
	cr_expect_eq(result.layers, 1);
	expect_layers("shared layers stay", "abd");
	cr_expect(!image_store_has(store, old, NULL));
	cr_expect_eq(image_store_load(store, new, &image, &err), 0, "%s", err.message);
	result = run(NULL, NULL, false);
	cr_expect_eq(result.images + result.blobs + result.layers, 0, "a second time: nothing");
}

Test(collect, what_is_pinned_stays_whole_though_it_has_no_name)
{
	char old[DIGEST_STR_SIZE], new[DIGEST_STR_SIZE];
	_cleanup_(image_freep) struct image *image = NULL;
	autojson *pins = NULL;

	make_image(old, "web", "ac", "old");
	make_image(new, "web", "ad", "new");
	pins = json_pack("[s, s]", old, "sha256:not-a-digest");
	cr_expect_eq(run(pins, NULL, true).images, 1, "with --all the named one goes");
	expect_layers("the pinned one", "ac");
	cr_expect_eq(image_store_load(store, old, &image, &err), 0, "%s", err.message);
}

Test(collect, what_is_pinned_stays_though_its_entry_is_gone)
{
	char a[DIGEST_STR_SIZE];
	autojson *pins = NULL;
	static const char empty[] =
		"{\"manifests\":[],\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}";

	make_image(a, "web", "ab", "x");
	cr_assert_eq(fs_replace(image_store_images_fd(store), "index.json", empty, strlen(empty),
				0644, &err),
		     0);
	pins = json_pack("[s]", a);
	(void)run(pins, NULL, true);
	expect_layers("all of it", "ab");
}

Test(collect, names_are_in_use_by_reference)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];
	autojson *references = json_pack("[s, s]", "docker.io/library/used:latest", "Not A Name");

	make_image(a, "used", "a", "a");
	make_image(b, "unused", "b", "b");
	cr_expect_eq(run(NULL, NULL, false).images, 0, "a name is enough");
	cr_expect_eq(run(NULL, references, true).images, 1);
	expect_layers("only what a template names", "a");
}

Test(collect, an_image_with_two_names_stays_while_it_has_one)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];

	make_image(a, "one", "a", "a");
	cr_assert_eq(image_store_tag(store, "two", a, &err), 0);
	make_image(b, "one", "b", "b");
	cr_expect_eq(run(NULL, NULL, false).images, 0);
	expect_layers("both", "ab");
}

Test(collect, images_of_another_platform_are_kept_whole)
{
	char a[DIGEST_STR_SIZE], index[DIGEST_STR_SIZE];
	autofree char *text = NULL;

	make_image(a, NULL, "ab", "a");
	text = mem_asprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":"
		"[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
		a, manifest_host_architecture());
	cr_assert_eq(image_store_put(store, text, strlen(text), index, &err), 0);
	cr_assert_eq(image_store_tag(store, "multi", index, &err), 0, "%s", err.message);
	cr_expect_eq(run(NULL, NULL, false).images, 1, "the entry of the part that has no name");
	expect_layers("all that the index leads to", "ab");
}

Test(collect, a_needed_image_that_cannot_be_read_stops_everything)
{
	char a[DIGEST_STR_SIZE], b[DIGEST_STR_SIZE];
	struct collection *c = NULL;
	const struct collect_options options = {0};
	autofree char *path = NULL;
	autoclose int fd = -1;

	make_image(a, "web", "a", "a");
	make_image(b, NULL, "b", "b");
	path = mem_asprintf("%s/images/blobs/sha256/%s", dir, digest_hex(a));
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_expect_lt(collect_begin(&c, store, &options, &err), 0);
	cr_expect(strstr(err.message, "is needed and cannot be read, so nothing is collected"),
		  "%s", err.message);
	expect_layers("all", "ab");
}

static int records_fd(void)
{
	autofree char *path = mem_asprintf("%s/build/cache", dir);
	int fd;

	cr_assert_geq(fs_mkdir_p(AT_FDCWD, path, 0700), 0);
	fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);
	cr_assert_geq(fd, 0);
	return fd;
}

/* A record NAME of the layer WORD, or of the image IMAGE. */
static void add_record(struct collection *c, int fd, const char *name, const char *word,
		       const char *image, int64_t time_s)
{
	char digest[DIGEST_STR_SIZE] = "";
	autoclose int file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(file, 0);
	if (word)
		digest_bytes(digest, word, strlen(word));
	collect_add_record(c, &(struct collect_record){.dirfd = fd,
						       .name = name,
						       .time_s = time_s,
						       .blob = word ? digest : NULL,
						       .layer = word ? digest : NULL,
						       .image = image});
}

static bool has_record(int fd, const char *name)
{
	return faccessat(fd, name, F_OK, 0) == 0;
}

Test(collect, records_go_with_what_they_tell_of)
{
	static const struct {
		const char *sentence;
		bool all;
		const char *layers;
		bool between; /* the record of a stage that is in no image */
	} cases[] = {
		{"records of layers that stay, stay", false, "abe", true},
		{"with all, also those of stages", true, "", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(collection_freep) struct collection *c = NULL;
		const struct collect_options options = {.all = cases[i].all};
		char old[DIGEST_STR_SIZE], new[DIGEST_STR_SIZE];
		struct collect_result result = {0};
		struct manifest_layer between;
		int fd = records_fd();

		make_image(old, "web", "ac", "old");
		make_image(new, "web", "ab", "new");
		make_layer(&between, "e");
		cr_assert_eq(collect_begin(&c, store, &options, &err), 1);
		add_record(c, fd, "shared.json", "a", NULL, 1);
		add_record(c, fd, "gone.json", "c", NULL, 2);
		add_record(c, fd, "old.json", NULL, old, 3);
		add_record(c, fd, "new.json", NULL, new, 4);
		add_record(c, fd, "between.json", "e", NULL, 5);
		cr_assert_eq(collect_run(c, &result, &err), 0, "%s", err.message);
		expect_layers(cases[i].sentence, cases[i].layers);
		cr_expect_eq(has_record(fd, "shared.json"), !cases[i].all, "%s", cases[i].sentence);
		cr_expect_eq(has_record(fd, "new.json"), !cases[i].all, "%s", cases[i].sentence);
		cr_expect(!has_record(fd, "gone.json") && !has_record(fd, "old.json"));
		cr_expect_eq(has_record(fd, "between.json"), cases[i].between, "%s",
			     cases[i].sentence);
		(void)close(fd);
		c = collection_free(c);
	}
}

Test(collect, it_goes_only_as_far_as_asked)
{
	_cleanup_(collection_freep) struct collection *c = NULL;
	const struct collect_options options = {.all = true, .until_percent = 100};
	char a[DIGEST_STR_SIZE];
	struct collect_result result = {0};

	make_image(a, "web", "ab", "a");
	cr_assert_eq(collect_begin(&c, store, &options, &err), 1);
	cr_assert_eq(collect_run(c, &result, &err), 0);
	cr_expect_eq(result.images, 0, "there is room enough");
	expect_layers("all", "ab");
}

Test(collect, who_builds_or_unpacks_is_left_alone)
{
	struct collection *c = NULL;
	const struct collect_options options = {0};
	int hold = collect_hold(store, &err), second = collect_hold(store, &err);

	cr_assert(hold >= 0 && second >= 0);
	cr_expect_eq(collect_begin(&c, store, &options, &err), 0);
	(void)close(hold);
	cr_expect_eq(collect_begin(&c, store, &options, &err), 0);
	(void)close(second);
	cr_expect_eq(collect_begin(&c, store, &options, &err), 1);
	collection_free(c);
}

/* Make what NAME in DIRFD is look two hours old. */
static void age(int dirfd, const char *name)
{
	time_t then = (time_t)(clock_realtime_ns() / 1000000000 - 7200);
	const struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};

	cr_assert_eq(utimensat(dirfd, name, times, 0), 0);
}

Test(collect, strays_go_when_they_are_old)
{
	struct manifest_layer fresh, old;
	autofree char *path = NULL;

	make_layer(&fresh, "a");
	make_layer(&old, "b");
	path = mem_asprintf("%s/images/blobs/sha256/%s", dir, digest_hex(old.digest));
	age(AT_FDCWD, path);
	age(image_store_layers_fd(store), digest_hex(old.diff_id));
	(void)run(NULL, NULL, false);
	expect_layers("what may be on its way stays", "a");
}

Test(collect, a_percentage_is_that_of_df)
{
	int used = collect_used_percent(image_store_layers_fd(store));

	cr_expect(used >= 0 && used <= 100, "%d", used);
	cr_expect_lt(collect_used_percent(-1), 0);
}

#ifdef RECOND_FAILPOINTS

/* Make everything in a directory look two hours old. */
static void age_all(const char *below)
{
	autofree char *path = mem_asprintf("%s/%s", dir, below);
	DIR *d = opendir(path);
	const struct dirent *e;

	cr_assert(d);
	while ((e = readdir(d))) {
		if (*e->d_name != '.')
			age(dirfd(d), e->d_name);
	}
	(void)closedir(d);
}

/* Collect in a process that is killed at POINT. */
static void die_at(const char *point)
{
	autofree char *what = mem_asprintf("%s=kill", point);
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)setenv("RECOND_FAILPOINTS", what, 1);
		(void)run(NULL, NULL, false);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s was not reached", point);
}

Test(collect, a_death_at_any_step_leaves_what_is_needed_whole_and_the_rest_for_the_next_time)
{
	static const char *const points[] = {"collect.after_index", "collect.after_blob",
					     "collect.after_layer"};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		_cleanup_(image_freep) struct image *image = NULL;
		char old[DIGEST_STR_SIZE], new[DIGEST_STR_SIZE];

		make_image(old, "web", "acd", "old");
		make_image(new, "web", "ab", "new");
		die_at(points[i]);
		cr_assert_eq(image_store_load(store, new, &image, &err), 0, "%s: %s", points[i],
			     err.message);
		cr_expect(has_layer("a") && has_layer("b"), "%s", points[i]);
		age_all("images/blobs/sha256");
		age_all("layers");
		(void)run(NULL, NULL, false);
		expect_layers(points[i], "ab");
		cr_expect(!image_store_has(store, old, NULL), "%s", points[i]);
	}
}

#endif
