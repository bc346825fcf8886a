/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container said at its end.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/pod_priv.h"

#define MESSAGE_MAX 4096
#define TAIL_LINES 80
#define TAIL_MAX 2048
#define TAIL_READ (32 << 10)

/* The text of one record "<time> <stream> <tag> <text>", or NULL when it is none. */
static const char *record_text(const char *record, const char *end, bool *ret_partial)
{
	const char *p = record;

	for (int field = 0; field < 2; field++) {
		p = memchr(p, ' ', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	if (end - p < 2 || (p[0] != 'F' && p[0] != 'P') || p[1] != ' ')
		return NULL;
	*ret_partial = p[0] == 'P';
	return p + 2;
}

char *pod_message_tail(const char *records, size_t n)
{
	const char *end = records + n;
	autostrbuf text = STRBUF_INIT;
	size_t from, lines = 0;

	for (const char *p = records; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end, *body;
		bool partial = false;

		body = record_text(p, stop, &partial);
		if (body)
			strbuf_add(&text, body, (size_t)(stop - body));
		if (body && !partial)
			strbuf_addc(&text, '\n');
		p = stop + 1;
	}
	from = text.len;
	while (from > 0 && text.len - from < TAIL_MAX) {
		lines += text.data[from - 1] == '\n' && from != text.len;
		if (lines == TAIL_LINES)
			break;
		from--;
	}
	return mem_strdup(text.len ? text.data + from : "");
}

static char *read_tail(const char *log_path)
{
	autoclose int fd = fs_open(log_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	autofree char *text = NULL;
	size_t n;

	if (fd < 0)
		return mem_strdup("");
	if (lseek(fd, -TAIL_READ, SEEK_END) < 0)
		(void)lseek(fd, 0, SEEK_SET);
	if (fs_read_fd(&text, &n, fd, 2 * TAIL_READ) < 0)
		return mem_strdup("");
	return pod_message_tail(text, n);
}

char *pod_message_read(int bundle_fd, const char *log_path, bool fallback, int code)
{
	/* The file is a mount in the container, so it cannot be exchanged; what is in it can be
	 * anything. */
	autoclose int fd =
		fs_open_at(bundle_fd, "termination-log", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	autofree char *text = mem_calloc(1, MESSAGE_MAX + 1);
	ssize_t n = fd < 0 ? 0 : pread(fd, text, MESSAGE_MAX, 0);

	if (n > 0)
		return mem_strndup(text, (size_t)n);
	return fallback && code != 0 ? read_tail(log_path) : mem_strdup("");
}
