/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, canonical text, and the bounds on JSON from outside. */
#include "base/json.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "base/strbuf.h"

static json_t *parse(const char *text)
{
	struct err e = {0};
	json_t *j = NULL;

	cr_assert_eq(json_parse(&j, text, strlen(text), 1 << 20, &e), 0, "%s: %s", text, e.message);
	return j;
}

static const char pod[] =
	"{\"metadata\":{\"labels\":{\"app.kubernetes.io/name\":\"web\",\"a[0]\":\"b\","
	"\"back\\\\slash\":\"c\"}},"
	"\"spec\":{\"n\":7,\"on\":true,\"list\":[{\"name\":\"x\"},[1,2]]}}";

Test(json, paths)
{
	static const struct {
		const char *name, *path, *want; /* want: canonical text, NULL: not there */
	} cases[] = {
		{"a member", "spec.n", "7"},
		{"an escaped dot", "metadata.labels.app\\.kubernetes\\.io/name", "\"web\""},
		{"an escaped bracket", "metadata.labels.a\\[0]", "\"b\""},
		{"an escaped backslash", "metadata.labels.back\\\\slash", "\"c\""},
		{"an element behind a name", "spec.list[0].name", "\"x\""},
		{"an element behind a dot", "spec.list.[0].name", "\"x\""},
		{"an element of an element", "spec.list[1][1]", "2"},
		{"a missing member", "spec.m", NULL},
		{"a missing step before the last", "spec.m.x", NULL},
		{"beyond the end of an array", "spec.list[2]", NULL},
		{"a member of a number", "spec.n.x", NULL},
		{"a member of an array", "spec.list.name", NULL},
		{"an element of an object", "spec[0]", NULL},
		{"an index that is no number", "spec.list[x]", NULL},
		{"an index that is not closed", "spec.list[0", NULL},
		{"an index beyond all numbers", "spec.list[99999999999999999999999]", NULL},
		{"a name right behind an index", "spec.list[0]name", NULL},
		{"a trailing dot", "spec.", NULL},
	};
	autojson *j = parse(pod);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const json_t *got = json_path(j, cases[i].path);
		autofree char *text = got ? json_canonical(got) : NULL;

		cr_expect(str_eq(text, cases[i].want), "%s: %s gives %s", cases[i].name,
			  cases[i].path, text ? text : "nothing");
	}
	cr_expect_null(json_path(NULL, "a"));
}

Test(json, typed_paths_fall_back)
{
	autojson *j = parse(pod);

	cr_expect_eq(json_path_int(j, "spec.n", 1), 7);
	cr_expect_eq(json_path_int(j, "spec.on", 1), 1);
	cr_expect(json_path_bool(j, "spec.on", false));
	cr_expect(json_path_bool(j, "spec.n", true));
	cr_expect_str_eq(json_path_str(j, "spec.list[0].name", ""), "x");
	cr_expect_str_eq(json_path_str(j, "spec.n", "d"), "d");
}

Test(json, setting_paths)
{
	static const struct {
		const char *name, *path, *want;
	} cases[] = {
		{"replaces", "a.b", "{\"a\":{\"b\":9},\"l\":[1]}"},
		{"creates objects on the way", "x.y.z",
		 "{\"a\":{\"b\":1},\"l\":[1],\"x\":{\"y\":{\"z\":9}}}"},
		{"replaces an element", "l[0]", "{\"a\":{\"b\":1},\"l\":[9]}"},
		{"creates escaped names", "q\\.r", "{\"a\":{\"b\":1},\"l\":[1],\"q.r\":9}"},
		{"does not append elements", "l[1]", "{\"a\":{\"b\":1},\"l\":[1]}"},
		{"does not walk through a number", "a.b.c", "{\"a\":{\"b\":1},\"l\":[1]}"},
		{"creates no array, and nothing on the way to it", "x.y[0]",
		 "{\"a\":{\"b\":1},\"l\":[1]}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *j = parse("{\"a\":{\"b\":1},\"l\":[1]}");
		autofree char *text = NULL;

		json_path_set_new(j, cases[i].path, json_integer(9));
		text = json_canonical(j);
		cr_expect_str_eq(text, cases[i].want, "%s: got %s", cases[i].name, text);
	}
}

Test(json, deleting_paths)
{
	autojson *j = parse("{\"a\":{\"b.c\":1,\"d\":2},\"l\":[1,2]}");
	autofree char *text = NULL;

	json_path_del(j, "a.b\\.c");
	json_path_del(j, "a.nothing");
	json_path_del(j, "no.way");
	json_path_del(j, "a.d.e");
	json_path_del(j, "l[0]");
	text = json_canonical(j);
	cr_expect_str_eq(text, "{\"a\":{\"d\":2},\"l\":[2]}");
}

Test(json, text_forms)
{
	autojson *j = parse("{\"b\": [1, {}], \"a\": null}");
	autofree char *canonical = json_canonical(j), *pretty = json_pretty(j);
	char digest[80], want[DIGEST_STR_SIZE];

	cr_expect_str_eq(canonical, "{\"a\":null,\"b\":[1,{}]}");
	cr_expect_str_eq(pretty, "{\n  \"a\": null,\n  \"b\": [\n    1,\n    {}\n  ]\n}\n");
	json_digest(digest, j);
	digest_bytes(want, canonical, strlen(canonical));
	cr_expect_str_eq(digest, want);
}

Test(json, composing)
{
	autojson *j = json_object();
	autojson *bad = json_text("a\xff\xc0\xaf-\xc3\xa9");

	json_set(j, "k", json_text("v"));
	cr_expect_str_eq(json_path_str(j, "k", ""), "v");
	cr_expect_str_eq(json_string_value(bad), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd-\xc3\xa9");
}

Test(json, refusals)
{
	static const struct {
		const char *name, *text, *where;
	} cases[] = {
		{"a duplicate member", "{\"a\":1,\"a\":2}", "1:"},
		{"an escaped NUL", "[\"\\u0000\"]", "1:"},
		{"text behind the value", "{} x", "1:"},
		{"an open object", "{\"a\":", "1:"},
		{"a trailing comma, on its line", "{\n\"a\":1,\n}", "3:"},
		{"invalid UTF-8", "\"\xff\"", "1:"},
		{"a number beyond 64 bits", "99999999999999999999", "1:"},
		{"nothing", "", "1:"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = {0};
		json_t *j = NULL;

		cr_expect_eq(json_parse(&j, cases[i].text, strlen(cases[i].text), 100, &e), -EINVAL,
			     "%s", cases[i].name);
		cr_expect_null(j, "%s", cases[i].name);
		cr_expect_eq(e.kind, ERR_INVALID);
		cr_expect(str_skip_prefix(e.message, cases[i].where), "%s: %s", cases[i].name,
			  e.message);
		json_decref(j);
	}
}

Test(json, a_nul_byte_is_refused)
{
	struct err e = {0};
	json_t *j = NULL;

	cr_expect_eq(json_parse(&j, "[1]\0", 4, 100, &e), -EINVAL);
	cr_expect_eq(json_parse(&j, "\"a\0b\"", 5, 100, &e), -EINVAL);
}

Test(json, size_bound)
{
	struct err e = {0};
	autojson *j = NULL;

	cr_expect_eq(json_parse(&j, "[1]", 3, 2, &e), -E2BIG);
	cr_expect_str_eq(e.message, "larger than 2 bytes");
	cr_expect_eq(json_parse(&j, "[1]", 3, 3, &e), 0);
}

static int parse_nested(unsigned depth, const char *open, const char *middle, const char *shut,
			struct err *err)
{
	autostrbuf text = STRBUF_INIT;
	autojson *j = NULL;

	for (unsigned i = 0; i < depth; i++)
		strbuf_adds(&text, open);
	strbuf_adds(&text, middle);
	for (unsigned i = 0; i < depth; i++)
		strbuf_adds(&text, shut);
	return json_parse(&j, text.data, text.len, 1 << 20, err);
}

Test(json, depth_bound)
{
	struct err e = {0};

	cr_expect_eq(parse_nested(64, "[", "1", "]", &e), 0);
	cr_expect_eq(parse_nested(65, "[", "1", "]", &e), -EINVAL);
	cr_expect_str_eq(e.message, "1:65: nested deeper than 64 levels");
	cr_expect_eq(parse_nested(65, "{\"a\":", "1", "}", &e), -EINVAL);
	cr_expect_eq(parse_nested(64, "{\"a\":", "\"[[[{{{\\\"[[[\"", "}", &e), 0, "%s", e.message);
	cr_expect_eq(parse_nested(2000, "[\n", "1", "]", &e), -EINVAL);
	cr_expect_str_eq(e.message, "65:1: nested deeper than 64 levels");
}

Test(json, hostile_text_is_escaped_in_the_message)
{
	struct err e = {0};
	json_t *j = NULL;
	static const char text[] = "\x1b[31m";

	cr_expect_eq(json_parse(&j, text, strlen(text), 100, &e), -EINVAL);
	cr_expect_null(strchr(e.message, '\x1b'));
}

Test(json, jansson_itself_ends_the_process_when_memory_is_exhausted)
{
	json_malloc_t allocate = NULL;

	json_get_alloc_funcs(&allocate, NULL);
	cr_expect_eq(allocate, mem_alloc);
}

Test(json, a_clone_is_equal_and_changes_alone)
{
	autojson *j = parse(pod), *copy = json_clone(j);
	autofree char *before = json_canonical(j);
	autofree char *after = NULL;

	cr_assert(json_equal(j, copy));
	json_path_set_new(copy, "spec.n", json_integer(8));
	json_path_set_new(copy, "spec.list[0].name", json_text("y"));
	json_path_set_new(copy, "metadata.labels.a\\[0]", json_text("z"));
	json_array_append_new(json_path(copy, "spec.list[1]"), json_true());
	after = json_canonical(j);
	cr_expect_str_eq(after, before);
	cr_expect_null(json_clone(NULL));
}

Test(json, compact_text_is_what_jansson_writes)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"[{},[],null,true,false,0,-7,9223372036854775807,1.5,1e300]",
		"{\"b\":1,\"a\":{\"d\":[1,2,{\"e\":\"f\"}],\"c\":\"\"}}",
		"[\"\\u0001\\b\\f\\n\\r\\t\\u001f\\\\\\\"/\\u007f\", \"gr\\u00fc\\u00df\", \"\\ud83d\\ude00\"]",
		"{\"\\\"k\\n\":\"\\u0000v\"}",
		"\"alone\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autojson *j = json_loads(texts[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		autofree char *want = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
		autofree char *got = json_compact(j);

		cr_assert(j, "%s", texts[i]);
		cr_expect_str_eq(got, want, "%s\n got %s\nwant %s", texts[i], got, want);
	}
}
