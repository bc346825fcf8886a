/* SPDX-License-Identifier: Apache-2.0 */
/* What the YAML writer writes, the reader reads back: for chosen strings, and for many random
 * documents. */
#include "reconciler/yamlout.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "reconciler/yaml.h"

/* clang-format off */
static const char *const strings[] = {
	"", " ", "a", "a b", " a", "a ", "yes", "no", "on", "y", "N", "true", "Null", "null", "~", "1", "1.0", "0x1F", "1_000", "1e3",
	"-1", "+1", ".5", ".inf", "0o8", "010", "190:20:30", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<", "-", "--", "---",
	"--- a", "...", "... a", "-a", "- a", "--flag", "-c", "?", "? a", "?a", ":", ":a", "a:", "a: b", "a:b", "#", "a #b", "a#b", "&a", "*a",
	"!a", "!!str a", "|", ">", "'", "\"", "it's", "say \"x\"", "%a", "@a", "`a`", "[a]", "{a}", "a, b", "a]", "a}", ",", "]", "}", "\\",
	"\\n", "a\nb", "a\nb\n", "a\n\n", "\n", "\na", "a\n b\n", " a\nb", "a\n\nb\n\n\n", "a \nb", "a\tb", "\ta", "a\t", "a\n\tb\n", "a\r\nb",
	"a\rb", "\x01", "\x7f", "\xc2\x85", "\xc2\xa0", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xc3\xa4", "\xf0\x9f\x98\x80", "\xe2\x80\xae" "abc",
	"#!/bin/sh\nset -e\n\necho \"$X\": yes\n", "a\n---\nb\n", "a\n...\n", "# comment\n", "key: value\n", "- item\n", "%TAG\n", "a:\n", "a\n \n", "a\n  ",
};
/* clang-format on */

/* Write J, read it back, compare. */
static void check_round_trip(const json_t *j)
{
	autostrbuf out = STRBUF_INIT;
	struct yaml_file f;
	autofree char *want = json_dumps(j, JSON_ENCODE_ANY);
	autofree char *got = NULL;
	int r;

	yamlout_write(&out, j);
	r = yaml_read(&f, out.data, out.len);
	got = f.n_documents ? json_dumps(f.documents[0].value, JSON_ENCODE_ANY) : NULL;
	cr_expect(r == 0 && f.n_documents == 1 && json_equal(f.documents[0].value, j),
		  "%s\nwas written as\n%sand read as %s: %s", want, strbuf_str(&out), got,
		  f.n_errors ? f.errors[0].message : "");
	yaml_file_deinit(&f);
}

Test(yamlout, strings_read_back_as_values_and_as_keys)
{
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		autojson *value = json_pack("{s:s, s:[s, [s]], s:{s:s}}", "k", strings[i], "l",
					    strings[i], strings[i], "o", "x", strings[i]);
		autojson *key = json_pack("{s:i, s:{s:[i]}}", strings[i], 1, "z", strings[i], 2);

		check_round_trip(value);
		check_round_trip(key);
	}
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static json_t *random_string(unsigned int *seed)
{
	static const char *const pieces[] = {
		"a", " ", "\n", ":",  "#", "-",   "'",    "\"", "yes", "1", ".",  "\t", "\xc3\xa4",
		"{", "]", "&",  "\\", "%", "...", "\x02", "|",  ">",   "~", "e3", "0x"};
	autostrbuf text = STRBUF_INIT;

	for (unsigned int n = next_random(seed) % 6; n > 0; n--)
		strbuf_adds(&text, pieces[next_random(seed) % ARRAY_SIZE(pieces)]);
	return json_text(strbuf_str(&text));
}

static json_t *random_value(unsigned int *seed, int depth)
{
	unsigned int what = next_random(seed) % (depth > 0 ? 9 : 6);
	json_t *j, *key;

	switch (what) {
	case 0:
		return json_integer((json_int_t)next_random(seed) - 8000000);
	case 1:
		return json_real((double)next_random(seed) / 1024 + 0.0001);
	case 2:
		return json_boolean(next_random(seed) % 2);
	case 3:
		return json_null();
	case 4:
	case 5:
		return random_string(seed);
	case 6:
		j = json_array();
		for (unsigned int n = next_random(seed) % 4; n > 0; n--)
			json_array_append_new(j, random_value(seed, depth - 1));
		return j;
	default:
		j = json_object();
		for (unsigned int n = next_random(seed) % 4; n > 0; n--) {
			key = random_string(seed);
			json_set(j, json_string_value(key), random_value(seed, depth - 1));
			json_decref(key);
		}
		return j;
	}
}

Test(yamlout, random_documents_read_back)
{
	for (unsigned int i = 0; i < 3000; i++) {
		unsigned int seed = i;
		autojson *j = json_object();

		json_set(j, "x", random_value(&seed, 4));
		check_round_trip(j);
	}
}

Test(yamlout, a_key_too_long_for_one_line)
{
	autostrbuf key = STRBUF_INIT;
	autojson *j = json_object();

	for (int i = 0; i < 400; i++)
		strbuf_adds(&key, "\x01");
	json_set(j, strbuf_str(&key), json_pack("[i, {s:i}]", 1, "a", 2));
	check_round_trip(j);
}

Test(yamlout, looks_as_kubectl_prints)
{
	autojson *j = json_pack("{s:s, s:{s:[{s:s, s:s}], s:{}, s:[]}, s:s}", "kind", "Pod", "spec",
				"containers", "name", "a", "image", "i:1", "empty", "none",
				"apiVersion", "v1");
	autostrbuf out = STRBUF_INIT;

	yamlout_write(&out, j);
	cr_expect_str_eq(strbuf_str(&out), "apiVersion: v1\n"
					   "kind: Pod\n"
					   "spec:\n"
					   "  containers:\n"
					   "  - image: i:1\n"
					   "    name: a\n"
					   "  empty: {}\n"
					   "  none: []\n");
}
