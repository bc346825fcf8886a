/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that outlives its policy: ports.h over a file. What the policy has done to the world is in
 * DIR/host.json the moment it is done, so a process that dies anywhere is started again on the
 * world as it left it. Time is virtual. While the host works faultlib.so is paused: only the policy
 * fails.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "reconciler/reconciler.h"

struct host;

/*
 * What the file at DIR says, or an empty host. Dies (status 3) on a broken one, and (status 1) as
 * soon as the disk of STORE_DIR, where the policy's store lies, has no power.
 */
struct host *host_open(const char *dir, const char *store_dir);
struct host *host_close(struct host *h);

/* Fills PORTS and ENV for a policy on this host. */
void host_wire(struct host *h, struct ports *ports, struct store_env *env);

/*
 * What was under way when the last policy died is finished, then everything there is gets reported,
 * as a runtime does at start. A pod the store does not know is a container that nobody will ever
 * stop: dies with status 3.
 */
void host_recover(struct host *h, struct reconciler *r);

/* The source holds APPS ({"app": {"objects": [...]}}, stolen) as revision NUMBER; said to R. */
void host_push(struct host *h, struct reconciler *r, int number, json_t *apps);

/* Serve R until nothing happens for FOR_MS of virtual time. 0, or negative when the store failed.
 */
int host_run(struct host *h, struct reconciler *r, uint64_t for_ms, struct err *err);

/* Running containers of the image REFERENCE (NULL: of any). */
int host_running(const struct host *h, const char *reference);

/* Containers started, ever. */
int host_starts(const struct host *h);

/* The newest revision that was pushed, 0 when none was. */
int host_pushed(const struct host *h);

/*
 * The store acknowledged the write VERSION: noted, and in the file as soon as anything happens on
 * it. A store that is opened later may not be older.
 */
void host_note_write(struct host *h, uint64_t version);
uint64_t host_newest_write(const struct host *h);

/* A number kept with the host: which revision was seen to be through. */
int host_acked(const struct host *h);
void host_ack(struct host *h, int number);
