/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, one document. The daemon is trusted with our memory only up to a bound; texts in its
 * errors come from outside and are escaped.
 */
#include "cmd/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"

#define DEFAULT_SOCKET "/run/recond/recond.sock"
#define BODY_MAX_BYTES (512u << 20)
#define EVENT_MAX_BYTES (16u << 20)

const char *fetch_socket(const struct command_line *line)
{
	const char *from_env = getenv("RECOND_SOCKET");

	if (line->values[COMMAND_SOCKET])
		return line->values[COMMAND_SOCKET];
	return from_env && *from_env ? from_env : DEFAULT_SOCKET;
}

static void print_error(const char *prefix, const char *message)
{
	autostrbuf text = STRBUF_INIT;

	strbuf_add_escaped(&text, message, strlen(message));
	(void)fprintf(stderr, "%s%s\n", prefix, strbuf_str(&text));
}

void fetch_print_status(const json_t *status)
{
	autostrbuf prefix = STRBUF_INIT;
	const char *reason = json_path_str(status, "reason", "");

	strbuf_adds(&prefix, "Error from server");
	if (*reason) {
		strbuf_adds(&prefix, " (");
		strbuf_add_escaped(&prefix, reason, strlen(reason));
		strbuf_addc(&prefix, ')');
	}
	strbuf_adds(&prefix, ": ");
	print_error(strbuf_str(&prefix), json_path_str(status, "message", "no message"));
}

static int read_document(json_t **ret, struct http_client *c, struct err *err)
{
	autostrbuf body = STRBUF_INIT;
	int r;

	r = http_client_read_all(c, &body, BODY_MAX_BYTES, err);
	if (r < 0)
		return r;
	r = json_parse(ret, strbuf_str(&body), body.len, BODY_MAX_BYTES, err);
	return r < 0 ? err_wrap(err, "the daemon's answer") : 0;
}

/* An answer with an error status: its Status document, or whatever it is, to stderr. */
static int print_refusal(struct http_client *c)
{
	autojson *status = NULL;
	struct err err = {};

	if (read_document(&status, c, &err) == 0)
		fetch_print_status(status);
	else
		(void)fprintf(stderr, "Error from server: HTTP status %u\n", http_client_status(c));
	return COMMAND_EXIT_FAILED;
}

static int start(struct http_client **ret, const struct command_line *line,
		 const struct http_request *request)
{
	struct err err = {};

	if (http_client_send(ret, fetch_socket(line), request, &err) < 0) {
		print_error("recond: ", err.message);
		return COMMAND_EXIT_USAGE;
	}
	return COMMAND_EXIT_OK;
}

int fetch_stream(struct http_client **ret, const struct command_line *line, const char *target,
		 const char *accept)
{
	const struct http_request request = {.method = "GET", .target = target, .accept = accept};
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	int status = start(&c, line, &request);

	if (status != COMMAND_EXIT_OK)
		return status;
	if (http_client_status(c) >= 300)
		return print_refusal(c);
	*ret = TAKE_PTR(c);
	return COMMAND_EXIT_OK;
}

/* The answer of C as a document. */
static int finish(json_t **ret, struct http_client *c, bool *missing)
{
	struct err err = {};

	if (missing && http_client_status(c) == 404) {
		*missing = true;
		return COMMAND_EXIT_FAILED;
	}
	if (http_client_status(c) >= 300)
		return print_refusal(c);
	if (read_document(ret, c, &err) < 0) {
		print_error("recond: ", err.message);
		return COMMAND_EXIT_USAGE;
	}
	return COMMAND_EXIT_OK;
}

int fetch_json(json_t **ret, const struct command_line *line, const char *target,
	       const char *accept, bool *missing)
{
	const struct http_request request = {.method = "GET", .target = target, .accept = accept};
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	int status = start(&c, line, &request);

	return status == COMMAND_EXIT_OK ? finish(ret, c, missing) : status;
}

int fetch_send(json_t **ret, const struct command_line *line, const struct fetch_change *change,
	       bool *missing)
{
	autofree char *body = change->body ? json_dumps(change->body, JSON_COMPACT) : NULL;
	const struct http_request request = {.method = change->method,
					     .target = change->target,
					     .accept = FETCH_JSON,
					     .type = body ? change->type : NULL,
					     .body = body,
					     .n_body = body ? strlen(body) : 0};
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	autojson *answer = NULL;
	int status = start(&c, line, &request);

	if (status != COMMAND_EXIT_OK)
		return status;
	for (size_t i = 0; i < http_client_warnings(c)->n; i++)
		print_error("Warning: ", http_client_warnings(c)->items[i]);
	status = finish(&answer, c, missing);
	if (status == COMMAND_EXIT_OK && ret)
		*ret = TAKE_PTR(answer);
	return status;
}

int fetch_next_event(json_t **ret, struct strbuf *buffer, struct err *err)
{
	const char *end = buffer->len ? memchr(buffer->data, '\n', buffer->len) : NULL;
	size_t n;
	int r;

	if (!end) {
		if (buffer->len > EVENT_MAX_BYTES)
			return err_invalid(err, "an event of the daemon is longer than %u bytes",
					   EVENT_MAX_BYTES);
		return 0;
	}
	n = (size_t)(end - buffer->data);
	r = json_parse(ret, buffer->data, n, EVENT_MAX_BYTES, err);
	strbuf_consume(buffer, n + 1);
	return r < 0 ? err_wrap(err, "an event of the daemon") : 1;
}
