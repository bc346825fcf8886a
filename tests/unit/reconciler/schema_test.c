/* SPDX-License-Identifier: Apache-2.0 */
/* The schema table is complete in itself, and finds its rows. */
#include "reconciler/schema.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static void check_literal(const char *where, const char *text)
{
	autojson *j = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	cr_expect(!text || j, "%s: '%s' is no JSON", where, text);
}

static size_t check_schema(const struct schema *s, int depth)
{
	size_t rows = 0;

	cr_assert(depth < 16, "%s contains itself", s->name);
	for (size_t i = 0; i < s->n; i++) {
		const struct schema_field *f = &s->fields[i];
		autofree char *where = mem_asprintf("%s.%s", s->name, f->name);
		bool object = f->type == SCHEMA_OBJECT ||
			      (f->type == SCHEMA_LIST && f->of == SCHEMA_OBJECT);

		cr_expect(f->doc && strlen(f->doc) > 3 && str_has_suffix(f->doc, "."),
			  "%s has no doc", where);
		cr_expect_eq(object, f->object != NULL, "%s: object", where);
		cr_expect((f->support == SUPPORT_NOTE || f->support == SUPPORT_REFUSE) ==
				  (f->why != NULL),
			  "%s: what happens without it", where);
		cr_expect_leq(f->min, f->max, "%s", where);
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(s->fields[k].name, f->name, "%s is there twice", where);
		check_literal(where, f->fallback);
		check_literal(where, f->harmless);
		rows += 1 + (f->object ? check_schema(f->object, depth + 1) : 0);
	}
	return rows;
}

Test(schema, every_row_is_complete)
{
	for (int k = 0; k < KIND_N_; k++) {
		const struct schema *s = schema_of((enum kind)k);

		cr_expect_eq(kind_info((enum kind)k)->from_source ||
				     kind_info((enum kind)k)->from_config,
			     s != NULL, "%s", kind_info((enum kind)k)->name);
		if (s)
			cr_expect_gt(check_schema(s, 0), 3);
	}
}

Test(schema, fields_are_found_by_path_and_by_likeness)
{
	const struct schema_field *f =
		schema_find(KIND_DEPLOYMENT, "spec.template.spec.containers.image");

	cr_assert(f && str_eq(f->name, "image") && (f->flags & FIELD_REQUIRED));
	cr_expect_null(schema_find(KIND_DEPLOYMENT, "spec.template.spec.container"));
	cr_expect_null(schema_find(KIND_APP, "spec"));
	cr_expect_str_eq(schema_nearest(schema_of(KIND_POD), "specs"), "spec");
	cr_expect_null(schema_nearest(schema_of(KIND_POD), "something"));
}

/* clang-format off */
static const struct {
	const char *list_key, *element, *want;
} keys[] = {
	{ "name", "{\"name\": \"a\"}", "a" },
	{ "name", "{}", NULL },
	{ "name", "5", NULL },
	{ NULL, "{\"name\": \"a\"}", NULL },
	{ "containerPort,protocol", "{\"containerPort\": 80}", "80/TCP" },
	{ "containerPort,protocol", "{\"containerPort\": 80, \"protocol\": \"UDP\"}", "80/UDP" },
	{ "=", "\"a\"", "a" },
	{ "=", "1", NULL },
};
/* clang-format on */

Test(schema, identities_of_list_elements)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		autojson *element = json_loads(keys[i].element, JSON_DECODE_ANY, NULL);
		autofree char *got = schema_element_key(keys[i].list_key, element);

		cr_expect(str_eq(got, keys[i].want), "%s of %s: got %s", keys[i].list_key,
			  keys[i].element, got);
	}
}
