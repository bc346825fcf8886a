/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three parties of an unpacking say to each other: the daemon and the worker recond-layer
 * (framed JSON), that worker and its extractor (packets with an optional fd). One form of layer,
 * limits and error for both.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/layer.h"

/* Frame types between daemon and worker. */
enum layer_frame {
	LAYER_FRAME_UNPACK = 1, /* {"stateDir", "layer", "limits"} */
	LAYER_FRAME_RESULT = 2, /* {} or an error */
};

/* {"layer": {...}, "limits": {...}}, owned by the caller. */
json_t *layer_request_new(const struct manifest_layer *layer, const struct layer_limits *limits);

/* The reverse, strictly. 0 or -EINVAL. */
int layer_request_parse(const json_t *request, struct manifest_layer *ret_layer,
			struct layer_limits *ret_limits, struct err *err);

/* Put ERR into OBJECT; take it out again: 0 when there is none, else its code with *ret. */
void layer_error_to_json(json_t *object, const struct err *err);
int layer_error_from_json(const json_t *object, struct err *ret);

/* A received packet. */
struct layer_message {
	int type;
	json_t *body; /* or NULL */
	int fd;       /* or -1 */
};

void layer_message_deinit(struct layer_message *m);

/* Send a packet: BODY may be NULL, FD -1. 0 or negative errno. */
int layer_packet_send(int channel, int type, const json_t *body, int fd, struct err *err);

/* Receive one: 1 with *ret, 0 when the peer is gone, negative errno (-EBADMSG for what is not
 * acceptable). */
int layer_packet_recv(int channel, struct layer_message *ret, struct err *err);
