/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: canonical forms and values as Kubernetes has them. */
#include "reconciler/quantity.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "base/mem.h"
#include "base/str.h"

/* clang-format off */
static const struct {
	const char *text;
	const char *canonical; /* NULL: not a quantity */
	int64_t milli, value;
} quantities[] = {
	{ "0", "0", 0, 0 },
	{ "0.5", "500m", 500, 1 },
	{ "1000m", "1", 1000, 1 },
	{ "1.5Gi", "1536Mi", INT64_C(1610612736000), INT64_C(1610612736) },
	{ "1024Mi", "1Gi", INT64_C(1073741824000), INT64_C(1073741824) },
	{ "0.1", "100m", 100, 1 },
	{ "250m", "250m", 250, 1 },
	{ "1000", "1k", 1000000, 1000 },
	{ "1e3", "1e3", 1000000, 1000 },
	{ "1E", "1E", INT64_MAX, INT64_C(1000000000000000000) },
	{ "12E3", "12e3", 12000000, 12000 },
	{ "1Ki", "1Ki", 1024000, 1024 },
	{ "1023", "1023", 1023000, 1023 },
	{ "0.5Ki", "512", 512000, 512 },
	{ "0.001Ki", "1024m", 1024, 2 },
	{ "1n", "1n", 1, 1 },
	{ "100u", "100u", 1, 1 },
	{ "0.0000000001", "1n", 1, 1 },
	{ "-1", "-1", -1000, -1 },
	{ "+2", "2", 2000, 2 },
	{ "1.", "1", 1000, 1 },
	{ ".5", "500m", 500, 1 },
	{ "1073741824", "1073741824", INT64_C(1073741824000), INT64_C(1073741824) },
	{ "9223372036854775807", "9223372036854775807", INT64_MAX, INT64_MAX },
	{ "99999999999999999999999999", "9223372036854775807", INT64_MAX, INT64_MAX },
	{ "100Ei", "9223372036854775807", INT64_MAX, INT64_MAX },
	{ "1e999", "9223372036854775807", INT64_MAX, INT64_MAX },
	{ "1e-999", "1e-9", 1, 1 },
	{ "", NULL, 0, 0 }, { "Mi", NULL, 0, 0 }, { "1 Gi", NULL, 0, 0 }, { "1gi", NULL, 0, 0 }, { "1GiB", NULL, 0, 0 },
	{ "1,5", NULL, 0, 0 }, { "--1", NULL, 0, 0 }, { "1e", NULL, 0, 0 }, { "1e+-3", NULL, 0, 0 }, { "1e9999", NULL, 0, 0 },
	{ "0x10", NULL, 0, 0 }, { "1.2.3", NULL, 0, 0 }, { ".", NULL, 0, 0 }, { " 1", NULL, 0, 0 },
};
/* clang-format on */

Test(quantity, canonical_forms_and_values)
{
	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
		struct quantity q;
		int r = quantity_parse(&q, quantities[i].text);
		autofree char *canonical = r < 0 ? NULL : quantity_format(&q);

		cr_expect(str_eq(canonical, quantities[i].canonical), "'%s': got %s, want %s",
			  quantities[i].text, canonical, quantities[i].canonical);
		if (r < 0 || !quantities[i].canonical)
			continue;
		cr_expect_eq(quantity_milli(&q), quantities[i].milli, "'%s': milli %lld",
			     quantities[i].text, (long long)quantity_milli(&q));
		cr_expect_eq(quantity_value(&q), quantities[i].value, "'%s': value %lld",
			     quantities[i].text, (long long)quantity_value(&q));
	}
}

Test(quantity, a_canonical_form_is_its_own)
{
	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
		struct quantity q;
		autofree char *again = NULL;

		if (!quantities[i].canonical)
			continue;
		cr_assert_eq(quantity_parse(&q, quantities[i].canonical), 0);
		again = quantity_format(&q);
		cr_expect_str_eq(again, quantities[i].canonical);
	}
}

Test(quantity, defaulting_rounds_up_to_milli)
{
	struct quantity q, r;
	autofree char *text = NULL;

	cr_assert_eq(quantity_parse(&q, "100u"), 0);
	r = quantity_round_milli(&q);
	text = quantity_format(&r);
	cr_expect_str_eq(text, "1m");
}

Test(quantity, numbers_of_manifests_count)
{
	json_t *real = json_real(0.1), *integer = json_integer(2), *no = json_true();
	struct quantity q;

	cr_expect_eq(quantity_parse_json(&q, real), 0);
	cr_expect_eq(quantity_milli(&q), 100);
	cr_expect_eq(quantity_parse_json(&q, integer), 0);
	cr_expect_eq(quantity_milli(&q), 2000);
	cr_expect_eq(quantity_parse_json(&q, no), -EINVAL);
	cr_expect_eq(quantity_parse_json(&q, NULL), -EINVAL);
	json_decref(real);
	json_decref(integer);
}
