/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML (and JSON) files as kubectl reads them, into JSON documents with the place of every node.
 * Bytes from outside: everything is bounded. Links libyaml, so only workers may use this file.
 *
 * Deviations from kubectl, all towards saying more: a duplicate key is an error, a document after
 * "..." is read, and invalid UTF-8 is an error.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "reconciler/mark.h"

#define YAML_MAX_BYTES (1u << 20)  /* of a file */
#define YAML_MAX_DEPTH 64          /* of nesting */
#define YAML_MAX_EVENTS 200000     /* in a file; 1 MiB of ordinary manifests has about 120,000 */
#define YAML_MAX_DOCUMENTS 256     /* in a file */
#define YAML_MAX_ANCHORS 256       /* in a document */
#define YAML_MAX_ALIAS_NODES 10000 /* that aliases add, in a file */
#define YAML_MAX_ALIAS_BYTES (4u << 20) /* of text that aliases add, in a file */
#define YAML_MAX_KEY_BYTES 1024
#define YAML_MAX_ERRORS 100 /* in a file; then it says that there are more */

struct yaml_document {
	json_t *value; /* owned */
	struct mark mark;
};

struct yaml_error {
	unsigned int line, column; /* from 1 */
	char *message;             /* owned; lower case, no full stop */
};

struct yaml_file {
	struct yaml_document
		*documents; /* those without an error, in order; empty ones are left out */
	size_t n_documents;
	size_t cap_documents;
	struct yaml_error *errors;
	size_t n_errors;
	size_t cap_errors;
};

/*
 * Read the N bytes at TEXT (any bytes). An error in one document leaves the others of the file. F
 * need not be initialised and is to be deinited in either case. 0 when there was no error, else
 * -EINVAL.
 */
int yaml_read(struct yaml_file *f, const char *text, size_t n);

/* Free what F owns. Idempotent. */
void yaml_file_deinit(struct yaml_file *f);
