/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in running containers, many at once on one loop, through "crun exec": with the user,
 * environment, capabilities and seccomp filter the container itself has. For the worker
 * recond-exec.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/mem.h"

struct exec_set;

/*
 * Command SEQ has ended: OK when its exit status was 0. OUTPUT (borrowed, N bytes) is foreign: the
 * first 10 KiB of what it printed, or why it could not be run or was ended.
 */
typedef void (*exec_done_fn)(uint64_t seq, bool ok, const char *output, size_t n, void *data);

/* An empty set on LOOP. */
struct exec_set *exec_set_new(sd_event *loop, exec_done_fn done, void *data);

/* Kill whatever runs, without a callback. NULL is fine; returns NULL. */
struct exec_set *exec_set_free(struct exec_set *s);
DEFINE_FREEP(struct exec_set, exec_set_free)

/*
 * Run a command. REQUEST (borrowed): {"command": [..], "timeoutMs", "target": of
 * pod_exec_target()}. DONE follows once, within the timeout; for what cannot be started before this
 * returns. At the timeout the command is killed with everything that descends from it or is in its
 * session.
 */
void exec_set_start(struct exec_set *s, uint64_t seq, const json_t *request);

/* Kill SEQ if it runs: no callback comes any more. */
void exec_set_cancel(struct exec_set *s, uint64_t seq);
