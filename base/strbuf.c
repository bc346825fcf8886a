/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing byte buffer. One byte of the capacity is always kept for the terminating NUL.
 */
#include "base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Make room for EXTRA more bytes and the NUL. */
static void reserve(struct strbuf *sb, size_t extra)
{
	size_t want;

	if (__builtin_add_overflow(sb->len, extra, &want) ||
	    __builtin_add_overflow(want, (size_t)1, &want))
		abort();
	GROW(sb->data, sb->cap, want);
}

void strbuf_deinit(struct strbuf *sb)
{
	free(sb->data);
	*sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_truncate(sb, 0);
}

void strbuf_add(struct strbuf *sb, const void *data, size_t n)
{
	assert(data || n == 0);
	reserve(sb, n);
	if (n)
		memcpy(sb->data + sb->len, data, n);
	sb->len += n;
	sb->data[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addc(struct strbuf *sb, char c)
{
	reserve(sb, 1);
	sb->data[sb->len++] = c;
	sb->data[sb->len] = '\0';
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	reserve(sb, 0);
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(sb->data + sb->len, sb->cap - sb->len, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n >= sb->cap - sb->len) {
		reserve(sb, (size_t)n);
		n = vsnprintf(sb->data + sb->len, sb->cap - sb->len, fmt, again);
		assert(n >= 0 && (size_t)n < sb->cap - sb->len);
	}
	va_end(again);
	sb->len += (size_t)n;
}

/* Characters that move the cursor, start escape sequences, break lines or reorder what is shown. */
static bool is_unsafe(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},     /* C0 */
		{0x7f, 0x9f},     /* DEL, C1 */
		{0x061c, 0x061c}, /* Arabic letter mark */
		{0x200e, 0x200f}, /* left-to-right, right-to-left marks */
		{0x2028, 0x202e}, /* line and paragraph separators, embeddings, overrides */
		{0x2066, 0x2069}, /* isolates */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

void strbuf_add_escaped(struct strbuf *sb, const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint32_t c = 0;
		size_t len = str_utf8_len(&c, s + i, n - i);

		if (len > 0 && !is_unsafe(c)) {
			strbuf_add(sb, s + i, len);
			i += len;
			continue;
		}
		for (size_t end = i + (len ? len : 1); i < end; i++)
			strbuf_addf(sb, "\\x%02x", (unsigned char)s[i]);
	}
}

void strbuf_consume(struct strbuf *sb, size_t n)
{
	assert(n <= sb->len);
	if (n == 0)
		return;
	memmove(sb->data, sb->data + n, sb->len - n + 1);
	sb->len -= n;
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
	assert(len <= sb->len);
	sb->len = len;
	if (sb->data)
		sb->data[len] = '\0';
}

const char *strbuf_str(const struct strbuf *sb)
{
	return sb->data ? sb->data : "";
}

char *strbuf_take(struct strbuf *sb)
{
	char *s = sb->data ? sb->data : mem_strdup("");

	*sb = (struct strbuf)STRBUF_INIT;
	return s;
}
