/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is a tree settled? After a quiet window, but no later than a bound after the first event, so
 * that a busy writer can't starve everyone else. Deletions alone wait longer: most are the first
 * half of a replacement. Pure: times come in as arguments (milliseconds of any one clock).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum debounce_kind {
	DEBOUNCE_CHANGE,
	DEBOUNCE_REMOVAL,
};

struct debounce {
	uint64_t quiet_ms;   /* without any event */
	uint64_t removal_ms; /* without any event, when all so far were removals */
	uint64_t max_ms;     /* from the first event */

	bool pending;
	bool only_removals;
	uint64_t first_ms;
	uint64_t last_ms;
};

/* An event of KIND happened. */
void debounce_note(struct debounce *d, enum debounce_kind kind, uint64_t now_ms);

/* When to look at the tree; UINT64_MAX when nothing happened. */
uint64_t debounce_due(const struct debounce *d);

/* True when events have been coming for so long that what is read now counts, settled or not. */
bool debounce_overdue(const struct debounce *d, uint64_t now_ms);

/* What happened so far has been dealt with. */
void debounce_clear(struct debounce *d);
