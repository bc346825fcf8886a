/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CRI log reader. Text is container output and passes unchanged; only the prefix of each line
 * is understood here.
 */
#include "api/crilog_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"

#define PARTS_MAX 100      /* rotated files looked for */
#define BLOCK 65536        /* bytes per read; also the longest line kept together */
#define BUDGET (8 * BLOCK) /* raw bytes per call of crilog_read */

struct crilog {
	char *path;
	struct crilog_options options;
	int fd;
	struct stat st; /* of fd, to find it again after a rotation */
	struct strbuf raw;
	struct strbuf out;
	bool line_open; /* the last record was partial: the next one continues its line */
	bool skipping;  /* and that line is older than since_ns */
	int64_t left;   /* of limit_bytes */
};

/* Part 0 is the newest. */
static char *part_path(const struct crilog *l, unsigned int part)
{
	return part == 0 ? mem_strdup(l->path) : mem_asprintf("%s.%u", l->path, part);
}

/* Open PART without leaving the file that is being read: 0 with *ret_fd and *ret_st, or negative
 * errno. */
static int open_part(const struct crilog *l, unsigned int part, int *ret_fd, struct stat *ret_st)
{
	autofree char *path = part_path(l, part);
	autoclose int fd = fs_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int switch_part(struct crilog *l, unsigned int part)
{
	struct stat st;
	int fd;
	int r;

	r = open_part(l, part, &fd, &st);
	if (r < 0)
		return r;
	(void)mem_close(l->fd);
	l->fd = fd;
	l->st = st;
	return 0;
}

/* The part that is the file ST, or -1 when it is gone. */
static int find_part(const struct crilog *l, const struct stat *st)
{
	for (unsigned int part = 0; part < PARTS_MAX; part++) {
		autofree char *path = part_path(l, part);
		struct stat now;

		if (lstat(path, &now) < 0) {
			if (part == 0)
				continue; /* between the two renames of a rotation */
			return -1;
		}
		if (now.st_ino == st->st_ino && now.st_dev == st->st_dev)
			return (int)part;
	}
	return -1;
}

static unsigned int oldest_part(const struct crilog *l)
{
	unsigned int part = 0;

	while (part + 1 < PARTS_MAX) {
		autofree char *path = part_path(l, part + 1);
		struct stat st;

		if (lstat(path, &st) < 0)
			break;
		part++;
	}
	return part;
}

/*
 * At the end of the open file: go on with the next newer part. 1 when there is one, 0 when this is
 * the newest. A rotation may happen between looking and opening: then the file we come from is
 * elsewhere, and we look again.
 */
static int next_part(struct crilog *l)
{
	for (int attempt = 0; attempt < 8; attempt++) {
		int part = find_part(l, &l->st);
		autoclose int fd = -1;
		struct stat st;

		if (part == 0)
			return 0;
		if (open_part(l, part < 0 ? oldest_part(l) : (unsigned int)part - 1, &fd, &st) < 0)
			continue;
		if (part > 0 && find_part(l, &l->st) != part)
			continue;
		(void)mem_close(l->fd);
		l->fd = TAKE_FD(fd);
		l->st = st;
		return 1;
	}
	return 0;
}

/*
 * Position of the open file so that *LINES newlines (and what follows the last one) lie behind it;
 * *LINES is lowered by those found. 1 when there were enough, 0 when the whole file is to be read.
 */
static int seek_tail(struct crilog *l, int64_t *lines)
{
	autofree char *block = mem_alloc(BLOCK);
	off_t end = l->st.st_size;
	int64_t found = 0;

	while (end > 0) {
		size_t n = end < BLOCK ? (size_t)end : BLOCK;
		ssize_t got = pread(l->fd, block, n, end - (off_t)n);

		if (got != (ssize_t)n)
			break;
		for (size_t i = n; i-- > 0;) {
			if (block[i] != '\n' || ++found <= *lines)
				continue;
			(void)lseek(l->fd, end - (off_t)n + (off_t)i + 1, SEEK_SET);
			return 1;
		}
		end -= (off_t)n;
	}
	*lines -= found;
	return 0;
}

static int seek_start(struct crilog *l)
{
	unsigned int oldest = oldest_part(l);
	int64_t lines = l->options.tail_lines;
	int r;

	if (lines < 0)
		return oldest == 0 ? 0 : switch_part(l, oldest);
	for (unsigned int part = 0; part <= oldest; part++) {
		r = part == 0 ? 0 : switch_part(l, part);
		if (r < 0)
			return r;
		if (seek_tail(l, &lines) == 1)
			break;
	}
	return 0;
}

int crilog_open(struct crilog **ret, const char *path, const struct crilog_options *o,
		struct err *err)
{
	_cleanup_(crilog_freep) struct crilog *l = NEW(struct crilog);
	int r;

	l->fd = -1;
	l->path = mem_strdup(path);
	l->options = *o;
	l->left = o->limit_bytes;
	r = switch_part(l, 0);
	if (r == 0)
		r = seek_start(l);
	if (r < 0)
		return err_errno(err, r, "open log '%s'", path);
	*ret = TAKE_PTR(l);
	return 0;
}

struct crilog *crilog_free(struct crilog *l)
{
	if (!l)
		return NULL;
	(void)mem_close(l->fd);
	strbuf_deinit(&l->raw);
	strbuf_deinit(&l->out);
	free(l->path);
	free(l);
	return NULL;
}

struct record {
	const char *time;
	size_t time_len;
	bool partial;
	const char *text;
	size_t text_len;
};

/* False when LINE of N bytes is not in CRI form. */
static bool parse_record(struct record *ret, const char *line, size_t n)
{
	const char *end = line + n;
	const char *stream = memchr(line, ' ', n);
	const char *tag;

	if (!stream || stream == line || stream - line >= CLOCK_RFC3339_SIZE)
		return false;
	tag = memchr(stream + 1, ' ', (size_t)(end - stream - 1));
	if (!tag || tag - stream != 7 ||
	    (memcmp(stream + 1, "stdout", 6) && memcmp(stream + 1, "stderr", 6)))
		return false;
	if (end - tag < 2 || (tag[1] != 'F' && tag[1] != 'P') || (end - tag > 2 && tag[2] != ' '))
		return false;
	ret->time = line;
	ret->time_len = (size_t)(stream - line);
	ret->partial = tag[1] == 'P';
	ret->text = end - tag > 2 ? tag + 3 : end;
	ret->text_len = (size_t)(end - ret->text);
	return true;
}

static bool too_old(const struct crilog *l, const struct record *rec)
{
	char time[CLOCK_RFC3339_SIZE];
	int64_t ns;

	if (l->options.since_ns == 0)
		return false;
	memcpy(time, rec->time, rec->time_len);
	time[rec->time_len] = '\0';
	return clock_parse_rfc3339(&ns, time) == 0 && ns < l->options.since_ns;
}

static void emit_line(struct crilog *l, const char *line, size_t n)
{
	struct record rec;

	if (!parse_record(&rec, line, n)) {
		strbuf_add(&l->out, line, n); /* not ours, but better shown than hidden */
		strbuf_addc(&l->out, '\n');
		return;
	}
	if (!l->line_open)
		l->skipping = too_old(l, &rec);
	if (!l->skipping) {
		if (!l->line_open && l->options.timestamps) {
			strbuf_add(&l->out, rec.time, rec.time_len);
			strbuf_addc(&l->out, ' ');
		}
		strbuf_add(&l->out, rec.text, rec.text_len);
		if (!rec.partial)
			strbuf_addc(&l->out, '\n');
	}
	l->line_open = rec.partial;
}

/* Turn the complete lines of RAW into output, up to MAX bytes of it. */
static void emit_lines(struct crilog *l, size_t max)
{
	size_t used = 0;

	while (used < l->raw.len && l->out.len < max) {
		const char *line = l->raw.data + used;
		const char *end = memchr(line, '\n', l->raw.len - used);

		if (!end && l->raw.len - used < BLOCK)
			break;
		emit_line(l, line, end ? (size_t)(end - line) : l->raw.len - used);
		used = end ? (size_t)(end - l->raw.data) + 1 : l->raw.len;
	}
	strbuf_consume(&l->raw, used);
}

/* Read another block: its size, 0 when the newest part has no more. */
static ssize_t fill(struct crilog *l)
{
	char block[BLOCK / 4];
	ssize_t n;

	for (;;) {
		n = read(l->fd, block, sizeof(block));
		if (n > 0)
			strbuf_add(&l->raw, block, (size_t)n);
		if (n != 0)
			return n < 0 ? 0 : n;
		/* Written between our read and the rename: take it before leaving this part. */
		if (find_part(l, &l->st) == 0)
			return 0;
		n = read(l->fd, block, sizeof(block));
		if (n > 0) {
			strbuf_add(&l->raw, block, (size_t)n);
			return n;
		}
		if (next_part(l) == 0)
			return 0;
	}
}

static ssize_t take_output(struct crilog *l, char *buf, size_t max)
{
	size_t n = l->out.len < max ? l->out.len : max;

	if (l->options.limit_bytes > 0 && (int64_t)n > l->left)
		n = (size_t)l->left;
	memcpy(buf, l->out.data, n);
	strbuf_consume(&l->out, n);
	l->left -= (int64_t)n;
	return (ssize_t)n;
}

ssize_t crilog_read(struct crilog *l, char *buf, size_t max)
{
	size_t budget = BUDGET;

	assert(max > 0);
	if (l->options.limit_bytes > 0 && l->left == 0)
		return CRILOG_END;
	emit_lines(l, max);
	while (l->out.len < max && budget > 0) {
		ssize_t n = fill(l);

		if (n == 0)
			break;
		budget -= (size_t)n < budget ? (size_t)n : budget;
		emit_lines(l, max);
	}
	if (l->out.len > 0)
		return take_output(l, buf, max);
	return budget == 0 ? CRILOG_AGAIN : 0;
}
