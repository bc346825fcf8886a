/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI log records and rotation. Static buffers only: a monitor lives as long as its container, and
 * there are hundreds of them, so every touched page counts.
 */
#include "runtime/monitor_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define RECORD_HEAD_MAX 64 /* time stamp, stream, tag, three blanks, newline */

static void digits(char *at, unsigned int value, int n)
{
	while (n-- > 0) {
		at[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* Days since 1970-01-01 to a civil date: Howard Hinnant's algorithm, whose years begin in March. */
static void civil_from_days(int64_t days, unsigned int *ret_y, unsigned int *ret_m,
			    unsigned int *ret_d)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	unsigned int doe = (unsigned int)(z - era * 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;

	*ret_d = doy - (153 * mp + 2) / 5 + 1;
	*ret_m = mp < 10 ? mp + 3 : mp - 9;
	*ret_y = (unsigned int)(yoe + era * 400) + (*ret_m <= 2);
}

void monitor_now(char ret[32])
{
	static char text[32] = "0000-00-00T00:00:00.000000000Z";
	static time_t second = -1;
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ts.tv_sec != second) {
		unsigned int of_day = (unsigned int)(ts.tv_sec % 86400);
		unsigned int y, m, d;

		second = ts.tv_sec;
		civil_from_days(ts.tv_sec / 86400, &y, &m, &d);
		digits(text, y, 4);
		digits(text + 5, m, 2);
		digits(text + 8, d, 2);
		digits(text + 11, of_day / 3600, 2);
		digits(text + 14, of_day / 60 % 60, 2);
		digits(text + 17, of_day % 60, 2);
	}
	digits(text + 20, (unsigned int)ts.tv_nsec, 9);
	memcpy(ret, text, sizeof(text));
}

static int log_reopen(struct monitor_log *l, int flags)
{
	off_t end;

	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	if (l->fd < 0)
		return -errno;
	end = lseek(l->fd, 0, SEEK_END);
	l->size = end < 0 ? 0 : (uint64_t)end;
	return 0;
}

/* FILE.n-2 -> FILE.n-1 ... FILE -> FILE.1, then a fresh FILE. A follower sees a new inode under the
 * old name. */
static void log_rotate(struct monitor_log *l)
{
	char from[PATH_SIZE], to[PATH_SIZE];

	for (unsigned int i = l->max_files - 1; i >= 1; i--) {
		(void)snprintf(to, sizeof(to), "%s.%u", l->path, i);
		if (i == 1)
			(void)snprintf(from, sizeof(from), "%s", l->path);
		else
			(void)snprintf(from, sizeof(from), "%s.%u", l->path, i - 1);
		(void)rename(from, to);
	}
	if (l->fd >= 0)
		(void)close(l->fd);
	(void)log_reopen(l, l->max_files == 1 ? O_TRUNC : 0);
}

int monitor_log_open(struct monitor_log *l, const char *path, uint64_t max_bytes,
		     unsigned int max_files)
{
	assert(max_files >= 1);
	l->path = path;
	l->max_bytes = max_bytes;
	l->max_files = max_files;
	l->pending = 0;
	l->size = 0;
	return log_reopen(l, 0);
}

void monitor_log_flush(struct monitor_log *l)
{
	size_t done = 0;

	while (l->fd >= 0 && done < l->pending) {
		ssize_t n = write(l->fd, l->out + done, l->pending - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* No space: give up the batch, and no half record for the reader to trip
			 * over. */
			if (ftruncate(l->fd, (off_t)l->size) == 0)
				done = 0;
			break;
		}
		done += (size_t)n;
	}
	l->size += done;
	l->pending = 0;
}

void monitor_log_close(struct monitor_log *l)
{
	monitor_log_flush(l);
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
}

void monitor_log_add(struct monitor_log *l, const char *stream, char tag, const char *text,
		     size_t n)
{
	char now[32];
	size_t most = n + RECORD_HEAD_MAX, len;
	char *p;

	assert(n <= MONITOR_LINE_MAX && most <= sizeof(l->out));
	if (l->max_bytes > 0 && l->size + l->pending > 0 &&
	    l->size + l->pending + most > l->max_bytes) {
		monitor_log_flush(l);
		log_rotate(l);
	}
	if (l->pending + most > sizeof(l->out))
		monitor_log_flush(l);
	monitor_now(now);
	p = l->out + l->pending;
	len = strlen(now);
	memcpy(p, now, len);
	p += len;
	*p++ = ' ';
	len = strlen(stream);
	memcpy(p, stream, len);
	p += len;
	*p++ = ' ';
	*p++ = tag;
	*p++ = ' ';
	memcpy(p, text, n);
	p += n;
	*p++ = '\n';
	l->pending = (size_t)(p - l->out);
}

/* Log the complete lines of the buffer and move the rest to its front. A full buffer without a
 * newline goes as P. */
static void stream_split(struct monitor_stream *s, struct monitor_log *l)
{
	size_t at = 0;

	while (at < s->len) {
		char *nl = memchr(s->buf + at, '\n', s->len - at);

		if (!nl)
			break;
		monitor_log_add(l, s->name, 'F', s->buf + at, (size_t)(nl - s->buf) - at);
		at = (size_t)(nl - s->buf) + 1;
	}
	if (at == 0 && s->len == sizeof(s->buf)) {
		monitor_log_add(l, s->name, 'P', s->buf, s->len);
		at = s->len;
	}
	s->len -= at;
	if (at > 0 && s->len > 0)
		memmove(s->buf, s->buf + at, s->len);
}

int monitor_stream_read(struct monitor_stream *s, struct monitor_log *l)
{
	ssize_t n;

	assert(s->fd >= 0);
	assert(s->len < sizeof(s->buf));
	n = read(s->fd, s->buf + s->len, sizeof(s->buf) - s->len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		s->len += (size_t)n;
		stream_split(s, l);
		return 1;
	}
	if (s->len > 0)
		monitor_log_add(l, s->name, 'P', s->buf, s->len);
	s->len = 0;
	(void)close(s->fd);
	s->fd = -1;
	return -1;
}
