/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Deployment controller: which ReplicaSet is the new one, how large each may be, and what the
 * status says. The arithmetic is in rolling.h and scaling.h, revisions in revision.h.
 */
#pragma once

#include <jansson.h>

#include "reconciler/controllers/revision.h"
#include "reconciler/reconciler_priv.h"

#define DEPLOYMENT_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX "deployment.kubernetes.io/max-replicas"
#define DEPLOYMENT_ROLLBACK "deprecated.deployment.rollback.to"

/* Queue work: one step of the Deployment KEY ("namespace/name"). */
void deployment_reconcile(struct reconciler *r, const char *key);

/* Queue the Deployments whose selector matches the orphan ReplicaSet RS. */
void deployment_queue_matching(struct reconciler *r, const json_t *rs);

/* Has every replica of DEPLOYMENT its newest template and been available, as of its status? */
bool deployment_complete(const json_t *deployment);
