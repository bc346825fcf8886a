/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found wrong, or worth saying, about the objects of an app: gathered in any order, shown
 * in the order of the files as "file:line:column: Kind/name: field.path: what".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "reconciler/mark.h"

#define FINDINGS_MAX 300 /* of one app; then a last one says that there are more */

struct finding {
	char *file; /* NULL: no place */
	unsigned int line, column;
	char *text;
};

struct findings {
	struct finding *items;
	size_t n;
	size_t cap;
};

/* Where an object stands; FILE is NULL for one that came from no file, MARK then, too. Borrowed. */
struct finding_place {
	const char *file;
	const struct mark *mark;
	const char *object; /* "Deployment/web" */
};

/* Is there room for no more? Then looking further is a waste; each finding costs a search for its
 * place. */
bool findings_full(const struct findings *f);

/* Free all findings; F is empty and usable again. */
void findings_deinit(struct findings *f);

/* Add "<object>: <path>: <message>" at the place of PATH in the object. PATH may be NULL. */
void findings_add(struct findings *f, const struct finding_place *at, const struct path *path,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same at the key of PATH, for a field that should not be there. */
void findings_add_key(struct findings *f, const struct finding_place *at, const struct path *path,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Add TEXT at a place of a file. LINE 0: of the file as a whole. */
void findings_add_text(struct findings *f, const char *file, unsigned int line, unsigned int column,
		       const char *text);

/* All as a JSON array of strings, in the order of files and lines. Owned by the caller. */
json_t *findings_to_json(struct findings *f);
