/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table documents out of columns: definitions and rows. What a column of a kind shows is
 * table_columns.c's business.
 */
#include "api/table_priv.h"

#include <assert.h>

#include "base/json.h"

static json_t *definitions(const struct table *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_columns; i++) {
		const struct table_column *c = &t->columns[i];
		json_t *def = json_object();

		json_set(def, "name", json_string(c->name));
		json_set(def, "type", json_string(c->type));
		json_set(def, "format", json_string(c->format));
		json_set(def, "description", json_string(""));
		json_set(def, "priority", json_integer(c->priority));
		(void)json_array_append_new(list, def);
	}
	return list;
}

json_t *table_new(const struct table *t, const char *resource_version)
{
	json_t *table = json_object();
	json_t *metadata = json_object();

	json_set(metadata, "resourceVersion", json_text(resource_version));
	json_set(table, "kind", json_string("Table"));
	json_set(table, "apiVersion", json_string("meta.k8s.io/v1"));
	json_set(table, "metadata", metadata);
	json_set(table, "columnDefinitions", t ? definitions(t) : json_null());
	json_set(table, "rows", json_array());
	return table;
}

static json_t *partial_metadata(const json_t *object)
{
	json_t *partial = json_object();
	json_t *metadata = json_object_get(object, "metadata");

	json_set(partial, "kind", json_string("PartialObjectMetadata"));
	json_set(partial, "apiVersion", json_string("meta.k8s.io/v1"));
	json_set(partial, "metadata", metadata ? json_incref(metadata) : json_object());
	return partial;
}

json_t *table_row(const struct table *t, const json_t *object, enum table_include include,
		  int64_t now_ns)
{
	json_t *row = json_object();
	json_t *cells = json_array();

	assert(include < TABLE_INCLUDE_N_);
	for (size_t i = 0; i < t->n_columns; i++)
		(void)json_array_append_new(cells, t->columns[i].cell(object, now_ns));
	json_set(row, "cells", cells);
	if (include == TABLE_METADATA)
		json_set(row, "object", partial_metadata(object));
	else if (include == TABLE_OBJECT)
		json_set(row, "object", json_incref((json_t *)object));
	return row;
}
