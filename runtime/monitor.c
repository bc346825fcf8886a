/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what a monitor wrote.
 */
#include "runtime/monitor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"

#define RECORD_MAX 4096
#define ERROR_TEXT_MAX 1024

static int read_record(json_t **ret, int dirfd, const char *name)
{
	autofree char *text = NULL;
	size_t n;
	int r = fs_read_at(&text, &n, dirfd, name, RECORD_MAX);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = json_parse(ret, text, n, RECORD_MAX, NULL);
	return r < 0 ? r : 1;
}

static int read_event(json_t **ret, int events_fd, const char *id, const char *kind)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s.%s", id, kind);
	return read_record(ret, events_fd, name);
}

static void copy_text(char ret[40], const json_t *record, const char *key)
{
	(void)snprintf(ret, 40, "%s", json_path_str(record, key, ""));
}

int monitor_read_start(struct monitor_start *ret, int events_fd, const char *id)
{
	autojson *j = NULL;
	int r = read_event(&j, events_fd, id, "start");

	if (r <= 0)
		return r;
	ret->init.pid = (pid_t)json_path_int(j, "pid", -1);
	ret->init.start_time = (uint64_t)json_path_int(j, "start_time", 0);
	copy_text(ret->started_at, j, "started_at");
	return 1;
}

int monitor_read_exit(struct monitor_exit *ret, int events_fd, const char *id)
{
	autojson *j = NULL;
	int r = read_event(&j, events_fd, id, "exit");

	if (r <= 0)
		return r;
	ret->exit_code = (int)json_path_int(j, "exit_code", 137);
	ret->signal = (int)json_path_int(j, "signal", 0);
	ret->oom_killed = json_path_bool(j, "oom_killed", false);
	ret->unknown = json_path_bool(j, "unknown", false);
	copy_text(ret->started_at, j, "started_at");
	copy_text(ret->finished_at, j, "finished_at");
	return 1;
}

int monitor_write_exit(int events_fd, const char *id, const struct monitor_exit *e, struct err *err)
{
	autojson *j = NULL;
	autofree char *text = NULL;
	char name[64];

	(void)snprintf(name, sizeof(name), "%s.exit", id);
	if (faccessat(events_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	j = json_pack("{s:i, s:i, s:b, s:b, s:s, s:s}", "exit_code", e->exit_code, "signal",
		      e->signal, "oom_killed", (int)e->oom_killed, "unknown", (int)e->unknown,
		      "started_at", e->started_at, "finished_at", e->finished_at);
	text = json_canonical(j);
	return fs_replace(events_fd, name, text, strlen(text), 0600, err);
}

int monitor_read_self(struct monitor_process *ret, int bundle_fd)
{
	autojson *j = NULL;
	int r = read_record(&j, bundle_fd, "monitor");

	if (r <= 0)
		return r;
	ret->pid = (pid_t)json_path_int(j, "pid", -1);
	ret->start_time = (uint64_t)json_path_int(j, "start_time", 0);
	return ret->pid > 0 ? 1 : -EBADMSG;
}

int monitor_open_process(const struct monitor_process *p)
{
	autoclose int fd = p->pid > 0 ? proc_pidfd_open(p->pid) : -ESRCH;
	uint64_t start_time;

	/* First the pidfd, then the look: a pid reused in between has another start time. */
	if (fd < 0 || proc_start_time(&start_time, p->pid) < 0 || start_time != p->start_time)
		return -ESRCH;
	return TAKE_FD(fd);
}

/* The first "msg" of level error in crun's log, or its first line. */
static char *first_message(const char *log)
{
	autostrlist lines = {0};

	strlist_split(&lines, log, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		autojson *j = NULL;

		if (json_parse(&j, lines.items[i], strlen(lines.items[i]), 1u << 16, NULL) < 0)
			continue;
		if (str_eq(json_path_str(j, "level", "error"), "error"))
			return mem_strdup(json_path_str(j, "msg", ""));
	}
	return mem_strndup(log, strcspn(log, "\n"));
}

int monitor_crun_error(struct err *err, const char *log)
{
	/* What crun says when it got as far as the command and that could not be executed. */
	static const char *const exec_errors[] = {
		"executable file", "exec: ",       "exec ",
		"open executable", "chdir to cwd", "exec the container process",
	};
	autofree char *message = first_message(log);
	autostrbuf text = STRBUF_INIT;
	const char *reason = "CreateContainerError";

	if (strlen(message) > ERROR_TEXT_MAX)
		message[ERROR_TEXT_MAX] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(exec_errors); i++)
		if (strstr(message, exec_errors[i]))
			reason = "RunContainerError";
	strbuf_add_escaped(&text, message, strlen(message));
	return err_set(err, ERR_TRANSIENT, EIO, reason, "crun: %s",
		       text.len ? strbuf_str(&text) : "failed without a word");
}
