/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-notify delivers one event to one hook. It is two processes: one that reads the request,
 * keeps the deadline and ends whatever is left (notify_watch.c), and below it one that gives up
 * root and then is the hook's command (notify_child.c) or posts to its server (notify_http.c).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The daemon sends NOTIFY_MSG_REQUEST {"hook": an element of spec.notify, "event": ...,
 * "timeoutMs"} and gets NOTIFY_MSG_RESULT {"ok", "transient": trying again may help, "message"}.
 */
enum notify_msg {
	NOTIFY_MSG_REQUEST = 1,
	NOTIFY_MSG_RESULT,
};

#define NOTIFY_USER "nobody"
#define NOTIFY_OUTPUT_BYTES 1000 /* of what a hook says that are kept */
#define NOTIFY_KEY_BYTES 4096

/* How the process below ends when it is not a command. */
enum notify_exit {
	NOTIFY_EXIT_OK = 0,
	NOTIFY_EXIT_REFUSED = 1,   /* trying again will not help */
	NOTIFY_EXIT_TRANSIENT = 2, /* it may */
	NOTIFY_EXIT_SETUP = 125,   /* it could not even begin; as env(1) does */
};

/* Carry out REQUEST. The result, owned by the caller. */
json_t *notify_watch(const json_t *request);

/* Become USER, with no way back. 0 or negative errno with ERR. */
int notify_drop(const char *user, struct err *err);

/* The process below for a command: ARGV is USER PROGRAM ARGUMENT..., NULL-terminated. Returns an
 * exit status only when there is nothing to become. */
int notify_command(char **argv);

/* The process below for a webhook: reads {"webhook", "event", "timeoutMs", "userAgent"} from
 * standard input. Returns an enum notify_exit; says why not on stderr. */
int notify_post(void);
