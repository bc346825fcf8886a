/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: a short-lived child process of the daemon that does one thing which blocks or parses
 * foreign bytes. This file is the daemon's side: it starts the executable, speaks framed messages
 * on fd 3 of the child, keeps a deadline, collects the exit status, and calls back on the loop. A
 * worker that hangs or crashes costs one retry.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/proc.h"

#define WORKER_FD 3 /* the worker's end of the socketpair */

struct worker;

/* A message arrived. M is borrowed until return. Not called after the end callback. */
typedef void (*worker_message_fn)(struct worker *w, const struct ipc_msg *m, void *data);

/*
 * The worker ended and all its messages were delivered. STATUS: exit code, 128 + signal, or
 * -ETIMEDOUT when the deadline passed (it was killed), or -EBADMSG when it sent garbage (killed).
 * Called exactly once; the callback owns W from here on and normally frees it.
 */
typedef void (*worker_end_fn)(struct worker *w, int status, void *data);

struct worker_options {
	const char *name;        /* executable below libexec, e.g. "recond-scan" */
	const char *const *args; /* further arguments, NULL-terminated, or NULL */
	uint64_t deadline_ms;    /* from start; 0 = none */
	uint64_t limit_as_bytes; /* as in proc_spec */
	uint64_t limit_cpu_s;
	int pass_fd;     /* becomes fd 4 of the child, -1 none; borrowed */
	bool no_network; /* new empty network namespace when we may */
	bool outlive;    /* keep it when the daemon dies; otherwise PR_SET_PDEATHSIG ends it */
	worker_message_fn on_message; /* may be NULL */
	worker_end_fn on_end;
	void *data;
};

/*
 * Start a worker on LOOP. 0 with *ret, or negative errno with ERR (and no callback). Neither
 * callback runs before this returns.
 */
int worker_spawn(struct worker **ret, sd_event *loop, const struct worker_options *o,
		 struct err *err);

/*
 * Queue a message to the worker; never blocks. A dead worker swallows it (the end callback tells).
 */
void worker_send(struct worker *w, uint32_t type, const void *data, size_t len);
void worker_send_json(struct worker *w, uint32_t type, const json_t *j);

/* After what is queued: shut down our sending side, so the worker reads end of stream. */
void worker_finish_input(struct worker *w);

/* Kill it (SIGKILL); the end callback follows from the loop. */
void worker_kill(struct worker *w);

/* Kill if alive, drop without any further callback, free. NULL is fine; returns NULL. */
struct worker *worker_free(struct worker *w);
DEFINE_FREEP(struct worker, worker_free)

/* The last 4 KiB of the worker's stderr, escaped, borrowed; "" when silent. For error messages. */
const char *worker_stderr(const struct worker *w);
