/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output for people: tables in kubectl's spacing, and text of containers made safe for a terminal.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/strbuf.h"

#define PRINT_COLUMNS_MAX 32

/* A table whose column widths only grow, so that rows of a watch stay aligned. Zero-initialised is
 * empty. */
struct print_table {
	size_t widths[PRINT_COLUMNS_MAX];
	struct strlist cells; /* n_columns per row */
	size_t n_columns;     /* 0 until the first row */
};

/* Free what T holds; idempotent. */
void print_table_deinit(struct print_table *t);

/* Begin a row of N cells; the first row decides N for the table. */
void print_table_add(struct print_table *t, const char *const *cells, size_t n);

/* Append the rows to OUT and forget them, keeping the widths. */
void print_table_flush(struct print_table *t, struct strbuf *out);

/* Columns that a valid UTF-8 string S takes, one per code point. */
size_t print_width(const char *s);

/*
 * Pass N bytes of container output on to OUT, with control characters other than tab, newline and
 * colours (ESC [ ... m) made visible. STATE remembers an escape sequence cut by the end of the
 * piece; zeroed at the start.
 */
struct print_filter {
	char held[32];
	size_t n_held;
};
void print_filter(struct print_filter *f, struct strbuf *out, const char *data, size_t n);

/* There is no more: pass on what was held. */
void print_filter_end(struct print_filter *f, struct strbuf *out);

/* J as JSON for people on stdout; on a terminal in ASCII only, so that no string of it can steer
 * the terminal. */
void print_json(const json_t *j);

/* J as YAML on stdout. */
void print_yaml(const json_t *j);
