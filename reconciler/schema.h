/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what fields each kind has: type, form, bounds, default, identity of list
 * elements, immutability, whether this release honours it, and a line of documentation. Decoding,
 * validation, defaulting, diffs and (later) merge patches and `explain` read it; nobody else knows
 * field names by heart except where they act on them.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/format.h"
#include "reconciler/kind.h"

enum schema_type {
	SCHEMA_STRING,
	SCHEMA_INT,
	SCHEMA_BOOL,
	SCHEMA_QUANTITY,
	SCHEMA_INT_OR_STRING,
	SCHEMA_OBJECT,
	SCHEMA_LIST,
	SCHEMA_MAP, /* with free keys */
	SCHEMA_ANY, /* valid Kubernetes whose inside is not looked at */
	SCHEMA_TYPE_N_,
};

enum schema_support {
	SUPPORT_FULL,
	SUPPORT_NOTE,   /* valid Kubernetes, not supported yet: a note says so and the object is
			   applied without it */
	SUPPORT_REFUSE, /* valid Kubernetes, not supported yet, and running without it would be
			   wrong: an error */
	SUPPORT_IGNORE, /* written by the server: accepted and dropped, as an API server does */
	SUPPORT_N_,
};

enum schema_flag {
	FIELD_REQUIRED = 1 << 0,
	FIELD_NOT_EMPTY = 1 << 1, /* a string, list or map that is given must not be empty */
	FIELD_IMMUTABLE = 1 << 2,
	FIELD_SECRET = 1 << 3,     /* its value must never be shown */
	FIELD_OMIT_ZERO = 1 << 4,  /* false or 0 means the same as a missing field */
	FIELD_DUPLICATES = 1 << 5, /* elements of one key are allowed; the last one counts */
};

struct schema_field {
	const char *name;
	enum schema_type type;
	enum schema_type of;         /* of a list's elements or a map's values */
	const struct schema *object; /* what an object, or each element, is made of */
	enum format format;          /* of a string, or each element */
	enum format key_format;      /* of a map's keys */
	unsigned int flags;
	int64_t min, max;          /* of integers; both 0: no bounds */
	const char *const *values; /* the only strings allowed, NULL-terminated */
	const char *fallback;      /* the default as JSON text */
	const char *list_key; /* what tells list elements apart: "name", "a,b", "=" (a set); NULL:
				 atomic */
	enum schema_support support;
	const char
		*harmless; /* JSON text of a value of an unsupported field that asks for nothing */
	const char *why;   /* of an unsupported field: what happens instead */
	const char *doc;
};

struct schema {
	const char *name;
	const struct schema_field *fields;
	size_t n;
};

/* The schema of objects of KIND; NULL for kinds that no manifest may hold. */
const struct schema *schema_of(enum kind kind);

/* The field NAME of S, or NULL. */
const struct schema_field *schema_field(const struct schema *s, const char *name);

/* The field of S that is meant by the misspelt NAME, or NULL. */
const char *schema_nearest(const struct schema *s, const char *name);

/* The field behind a dotted path without list steps ("spec.template.spec.containers.image"), or
 * NULL. */
const struct schema_field *schema_find(enum kind kind, const char *path);

/* "a string", "a list", ... for messages. */
const char *schema_type_name(enum schema_type type);

/*
 * The identity of list element ELEMENT under LIST_KEY, as text owned by the caller; NULL when it
 * has none. Missing parts of a key count as empty, a missing protocol as TCP.
 */
char *schema_element_key(const char *list_key, const json_t *element);

/* Well-known kinds of Kubernetes that recond does not have yet, NULL-terminated: "StatefulSet",
 * "CronJob", ... */
extern const char *const schema_foreign_kinds[];
