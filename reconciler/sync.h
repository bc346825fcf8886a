/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apps: the way of one from a revision of its source to a verified set of objects, or back to the
 * last verified one. Two truths are kept for each: desired (what the newest revision asks for,
 * resolved) and effective (what was last seen up). resolve.h, apply.h, follow.h and builds.h hold
 * the steps; this is their order.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/reconciler_priv.h"

#define SYNC_ANNOTATION_APP "recond.dev/app" /* on every object an app owns */
#define SYNC_ANNOTATION_DIGESTS                                                                    \
	"recond.dev/image-digests" /* on a pod template: {"container": "sha256:..."} */
#define SYNC_ANNOTATION_CONFIG                                                                     \
	"recond.dev/config-hash" /* on a pod template: what it reads from ConfigMaps, Secrets */

/* What manifests say about how their app is handled: on an object, or on an App object for all of
 * them. */
#define SYNC_ANNOTATION_PHASE "recond.dev/phase"               /* "pre-deploy" on a Job */
#define SYNC_ANNOTATION_IRREVERSIBLE "recond.dev/irreversible" /* "true" on such a Job */
#define SYNC_ANNOTATION_ROLLBACK "recond.dev/rollback"         /* "false": is not put back */
#define SYNC_ANNOTATION_VERIFY "recond.dev/verify-seconds"     /* watched for so long when up */

struct apps;

/* No apps yet. / Free all records; NULL is fine, returns NULL. */
struct apps *apps_new(void);
struct apps *apps_free(struct apps *a);

/* Read what the store remembers of apps. */
void apps_load(struct reconciler *r);

/* Queue work: bring app KEY one step on. */
void sync_app_reconcile(struct reconciler *r, const char *key);

/* SOURCE speaks no more: what runs of its apps goes on, as before its first revision after a start,
 * and another source may have an app of the same name. */
void sync_source_gone(struct reconciler *r, const char *source);

/* Names of the apps that came from SOURCE last, sorted. Owned by the caller. */
json_t *sync_apps_of_source(struct reconciler *r, const char *source);

/* Queue work: bring the build KEY one step on. */
void sync_build_reconcile(struct reconciler *r, const char *key);

/* The ConfigMap or Secret O was made, changed or deleted: apps that read it, and do not have it
 * themselves, are resolved anew. */
void sync_config_changed(struct reconciler *r, const json_t *o);

/* The app that owns the controller of pod or ReplicaSet O has something new to look at. */
void sync_queue_owner_app(struct reconciler *r, const json_t *o);

/* The app that the topmost owner of O belongs to; borrowed, or NULL. */
const char *sync_owner_app(struct reconciler *r, const json_t *o);

/*
 * The set that POD's template came with, of all that the histories of apps still have; borrowed
 * until the next set begins. NULL when POD reads no configuration or is of none of them.
 */
const json_t *sync_pod_set(struct reconciler *r, const json_t *pod);

/* Does an app that is on its way to a new set own O? Then the app, not O's controller, decides
 * about going back. */
bool sync_object_in_rollout(struct reconciler *r, const json_t *o);

/*
 * A verified app's Deployment D went back to an older template by itself, because REASON: the app
 * is held on that from here on, so that its newer template is not tried again before its input
 * changes.
 */
void sync_deployment_went_back(struct reconciler *r, const json_t *d, const char *reason,
			       const char *message);

/* An image that apps may wait for is here (DIGEST), or cannot be had (ERR). */
void sync_image_done(struct reconciler *r, const char *ref, const char *digest,
		     const struct err *err);
