/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes when something else goes: dependents of a deleted owner, the contents of a namespace.
 */
#pragma once

#include <jansson.h>

#include "reconciler/reconciler_priv.h"

/* OWNER was removed from the store: queue a look at its dependents, and at what waits for it. */
void garbage_queue_owner(struct reconciler *r, const json_t *owner);

/* Queue a look at every object whose owner is not there; for a start after a crash between the two.
 */
void garbage_queue_all(struct reconciler *r);

/* Queue work: delete what the object with uid KEY owned, unless another owner is left; or let that
 * object go, when it waits for its dependents and they are gone. */
void garbage_orphans_reconcile(struct reconciler *r, const char *key);

/* Queue work: a namespace that is to go loses its pods, then all else, then itself. KEY: its name.
 */
void garbage_namespace_reconcile(struct reconciler *r, const char *key);
