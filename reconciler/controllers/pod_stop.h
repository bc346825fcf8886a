/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one container is brought to its end: preStop hook, its turn, stop signal, kill. Pure; what is
 * done about a step is pod_act's.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum stop_phase {
	STOP_NONE,      /* nobody wants it to end */
	STOP_WANTED,    /* a failed probe or hook does */
	STOP_HOOK,      /* its preStop hook runs */
	STOP_TURN,      /* a sidecar: others end before */
	STOP_SIGNALLED, /* it was told to end */
	STOP_KILLED,
	STOP_PHASE_N_,
};

struct container_stop {
	enum stop_phase phase;
	uint64_t grace_ms;     /* with STOP_WANTED: how long it may take */
	uint64_t end_ms;       /* grace is over then */
	uint64_t hook_end_ms;  /* of a preStop that only sleeps; UINT64_MAX: its answer says */
	uint64_t signalled_ms; /* when it was told to end */
};

/* Seconds that are left to a container after its stop signal, however short grace is. */
#define STOP_MIN_MS 2000

/* The name of a phase, for logs and tests. */
const char *stop_phase_name(enum stop_phase phase);

/* Move to PHASE; asserts that it may follow the present one. */
void stop_move(struct container_stop *s, enum stop_phase phase);

enum stop_act {
	STOP_ACT_NONE,     /* wait until *ret_again_ms or for an answer */
	STOP_ACT_BEGIN,    /* count grace from now, start the preStop hook */
	STOP_ACT_HOOK_END, /* the hook is over or out of time */
	STOP_ACT_SIGNAL,
	STOP_ACT_KILL,
};

/*
 * What S needs at NOW_MS. LIMIT_MS: when the grace of the pod as a whole is over (UINT64_MAX: it
 * sets none). TURN: everything that has to end before this container has ended. *ret_again_ms is
 * lowered to when only time is missing.
 */
enum stop_act stop_plan(const struct container_stop *s, uint64_t limit_ms, bool turn,
			uint64_t now_ms, uint64_t *ret_again_ms);
