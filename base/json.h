/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small additions to jansson, the one JSON library of this tree: cleanup attribute, path access,
 * canonical form, and parsing with bounds for bytes that come from outside.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

static inline void json_decrefp_(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}
#define autojson __attribute__((cleanup(json_decrefp_))) json_t

/*
 * Walk PATH ("spec.template.spec" or with escaped dots "metadata.labels.a\\.b", array elements as
 * "[0]") from J. Returns a borrowed reference or NULL when any step is missing or of another type.
 */
json_t *json_path(const json_t *j, const char *path);

/*
 * The string / integer / boolean at PATH, or DEF when missing or of another type. The string is
 * borrowed.
 */
const char *json_path_str(const json_t *j, const char *path, const char *def);
int64_t json_path_int(const json_t *j, const char *path, int64_t def);
bool json_path_bool(const json_t *j, const char *path, bool def);

/*
 * Set the value at PATH, creating objects on the way (no array creation). Steals VALUE, also on
 * failure.
 */
void json_path_set_new(json_t *j, const char *path, json_t *value);

/* Remove the member at PATH if it is there. */
void json_path_del(json_t *j, const char *path);

/*
 * Like json_object_set_new but aborts on failure, for composing documents of our own. Steals VALUE.
 */
void json_set(json_t *object, const char *key, json_t *value);

/*
 * json_string() that aborts on exhaustion and replaces invalid UTF-8 by U+FFFD. Owned by the
 * caller.
 */
json_t *json_text(const char *s);

/* Is TEXT one of the strings of ARRAY? A NULL array has none. */
bool json_list_has(const json_t *array, const char *text);

/*
 * A copy of J whose objects and arrays are its own. Strings and numbers are shared with J: they are
 * never changed, only replaced. NULL gives NULL. Owned by the caller.
 */
json_t *json_clone(const json_t *j);

/* Text without white space, members in their order, as json_dumps writes it. Owned by the caller.
 */
char *json_compact(const json_t *j);

/* Canonical text: sorted keys, no white space. Owned by the caller. */
char *json_canonical(const json_t *j);

/* Pretty text for people: sorted keys, 2 spaces, final newline. Owned by the caller. */
char *json_pretty(const json_t *j);

/* "sha256:<hex>" of the canonical text, written into RET (72 bytes and more). */
void json_digest(char ret[80], const json_t *j);

/*
 * Parse N bytes of foreign JSON. Bounds: MAX_BYTES of text, depth 64; duplicate members and NUL in
 * strings are refused. 0 and *ret (owned by the caller), or -EINVAL / -E2BIG with ERR invalid
 * ("<line>:<column>: ...").
 */
int json_parse(json_t **ret, const char *text, size_t n, size_t max_bytes, struct err *err);
