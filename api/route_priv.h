/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what this server answers: path pattern, verbs, who may, and the handler. What is
 * not in it does not exist; a row without a rule denies.
 */
#pragma once

#include <stdbool.h>

#include "api/reply_priv.h"
#include "api/request_priv.h"

struct api;

/* Who may use a route. */
enum route_rule {
	ROUTE_DENY,     /* nobody: what a forgotten rule means */
	ROUTE_OPEN,     /* whoever can connect; such a route gives no data away */
	ROUTE_OPERATOR, /* root, the daemon's own user, members of the socket's group */
	ROUTE_RULE_N_,
};

#define ROUTE_GET BIT(0)
#define ROUTE_HEAD BIT(1)

typedef void (*route_fn)(struct api *api, const struct request *request, struct reply *ret);

struct route {
	const char *
		pattern; /* segments; {group} {version} {plural} {ns} {name} take any one segment */
	unsigned int verbs;
	enum route_rule rule;
	route_fn handle;
};

/* All routes, *RET_N of them; for tests that go through every one. */
const struct route *route_table(size_t *ret_n);

/*
 * The route of R->path, with R's group, version, plural, ns and name filled; NULL when there is
 * none. The path must be exactly of the pattern's form: no empty segment, no trailing slash.
 */
const struct route *route_match(struct request *r);

/*
 * Answer R. IS_OPERATOR: the peer passed the check of the socket. The order is: may the peer (403,
 * the same for every path that is not open), does the path exist (404), does the verb (405), then
 * the handler.
 */
void route_dispatch(struct api *api, struct request *r, bool is_operator, struct reply *ret);
