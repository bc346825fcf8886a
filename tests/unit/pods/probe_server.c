/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containers may answer to a probe, sense and nonsense.
 */
#include "probe_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

static int listen_on_loopback(int *ret_port, bool accepting)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (accepting && listen(fd, 64) < 0) || getsockname(fd, (struct sockaddr *)&at, &n) < 0)
		abort();
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* Connections are served by children that end with their parent, so that none is left. */
static void serve(int listener, int port, probe_server_fn fn)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pid_t pid = fd < 0 ? -1 : fork();

		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)close(listener);
			fn(fd, port);
			_exit(0);
		}
		(void)close(fd);
	}
}

void probe_server_start(struct probe_server *s, probe_server_fn fn)
{
	int listener = listen_on_loopback(&s->port, true);

	s->pid = fork();
	if (s->pid == 0)
		serve(listener, s->port, fn);
	(void)close(listener);
}

void probe_server_stop(struct probe_server *s)
{
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, NULL, 0);
}

int probe_server_free_port(void)
{
	int port;

	(void)close(listen_on_loopback(&port, false));
	return port;
}

void probe_server_write(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t r = send(fd, at, n, MSG_NOSIGNAL);

		if (r <= 0)
			_exit(0);
		at += r;
		n -= (size_t)r;
	}
}

static void hang(void)
{
	for (;;)
		(void)pause();
}

/* ---- HTTP ---- */

/* Where to write, plain or TLS. */
struct out {
	int fd;
	SSL *ssl;
};

static void put(const struct out *o, const char *text)
{
	if (!o->ssl)
		probe_server_write(o->fd, text, strlen(text));
	else if (SSL_write(o->ssl, text, (int)strlen(text)) <= 0)
		_exit(0);
}

static void put_forever(const struct out *o, const char *text)
{
	for (;;)
		put(o, text);
}

#define REPLY(status, rest) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n" rest "\r\n"

static const struct {
	const char *path, *text;
} fixed[] = {
	{"/ok", REPLY("200 OK", "")},
	{"/204", REPLY("204 No Content", "")},
	{"/399", REPLY("399 Odd", "")},
	{"/400", REPLY("400 Bad Request", "")},
	{"/199", REPLY("199 Odd", "")},
	{"/503", REPLY("503 Service Unavailable", "")},
	{"/redirect", REPLY("302 Found", "Location: /ok\r\n")},
	{"/redirect-bad", REPLY("301 Moved", "Location: /503\r\n")},
	{"/loop", REPLY("307 Again", "Location: /loop\r\n")},
	{"/no-location", REPLY("302 Found", "")},
	{"/elsewhere", "HTTP/1.1 302 Found\r\nContent-Length: 4\r\nLocation: "
		       "http://198.51.100.1/x\r\n\r\ngone"},
	{"/gopher", REPLY("302 Found", "Location: gopher://127.0.0.1/x\r\n")},
	{"/redirect-echo", REPLY("302 Found", "Location: /echo\r\n")},
	{"/garbage", "\x01\x02 this is no HTTP at all\r\n\r\n"},
	{"/http09", "just text"},
};

/* Answers that do not end, or not as they should. */
static void misbehave(const struct out *o, const char *path)
{
	static const char chunk[] = "10\r\n0123456789abcdef\r\n";
	static const char head[] = "HTTP/1.1 200 OK\r\n";

	if (strcmp(path, "/endless") == 0) {
		put(o, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		put_forever(o, chunk);
	} else if (strcmp(path, "/endless-header") == 0) {
		put(o, head);
		put_forever(o, "X-Filler: 0123456789abcdef0123456789abcdef\r\n");
	} else if (strcmp(path, "/endless-100") == 0) {
		put_forever(o, "HTTP/1.1 100 Continue\r\n\r\n");
	} else if (strcmp(path, "/half-body") == 0) {
		put(o, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		hang();
	} else if (strcmp(path, "/cut-body") == 0) {
		put(o, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	} else if (strcmp(path, "/half-header") == 0) {
		put(o, head);
		hang();
	} else if (strcmp(path, "/hang") == 0) {
		hang();
	}
}

static void answer(const struct out *o, const char *request, int port)
{
	char path[256] = "", reply[8192];

	(void)sscanf(request, "GET %255s ", path);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (strcmp(fixed[i].path, path) == 0) {
			put(o, fixed[i].text);
			return;
		}
	}
	/* A status that makes the body a part of the warning: a test sees what was asked. */
	if (strncmp(path, "/echo", 5) == 0) {
		(void)snprintf(reply, sizeof(reply),
			       "HTTP/1.1 300 Look\r\nContent-Length: %zu\r\n\r\n%s",
			       strlen(request), request);
		put(o, reply);
	} else if (strcmp(path, "/redirect-absolute") == 0) {
		(void)snprintf(reply, sizeof(reply),
			       "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
			       "http://127.0.0.1:%d/echo\r\n\r\n",
			       port);
		put(o, reply);
	} else {
		misbehave(o, path);
	}
}

void probe_server_http(int fd, int port)
{
	const struct out o = {.fd = fd};
	char request[4096];
	size_t n = 0;

	do {
		ssize_t r = read(fd, request + n, sizeof(request) - 1 - n);

		if (r <= 0)
			return;
		n += (size_t)r;
		request[n] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	answer(&o, request, port);
}

/* A certificate for nobody, signed by itself, long expired. */
static void use_certificate(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(cert), -3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
				   (const unsigned char *)"nobody", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_sign(cert, key, EVP_sha256());
	if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		abort();
	X509_free(cert);
	EVP_PKEY_free(key);
}

void probe_server_https(int fd, int port)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct out o = {.fd = fd, .ssl = NULL};
	char request[4096];
	int n;

	use_certificate(ctx);
	o.ssl = SSL_new(ctx);
	(void)SSL_set_fd(o.ssl, fd);
	if (SSL_accept(o.ssl) != 1)
		return;
	n = SSL_read(o.ssl, request, sizeof(request) - 1);
	if (n <= 0)
		return;
	request[n] = '\0';
	answer(&o, request, port);
	(void)SSL_shutdown(o.ssl);
}

/* ---- HTTP/2, as much of it as one health check needs ---- */

enum frame { FRAME_DATA, FRAME_HEADERS, FRAME_SETTINGS = 4, FRAME_GOAWAY = 7, FRAME_WINDOW = 8 };

#define FLAG_END_STREAM 1
#define FLAG_END_HEADERS 4
#define FLAG_ACK 1

static void put_frame(int fd, enum frame type, int flags, uint32_t stream, const void *data,
		      size_t n)
{
	unsigned char head[9] = {(unsigned char)(n >> 16),
				 (unsigned char)(n >> 8),
				 (unsigned char)n,
				 (unsigned char)type,
				 (unsigned char)flags,
				 0,
				 0,
				 (unsigned char)(stream >> 8),
				 (unsigned char)stream};

	probe_server_write(fd, head, sizeof(head));
	probe_server_write(fd, data, n);
}

static bool read_all(int fd, unsigned char *buf, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, buf, n);

		if (r <= 0)
			return false;
		buf += r;
		n -= (size_t)r;
	}
	return true;
}

/* HPACK: a literal header field without indexing and without Huffman. */
static void add_field(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addc(out, 0);
	strbuf_addc(out, (char)strlen(name));
	strbuf_adds(out, name);
	strbuf_addc(out, (char)strlen(value));
	strbuf_adds(out, value);
}

static void put_headers(int fd, uint32_t stream)
{
	autostrbuf block = STRBUF_INIT;

	strbuf_addc(&block, (char)0x88); /* :status 200 */
	add_field(&block, "content-type", "application/grpc");
	put_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS, stream, block.data, block.len);
}

static void put_trailers(int fd, uint32_t stream, const char *status, const char *message)
{
	autostrbuf block = STRBUF_INIT;

	add_field(&block, "grpc-status", status);
	if (message)
		add_field(&block, "grpc-message", message);
	put_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, stream, block.data,
		  block.len);
}

static void put_serving(int fd, uint32_t stream, unsigned char serving)
{
	const unsigned char message[] = {0, 0, 0, 0, 2, 0x08, serving};

	put_headers(fd, stream);
	put_frame(fd, FRAME_DATA, 0, stream, message, sizeof(message));
	put_trailers(fd, stream, "0", NULL);
}

static void put_endless_data(int fd, uint32_t stream)
{
	const char filler[1000] = "x";

	put_headers(fd, stream);
	for (;;)
		put_frame(fd, FRAME_DATA, 0, stream, filler, sizeof(filler));
}

static void answer_service(int fd, uint32_t stream, const char *service)
{
	if (strcmp(service, "down") == 0) {
		put_serving(fd, stream, 2);
	} else if (strcmp(service, "odd") == 0) {
		put_serving(fd, stream, 77);
	} else if (strcmp(service, "unknown") == 0) {
		put_headers(fd, stream);
		put_trailers(fd, stream, "5", "unknown service");
	} else if (strcmp(service, "unimplemented") == 0) {
		put_headers(fd, stream);
		put_trailers(fd, stream, "12", "unknown method Check");
	} else if (strcmp(service, "no-trailer") == 0) {
		put_headers(fd, stream);
		put_frame(fd, FRAME_DATA, FLAG_END_STREAM, stream, "\0\0\0\0\2\x08\1", 7);
	} else if (strcmp(service, "bad-frame") == 0) {
		put_headers(fd, stream);
		put_frame(fd, FRAME_DATA, 0, stream, "\0\xff\xff\xff\xff\x08\1", 7);
		put_trailers(fd, stream, "0", NULL);
	} else if (strcmp(service, "endless") == 0) {
		put_endless_data(fd, stream);
	} else if (strcmp(service, "goaway") == 0) {
		put_frame(fd, FRAME_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\1", 8);
	} else if (strcmp(service, "hang") == 0) {
		hang();
	} else {
		put_serving(fd, stream, 1);
	}
}

/* The service of the request's frame, as recond writes it. */
static void copy_service(char ret[256], const unsigned char *data, size_t n)
{
	size_t len = n >= 7 ? data[6] : 0;

	ret[0] = '\0';
	if (len == 0 || len > 127 || n < 7 + len)
		return;
	memcpy(ret, data + 7, len);
	ret[len] = '\0';
}

void probe_server_grpc(int fd, int port)
{
	unsigned char buf[65536], preface[24], head[9];
	char service[256];

	(void)port;
	if (!read_all(fd, preface, sizeof(preface)) || memcmp(preface, "PRI * HTTP/2.0", 14) != 0)
		return;
	put_frame(fd, FRAME_SETTINGS, 0, 0, "", 0);
	while (read_all(fd, head, sizeof(head))) {
		size_t n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
		uint32_t stream = (uint32_t)head[7] << 8 | head[8];

		if (n > sizeof(buf) || !read_all(fd, buf, n))
			return;
		if (head[3] == FRAME_SETTINGS && !(head[4] & FLAG_ACK))
			put_frame(fd, FRAME_SETTINGS, FLAG_ACK, 0, "", 0);
		if (head[3] != FRAME_DATA || !(head[4] & FLAG_END_STREAM))
			continue;
		copy_service(service, buf, n);
		answer_service(fd, stream, service);
	}
}
