/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to hold after every step, whatever goes wrong. Each rule is a function of its own and
 * reports to world_violated. They look at what was committed (the store's watchers are told after
 * that) and at what runs, never at what the policy thinks.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct invariants;
struct world;

struct invariants *invariants_new(struct world *w);
struct invariants *invariants_free(struct invariants *iv);

/* The policy was killed; its store is about to go. / The store was opened again, nothing is in use
 * yet. */
void invariants_crashed(struct invariants *iv);
void invariants_restarted(struct invariants *iv);

/* The source has APPS from here on. / Someone asked to try APP again. */
void invariants_pushed(struct invariants *iv, const json_t *apps);
void invariants_retried(struct invariants *iv, const char *app);

/* The policy asks for an attempt of a container. */
void invariants_start(struct invariants *iv, const char *uid, const char *name,
		      unsigned int attempt);

/* The pod UID is given TEXT as the value of KEY, all that its ConfigMap has. */
void invariants_reads(struct invariants *iv, const char *uid, const char *key, const char *text);

/* O was made, changed or deleted by a person: no rule of the policy's own doings concerns it. */
void invariants_by_hand(struct invariants *iv, const json_t *o);
/* KEY ("Kind/namespace/name") belongs to nobody's source. */
void invariants_foreign(struct invariants *iv, const char *key, bool foreign);

/* How many objects were written in all; events do not count. */
unsigned int invariants_changes(const struct invariants *iv);

/* After each step. */
void invariants_check(struct invariants *iv);

/* When nothing goes on any more: everything has an owner, and what the records say is what runs. */
void invariants_check_rest(struct invariants *iv);
