/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selectors of a query: labelSelector ("a=b,c!=d,e in (f,g),!h") and fieldSelector
 * ("status.phase=Running"). Matching of labels itself is object.h's; here is the text form.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/kind.h"

struct selector;

/*
 * Parse both forms; NULL or empty text selects everything. KIND decides which fields may be named.
 * 0 with *ret (owned by the caller), or -EINVAL with ERR invalid.
 */
int selector_parse(struct selector **ret, enum kind kind, const char *labels, const char *fields,
		   struct err *err);
struct selector *selector_free(struct selector *s);
DEFINE_FREEP(struct selector, selector_free)

/* Does S select OBJECT? */
bool selector_matches(const struct selector *s, const json_t *object);

/* True when S selects every object, so that nothing can start or cease to match. */
bool selector_is_empty(const struct selector *s);
