/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy's tests share: JSON that reads well in a C table, a store in memory with a clock
 * and random bytes that never surprise, and a comparison that prints both sides.
 */
#pragma once

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/store.h"

/* JSON written with ' in place of ". \' is a " inside of a string. Owned by the caller. */
static inline UNUSED json_t *json_like(const char *text)
{
	autofree char *copy = mem_strdup(text);
	json_error_t error;
	json_t *j;

	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	j = json_loads(copy, JSON_DECODE_ANY, &error);
	cr_assert(j, "not JSON: %s: %s", text, error.text);
	return j;
}

/* Is GOT the JSON that WANT writes? Says both when not. */
static inline UNUSED void expect_json(const char *name, const json_t *got, const char *want)
{
	autojson *w = json_like(want);
	autofree char *got_text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
	autofree char *want_text = json_dumps(w, JSON_ENCODE_ANY | JSON_SORT_KEYS);

	cr_expect(str_eq(got_text, want_text), "%s\n got %s\nwant %s", name,
		  got_text ? got_text : "nothing", want_text);
}

/* The time and the random bytes of a test: both start at the same point and count. */
struct still_world {
	int64_t now_ns;
	unsigned char byte;
};

static inline UNUSED int64_t still_realtime(void *data)
{
	return ((struct still_world *)data)->now_ns;
}

static inline UNUSED void still_random(void *data, void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)buf)[i] = ((struct still_world *)data)->byte++;
}

/* A store over PATH (NULL: in memory) in WORLD. Owned by the caller. */
static inline UNUSED struct store *store_in(struct still_world *world, const char *path)
{
	struct store_env env = {still_realtime, still_random, world};
	struct store *s = NULL;
	struct err err = {0};

	cr_assert(store_open(&s, path, &env, &err) == 0, "%s", err.message);
	return s;
}

/* Create the object that TEXT (json_like) writes and give back what the store made of it. */
static inline UNUSED const json_t *create(struct store *s, const char *text)
{
	autojson *o = json_like(text);
	const json_t *made = NULL;

	cr_assert(store_create(s, o, &made) == 0, "exists already: %s", text);
	return made;
}
