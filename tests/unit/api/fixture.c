/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixture's loop turning and its clients. Sockets are non-blocking, so that a test that waits
 * in vain ends.
 */
#include "tests/unit/api/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"

static int64_t env_realtime(void *data UNUSED)
{
	return clock_realtime_ns();
}

static void env_random(void *data UNUSED, void *buf, size_t n)
{
	clock_random(buf, n);
}

struct store *fixture_store(void)
{
	static const struct store_env env = {env_realtime, env_random, NULL};
	struct store *s;
	struct err err = {};

	cr_assert_eq(store_open(&s, NULL, &env, &err), 0, "%s", err.message);
	return s;
}

void fixture_put(struct store *s, const char *text)
{
	autofree char *copy = mem_strdup(text);
	autojson *object = NULL;
	const json_t *existing;
	struct err err = {};
	int r;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	cr_assert_eq(json_parse(&object, copy, strlen(copy), 1 << 20, &err), 0, "%s: %s",
		     err.message, copy);
	r = store_create(s, object, &existing);
	if (r == 1)
		r = store_update_status(s, object);
	cr_assert_eq(r, 0);
}

static json_t *host_images(void *data UNUSED)
{
	return json_pack("[{s:s, s:s, s:s, s:s, s:I}]", "repository", "site/page", "tag", "latest",
			 "digest",
			 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			 "created", "2020-01-01T00:00:00Z", "sizeBytes", (json_int_t)4190000);
}

static char *host_log_path(void *data, const char *ns UNUSED, const char *pod UNUSED,
			   const char *uid UNUSED, const char *container UNUSED, bool previous)
{
	struct fixture *f = data;

	return f->has_log && !previous ? mem_strdup(f->log) : NULL;
}

/* ---- a policy on a host where no pod ever starts ---- */

static uint64_t port_now(void *data UNUSED)
{
	return clock_boottime_ms();
}

static int64_t port_realtime(void *data UNUSED)
{
	return clock_realtime_ns();
}

static void port_random(void *data UNUSED, void *buf, size_t n)
{
	clock_random(buf, n);
}

static void on_wake(void *data)
{
	struct fixture *f = data;
	struct err err = {};

	cr_assert_eq(reconciler_run(f->policy, &err), 0, "%s", err.message);
}

static void port_wake(void *data, uint64_t at_ms)
{
	struct fixture *f = data;
	uint64_t now = clock_boottime_ms();

	if (at_ms != UINT64_MAX)
		(void)loop_timer(&f->wake, f->loop, at_ms > now ? at_ms - now : 0, on_wake, f);
}

static void port_sandbox_up(void *data UNUSED, const json_t *request UNUSED)
{
}

static void port_pod_down(void *data UNUSED, const char *uid UNUSED)
{
}

static struct reconciler *make_policy(struct fixture *f)
{
	const struct ports ports = {.now_ms = port_now,
				    .realtime_ns = port_realtime,
				    .random = port_random,
				    .wake_at = port_wake,
				    .sandbox_up = port_sandbox_up,
				    .pod_down = port_pod_down,
				    .data = f};
	static const struct reconciler_config config = {.node_name = "node",
							.host_ip = "192.0.2.1"};
	struct reconciler *r = reconciler_new(f->store, &ports, &config);

	reconciler_recovered(r);
	return r;
}

static int host_settle(void *data, struct err *err)
{
	struct fixture *f = data;

	f->settled++;
	return reconciler_run(f->policy, err);
}

static void init(struct fixture *f, mode_t mode, gid_t group, bool policy)
{
	static const struct api_host host = {
		.images = host_images, .log_path = host_log_path, .settle = host_settle};
	struct api_config config = {.mode = mode, .group = group, .version = "0.0.1"};
	struct err err = {};

	*f = (struct fixture){.dir = "/tmp/recond-api.XXXXXX"};
	cr_assert(mkdtemp(f->dir));
	cr_assert_eq(chmod(f->dir, 0755), 0);
	(void)snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir);
	(void)snprintf(f->log, sizeof(f->log), "%s/0.log", f->dir);
	cr_assert(sd_event_new(&f->loop) >= 0);
	f->store = fixture_store();
	f->policy = policy ? make_policy(f) : NULL;
	config.socket_path = f->socket;
	config.policy = f->policy;
	cr_assert_eq(api_server_new(&f->server, f->loop, &config, f->store, &host, f, &err), 0,
		     "%s", err.message);
}

void fixture_init(struct fixture *f, mode_t mode, gid_t group)
{
	init(f, mode, group, false);
}

void fixture_init_policy(struct fixture *f)
{
	init(f, 0600, (gid_t)-1, true);
}

void fixture_deinit(struct fixture *f)
{
	f->server = api_server_free(f->server);
	cr_assert_neq(access(f->socket, F_OK), 0, "the socket is removed");
	sd_event_source_disable_unref(f->wake);
	f->policy = reconciler_free(f->policy);
	f->store = store_free(f->store);
	f->loop = sd_event_unref(f->loop);
	cr_assert_eq(fs_remove_tree(AT_FDCWD, f->dir), 0);
}

void client_open(struct client *c, struct fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*c = (struct client){.f = f,
			     .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	cr_assert(c->fd >= 0);
	memcpy(address.sun_path, f->socket, strlen(f->socket));
	cr_assert_eq(connect(c->fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
		     strerror(errno));
}

void client_start(struct client *c, struct fixture *f, const char *request, const char *accept)
{
	autostrbuf text = STRBUF_INIT;

	client_open(c, f);
	strbuf_adds(&text, request);
	if (text.data[text.len - 1] != '\n')
		strbuf_addf(&text,
			    " HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nConnection: close\r\n\r\n",
			    accept ? accept : "*/*");
	cr_assert_eq(send(c->fd, text.data, text.len, MSG_NOSIGNAL), (ssize_t)text.len);
}

void client_close(struct client *c)
{
	c->fd = mem_close(c->fd);
	http_decode_deinit(&c->decode);
	strbuf_deinit(&c->body);
}

static void receive(struct client *c)
{
	struct err err = {};
	char data[65536];
	ssize_t n;

	while (!c->ended && (n = recv(c->fd, data, sizeof(data), 0)) != 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		cr_assert_eq(http_decode_feed(&c->decode, data, (size_t)n, &c->body, &err), 0, "%s",
			     err.message);
	}
	c->ended = true;
}

/* Turn the loop until CONDITION or MS are over. */
static bool turn(struct fixture *f, bool (*condition)(void *data), void *data, unsigned int ms)
{
	uint64_t end = clock_boottime_ms() + ms;

	while (!condition(data)) {
		if (clock_boottime_ms() >= end)
			return false;
		cr_assert(sd_event_run(f->loop, 10000) >= 0);
	}
	return true;
}

bool fixture_wait(struct fixture *f, bool (*condition)(void *data), void *data)
{
	return turn(f, condition, data, FIXTURE_WAIT_MS);
}

struct wanted {
	struct client *client;
	const char *text;
};

static bool has_text(void *data)
{
	struct wanted *w = data;

	receive(w->client);
	return strstr(strbuf_str(&w->client->body), w->text);
}

bool client_wait_text(struct client *c, const char *text)
{
	struct wanted w = {c, text};

	return fixture_wait(c->f, has_text, &w);
}

static bool is_over(void *data)
{
	struct client *c = data;

	receive(c);
	return c->ended || c->decode.state == HTTP_DECODE_DONE;
}

bool client_wait_end(struct client *c)
{
	return fixture_wait(c->f, is_over, c);
}

static bool never(void *data)
{
	receive(data);
	return false;
}

void client_turn(struct client *c, unsigned int ms)
{
	(void)turn(c->f, never, c, ms);
}

unsigned int fixture_get(struct fixture *f, const char *target, const char *accept, json_t **ret)
{
	autofree char *request = mem_asprintf("GET %s", target);
	struct err err = {};
	unsigned int status;
	struct client c;

	client_start(&c, f, request, accept);
	cr_assert(client_wait_end(&c), "no answer to %s", target);
	status = c.decode.status;
	if (ret) {
		*ret = NULL;
		(void)json_parse(ret, strbuf_str(&c.body), c.body.len, 1 << 24, &err);
	}
	client_close(&c);
	return status;
}

/* More than a socket takes at once. */
static void send_all(struct client *c, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL);

		cr_assert(sent > 0 || errno == EAGAIN, "%s", strerror(errno));
		if (sent > 0) {
			data += sent;
			n -= (size_t)sent;
		}
		cr_assert(sd_event_run(c->f->loop, 1000) >= 0);
	}
}

unsigned int fixture_send(struct fixture *f, const struct fixture_request *request, json_t **ret)
{
	autofree char *body = mem_strdup(request->body ? request->body : "");
	autofree char *text = NULL;
	struct err err = {};
	unsigned int status;
	struct client c;

	for (char *p = body; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	text = mem_asprintf(
		"%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s",
		request->method, request->target,
		request->type ? request->type : "application/json", strlen(body), body);
	client_open(&c, f);
	send_all(&c, text, strlen(text));
	cr_assert(client_wait_end(&c), "no answer to %s %s", request->method, request->target);
	status = c.decode.status;
	if (ret) {
		*ret = NULL;
		(void)json_parse(ret, strbuf_str(&c.body), c.body.len, 1 << 24, &err);
	}
	client_close(&c);
	return status;
}
