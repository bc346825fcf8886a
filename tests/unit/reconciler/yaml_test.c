/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML reader: kubectl's typing (ground truth measured with kubectl 1.32, one scalar per line
 * of tests/golden/yaml_scalars.tsv), structure, errors with their places, and the bounds.
 */
#include "reconciler/yaml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

/* One line: documents as compact JSON joined by blanks, then errors as " !line:column message". */
static char *read_text(const char *text, size_t n)
{
	struct yaml_file f;
	autostrbuf out = STRBUF_INIT;

	(void)yaml_read(&f, text, n);
	for (size_t i = 0; i < f.n_documents; i++) {
		autofree char *j = json_dumps(f.documents[i].value,
					      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
						      JSON_REAL_PRECISION(17));

		strbuf_addf(&out, "%s%s", i ? " " : "", j);
	}
	for (size_t i = 0; i < f.n_errors; i++)
		strbuf_addf(&out, " !%u:%u %s", f.errors[i].line, f.errors[i].column,
			    f.errors[i].message);
	yaml_file_deinit(&f);
	return strbuf_take(&out);
}

static bool json_same(const json_t *a, const json_t *b)
{
	if (json_is_real(a) && json_is_number(b))
		return json_real_value(a) == json_number_value(b);
	return json_equal(a, b);
}

/* One line "<scalar>\t<JSON or error>" of the golden file. */
static void check_scalar(const char *scalar, const char *want)
{
	autofree char *text = mem_asprintf("k: %s\n", scalar);
	autojson *expected = json_loads(want, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL * 0, NULL);
	struct yaml_file f;
	int r = yaml_read(&f, text, strlen(text));
	const json_t *got = f.n_documents ? json_object_get(f.documents[0].value, "k") : NULL;
	autofree char *got_text = got ? json_dumps(got, JSON_ENCODE_ANY) : NULL;

	if (str_eq(want, "error"))
		cr_expect_lt(r, 0, "'%s' must be refused, is %s", scalar, got_text);
	else if (!expected) /* an integer beyond int64 */
		cr_expect_eq(json_number_value(got), strtod(want, NULL), "'%s': got %s", scalar,
			     got_text);
	else
		cr_expect(json_same(got, expected), "'%s': got %s, kubectl has %s", scalar,
			  got_text, want);
	yaml_file_deinit(&f);
}

Test(yaml, scalars_are_typed_as_kubectl_types_them)
{
	autofree char *path =
		mem_asprintf("%s/tests/golden/yaml_scalars.tsv", getenv("SOURCE_DIR"));
	FILE *in = fopen(path, "re");
	autofree char *line = NULL;
	size_t cap = 0, n = 0;

	cr_assert(in, "%s", path);
	while (getline(&line, &cap, in) > 0) {
		char *tab = strchr(line, '\t');

		cr_assert(tab, "%s", line);
		line[strcspn(line, "\n")] = '\0';
		*tab = '\0';
		check_scalar(line, tab + 1);
		n++;
	}
	cr_assert_geq(n, 60);
	(void)fclose(in);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *text;
	const char *want;
} structures[] = {
	{ "an empty file has no document", "", "" },
	{ "comments alone are no document", "# nothing\n---\n# still nothing\n", "" },
	{ "several documents", "a: 1\n---\nb: 2\n", "{\"a\":1} {\"b\":2}" },
	{ "a marker with a comment", "a: 1\n--- # next\nb: 2\n", "{\"a\":1} {\"b\":2}" },
	{ "a document on the marker's line", "--- {a: 1}\n", "{\"a\":1}" },
	{ "a document after the end marker is read", "a: 1\n...\nb: 2\n", "{\"a\":1} {\"b\":2}" },
	{ "a marker indented in a block scalar is text", "x: |\n  a\n  ---\n  b\n", "{\"x\":\"a\\n---\\nb\\n\"}" },
	{ "a byte order mark is skipped", "\xef\xbb\xbf" "a: 1\n", "{\"a\":1}" },
	{ "CRLF line ends", "a: 1\r\nb:\r\n- x\r\n", "{\"a\":1,\"b\":[\"x\"]}" },
	{ "no line end at the end", "a: b", "{\"a\":\"b\"}" },
	{ "plain JSON", "{\"a\": [1, 2.5, null], \"b\": {\"c\": \"\\/\"}}", "{\"a\":[1,2.5,null],\"b\":{\"c\":\"/\"}}" },
	{ "JSON indented by tabs", "{\n\t\"a\": 1\n}\n", "{\"a\":1}" },
	{ "JSON values in a row", "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1} {\"b\":2}" },
	{ "JSON surrogate pairs", "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}" },
	{ "boolean keys", "y: 3\n", "{\"true\":3}" },
	{ "integer keys", "0x10: a\n010: b\n", "{\"16\":\"a\",\"8\":\"b\"}" },
	{ "float keys", "1.10: a\n1e6: b\n1234567.5: c\n0.00001: d\n", "{\"1.1\":\"a\",\"1.2345675e+06\":\"c\",\"1e+06\":\"b\",\"1e-05\":\"d\"}" },
	{ "an infinite key", ".inf: a\n", "{\".inf\":\"a\"}" },
	{ "a binary key", "!!binary aGk=: 1\n", "{\"hi\":1}" },
	{ "a merge puts what is missing", "a: {<<: {x: 1, z: 2}, x: 5}\n", "{\"a\":{\"x\":5,\"z\":2}}" },
	{ "a merge replaces what stands before it", "a: {x: 5, <<: {x: 1}}\n", "{\"a\":{\"x\":1}}" },
	{ "in a list of merges the first wins", "a: {<<: [{x: 1}, {x: 3, z: 4}]}\n", "{\"a\":{\"x\":1,\"z\":4}}" },
	{ "a merge of an alias", "b: &b {x: 1}\nd: {<<: *b, q: 2}\n", "{\"b\":{\"x\":1},\"d\":{\"q\":2,\"x\":1}}" },
	{ "two merges", "a: {<<: {x: 1}, <<: {x: 2}}\n", "{\"a\":{\"x\":2}}" },
	{ "a quoted << is a key", "\"<<\": {x: 1}\n", "{\"<<\":{\"x\":1}}" },
	{ "an anchor given twice means the last", "x: &a 1\nw: &a 2\nz: *a\n", "{\"w\":2,\"x\":1,\"z\":2}" },
	{ "an anchored key", "&a x: 1\nw: *a\n", "{\"w\":\"x\",\"x\":1}" },
	{ "an aliased key", "x: &a b\n*a : 2\n", "{\"b\":2,\"x\":\"b\"}" },
	{ "a block key", "? |\n  multi\n: 3\n", "{\"multi\\n\":3}" },
	{ "folded and literal text", "a: >\n  x\n  y\nb: |-\n  z\n", "{\"a\":\"x y\\n\",\"b\":\"z\"}" },
	{ "a document that is no mapping is still read", "- 1\n", "[1]" },

	{ "a duplicate key names both lines", "a: 1\nb: 2\na: 3\n", " !3:1 the key 'a' is there twice, first in line 1" },
	{ "all duplicates are named", "a: 1\na: 2\nb: {c: 1, c: 2}\n",
	  " !2:1 the key 'a' is there twice, first in line 1 !3:11 the key 'c' is there twice, first in line 3" },
	{ "duplicates after typing", "1: a\n\"1\": b\n", " !2:1 the key '1' is there twice, first in line 1" },
	{ "duplicates in JSON", "{\"a\": 1,\n \"a\": 2}", " !2:2 the key 'a' is there twice, first in line 1" },
	{ "a null key", "~: 1\n", " !1:1 null can't be a key" },
	{ "a mapping as key", "{a: 1}: 2\n", " !1:1 a key must be a scalar" },
	{ "a binary key that is no text", "!!binary gA==: 1\n", " !1:1 the key is not UTF-8" },
	{ "a binary value that is no text", "a: !!binary gA==\n", " !1:4 the text is not UTF-8" },
	{ "a quoted key with text behind a NUL", "\"a\\0bcdefghijklmnop\": 1\n", " !1:1 a key must not contain a NUL character" },
	{ "a binary key with a NUL", "!!binary AA==: 1\n", " !1:1 a key must not contain a NUL character" },
	{ "an undefined alias", "a: *b\n", " !1:4 there is no anchor 'b'" },
	{ "an anchor in its own node", "a: &x\n  b: *x\n", " !2:6 the anchor 'x' contains itself" },
	{ "anchors end with their document", "a: &x 1\n---\nb: *x\n", "{\"a\":1} !3:4 there is no anchor 'x'" },
	{ "a merge of a scalar", "<<: 5\n", " !1:5 '<<' merges a mapping or a list of mappings" },
	{ "a merge of scalars", "<<: [5]\n", " !1:5 '<<' merges a mapping or a list of mappings" },
	{ "infinity", "a: 1\nb: [.inf]\n", " !2:5 infinity and NaN are not values" },
	{ "a NUL in a string", "a: \"\\0\"\n", " !1:4 a string must not contain a NUL character" },
	{ "a broken document leaves the others", "a: 1\n---\nb: [1\n---\nc: 3\n",
	  "{\"a\":1} {\"c\":3} !4:1 did not find expected ',' or ']' while parsing a flow sequence (which began in line 3)" },
	{ "tabs are named", "a:\n\tb: 1\n",
	  " !2:1 found character that cannot start any token while scanning for the next token (which began in line 2) (YAML is indented by spaces, not tabs)" },
	{ "directives are refused", "%YAML 1.1\n---\na: 1\n",
	  "{\"a\":1} !1:1 directives (lines beginning with '%') are not supported" },
	{ "a control character has a place", "a: 1\nb: x\x01\n", " !2:5 control characters are not allowed (byte 0x01)" },
	{ "invalid UTF-8 has a place", "a: 1\nb: \xff\n", " !2:4 invalid leading UTF-8 octet (byte 0xff)" },
};
/* clang-format on */

Test(yaml, structure)
{
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++) {
		autofree char *got = read_text(structures[i].text, strlen(structures[i].text));

		cr_expect_str_eq(got, structures[i].want, "%s:\n got  %s\n want %s",
				 structures[i].sentence, got, structures[i].want);
	}
}

Test(yaml, every_node_has_its_place)
{
	static const char text[] = "a: 1\n---\n\nb:\n  - c: x\n    d: [1, 2]\n";
	struct path b = {NULL, "b", 0}, b0 = {&b, NULL, 0}, d = {&b0, "d", 0}, d1 = {&d, NULL, 1},
		    no = {&b0, "z", 0};
	struct yaml_file f;
	const struct mark *m;

	cr_assert_eq(yaml_read(&f, text, strlen(text)), 0);
	cr_assert_eq(f.n_documents, 2);
	m = mark_find(&f.documents[1].mark, &d1);
	cr_expect_eq(m->line, 6);
	cr_expect_eq(m->column, 12);
	m = mark_find(&f.documents[1].mark, &d);
	cr_expect_eq(m->key_line, 6);
	cr_expect_eq(m->key_column, 5);
	m = mark_find(&f.documents[1].mark, &no);
	cr_expect_eq(m->line, 5, "a node that is not there has its parent's place");
	yaml_file_deinit(&f);
}

/* ---- what could be used to stop the reader ---- */

static char *repeat(const char *head, const char *s, size_t times, const char *tail)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, head);
	for (size_t i = 0; i < times; i++)
		strbuf_adds(&out, s);
	strbuf_adds(&out, tail);
	return strbuf_take(&out);
}

static char *numbered(const char *fmt_head, const char *mid, size_t times)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < times; i++)
		strbuf_addf(&out, "%s%zu%s", fmt_head, i, mid);
	return strbuf_take(&out);
}

static char *laughs(void)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++)
		strbuf_addf(&out,
			    "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i,
			    i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	return strbuf_take(&out);
}

static char *long_text_repeated(void)
{
	autofree char *head = repeat("a: &a \"", "0123456789abcdef", 60000, "\"\nb: [");

	return repeat(head, "*a, ", 9000, "]\n");
}

/* Read TEXT (freed) within a second of CPU; *errors says whether it must be refused. */
static void check_bounded(const char *sentence, char *text, bool refused)
{
	autofree char *owned = text;
	clock_t begin = clock();
	struct yaml_file f;
	int r = yaml_read(&f, owned, strlen(owned));
	double took = (double)(clock() - begin) / CLOCKS_PER_SEC;

	cr_expect_eq(r < 0, refused, "%s: got %d", sentence, r);
	cr_expect_lt(f.n_errors, YAML_MAX_ERRORS + 2, "%s", sentence);
	cr_expect_lt(took, 2.0, "%s took %.2f s of CPU", sentence,
		     took); /* 0.2 s without sanitizers */
	yaml_file_deinit(&f);
}

Test(yaml, hostile_files_are_refused_or_read_in_bounded_time)
{
	check_bounded("1 MB of opening brackets", repeat("a: ", "[", 1000000, ""), true);
	check_bounded("80 kB of opening mappings", repeat("", "{a: ", 20000, ""), true);
	check_bounded("1 MB of nested sequence dashes", repeat("", "- ", 500000, ""), true);
	check_bounded("20,000 tag directives",
		      numbered("%TAG !e", "! tag:example.com,2000:\n", 20000), true);
	check_bounded("40,000 anchors", numbered("- &a", " x\n", 40000), true);
	check_bounded("100,000 keys", numbered("k", ": 1\n", 90000), false);
	check_bounded("a scalar of 1 MB", repeat("a: ", "x", 1000000, "\n"), false);
	check_bounded("aliases that multiply", laughs(), true);
	check_bounded("aliases of one long text", long_text_repeated(), true);
	check_bounded("10,000 documents", repeat("", "--- 1\n", 10000, ""), true);
	check_bounded("1 MB of duplicate keys", repeat("", "a: 1\n", 190000, ""), true);
	check_bounded("a file beyond the limit", repeat("a: ", "x", YAML_MAX_BYTES, "\n"), true);
	check_bounded("100,000 complex keys", repeat("", "? ", 100000, ""), true);
}

Test(yaml, depth_64_is_read_and_65_is_not)
{
	autofree char *in = repeat("a: ", "[", 63, "");
	autofree char *deep = repeat("a: ", "[", 64, "");
	autofree char *ok = repeat(in, "]", 63, "\n");
	autofree char *bad = repeat(deep, "]", 64, "\n");
	autofree char *got_ok = read_text(ok, strlen(ok));
	autofree char *got_bad = read_text(bad, strlen(bad));

	cr_assert_null(strchr(got_ok, '!'), "%s", got_ok);
	cr_assert(strstr(got_bad, "nested too deeply"), "%s", got_bad);
}
