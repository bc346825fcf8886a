/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a pod's containers (probes and hooks): which one an id means.
 */
#pragma once

#include <stdbool.h>

/*
 * The id of CHECK ("readiness", "preStop") of one attempt of a container:
 * "<uid>/<container>/<attempt>/<check>". Owned by the caller.
 */
char *pod_check_id(const char *uid, const char *container, unsigned int attempt, const char *check);

struct pod_check_id {
	char *uid;
	char *container;
	unsigned int attempt;
	char *check;
};

/* The parts of ID, to be given to pod_check_id_deinit; false when it is none of ours. */
bool pod_check_id_parse(struct pod_check_id *ret, const char *id);
void pod_check_id_deinit(struct pod_check_id *id);
