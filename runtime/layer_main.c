/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker recond-layer. Without arguments it unpacks one layer for the daemon (request and
 * result on fd 3); "collect STATE_DIR" removes what killed unpackers left; "extract" is the
 * confined half of an unpacking. Not for people.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "runtime/collect.h"
#include "runtime/layer_extract.h"
#include "runtime/layer_message_priv.h"
#include "runtime/layer_unpack.h"

#define MAX_REQUEST (64u << 10)

static int unpack(const json_t *request, struct err *err)
{
	_cleanup_(image_store_freep) struct image_store *store = NULL;
	autoclose int hold = -1;
	struct manifest_layer layer;
	struct layer_limits limits;
	int r;

	r = layer_request_parse(request, &layer, &limits, err);
	if (r >= 0)
		r = image_store_open(&store, json_path_str(request, "stateDir", ""), err);
	if (r >= 0)
		r = hold = collect_hold(store, err);
	if (r >= 0)
		r = layer_unpack(store, &layer, &limits, err);
	return r;
}

static int serve_daemon(void)
{
	_cleanup_(ipc_msg_deinit) struct ipc_msg m = {};
	autojson *request = NULL, *result = json_object();
	struct err err = {};
	int r = ipc_recv(WORKER_FD, &m);

	if (r <= 0 || m.type != LAYER_FRAME_UNPACK)
		return 1;
	r = json_parse(&request, m.data, m.len, MAX_REQUEST, &err);
	if (r >= 0)
		r = unpack(request, &err);
	if (r < 0)
		layer_error_to_json(result, &err);
	return ipc_send_json(WORKER_FD, LAYER_FRAME_RESULT, result) < 0;
}

static int collect(const char *state_dir)
{
	_cleanup_(image_store_freep) struct image_store *store = NULL;
	struct err err = {};
	int r = image_store_open(&store, state_dir, &err);

	if (r >= 0)
		r = layer_unpack_collect(store, &err);
	if (r < 0)
		(void)fprintf(stderr, "recond-layer: %s\n", err.message);
	return r < 0;
}

int main(int argc, char **argv)
{
	/* The extractor leaves at once: its root has no /proc for a leak check, and its parent has
	 * its report. */
	if (argc == 2 && str_eq(argv[1], "extract"))
		_exit(layer_extract_main());
	if (argc == 3 && str_eq(argv[1], "collect"))
		return collect(argv[2]);
	if (argc == 1)
		return serve_daemon();
	(void)fprintf(stderr, "recond-layer: a worker of recond, not to be started by hand\n");
	return 2;
}
