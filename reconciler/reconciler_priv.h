/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controllers share: the queue classes, effects that wait for their transaction, events,
 * and the clock. Only files of reconciler/ include this.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/queue.h"
#include "reconciler/reconciler.h"

/* Queue classes; each has one controller (the table in reconciler.c). */
enum work {
	WORK_DEPLOYMENT, /* key "namespace/name" */
	WORK_REPLICASET, /* key "namespace/name" */
	WORK_JOB,        /* key "namespace/name" */
	WORK_POD,        /* key uid */
	WORK_PROBE,      /* key uid of a pod */
	WORK_NAMESPACE,  /* key name */
	WORK_ORPHANS,    /* key uid of an owner that went */
	WORK_APP,        /* key app */
	WORK_DRIFT,      /* key "Kind/namespace/name" */
	WORK_BUILD,      /* key build id */
	WORK_SOURCE,     /* key source */
	WORK_EVENTS,     /* key "": expiry of old events */
	WORK_QUESTION,   /* key of effects.c: an answer that did not come */
	WORK_N_,
};

struct pods;    /* controllers/pod_run.h: what is known of running pods */
struct apps;    /* sync.h: desired and effective of every app */
struct events;  /* events.h: the recorder */
struct sources; /* sources.h: which are configured, and how they are */

struct effects; /* effects_priv.h: what to do on the host, and what was asked of it */

struct reconciler {
	struct store *store;
	struct ports ports;
	char *node_name;
	char *host_ip;
	struct node_capacity node;
	char *confirm_prune;
	struct queue *queue;
	struct pods *pods;
	struct apps *apps;
	struct events *events;
	struct sources *sources;
	struct effects *effects; /* wait for the commit of the transaction that intends them */
	unsigned int watch_id;
	int64_t started_ns; /* wall clock at the start of the process */
	bool recovered;
	bool pass_open; /* between store_begin and store_commit */
};

/* Now, for intervals / for time stamps / as RFC 3339. */
uint64_t reconciler_now_ms(struct reconciler *r);
int64_t reconciler_realtime_ns(struct reconciler *r);
void reconciler_rfc3339(struct reconciler *r, char ret[CLOCK_RFC3339_SIZE]);

/* When the time stamp TEXT was made; DEF when it is none. One that lies ahead is of an earlier
 * process, and the wall clock was set back since: it counts from the start of this one. */
int64_t reconciler_stamp_ns(struct reconciler *r, const char *text, int64_t def);

/* Queue KEY of class WORK at once / after a delay. */
void reconciler_queue(struct reconciler *r, enum work work, const char *key);
void reconciler_queue_after(struct reconciler *r, enum work work, const char *key,
			    uint64_t delay_ms);
/* Queue by object: key "namespace/name". */
void reconciler_queue_object(struct reconciler *r, enum work work, const json_t *object);

/*
 * Effects: calls of the ports that happen only after the current transaction is durable (intent
 * before effect). All arguments are copied or referenced.
 */
void effect_sandbox_up(struct reconciler *r, json_t *request_taken);
void effect_container_start(struct reconciler *r, json_t *request_taken);
void effect_container_signal(struct reconciler *r, const char *uid, const char *name,
			     unsigned int attempt, int signo);
void effect_pod_down(struct reconciler *r, const char *uid);
void effect_check(struct reconciler *r, const char *id, json_t *request_taken);
void effect_check_cancel(struct reconciler *r, const char *id);
void effect_image_get(struct reconciler *r, const char *ref);
void effect_decode(struct reconciler *r, const char *source, const char *revision);
void effect_build_plan(struct reconciler *r, const char *id, const char *source,
		       const char *revision, const json_t *image);
void effect_build(struct reconciler *r, const char *id, const char *source, const char *revision,
		  const json_t *image);
void effect_notify(struct reconciler *r, const char *source, json_t *event_taken);

/*
 * Ask for the deletion of an object as `kubectl delete` does in the background: pods get their
 * grace, everything else goes at once and its dependents follow.
 */
void reconciler_delete(struct reconciler *r, const json_t *object);
