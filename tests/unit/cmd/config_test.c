/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a configuration: which sources come out of options and files, what is shown of them, and
 * which files are refused.
 */
#include "cmd/config.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "cmd/trusted.h"

#define SOURCE(name, spec)                                                                         \
	"apiVersion: recond.dev/v1\nkind: Source\nmetadata: {name: " name "}\nspec: {" spec "}\n"

struct dir {
	char path[40];
};

static void dir_make(struct dir *d)
{
	*d = (struct dir){"/tmp/recond-config.XXXXXX"};
	cr_assert(mkdtemp(d->path));
}

static void dir_remove(struct dir *d)
{
	cr_assert_eq(fs_remove_tree(AT_FDCWD, d->path), 0);
}

static void dir_write(struct dir *d, const char *name, const char *text, mode_t mode)
{
	autofree char *path = mem_asprintf("%s/%s", d->path, name);
	autoclose int fd = fs_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fs_write_all(fd, text, strlen(text)), 0);
	cr_assert_eq(fchmod(fd, mode), 0);
}

/* Read the configuration of DIR ("" for none) and the plain source PLAIN (may be NULL). */
static void load(struct config_result *ret, const char *dir, const char *plain)
{
	autooptions o = {.mode = OPTIONS_CHECK_CONFIG, .sources_dir = mem_strdup(dir)};

	o.sources_dir_given = true;
	if (plain)
		strlist_add(&o.sources, plain);
	config_load_now(ret, &o);
}

static char *lines(const struct strlist *l)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		strbuf_addf(&out, "%s\n", l->items[i]);
	return strbuf_take(&out);
}

static void expect_shown(const struct config_source *s, const char *want)
{
	autofree char *got = json_canonical(s->shown);

	cr_expect_str_eq(got, want, "got %s", got);
}

Test(config, plain_sources_may_ask_for_nothing_and_tell_nobody)
{
	struct config_result r;

	load(&r, "", "/srv/x.git#release/1");
	cr_assert_eq(r.errors.n, 0, "%s", r.errors.items[0]);
	cr_assert_eq(r.config.n, 1);
	cr_expect_str_eq(r.config.sources[0].name, "/srv/x.git#release/1");
	cr_expect_str_eq(r.config.sources[0].location, "/srv/x.git#release/1");
	cr_expect_eq(json_object_size(json_object_get(r.config.sources[0].policy, "allow")), 0);
	cr_expect_eq(json_array_size(r.config.sources[0].hooks), 0);
	expect_shown(&r.config.sources[0],
		     "{\"branch\":\"release/1\",\"policy\":{},\"repository\":\"/srv/x.git\"}");
	config_result_deinit(&r);
}

Test(config, a_branch_that_is_none_is_an_error)
{
	struct config_result r;
	autofree char *got = NULL;

	load(&r, "", "/srv/x.git#a..b");
	got = lines(&r.errors);
	cr_expect_str_eq(got, "source '/srv/x.git#a..b': 'a..b' is not the name of a branch\n");
	config_result_deinit(&r);
}

Test(config, files_are_read_in_order_and_others_left_alone)
{
	struct config_result r;
	struct dir d;

	dir_make(&d);
	dir_write(&d, "b.yaml", SOURCE("b", "path: /srv//b/"), 0644);
	dir_write(&d, "a.yml", SOURCE("a", "repository: /srv/a.git, branch: main"), 0600);
	dir_write(&d, ".c.yaml", "junk", 0644);
	dir_write(&d, "README", "junk", 0644);
	load(&r, d.path, "/srv/plain");
	cr_assert_eq(r.errors.n, 0, "%s", r.errors.items[0]);
	cr_assert_eq(r.config.n, 3);
	cr_expect_str_eq(r.config.sources[1].name, "a");
	cr_expect_str_eq(r.config.sources[1].location, "/srv/a.git#main");
	cr_expect_str_eq(r.config.sources[2].location, "/srv/b");
	cr_expect(config_find(&r.config, "b") == &r.config.sources[2]);
	cr_expect_null(config_find(&r.config, "c"));
	config_result_deinit(&r);
	dir_remove(&d);
}

Test(config, what_may_be_secret_is_not_shown)
{
	struct config_result r;
	struct dir d;

	dir_make(&d);
	dir_write(&d, "a.yaml",
		  SOURCE("a",
			 "path: /a, notify: [{command: [/bin/true, --token, abc]}, {webhook: {url: "
			 "'https://h.example:8443/abc?d', headers: {X: abc}}}]"),
		  0644);
	load(&r, d.path, NULL);
	cr_assert_eq(r.errors.n, 0, "%s", r.errors.items[0]);
	expect_shown(&r.config.sources[0],
		     "{\"notify\":[{\"command\":[\"/bin/true\",\"...\"],\"timeoutSeconds\":10},"
		     "{\"timeoutSeconds\":10,\"webhook\":{\"headers\":{\"X\":\"...\"},"
		     "\"url\":\"https://h.example:8443/...\"}}],\"path\":\"/a\",\"policy\":{}}");
	cr_expect_str_eq(json_path_str(r.config.sources[0].hooks, "[0].command.[2]", ""), "abc",
			 "the hook itself has it");
	config_result_deinit(&r);
	dir_remove(&d);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *error; /* a part of it */
} wrong[] = {
	{ "a place that is taken", SOURCE("a", "path: /srv/plain/"), "a.yaml:1:1: Source/a: '/srv/plain' is the source '/srv/plain' already" },
	{ "a user that is not there", SOURCE("a", "path: /a, notify: [{command: [/bin/true], user: no-such-user}]"),
	  "Source/a: spec.notify[0].user: there is no user 'no-such-user'" },
	{ "a key that is not there", SOURCE("a", "path: /a, notify: [{webhook: {url: 'http://h', secretFile: /no/such/key}}]"),
	  "Source/a: spec.notify[0].webhook.secretFile: /no/such/key: No such file or directory" },
	{ "a key that others can read", SOURCE("a", "path: /a, notify: [{webhook: {url: 'http://h', secretFile: /etc/passwd}}]"),
	  "/etc/passwd: others can read it (mode 0644): chmod go= it" },
	{ "what the decoder finds", SOURCE("a", "path: a"), "a.yaml:4:14: Source/a: spec.path: 'a': must be an absolute path" },
};
/* clang-format on */

Test(config, what_cannot_work_is_an_error_with_its_place)
{
	struct dir d;

	dir_make(&d);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct config_result r;
		autofree char *got = NULL;

		dir_write(&d, "a.yaml", wrong[i].text, 0644);
		load(&r, d.path, "/srv/plain");
		got = lines(&r.errors);
		cr_expect(strstr(got, wrong[i].error), "%s: got '%s'", wrong[i].sentence, got);
		config_result_deinit(&r);
	}
	dir_remove(&d);
}

Test(config, a_directory_that_was_named_must_be_there)
{
	struct config_result r;
	autofree char *got = NULL;

	load(&r, "/no/such/dir", "/srv/plain");
	got = lines(&r.errors);
	cr_expect_str_eq(got, "/no/such/dir: No such file or directory\n");
	config_result_deinit(&r);
}

Test(config, no_source_at_all_is_a_warning)
{
	struct config_result r;
	struct dir d;

	dir_make(&d);
	load(&r, d.path, NULL);
	cr_expect_eq(r.errors.n, 0);
	cr_expect_eq(r.warnings.n, 1);
	config_result_deinit(&r);
	dir_remove(&d);
}

/* clang-format off */
static const struct {
	const char *sentence;
	mode_t mode, mask;
	const char *error; /* after the path; NULL: it is fine */
} modes[] = {
	{ "the operator's alone", 0600, 077, NULL },
	{ "others may read it", 0644, 022, NULL },
	{ "others may read what they must not", 0640, 077, ": others can read it (mode 0640): chmod go= it" },
	{ "the group may write it", 0664, 022, ": others can change it (mode 0664): chmod go-w it" },
	{ "all may write it", 0602, 022, ": others can change it (mode 0602): chmod go-w it" },
};
/* clang-format on */

Test(config, files_in_the_hands_of_others_are_refused)
{
	struct dir d;
	autofree char *path = NULL;

	dir_make(&d);
	path = mem_asprintf("%s/f", d.path);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		autofree char *text = NULL, *want = NULL;
		struct err err = {};
		size_t n;

		dir_write(&d, "f", "x", modes[i].mode);
		want = mem_asprintf("%s%s", path, modes[i].error ?: "");
		if (trusted_read(&text, &n, path, modes[i].mask, 10, &err) == 0)
			cr_expect(!modes[i].error, "%s", modes[i].sentence);
		else
			cr_expect_str_eq(err.message, want, "%s: %s", modes[i].sentence,
					 err.message);
	}
	dir_remove(&d);
}

Test(config, a_pipe_or_a_long_file_is_refused)
{
	struct dir d;
	autofree char *pipe = NULL, *file = NULL, *text = NULL;
	struct err err = {};
	size_t n;

	dir_make(&d);
	pipe = mem_asprintf("%s/p", d.path);
	file = mem_asprintf("%s/f", d.path);
	cr_assert_eq(mkfifo(pipe, 0600), 0);
	cr_expect_lt(trusted_read(&text, &n, pipe, 022, 10, &err), 0);
	cr_expect(strstr(err.message, "is not a file"), "%s", err.message);
	dir_write(&d, "f", "0123456789a", 0600);
	cr_expect_lt(trusted_read(&text, &n, file, 022, 10, &err), 0);
	cr_expect(strstr(err.message, "more than 10 bytes"), "%s", err.message);
	cr_expect_eq(trusted_read(&text, &n, "/no/such/file", 022, 10, &err), -ENOENT);
	dir_remove(&d);
}
