/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One crun per command. What runs is not asked of crun's options but written out: the container's
 * own process as its bundle has it, with other arguments.
 */
#include "runtime/exec.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/exec_kill.h"
#include "runtime/exec_left.h"
#include "runtime/prober_wire.h"

#define CONFIG_MAX (4u << 20)
#define CHUNK_BYTES 65536
#define LINGER_MS 1000 /* for crun to end after what it ran was killed */

struct command {
	struct exec_set *set;
	struct command *prev, *next;
	uint64_t seq;
	bool answered; /* or cancelled: only to be reaped */
	char *text;    /* for messages */
	char *bundle;
	uint64_t timeout_ms;
	pid_t pid; /* of crun */
	int pidfd, output_fd;
	sd_event_source *exit_source, *output_source, *timer;
	struct strbuf output;
};

struct exec_set {
	sd_event *loop;
	exec_done_fn done;
	void *data;
	struct command *first;
};

static void command_free(struct command *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->set->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	(void)sd_event_source_disable_unref(c->exit_source);
	(void)sd_event_source_disable_unref(c->output_source);
	(void)sd_event_source_disable_unref(c->timer);
	(void)mem_close(c->pidfd);
	(void)mem_close(c->output_fd);
	strbuf_deinit(&c->output);
	free(c->text);
	free(c->bundle);
	free(c);
}

static void answer(struct command *c, bool ok, const char *text, size_t n)
{
	struct exec_set *s = c->set;

	if (c->answered)
		return;
	c->answered = true;
	s->done(c->seq, ok, text, n, s->data);
}

/* ---- output ---- */

/* Read at most MAX bytes, keep what fits. Returns how many were read. */
static size_t read_output(struct command *c, size_t max)
{
	char buf[CHUNK_BYTES];
	size_t room = PROBER_OUTPUT_MAX - c->output.len;
	ssize_t n = read(c->output_fd, buf, max < sizeof(buf) ? max : sizeof(buf));

	assert(c->output.len <= PROBER_OUTPUT_MAX);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		c->output_source = sd_event_source_disable_unref(c->output_source);
		return 0;
	}
	strbuf_add(&c->output, buf, (size_t)n < room ? (size_t)n : room);
	return (size_t)n;
}

static int on_output(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED, void *data)
{
	(void)read_output(data, CHUNK_BYTES);
	return 0;
}

/* What is in the pipe now, and no more: something left behind may go on writing. */
static void drain(struct command *c)
{
	int left;

	if (ioctl(c->output_fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		size_t n = read_output(c, (size_t)left);

		if (n == 0)
			return;
		left -= (int)n;
	}
}

/* ---- the end ---- */

static int on_exit_event(sd_event_source *s UNUSED, int fd UNUSED, uint32_t revents UNUSED,
			 void *data)
{
	struct command *c = data;
	int status = -1;

	(void)proc_reap(&status, c->pidfd);
	drain(c);
	answer(c, status == 0, strbuf_str(&c->output), c->output.len);
	command_free(c);
	return 0;
}

static void on_linger(void *data)
{
	struct command *c = data;

	(void)proc_signal(c->pidfd, SIGKILL);
}

/* Kill what crun started. */
static void kill_below(const struct command *c)
{
	autoclose int bundle = fs_open(c->bundle, O_RDONLY | O_DIRECTORY, 0);

	/* Without a bundle there is no container any more. */
	if (bundle >= 0)
		(void)exec_left_note(bundle);
	(void)exec_kill_below(c->pid);
}

/* The same; crun then ends by itself, or is helped. */
static void put_down(struct command *c)
{
	kill_below(c);
	c->timer = sd_event_source_disable_unref(c->timer);
	if (loop_timer(&c->timer, c->set->loop, LINGER_MS, on_linger, c) < 0)
		on_linger(c);
}

static void on_timeout(void *data)
{
	struct command *c = data;
	autofree char *text = mem_asprintf("command timed out: \"%s\" timed out after %gs", c->text,
					   (double)c->timeout_ms / 1000);

	put_down(c);
	answer(c, false, text, strlen(text));
}

/* ---- the start ---- */

/* The process document in memory: what the container itself runs, but COMMAND. The fd, or negative
 * errno with ERR. */
static int make_process(const char *bundle, const json_t *command, struct err *err)
{
	autoclose int dir = fs_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	autoclose int fd = -1;
	autofree char *text = NULL, *out = NULL;
	autojson *config = NULL;
	json_t *process;
	size_t n;
	int r = dir < 0 ? dir : fs_read_at(&text, &n, dir, "config.json", CONFIG_MAX);

	if (r < 0)
		return err_errno(err, r, "read the container's configuration");
	r = json_parse(&config, text, n, CONFIG_MAX, err);
	if (r < 0)
		return r;
	process = json_object_get(config, "process");
	if (!json_is_object(process) || json_array_size(command) == 0)
		return err_invalid(err, "malformed command");
	json_set(process, "args", json_incref((json_t *)command));
	json_set(process, "terminal", json_false());
	out = json_dumps(process, JSON_COMPACT);
	fd = memfd_create("process.json", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "memfd_create");
	r = fs_write_all(fd, out, strlen(out));
	return r < 0 ? err_errno(err, r, "write process.json") : TAKE_FD(fd);
}

static int spawn_crun(struct command *c, const json_t *target, int process, int output,
		      struct err *err)
{
	const char *crun = json_path_str(target, "crun", "");
	const char *argv[] = {
		crun,
		"--root",
		json_path_str(target, "root", ""),
		"--cgroup-manager=cgroupfs",
		"exec",
		"--process",
		"/proc/self/fd/3",
		json_path_str(target, "id", ""),
		NULL,
	};
	const int fds[] = {-1, output, output, process};
	struct proc_spec spec = {
		.path = crun,
		.argv = argv,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.die_with_parent = true,
	};

	return proc_spawn(&c->pid, &c->pidfd, &spec, err);
}

static int watch(struct command *c, struct err *err)
{
	int r = sd_event_add_io(c->set->loop, &c->output_source, c->output_fd, EPOLLIN, on_output,
				c);

	if (r >= 0)
		r = sd_event_add_io(c->set->loop, &c->exit_source, c->pidfd, EPOLLIN, on_exit_event,
				    c);
	if (r >= 0)
		r = loop_timer(&c->timer, c->set->loop, c->timeout_ms, on_timeout, c);
	return r < 0 ? err_errno(err, r, "watch crun") : 0;
}

static int begin(struct command *c, const json_t *request, struct err *err)
{
	const json_t *target = json_object_get(request, "target");
	autoclose int process = -1;
	autoclose int writer = -1;
	int ends[2], r;

	if (!json_is_object(target))
		return err_invalid(err, "the container is not running");
	c->bundle = mem_strdup(json_path_str(target, "bundle", ""));
	process = make_process(c->bundle, json_object_get(request, "command"), err);
	if (process < 0)
		return process;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "make a pipe");
	c->output_fd = ends[0];
	writer = ends[1];
	if (fcntl(c->output_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, errno, "make a pipe");
	r = spawn_crun(c, target, process, writer, err);
	if (r < 0)
		return r;
	r = watch(c, err);
	if (r < 0) {
		int status;

		(void)proc_signal(c->pidfd, SIGKILL);
		(void)proc_reap(&status, c->pidfd);
	}
	return r;
}

/* The words of the command, for people. */
static char *join(const json_t *command)
{
	autostrbuf text = STRBUF_INIT;
	const json_t *word;
	size_t i;

	json_array_foreach(command, i, word) {
		if (i > 0)
			strbuf_addc(&text, ' ');
		strbuf_adds(&text, json_string_value(word) ? json_string_value(word) : "");
	}
	return strbuf_take(&text);
}

/* ---- public ---- */

struct exec_set *exec_set_new(sd_event *loop, exec_done_fn done, void *data)
{
	struct exec_set *s = NEW(struct exec_set);

	assert(done);
	s->loop = sd_event_ref(loop);
	s->done = done;
	s->data = data;
	return s;
}

struct exec_set *exec_set_free(struct exec_set *s)
{
	int status;

	if (!s)
		return NULL;
	while (s->first) {
		kill_below(s->first);
		(void)proc_signal(s->first->pidfd, SIGKILL);
		(void)proc_reap(&status, s->first->pidfd);
		command_free(s->first);
	}
	(void)sd_event_unref(s->loop);
	free(s);
	return NULL;
}

void exec_set_start(struct exec_set *s, uint64_t seq, const json_t *request)
{
	int64_t timeout = json_path_int(request, "timeoutMs", 1000);
	struct command *c = NEW(struct command);
	struct err err = {0};

	*c = (struct command){
		.set = s,
		.next = s->first,
		.seq = seq,
		.text = join(json_object_get(request, "command")),
		.timeout_ms = timeout > 0 ? (uint64_t)timeout : 1,
		.pidfd = -1,
		.output_fd = -1,
	};
	if (s->first)
		s->first->prev = c;
	s->first = c;
	if (begin(c, request, &err) < 0) {
		answer(c, false, err.message, strlen(err.message));
		command_free(c);
	}
}

void exec_set_cancel(struct exec_set *s, uint64_t seq)
{
	for (struct command *c = s->first; c; c = c->next) {
		if (c->seq != seq || c->answered)
			continue;
		c->answered = true;
		put_down(c);
		return;
	}
}
