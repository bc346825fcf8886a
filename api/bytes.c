/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference-counted immutable bytes. One thread, so a plain counter; nothing here knows what the
 * bytes say.
 */
#include "api/bytes_priv.h"

#include <assert.h>
#include <string.h>

struct bytes *bytes_new(const void *data, size_t n)
{
	struct bytes *b = mem_alloc(sizeof(*b) + n);

	b->refs = 1;
	b->len = n;
	memcpy(b->data, data, n);
	return b;
}

struct bytes *bytes_ref(struct bytes *b)
{
	assert(b->refs > 0);
	b->refs++;
	return b;
}

struct bytes *bytes_unref(struct bytes *b)
{
	if (!b)
		return NULL;
	assert(b->refs > 0);
	if (--b->refs == 0)
		free(b);
	return NULL;
}
