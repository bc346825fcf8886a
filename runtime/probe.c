/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on the loop, tcpSocket (a transfer that only connects), and the bounds
 * on what the other side may send.
 */
#include "runtime/probe.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "runtime/probe_priv.h"

#define HOST_MAX 253
#define TIMEOUT_MAX_MS UINT64_C(86400000)

struct probe_set {
	sd_event *loop;
	CURLM *multi;
	sd_event_source *timer;
	probe_done_fn done;
	void *data;
	struct probe *first;
};

/* ---- tcpSocket ---- */

static int tcp_prepare(struct probe *p, const json_t *request UNUSED)
{
	p->url = mem_asprintf("http://%s/", p->address);
	(void)curl_easy_setopt(p->easy, CURLOPT_URL, p->url);
	(void)curl_easy_setopt(p->easy, CURLOPT_CONNECT_ONLY, 1L);
	return 0;
}

static int tcp_judge(struct probe *p, CURLcode code)
{
	if (code == CURLE_OK)
		return 1;
	probe_add_failure(p, &p->message, code);
	return 0;
}

static const struct probe_kind probe_tcp = {
	.name = "tcpSocket",
	.prepare = tcp_prepare,
	.judge = tcp_judge,
};

static const struct probe_kind *const kinds[] = {&probe_http, &probe_tcp, &probe_grpc};

/* ---- texts ---- */

void probe_add_failure(struct probe *p, struct strbuf *out, CURLcode code)
{
	long number = 0;
	char buf[128];

	(void)curl_easy_getinfo(p->easy, CURLINFO_OS_ERRNO, &number);
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		strbuf_addf(out, "dial tcp %s: i/o timeout", p->address);
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
		strbuf_addf(out, "dial tcp: lookup %.*s: no such host",
			    (int)(strrchr(p->address, ':') - p->address), p->address);
		break;
	case CURLE_COULDNT_CONNECT:
		(void)snprintf(buf, sizeof(buf), "%s",
			       number ? strerror((int)number) : "cannot connect");
		/* As Go has it: all lower case. */
		buf[0] = buf[0] >= 'A' && buf[0] <= 'Z' ? (char)(buf[0] + 32) : buf[0];
		strbuf_addf(out, "dial tcp %s: connect: %s", p->address, buf);
		break;
	case CURLE_GOT_NOTHING:
		strbuf_adds(out, "EOF");
		break;
	default:
		strbuf_adds(out, *p->error ? p->error : curl_easy_strerror(code));
		break;
	}
}

bool probe_header_valid(const char *name, const char *value)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strlen(name);

	if (n == 0 || strspn(name, token) != n)
		return false;
	for (; *value; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return false;
	return true;
}

/* "HOST:PORT", an IPv6 address in brackets; NULL when it is none. Owned by the caller. */
static char *make_address(const json_t *request)
{
	const char *host = json_path_str(request, "host", "");
	int64_t port = json_path_int(request, "port", 0);
	size_t n = strlen(host);
	const char *format = strchr(host, ':') && host[0] != '[' ? "[%s]:%d" : "%s:%d";

	if (n == 0 || n > HOST_MAX || port < 1 || port > 65535 ||
	    strcspn(host, "/?#@\\ \t\r\n%") != n)
		return NULL;
	for (const char *c = host; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
			return NULL;
	return str_eq(format, "%s:%d") ? mem_asprintf("%s:%d", host, (int)port)
				       : mem_asprintf("[%s]:%d", host, (int)port);
}

/* ---- one check ---- */

static void probe_unlink(struct probe *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		p->set->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
}

static void probe_free(struct probe *p)
{
	if (p->easy) {
		(void)curl_multi_remove_handle(p->set->multi, p->easy);
		curl_easy_cleanup(p->easy);
	}
	probe_unlink(p);
	curl_slist_free_all(p->headers);
	json_decref(p->request);
	strbuf_deinit(&p->body);
	strbuf_deinit(&p->message);
	free(p->address);
	free(p->url);
	free(p->grpc_message);
	free(p);
}

static void probe_end(struct probe *p, bool ok)
{
	struct probe_set *s = p->set;
	autofree char *text = NULL;
	size_t n = p->message.len;
	uint64_t seq = p->seq;

	text = mem_memdup(strbuf_str(&p->message), n);
	probe_free(p);
	s->done(seq, ok, text, n, s->data);
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct probe *p = user;
	size_t room = PROBER_OUTPUT_MAX - p->body.len;

	assert(p->body.len <= PROBER_OUTPUT_MAX);
	n *= size;
	strbuf_add(&p->body, data, n < room ? n : room);
	p->body_full = n > room;
	return p->body_full ? 0 : n; /* 0 ends the transfer */
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
	struct probe *p = user;
	size_t len = n * size;

	p->header_bytes += len;
	if (p->header_bytes > PROBE_HEADERS_MAX)
		return 0;
	while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	if (p->kind->header)
		p->kind->header(p, data, len);
	return n * size;
}

/* What all transfers have in common: nothing of this process's surroundings, no connection reused,
 * no certificate verified (the kubelet does neither). */
static void set_common(struct probe *p)
{
	CURL *c = p->easy;

	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, p);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, p->error);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, p);
	(void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 16384L);
}

/* Hand the handle, with all options set, to libcurl, for what is left of the time. */
static int transfer(struct probe *p)
{
	uint64_t now = clock_boottime_ms();
	long left = p->end_ms > now ? (long)(p->end_ms - now) : 1;

	(void)curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, left);
	(void)curl_easy_setopt(p->easy, CURLOPT_CONNECTTIMEOUT_MS, left);
	return curl_multi_add_handle(p->set->multi, p->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static void transfer_done(struct probe *p, CURLcode code)
{
	int r;

	/* We ended it ourselves, having read what anybody wants of it. */
	if (code == CURLE_WRITE_ERROR && p->body_full)
		code = CURLE_OK;
	if (code != CURLE_OK && p->header_bytes > PROBE_HEADERS_MAX)
		(void)snprintf(p->error, sizeof(p->error), "the header is too long");
	(void)curl_multi_remove_handle(p->set->multi, p->easy);
	r = p->kind->judge(p, code);
	if (r < 2) {
		probe_end(p, r == 1);
		return;
	}
	strbuf_reset(&p->body);
	p->body_full = false;
	p->error[0] = '\0';
	if (transfer(p) < 0) {
		strbuf_adds(&p->message, "out of handles");
		probe_end(p, false);
	}
}

/* ---- the loop ---- */

static void collect(struct probe_set *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(s->multi, &left))) {
		CURLcode code = m->data.result;
		struct probe *p = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
		assert(p);
		transfer_done(p, code);
	}
}

static void act(struct probe_set *s, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(s->multi, fd, what, &running);
	collect(s);
}

static void on_timeout(void *data)
{
	act(data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi UNUSED, long timeout_ms, void *data)
{
	struct probe_set *s = data;

	if (timeout_ms < 0)
		loop_timer_stop(s->timer);
	else
		(void)loop_timer(&s->timer, s->loop, (uint64_t)timeout_ms, on_timeout, s);
	return 0;
}

static int on_io(sd_event_source *source UNUSED, int fd, uint32_t revents, void *data)
{
	int what = 0;

	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		what |= CURL_CSELECT_IN;
	if (revents & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (revents & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	act(data, fd, what);
	return 0;
}

/* libcurl wants FD watched for WHAT; ASSIGNED is the source that we gave it for FD, if any. */
static int on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *data, void *assigned)
{
	struct probe_set *s = data;
	sd_event_source *source = assigned;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		(void)curl_multi_assign(s->multi, fd, NULL);
		(void)sd_event_source_disable_unref(source);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(s->loop, &source, fd, events, on_io, s) < 0)
		return -1;
	(void)curl_multi_assign(s->multi, fd, source);
	return 0;
}

/* ---- public ---- */

int probe_set_new(struct probe_set **ret, sd_event *loop, probe_done_fn done, void *data,
		  struct err *err)
{
	struct probe_set *s;
	CURLM *multi;

	assert(done);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_FATAL, ENOMEM, NULL, "libcurl does not start");
	multi = curl_multi_init();
	if (!multi)
		return err_set(err, ERR_FATAL, ENOMEM, NULL, "libcurl does not start");
	s = NEW(struct probe_set);
	s->loop = sd_event_ref(loop);
	s->multi = multi;
	s->done = done;
	s->data = data;
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, s);
	(void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	*ret = s;
	return 0;
}

struct probe_set *probe_set_free(struct probe_set *s)
{
	if (!s)
		return NULL;
	while (s->first)
		probe_free(s->first);
	(void)curl_multi_cleanup(s->multi);
	(void)sd_event_source_disable_unref(s->timer);
	(void)sd_event_unref(s->loop);
	free(s);
	curl_global_cleanup();
	return NULL;
}

static const struct probe_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

/* 0 when it is under way, negative with p->message. */
static int begin(struct probe *p, const json_t *request)
{
	int64_t timeout = json_path_int(request, "timeoutMs", 1000);
	int r;

	p->kind = find_kind(json_path_str(request, "type", ""));
	p->address = make_address(request);
	if (!p->kind || !p->address || timeout < 1) {
		strbuf_adds(&p->message, "malformed check: no type, host, port or timeout");
		return -EINVAL;
	}
	p->timeout_ms = (uint64_t)timeout < TIMEOUT_MAX_MS ? (uint64_t)timeout : TIMEOUT_MAX_MS;
	p->end_ms = clock_boottime_ms() + p->timeout_ms;
	p->easy = curl_easy_init();
	if (!p->easy) {
		strbuf_adds(&p->message, "out of handles");
		return -ENOMEM;
	}
	set_common(p);
	r = p->kind->prepare(p, request);
	if (r == 0)
		r = transfer(p);
	return r;
}

void probe_set_start(struct probe_set *s, uint64_t seq, const json_t *request)
{
	struct probe *p = NEW(struct probe);

	p->set = s;
	p->seq = seq;
	p->next = s->first;
	if (s->first)
		s->first->prev = p;
	s->first = p;
	if (begin(p, request) < 0)
		probe_end(p, false);
}

void probe_set_cancel(struct probe_set *s, uint64_t seq)
{
	for (struct probe *p = s->first; p; p = p->next) {
		if (p->seq == seq) {
			probe_free(p);
			return;
		}
	}
}
