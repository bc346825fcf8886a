/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text: the shortest decimal that reads back as the same value, as Go and JavaScript
 * print it. jansson's own printer writes 0.1 as 0.10000000000000001, which no person wants to see
 * in a diff.
 */
#pragma once

#include <jansson.h>

#define NUMBER_TEXT_SIZE 40

/* V as JSON text ("0.1", "1e+21"); V is finite. */
void number_format(char ret[NUMBER_TEXT_SIZE], double v);

/* An integer or real J as JSON text. */
void number_format_json(char ret[NUMBER_TEXT_SIZE], const json_t *j);

/*
 * V as Go's strconv.FormatFloat(v, 'g', -1, 32) prints it: how Kubernetes' YAML reader turns a
 * number that stands as a key into the key's text.
 */
void number_format_key(char ret[NUMBER_TEXT_SIZE], double v);
