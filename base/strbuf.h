/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer that is always NUL-terminated once something was added. The only way
 * strings are composed in this tree; bounded composition of foreign input is the caller's duty.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct strbuf {
	char *data; /* NULL while empty */
	size_t len;
	size_t cap;
};

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}
#define autostrbuf __attribute__((cleanup(strbuf_deinit))) struct strbuf

/* Free the contents; SB is empty and usable again. Idempotent. */
void strbuf_deinit(struct strbuf *sb);

/* Forget the contents, keep the memory. */
void strbuf_reset(struct strbuf *sb);

/* Append N bytes / a string / one character / printf output. */
void strbuf_add(struct strbuf *sb, const void *data, size_t n);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Append S so that it is safe on a terminal and in a log line: C0 (line breaks too), C1, DEL,
 * U+2028, U+2029, bidi controls and invalid UTF-8 become \xNN for each byte; other valid UTF-8
 * stays.
 */
void strbuf_add_escaped(struct strbuf *sb, const char *s, size_t n);

/* Remove N bytes from the front. */
void strbuf_consume(struct strbuf *sb, size_t n);

/* Cut to LEN bytes (LEN <= sb->len). */
void strbuf_truncate(struct strbuf *sb, size_t len);

/* The contents as a borrowed string, "" when empty. */
const char *strbuf_str(const struct strbuf *sb);

/* Hand over the contents as a string the caller frees (never NULL); SB is empty afterwards. */
char *strbuf_take(struct strbuf *sb);
