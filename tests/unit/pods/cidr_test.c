/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and the pool of pod addresses. */
#include "runtime/cidr.h"

#include <criterion/criterion.h>

Test(cidr, parse)
{
	static const struct {
		const char *name, *in;
		int want;
	} cases[] = {
		{"a /16", "10.88.0.0/16", 0},
		{"the smallest", "10.88.0.8/29", 0},
		{"too small", "10.88.0.0/30", -EINVAL},
		{"too large", "10.0.0.0/7", -EINVAL},
		{"host bits", "10.88.0.1/16", -EINVAL},
		{"no length", "10.88.0.0", -EINVAL},
		{"a leading zero", "10.88.0.0/016", -EINVAL},
		{"not four numbers", "10.88.0/16", -EINVAL},
		{"IPv6", "fd00::/64", -EINVAL},
		{"empty", "", -EINVAL},
		{"garbage behind", "10.88.0.0/16 ", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		struct cidr c;

		cr_expect_eq(cidr_parse(&c, cases[i].in, &err), cases[i].want, "%s", cases[i].name);
	}
}

Test(cidr, addresses)
{
	char text[CIDR_ADDRESS_SIZE];
	uint32_t a;

	cr_assert_eq(cidr_parse_address(&a, "10.88.1.255"), 0);
	cr_expect_eq(a, 0x0a5801ffu);
	cidr_format_address(text, a);
	cr_expect_str_eq(text, "10.88.1.255");
	cr_expect_lt(cidr_parse_address(&a, "10.88.1.256"), 0);
	cr_expect_lt(cidr_parse_address(&a, ""), 0);
}

Test(cidr, a_pool_gives_each_address_once_and_the_freed_one_last)
{
	struct cidr c = {.network = 0x0a000000, .prefix = 29};
	struct cidr_pool p;
	uint32_t a, first;

	cidr_pool_init(&p, &c);
	cr_assert_eq(cidr_pool_take(&p, &first), 1);
	cr_expect_eq(first, c.network + 2, "network and gateway are not given");
	cr_assert_eq(cidr_pool_take(&p, &a), 1);
	cidr_pool_release(&p, first);
	for (uint32_t i = 4; i <= 6; i++) {
		cr_assert_eq(cidr_pool_take(&p, &a), 1);
		cr_expect_eq(a, c.network + i);
	}
	cr_assert_eq(cidr_pool_take(&p, &a), 1);
	cr_expect_eq(a, first, "an address rests as long as it can");
	cr_expect_eq(cidr_pool_take(&p, &a), 0, "the broadcast address is not given");
	cidr_pool_deinit(&p);
	cidr_pool_deinit(&p);
}

Test(cidr, reserving)
{
	struct cidr c = {.network = 0x0a000000, .prefix = 24};
	struct cidr_pool p;
	uint32_t a;

	cidr_pool_init(&p, &c);
	cr_expect(cidr_pool_reserve(&p, c.network + 2));
	cr_expect_not(cidr_pool_reserve(&p, c.network + 2), "twice");
	cr_expect_not(cidr_pool_reserve(&p, c.network + 1), "the gateway");
	cr_expect_not(cidr_pool_reserve(&p, c.network + 256), "beyond");
	cr_expect_not(cidr_pool_reserve(&p, c.network - 1), "before");
	cr_assert_eq(cidr_pool_take(&p, &a), 1);
	cr_expect_eq(a, c.network + 3);
	cidr_pool_deinit(&p);
}
