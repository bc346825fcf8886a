/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framed messages on a stream socket between the daemon and its workers: an 8-byte header (length,
 * type) and a payload of at most IPC_MAX_BYTES. Lengths and types are checked before anything is
 * allocated. The payload's form is agreed by each pair; most use JSON (jansson), bulk data goes as
 * raw bytes in messages of their own type.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define IPC_MAX_BYTES (64u << 20) /* of a payload */
#define IPC_MAX_TYPE 0xffffu      /* types are 1 and up: a header of zeroes is malformed */

struct ipc_msg {
	uint32_t type;
	char *data; /* NUL-terminated, owned; ipc_msg_deinit frees it */
	size_t len;
};

/* Free the payload; M is empty afterwards. Idempotent. */
void ipc_msg_deinit(struct ipc_msg *m);

/* Blocking side (workers). */

/* Send one message. 0 or negative errno (-EPIPE when the peer is gone; SIGPIPE is never raised). */
int ipc_send(int fd, uint32_t type, const void *data, size_t len);
int ipc_send_json(int fd, uint32_t type, const json_t *j);

/*
 * Receive one message: 1 with *ret, 0 at a clean end of stream, negative errno otherwise (-EBADMSG:
 * malformed).
 */
int ipc_recv(int fd, struct ipc_msg *ret);

/* Non-blocking side (daemon): feed what was read, take complete messages out. */

/*
 * Take the first complete message out of BUF, which holds bytes read so far. 1 with *ret, 0 when
 * more bytes are needed, -EBADMSG when the header is not acceptable.
 */
int ipc_take(struct strbuf *buf, struct ipc_msg *ret);

/* Append the frame of one message to OUT. */
void ipc_frame(struct strbuf *out, uint32_t type, const void *data, size_t len);
