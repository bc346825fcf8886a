/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, one sandbox, one stream of entries, one report.
 */
#include "runtime/layer_extract.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/layer_message_priv.h"
#include "runtime/layer_tar_priv.h"

static int on_opaque(int dir_fd, void *data UNUSED, struct err *err)
{
	return layer_packet_send(LAYER_CHANNEL_FD, LAYER_PACKET_OPAQUE, NULL, dir_fd, err);
}

static int extract(const struct manifest_layer *layer, const struct layer_limits *limits,
		   int root_fd, struct err *err)
{
	_cleanup_(layer_stream_freep) struct layer_stream *stream =
		layer_stream_new(LAYER_BLOB_FD, root_fd, layer, limits);
	_cleanup_(layer_tree_freep) struct layer_tree *tree =
		layer_tree_new(root_fd, on_opaque, NULL);
	struct archive_entry *entry;
	int r;

	while ((r = layer_stream_next(stream, &entry, err)) > 0) {
		r = layer_tree_add(tree, entry, stream, err);
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = layer_tree_finish(tree, err);
	if (r >= 0)
		r = layer_stream_verify(stream, err);
	return r;
}

static int receive_request(struct manifest_layer *ret_layer, struct layer_limits *ret_limits,
			   struct err *err)
{
	_cleanup_(layer_message_deinit) struct layer_message m = {.fd = -1};
	int r = layer_packet_recv(LAYER_CHANNEL_FD, &m, err);

	if (r < 0)
		return r;
	if (r == 0 || m.type != LAYER_PACKET_REQUEST || !m.body)
		return err_invalid(err, "no request");
	return layer_request_parse(m.body, ret_layer, ret_limits, err);
}

static int run(struct err *err)
{
	struct manifest_layer layer;
	struct layer_limits limits;
	autoclose int root_fd = -1;
	int r;

	r = receive_request(&layer, &limits, err);
	if (r >= 0)
		r = layer_sandbox_enter(LAYER_TARGET_FD, err);
	if (r < 0)
		return r;
	(void)umask(0);
	root_fd = fs_open("/", O_RDONLY | O_DIRECTORY, 0);
	if (root_fd < 0)
		return err_errno(err, root_fd, "open target");
	return extract(&layer, &limits, root_fd, err);
}

int layer_extract_main(void)
{
	struct err err = {};
	autojson *result = json_object();

	if (run(&err) < 0)
		layer_error_to_json(result, &err);
	return layer_packet_send(LAYER_CHANNEL_FD, LAYER_PACKET_RESULT, result, -1, NULL) < 0;
}
