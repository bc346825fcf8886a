/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of settling; no clock in here.
 */
#include "watch/debounce_priv.h"

#include <assert.h>

void debounce_note(struct debounce *d, enum debounce_kind kind, uint64_t now_ms)
{
	if (!d->pending) {
		d->pending = true;
		d->only_removals = true;
		d->first_ms = now_ms;
	}
	if (kind != DEBOUNCE_REMOVAL)
		d->only_removals = false;
	d->last_ms = now_ms;
}

uint64_t debounce_due(const struct debounce *d)
{
	uint64_t due;

	assert(d->quiet_ms <= d->max_ms && d->removal_ms <= d->max_ms);
	if (!d->pending)
		return UINT64_MAX;
	due = d->last_ms + (d->only_removals ? d->removal_ms : d->quiet_ms);
	return due < d->first_ms + d->max_ms ? due : d->first_ms + d->max_ms;
}

bool debounce_overdue(const struct debounce *d, uint64_t now_ms)
{
	return d->pending && now_ms >= d->first_ms + d->max_ms;
}

void debounce_clear(struct debounce *d)
{
	d->pending = false;
}
