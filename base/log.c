/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: the journal when stderr is connected to it (JOURNAL_STREAM names that very
 * stream), else one write(2) of one text line.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/strbuf.h"

/* clang-format off */
static const struct {
	const char *name;
	int priority;       /* of syslog(3) */
	const char *colour;
} levels[LOG_LEVEL_N_] = {
	[LOG_LEVEL_ERROR] = { "error", 3, "\x1b[31m" },
	[LOG_LEVEL_WARN]  = { "warn",  4, "\x1b[33m" },
	[LOG_LEVEL_INFO]  = { "info",  6, "\x1b[32m" },
	[LOG_LEVEL_DEBUG] = { "debug", 7, "\x1b[2m" },
};
/* clang-format on */

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	assert((unsigned)level < LOG_LEVEL_N_);
	max_level = level;
}

int log_level_parse(enum log_level *ret, const char *name)
{
	for (size_t i = 0; i < LOG_LEVEL_N_; i++) {
		if (!str_eq(levels[i].name, name))
			continue;
		*ret = (enum log_level)i;
		return 0;
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

/* True when the journal reads what we write to stderr. Asked for each line: stderr may have been
 * replaced. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	autofree char *ours = NULL;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	ours = mem_asprintf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return str_eq(stream, ours);
}

/* VALUE, escaped, in quotes when it would not read as one word without them. */
static void add_value(struct strbuf *out, const char *value)
{
	autostrbuf safe = STRBUF_INIT;
	const char *s;

	if (!value)
		value = "";
	strbuf_add_escaped(&safe, value, strlen(value));
	s = strbuf_str(&safe);
	if (*s && !strpbrk(s, " \"=")) {
		strbuf_adds(out, s);
		return;
	}
	strbuf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"')
			strbuf_addc(out, '\\');
		strbuf_addc(out, *s);
	}
	strbuf_addc(out, '"');
}

static void add_message(struct strbuf *out, const char *message, const struct log_kv *kvs)
{
	strbuf_add_escaped(out, message, strlen(message));
	for (; kvs && kvs->key; kvs++) {
		strbuf_addf(out, " %s=", kvs->key);
		add_value(out, kvs->value);
	}
}

/* "RECOND_<KEY>=<value>"; the journal takes values with any byte in them. */
static void add_field(struct strbuf *out, const struct log_kv *kv)
{
	strbuf_adds(out, "RECOND_");
	for (const char *p = kv->key; *p; p++)
		strbuf_addc(out, *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
	strbuf_addc(out, '=');
	strbuf_adds(out, kv->value ? kv->value : "");
}

/*
 * MESSAGE carries the fields as text as well: it is all that journalctl shows by default. 0 or
 * negative errno.
 */
static int write_journal(enum log_level level, const struct log_place *place, const char *message,
			 const struct log_kv *kvs)
{
	enum { MAX_FIELDS = 20 };
	struct strbuf fields[MAX_FIELDS] = {0};
	struct iovec iov[MAX_FIELDS];
	int n = 5, r;

	/* Where it is missing (a container with our stderr), sd_journal_sendv() loses the record
	 * and says 0. */
	if (access(JOURNAL_SOCKET, F_OK) < 0)
		return -errno;
	strbuf_adds(&fields[0], "MESSAGE=");
	add_message(&fields[0], message, kvs);
	strbuf_addf(&fields[1], "PRIORITY=%d", levels[level].priority);
	strbuf_addf(&fields[2], "CODE_FILE=%s", place->file);
	strbuf_addf(&fields[3], "CODE_LINE=%d", place->line);
	strbuf_addf(&fields[4], "CODE_FUNC=%s", place->function);
	for (; kvs && kvs->key && n < MAX_FIELDS; kvs++)
		add_field(&fields[n++], kvs);
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){fields[i].data, fields[i].len};
	r = sd_journal_sendv(iov, n);
	for (int i = 0; i < n; i++)
		strbuf_deinit(&fields[i]);
	return r;
}

static bool want_colour(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && !getenv("NO_COLOR") && term && !str_eq(term, "dumb");
}

static void write_text(enum log_level level, const char *message, const struct log_kv *kvs)
{
	autostrbuf line = STRBUF_INIT;
	char now[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(now, clock_realtime_ns());
	if (want_colour())
		strbuf_addf(&line, "%s %s%s\x1b[0m ", now, levels[level].colour,
			    levels[level].name);
	else
		strbuf_addf(&line, "%s %s ", now, levels[level].name);
	add_message(&line, message, kvs);
	strbuf_addc(&line, '\n');
	/* Nobody is left to tell when stderr fails. */
	(void)!write(STDERR_FILENO, line.data, line.len);
}

/* The journal's socket did not take the record (too big, gone): its stream still takes a line with
 * a priority. */
static void write_journal_stream(enum log_level level, const char *message,
				 const struct log_kv *kvs)
{
	autostrbuf line = STRBUF_INIT;

	strbuf_addf(&line, "<%d>", levels[level].priority);
	add_message(&line, message, kvs);
	strbuf_addc(&line, '\n');
	(void)!write(STDERR_FILENO, line.data, line.len);
}

void log_write(enum log_level level, const struct log_place *place, const char *message,
	       const struct log_kv *kvs)
{
	int saved = errno;

	assert((unsigned)level < LOG_LEVEL_N_);
	if (!log_enabled(level))
		return;
	if (!stderr_is_journal())
		write_text(level, message, kvs);
	else if (write_journal(level, place, message, kvs) < 0)
		write_journal_stream(level, message, kvs);
	errno = saved;
}
