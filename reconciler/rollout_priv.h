/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of an app (sync_priv.h says what one holds) on their way to the store, for rollout.c and
 * rollback.c.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/sync_priv.h"

/* Why a set was not taken; see apply_objects. */
struct refusal {
	enum hold hold;
	struct err err;
};

/* ---- rollout_set.c ---- */
/* The object of the store that O describes, or NULL. */
const json_t *set_live(struct reconciler *r, const json_t *o);
/* Is O a Job that has to succeed before the workloads change? Has OBJECTS one? */
bool set_is_early_job(const json_t *o);
bool set_has_early_jobs(const json_t *objects);
/* Is SET at those Jobs still? */
bool set_in_early_stage(const json_t *set);
/* Bring the store to SET in its stage. As apply_objects; after 1 the app is queued again. */
int set_apply(struct reconciler *r, struct app *app, const json_t *set, bool guard,
	      struct refusal *refusal);
/* Is the store, as far as this process knows, as SET asks for, and everything of it there? */
bool set_is_applied(struct reconciler *r, const struct app *app, const json_t *set);
void set_forget_applied(struct app *app);

/* ---- rollout.c ---- */
/* The objects of SET that are followed in its stage. Owned by the caller. */
json_t *rollout_followed(const json_t *set, bool is_effective);
/* What the host itself says: 1 when each container that pods of APP report as running does; 0 when
 * one is gone, which is about to be reported, with *ret_what. */
int rollout_look(struct reconciler *r, const struct app *app, char **ret_what);
/* For the status: how far APP is; TEXT NULL: it is up. */
void rollout_progress(struct app *app, const char *reason, const char *text);

/* ---- rollback.c ---- */
/* Did LIVE, a Job of the store, run for SET, and is its work such that it cannot be undone? */
bool rollback_is_irreversible(const json_t *set, const json_t *live);
/* SET of APP failed because of ERR: hold, and put the effective set back unless told not to. */
void rollback_failed(struct reconciler *r, struct app *app, json_t *set, const struct err *err);
/* What SET's pods are watched for after it was verified, or NULL when they are not. Owned by the
 * caller. */
json_t *rollback_watch_new(struct reconciler *r, const struct app *app, const json_t *set);
