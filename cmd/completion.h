/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion scripts out of the tables of commands and flags. The copies in contrib/completions are
 * compared with these by a test.
 */
#pragma once

#include <stdbool.h>

#include "base/strbuf.h"

/* Append the script for SHELL ("bash", "zsh", "fish"); false when there is none. */
bool completion_add(struct strbuf *out, const char *shell);
