/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in, answers out. The daemon reads whatever we write into memory of its own, so a
 * blocking write here never waits for long.
 */
#include "runtime/prober_service.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/ipc.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "runtime/prober_wire.h"

#define CHUNK_BYTES 65536

struct service {
	sd_event *loop;
	const struct prober_service_ops *ops;
	void *data;
	struct strbuf in;
};

static int take(struct service *s, const struct ipc_msg *m)
{
	autojson *j = NULL;
	uint64_t seq;

	if (json_parse(&j, m->data, m->len, PROBER_REQUEST_MAX, NULL) < 0)
		return -EBADMSG;
	seq = (uint64_t)json_path_int(j, "seq", 0);
	if (seq == 0)
		return -EBADMSG;
	if (m->type == PROBER_MSG_CHECK)
		s->ops->start(seq, j, s->data);
	else if (m->type == PROBER_MSG_CANCEL)
		s->ops->cancel(seq, s->data);
	else
		return -EBADMSG;
	return 0;
}

static int on_request(sd_event_source *source UNUSED, int fd, uint32_t revents UNUSED, void *data)
{
	struct service *s = data;
	char buf[CHUNK_BYTES];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return sd_event_exit(s->loop, 0);
	strbuf_add(&s->in, buf, (size_t)n);
	for (;;) {
		_cleanup_(ipc_msg_deinit) struct ipc_msg m = {0};

		r = ipc_take(&s->in, &m);
		if (r == 0)
			return 0;
		if (r > 0)
			r = take(s, &m);
		if (r < 0)
			return sd_event_exit(s->loop, r);
	}
}

int prober_service_run(sd_event *loop, int fd, const struct prober_service_ops *ops, void *data,
		       struct err *err)
{
	struct service s = {.loop = loop, .ops = ops, .data = data};
	sd_event_source *source = NULL;
	int r;

	assert(ops->start && ops->cancel);
	r = sd_event_add_io(loop, &source, fd, EPOLLIN, on_request, &s);
	if (r >= 0)
		r = sd_event_loop(loop);
	sd_event_source_disable_unref(source);
	strbuf_deinit(&s.in);
	return r < 0 ? err_errno(err, r, "serve checks") : 0;
}

void prober_service_answer(int fd, uint64_t seq, bool ok, const char *message, size_t n)
{
	autofree char *cut = mem_alloc(n + 1);
	autojson *j = json_object();

	assert(seq > 0);
	if (n > PROBER_OUTPUT_MAX + 1024)
		n = PROBER_OUTPUT_MAX + 1024;
	for (size_t i = 0; i < n; i++)
		cut[i] = message[i] ? message[i] : ' ';
	cut[n] = '\0';
	json_set(j, "seq", json_integer((json_int_t)seq));
	json_set(j, "ok", json_boolean(ok));
	json_set(j, "message", json_text(cut));
	if (ipc_send_json(fd, PROBER_MSG_DONE, j) < 0)
		exit(EXIT_FAILURE);
}
