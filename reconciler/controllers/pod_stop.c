/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of a container's end. The time a preStop hook takes is part of the grace; whoever
 * outlasts it still gets two seconds after the stop signal.
 */
#include "reconciler/controllers/pod_stop.h"

#include <assert.h>

#define BIT(n) (1u << (n))

/* clang-format off */
static const struct {
	const char *name;
	unsigned int next;
} stop_phases[STOP_PHASE_N_] = {
	[STOP_NONE]      = { "none",      BIT(STOP_WANTED) | BIT(STOP_HOOK) | BIT(STOP_TURN) },
	[STOP_WANTED]    = { "wanted",    BIT(STOP_HOOK) | BIT(STOP_TURN) },
	[STOP_HOOK]      = { "hook",      BIT(STOP_TURN) },
	[STOP_TURN]      = { "turn",      BIT(STOP_SIGNALLED) },
	[STOP_SIGNALLED] = { "signalled", BIT(STOP_KILLED) },
	[STOP_KILLED]    = { "killed",    0 },
};
/* clang-format on */

const char *stop_phase_name(enum stop_phase phase)
{
	assert(phase < STOP_PHASE_N_);
	return stop_phases[phase].name;
}

void stop_move(struct container_stop *s, enum stop_phase phase)
{
	assert(phase < STOP_PHASE_N_);
	assert(stop_phases[s->phase].next & BIT(phase));
	s->phase = phase;
}

static enum stop_act wait_for(uint64_t at_ms, uint64_t *ret_again_ms)
{
	if (at_ms < *ret_again_ms)
		*ret_again_ms = at_ms;
	return STOP_ACT_NONE;
}

enum stop_act stop_plan(const struct container_stop *s, uint64_t limit_ms, bool turn,
			uint64_t now_ms, uint64_t *ret_again_ms)
{
	uint64_t end = s->end_ms < limit_ms ? s->end_ms : limit_ms, until;

	switch (s->phase) {
	case STOP_NONE:
	case STOP_WANTED:
		return STOP_ACT_BEGIN;
	case STOP_HOOK:
		until = s->hook_end_ms < end ? s->hook_end_ms : end;
		return now_ms >= until ? STOP_ACT_HOOK_END : wait_for(until, ret_again_ms);
	case STOP_TURN:
		return turn || now_ms >= end ? STOP_ACT_SIGNAL : wait_for(end, ret_again_ms);
	case STOP_SIGNALLED:
		until = s->signalled_ms + STOP_MIN_MS > end ? s->signalled_ms + STOP_MIN_MS : end;
		return now_ms >= until ? STOP_ACT_KILL : wait_for(until, ret_again_ms);
	default:
		return STOP_ACT_NONE;
	}
}
