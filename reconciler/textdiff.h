/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unified diffs of texts, line by line, after Myers. Pure; knows nothing of objects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

#define TEXTDIFF_CONTEXT 3
/* Beyond so many differing lines the whole middle is shown as replaced instead of searched. */
#define TEXTDIFF_MAX_EDITS 1000

/*
 * Append the unified diff from text A to text B ("@@ -1,4 +1,5 @@" hunks, no file names). Returns
 * whether they differ; nothing is appended when not.
 */
bool textdiff_unified(struct strbuf *out, const char *a, const char *b);
