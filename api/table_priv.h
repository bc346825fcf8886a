/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Table form of resources (meta.k8s.io/v1): what kubectl and recond's own command line print.
 * Columns exist here and nowhere else; every kind has kubectl's.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/kind.h"

/* What accompanies the cells of a row (query parameter includeObject). */
enum table_include { TABLE_METADATA, TABLE_OBJECT, TABLE_NONE, TABLE_INCLUDE_N_ };

struct table_column {
	const char *name;   /* kubectl prints it in capitals */
	const char *type;   /* "string", "integer", "date" */
	const char *format; /* "name" for the name column, else "" */
	int priority;       /* 0 always shown, 1 only with -o wide */
	json_t *(*cell)(const json_t *object, int64_t now_ns);
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
};

/* The columns of KIND; never NULL. */
const struct table *table_of(enum kind kind);

/* The columns of the images in recond's own image store (resource localimages). */
const struct table *table_of_local_images(void);

/*
 * A new Table document without rows. Column definitions are left out when T is NULL (later events
 * of a watch). RESOURCE_VERSION may be "". Owned by the caller.
 */
json_t *table_new(const struct table *t, const char *resource_version);

/* A new row for OBJECT; ages are as of NOW_NS (epoch). Owned by the caller. */
json_t *table_row(const struct table *t, const json_t *object, enum table_include include,
		  int64_t now_ns);

/* The cells of a pod that are more than a field (table_pod.c). READY "1/2", STATUS, RESTARTS "3 (2m
 * ago)". */
json_t *table_pod_ready(const json_t *pod, int64_t now_ns);
json_t *table_pod_status(const json_t *pod, int64_t now_ns);
json_t *table_pod_restarts(const json_t *pod, int64_t now_ns);
