/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that is not there: ports of the policy in virtual time, with a source, an image store, a
 * builder and a runtime that answer after seeded random delays, fail when told to, and outlive
 * crashes of the policy. Checks invariants after every step.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reconciler/reconciler.h"

struct world;

/* A world whose delays come from SEED, without faults. */
struct world *world_new(uint64_t seed);
struct world *world_free(struct world *w);

/* How often, of 1000 times, something goes wrong. */
struct world_faults {
	unsigned int slow;     /* an answer takes up to minutes */
	unsigned int lost;     /* an answer never comes, whether its work was done or not */
	unsigned int repeated; /* an answer comes once more, later */
	unsigned int failing;  /* the work fails for once */
	unsigned int exits;    /* a container that was started ends by itself within a minute */
};

/* What goes wrong from here on; NULL: nothing. */
void world_set_faults(struct world *w, const struct world_faults *faults);
/* Nothing goes wrong any more, not even what was going to; the clock is right. */
void world_calm(struct world *w);
/* Print all that happens. */
void world_tell(struct world *w);

/* The policy's store, for looking. */
struct store *world_store(struct world *w);

/* What the source holds from now on: {"app": {"objects": [...], "errors": [...], "settings":
 * {...}}}; a new revision. Steals APPS. */
void world_push(struct world *w, json_t *apps);

/* What a person asks of APP (reconciler_app_action); ARGS is stolen, and may be NULL. */
int world_act(struct world *w, const char *app, const char *action, json_t *args, struct err *err);
/* The history of APP; owned by the caller. */
json_t *world_history(struct world *w, const char *app);

/* An image that image_resolve finds. One whose name holds "broken" cannot be created as a
 * container; a container of one with "crash", "ends" or "fails" in it ends soon, badly, with 0 or
 * with 3. */
void world_add_image(struct world *w, const char *ref);
void world_remove_image(struct world *w, const char *ref);
/* REF is another image from here on, and nothing is left of the one that it was. */
void world_replace_image(struct world *w, const char *ref, const char *content);

/* Builds of the Image object NAME fail from now on (or work again). */
void world_fail_builds(struct world *w, const char *name, bool fail);
/* How many builds ran. */
unsigned int world_builds(const struct world *w);

/*
 * Checks of containers of WHAT (an image reference or a pod's uid) fail from now on, or succeed
 * again. CHECK: "readiness", "preStop", ...; NULL for all of them.
 */
void world_fail_checks(struct world *w, const char *what, const char *check, bool fail);
/* How many checks were asked for. */
unsigned int world_checks(const struct world *w);

/* Confirm deletions of the newest revision. Takes effect with the next crash. */
void world_confirm_prune(struct world *w);

/* Kill the policy and start it again on what is durable; the runtime goes on, its workers do not.
 */
void world_crash(struct world *w);
/* The same at the N-th commit or effect from here, before it happens. */
void world_crash_in(struct world *w, unsigned int n);
/* Start the host again: nothing runs any more. */
void world_reboot(struct world *w);
/* Move the wall clock. */
void world_jump_clock(struct world *w, int64_t ms);
/* The next N commits fail; each ends the policy, which is started again. */
void world_fail_commits(struct world *w, unsigned int n);

/*
 * RULE is broken, and how. The first one counts: it is printed with seed and time, and the world
 * stands still.
 */
void world_violated(struct world *w, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The rule that was broken, or NULL. */
const char *world_violation(const struct world *w);

/* Let time pass: one answer or due key at a time, until nothing is left to do before FOR_MS have
 * passed. */
void world_run(struct world *w, uint64_t for_ms);

/* One step; false when nothing happens any more. */
bool world_step(struct world *w);
/* When that would happen; UINT64_MAX: never. */
uint64_t world_next_ms(const struct world *w);

/* An end that nobody saw: 137, ContainerStatusUnknown. */
#define WORLD_CODE_UNKNOWN (-1)

/* Exit of the first running container of pod UID. */
void world_exit_container(struct world *w, const char *uid, int code);

/* Running containers whose image digest is that of REF. */
unsigned int world_running(const struct world *w, const char *ref);

/* Containers started in all, ever. */
unsigned int world_starts(const struct world *w);

/* The lowest number of running containers seen since this was asked last. */
unsigned int world_low_water(struct world *w);

/* All events that people would have been told by now, in order. Borrowed. */
const json_t *world_notices(const struct world *w);

/* status.phase / reason of an app, borrowed. */
const char *world_app_phase(struct world *w, const char *app);
const char *world_app_reason(struct world *w, const char *app);

/* The pods of Deployment D read the ConfigMap NAME of its namespace, as a volume and as a variable.
 */
void world_read_config(json_t *d, const char *name);
/* Such a ConfigMap in namespace default; owned by the caller. */
json_t *world_config(const char *name, const char *text);
/* How often TEXT was given to a sandbox or a container as the content of such a ConfigMap. */
unsigned int world_reads(const struct world *w, const char *text);
/* A Deployment in namespace default; owned by the caller. */
json_t *world_deployment(const char *name, const char *image, int replicas);
