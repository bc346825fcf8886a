/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a container's log in the CRI format ("<time> stdout|stderr F|P <text>" per line) across
 * its rotated parts: PATH is the newest, PATH.1 the one before, and so on. The reader follows the
 * file it reads by inode, so a rotation in the middle loses and doubles nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

#define CRILOG_AGAIN (-1)
#define CRILOG_END (-2)

struct crilog;

struct crilog_options {
	int64_t tail_lines;  /* begin with the last N lines; -1 = all */
	int64_t since_ns;    /* only lines of this time (epoch) and later; 0 = all */
	int64_t limit_bytes; /* end after so many bytes of output; 0 = no limit */
	bool timestamps;     /* put the time before each line */
};

/* Open the log PATH, one of our own. 0 with *ret (owned by the caller), or negative errno with ERR
 * (-ENOENT: none). */
int crilog_open(struct crilog **ret, const char *path, const struct crilog_options *o,
		struct err *err);
struct crilog *crilog_free(struct crilog *l);
DEFINE_FREEP(struct crilog, crilog_free)

/*
 * Put up to MAX bytes of text into BUF. Returns their number; 0 at the end of what is written so
 * far; CRILOG_AGAIN when it skipped as much as one call may; CRILOG_END when the byte limit is
 * reached.
 */
ssize_t crilog_read(struct crilog *l, char *buf, size_t max);
