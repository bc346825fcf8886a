/* SPDX-License-Identifier: Apache-2.0 */
/* Small servers on loopback, well-behaved and hostile, each connection in a process of its own. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct probe_server {
	pid_t pid;
	int port;
};

/* Serve one connection: FD is open, PORT the server's own. The process ends when this returns. */
typedef void (*probe_server_fn)(int fd, int port);

/* Listen on a free port of 127.0.0.1; connections go to FN. Ends with the test. */
void probe_server_start(struct probe_server *s, probe_server_fn fn);
void probe_server_stop(struct probe_server *s);

/* Write all of it; ends the process when the other side is gone. */
void probe_server_write(int fd, const void *data, size_t n);

/* A port of 127.0.0.1 where nobody listens. */
int probe_server_free_port(void);

/* HTTP by path: "/ok", "/redirect", "/endless", ...; see probe_server.c. */
void probe_server_http(int fd, int port);

/* The same behind TLS, with a certificate that nobody has signed. */
void probe_server_https(int fd, int port);

/* grpc.health.v1 over HTTP/2; the service asked for says how to behave: "", "down", "hang", ... */
void probe_server_grpc(int fd, int port);
