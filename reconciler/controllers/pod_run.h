/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a running pod: its sandbox, and of each container the current attempt and how
 * the last one ended. Kept in memory only: after a restart it is rebuilt from what the runtime
 * reports and from the pod's own status.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/controllers/pod_stop.h"
#include "reconciler/controllers/probe.h"

enum sandbox_state {
	SANDBOX_ABSENT,
	SANDBOX_STARTING,
	SANDBOX_READY,
	SANDBOX_FAILED, /* tried again after retry_ms */
	SANDBOX_STOPPING,
	SANDBOX_GONE, /* taken down for good */
	SANDBOX_STATE_N_,
};

enum container_state {
	CONTAINER_WAITING,  /* not started: a first time, or again after retry_ms */
	CONTAINER_STARTING, /* asked for */
	CONTAINER_RUNNING,
	CONTAINER_EXITED,
	CONTAINER_STATE_N_,
};

enum container_role {
	CONTAINER_MAIN,
	CONTAINER_INIT,    /* runs to its end before the next one starts */
	CONTAINER_SIDECAR, /* an init container that goes on beside the others */
};

/* A postStart hook. Until it is over the container does not count as running. */
enum hook_state {
	HOOK_OVER, /* or there is none */
	HOOK_DUE,
	HOOK_RUNNING,
	HOOK_FAILED, /* the container is brought to its end for it */
};

struct container_run {
	char *name;
	enum container_role role;
	enum container_state state;
	unsigned int attempt;    /* of the current or next start; equals restartCount */
	bool spent;              /* that attempt ran to its end: the next one has a new number */
	json_t *info;            /* running: {id, pid, started_at}; owned */
	json_t *last;            /* how the latest ended attempt ended; owned, NULL when none did */
	json_t *previous;        /* how the one before that ended; owned, or NULL */
	char *image_digest;      /* of the current attempt */
	struct err failure;      /* why waiting: kind ERR_NONE when nothing failed yet */
	bool image_wanted;       /* image_get is under way */
	bool stale;              /* ended in a sandbox that is gone: an init container runs again */
	unsigned int n_backoff;  /* restarts that waited */
	unsigned int n_failures; /* of creation or pull, in a row */
	uint64_t started_ms;     /* when the current attempt was seen running */
	uint64_t retry_ms;       /* not to be started before */

	enum hook_state post_start;
	uint64_t hook_ms; /* while it runs: look again then (a sleep is over, or ask again) */
	struct err hook_failure; /* why it failed, until the next attempt */
	struct container_stop stop;
	struct probe probes[PROBE_N_]; /* of the current attempt */
};

struct pod_run {
	char *uid;
	enum sandbox_state sandbox;
	char *ip;
	struct err failure; /* of the sandbox */
	unsigned int n_failures;
	uint64_t retry_ms;
	uint64_t grace_end_ms; /* deleting: when grace is over; 0 before the deletion was seen */
	uint64_t deadline_ms;  /* activeDeadlineSeconds are over then; 0: there is none */
	int64_t deadline_s;    /* what that was made from */
	bool ending;           /* deleted, or done but for sidecars: nothing is started any more */
	bool adopted;          /* its status was read into the containers */
	struct container_run *containers; /* init containers, then the others, in spec order */
	size_t n_containers;
};

struct pods;

/* No pods yet. / Free all runs; NULL is fine, returns NULL. */
struct pods *pods_new(void);
struct pods *pods_free(struct pods *p);
DEFINE_FREEP(struct pods, pods_free)

/* The run of UID, or NULL. / The same, made empty when there is none. Borrowed. */
struct pod_run *pods_get(struct pods *p, const char *uid);
struct pod_run *pods_add(struct pods *p, const char *uid);
void pods_remove(struct pods *p, const char *uid);

/* Call FN for every run; FN may remove the one it is given. */
void pods_each(struct pods *p, void (*fn)(struct pod_run *run, void *data), void *data);

/* The container NAME of RUN, or NULL. / The same, appended when there is none. Borrowed. */
struct container_run *pod_run_container(struct pod_run *run, const char *name);
struct container_run *pod_run_add_container(struct pod_run *run, const char *name);

/* A recorded end: {"exit_code", "reason", ...}. Moves C to exited; steals INFO. */
void container_run_ended(struct container_run *c, json_t *info);

/*
 * Did ERR, the N-th failure in a row, only interrupt what the next try will do? Such failures are
 * retried soon and not shown; the third in a row is.
 */
bool pod_run_hiccup(const struct err *err, unsigned int n);

/* True when any container is starting or running. */
bool pod_run_busy(const struct pod_run *run);

/* True when C runs, its postStart hook is over, and it can be probed. */
bool container_run_up(const struct container_run *c);
/* True when what comes after C may start: C is up and its startup probe, if any, succeeded. */
bool container_run_started(const struct container_run *c);
/* True when C is started and ready. */
bool container_run_ready(const struct container_run *c);
