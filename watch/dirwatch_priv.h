/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of directories a source watches: one inotify instance. Events carry no path, since they
 * are hints only. The set is renewed with each read: begin, add what is there, sweep what was not
 * added again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"

struct dirwatch;

/* An event: MASK as in inotify(7), NAME the child it is about or "". */
typedef void (*dirwatch_fn)(uint32_t mask, const char *name, void *data);

/* At most MAX directories (0: no limit of ours). 0 with *ret, or negative errno with ERR. */
int dirwatch_new(struct dirwatch **ret, sd_event *loop, size_t max, dirwatch_fn fn, void *data,
		 struct err *err);
struct dirwatch *dirwatch_free(struct dirwatch *w);
DEFINE_FREEP(struct dirwatch, dirwatch_free)

/* Start a new round. */
void dirwatch_begin(struct dirwatch *w);
/*
 * Watch the directory behind DIRFD (any fd, O_PATH too; it may be closed afterwards). 0, -ENOSPC at
 * the limit of watches, other negative errno.
 */
int dirwatch_add(struct dirwatch *w, int dirfd);
/* End the round: stop watching what was not added in it. */
void dirwatch_sweep(struct dirwatch *w);

size_t dirwatch_count(const struct dirwatch *w);
