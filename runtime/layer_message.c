/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the unpacking, see layer_message_priv.h.
 */
#include "runtime/layer_message_priv.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/str.h"

#define PACKET_MAX 8192

/* clang-format off */
static const struct {
	const char *name;
	size_t offset;
} limit_fields[] = {
	{ "maxEntries",     offsetof(struct layer_limits, max_entries) },
	{ "maxBytes",       offsetof(struct layer_limits, max_bytes) },
	{ "maxRatio",       offsetof(struct layer_limits, max_ratio) },
	{ "ratioFreeBytes", offsetof(struct layer_limits, ratio_free_bytes) },
	{ "minFreeBytes",   offsetof(struct layer_limits, min_free_bytes) },
	{ "deadlineMs",     offsetof(struct layer_limits, deadline_ms) },
};
/* clang-format on */

json_t *layer_request_new(const struct manifest_layer *layer, const struct layer_limits *limits)
{
	json_t *request = json_object(), *l = json_object(), *bounds = json_object();

	json_set(l, "digest", json_text(layer->digest));
	json_set(l, "diffId", json_text(layer->diff_id));
	json_set(l, "sizeBytes", json_integer((json_int_t)layer->size_bytes));
	json_set(l, "compression", json_integer(layer->compression));
	for (size_t i = 0; limits && i < ARRAY_SIZE(limit_fields); i++) {
		const uint64_t *value =
			(const void *)((const char *)limits + limit_fields[i].offset);

		json_set(bounds, limit_fields[i].name, json_integer((json_int_t)*value));
	}
	json_set(request, "layer", l);
	json_set(request, "limits", bounds);
	return request;
}

static int parse_digest(char ret[DIGEST_STR_SIZE], const json_t *layer, const char *key)
{
	const char *s = json_path_str(layer, key, "");

	if (!digest_valid(s))
		return -EINVAL;
	memcpy(ret, s, strlen(s) + 1);
	return 0;
}

int layer_request_parse(const json_t *request, struct manifest_layer *ret_layer,
			struct layer_limits *ret_limits, struct err *err)
{
	const json_t *l = json_object_get(request, "layer"),
		     *bounds = json_object_get(request, "limits");
	int64_t compression = json_path_int(l, "compression", -1),
		size = json_path_int(l, "sizeBytes", -1);
	struct manifest_layer layer = {};
	struct layer_limits limits = {};

	if (parse_digest(layer.digest, l, "digest") < 0 ||
	    parse_digest(layer.diff_id, l, "diffId") < 0 || size < 0 || compression < 0 ||
	    compression >= MANIFEST_COMPRESSION_N_)
		return err_invalid(err, "malformed request to unpack a layer");
	layer.size_bytes = (uint64_t)size;
	layer.compression = (enum manifest_compression)compression;
	for (size_t i = 0; i < ARRAY_SIZE(limit_fields); i++) {
		uint64_t *value = (void *)((char *)&limits + limit_fields[i].offset);

		*value = (uint64_t)json_path_int(bounds, limit_fields[i].name, 0);
	}
	*ret_layer = layer;
	*ret_limits = limits;
	return 0;
}

void layer_error_to_json(json_t *object, const struct err *err)
{
	json_set(object, "kind", json_integer(err->kind));
	json_set(object, "code", json_integer(err->code));
	json_set(object, "reason", json_text(err->reason));
	json_set(object, "message", json_text(err->message));
}

int layer_error_from_json(const json_t *object, struct err *ret)
{
	int64_t kind = json_path_int(object, "kind", ERR_FATAL),
		code = json_path_int(object, "code", -EIO);
	const char *reason = json_path_str(object, "reason", "");

	if (json_object_size(object) == 0)
		return 0;
	if (kind <= ERR_NONE || kind >= ERR_KIND_N_)
		kind = ERR_FATAL;
	if (code >= 0 || code < -4095)
		code = -EIO;
	return err_set(ret, (enum err_kind)kind, (int)code, *reason ? reason : NULL, "%s",
		       json_path_str(object, "message", "unknown error"));
}

void layer_message_deinit(struct layer_message *m)
{
	json_decref(m->body);
	m->body = NULL;
	m->fd = mem_close(m->fd);
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int layer_packet_send(int channel, int type, const json_t *body, int fd, struct err *err)
{
	autofree char *text = body ? json_canonical(body) : NULL;
	char first = (char)type;
	union control control = {};
	struct iovec iov[] = {{&first, 1}, {text, text ? strlen(text) : 0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	struct cmsghdr *c;
	ssize_t n;

	assert(iov[1].iov_len < PACKET_MAX);
	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_errno(err, errno, "send packet") : 0;
}

/* The one fd that came with MSG, or -1. */
static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int layer_packet_recv(int channel, struct layer_message *ret, struct err *err)
{
	char buf[PACKET_MAX];
	union control control = {};
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	_cleanup_(layer_message_deinit) struct layer_message m = {.fd = -1};
	ssize_t n;

	do
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "receive packet");
	if (n == 0)
		return 0;
	m.fd = take_fd(&msg);
	m.type = (unsigned char)buf[0];
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return err_set(err, ERR_INVALID, EBADMSG, NULL, "packet is too large");
	if (n > 1 && json_parse(&m.body, buf + 1, (size_t)n - 1, sizeof(buf), err) < 0)
		return -EBADMSG;
	*ret = m;
	m = (struct layer_message){.fd = -1};
	return 1;
}
