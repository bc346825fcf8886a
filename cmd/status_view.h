/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `recond status` knows and how it looks. Pure: rows of the daemon in, text out.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum status_list {
	STATUS_APPS,
	STATUS_DEPLOYMENTS,
	STATUS_PODS,
	STATUS_BUILDS,
	STATUS_SOURCES,
	STATUS_LIST_N_
};

/*
 * All rows by key "namespace/name": {"object": the document, "cells": {column name: text}}. The
 * cells are those the daemon computed.
 */
struct status_model {
	json_t *rows[STATUS_LIST_N_];
};

/* An empty model. */
void status_model_init(struct status_model *m);
void status_model_deinit(struct status_model *m);

/* Take the rows of a Table of LIST; COLUMNS are its definitions. DELETED: the rows are no more. */
void status_model_take(struct status_model *m, enum status_list list, const json_t *columns,
		       const json_t *table, bool deleted);

/* Forget the rows of LIST. */
void status_model_clear(struct status_model *m, enum status_list list);

struct status_style {
	unsigned int width; /* lines are cut here; 0 = never */
	bool colour;
	const char *const *apps; /* only these; NULL: all */
	size_t n_apps;
};

/* Append the whole view. */
void status_view_add(struct strbuf *out, const struct status_model *m,
		     const struct status_style *style);

/*
 * Append one line for each app, deployment, build, unwell source and pod that is not as it was told
 * before; TOLD (an object) remembers.
 */
void status_view_add_changes(struct strbuf *out, const struct status_model *m,
			     const struct status_style *style, json_t *told);

/* The documents as {"apps": [...], "deployments": [...], "pods": [...], "builds": [...], "sources":
 * [...]}. Owned by the caller. */
json_t *status_view_json(const struct status_model *m, const struct status_style *style);

/* The first of STYLE's apps that is not there, or NULL. Borrowed from it. */
const char *status_view_missing(const struct status_model *m, const struct status_style *style);

/* True when every app is Verified, Held or Invalid and there is one, or all that STYLE names. */
bool status_view_settled(const struct status_model *m, const struct status_style *style);

/* COMMAND_EXIT_OK, COMMAND_EXIT_FAILED (something is held or invalid, or a source cannot be read)
 * or COMMAND_EXIT_UNSETTLED. */
int status_view_exit(const struct status_model *m, const struct status_style *style);
