/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process above a hook: starts it, keeps what it says, ends it at its deadline, and then ends
 * everything it left behind, however it tried to get away.
 */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cmd/notify_priv.h"

#define LIMIT_FILES 256
#define LIMIT_AS_BYTES (1u << 30)
#define CHILDREN_MAX_BYTES (64u << 10)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

struct hook {
	const json_t *request;
	int pidfd;
	int out; /* what it says */
	struct strbuf said;
	uint64_t deadline_ms;
	bool timed_out;
	int status;
};

static json_t *result_of(bool ok, bool transient, const char *message)
{
	return json_pack("{s:b, s:b, s:o}", "ok", ok, "transient", transient, "message",
			 json_text(message));
}

/* A file in memory that holds TEXT, to be read from its beginning. */
static int text_fd(const char *text)
{
	autoclose int fd = memfd_create("recond-notify", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fs_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	return TAKE_FD(fd);
}

/* ---- starting ---- */

/* "recond-notify command USER PROGRAM ..." or "recond-notify post". Strings are borrowed. */
static const char **arguments(const json_t *hook)
{
	const json_t *command = json_object_get(hook, "command"), *word;
	const char **argv = mem_calloc(json_array_size(command) + 4, sizeof(*argv));
	size_t i, n = 0;

	argv[n++] = "recond-notify";
	argv[n++] = command ? "command" : "post";
	if (command)
		argv[n++] = json_path_str(hook, "user", NOTIFY_USER);
	json_array_foreach(command, i, word) {
		argv[n++] = json_string_value(word);
	}
	return argv;
}

static char *input_of(const json_t *request, const json_t *hook)
{
	autofree char *event = json_canonical(json_object_get(request, "event"));
	autojson *post = NULL;

	if (json_object_get(hook, "command"))
		return mem_asprintf("%s\n", event);
	post = json_pack("{s:O, s:s, s:I, s:s}", "webhook", json_object_get(hook, "webhook"),
			 "event", event, "timeoutMs",
			 (json_int_t)json_path_int(request, "timeoutMs", 0), "type",
			 json_path_str(request, "event.type", ""));
	return json_canonical(post);
}

static int start(struct hook *h, struct err *err)
{
	const json_t *hook = json_object_get(h->request, "hook");
	autofree char *path = proc_libexec("recond-notify");
	autofree char *text = input_of(h->request, hook);
	autofree const char **argv = arguments(hook);
	autofree char *type =
		mem_asprintf("RECOND_EVENT=%s", json_path_str(h->request, "event.type", ""));
	autofree char *app =
		mem_asprintf("RECOND_APP=%s", json_path_str(h->request, "event.app", ""));
	const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", type, app,
		NULL};
	autoclose int in = text_fd(text), out = -1;
	int pipe_fds[2];
	pid_t pid;

	if (in < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(err, in < 0 ? in : errno, "prepare the hook");
	h->out = pipe_fds[0];
	out = pipe_fds[1];
	{
		const int fds[] = {in, out, out};
		const struct proc_spec spec = {
			.path = path,
			.argv = argv,
			.env = env,
			.fds = fds,
			.n_fds = ARRAY_SIZE(fds),
			.limit_as_bytes = SANITIZED ? 0 : LIMIT_AS_BYTES,
			.limit_cpu_s =
				(uint64_t)json_path_int(h->request, "timeoutMs", 0) / 1000 + 1,
			.limit_nofile = LIMIT_FILES,
			.new_session = true,
			.die_with_parent = true,
		};

		return proc_spawn(&pid, &h->pidfd, &spec, err);
	}
}

/* ---- waiting ---- */

static void take_output(struct hook *h)
{
	char buffer[4096];
	ssize_t n = read(h->out, buffer, sizeof(buffer));

	if (n <= 0) {
		h->out = mem_close(h->out);
		return;
	}
	if (h->said.len < NOTIFY_OUTPUT_BYTES)
		strbuf_add(&h->said, buffer,
			   (size_t)n < NOTIFY_OUTPUT_BYTES - h->said.len
				   ? (size_t)n
				   : NOTIFY_OUTPUT_BYTES - h->said.len);
}

/* Until the hook itself ended, or its time is over. */
static void wait_for_end(struct hook *h)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = h->pidfd, .events = POLLIN},
				       {.fd = h->out, .events = POLLIN}};
		uint64_t now = clock_boottime_ms();

		if (now >= h->deadline_ms) {
			h->timed_out = true;
			(void)proc_signal(h->pidfd, SIGKILL);
			break;
		}
		if (poll(fds, ARRAY_SIZE(fds), (int)(h->deadline_ms - now)) < 0)
			continue;
		if (fds[1].revents)
			take_output(h);
		if (fds[0].revents)
			break;
	}
	(void)proc_reap(&h->status, h->pidfd);
}

/* We are the subreaper: what the hook left behind has become ours, level by level. */
static void end_the_rest(void)
{
	for (;;) {
		autofree char *text = NULL;
		autostrlist pids = {};
		size_t n;

		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		if (fs_read_at(&text, &n, AT_FDCWD, "/proc/thread-self/children",
			       CHILDREN_MAX_BYTES) < 0)
			return;
		strlist_split(&pids, text, ' ');
		for (size_t i = 0; i < pids.n; i++) {
			uint64_t pid;

			if (str_parse_u64(&pid, pids.items[i], 2, INT32_MAX) == 0)
				(void)kill((pid_t)pid, SIGKILL);
		}
		(void)waitpid(-1, NULL, 0);
	}
}

static json_t *judge(struct hook *h)
{
	bool command = json_path(h->request, "hook.command") != NULL;
	autostrbuf said = STRBUF_INIT;
	autofree char *text = NULL;

	while (h->said.len > 0 && h->said.data[h->said.len - 1] == '\n')
		strbuf_truncate(&h->said, h->said.len - 1);
	strbuf_add_escaped(&said, strbuf_str(&h->said), h->said.len);
	if (h->timed_out)
		text = mem_asprintf("did not end within %lld s",
				    (long long)json_path_int(h->request, "timeoutMs", 0) / 1000);
	else if (h->status == 0)
		return result_of(true, false, "");
	else if (command && h->status != NOTIFY_EXIT_SETUP)
		text = mem_asprintf("the command ended with %d%s%s", h->status,
				    said.len ? ": " : "", strbuf_str(&said));
	else
		text = mem_strdup(said.len ? strbuf_str(&said) : "it ended without a word");
	return result_of(false, !command && (h->timed_out || h->status != NOTIFY_EXIT_REFUSED),
			 text);
}

json_t *notify_watch(const json_t *request)
{
	struct hook h = {.request = request, .pidfd = -1, .out = -1, .said = STRBUF_INIT};
	struct err err = {};
	json_t *result;

	assert(json_is_object(request));
	h.deadline_ms = clock_boottime_ms() + (uint64_t)json_path_int(request, "timeoutMs", 10000);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (start(&h, &err) < 0) {
		result = result_of(false, true, err.message);
	} else {
		wait_for_end(&h);
		end_the_rest();
		result = judge(&h);
	}
	h.out = mem_close(h.out);
	h.pidfd = mem_close(h.pidfd);
	strbuf_deinit(&h.said);
	return result;
}
