/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what a test prints, compared with tests/golden/NAME. With RECOND_GOLDEN=update in
 * the environment the file is written instead; review the difference like code.
 */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* The whole file tests/golden/NAME, owned by the caller; NULL when it isn't there. */
static inline char *golden_read(const char *name, size_t *ret_len)
{
	autofree char *path = mem_asprintf("%s/tests/golden/%s", getenv("SOURCE_DIR"), name);
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!in)
		return NULL;
	n = getdelim(&text, &cap, -1, in);
	if (n < 0) {
		free(text);
		text = mem_strdup("");
		n = 0;
	}
	(void)fclose(in);
	if (ret_len)
		*ret_len = (size_t)n;
	return text;
}

static inline void golden_check(const char *name, const char *got)
{
	autofree char *want = golden_read(name, NULL);

	if (str_eq(getenv("RECOND_GOLDEN"), "update")) {
		autofree char *path =
			mem_asprintf("%s/tests/golden/%s", getenv("SOURCE_DIR"), name);
		FILE *out = fopen(path, "we");

		cr_assert(out && fputs(got, out) >= 0, "%s", path);
		(void)fclose(out);
		return;
	}
	cr_expect(want && str_eq(got, want), "%s differs; got:\n%s\nwant:\n%s", name, got, want);
}
