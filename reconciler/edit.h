/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing single objects, as a person or a program asks for it through the API: validation,
 * defaults and refusals as an API server has them. What an app owns may be changed, too; whether it
 * is put back is the app's business.
 *
 * Everything happens in the policy's transaction: it is durable, and acted upon, after the next
 * reconciler_run.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/mem.h"
#include "reconciler/kind.h"
#include "reconciler/reconciler.h"

enum edit_code {
	EDIT_OK,
	EDIT_CREATED,
	EDIT_BAD_REQUEST, /* what was sent is not what is meant */
	EDIT_FORBIDDEN,
	EDIT_NOT_FOUND,
	EDIT_EXISTS,
	EDIT_CONFLICT, /* it was changed meanwhile */
	EDIT_INVALID,  /* causes say what is wrong with it */
	EDIT_CODE_N_,
};

enum edit_patch { EDIT_MERGE_PATCH, EDIT_JSON_PATCH, EDIT_STRATEGIC_PATCH, EDIT_PATCH_N_ };

/* Which object; NAME "" when a new one is to get a generated name or has it in its body. */
struct edit_target {
	enum kind kind;
	const char *ns; /* "" for kinds without */
	const char *name;
	bool dry_run; /* all the checks, no change */
};

struct edit_result {
	enum edit_code code;
	char *message;    /* of a refusal */
	json_t *causes;   /* of EDIT_INVALID: [{"reason", "message", "field"}] */
	json_t *warnings; /* texts for the one who asked */
	json_t *object;   /* as it is after the change; as it was, when it is gone */
	bool gone;        /* deleted at once */
};

/* Free what R holds, and zero it. */
void edit_result_deinit(struct edit_result *r);
#define autoedit __attribute__((cleanup(edit_result_deinit))) struct edit_result

/* May objects of KIND be written through the API? Events, apps and builds are recond's own. */
bool edit_allowed(enum kind kind);

/*
 * Create BODY, replace the object by BODY, or change it by the patch BODY of TYPE. RET must be
 * zeroed; it is filled whatever happens and deinitialised by the caller. A resourceVersion or uid
 * in BODY must be that of the object.
 */
void edit_create(struct reconciler *r, const struct edit_target *t, const json_t *body,
		 struct edit_result *ret);
void edit_replace(struct reconciler *r, const struct edit_target *t, const json_t *body,
		  struct edit_result *ret);
void edit_patch(struct reconciler *r, const struct edit_target *t, enum edit_patch type,
		const json_t *body, struct edit_result *ret);

/*
 * Delete the object. OPTIONS is a DeleteOptions document, or NULL: gracePeriodSeconds (of a pod),
 * propagationPolicy (Background, Foreground, Orphan; Background when missing, but Orphan for a Job,
 * as in Kubernetes), preconditions.
 */
void edit_delete(struct reconciler *r, const struct edit_target *t, const json_t *options,
		 struct edit_result *ret);

/* The Scale document (autoscaling/v1) of a Deployment or ReplicaSet; NULL when the kind has none.
 * Owned by the caller. */
json_t *edit_scale_of(const json_t *object);

/* Change *SCALE, a Scale document, by the patch BODY of TYPE. 0, or negative with ERR invalid. */
int edit_scale_patch(json_t **scale, enum edit_patch type, const json_t *body, struct err *err);

/* Set the replicas of the object to those of the Scale SCALE. */
void edit_scale(struct reconciler *r, const struct edit_target *t, const json_t *scale,
		struct edit_result *ret);
