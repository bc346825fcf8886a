/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes and the decision who may use them, in one table. Handlers live with what they serve;
 * nothing is answered that does not go through route_dispatch.
 */
#include "api/route_priv.h"

#include <assert.h>
#include <string.h>

#include "api/api_priv.h"
#include "base/str.h"

#define READ (ROUTE_GET | ROUTE_HEAD)

/* The first row that fits wins, so fixed paths stand before patterns. */
static const struct route routes[] = {
	/* clang-format off */
	{ "/healthz", READ, ROUTE_OPEN, discovery_health },
	{ "/livez", READ, ROUTE_OPEN, discovery_health },
	{ "/readyz", READ, ROUTE_OPEN, discovery_ready },
	{ "/version", READ, ROUTE_OPERATOR, discovery_version },
	{ "/api", READ, ROUTE_OPERATOR, discovery_core_versions },
	{ "/apis", READ, ROUTE_OPERATOR, discovery_groups },
	{ "/apis/{group}", READ, ROUTE_OPERATOR, discovery_group },
	{ "/api/v1", READ, ROUTE_OPERATOR, discovery_resources },
	{ "/apis/{group}/{version}", READ, ROUTE_OPERATOR, discovery_resources },
	{ "/apis/recond.dev/v1/localimages", READ, ROUTE_OPERATOR, resource_local_images },
	{ "/api/v1/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/api/v1/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/api/v1/namespaces/{ns}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/api/v1/namespaces/{ns}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/api/v1/namespaces/{ns}/pods/{name}/log", READ, ROUTE_OPERATOR, podlog_get },
	{ "/apis/{group}/{version}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/apis/{group}/{version}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	/* clang-format on */
};

const struct route *route_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(routes);
	return routes;
}

/* Where the segment that pattern word WORD of N bytes stands for is kept; NULL when WORD is
 * literal. */
static char *variable(struct request *r, const char *word, size_t n, size_t *ret_size)
{
	const struct {
		const char *word;
		char *buffer;
		size_t size;
	} variables[] = {
		{"{group}", r->group, sizeof(r->group)},
		{"{version}", r->version, sizeof(r->version)},
		{"{plural}", r->plural, sizeof(r->plural)},
		{"{ns}", r->ns, sizeof(r->ns)},
		{"{name}", r->name, sizeof(r->name)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		if (strlen(variables[i].word) != n || strncmp(variables[i].word, word, n) != 0)
			continue;
		*ret_size = variables[i].size;
		return variables[i].buffer;
	}
	return NULL;
}

static bool segment_fits(struct request *r, const char *word, size_t word_n, const char *segment,
			 size_t n)
{
	size_t size;
	char *buffer = variable(r, word, word_n, &size);

	if (!buffer)
		return n == word_n && strncmp(word, segment, n) == 0;
	if (n == 0 || n >= size)
		return false;
	memcpy(buffer, segment, n);
	buffer[n] = '\0';
	return true;
}

static bool pattern_fits(struct request *r, const char *pattern)
{
	const char *path = r->path;

	r->group[0] = r->version[0] = r->plural[0] = r->ns[0] = r->name[0] = '\0';
	while (*pattern == '/' && *path == '/') {
		size_t word_n = strcspn(++pattern, "/");
		size_t n = strcspn(++path, "/");

		if (!segment_fits(r, pattern, word_n, path, n))
			return false;
		pattern += word_n;
		path += n;
	}
	return *pattern == '\0' && *path == '\0';
}

const struct route *route_match(struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!pattern_fits(r, routes[i].pattern))
			continue;
		if (str_skip_prefix(routes[i].pattern, "/api/v1"))
			(void)snprintf(r->version, sizeof(r->version), "v1");
		return &routes[i];
	}
	return NULL;
}

static unsigned int verb_of(const char *method)
{
	if (str_eq(method, "GET"))
		return ROUTE_GET;
	return str_eq(method, "HEAD") ? ROUTE_HEAD : 0;
}

static bool allowed(const struct route *route, bool is_operator)
{
	switch (route ? route->rule : ROUTE_OPERATOR) {
	case ROUTE_OPEN:
		return true;
	case ROUTE_OPERATOR:
		return is_operator;
	default:
		return false;
	}
}

void route_dispatch(struct api *api, struct request *r, bool is_operator, struct reply *ret)
{
	const struct route *route = route_match(r);

	if (!allowed(route, is_operator)) {
		reply_error(ret, 403, "Forbidden", "forbidden: this user may not use the socket");
		return;
	}
	if (!route) {
		reply_no_resource(ret);
		return;
	}
	if (!(route->verbs & verb_of(r->method))) {
		reply_error(ret, 405, "MethodNotAllowed",
			    "the server does not allow this method on the requested resource");
		ret->allow = "GET, HEAD";
		return;
	}
	route->handle(api, r, ret);
	assert(ret->status != 0);
}
