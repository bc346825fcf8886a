/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes Events: what happened to an object, for people. Repetitions are counted instead of
 * repeated, the number kept is bounded, and an event is forgotten an hour after it was last seen.
 */
#pragma once

#include <jansson.h>

#include "base/mem.h"
#include "reconciler/reconciler_priv.h"

struct events;

/* A recorder with an empty index. / Free it; NULL is fine, returns NULL. */
struct events *events_new(void);
struct events *events_free(struct events *e);
DEFINE_FREEP(struct events, events_free)

/*
 * Record that REASON (CamelCase) with a printf message happened to OBJECT, as component SOURCE
 * ("kubelet", "deployment-controller", "recond"). The same reason and message again only raises
 * count and lastTimestamp.
 */
void events_normal(struct reconciler *r, const json_t *object, const char *source,
		   const char *reason, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void events_warning(struct reconciler *r, const json_t *object, const char *source,
		    const char *reason, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Queue work: forget what is an hour old; queues itself again while anything is left. KEY is not
 * used. */
void events_expire(struct reconciler *r, const char *key);
