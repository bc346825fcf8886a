/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records a monitor (recond-monitor) leaves, and what crun's own words mean. Files in the
 * events directory, written whole or not at all:
 *
 *   <id>.start  {"pid": 123, "start_time": ticks, "started_at": "..."}, or {"pid": -1} when crun
 *               failed
 *   <id>.exit   {"exit_code", "signal", "oom_killed", "started_at", "finished_at"}, and
 *               {"unknown": true} when the monitor died and somebody else wrote it
 *
 * and in the container's bundle: "monitor" {"pid", "start_time"} of the monitor itself, before it
 * does anything, and "crun.log" with crun's errors.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct monitor_process {
	pid_t pid;
	uint64_t start_time; /* clock ticks since boot */
};

struct monitor_start {
	struct monitor_process init; /* of the container; pid -1: it failed */
	char started_at[40];
};

struct monitor_exit {
	int exit_code, signal;
	bool oom_killed;
	bool unknown; /* its monitor died: the code is made up */
	char started_at[40], finished_at[40];
};

/* Each: 1 with *ret, 0 when there is no such record, negative errno when it is malformed. */
int monitor_read_start(struct monitor_start *ret, int events_fd, const char *id);
int monitor_read_exit(struct monitor_exit *ret, int events_fd, const char *id);
int monitor_read_self(struct monitor_process *ret, int bundle_fd);

/*
 * Write the record of an end in place of a monitor that died; one that is there stays. 0, or
 * negative errno with ERR.
 */
int monitor_write_exit(int events_fd, const char *id, const struct monitor_exit *e,
		       struct err *err);

/* A pidfd for P if that very process lives, or -ESRCH. */
int monitor_open_process(const struct monitor_process *p);

/*
 * Record in ERR why crun failed, from the text LOG of its log (JSON lines; the first error counts).
 * Reason RunContainerError when the command itself could not be executed, CreateContainerError
 * otherwise. Pure. Returns the negative code.
 */
int monitor_crun_error(struct err *err, const char *log);
