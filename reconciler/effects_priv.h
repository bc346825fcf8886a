/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effects of the open transaction, and the questions put to the ports: what is not answered in time
 * is asked again, which the ports take for the same question. Only files of reconciler/ include
 * this; the effect_* calls themselves are in reconciler_priv.h.
 */
#pragma once

#include <stdint.h>

#include "reconciler/reconciler_priv.h"

/* How long an answer is waited for. Asking again costs nothing: a port that is at it ignores that.
 */
#define EFFECTS_PATIENCE_MS 60000

struct effects;

enum question {
	QUESTION_NONE,    /* nothing comes back */
	QUESTION_SANDBOX, /* id: uid */
	QUESTION_START,   /* id: uid, name: container */
	QUESTION_KILL,    /* the same */
	QUESTION_DOWN,    /* id: uid */
	QUESTION_IMAGE,   /* id: reference */
	QUESTION_DECODE,  /* id: source */
	QUESTION_BUILD,   /* id: of the build, whether planned or run */
	QUESTION_N_,
};

/* Nothing to do, nothing asked. / Free all; NULL is fine, returns NULL. */
struct effects *effects_new(void);
struct effects *effects_free(struct effects *e);

/* Carry out what waited for the commit. Ports may answer at once, from within; what that queues
 * waits for the next pass. */
void effects_run(struct reconciler *r);

/* The answer to QUESTION about ID (and the container NAME, or NULL) is here. / Ask it again after
 * DELAY_MS: the answer was that it failed for once. */
void effects_answered(struct reconciler *r, enum question question, const char *id,
		      const char *name);
void effects_answered_badly(struct reconciler *r, enum question question, const char *id,
			    uint64_t delay_ms);

/* The pod UID is gone: nobody waits for anything of it. */
void effects_pod_gone(struct reconciler *r, const char *uid);

/* Queue work: ask again what KEY stands for. */
void effects_ask_again(struct reconciler *r, const char *key);
