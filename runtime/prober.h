/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of containers, the daemon's side: probes and hooks are run by two workers, recond-prober
 * for what goes over the network and recond-exec for commands. Each is started with its first check
 * and ended when there was none for a while. A worker that dies fails its open checks, once, and
 * the next check starts another.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/mem.h"

struct prober;

/* Check ID has ended; strings are borrowed. From the loop, never before prober_check() returned.
 * May start and cancel checks. */
typedef void (*prober_done_fn)(const char *id, bool ok, const char *message, void *data);

/* A prober on LOOP whose workers end after IDLE_MS without a check (0: a minute). */
struct prober *prober_new(sd_event *loop, uint64_t idle_ms, prober_done_fn done, void *data);

/* Give up all checks, without callbacks, and end the workers. NULL is fine; returns NULL. */
struct prober *prober_free(struct prober *p);
DEFINE_FREEP(struct prober, prober_free)

/*
 * Run a check. REQUEST (borrowed) is that of ports.check, with a host for those that need one; for
 * "exec" it has "target", a document of pod_exec_target() (runtime/pod.h). DONE follows once. An ID
 * that is running is ignored.
 */
void prober_check(struct prober *p, const char *id, const json_t *request);

/* Give up ID if it runs: DONE is not called for it any more. */
void prober_cancel(struct prober *p, const char *id);

/* The number of checks under way. */
size_t prober_open(const struct prober *p);
