/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Table document of the daemon as lines of text: which of its columns are shown, and what is put
 * before names.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/strbuf.h"
#include "cmd/print.h"
#include "reconciler/kind.h"

struct table_view {
	enum kind kind;  /* KIND_N_: of no kind (local images) */
	bool wide;       /* columns of priority 1 too */
	bool namespaces; /* a NAMESPACE column first */
	bool headers;    /* the line of column names before the first row */
	bool prefix;     /* "pod/" before names */
	/* private */
	json_t *columns; /* of the first Table; later ones of a watch have none */
	struct print_table table;
};

/* Free what V holds; idempotent. */
void table_view_deinit(struct table_view *v);

/* Take the rows of TABLE. */
void table_view_add(struct table_view *v, const json_t *table);

/* Append the text of the rows so far to OUT and forget them; widths and columns stay for later
 * rows. */
void table_view_flush(struct table_view *v, struct strbuf *out);
