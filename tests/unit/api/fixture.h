/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on a real loop and a real socket with a store in memory, and clients that talk to it
 * from the same thread: whoever waits turns the loop.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "api/server.h"
#include "base/strbuf.h"
#include "cmd/http_decode.h"
#include "reconciler/store.h"

#define FIXTURE_WAIT_MS 5000

struct fixture {
	char dir[64];
	char socket[96];
	char log[128]; /* what log_path answers */
	bool has_log;
	sd_event *loop;
	struct store *store;
	sd_event_source *wake;
	struct reconciler *policy; /* NULL unless fixture_init_policy made one */
	struct api_server *server;
	unsigned int settled; /* how often the server asked for that */
};

/* Start a server with MODE and GROUP on a fresh directory. Asserts that it worked. */
void fixture_init(struct fixture *f, mode_t mode, gid_t group);
/* The same for root alone, with a policy that takes writes and runs no pods. */
void fixture_init_policy(struct fixture *f);
void fixture_deinit(struct fixture *f);

/* A store in memory with this host's clock. Owned by the caller. */
struct store *fixture_store(void);

/* Create or replace an object given as JSON text with ' for ". */
void fixture_put(struct store *s, const char *text);

struct client {
	struct fixture *f;
	int fd;
	struct http_decode decode;
	struct strbuf body;
	bool ended; /* the connection ended */
};

/* Connect. */
void client_open(struct client *c, struct fixture *f);
/* Connect and send REQUEST, "GET /path" without version; or raw bytes when it ends in a newline. */
void client_start(struct client *c, struct fixture *f, const char *request, const char *accept);
void client_close(struct client *c);

/* Turn the loop until the body contains TEXT; false after FIXTURE_WAIT_MS. */
bool client_wait_text(struct client *c, const char *text);
/* Turn the loop until the response is complete or the connection ended. */
bool client_wait_end(struct client *c);
/* Turn the loop for MS milliseconds, receiving. */
void client_turn(struct client *c, unsigned int ms);

/* One request to its end: the status; the body, parsed, in *ret if RET is not NULL and it is JSON.
 */
unsigned int fixture_get(struct fixture *f, const char *target, const char *accept, json_t **ret);

/* One request of METHOD with BODY (' for ", NULL: none) of media type TYPE (NULL: JSON): the
 * status; the answer in *ret if RET is not NULL and it is JSON. */
struct fixture_request {
	const char *method;
	const char *target;
	const char *type;
	const char *body;
};
unsigned int fixture_send(struct fixture *f, const struct fixture_request *request, json_t **ret);

/* Turn the loop until CONDITION(DATA); false after FIXTURE_WAIT_MS. */
bool fixture_wait(struct fixture *f, bool (*condition)(void *data), void *data);
