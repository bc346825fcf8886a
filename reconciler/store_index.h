/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's index by owner: what a controller owns is found without a walk over everything. Kept
 * by store.c, which is the only caller.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/kind.h"

struct store_index {
	json_t *by_owner;         /* uid of an owner -> { uid -> object } */
	json_t *orphans[KIND_N_]; /* namespace -> { uid -> object without a controller } */
};

/* An empty index / free what it holds. Objects are referenced, not copied. */
void store_index_init(struct store_index *x);
void store_index_deinit(struct store_index *x);

/* OBJECT is in the store from now on, or no longer (as it was when it was added). Events are left
 * out. */
void store_index_add(struct store_index *x, json_t *object);
void store_index_remove(struct store_index *x, const json_t *object);

/* See store_owned, store_orphans, store_dependents. */
json_t *store_index_owned(const struct store_index *x, enum kind kind, const json_t *owner);
json_t *store_index_orphans(const struct store_index *x, enum kind kind, const char *ns);
json_t *store_index_dependents(const struct store_index *x, const char *uid);

/* The objects of MAP (a JSON object of any keys) that FITS wants (NULL: all), by namespace and
 * name, as a new array. Owned by the caller. */
json_t *store_index_sorted(json_t *map, bool (*fits)(const json_t *object, const void *data),
			   const void *data);
