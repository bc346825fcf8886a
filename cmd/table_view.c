/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing columns and turning cells into strings. The daemon's documents are not trusted to be
 * regular: a missing cell is an empty one.
 */
#include "cmd/table_view.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/target.h"

void table_view_deinit(struct table_view *v)
{
	json_decref(v->columns);
	v->columns = NULL;
	print_table_deinit(&v->table);
}

static bool shown(const struct table_view *v, const json_t *column)
{
	return v->wide || json_path_int(column, "priority", 0) == 0;
}

static char *upper(const char *s)
{
	char *copy = mem_strdup(s);

	for (char *p = copy; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	return copy;
}

static char *cell_text(const json_t *cell)
{
	switch (cell ? json_typeof(cell) : JSON_NULL) {
	case JSON_STRING:
		return mem_strdup(json_string_value(cell));
	case JSON_INTEGER:
		return mem_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(cell));
	case JSON_TRUE:
		return mem_strdup("true");
	case JSON_FALSE:
		return mem_strdup("false");
	default:
		return mem_strdup("");
	}
}

static void add_strings(struct table_view *v, const struct strlist *cells)
{
	if (cells->n > 0)
		print_table_add(&v->table, (const char *const *)cells->items, cells->n);
}

static void add_headers(struct table_view *v)
{
	autostrlist cells = {};
	size_t i;
	json_t *column;

	if (v->namespaces)
		strlist_add(&cells, "NAMESPACE");
	json_array_foreach(v->columns, i, column) {
		if (shown(v, column) && cells.n < PRINT_COLUMNS_MAX)
			strlist_add_take(&cells, upper(json_path_str(column, "name", "")));
	}
	add_strings(v, &cells);
}

static char *shown_cell(const struct table_view *v, const json_t *column, const json_t *cell)
{
	autofree char *text = cell_text(cell);

	if (v->prefix && v->kind != KIND_N_ && str_eq(json_path_str(column, "format", ""), "name"))
		return target_describe(v->kind, text);
	return TAKE_PTR(text);
}

static void add_row(struct table_view *v, const json_t *row)
{
	const json_t *cells = json_object_get(row, "cells");
	autostrlist texts = {};
	size_t i;
	json_t *column;

	if (v->namespaces)
		strlist_add(&texts, json_path_str(row, "object.metadata.namespace", ""));
	json_array_foreach(v->columns, i, column) {
		if (shown(v, column) && texts.n < PRINT_COLUMNS_MAX)
			strlist_add_take(&texts, shown_cell(v, column, json_array_get(cells, i)));
	}
	add_strings(v, &texts);
}

void table_view_add(struct table_view *v, const json_t *table)
{
	json_t *columns = json_object_get(table, "columnDefinitions");
	size_t i;
	json_t *row;

	if (!v->columns && json_is_array(columns)) {
		v->columns = json_incref(columns);
		if (v->headers)
			add_headers(v);
	}
	json_array_foreach(json_object_get(table, "rows"), i, row)
		add_row(v, row);
}

void table_view_flush(struct table_view *v, struct strbuf *out)
{
	print_table_flush(&v->table, out);
}
