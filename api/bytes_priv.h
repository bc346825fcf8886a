/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Immutable bytes shared by reference count: an event is serialised once and then stands in the
 * queue of every client that watches.
 */
#pragma once

#include <stddef.h>

#include "base/mem.h"

struct bytes {
	unsigned int refs;
	size_t len;
	char data[];
};

/* A copy of N bytes at DATA with one reference, owned by the caller. */
struct bytes *bytes_new(const void *data, size_t n);

/* One more reference to B; returns B. */
struct bytes *bytes_ref(struct bytes *b);

/* Drop a reference; NULL is fine. Returns NULL. */
struct bytes *bytes_unref(struct bytes *b);
DEFINE_FREEP(struct bytes, bytes_unref)
