/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log file of one container, written by its monitor: lines in the format of the Kubernetes CRI
 * ("<RFC3339Nano> stdout F text"), rotated by size. Part of recond-monitor, so it uses libc alone,
 * allocates nothing and never blocks the container because of a full disk: what cannot be written
 * is dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line longer than this is cut into several records, all but the last tagged P. */
#define MONITOR_LINE_MAX 8192

/* A log file being written. FILE, FILE.1 (newest of the old ones) ... FILE.<max_files - 1>. */
struct monitor_log {
	const char *path;       /* borrowed */
	uint64_t max_bytes;     /* rotate before the file grows beyond this; 0 = never */
	unsigned int max_files; /* files kept, the current one included; at least 1 */
	int fd;
	uint64_t size;  /* bytes of the current file that are on disk */
	size_t pending; /* bytes in out */
	char out[16384];
};

/* One output stream of the container and the beginning of its unfinished line. */
struct monitor_stream {
	const char *name; /* "stdout", "stderr" */
	int fd;           /* non-blocking read end of a pipe; -1 at the end of the stream */
	size_t len;
	char buf[MONITOR_LINE_MAX];
};

/*
 * Open PATH for appending (created 0640). MAX_BYTES and MAX_FILES as in struct monitor_log. 0 or
 * negative errno; the log is then usable and drops everything.
 */
int monitor_log_open(struct monitor_log *l, const char *path, uint64_t max_bytes,
		     unsigned int max_files);

/* Write out what is buffered and close. */
void monitor_log_close(struct monitor_log *l);

/* Add one record: TAG 'F' for a whole line, 'P' for a part. TEXT has no newline. Buffered until
 * monitor_log_flush. */
void monitor_log_add(struct monitor_log *l, const char *stream, char tag, const char *text,
		     size_t n);

/* Write out what is buffered. A failed write leaves no partial record behind. */
void monitor_log_flush(struct monitor_log *l);

/*
 * Read once from the stream and log the complete lines. 1 when something was read, 0 when nothing
 * is there now, -1 at the end of the stream (the fd is closed; an unfinished line was logged as P).
 */
int monitor_stream_read(struct monitor_stream *s, struct monitor_log *l);

/* "2006-01-02T15:04:05.123456789Z" of now into RET (31 bytes with the NUL). Needs no time zone
 * database. */
void monitor_now(char ret[32]);
