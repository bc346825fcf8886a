/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Deployment controller: which ReplicaSet is the new one, how large each may be, and what the
 * status says. The arithmetic of a rolling step is in rolling.h.
 */
#pragma once

#include <jansson.h>

#include "reconciler/reconciler_priv.h"

#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_HISTORY "deployment.kubernetes.io/revision-history"
#define DEPLOYMENT_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX "deployment.kubernetes.io/max-replicas"

/* Queue work: one step of the Deployment KEY ("namespace/name"). */
void deployment_reconcile(struct reconciler *r, const char *key);

/* Has every replica of DEPLOYMENT its newest template and been available, as of its status? */
bool deployment_complete(const json_t *deployment);
