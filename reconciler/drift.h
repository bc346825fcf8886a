/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: what was applied last of each object that an app owns, and putting back what someone
 * changed of it by hand (ownership.h says which fields count). An object that disappeared is made
 * again by whoever keeps the app's set (apply.h); this is about those that are there.
 *
 * Persistent, bucket "applied", by "Kind/namespace/name": {"object": as in the app's set, "heals":
 * how often it was put back, "row": how often in a row, "last_ns": when}.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/reconciler_priv.h"

struct app;

#define DRIFT_ANNOTATION_HEAL "recond.dev/self-heal" /* "false": changes by hand stay */

/* The object as it was last applied under KEY, borrowed, or NULL. */
const json_t *drift_applied(const struct store *s, const char *key);

/* OBJECT (of an app's set) was applied under KEY / KEY is not the app's any more. */
void drift_note(struct reconciler *r, const char *key, const json_t *object);
void drift_forget(struct reconciler *r, const char *key);

/* What was applied under KEY belongs to the app named APP from here on. */
void drift_hand_over(struct reconciler *r, const char *key, const char *app);

/* The policy itself took Deployment D back to an older template: that is no drift. */
void drift_accept_template(struct reconciler *r, const json_t *d);

/*
 * Put back what LIVE has differently from DESIRED, which was applied last, in fields that DESIRED
 * states; says so in an event. Does nothing when changes are to stay, and waits when the object is
 * changed back again and again. True when it wrote.
 */
bool drift_heal(struct reconciler *r, const struct app *app, const json_t *live,
		const json_t *desired);

/* Queue work: look at the object KEY. */
void drift_reconcile(struct reconciler *r, const char *key);

/* All objects of APP are looked at: what people were free to change, they are not any more. */
void drift_queue_app(struct reconciler *r, const struct app *app);

/* An object changed: it is looked at when an app owns it and anything but its status changed. */
void drift_queue(struct reconciler *r, const struct store_event *event);
