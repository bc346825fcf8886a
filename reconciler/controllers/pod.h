/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod controller, recond's kubelet: keeps what runs in line with the pod objects, one step at a
 * time, and writes their status. Decisions are pod_plan's, the status is pod_status's; here is the
 * acting.
 */
#pragma once

#include "reconciler/reconciler_priv.h"

/* Queue work: bring the pod with uid KEY one step on. */
void pod_reconcile(struct reconciler *r, const char *key);
