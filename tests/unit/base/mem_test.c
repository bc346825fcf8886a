/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation, ownership macros, and the abort that stands for exhaustion. */
#include "base/mem.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

Test(mem, copies_are_terminated_and_independent)
{
	autofree char *a = mem_strdup("abc");
	autofree char *b = mem_strndup("abcdef", 3);
	autofree char *c = mem_strndup("ab", 10);
	autofree char *d = mem_asprintf("%s-%d", "x", 7);
	autofree void *e = mem_memdup("\0\1", 2);

	cr_expect_str_eq(a, "abc");
	cr_expect_str_eq(b, "abc");
	cr_expect_str_eq(c, "ab");
	cr_expect_str_eq(d, "x-7");
	cr_expect_arr_eq(e, "\0\1", 2);
	cr_expect_null(mem_strdup(NULL));
}

Test(mem, nothing_is_still_a_pointer)
{
	autofree void *a = mem_alloc(0);
	autofree void *b = mem_calloc(0, 8);
	autofree void *c = mem_realloc(NULL, 0, 8);
	autofree char *d = mem_strndup(NULL, 0);

	cr_expect(a && b && c);
	cr_expect_str_eq(d, "");
}

Test(mem, grow_doubles_and_keeps_contents)
{
	int *v = NULL;
	size_t cap = 0;

	for (size_t i = 0; i < 100; i++) {
		GROW(v, cap, i + 1);
		v[i] = (int)i;
	}
	cr_expect_eq(cap, 128);
	for (size_t i = 0; i < 100; i++)
		cr_expect_eq(v[i], (int)i);
	GROW(v, cap, 1000);
	cr_expect_eq(cap, 1000);
	free(v);
}

Test(mem, an_overflowing_size_aborts, .signal = SIGABRT)
{
	autofree void *p = mem_realloc(NULL, SIZE_MAX / 2, 3);
}

Test(mem, taking_leaves_the_null_value)
{
	autofree char *p = mem_strdup("x");
	autofree char *q = TAKE_PTR(p);
	autoclose int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	autoclose int taken = TAKE_FD(fd);

	cr_expect_null(p);
	cr_expect_str_eq(q, "x");
	cr_expect_eq(fd, -1);
	cr_expect_geq(taken, 0);
}

Test(mem, autoclose_closes)
{
	int seen;

	{
		autoclose int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		seen = fd;
		cr_assert_geq(fcntl(seen, F_GETFD), 0);
	}
	cr_expect_eq(fcntl(seen, F_GETFD), -1);
	cr_expect_eq(mem_close(-1), -1);
}
