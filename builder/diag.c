/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collected findings about a Dockerfile.
 */
#include "builder/diag.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/strbuf.h"

#define DIAG_MAX_ERRORS 100
#define DIAG_MAX_TEXT 2048 /* longer ones are cut, as an err is */

void diag_deinit(struct diag *d)
{
	strlist_deinit(&d->errors);
	strlist_deinit(&d->warnings);
}

__attribute__((format(printf, 4, 0))) static void
diag_add(struct strlist *to, const char *file, unsigned line, const char *fmt, va_list ap)
{
	autostrbuf sb = STRBUF_INIT;
	char text[DIAG_MAX_TEXT];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	strbuf_add_escaped(&sb, file, strlen(file));
	if (line)
		strbuf_addf(&sb, ":%u", line);
	strbuf_adds(&sb, ": ");
	strbuf_add_escaped(&sb, text, strlen(text));
	strlist_add_take(to, strbuf_take(&sb));
}

void diag_error(struct diag *d, unsigned line, const char *fmt, ...)
{
	va_list ap;

	assert(d->file);
	if (d->errors.n >= DIAG_MAX_ERRORS)
		return;
	va_start(ap, fmt);
	diag_add(&d->errors, d->file, line, fmt, ap);
	va_end(ap);
}

void diag_warn(struct diag *d, unsigned line, const char *fmt, ...)
{
	va_list ap;

	assert(d->file);
	if (d->warnings.n >= DIAG_MAX_ERRORS)
		return;
	va_start(ap, fmt);
	diag_add(&d->warnings, d->file, line, fmt, ap);
	va_end(ap);
}

bool diag_failed(const struct diag *d)
{
	return d->errors.n > 0;
}

int diag_to_err(const struct diag *d, struct err *err)
{
	autostrbuf sb = STRBUF_INIT;

	assert(diag_failed(d));
	for (size_t i = 0; i < d->errors.n; i++) {
		if (i)
			strbuf_addc(&sb, '\n');
		strbuf_adds(&sb, d->errors.items[i]);
	}
	return err_set(err, ERR_INVALID, EINVAL, "BuildFailed", "%s", strbuf_str(&sb));
}
