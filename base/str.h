/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: comparison, strict number parsing, lists, hex, and the nearest-word search behind "did
 * you mean". No locale, no allocation surprises.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

/* NULL-safe equality: two NULLs are equal. */
bool str_eq(const char *a, const char *b);

/* "A/B/C", or "A/B" when C is NULL. Owned by the caller. */
char *str_path(const char *a, const char *b, const char *c);

/* S without PREFIX (pointer into S), or NULL when S does not begin with it. */
const char *str_skip_prefix(const char *s, const char *prefix);
/* True when S ends with SUFFIX. */
bool str_has_suffix(const char *s, const char *suffix);

/*
 * Strict decimal: the whole of S, digits only (and one leading '-' for the signed form), no sign
 * '+', no spaces, no leading zeros except "0" itself, within [MIN, MAX]. 0 and *ret, or -EINVAL /
 * -ERANGE with *ret untouched.
 */
int str_parse_u64(uint64_t *ret, const char *s, uint64_t min, uint64_t max);
int str_parse_i64(int64_t *ret, const char *s, int64_t min, int64_t max);

/* A list of owned strings. Zero-initialised is empty. */
struct strlist {
	char **items; /* NULL-terminated once anything was added */
	size_t n;
	size_t cap;
};
#define autostrlist __attribute__((cleanup(strlist_deinit))) struct strlist

/* Free all items; L is empty and usable again. */
void strlist_deinit(struct strlist *l);
/* Append a copy of S / take over S. */
void strlist_add(struct strlist *l, const char *s);
void strlist_add_take(struct strlist *l, char *s);
/* True when an item equals S. */
bool strlist_contains(const struct strlist *l, const char *s);
/* Sort bytewise. */
void strlist_sort(struct strlist *l);
/* Append the pieces of S between SEPs; empty pieces are kept ("" gives one). */
void strlist_split(struct strlist *l, const char *s, char sep);

/* Lower-case hex of N bytes into OUT (2 * N + 1 bytes). */
void str_hex(char *out, const void *data, size_t n);

/*
 * The length in bytes of the UTF-8 sequence that S (N bytes) begins with, its code point in *RET; 0
 * and *ret untouched when N is 0 or the sequence is invalid (overlong, surrogate, cut off, above
 * U+10FFFF).
 */
size_t str_utf8_len(uint32_t *ret, const char *s, size_t n);

/*
 * The candidate nearest to WORD by Damerau-Levenshtein distance, if it is near enough to be a
 * likely typo (distance <= 1 + strlen(word) / 4, and less than strlen(word)); NULL otherwise, and
 * for words above 64 bytes. Case differences count half; the first of equals wins. CANDIDATES is
 * NULL-terminated; the answer is borrowed from it.
 */
const char *str_nearest(const char *word, const char *const *candidates);

/* FNV-1a over N bytes, continuing from SEED (use STR_FNV32_INIT first). */
#define STR_FNV32_INIT 2166136261u
uint32_t str_fnv32(uint32_t seed, const void *data, size_t n);
