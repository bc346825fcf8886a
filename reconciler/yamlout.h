/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents as YAML for people: sorted keys, lists not indented, as `kubectl -o yaml` prints.
 * What is written here reads back the same through yaml.c: quoting goes by the reader's own typing
 * table (scalar.h).
 */
#pragma once

#include <jansson.h>

#include "base/strbuf.h"

/* Append J as one YAML document without a marker, with a final newline. */
void yamlout_write(struct strbuf *out, const json_t *j);
