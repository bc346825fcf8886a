/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading query parameters and the Accept header of a request. Sizes and encodings were dealt with
 * by the HTTP library.
 */
#include "api/request_priv.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

const char *request_get(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++) {
		if (str_eq(r->params[i].name, name))
			return r->params[i].value;
	}
	return NULL;
}

bool request_get_bool(const struct request *r, const char *name)
{
	const char *value = request_get(r, name);

	return value && (str_eq(value, "1") || strcasecmp(value, "t") == 0 ||
			 strcasecmp(value, "true") == 0);
}

int request_get_int(int64_t *ret, const struct request *r, const char *name, int64_t min,
		    int64_t max, struct err *err)
{
	const char *value = request_get(r, name);

	if (!value || !*value)
		return 0;
	if (str_parse_i64(ret, value, min, max) < 0)
		return err_invalid(err, "invalid value '%s' of parameter %s", value, name);
	return 1;
}

/* Is PARAM ("as=Table") among the parameters of media range RANGE of N bytes? */
static bool range_has(const char *range, size_t n, const char *param)
{
	size_t want = strlen(param);

	while (n > 0) {
		const char *end = memchr(range, ';', n);
		size_t len = end ? (size_t)(end - range) : n;
		size_t skip = end ? len + 1 : len;

		while (len > 0 && *range == ' ') {
			range++;
			len--;
			skip--;
			n--;
		}
		while (len > 0 && range[len - 1] == ' ')
			len--;
		if (len == want && strncmp(range, param, want) == 0)
			return true;
		range += skip;
		n -= skip;
	}
	return false;
}

bool request_body_is(const struct request *r, const char *type)
{
	const char *given = r->content_type ? r->content_type : "";
	size_t n = strcspn(given, "; ");

	return strlen(type) == n && strncasecmp(given, type, n) == 0;
}

bool request_wants_table(const struct request *r)
{
	const char *p = r->accept;

	while (p && *p) {
		size_t n = strcspn(p, ",");
		bool json = range_has(p, n, "application/json");

		if (json && range_has(p, n, "as=Table") && range_has(p, n, "g=meta.k8s.io") &&
		    range_has(p, n, "v=v1"))
			return true;
		if (json && !memmem(p, n, "as=", 3))
			return false;
		p += n;
		p += *p == ',';
	}
	return false;
}
