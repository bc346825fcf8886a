/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that never fails, ownership macros and cleanup attributes. A daemon whose containers
 * outlive it restarts through a tested path, so running out of memory ends the process at once
 * (abort) instead of taking rarely tested branches. Sizes that come from outside are bounded by the
 * caller *before* they reach this file.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Allocate SIZE bytes, uninitialised; 0 gives a unique pointer. Never NULL: aborts when memory is
 * exhausted.
 */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/*
 * Allocate N zeroed elements of SIZE bytes each; aborts on overflow of N * SIZE as on exhaustion.
 */
void *mem_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/*
 * Resize PTR (NULL allowed) to N elements of SIZE bytes; old contents kept. Returns the new
 * pointer, owns it.
 */
void *mem_realloc(void *ptr, size_t n, size_t size) __attribute__((returns_nonnull));

/* Copy of the string S, owned by the caller; NULL gives NULL. */
char *mem_strdup(const char *s);

/* Copy of at most N bytes of S plus a terminating NUL, owned by the caller. */
char *mem_strndup(const char *s, size_t n) __attribute__((returns_nonnull));

/* Copy of N bytes at P, owned by the caller. */
void *mem_memdup(const void *p, size_t n) __attribute__((returns_nonnull));

/* printf into a new string, owned by the caller. Never NULL. */
char *mem_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *mem_vasprintf(const char *fmt, va_list ap)
	__attribute__((format(printf, 1, 0), returns_nonnull));

/* One zeroed object of TYPE. */
#define NEW(type) ((type *)mem_calloc(1, sizeof(type)))

/*
 * Grow the array PTR (capacity variable CAP, element count wanted N) geometrically. PTR and CAP are
 * updated.
 */
#define GROW(ptr, cap, n)                                                                          \
	do {                                                                                       \
		if ((size_t)(n) > (size_t)(cap)) {                                                 \
			size_t grow_cap_ = (cap) ? 2 * (size_t)(cap) : 8;                          \
			if (grow_cap_ < (size_t)(n))                                               \
				grow_cap_ = (size_t)(n);                                           \
			(ptr) = mem_realloc((ptr), grow_cap_, sizeof(*(ptr)));                     \
			(cap) = grow_cap_;                                                         \
		}                                                                                  \
	} while (0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define UNUSED __attribute__((unused))

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Hand over ownership: yields the value and leaves the null value behind. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_ = (fd);                                                                  \
		(fd) = -1;                                                                         \
		take_;                                                                             \
	})

/* Define x_freep() for `_cleanup_(x_freep)` from a destructor `T *x_free(T *)`. */
#define DEFINE_FREEP(type, free_fn)                                                                \
	static inline void free_fn##p(type **p)                                                    \
	{                                                                                          \
		if (*p)                                                                            \
			free_fn(*p);                                                               \
		*p = NULL;                                                                         \
	}

/* The handlers behind autofree and autoclose. */
static inline void mem_freep(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

/* As mem_freep for a descriptor; -1 is none. */
static inline void mem_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Close FD if it is one; always -1, so `fd = mem_close(fd)`. */
static inline int mem_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

#define autofree __attribute__((cleanup(mem_freep)))
#define autoclose __attribute__((cleanup(mem_closep)))
