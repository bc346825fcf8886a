/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of checks: what is made is read back, and nothing else is taken for one. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "reconciler/controllers/pod_check.h"

Test(pod_check, an_id_is_read_back_as_it_was_made)
{
	autofree char *id = pod_check_id("uid-1", "web", 7, "readiness");
	struct pod_check_id parts;

	cr_assert_str_eq(id, "uid-1/web/7/readiness");
	cr_assert(pod_check_id_parse(&parts, id));
	cr_expect_str_eq(parts.uid, "uid-1");
	cr_expect_str_eq(parts.container, "web");
	cr_expect_eq(parts.attempt, 7);
	cr_expect_str_eq(parts.check, "readiness");
	pod_check_id_deinit(&parts);
}

Test(pod_check, what_is_no_id_is_refused)
{
	static const char *const bad[] = {
		"",       "u",       "u/c",      "u/c/1",    "u/c/1/",
		"u/c//r", "u/c/x/r", "u/c/-1/r", "u/c/1x/r", "u/c/99999999999/r"};
	struct pod_check_id parts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_not(pod_check_id_parse(&parts, bad[i]), "input: '%s'", bad[i]);
}
