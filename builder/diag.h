/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a Dockerfile, all of it at once: each finding is one line "file:line: text".
 * Reading and planning collect here instead of stopping at the first mistake; only the collected
 * whole becomes an error.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct diag {
	const char *file;        /* as the user knows it; borrowed */
	struct strlist errors;   /* "file:line: text", in order of finding */
	struct strlist warnings; /* same form; never change the image */
};
#define autodiag __attribute__((cleanup(diag_deinit))) struct diag

/* Free the collected lines; idempotent. */
void diag_deinit(struct diag *d);

/*
 * Record an error (a warning) at LINE; 0 means the file as a whole ("file: text"). Bytes that could
 * disturb a terminal are escaped. After 100 errors the rest is dropped.
 */
void diag_error(struct diag *d, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warn(struct diag *d, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* True when an error was recorded. */
bool diag_failed(const struct diag *d);

/* All errors, one per line, as an invalid err with reason BuildFailed. Returns -EINVAL. */
int diag_to_err(const struct diag *d, struct err *err);
