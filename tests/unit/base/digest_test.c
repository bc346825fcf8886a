/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the vectors of FIPS 180-2, and the gate for digests from outside. */
#include "base/digest.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define OF_NOTHING "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

Test(digest, known_vectors)
{
	char d[DIGEST_STR_SIZE];

	digest_bytes(d, "", 0);
	cr_expect_str_eq(d, OF_NOTHING);
	digest_bytes(d, "abc", 3);
	cr_expect_str_eq(d, OF_ABC);
}

Test(digest, pieces_give_the_same_as_the_whole)
{
	_cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
	char d[DIGEST_STR_SIZE];

	digest_update(ctx, "a", 1);
	digest_update(ctx, "", 0);
	digest_update(ctx, "bc", 2);
	digest_final(ctx, d);
	cr_expect_str_eq(d, OF_ABC);
	cr_expect_null(digest_free(NULL));
}

Test(digest, of_a_file_starts_where_the_file_stands)
{
	FILE *f = tmpfile();
	char d[DIGEST_STR_SIZE];
	size_t size = 0;
	struct err e = {0};

	cr_assert(f && fputs("xabc", f) >= 0 && fflush(f) == 0);
	cr_assert_eq(lseek(fileno(f), 1, SEEK_SET), 1);
	cr_assert_eq(digest_fd(d, &size, fileno(f), &e), 0);
	cr_expect_str_eq(d, OF_ABC);
	cr_expect_eq(size, 3);
	cr_expect_eq(digest_fd(d, NULL, fileno(f), &e), 0);
	cr_expect_str_eq(d, OF_NOTHING);
	(void)fclose(f);
}

Test(digest, of_a_directory_is_an_error)
{
	autoclose int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char d[DIGEST_STR_SIZE];
	struct err e = {0};

	cr_expect_eq(digest_fd(d, NULL, fd, &e), -EISDIR);
	cr_expect_str_eq(e.message, "read: Is a directory");
}

Test(digest, validity)
{
	static const struct {
		const char *name, *in;
		bool want;
	} cases[] = {
		{"a digest", OF_ABC, true},
		{"none", NULL, false},
		{"empty", "", false},
		{"no algorithm", OF_ABC + 7, false},
		{"another algorithm",
		 "sha512:"
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 false},
		{"upper case",
		 "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false},
		{"one digit short",
		 "sha256:a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false},
		{"one digit long", OF_ABC "0", false},
		{"a path for a digit",
		 "sha256:../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false},
		{"a line break behind it", OF_ABC "\n", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(digest_valid(cases[i].in), cases[i].want, "%s", cases[i].name);
	cr_expect_str_eq(digest_hex(OF_ABC), OF_ABC + strlen("sha256:"));
}
