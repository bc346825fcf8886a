/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of checks come back by id. One that nobody waits for (a container that ended meanwhile, a
 * check asked for by an earlier life of the daemon) is dropped.
 */
#include "reconciler/controllers/pod_check.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "reconciler/effects_priv.h"
#include "reconciler/reconciler.h"

char *pod_check_id(const char *uid, const char *container, unsigned int attempt, const char *check)
{
	assert(*uid && *container && *check);
	return mem_asprintf("%s/%s/%u/%s", uid, container, attempt, check);
}

bool pod_check_id_parse(struct pod_check_id *ret, const char *id)
{
	const char *container = strchr(id, '/'), *attempt, *check;
	char *end = NULL;
	unsigned long n;

	attempt = container ? strchr(container + 1, '/') : NULL;
	check = attempt ? strchr(attempt + 1, '/') : NULL;
	if (!check || check[1] == '\0' || attempt[1] < '0' || attempt[1] > '9')
		return false;
	errno = 0;
	n = strtoul(attempt + 1, &end, 10);
	if (errno || end != check || n > UINT_MAX)
		return false;
	*ret = (struct pod_check_id){
		.uid = mem_strndup(id, (size_t)(container - id)),
		.container = mem_strndup(container + 1, (size_t)(attempt - container - 1)),
		.attempt = (unsigned int)n,
		.check = mem_strdup(check + 1),
	};
	return true;
}

void pod_check_id_deinit(struct pod_check_id *id)
{
	free(id->uid);
	free(id->container);
	free(id->check);
	*id = (struct pod_check_id){0};
}

void reconciler_check_done(struct reconciler *r, const char *id, bool ok, const char *message)
{
	effects_answered(r, QUESTION_CHECK, id, NULL);
	log_debug("a check that nobody waits for", LOG_KV("check", id),
		  LOG_KV("ok", ok ? "yes" : "no"), LOG_KV("message", message));
}
