/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of contexts and plans share: making a listing out of a few words. */
#pragma once

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/json.h"
#include "builder/context.h"

/*
 * A listing from lines "path=content", "path@link text", "path/" (a directory), "path*=content"
 * (executable).
 */
static inline json_t *listing(const char *lines)
{
	json_t *entries = json_array();
	autostrlist list = {};
	json_t *e;

	strlist_split(&list, lines, '\n');
	for (size_t i = 0; i < list.n; i++) {
		char *line = list.items[i], digest[DIGEST_STR_SIZE], *value;
		size_t n = strcspn(line, "=@");
		uint32_t mode = line[n] == '@' ? S_IFLNK : S_IFREG | 0644;

		if (!*line)
			continue;
		e = json_object();
		value = line[n] ? line + n + 1 : line + n;
		if (line[n - 1] == '/')
			mode = S_IFDIR;
		if (line[n - 1] == '*')
			mode = S_IFREG | 0755;
		digest_bytes(digest, value, strlen(value));
		if (line[n] == '@')
			json_set(e, "content", json_string(value));
		line[strchr("/*", line[n - 1]) ? n - 1 : n] = '\0';
		json_set(e, "path", json_string(line));
		json_set(e, "mode", json_integer(mode));
		json_set(e, "size", json_integer((json_int_t)strlen(value)));
		json_set(e, "digest", json_string(digest));
		json_array_append_new(entries, e);
	}
	return entries;
}

static inline struct context *make_context(const char *lines, const char *ignore_text)
{
	_cleanup_(ignore_freep) struct ignore *ig = NULL;
	autodiag d = {.file = ".dockerignore"};
	autojson *entries = listing(lines);
	struct context *c = NULL;
	struct err err = {};

	cr_assert_eq(ignore_parse(&ig, ignore_text, strlen(ignore_text), &d), 0);
	cr_assert_eq(context_new(&c, entries, ig, &err), 0, "%s", err.message);
	return c;
}
