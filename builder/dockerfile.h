/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Dockerfile as bytes becomes a list of instructions with their lines. Pure: nothing is expanded,
 * opened or decided here. Every error of the file is found in one go.
 */
#pragma once

#include <stddef.h>

#include "base/mem.h"
#include "builder/diag.h"
#include "builder/instr.h"

#define DOCKERFILE_MAX_BYTES (1u << 20)
#define DOCKERFILE_MAX_LINE 65535

struct dockerfile {
	char escape; /* '\\' unless the directive "escape" says '`' */
	struct instr *instrs;
	size_t n;
	size_t cap;
};

/*
 * Parse N bytes. Understands parser directives, comments, continuation lines, CRLF and a byte order
 * mark. Errors and warnings go to D, whose file name they carry. 0 with *ret (owned by the caller;
 * at least one FROM, every instruction acceptable by itself), or -EINVAL with errors in D.
 */
int dockerfile_parse(struct dockerfile **ret, const char *text, size_t n, struct diag *d);

/* NULL is fine; returns NULL. */
struct dockerfile *dockerfile_free(struct dockerfile *f);
DEFINE_FREEP(struct dockerfile, dockerfile_free)
