/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the daemon for documents, and saying so in kubectl's words when it refuses.
 */
#pragma once

#include <jansson.h>

#include "cmd/command.h"
#include "cmd/http_client.h"

#define FETCH_JSON "application/json"
#define FETCH_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

/* The socket of the daemon that LINE means: --socket, $RECOND_SOCKET, or the default. */
const char *fetch_socket(const struct command_line *line);

/*
 * GET TARGET. COMMAND_EXIT_OK with *ret (owned by the caller), or another exit status after a
 * message on stderr. When the daemon answers 404 and MISSING is not NULL, *MISSING is set and
 * nothing printed.
 */
int fetch_json(json_t **ret, const struct command_line *line, const char *target,
	       const char *accept, bool *missing);

/* A change that is asked for. */
struct fetch_change {
	const char *method;
	const char *target;
	const char *type;   /* of the body */
	const json_t *body; /* NULL: none */
};

/*
 * Ask for CHANGE and say the daemon's warnings on stderr. As fetch_json; RET may be NULL when the
 * answer is of no use.
 */
int fetch_send(json_t **ret, const struct command_line *line, const struct fetch_change *change,
	       bool *missing);

/* The same for an answer that is a stream: the head is there, the body has not been read. */
int fetch_stream(struct http_client **ret, const struct command_line *line, const char *target,
		 const char *accept);

/* Take the first line out of BUFFER and parse it as JSON: 1 with *ret, 0 when there is no whole
 * line, or negative. */
int fetch_next_event(json_t **ret, struct strbuf *buffer, struct err *err);

/* Print "Error from server (Reason): message" of a Status document on stderr. */
void fetch_print_status(const json_t *status);
