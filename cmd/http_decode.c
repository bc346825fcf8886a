/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state per part of a response. Lines are bounded by LINE_MAX_BYTES and the head by
 * HEAD_MAX_BYTES; a body is passed on as it comes, so its bound is the caller's.
 */
#include "cmd/http_decode.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define HEAD_MAX_BYTES (64u << 10)
#define LINE_MAX_BYTES 256u
#define CHUNK_MAX (UINT64_C(1) << 32)
#define WARNINGS_MAX 16

void http_decode_reset(struct http_decode *d)
{
	strbuf_reset(&d->line);
	strlist_deinit(&d->warnings);
	d->state = HTTP_DECODE_HEAD;
	d->status = 0;
	d->left = 0;
}

void http_decode_deinit(struct http_decode *d)
{
	strbuf_deinit(&d->line);
	strlist_deinit(&d->warnings);
}

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_FATAL, EBADMSG, NULL, "malformed HTTP response: %s", what);
}

/* "HTTP/1.1 200 OK" */
static int parse_status_line(struct http_decode *d, const char *line, struct err *err)
{
	const char *rest = str_skip_prefix(line, "HTTP/1.1 ");
	char digits[4] = "";
	uint64_t status;

	if (!rest || strlen(rest) < 3 || (rest[3] != ' ' && rest[3] != '\0'))
		return bad(err, "status line");
	memcpy(digits, rest, 3);
	if (str_parse_u64(&status, digits, 100, 599) < 0)
		return bad(err, "status code");
	d->status = (unsigned int)status;
	return 0;
}

/* The two header fields that say where the body ends. Both at once is the stuff of smuggling and
 * refused. */
struct framing {
	bool chunked;
	bool has_length;
	uint64_t length;
};

/* 299 - "text": the text, without what escapes it. */
static void add_warning(struct http_decode *d, const char *value)
{
	const char *text = strchr(value, '"');
	autostrbuf plain = STRBUF_INIT;

	if (!text || d->warnings.n == WARNINGS_MAX)
		return;
	for (text++; *text && *text != '"'; text++) {
		if (*text == '\\' && text[1])
			text++;
		strbuf_addc(&plain, *text);
	}
	strlist_add(&d->warnings, strbuf_str(&plain));
}

static int parse_field(struct http_decode *d, struct framing *f, char *line, struct err *err)
{
	char *value = strchr(line, ':');

	if (!value || value == line || *line == ' ' || *line == '\t')
		return bad(err, "header field");
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Transfer-Encoding") == 0) {
		if (f->chunked || strcasecmp(value, "chunked") != 0)
			return bad(err, "transfer encoding");
		f->chunked = true;
	} else if (strcasecmp(line, "Content-Length") == 0) {
		if (f->has_length || str_parse_u64(&f->length, value, 0, INT64_MAX) < 0)
			return bad(err, "content length");
		f->has_length = true;
	} else if (strcasecmp(line, "Warning") == 0) {
		add_warning(d, value);
	}
	return 0;
}

static void choose_body(struct http_decode *d, const struct framing *f)
{
	d->left = f->length;
	if (d->status == 204 || d->status == 304 || (f->has_length && f->length == 0))
		d->state = HTTP_DECODE_DONE;
	else if (f->chunked)
		d->state = HTTP_DECODE_CHUNK_SIZE;
	else
		d->state = f->has_length ? HTTP_DECODE_LENGTH : HTTP_DECODE_UNTIL_END;
}

static int parse_head(struct http_decode *d, struct err *err)
{
	struct framing framing = {};
	autostrlist lines = {};
	int r;

	strlist_split(&lines, strbuf_str(&d->line), '\n');
	for (size_t i = 0; i < lines.n && *lines.items[i]; i++) {
		char *line = lines.items[i];

		if (!str_has_suffix(line, "\r"))
			return bad(err, "line end");
		line[strlen(line) - 1] = '\0';
		if (*line == '\0')
			break;
		r = i == 0 ? parse_status_line(d, line, err) : parse_field(d, &framing, line, err);
		if (r < 0)
			return r;
	}
	if (d->status == 0)
		return bad(err, "no status line");
	if (framing.chunked && framing.has_length)
		return bad(err, "both a length and chunks");
	strbuf_reset(&d->line);
	if (d->status < 200)
		d->status = 0; /* 100 Continue and the like: the real head follows */
	else
		choose_body(d, &framing);
	return 0;
}

/* Returns how many bytes were taken, or negative. */
static ssize_t feed_head(struct http_decode *d, const char *data, size_t n, struct err *err)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		if (data[i] == '\0')
			return bad(err, "NUL in the head");
		strbuf_addc(&d->line, data[i]);
		if (d->line.len > HEAD_MAX_BYTES)
			return bad(err, "head too long");
		if (data[i] != '\n' || d->line.len < 4 ||
		    memcmp(d->line.data + d->line.len - 4, "\r\n\r\n", 4) != 0)
			continue;
		r = parse_head(d, err);
		return r < 0 ? r : (ssize_t)i + 1;
	}
	return (ssize_t)n;
}

static int parse_chunk_size(struct http_decode *d, const char *line, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strcspn(line, ";"); /* extensions are ignored */
	uint64_t size = 0;

	if (n == 0)
		return bad(err, "chunk size");
	for (size_t i = 0; i < n; i++) {
		const char *digit = strchr(digits, line[i] | 0x20);

		if (!digit || size > CHUNK_MAX)
			return bad(err, "chunk size");
		size = size * 16 + (uint64_t)(digit - digits);
	}
	if (size > CHUNK_MAX)
		return bad(err, "chunk size");
	d->left = size;
	d->state = size == 0 ? HTTP_DECODE_TRAILER : HTTP_DECODE_CHUNK;
	return 0;
}

static int take_line(struct http_decode *d, char *line, struct err *err)
{
	switch (d->state) {
	case HTTP_DECODE_CHUNK_SIZE:
		return parse_chunk_size(d, line, err);
	case HTTP_DECODE_CHUNK_END:
		d->state = HTTP_DECODE_CHUNK_SIZE;
		return *line ? bad(err, "chunk longer than announced") : 0;
	default:
		assert(d->state == HTTP_DECODE_TRAILER);
		if (*line == '\0')
			d->state = HTTP_DECODE_DONE;
		return 0;
	}
}

static ssize_t feed_line(struct http_decode *d, const char *data, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		strbuf_addc(&d->line, data[i]);
		if (d->line.len > LINE_MAX_BYTES || data[i] == '\0')
			return bad(err, "line of a chunked body");
		if (data[i] != '\n')
			continue;
		if (d->line.len < 2 || d->line.data[d->line.len - 2] != '\r')
			return bad(err, "line end");
		d->line.data[d->line.len - 2] = '\0';
		r = take_line(d, d->line.data, err);
		strbuf_reset(&d->line);
		return r < 0 ? r : (ssize_t)i + 1;
	}
	return (ssize_t)n;
}

static ssize_t feed_body(struct http_decode *d, const char *data, size_t n, struct strbuf *body)
{
	if (d->state != HTTP_DECODE_UNTIL_END) {
		if (n > d->left)
			n = d->left;
		d->left -= n;
		if (d->left == 0)
			d->state = d->state == HTTP_DECODE_CHUNK ? HTTP_DECODE_CHUNK_END
								 : HTTP_DECODE_DONE;
	}
	strbuf_add(body, data, n);
	return (ssize_t)n;
}

int http_decode_feed(struct http_decode *d, const char *data, size_t n, struct strbuf *body,
		     struct err *err)
{
	while (n > 0) {
		ssize_t used;

		switch (d->state) {
		case HTTP_DECODE_HEAD:
			used = feed_head(d, data, n, err);
			break;
		case HTTP_DECODE_LENGTH:
		case HTTP_DECODE_UNTIL_END:
		case HTTP_DECODE_CHUNK:
			used = feed_body(d, data, n, body);
			break;
		case HTTP_DECODE_DONE:
			return bad(err, "bytes after its end");
		default:
			used = feed_line(d, data, n, err);
			break;
		}
		if (used < 0)
			return (int)used;
		data += used;
		n -= (size_t)used;
	}
	return 0;
}

int http_decode_end(struct http_decode *d, struct err *err)
{
	if (d->state == HTTP_DECODE_UNTIL_END)
		d->state = HTTP_DECODE_DONE;
	if (d->state != HTTP_DECODE_DONE)
		return err_set(err, ERR_TRANSIENT, EBADMSG, NULL,
			       "the connection ended within a response");
	return 0;
}
