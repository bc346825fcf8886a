/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource quantities as Kubernetes writes them ("250m", "1.5Gi", "1e3"): parsing, the canonical
 * form, and the values that cgroups want. Exact arithmetic in nano units; values beyond int64 are
 * cut to it, as Kubernetes does.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum quantity_format {
	QUANTITY_DECIMAL,  /* n u m k M G T P E */
	QUANTITY_BINARY,   /* Ki Mi Gi Ti Pi Ei */
	QUANTITY_EXPONENT, /* e3 */
	QUANTITY_FORMAT_N_,
};

struct quantity {
	__int128 nano;
	enum quantity_format format; /* the family it was written in; the canonical form keeps it */
};

/* Parse S. 0 and *ret, or -EINVAL with *ret untouched. Finer than nano is rounded away from zero.
 */
int quantity_parse(struct quantity *ret, const char *s);

/* The same for a JSON string or number, as manifests hold either. NULL and other types are -EINVAL.
 */
int quantity_parse_json(struct quantity *ret, const json_t *j);

/* The canonical form: the largest suffix that leaves no fraction. Owned by the caller. */
char *quantity_format(const struct quantity *q);

/* Q in thousandths (cpu) or in units (bytes), rounded up. */
int64_t quantity_milli(const struct quantity *q);
int64_t quantity_value(const struct quantity *q);

/* Q with anything finer than a thousandth rounded up, as defaulting does with requests and limits.
 */
struct quantity quantity_round_milli(const struct quantity *q);

/* Less than, equal to or greater than zero as A is to B. */
int quantity_compare(const struct quantity *a, const struct quantity *b);
