/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failpoints, see failpoint.h; empty without RECOND_FAILPOINTS. libc alone and nothing on the heap:
 * the monitor links this file too, and a failpoint must not change what a failing malloc counts.
 */
#include "base/failpoint.h"

#ifdef RECOND_FAILPOINTS

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_POINTS 16
#define MAX_ERRNO 134
#define EXIT_MALFORMED 70 /* sysexits.h: EX_SOFTWARE */

_Static_assert(sizeof(struct failpoint) == 64, "the section is an array of 64 byte entries");

enum action {
	ACTION_OFF,
	ACTION_ERROR,
	ACTION_SLEEP,
	ACTION_PANIC,
	ACTION_KILL,
};

struct term {
	enum action action;
	int argument; /* errno or milliseconds */
};

/* Hits of each failpoint that the environment names, for when there is no directory. */
static struct {
	char name[FAILPOINT_NAME_SIZE];
	unsigned long hits;
} counted[MAX_POINTS];

static void malformed(const char *text) __attribute__((noreturn));

static void malformed(const char *text)
{
	(void)fprintf(stderr, "RECOND_FAILPOINTS: malformed at '%.40s'\n", text);
	_exit(EXIT_MALFORMED);
}

static int errno_by_name(const char *name, size_t n)
{
	for (int i = 1; i < MAX_ERRNO; i++) {
		const char *known = strerrorname_np(i);

		if (known && strlen(known) == n && !strncmp(known, name, n))
			return i;
	}
	malformed(name);
}

/* An action at P; its end in RET_END. */
static struct term parse_action(const char *p, const char **ret_end)
{
	static const struct {
		const char *word;
		enum action action;
		int has_argument;
	} table[] = {
		{"off", ACTION_OFF, 0},      {"error(", ACTION_ERROR, 1},
		{"sleep(", ACTION_SLEEP, 1}, {"panic", ACTION_PANIC, 0},
		{"kill", ACTION_KILL, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t n = strlen(table[i].word), argument;
		struct term t = {.action = table[i].action};

		if (strncmp(p, table[i].word, n) != 0)
			continue;
		*ret_end = p + n;
		if (!table[i].has_argument)
			return t;
		argument = strcspn(p + n, ")");
		if (p[n + argument] != ')')
			malformed(p);
		*ret_end += argument + 1;
		if (t.action == ACTION_ERROR)
			t.argument = errno_by_name(p + n, argument);
		else
			t.argument = (int)strtol(p + n, NULL, 10);
		return t;
	}
	malformed(p);
}

/* What the terms at P, up to ';' or the end, say of hit number HIT (from 1). */
static struct term term_of(const char *p, unsigned long hit)
{
	static const struct term off = {.action = ACTION_OFF};
	unsigned long upto = 0;

	for (;;) {
		unsigned long count = ULONG_MAX;
		char *star = NULL;
		struct term t;

		if (*p >= '0' && *p <= '9') {
			count = strtoul(p, &star, 10);
			if (*star != '*' || count == 0)
				malformed(p);
			p = star + 1;
		}
		t = parse_action(p, &p);
		upto = count > ULONG_MAX - upto ? ULONG_MAX : upto + count;
		if (hit <= upto)
			return t;
		if (*p == ';' || !*p)
			return off;
		if (strncmp(p, "->", 2) != 0)
			malformed(p);
		p += 2;
	}
}

/* The terms of NAME in the environment, or NULL. */
static const char *terms_of(const char *name)
{
	const char *p = secure_getenv("RECOND_FAILPOINTS");
	size_t n = strlen(name);

	while (p && *p) {
		size_t key = strcspn(p, "=;");

		if (p[key] != '=')
			malformed(p);
		if (key == n && !strncmp(p, name, n))
			return p + key + 1;
		p += strcspn(p, ";");
		p += *p == ';';
	}
	return NULL;
}

static unsigned long count_here(const char *name)
{
	size_t i = 0;

	while (i < MAX_POINTS && *counted[i].name && strcmp(counted[i].name, name) != 0)
		i++;
	if (i == MAX_POINTS)
		malformed("more names than are kept");
	memcpy(counted[i].name, name, FAILPOINT_NAME_SIZE);
	return ++counted[i].hits;
}

/* 0 when there is no directory, or none that this process can reach. */
static unsigned long count_everywhere(const char *name)
{
	const char *dir = secure_getenv("RECOND_FAILPOINTS_DIR");
	char path[PATH_MAX];
	unsigned long hits = 0;
	struct stat st;
	int fd;

	if (!dir || snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return 0;
	(void)flock(fd, LOCK_EX);
	if (write(fd, "x", 1) == 1 && fstat(fd, &st) == 0)
		hits = (unsigned long)st.st_size;
	(void)close(fd);
	return hits;
}

static int act(const struct failpoint *point, struct term t)
{
	switch (t.action) {
	case ACTION_OFF:
		break;
	case ACTION_ERROR:
		if (!point->takes_error)
			malformed(point->name);
		return -t.argument;
	case ACTION_SLEEP:
		(void)poll(NULL, 0, t.argument);
		break;
	case ACTION_PANIC:
		abort();
	case ACTION_KILL:
		(void)kill(getpid(), SIGKILL);
		/* The first process of a pid namespace cannot kill itself. */
		_exit(128 + SIGKILL);
	}
	return 0;
}

int failpoint_hit(const struct failpoint *point)
{
	int saved = errno, r = 0;
	unsigned long hit = count_everywhere(point->name);
	const char *terms = terms_of(point->name);

	assert(*point->name);
	if (terms) {
		if (hit == 0)
			hit = count_here(point->name);
		r = act(point, term_of(terms, hit));
	}
	errno = saved;
	return r;
}

#endif
