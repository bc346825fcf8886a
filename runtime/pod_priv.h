/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of pods, in four files: pod.c (public operations), pod_task.c (the queue of
 * workers), pod_look.c (what the records on disk say about a container), pod_recover.c (after a
 * restart).
 */
#pragma once

#include "base/worker.h"
#include "runtime/cidr.h"
#include "runtime/monitor.h"
#include "runtime/pod.h"

#define POD_MAX_WORKERS 4
#define POD_CONTAINER_ID_SIZE 33
#define POD_DOOMED_FILE "doomed" /* in a bundle: what is there is to be removed */

enum pod_state {
	POD_MAKING, /* sandbox wanted or under way */
	POD_READY,
	POD_FAILED, /* the last attempt at the sandbox failed; partly there */
	POD_GOING,  /* only pod_gone is to be reported now */
	POD_STATE_N_,
};

enum container_state {
	CONTAINER_WAITING,  /* for layers */
	CONTAINER_STARTING, /* a worker or, after a restart, its monitor alone is at it */
	CONTAINER_RUNNING,
	CONTAINER_LOST,   /* its monitor is gone: being killed */
	CONTAINER_EXITED, /* reported; the records are still there */
	CONTAINER_STATE_N_,
};

struct pod_container {
	struct pod *pod;
	char *name;
	unsigned int attempt;
	char id[POD_CONTAINER_ID_SIZE];
	enum container_state state;
	bool fallback_to_logs; /* terminationMessagePolicy */
	bool has_worker;       /* its start is a task in the queue: that one reports */
	json_t *request;       /* until it is started */
	struct layer_job *layers;
	struct image *image;
	struct err *start_error; /* to be reported on the next turn */
	struct monitor_start started;
	int monitor_pidfd;
	sd_event_source *monitor_source;
};

struct pod {
	struct pod_runtime *rt;
	char *uid, *ns, *name, *qos;
	enum pod_state state;
	uint32_t ip;            /* 0: in the host's network */
	bool busy;              /* a worker is at it */
	bool report;            /* say again that it is ready, or failed, on the next turn */
	bool report_containers; /* look at each container on the next turn */
	bool stalled;           /* only its end is begun before the retry */
	unsigned int failures;  /* of a kill or of its end, in a row */
	sd_event_source *retry;
	struct pod_container **containers;
	size_t n, cap;
};

enum pod_verb {
	POD_VERB_NETWORK_UP,
	POD_VERB_SANDBOX_UP,
	POD_VERB_CONTAINER_START,
	POD_VERB_CONTAINER_CLEAN, /* of what has ended: nothing waits for it */
	POD_VERB_CONTAINER_KILL,  /* of what may run: until it is done the pod starts nothing */
	POD_VERB_POD_DOWN,
	POD_VERB_HOST_DOWN,
	POD_VERB_N_,
};

/* One run of recond-pod, waiting or under way. */
struct pod_task {
	struct pod_runtime *rt;
	struct pod_task *next;
	enum pod_verb verb;
	struct pod *pod;                 /* NULL for the network */
	struct pod_container *container; /* of a start, or of the kill after a loss; else NULL */
	json_t *message;
	json_t *reply;
	bool again;            /* set by what follows a run: put it back, first in the queue */
	struct worker *worker; /* NULL while it waits */
};

struct pod_runtime {
	sd_event *loop;
	char *state_dir, *run_dir, *bridge, *pod_cidr, *cgroup_root, *crun_path;
	bool monitors_apart;
	uint64_t log_bytes;
	unsigned int log_files;
	struct image_store *images;
	struct layer_unpacker *layers;
	struct pod_callbacks callbacks;
	void *data;
	int run_fd, events_fd, inotify_fd;
	sd_event_source *inotify_source, *turn; /* turn: reports that wait for the loop */
	bool network_ready, network_wanted;
	struct cidr_pool addresses;
	struct pod **pods;
	size_t n_pods, cap_pods;
	struct pod_task *queue; /* waiting, oldest first */
	struct pod_task **running;
	size_t n_running, cap_running;
};

/* pod.c */
struct pod *pod_find(struct pod_runtime *rt, const char *uid);
struct pod *pod_add(struct pod_runtime *rt, const char *uid);
/* Forget a pod of which nothing is left. */
void pod_drop(struct pod *pod);
struct pod_container *pod_container_add(struct pod *pod, const char *name, unsigned int attempt);
struct pod_container *pod_container_find(struct pod *pod, const char *name, unsigned int attempt);
void pod_container_drop(struct pod_container *c);
/* What a pod-down message carries beside the pod. */
json_t *pod_down_extra(const struct pod *pod);
/* Have the loop report what has `report` set, and look at every container, before it sleeps again.
 */
void pod_turn(struct pod_runtime *rt);
bool pod_uid_valid(const char *uid);
bool pod_name_valid(const char *name);
/* The pod's (or container's) directory below the run directory, relative to run_fd; owned by the
 * caller. */
char *pod_dir(const struct pod *pod);
char *pod_container_dir(const struct pod_container *c);
char *pod_container_log(const struct pod_container *c);

/* pod_task.c */
/* Queue a run of VERB; REQUEST (may be NULL) is added to its message. POD and CONTAINER as in
 * struct pod_task. */
void pod_task_add(struct pod_runtime *rt, enum pod_verb verb, struct pod *pod,
		  struct pod_container *container, json_t *extra);
/* Forget what waits for POD (its own down excepted); a running worker is left to end. */
void pod_task_cancel(struct pod *pod);
/* Start workers for what can go on. */
void pod_task_run(struct pod_runtime *rt);
void pod_task_free_all(struct pod_runtime *rt);

/* pod_look.c */
/*
 * Look at the container's records and its monitor and report what changed. May drop the container.
 * The only place that moves a container on once its worker is done.
 */
void pod_look(struct pod_container *c);
/*
 * The start of C failed. Reports it and forgets C; with REMAINS, what may be left of it is killed
 * and removed before anything else happens to the pod.
 */
void pod_start_failed(struct pod_container *c, const struct err *err, bool remains);
/* What a lost monitor left is killed, and its end is on record. */
void pod_lost_cleaned(struct pod_container *c);
int pod_look_init(struct pod_runtime *rt, struct err *err);

/* pod_retire.c */
/* Put the bridge on record before it is made. 0 or negative errno with ERR. */
int pod_retire_note_bridge(struct pod_runtime *rt, struct err *err);

/* pod_message.c */
/*
 * The termination message: of the file in the bundle, or, when that is empty and CODE is not 0 and
 * FALLBACK, the end of the log. Owned by the caller, never NULL.
 */
char *pod_message_read(int bundle_fd, const char *log_path, bool fallback, int code);
/* The last 80 lines and 2,048 bytes of text in CRI records. Pure; owned by the caller. */
char *pod_message_tail(const char *records, size_t n);
