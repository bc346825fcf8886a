/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd on the daemon's loop: its epoll fd is one source, a deferred source runs it when a
 * stream has something new. Connections are bounded in number, in header bytes and in the time they
 * may take to bring a request. A client that dies while its stream is idle is noticed by the
 * hang-up of its socket, which libmicrohttpd does not look at then.
 */
#include "api/server.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/api_priv.h"
#include "api/listener_priv.h"
#include "api/peer_priv.h"
#include "api/route_priv.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

#define HEADER_BYTES                                                                               \
	(32u << 10) /* request line and headers; libmicrohttpd's whole memory of a connection */
#define HEADERS_MAX 100
#define FIRST_REQUEST_MS 10000 /* from connect to a complete request */
#define NEXT_REQUEST_MS 30000  /* from an answer to the next complete request */
#define SEND_TIMEOUT_S 30u     /* a client that takes nothing of a body */
#define STREAM_BLOCK 16384
#define WARNINGS_MAX 10
#define WARNING_BYTES 256

struct connection {
	struct api_server *server;
	struct connection *prev;
	struct connection *next;
	struct MHD_Connection *mhd;
	int fd; /* borrowed from libmicrohttpd */
	bool is_operator;
	sd_event_source *request_timer; /* runs while no request is in hand */
	sd_event_source *hangup;        /* watches the socket while there is a stream */
	struct stream *stream;
	struct strbuf body; /* of the request, as far as it came */
	bool suspended;
	bool dead;
};

struct api_server {
	struct api api;
	gid_t group;
	char *path; /* to be removed at the end; NULL when the socket was inherited */
	struct MHD_Daemon *mhd;
	sd_event_source *io;
	sd_event_source *kick;
	sd_event_source *timer;
	struct connection *connections;
	unsigned int n_connections;
	size_t body_bytes; /* of all connections */
};

/* Driving libmicrohttpd */

static void server_kick(struct api_server *s)
{
	(void)sd_event_source_set_enabled(s->kick, SD_EVENT_ONESHOT);
}

static void on_timer(void *data)
{
	server_kick(data);
}

static void server_run(struct api_server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	(void)MHD_run(s->mhd);
	if (MHD_get_timeout(s->mhd, &timeout_ms) != MHD_YES)
		loop_timer_stop(s->timer);
	else if (timeout_ms == 0)
		server_kick(s);
	else
		(void)loop_timer(&s->timer, s->api.loop, timeout_ms, on_timer, s);
}

static int on_io(sd_event_source *source UNUSED, int fd UNUSED, uint32_t revents UNUSED, void *data)
{
	server_run(data);
	return 0;
}

static int on_kick(sd_event_source *source UNUSED, void *data)
{
	server_run(data);
	return 0;
}

static void on_mhd_message(void *data UNUSED, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void on_mhd_message(void *data UNUSED, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http library", LOG_KV("text", text));
}

/* Streams */

static void connection_wake(void *data)
{
	struct connection *c = data;

	if (!c->suspended)
		return;
	c->suspended = false;
	MHD_resume_connection(c->mhd);
	server_kick(c->server);
}

static int on_hangup(sd_event_source *source UNUSED, int fd UNUSED, uint32_t revents UNUSED,
		     void *data)
{
	struct connection *c = data;

	c->dead = true;
	connection_wake(c);
	return 0;
}

static ssize_t stream_read(void *data, uint64_t pos UNUSED, char *buf, size_t max)
{
	struct connection *c = data;
	ssize_t n;

	if (c->dead)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = c->stream->ops->read(c->stream, buf, max);
	if (n > 0)
		return n;
	if (n == STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	c->suspended = true;
	MHD_suspend_connection(c->mhd);
	if (n == STREAM_AGAIN)
		connection_wake(c);
	return 0;
}

static void stream_done(void *data)
{
	struct connection *c = data;

	c->hangup = sd_event_source_disable_unref(c->hangup);
	c->stream = stream_free(c->stream);
}

static struct MHD_Response *stream_response(struct connection *c, struct reply *reply)
{
	assert(!c->stream);
	c->stream = TAKE_PTR(reply->stream);
	c->stream->wake = connection_wake;
	c->stream->wake_data = c;
	if (sd_event_add_io(c->server->api.loop, &c->hangup, c->fd, EPOLLHUP, on_hangup, c) >= 0)
		(void)sd_event_source_set_enabled(c->hangup, SD_EVENT_ONESHOT);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, c,
						 stream_done);
}

/* Requests */

/* RFC 9111's Warning, as Kubernetes uses it: 299 - "text". */
static void add_warnings(struct MHD_Response *response, const json_t *warnings)
{
	const json_t *text;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)warnings, i, text) {
		autostrbuf value = STRBUF_INIT;
		const char *s = json_string_value(text);

		if (i == WARNINGS_MAX)
			return;
		strbuf_adds(&value, "299 - \"");
		strbuf_add_escaped(&value, s, strnlen(s, WARNING_BYTES));
		strbuf_addc(&value, '"');
		(void)MHD_add_response_header(response, "Warning", strbuf_str(&value));
	}
}

static enum MHD_Result send_reply(struct connection *c, struct reply *reply)
{
	unsigned int status = reply->status;
	struct MHD_Response *response;
	enum MHD_Result r;

	if (reply->stream) {
		response = stream_response(c, reply);
	} else {
		size_t len = reply->body.len;

		response = MHD_create_response_from_buffer(len, strbuf_take(&reply->body),
							   MHD_RESPMEM_MUST_FREE);
	}
	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache, private");
	if (*reply->allow)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
	add_warnings(response, reply->warnings);
	r = MHD_queue_response(c->mhd, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result add_param(void *data, enum MHD_ValueKind kind UNUSED, const char *name,
				 const char *value)
{
	struct request *r = data;

	if (r->n_params == REQUEST_PARAMS_MAX)
		return MHD_NO;
	r->params[r->n_params++] = (struct request_param){name, value ?: ""};
	return MHD_YES;
}

static bool has_body(struct MHD_Connection *mhd)
{
	const char *length =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return true;
	return length && !str_eq(length, "0");
}

static void body_too_large(struct reply *reply)
{
	reply_error(reply, 413, "RequestEntityTooLarge", "Request entity too large: limit is %u",
		    API_MAX_BODY_BYTES);
}

/* What the head of a request says is wrong with it: true after a refusal. */
static bool refuse_early(struct connection *c, struct request *r, struct reply *reply)
{
	const char *length = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	const struct route *route;
	uint64_t n;

	if (MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, NULL, NULL) > HEADERS_MAX) {
		reply_error(reply, 431, "BadRequest", "more than %d header fields", HEADERS_MAX);
		return true;
	}
	route = route_check(r, c->is_operator, reply);
	if (!route)
		return true;
	if (!route_takes_body(route, r) && has_body(c->mhd))
		reply_error(reply, 400, "BadRequest", "this method takes no body");
	else if (length && str_parse_u64(&n, length, 0, API_MAX_BODY_BYTES) < 0)
		body_too_large(reply);
	return reply->status != 0;
}

static void body_drop(struct connection *c)
{
	assert(c->server->body_bytes >= c->body.len);
	c->server->body_bytes -= c->body.len;
	strbuf_deinit(&c->body);
}

/* Keep N bytes more; false when that is too much, for one request or for all. */
static bool body_add(struct connection *c, const char *data, size_t n)
{
	if (c->body.len + n > API_MAX_BODY_BYTES ||
	    c->server->body_bytes + n > API_MAX_BODIES_BYTES)
		return false;
	strbuf_add(&c->body, data, n);
	c->server->body_bytes += n;
	return true;
}

static void read_head(struct request *r, struct MHD_Connection *mhd)
{
	r->accept = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	r->content_type =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	(void)MHD_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, add_param, r);
}

/*
 * Called by libmicrohttpd first with the headers alone, then for each part of the body, and once
 * more when it is complete. What the head already forbids is answered at the first call, which also
 * makes libmicrohttpd close the connection instead of reading on.
 */
static enum MHD_Result on_request(void *data UNUSED, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version UNUSED,
				  const char *upload, size_t *upload_size, void **request_data)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *c = info->socket_context;
	bool first = !*request_data;
	struct request request = {.method = method, .path = url};
	autoreply reply = {};

	*request_data = c;
	if (!first && *upload_size > 0) {
		if (!body_add(c, upload, *upload_size))
			return MHD_NO; /* in the middle of a body there is no way to say why */
		*upload_size = 0;
		return MHD_YES;
	}
	read_head(&request, mhd);
	if (first) {
		assert(c->body.len == 0);
		if (refuse_early(c, &request, &reply)) {
			loop_timer_stop(c->request_timer);
			return send_reply(c, &reply);
		}
		return MHD_YES; /* the timer of the request runs on: its body has to come, too */
	}
	loop_timer_stop(c->request_timer);
	request.body = c->body.len > 0 ? c->body.data : NULL;
	request.n_body = c->body.len;
	route_dispatch(&c->server->api, &request, c->is_operator, &reply);
	body_drop(c);
	return send_reply(c, &reply);
}

/* Connections */

static void on_request_timeout(void *data)
{
	struct connection *c = data;

	(void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
}

static void on_completed(void *data UNUSED, struct MHD_Connection *mhd UNUSED, void **request_data,
			 enum MHD_RequestTerminationCode code UNUSED)
{
	struct connection *c = *request_data;

	if (!c)
		return;
	stream_done(c);
	body_drop(c);
	(void)loop_timer(&c->request_timer, c->server->api.loop, NEXT_REQUEST_MS,
			 on_request_timeout, c);
}

static void connection_new(struct api_server *s, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = NEW(struct connection);

	c->server = s;
	c->mhd = mhd;
	c->fd = info->connect_fd;
	c->is_operator = peer_is_operator(c->fd, s->group);
	c->next = s->connections;
	if (c->next)
		c->next->prev = c;
	s->connections = c;
	s->n_connections++;
	(void)loop_timer(&c->request_timer, s->api.loop, FIRST_REQUEST_MS, on_request_timeout, c);
	*socket_context = c;
}

static void connection_free(struct connection *c)
{
	struct api_server *s = c->server;

	assert(s->n_connections > 0);
	stream_done(c);
	body_drop(c);
	sd_event_source_disable_unref(c->request_timer);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_connections--;
	free(c);
}

static void on_connection(void *data, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_new(data, mhd, socket_context);
	else if (*socket_context)
		connection_free(*socket_context);
}

/* The server */

static int start_http(struct api_server *s, int fd, struct err *err)
{
	const union MHD_DaemonInfo *info;
	int r;

	s->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_message, s,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)API_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADER_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, SEND_TIMEOUT_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
	if (!s->mhd) {
		(void)mem_close(fd);
		return err_set(err, ERR_FATAL, EIO, NULL, "start the HTTP library");
	}
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	r = sd_event_add_io(s->api.loop, &s->io, info->epoll_fd, EPOLLIN, on_io, s);
	if (r >= 0)
		r = sd_event_add_defer(s->api.loop, &s->kick, on_kick, s);
	return r < 0 ? err_errno(err, r, "add the HTTP server to the event loop") : 0;
}

/* A socket to listen on: *RET, owned by the caller, or negative errno. */
static int open_socket(struct api_server *s, int *ret, const struct api_config *config,
		       struct err *err)
{
	int r;

	if (config->listen_fd > 0) {
		autoclose int inherited = config->listen_fd;

		r = listener_check(inherited, config->socket_path, err);
		if (r == 0)
			*ret = TAKE_FD(inherited);
		return r;
	}
	r = listener_open(config->socket_path, config->mode, config->group, err);
	if (r < 0)
		return r;
	s->path = mem_strdup(config->socket_path);
	*ret = r;
	return 0;
}

int api_server_new(struct api_server **ret, sd_event *loop, const struct api_config *config,
		   struct store *store, const struct api_host *host, void *data, struct err *err)
{
	_cleanup_(api_server_freep) struct api_server *s = NEW(struct api_server);
	int fd;
	int r;

	s->api = (struct api){.loop = sd_event_ref(loop),
			      .store = store,
			      .policy = config->policy,
			      .feeds = feeds_new(loop, store),
			      .host = *host,
			      .host_data = data,
			      .version = config->version};
	s->group = config->group;
	r = open_socket(s, &fd, config, err);
	if (r == 0)
		r = start_http(s, fd, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

/* libmicrohttpd must not be stopped while connections are suspended. */
static void wake_all(struct api_server *s)
{
	for (struct connection *c = s->connections; c; c = c->next) {
		c->dead = true;
		if (c->suspended) {
			c->suspended = false;
			MHD_resume_connection(c->mhd);
		}
	}
}

struct api_server *api_server_free(struct api_server *s)
{
	if (!s)
		return NULL;
	if (s->mhd) {
		wake_all(s);
		MHD_stop_daemon(s->mhd);
	}
	assert(!s->connections && s->body_bytes == 0);
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->kick);
	sd_event_source_disable_unref(s->timer);
	if (s->path)
		listener_remove(s->path);
	free(s->path);
	feeds_free(s->api.feeds);
	sd_event_unref(s->api.loop);
	free(s);
	return NULL;
}

unsigned int api_server_connections(const struct api_server *s)
{
	return s->n_connections;
}
