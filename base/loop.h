/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers around sd-event that more than one module needs. sd-event itself is used directly
 * elsewhere.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

/* A callback without further arguments. */
typedef void (*loop_fn)(void *data);

/*
 * Call FN(DATA) once, AFTER_MS from now (CLOCK_BOOTTIME, accuracy 1 ms; sd-event's default of 250
 * ms is never wanted here). *SOURCE is reused when it already holds a timer made by this function
 * with the same arguments: then it is re-armed. 0 or negative errno.
 */
int loop_timer(sd_event_source **source, sd_event *loop, uint64_t after_ms, loop_fn fn, void *data);

/* Disarm without freeing; fine on NULL. */
void loop_timer_stop(sd_event_source *source);

/*
 * A loop with SIGCHLD, SIGTERM and SIGINT blocked and SIGTERM/SIGINT ending it. 0 and *ret, or
 * negative errno.
 */
int loop_new(sd_event **ret, struct err *err);
