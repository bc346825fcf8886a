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
#define CHANGE (ROUTE_PUT | ROUTE_PATCH)

/* The first row that fits path and verb wins, so fixed paths stand before patterns. */
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
	{ "/apis/recond.dev/v1/localimages/prune", READ, ROUTE_OPERATOR, resource_prune },
	{ "/apis/recond.dev/v1/localimages/prune", ROUTE_POST, ROUTE_OPERATOR, resource_prune },
	{ "/apis/recond.dev/v1/apps/{name}/history", READ, ROUTE_OPERATOR, app_history },
	{ "/apis/recond.dev/v1/apps/{name}/{sub}", ROUTE_POST, ROUTE_OPERATOR, app_action },
	{ "/api/v1/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/api/v1/{plural}", ROUTE_POST, ROUTE_OPERATOR, write_create },
	{ "/api/v1/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/api/v1/{plural}/{name}", CHANGE, ROUTE_OPERATOR, write_change },
	{ "/api/v1/{plural}/{name}", ROUTE_DELETE, ROUTE_OPERATOR, write_delete },
	{ "/api/v1/namespaces/{ns}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/api/v1/namespaces/{ns}/{plural}", ROUTE_POST, ROUTE_OPERATOR, write_create },
	{ "/api/v1/namespaces/{ns}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/api/v1/namespaces/{ns}/{plural}/{name}", CHANGE, ROUTE_OPERATOR, write_change },
	{ "/api/v1/namespaces/{ns}/{plural}/{name}", ROUTE_DELETE, ROUTE_OPERATOR, write_delete },
	{ "/api/v1/namespaces/{ns}/pods/{name}/log", READ, ROUTE_OPERATOR, podlog_get },
	{ "/apis/{group}/{version}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/apis/{group}/{version}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}", READ, ROUTE_OPERATOR, resource_list },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}", ROUTE_POST, ROUTE_OPERATOR, write_create },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", READ, ROUTE_OPERATOR, resource_get },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", CHANGE, ROUTE_OPERATOR, write_change },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", ROUTE_DELETE, ROUTE_OPERATOR, write_delete },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}/scale", READ, ROUTE_OPERATOR, write_scale_get },
	{ "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}/scale", CHANGE, ROUTE_OPERATOR, write_scale },
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
		{"{sub}", r->sub, sizeof(r->sub)},
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

	r->group[0] = r->version[0] = r->plural[0] = r->ns[0] = r->name[0] = r->sub[0] = '\0';
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

static const struct {
	const char *method;
	unsigned int verb;
} verbs[] = {
	{"GET", ROUTE_GET}, {"HEAD", ROUTE_HEAD},   {"POST", ROUTE_POST},
	{"PUT", ROUTE_PUT}, {"PATCH", ROUTE_PATCH}, {"DELETE", ROUTE_DELETE},
};

static unsigned int verb_of(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (str_eq(method, verbs[i].method))
			return verbs[i].verb;
	}
	return 0;
}

const struct route *route_match(struct request *r)
{
	const struct route *other = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (other && !str_eq(other->pattern, routes[i].pattern))
			continue; /* the path is that one's */
		if (!pattern_fits(r, routes[i].pattern))
			continue;
		if (str_skip_prefix(routes[i].pattern, "/api/v1"))
			(void)snprintf(r->version, sizeof(r->version), "v1");
		if (routes[i].verbs & verb_of(r->method))
			return &routes[i];
		other = other ? other : &routes[i];
	}
	return other;
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

/* "GET, HEAD, ...": all verbs of PATTERN's routes. */
static void add_allowed_verbs(struct reply *ret, const char *pattern)
{
	unsigned int all = 0;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (str_eq(routes[i].pattern, pattern))
			all |= routes[i].verbs;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (all & verbs[i].verb)
			n += (size_t)snprintf(ret->allow + n, sizeof(ret->allow) - n, "%s%s",
					      n ? ", " : "", verbs[i].method);
		assert(n < sizeof(ret->allow));
	}
}

const struct route *route_check(struct request *r, bool is_operator, struct reply *ret)
{
	const struct route *route = route_match(r);

	if (!allowed(route, is_operator)) {
		reply_error(ret, 403, "Forbidden", "forbidden: this user may not use the socket");
	} else if (!route) {
		reply_no_resource(ret);
	} else if (!(route->verbs & verb_of(r->method))) {
		reply_error(ret, 405, "MethodNotAllowed",
			    "the server does not allow this method on the requested resource");
		add_allowed_verbs(ret, route->pattern);
	} else {
		return route;
	}
	return NULL;
}

void route_dispatch(struct api *api, struct request *r, bool is_operator, struct reply *ret)
{
	const struct route *route = route_check(r, is_operator, ret);

	if (route)
		route->handle(api, r, ret);
	assert(ret->status != 0);
}

bool route_takes_body(const struct route *route, const struct request *r)
{
	return route->verbs & verb_of(r->method) & ROUTE_BODY;
}
