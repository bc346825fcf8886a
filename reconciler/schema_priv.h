/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the schema that are shared between its files, and the words its rows are written in.
 */
#pragma once

#include "base/mem.h"
#include "reconciler/schema.h"

/* clang-format off */
#define OBJECT(s)       .type = SCHEMA_OBJECT, .object = &(s)
#define LIST_OF(s)      .type = SCHEMA_LIST, .of = SCHEMA_OBJECT, .object = &(s)
#define STRINGS         .type = SCHEMA_LIST, .of = SCHEMA_STRING
#define INTS            .type = SCHEMA_LIST, .of = SCHEMA_INT
#define STRING_MAP      .type = SCHEMA_MAP, .of = SCHEMA_STRING
#define QUANTITY_MAP    .type = SCHEMA_MAP, .of = SCHEMA_QUANTITY
#define STRING          .type = SCHEMA_STRING
#define INT             .type = SCHEMA_INT
#define BOOL            .type = SCHEMA_BOOL
#define QUANTITY        .type = SCHEMA_QUANTITY
#define INT_OR_STRING   .type = SCHEMA_INT_OR_STRING
#define ANY             .type = SCHEMA_ANY

#define REQUIRED        .flags = FIELD_REQUIRED | FIELD_NOT_EMPTY
#define ZERO_IS_NONE    .flags = FIELD_OMIT_ZERO
#define NATURAL         .min = 0, .max = INT32_MAX
#define PORT            .min = 1, .max = 65535
#define ONE_OF(...)     .values = (const char *const[]){ __VA_ARGS__, NULL }
#define DEFAULT(text)   .fallback = (text)
#define KEYED(k)        .list_key = (k)

#define UNSUPPORTED(w)  .support = SUPPORT_NOTE, .why = (w)
#define REFUSED(w)      .support = SUPPORT_REFUSE, .why = (w)
#define IGNORED         .support = SUPPORT_IGNORE
#define UNLESS(text)    .harmless = (text)

/* What every object has; its spec follows, then STATUS. */
#define HEAD \
	{ "apiVersion", STRING, REQUIRED, .doc = "The version of the kind's schema." }, \
	{ "kind", STRING, REQUIRED, .doc = "What this object is." }, \
	{ "metadata", OBJECT(schema_meta), REQUIRED, .doc = "Name, namespace, labels, annotations." }
#define STATUS { "status", ANY, IGNORED, .doc = "Written by recond." }
/* clang-format on */

/* Define a schema over the array FIELDS. */
#define SCHEMA(id, shown, list)                                                                    \
	const struct schema id = {.name = (shown), .fields = (list), .n = ARRAY_SIZE(list)}

extern const struct schema schema_meta;           /* of an object */
extern const struct schema schema_template_meta;  /* of a pod template */
extern const struct schema schema_label_selector; /* matchLabels and matchExpressions */
extern const struct schema schema_object_field;   /* fieldRef */
extern const struct schema schema_resource_field; /* resourceFieldRef */
extern const struct schema schema_pod_template;   /* of a workload */
extern const struct schema schema_pod_spec;
extern const struct schema schema_job;
extern const struct schema schema_container;
extern const struct schema schema_init_container;
extern const struct schema schema_volume;
extern const struct schema schema_probe;
extern const struct schema schema_lifecycle;
extern const struct schema schema_container_security;
extern const struct schema schema_pod_security;
extern const struct schema schema_affinity;
extern const struct schema schema_toleration;
extern const struct schema schema_spread;
extern const struct schema schema_source_spec;
