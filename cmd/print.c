/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spacing as kubectl's tabwriter has it: three spaces between columns, none after the last, six
 * columns at least. Cells come from outside and are escaped here, once, so that no caller can
 * forget it.
 */
#include "cmd/print.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "reconciler/yamlout.h"

#define GAP 3
#define CELL_MIN 6 /* a column and its gap are never narrower */

void print_table_deinit(struct print_table *t)
{
	strlist_deinit(&t->cells);
}

size_t print_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void print_table_add(struct print_table *t, const char *const *cells, size_t n)
{
	if (t->n_columns == 0)
		t->n_columns = n;
	assert(n == t->n_columns && n <= PRINT_COLUMNS_MAX);
	for (size_t i = 0; i < n; i++) {
		autostrbuf cell = STRBUF_INIT;
		size_t width;

		strbuf_add_escaped(&cell, cells[i], strlen(cells[i]));
		width = print_width(strbuf_str(&cell));
		if (width > t->widths[i])
			t->widths[i] = width;
		strlist_add(&t->cells, strbuf_str(&cell));
	}
}

static void add_padded(struct strbuf *out, const char *cell, size_t width)
{
	strbuf_adds(out, cell);
	for (size_t n = print_width(cell); n < width; n++)
		strbuf_addc(out, ' ');
}

void print_table_flush(struct print_table *t, struct strbuf *out)
{
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t column = i % t->n_columns;

		if (column + 1 < t->n_columns) {
			size_t width = t->widths[column] + GAP;

			add_padded(out, t->cells.items[i], width < CELL_MIN ? CELL_MIN : width);
		} else {
			strbuf_adds(out, t->cells.items[i]);
			strbuf_addc(out, '\n');
		}
	}
	strlist_deinit(&t->cells);
}

/* How much of N bytes at S is one colour sequence: its length, 0 when it is none, -1 when it is
 * cut. */
static int colour_length(const char *s, size_t n)
{
	size_t i = 2;

	if (n >= 2 && s[1] != '[')
		return 0;
	while (i < n && ((s[i] >= '0' && s[i] <= '9') || s[i] == ';' || s[i] == ':'))
		i++;
	if (i >= sizeof(((struct print_filter *)0)->held) - 1)
		return 0;
	if (i >= n)
		return -1;
	return s[i] == 'm' ? (int)i + 1 : 0;
}

/* Length of the UTF-8 sequence that byte C begins. */
static size_t utf8_length(unsigned char c)
{
	if (c < 0xc0)
		return 1;
	if (c < 0xe0)
		return 2;
	return c < 0xf0 ? 3 : 4;
}

/* Pass one unit at S on: the bytes used, 0 when more are needed to tell. */
static size_t filter_one(struct strbuf *out, const char *s, size_t n)
{
	size_t length = utf8_length((unsigned char)*s);
	int colour;

	if (*s == '\n' || *s == '\t' || (*s == '\r' && n > 1 && s[1] == '\n')) {
		strbuf_addc(out, *s);
		return 1;
	}
	if (*s == '\r' && n == 1)
		return 0;
	if (*s == '\033') {
		colour = colour_length(s, n);
		if (colour < 0)
			return 0;
		if (colour > 0) {
			strbuf_add(out, s, (size_t)colour);
			return (size_t)colour;
		}
	}
	if (length > n)
		return 0;
	strbuf_add_escaped(out, s, length);
	return length;
}

void print_filter(struct print_filter *f, struct strbuf *out, const char *data, size_t n)
{
	autostrbuf all = STRBUF_INIT;
	size_t used = 0;

	strbuf_add(&all, f->held, f->n_held);
	strbuf_add(&all, data, n);
	while (used < all.len) {
		size_t one = filter_one(out, all.data + used, all.len - used);

		if (one == 0)
			break;
		used += one;
	}
	f->n_held = all.len - used;
	assert(f->n_held < sizeof(f->held));
	memcpy(f->held, all.data + used, f->n_held);
}

void print_filter_end(struct print_filter *f, struct strbuf *out)
{
	strbuf_add_escaped(out, f->held, f->n_held);
	f->n_held = 0;
}

void print_json(const json_t *j)
{
	size_t ascii = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;

	(void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | ascii);
	(void)fputc('\n', stdout);
}

void print_yaml(const json_t *j)
{
	autostrbuf text = STRBUF_INIT;

	yamlout_write(&text, j);
	(void)fputs(strbuf_str(&text), stdout);
}
