/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between yaml.c (a file) and yaml_compose.c (a piece of it): the state of reading one file.
 */
#pragma once

#include <stdbool.h>
#include <yaml.h>

#include "reconciler/yaml.h"

struct yaml_anchor {
	char *name;
	json_t *value; /* NULL while its node is still being read */
};

struct yaml_reader {
	struct yaml_file *file;
	size_t events;
	size_t alias_nodes;
	size_t alias_bytes;
	size_t documents;

	/* Of the piece being read. */
	yaml_parser_t parser;
	const char *text;
	size_t len;
	unsigned int first_line; /* of the piece in the file, from 1 */
	struct yaml_anchor anchors[YAML_MAX_ANCHORS];
	size_t n_anchors;
};

/*
 * Read one piece of the file, the N bytes at TEXT that begin in line FIRST_LINE, and append its
 * documents and errors. 0, or -EINVAL when reading stopped before its end.
 */
int yaml_piece_read(struct yaml_reader *r, const char *text, size_t n, unsigned int first_line);

/* Levels of nesting in J; 1 for a scalar. */
size_t yaml_depth(const json_t *j);

/* Note an error. Returns -EINVAL. */
int yaml_fail_at(struct yaml_reader *r, unsigned int line, unsigned int column, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
