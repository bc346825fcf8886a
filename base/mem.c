/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that never fails. Exhaustion aborts after one line on stderr: no branch for it exists
 * anywhere else.
 */
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
	static const char text[] = "recond: out of memory\n";

	if (p)
		return p;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *mem_calloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *mem_realloc(void *ptr, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return checked(NULL);
	return checked(realloc(ptr, total ? total : 1));
}

char *mem_strdup(const char *s)
{
	if (!s)
		return NULL;
	return mem_memdup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len;
	char *copy;

	assert(s || n == 0);
	len = n ? strnlen(s, n) : 0;
	copy = mem_alloc(len + 1);
	if (len)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void *mem_memdup(const void *p, size_t n)
{
	void *copy;

	assert(p || n == 0);
	copy = mem_alloc(n);
	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *mem_vasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;
	int n;

	n = vasprintf(&s, fmt, ap);
	return checked(n < 0 ? NULL : s);
}

char *mem_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vasprintf(fmt, ap);
	va_end(ap);
	return s;
}
