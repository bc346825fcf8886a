/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on the wire out of documents: compact JSON, and the lines of a watch.
 */
#pragma once

#include <jansson.h>

#include "api/bytes_priv.h"
#include "api/table_priv.h"
#include "base/strbuf.h"
#include "reconciler/kind.h"

/* How a client wants objects. */
enum render_form {
	RENDER_JSON,
	RENDER_TABLE_METADATA,
	RENDER_TABLE_OBJECT,
	RENDER_TABLE_NONE,
	RENDER_FORM_N_,
};

/* Append J as compact JSON. */
void render_json(struct strbuf *out, const json_t *j);

/* The Table form for INCLUDE. */
enum render_form render_table_form(enum table_include include);

/* What a row carries in Table form FORM; asserts that it is one. */
enum table_include render_include(enum render_form form);

/*
 * One line of a watch of KIND: {"type": TYPE, "object": ...} in FORM. WITH_COLUMNS: include the
 * column definitions (the first event of a Table watch). Owned by the caller.
 */
struct bytes *render_event(enum kind kind, enum render_form form, const char *type,
			   const json_t *object, bool with_columns);

/* A BOOKMARK line; END_OF_INITIAL marks the end of the initial events as clients of WatchList
 * expect. */
struct bytes *render_bookmark(enum kind kind, enum render_form form, uint64_t resource_version,
			      bool end_of_initial);

/* An ERROR line holding a Status. */
struct bytes *render_error(unsigned int code, const char *reason, const char *message);
