/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a YAML scalar means: the YAML 1.1 typing that kubectl applies ("yes" is a boolean, "0777" is
 * 511, a date is a string). The reader (yaml.c) and the writer (yamlout.c) share this one table, so
 * that what is written reads back the same.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scalar_type {
	SCALAR_STRING, /* also timestamps: Kubernetes keeps their text */
	SCALAR_NULL,
	SCALAR_BOOL,
	SCALAR_INT,
	SCALAR_FLOAT,
	SCALAR_TYPE_N_,
};

struct scalar {
	enum scalar_type type;
	bool boolean;
	bool too_big; /* an integer beyond int64, held in REAL */
	int64_t integer;
	double real;
	char *text; /* the string; owned, freed by scalar_deinit */
	size_t len;
};

/* Free the text. Idempotent. */
void scalar_deinit(struct scalar *s);

/*
 * Resolve the N bytes at TEXT. TAG is the node's full tag ("tag:yaml.org,2002:int"), or NULL: then
 * a PLAIN scalar is typed by its text and any other is a string. 0 and *ret (to be deinited), or
 * -EINVAL with *ret_problem (static).
 */
int scalar_resolve(struct scalar *ret, const char **ret_problem, const char *tag, bool plain,
		   const char *text, size_t n);

/* As a JSON value, owned by the caller; NULL with *ret_problem when JSON has no such value
 * (infinity, NaN, NUL byte). */
json_t *scalar_to_json(const struct scalar *s, const char **ret_problem);

/* As the key of a mapping, owned by the caller; NULL with *ret_problem when it can't be one. */
char *scalar_to_key(const struct scalar *s, const char **ret_problem);

/* Would the plain text S be read back as the string S? (Its typing alone; indicators are
 * yamlout.c's business.) */
bool scalar_plain_is_string(const char *s);
