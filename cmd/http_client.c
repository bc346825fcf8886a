/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets for http_decode.c: one connection per request, closed after it, because a request costs
 * less than the process that makes it.
 */
#include "cmd/http_client.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/http_decode.h"

#define READ_BYTES 65536

struct http_client {
	int fd;
	struct http_decode decode;
	struct strbuf early; /* body bytes that came with the head */
};

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(err, errno, "make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_invalid(err, "socket path '%s' is too long", path);
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, errno, "no daemon answers on '%s'", path);
	return TAKE_FD(fd);
}

static int send_all(int fd, const char *data, size_t n, struct err *err)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return err_errno(err, errno, "send the request");
		data += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int send_request(int fd, const struct http_request *r, struct err *err)
{
	autostrbuf request = STRBUF_INIT;

	strbuf_addf(&request,
		    "%s %s HTTP/1.1\r\nHost: recond\r\nUser-Agent: recond\r\nAccept: %s\r\n",
		    r->method, r->target, r->accept);
	if (r->type)
		strbuf_addf(&request, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type,
			    r->n_body);
	strbuf_adds(&request, "Connection: close\r\n\r\n");
	if (r->type)
		strbuf_add(&request, r->body, r->n_body);
	return send_all(fd, request.data, request.len, err);
}

/* One read(2) into the decoder: 1, 0 at the end of the connection. */
static int receive(struct http_client *c, struct strbuf *body, struct err *err)
{
	char data[READ_BYTES];
	ssize_t n;
	int r;

	do
		n = read(c->fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_errno(err, errno, "receive the answer");
	if (n <= 0)
		return http_decode_end(&c->decode, err);
	r = http_decode_feed(&c->decode, data, (size_t)n, body, err);
	return r < 0 ? r : 1;
}

int http_client_send(struct http_client **ret, const char *socket_path,
		     const struct http_request *request, struct err *err)
{
	_cleanup_(http_client_freep) struct http_client *c = NEW(struct http_client);
	int r;

	c->fd = connect_to(socket_path, err);
	if (c->fd < 0)
		return c->fd;
	r = send_request(c->fd, request, err);
	if (r < 0)
		return r;
	while (c->decode.state == HTTP_DECODE_HEAD) {
		r = receive(c, &c->early, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(c);
	return 0;
}

int http_client_get(struct http_client **ret, const char *socket_path, const char *target,
		    const char *accept, struct err *err)
{
	const struct http_request request = {.method = "GET", .target = target, .accept = accept};

	return http_client_send(ret, socket_path, &request, err);
}

struct http_client *http_client_free(struct http_client *c)
{
	if (!c)
		return NULL;
	(void)mem_close(c->fd);
	http_decode_deinit(&c->decode);
	strbuf_deinit(&c->early);
	free(c);
	return NULL;
}

unsigned int http_client_status(const struct http_client *c)
{
	return c->decode.status;
}

const struct strlist *http_client_warnings(const struct http_client *c)
{
	return &c->decode.warnings;
}

int http_client_fd(const struct http_client *c)
{
	return c->fd;
}

bool http_client_pending(const struct http_client *c)
{
	return c->early.len > 0;
}

int http_client_read(struct http_client *c, struct strbuf *body, struct err *err)
{
	size_t before = body->len;
	int r;

	if (c->early.len > 0) {
		strbuf_add(body, c->early.data, c->early.len);
		strbuf_deinit(&c->early);
		return 1;
	}
	while (c->decode.state != HTTP_DECODE_DONE) {
		r = receive(c, body, err);
		if (r < 0)
			return r;
		if (body->len > before)
			return 1;
	}
	return 0;
}

int http_client_read_all(struct http_client *c, struct strbuf *body, size_t max, struct err *err)
{
	int r;

	while ((r = http_client_read(c, body, err)) > 0) {
		if (body->len > max)
			return err_set(err, ERR_FATAL, EFBIG, NULL,
				       "the answer is longer than %zu bytes", max);
	}
	return r;
}

void http_client_add_encoded(struct strbuf *target, const char *s)
{
	static const char unreserved[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *s; s++) {
		if (strchr(unreserved, *s))
			strbuf_addc(target, *s);
		else
			strbuf_addf(target, "%%%02X", (unsigned char)*s);
	}
}
