/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, records, and planning without a state directory: what needs no container. */
#include "builder/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "builder/cache.h"
#include "lib.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static json_t *request(const char *more)
{
	json_t *j = json_pack("{s:s, s:[], s:s}", "stateDir", "/nonexistent/recond", "entries",
			      "dockerfileText", "FROM scratch\nWORKDIR /a");
	autojson *extra = json_loads(more, 0, NULL);

	cr_assert(j && extra);
	(void)json_object_update(j, extra);
	return j;
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *more;
	const char *want; /* the error, or NULL */
} requests[] = {
	{ "the least that is needed", "{}", NULL },
	{ "names and tags", "{\"name\":\"web\",\"tags\":[\"web:1\",\"localhost/x:y\"]}", NULL },
	{ "a name that is none", "{\"name\":\"We b\"}", "" },
	{ "a tag that is none", "{\"tags\":[7]}", "" },
	{ "a digest as name", "{\"name\":\"web@" D1 "\"}", "'web@" D1 "' names a digest, not a tag" },
	{ "a build argument that is no string", "{\"buildArgs\":{\"a\":1}}", "build argument 'a' is not a string" },
	{ "another platform", "{\"platform\":\"linux/s390x\"}", "platform 'linux/s390x' cannot be built here" },
	{ "an unknown network", "{\"network\":\"x\"}", "invalid network mode 'x'" },
	{ "a control group that climbs", "{\"cgroupRoot\":\"/a/../b\"}", "cgroupRoot '/a/../b' is not a clean absolute path" },
	{ "no Dockerfile", "{\"dockerfileText\":null}", "a build request needs stateDir, dockerfileText and entries" },
	{ "a relative state directory", "{\"stateDir\":\"x\"}", "a build request needs stateDir, dockerfileText and entries" },
};
/* clang-format on */

Test(request, is_checked)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		_cleanup_(request_deinit) struct request rq = {};
		autojson *j = request(requests[i].more);
		struct err err = {};
		int r = request_init(&rq, j, &err);

		cr_expect_eq(r, requests[i].want ? -EINVAL : 0, "%s", requests[i].sentence);
		if (requests[i].want)
			cr_expect(str_skip_prefix(err.message, requests[i].want), "%s: %s",
				  requests[i].sentence, err.message);
	}
}

static char *plan(const char *more)
{
	_cleanup_(request_deinit) struct request rq = {};
	autojson *j = request(more);
	autojson *answer = NULL;
	struct err err = {};

	cr_assert_eq(request_init(&rq, j, &err), 0, "%s", err.message);
	if (job_plan(&answer, &rq, &err) < 0)
		return mem_asprintf("%s %s %s", err_kind_name(err.kind), err.reason, err.message);
	(void)json_object_del(answer, "key");
	return json_canonical(answer);
}

Test(job, plans_without_a_state_directory)
{
	/* clang-format off */
	static const char *const cases[][2] = {
		{ "{}", "{\"bases\":[],\"current\":\"\",\"steps\":[{\"cached\":false,\"line\":2,\"text\":\"WORKDIR /a\"}]}" },
		{ "{\"dockerfileText\":\"FROM x:1\\nRUN y\"}",
		  "{\"bases\":[{\"digest\":\"\",\"reference\":\"x:1\"}],\"current\":\"\",\"steps\":[]}" },
		{ "{\"dockerfile\":\"web/Dockerfile\",\"dockerfileText\":\"FROM x\\nRNU y\"}",
		  "invalid BuildFailed web/Dockerfile:2: unknown instruction: RNU (did you mean RUN?)" },
		{ "{\"dockerignoreText\":\"a\\n!\"}", "invalid BuildFailed .dockerignore:2: illegal exclusion pattern: \"!\"" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = plan(cases[i][0]);

		cr_expect_str_eq(got, cases[i][1], "%s\ngot  %s\nwant %s", cases[i][0], got,
				 cases[i][1]);
	}
	cr_expect_eq(access("/nonexistent", F_OK), -1);
}

Test(cache, a_record_that_cannot_be_read_is_none)
{
	char path[] = "/tmp/recond-cache.XXXXXX";
	struct cache_layer l = {
		.layer = {.digest = D1, .diff_id = D2, .size_bytes = 5, .compression = 1},
		.created_ns = 7};
	struct cache_layer got = {};
	autofree char *name = mem_asprintf("%s.json", digest_hex(D1));
	/* clang-format off */
	static const char *const broken[] = {
		"", "{", "[]", "{}", "{\"digest\":\"sha256:1\",\"diffId\":\"" D2 "\",\"compression\":1}",
		"{\"digest\":\"" D1 "\",\"diffId\":\"../../x\",\"compression\":1}",
		"{\"digest\":\"" D1 "\",\"diffId\":\"" D2 "\",\"compression\":99}",
	};
	/* clang-format on */
	autoclose int fd = -1;

	cr_assert(mkdtemp(path));
	fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);
	cr_expect_eq(cache_get_layer(&got, fd, D1), 0);
	cr_assert_eq(cache_put_layer(fd, D1, &l, NULL), 0);
	cr_assert_eq(cache_get_layer(&got, fd, D1), 1);
	cr_expect_str_eq(got.layer.digest, D1);
	cr_expect_str_eq(got.layer.diff_id, D2);
	cr_expect_eq(got.layer.size_bytes, 5);
	cr_expect_eq(got.created_ns, 7);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		cr_assert_eq(fs_replace(fd, name, broken[i], strlen(broken[i]), 0600, NULL), 0);
		cr_expect_eq(cache_get_layer(&got, fd, D1), 0, "%s", broken[i]);
	}
	(void)fs_remove_tree(AT_FDCWD, path);
}
