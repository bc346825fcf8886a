/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and randomness of the host.
 */
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fs.h"

#define NS_PER_S INT64_C(1000000000)
#define BOOT_ID_LEN 36

static struct timespec now(clockid_t id)
{
	struct timespec ts;
	int r = clock_gettime(id, &ts);

	assert(r == 0);
	(void)r;
	return ts;
}

uint64_t clock_boottime_ms(void)
{
	struct timespec ts = now(CLOCK_BOOTTIME);

	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t clock_realtime_ns(void)
{
	struct timespec ts = now(CLOCK_REALTIME);

	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_steady_realtime_ns(void)
{
	static int64_t offset_ns;
	struct timespec ts = now(CLOCK_BOOTTIME);
	int64_t boot_ns = ts.tv_sec * NS_PER_S + ts.tv_nsec;

	if (offset_ns == 0)
		offset_ns = clock_realtime_ns() - boot_ns;
	return boot_ns + offset_ns;
}

/* "2006-01-02T15:04:05" into RET; *ret_fraction_ns is what is left of the second. */
static size_t format_seconds(char ret[CLOCK_RFC3339_SIZE], int64_t *ret_fraction_ns,
			     int64_t epoch_ns)
{
	time_t s = epoch_ns / NS_PER_S;
	int64_t fraction = epoch_ns % NS_PER_S;
	struct tm tm;
	size_t n;

	if (fraction < 0) {
		fraction += NS_PER_S;
		s--;
	}
	/* An int64_t of nanoseconds lies within the years 1677 to 2262. */
	n = gmtime_r(&s, &tm) ? strftime(ret, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
	assert(n > 0);
	*ret_fraction_ns = fraction;
	return n;
}

void clock_format_rfc3339(char ret[CLOCK_RFC3339_SIZE], int64_t epoch_ns)
{
	int64_t fraction;
	size_t n = format_seconds(ret, &fraction, epoch_ns);

	(void)snprintf(ret + n, CLOCK_RFC3339_SIZE - n, "Z");
}

void clock_format_rfc3339_nano(char ret[CLOCK_RFC3339_SIZE], int64_t epoch_ns)
{
	int64_t fraction;
	size_t n = format_seconds(ret, &fraction, epoch_ns);

	(void)snprintf(ret + n, CLOCK_RFC3339_SIZE - n, ".%09lldZ", (long long)fraction);
}

/* Exactly WIDTH digits and then the character BEHIND ('\0': anything). Moves *P behind both. */
static bool scan_number(int *ret, const char **p, int width, char behind)
{
	int v = 0;

	for (int i = 0; i < width; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	if (behind && *(*p)++ != behind)
		return false;
	*ret = v;
	return true;
}

/* An optional ".123"; digits beyond nanoseconds are dropped. */
static bool scan_fraction(int64_t *ret_ns, const char **p)
{
	int64_t v = 0, unit = NS_PER_S / 10;

	*ret_ns = 0;
	if (**p != '.')
		return true;
	if ((*p)[1] < '0' || (*p)[1] > '9')
		return false;
	for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		v += (**p - '0') * unit;
	*ret_ns = v;
	return true;
}

/* "Z" or "+hh:mm", and then the end. */
static bool scan_zone(int64_t *ret_offset_s, const char **p)
{
	int hours, minutes, sign;

	if (**p == 'Z') {
		*ret_offset_s = 0;
		return *++*p == '\0';
	}
	if (**p != '+' && **p != '-')
		return false;
	sign = **p == '-' ? -1 : 1;
	(*p)++;
	if (!scan_number(&hours, p, 2, ':') || !scan_number(&minutes, p, 2, '\0') || **p)
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool scan_date_time(struct tm *ret, const char **p)
{
	struct tm tm = {0};

	if (!scan_number(&tm.tm_year, p, 4, '-') || !scan_number(&tm.tm_mon, p, 2, '-') ||
	    !scan_number(&tm.tm_mday, p, 2, 'T') || !scan_number(&tm.tm_hour, p, 2, ':') ||
	    !scan_number(&tm.tm_min, p, 2, ':') || !scan_number(&tm.tm_sec, p, 2, '\0'))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	*ret = tm;
	return true;
}

int clock_parse_rfc3339(int64_t *ret_ns, const char *s)
{
	struct tm tm, normalised;
	int64_t fraction, offset, ns;
	time_t seconds;

	if (!s || !scan_date_time(&tm, &s) || !scan_fraction(&fraction, &s) ||
	    !scan_zone(&offset, &s))
		return -EINVAL;
	normalised = tm;
	seconds = timegm(&normalised);
	/* timegm() turns 30 February into 2 March; a date it has to mend does not exist. */
	if (normalised.tm_mday != tm.tm_mday || normalised.tm_mon != tm.tm_mon)
		return -EINVAL;
	if (__builtin_mul_overflow((int64_t)seconds - offset, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, fraction, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

void clock_random(void *buf, size_t n)
{
	char *p = buf;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

int clock_boot_id(char ret[37])
{
	autofree char *text = NULL;
	size_t n;
	int r;

	r = fs_read_at(&text, &n, AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);
	if (r < 0)
		return r;
	if (n < BOOT_ID_LEN)
		return -EIO;
	memcpy(ret, text, BOOT_ID_LEN);
	ret[BOOT_ID_LEN] = '\0';
	return 0;
}
