/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's conversation with the service manager that started it (sd_notify(3)): that it is
 * ready, what it keeps, that it is alive, and the socket it inherits. Without one nothing is sent.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/store.h"

struct supervise; /* opaque */

/*
 * Begin to follow STORE, which outlives it. Nothing is said before supervise_ready(). 0 and *ret,
 * or negative errno with ERR.
 */
int supervise_new(struct supervise **ret, sd_event *loop, struct store *store, struct err *err);

/* Say that the end has begun, and free. NULL is fine; returns NULL. */
struct supervise *supervise_free(struct supervise *s);
DEFINE_FREEP(struct supervise, supervise_free)

/*
 * Say that the daemon is ready. From now on a line of counts follows what changes in the store,
 * once a second at most; and, where the service manager has a watchdog, it hears of us four times
 * in each of its periods, each time after a turn of the loop and a read of the store. A read that
 * fails is not reported as life.
 */
void supervise_ready(struct supervise *s);

/*
 * The line of counts: "2 apps: 1 verified, 1 held; 5 pods: 4 ready". Owned by the caller.
 */
char *supervise_text(const struct store *store);

/*
 * The listening socket that the service manager passed on: *ret, owned by the caller, or 0 when it
 * passed none. Takes note of it once: a second call finds none, and neither does a child. Negative
 * errno with ERR when there are several.
 */
int supervise_listen_fd(int *ret, struct err *err);
