/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Source objects: which sources are configured, the newest revision of each, and what is wrong
 * with them. For people and tools; apps are sync.h's business.
 */
#pragma once

#include <jansson.h>

#include "reconciler/reconciler_priv.h"

struct sources;

/* No sources yet. / Free all records; NULL is fine, returns NULL. */
struct sources *sources_new(void);
struct sources *sources_free(struct sources *s);

/* Remember the sources that the store shows, and those that its apps came from. */
void sources_load(struct reconciler *r);

/* SOURCE has REVISION. */
void sources_revision(struct reconciler *r, const char *source, const char *revision);

/* Look at every source again: an app came or went. */
void sources_queue_all(struct reconciler *r);

/* Queue work: write the object of source KEY, or remove it when nothing is left of it. */
void sources_reconcile(struct reconciler *r, const char *key);

/*
 * The name of the object of SOURCE: its own, or for one that is called by its path the last
 * component of that with eight digits of a hash, so that no two are the same. Owned by the caller.
 */
char *sources_object_name(const char *source);
