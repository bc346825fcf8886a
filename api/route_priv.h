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
#define ROUTE_POST BIT(2)
#define ROUTE_PUT BIT(3)
#define ROUTE_PATCH BIT(4)
#define ROUTE_DELETE BIT(5)
#define ROUTE_BODY (ROUTE_POST | ROUTE_PUT | ROUTE_PATCH | ROUTE_DELETE) /* may have a body */

typedef void (*route_fn)(struct api *api, const struct request *request, struct reply *ret);

struct route {
	const char *pattern; /* segments; {group} {version} {plural} {ns} {name} {sub} take any one
				segment */
	unsigned int verbs;
	enum route_rule rule;
	route_fn handle;
};

/* All routes, *RET_N of them; for tests that go through every one. */
const struct route *route_table(size_t *ret_n);

/*
 * The route of R->path for R->method, with R's group, version, plural, ns and name filled; a route
 * of the same path for other verbs when there is none for this one; NULL when the path leads
 * nowhere. The path must be exactly of the pattern's form: no empty segment, no trailing slash.
 */
const struct route *route_match(struct request *r);

/*
 * May the peer go on with R, of which only the head is known? Fills R as route_match. IS_OPERATOR:
 * the peer passed the check of the socket. The order of refusals is: the peer may not (403, the
 * same for every path that is not open), the path does not exist (404), the verb does not (405).
 * NULL after a refusal, which is in RET.
 */
const struct route *route_check(struct request *r, bool is_operator, struct reply *ret);

/* Answer R, which is complete: route_check, then the handler. */
void route_dispatch(struct api *api, struct request *r, bool is_operator, struct reply *ret);

/* Does the method of R have a body that ROUTE takes? */
bool route_takes_body(const struct route *route, const struct request *r);
