/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an object is deleted: pods by grace, what somebody holds by a finalizer when that is taken,
 * everything else at once; and what becomes of its dependents.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "reconciler/reconciler_priv.h"

enum deletion_policy {
	DELETION_BACKGROUND, /* dependents go after it */
	DELETION_FOREGROUND, /* it goes after its dependents */
	DELETION_ORPHAN,     /* dependents stay, without it */
	DELETION_POLICY_N_,
};

#define DELETION_OWN_GRACE (-1)

/*
 * Ask for the deletion of OBJECT. GRACE_S: of a pod, DELETION_OWN_GRACE for what its spec says; one
 * that is on its way out already can only be hurried. OBJECT may be gone at return.
 */
void deletion_request(struct reconciler *r, const json_t *object, enum deletion_policy policy,
		      int64_t grace_s);

/* The uid's object is one that waits for its dependents: look whether they are gone. */
void deletion_look(struct reconciler *r, const json_t *object);

/* Does anybody hold OBJECT by a finalizer? */
bool deletion_is_held(const json_t *object);
