/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker recond-build: one request on fd 3, messages back, exit. A real build runs in a child
 * that is PID 1 of a process namespace and owns a mount namespace: when it dies, by whatever cause,
 * the kernel ends the processes of its steps and forgets its mounts.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/json.h"
#include "base/worker.h"
#include "builder/build_priv.h"
#include "builder/job.h"

static int on_progress(size_t i, size_t n, const struct plan_step *step, bool cached, void *data)
{
	autojson *j = json_pack("{s:I, s:I, s:i, s:s, s:b}", "i", (json_int_t)i, "n", (json_int_t)n,
				"line", (int)step->line, "text", step->text, "cached", cached);

	(void)data;
	return ipc_send_json(WORKER_FD, BUILD_MSG_PROGRESS, j);
}

static int on_log(const char *line, void *data)
{
	autojson *j = json_object();

	(void)data;
	json_set(j, "line", json_text(line));
	return ipc_send_json(WORKER_FD, BUILD_MSG_LOG, j);
}

static int send_error(const struct err *err)
{
	autojson *j = json_object();

	json_set(j, "kind", json_integer(err->kind));
	json_set(j, "code", json_integer(err->code));
	json_set(j, "reason", json_text(err->reason));
	json_set(j, "message", json_text(err->message));
	return ipc_send_json(WORKER_FD, BUILD_MSG_ERROR, j);
}

static int plan(const struct request *rq, struct err *err)
{
	autojson *answer = NULL;
	int r = job_plan(&answer, rq, err);

	return r < 0 ? r : ipc_send_json(WORKER_FD, BUILD_MSG_PLAN, answer);
}

/* In the child: what is mounted from here on is ours alone. */
static int enter_namespaces(struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, errno, "make mounts private");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_errno(err, errno, "mount /proc");
	return 0;
}

static int build(const struct request *rq, struct err *err)
{
	static const struct job_callbacks callbacks = {.progress = on_progress, .log = on_log};
	char digest[DIGEST_STR_SIZE];
	autojson *answer = NULL;
	int r;

	r = enter_namespaces(err);
	if (r >= 0)
		r = job_build(digest, rq, &callbacks, err);
	if (r < 0)
		return r;
	answer = json_pack("{s:s}", "digest", digest);
	return ipc_send_json(WORKER_FD, BUILD_MSG_DONE, answer);
}

static int run(json_t *j, struct err *err)
{
	_cleanup_(request_deinit) struct request rq = {};
	int r;

	r = request_init(&rq, j, err);
	if (r < 0)
		return r;
	return rq.plan_only ? plan(&rq, err) : build(&rq, err);
}

/* Do it and say how it went: the exit code. */
static int answer(json_t *j)
{
	struct err err = {};

	if (run(j, &err) >= 0)
		return EXIT_SUCCESS;
	if (err.kind == ERR_NONE)
		(void)err_set(&err, ERR_TRANSIENT, EIO, "BuildFailed", "the daemon is gone");
	return send_error(&err) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* As PID 1 of a process namespace; our own end, also by SIGKILL, is the child's end. */
static int answer_in_child(json_t *j)
{
	struct err err = {};
	int status;
	long pid;

	/* fork() with namespaces for the child alone: this process stays able to make threads. */
	pid = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* What is to do at exit is the parent's; LeakSanitizer cannot work in PID 1. */
		_exit(answer(j));
	}
	if (pid < 0) {
		(void)err_errno(&err, errno, "new namespaces (a build needs root)");
		(void)err_reason(&err, "BuildFailed");
		return send_error(&err) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	while (waitpid((pid_t)pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	if (!WIFEXITED(status)) {
		(void)fprintf(stderr, "the build process died\n");
		return EXIT_FAILURE;
	}
	return WEXITSTATUS(status);
}

int main(void)
{
	_cleanup_(ipc_msg_deinit) struct ipc_msg m = {};
	autojson *j = NULL;
	struct err err = {};

	(void)umask(022); /* what steps make is for every user of the image, not for this one */
	if (ipc_recv(WORKER_FD, &m) != 1 || m.type != BUILD_MSG_REQUEST ||
	    json_parse(&j, m.data, m.len, IPC_MAX_BYTES, &err) < 0) {
		(void)fprintf(stderr, "no acceptable request on fd %d\n", WORKER_FD);
		return EXIT_FAILURE;
	}
	return json_path_bool(j, "planOnly", false) ? answer(j) : answer_in_child(j);
}
