/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside recond-pod: the job it was started for, and its verbs. Each verb may be repeated after it
 * was killed anywhere.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/cgroup.h"
#include "runtime/net.h"

#define POD_ID_SIZE 33 /* 32 hex digits and NUL */

struct pod_job {
	const json_t *doc;     /* the message, borrowed */
	const json_t *request; /* its member of that name, or NULL */
	const char *uid;       /* of the pod; borrowed from doc */
	const char *run_dir;   /* of the instance */
	const char *state_dir;
	char *run_path;      /* <run-dir>/pods/<uid> */
	char *disk_path;     /* <state-dir>/pods/<uid> */
	int run_fd, disk_fd; /* of these; -1 until pod_job_open() */
	char *cgroup;        /* of the pod; NULL when the message has no QoS class */
	struct cgroup_host cgroups;
	struct net_bridge bridge;
};

/* Check DOC and fill JOB in; what the verb needs of it is opened by pod_job_open(). 0 or negative
 * errno with ERR. */
int pod_job_init(struct pod_job *job, const json_t *doc, struct err *err);
void pod_job_deinit(struct pod_job *job);

/* Open the pod's two directories; made when MAKE. -ENOENT when one is missing (and not made). */
int pod_job_open(struct pod_job *job, bool make, struct err *err);

/* The cgroup path of the pod for a QoS class, owned by the caller. */
char *pod_job_cgroup(const struct pod_job *job, const char *qos);

/*
 * The verbs: 0 with *ret_reply (owned by the caller), or negative errno with ERR; then *ret_reply
 * may be {"remains": true}.
 */
int pod_verb_network_up(json_t **ret_reply, struct pod_job *job, struct err *err);
int pod_verb_sandbox_up(json_t **ret_reply, struct pod_job *job, struct err *err);
int pod_verb_container_start(json_t **ret_reply, struct pod_job *job, struct err *err);
int pod_verb_container_clean(json_t **ret_reply, struct pod_job *job, struct err *err);
int pod_verb_pod_down(json_t **ret_reply, struct pod_job *job, struct err *err);
int pod_verb_host_down(json_t **ret_reply, struct pod_job *job, struct err *err);

/* A container that is ready to be run. */
struct pod_launch {
	const char *id, *bundle, *cgroup_path;
	int bundle_fd;
	int lock_fd; /* of the bundle's lock; closed, and -1, once the monitor has it */
};

/* Start the monitor and wait for its word. 0 with *ret_reply, or negative errno with ERR. */
int pod_launch(json_t **ret_reply, struct pod_job *job, struct pod_launch *l, struct err *err);

/* Undo what sandbox_up made in the run directory and the cgroups, but not the volumes on disk. */
int pod_sandbox_clear(struct pod_job *job, struct err *err);

/* Remove the container ID of this pod, alive or half-made. Its records go too. */
int pod_container_clear(struct pod_job *job, const char *id, struct err *err);
