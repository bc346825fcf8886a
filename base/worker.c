/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of a worker. Three things are watched on the loop: the socket, the pipe of its
 * stderr, and the pidfd. The process's end decides: what the socket and the pipe hold at that
 * moment is still read, then the end callback runs. Their ends of file are not waited for, since a
 * grandchild may keep them open for ever.
 */
#include "base/worker.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/strbuf.h"

#define CHUNK_BYTES (64u << 10)
#define STDERR_KEPT_BYTES 4096

struct worker {
	sd_event *loop;
	worker_message_fn on_message;
	worker_end_fn on_end;
	void *data;

	int pidfd; /* -1 once reaped */
	int sock_fd;
	int stderr_fd;
	sd_event_source *exit_source;
	sd_event_source *sock_source;
	sd_event_source *stderr_source;
	sd_event_source *deadline;

	struct strbuf in;
	struct strbuf out;
	size_t out_sent; /* of the front of out */
	struct strbuf stderr_tail;
	struct strbuf stderr_text; /* the tail, escaped */

	int verdict;       /* ours: 0, -ETIMEDOUT or -EBADMSG; wins over the exit status */
	bool input_closed; /* nothing more is read from the socket */
	bool finish;       /* shut down our side when out is empty */
	bool in_callback;
	bool freed; /* by its own message callback: the memory goes when that has returned */
};

static void kill_with_verdict(struct worker *w, int verdict)
{
	if (w->verdict == 0)
		w->verdict = verdict;
	worker_kill(w);
}

/* --- socket
 * -------------------------------------------------------------------------------------------------
 */

static void output_discard(struct worker *w)
{
	strbuf_reset(&w->out);
	w->out_sent = 0;
}

/* Watch the socket for what there is to do, and not at all when there is nothing: EPOLLHUP can't be
 * masked. */
static void sock_rearm(struct worker *w)
{
	bool output = w->out.len > w->out_sent || w->finish;
	uint32_t events = (w->input_closed ? 0 : EPOLLIN) | (output ? EPOLLOUT : 0);

	if (!w->sock_source)
		return;
	(void)sd_event_source_set_io_events(w->sock_source, events);
	(void)sd_event_source_set_enabled(w->sock_source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void input_close(struct worker *w)
{
	w->input_closed = true;
	sock_rearm(w);
}

static void sock_write(struct worker *w)
{
	while (w->out_sent < w->out.len) {
		ssize_t n = send(w->sock_fd, w->out.data + w->out_sent, w->out.len - w->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* The peer is gone; its end will tell why. */
			output_discard(w);
			w->finish = false;
			return;
		}
		w->out_sent += (size_t)n;
	}
	/* What was queued may have been large and is rarely followed by as much. */
	strbuf_deinit(&w->out);
	w->out_sent = 0;
	if (w->finish)
		(void)shutdown(w->sock_fd, SHUT_WR);
	w->finish = false;
}

/*
 * Hand complete messages to the callback. False when that freed W: it must not be touched any more.
 */
static bool deliver(struct worker *w)
{
	for (;;) {
		_cleanup_(ipc_msg_deinit) struct ipc_msg m = {0};
		int r = ipc_take(&w->in, &m);

		if (r < 0) {
			input_close(w);
			kill_with_verdict(w, -EBADMSG);
		}
		if (r <= 0)
			return true;
		if (!w->on_message)
			continue;
		w->in_callback = true;
		w->on_message(w, &m, w->data);
		w->in_callback = false;
		if (w->freed) {
			free(w);
			return false;
		}
	}
}

/*
 * Read at most MAX bytes, at most a chunk, and deliver. *ret_n is what was read: 0 at the end of
 * the stream or when there is nothing. False when a callback freed W.
 */
static bool sock_read(struct worker *w, size_t max, size_t *ret_n)
{
	char buf[CHUNK_BYTES];
	ssize_t n;

	*ret_n = 0;
	do
		n = recv(w->sock_fd, buf, max < sizeof(buf) ? max : sizeof(buf), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		input_close(w);
		return true;
	}
	*ret_n = (size_t)n;
	strbuf_add(&w->in, buf, (size_t)n);
	return deliver(w);
}

static int on_sock(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents, void *data)
{
	struct worker *w = data;
	size_t n;

	if (revents & (EPOLLOUT | EPOLLERR))
		sock_write(w);
	if (!w->input_closed && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
	    !sock_read(w, CHUNK_BYTES, &n))
		return 0;
	sock_rearm(w);
	return 0;
}

/* --- stderr
 * -------------------------------------------------------------------------------------------------
 */

static void stderr_keep(struct worker *w, const char *data, size_t n)
{
	size_t len;

	strbuf_add(&w->stderr_tail, data, n);
	if (w->stderr_tail.len > STDERR_KEPT_BYTES)
		strbuf_consume(&w->stderr_tail, w->stderr_tail.len - STDERR_KEPT_BYTES);
	len = w->stderr_tail.len;
	while (len > 0 && w->stderr_tail.data[len - 1] == '\n')
		len--;
	strbuf_reset(&w->stderr_text);
	if (len > 0)
		strbuf_add_escaped(&w->stderr_text, w->stderr_tail.data, len);
}

/* Read at most MAX bytes, at most a chunk. Returns how many. */
static size_t stderr_read(struct worker *w, size_t max)
{
	char buf[CHUNK_BYTES];
	ssize_t n;

	do
		n = read(w->stderr_fd, buf, max < sizeof(buf) ? max : sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		w->stderr_source = sd_event_source_disable_unref(w->stderr_source);
		return 0;
	}
	stderr_keep(w, buf, (size_t)n);
	return (size_t)n;
}

static int on_stderr(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED, void *data)
{
	(void)stderr_read(data, CHUNK_BYTES);
	return 0;
}

/* --- the end
 * ------------------------------------------------------------------------------------------------
 */

static size_t readable_bytes(int fd)
{
	int n;

	return ioctl(fd, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

/*
 * Read what the process left behind, but no more than that: a grandchild could go on writing for
 * ever. False when a callback freed W.
 */
static bool drain(struct worker *w)
{
	size_t left, n;

	for (left = readable_bytes(w->stderr_fd); left > 0; left -= n) {
		n = stderr_read(w, left);
		if (n == 0)
			break;
	}
	for (left = readable_bytes(w->sock_fd); left > 0 && !w->input_closed; left -= n) {
		if (!sock_read(w, left, &n))
			return false;
		if (n == 0)
			break;
	}
	return true;
}

static void sources_drop(struct worker *w)
{
	w->exit_source = sd_event_source_disable_unref(w->exit_source);
	w->sock_source = sd_event_source_disable_unref(w->sock_source);
	w->stderr_source = sd_event_source_disable_unref(w->stderr_source);
	w->deadline = sd_event_source_disable_unref(w->deadline);
}

static int on_exit_event(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED,
			 void *data)
{
	struct worker *w = data;
	int status, r;

	r = proc_reap(&status, w->pidfd);
	w->pidfd = mem_close(w->pidfd);
	if (r < 0)
		status = r;
	loop_timer_stop(w->deadline);
	if (!drain(w))
		return 0;
	/* A success that ends within a message is none. */
	if (w->verdict == 0 && status == 0 && w->in.len > 0)
		w->verdict = -EBADMSG;
	sources_drop(w);
	w->on_end(w, w->verdict ? w->verdict : status, w->data);
	return 0;
}

static void on_deadline(void *data)
{
	kill_with_verdict(data, -ETIMEDOUT);
}

/* --- starting
 * -----------------------------------------------------------------------------------------------
 */

/* "<path>", the further arguments, NULL. Owned by the caller, the strings are borrowed. */
static const char **arguments(const char *path, const char *const *args)
{
	size_t n = 0;
	const char **argv;

	while (args && args[n])
		n++;
	argv = mem_calloc(n + 2, sizeof(*argv));
	argv[0] = path;
	if (n > 0)
		memcpy(argv + 1, args, n * sizeof(*argv));
	return argv;
}

/* The process with the child's ends of socket and pipe, which stay the caller's. */
static int start_process(struct worker *w, const struct worker_options *o, int sock, int pipe_fd,
			 struct err *err)
{
	autofree char *path = proc_libexec(o->name);
	autofree const char **argv = arguments(path, o->args);
	int fds[] = {-1, -1, pipe_fd, sock, o->pass_fd};
	struct proc_spec spec = {
		.path = path,
		.argv = argv,
		.fds = fds,
		.n_fds = o->pass_fd >= 0 ? 5 : 4,
		.limit_as_bytes = o->limit_as_bytes,
		.limit_cpu_s = o->limit_cpu_s,
		.new_session = o->outlive,
		.die_with_parent = !o->outlive,
		.new_netns = o->no_network,
	};
	pid_t pid;
	int r;

	r = proc_spawn(&pid, &w->pidfd, &spec, err);
	if (r == -EPERM && spec.new_netns) {
		/* We may not: an unprivileged dry run, where the worker has no more power than its
		 * user. */
		spec.new_netns = false;
		r = proc_spawn(&pid, &w->pidfd, &spec, err);
	}
	return r;
}

static int add_sources(struct worker *w, uint64_t deadline_ms, struct err *err)
{
	int r;

	r = sd_event_add_io(w->loop, &w->sock_source, w->sock_fd, EPOLLIN, on_sock, w);
	if (r >= 0)
		r = sd_event_add_io(w->loop, &w->stderr_source, w->stderr_fd, EPOLLIN, on_stderr,
				    w);
	if (r >= 0)
		r = sd_event_add_io(w->loop, &w->exit_source, w->pidfd, EPOLLIN, on_exit_event, w);
	if (r >= 0 && deadline_ms > 0)
		r = loop_timer(&w->deadline, w->loop, deadline_ms, on_deadline, w);
	return r < 0 ? err_errno(err, r, "watch worker") : 0;
}

int worker_spawn(struct worker **ret, sd_event *loop, const struct worker_options *o,
		 struct err *err)
{
	_cleanup_(worker_freep) struct worker *w = NEW(struct worker);
	autoclose int sock = -1, pipe_fd = -1;
	int ends[2], r;

	assert(o->name && o->on_end);
	w->loop = sd_event_ref(loop);
	w->on_message = o->on_message;
	w->on_end = o->on_end;
	w->data = o->data;
	w->pidfd = w->sock_fd = w->stderr_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, errno, "worker %s: socketpair", o->name);
	w->sock_fd = ends[0];
	sock = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "worker %s: pipe", o->name);
	w->stderr_fd = ends[0];
	pipe_fd = ends[1];
	/* Only our end: O_NONBLOCK of the other is the worker's, whose stderr shall block. */
	if (fcntl(w->stderr_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, errno, "worker %s: pipe", o->name);
	r = start_process(w, o, sock, pipe_fd, err);
	if (r >= 0)
		r = add_sources(w, o->deadline_ms, err);
	if (r < 0)
		return err_wrap(err, "worker %s", o->name);
	*ret = TAKE_PTR(w);
	return 0;
}

/* --- use
 * ----------------------------------------------------------------------------------------------------
 */

void worker_send(struct worker *w, uint32_t type, const void *data, size_t len)
{
	assert(!w->finish);
	if (w->pidfd < 0)
		return;
	ipc_frame(&w->out, type, data, len);
	sock_rearm(w);
}

void worker_send_json(struct worker *w, uint32_t type, const json_t *j)
{
	autofree char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		abort();
	worker_send(w, type, text, strlen(text));
}

void worker_finish_input(struct worker *w)
{
	if (w->pidfd < 0)
		return;
	w->finish = true;
	sock_rearm(w);
}

void worker_kill(struct worker *w)
{
	if (w->pidfd >= 0)
		(void)proc_signal(w->pidfd, SIGKILL);
}

static int on_orphan_exit(sd_event_source *s, int fd, uint32_t revents UNUSED, void *data UNUSED)
{
	int status;

	(void)proc_reap(&status, fd);
	/* Drops the loop's reference, the only one: S ends with this dispatch, and closes FD. */
	(void)sd_event_source_set_floating(s, false);
	return 0;
}

/* Have the loop reap a killed process: it may take long to die, and nobody is interested any more.
 */
static void leave_to_loop(sd_event *loop, int pidfd)
{
	sd_event_source *s = NULL;
	int status;

	if (sd_event_add_io(loop, &s, pidfd, EPOLLIN, on_orphan_exit, NULL) < 0) {
		(void)proc_reap(&status, pidfd);
		(void)mem_close(pidfd);
		return;
	}
	(void)sd_event_source_set_io_fd_own(s, true);
	(void)sd_event_source_set_floating(s, true);
	sd_event_source_unref(s);
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	assert(!w->freed);
	sources_drop(w);
	if (w->pidfd >= 0) {
		worker_kill(w);
		leave_to_loop(w->loop, TAKE_FD(w->pidfd));
	}
	w->sock_fd = mem_close(w->sock_fd);
	w->stderr_fd = mem_close(w->stderr_fd);
	strbuf_deinit(&w->in);
	strbuf_deinit(&w->out);
	strbuf_deinit(&w->stderr_tail);
	strbuf_deinit(&w->stderr_text);
	w->loop = sd_event_unref(w->loop);
	w->freed = true;
	if (!w->in_callback)
		free(w);
	return NULL;
}

const char *worker_stderr(const struct worker *w)
{
	return strbuf_str(&w->stderr_text);
}
