/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: 4 bytes length of the payload, 4 bytes type, little-endian, then the payload. A worker
 * may be under the control of whoever wrote the bytes it parses, so the daemon believes nothing but
 * a checked header.
 */
#include "base/ipc.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEADER_SIZE 8

static void header_write(unsigned char header[HEADER_SIZE], uint32_t type, size_t len)
{
	uint32_t fields[2] = {htole32((uint32_t)len), htole32(type)};

	memcpy(header, fields, HEADER_SIZE);
}

/* False when the header is not acceptable. */
static bool header_read(uint32_t *ret_type, size_t *ret_len, const char *header)
{
	uint32_t fields[2], len, type;

	memcpy(fields, header, HEADER_SIZE);
	len = le32toh(fields[0]);
	type = le32toh(fields[1]);
	if (len > IPC_MAX_BYTES || type == 0 || type > IPC_MAX_TYPE)
		return false;
	*ret_type = type;
	*ret_len = len;
	return true;
}

void ipc_msg_deinit(struct ipc_msg *m)
{
	free(m->data);
	*m = (struct ipc_msg){0};
}

/* Skip N bytes that were sent. */
static void iov_advance(struct msghdr *h, size_t n)
{
	while (n > 0) {
		size_t part = n < h->msg_iov->iov_len ? n : h->msg_iov->iov_len;

		h->msg_iov->iov_base = (char *)h->msg_iov->iov_base + part;
		h->msg_iov->iov_len -= part;
		n -= part;
		if (h->msg_iov->iov_len == 0 && h->msg_iovlen > 1) {
			h->msg_iov++;
			h->msg_iovlen--;
		}
	}
}

int ipc_send(int fd, uint32_t type, const void *data, size_t len)
{
	unsigned char header[HEADER_SIZE];
	struct iovec iov[] = {{header, HEADER_SIZE}, {(void *)data, len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	size_t left = HEADER_SIZE + len;

	assert(type > 0 && type <= IPC_MAX_TYPE);
	if (len > IPC_MAX_BYTES)
		return -EMSGSIZE;
	header_write(header, type, len);
	while (left > 0) {
		ssize_t n = sendmsg(fd, &h, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		left -= (size_t)n;
		iov_advance(&h, (size_t)n);
	}
	return 0;
}

int ipc_send_json(int fd, uint32_t type, const json_t *j)
{
	autofree char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		abort();
	return ipc_send(fd, type, text, strlen(text));
}

/* Read N bytes: 1, 0 when the stream ends before the first of them, -EBADMSG when it ends between.
 */
static int read_exactly(int fd, char *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, buf + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return got == 0 ? 0 : -EBADMSG;
		got += (size_t)r;
	}
	return 1;
}

int ipc_recv(int fd, struct ipc_msg *ret)
{
	char header[HEADER_SIZE];
	autofree char *data = NULL;
	uint32_t type;
	size_t len;
	int r;

	r = read_exactly(fd, header, sizeof(header));
	if (r <= 0)
		return r;
	if (!header_read(&type, &len, header))
		return -EBADMSG;
	data = mem_alloc(len + 1);
	if (len > 0) {
		r = read_exactly(fd, data, len);
		if (r <= 0)
			return r < 0 ? r : -EBADMSG;
	}
	data[len] = '\0';
	*ret = (struct ipc_msg){type, TAKE_PTR(data), len};
	return 1;
}

int ipc_take(struct strbuf *buf, struct ipc_msg *ret)
{
	uint32_t type;
	size_t len;

	if (buf->len < HEADER_SIZE)
		return 0;
	if (!header_read(&type, &len, buf->data))
		return -EBADMSG;
	if (buf->len - HEADER_SIZE < len)
		return 0;
	*ret = (struct ipc_msg){type, mem_alloc(len + 1), len};
	memcpy(ret->data, buf->data + HEADER_SIZE, len);
	ret->data[len] = '\0';
	strbuf_consume(buf, HEADER_SIZE + len);
	return 1;
}

void ipc_frame(struct strbuf *out, uint32_t type, const void *data, size_t len)
{
	unsigned char header[HEADER_SIZE];

	assert(type > 0 && type <= IPC_MAX_TYPE && len <= IPC_MAX_BYTES);
	header_write(header, type, len);
	strbuf_add(out, header, sizeof(header));
	strbuf_add(out, data, len);
}
