/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing a container, whose bundle is complete, to a monitor of its own, and hearing from it
 * whether it runs.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "runtime/monitor.h"
#include "runtime/pod_worker_priv.h"

#define CREATE_ERROR "CreateContainerError"
#define CRUN_LOG_MAX (64u << 10)

static int spawn_monitor(struct pod_job *job, const struct pod_launch *l, int status_fd,
			 struct err *err)
{
	const json_t *doc = job->doc;
	autofree char *monitor = proc_libexec("recond-monitor");
	autofree char *root = mem_asprintf("%s/crun", job->run_dir);
	autofree char *events = mem_asprintf("%s/events", job->run_dir);
	autofree char *oom = cgroup_oom_file(&job->cgroups, l->cgroup_path);
	autofree char *bytes = mem_asprintf("%lld", (long long)json_path_int(doc, "logBytes", 0));
	autofree char *files = mem_asprintf("%lld", (long long)json_path_int(doc, "logFiles", 5));
	const char *argv[] = {"recond-monitor",
			      "--id",
			      l->id,
			      "--bundle",
			      l->bundle,
			      "--crun",
			      json_path_str(doc, "crun", ""),
			      "--root",
			      root,
			      "--log",
			      json_path_str(doc, "log", ""),
			      "--events",
			      events,
			      "--log-bytes",
			      bytes,
			      "--log-files",
			      files,
			      oom ? "--oom" : NULL,
			      oom,
			      NULL};
	const int fds[] = {-1, -1, -1, status_fd, l->lock_fd};
	struct proc_spec p = {
		.path = monitor,
		.argv = argv,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.new_session = true,
	};
	autoclose int pidfd = -1;
	pid_t pid;

	return proc_spawn(&pid, &pidfd, &p, err);
}

/* Wait for the monitor's word: the pipe ends when <id>.start is written, or when the monitor died.
 */
static int await_start(struct pod_job *job, const struct pod_launch *l, int pipe_fd,
		       json_t **ret_reply, struct err *err)
{
	autofree char *events = mem_asprintf("%s/events", job->run_dir);
	autofree char *log = NULL;
	autoclose int events_fd = fs_open(events, O_RDONLY | O_DIRECTORY, 0);
	struct monitor_start started;
	char byte;
	size_t n;
	int r;

	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
	r = events_fd < 0 ? events_fd : monitor_read_start(&started, events_fd, l->id);
	if (r <= 0)
		return err_set(err, ERR_TRANSIENT, ECHILD, CREATE_ERROR,
			       "the monitor ended before the container was started");
	if (started.init.pid < 0) {
		(void)fs_read_at(&log, &n, l->bundle_fd, "crun.log", CRUN_LOG_MAX);
		return monitor_crun_error(err, log ? log : "");
	}
	*ret_reply =
		json_pack("{s:i, s:I, s:s}", "pid", (int)started.init.pid, "startTime",
			  (json_int_t)started.init.start_time, "startedAt", started.started_at);
	return 0;
}

static int make_log_dir(const char *log, struct err *err)
{
	autofree char *dir = mem_strndup(log, (size_t)(strrchr(log, '/') - log));
	autoclose int root = fs_open("/", O_RDONLY | O_DIRECTORY, 0);
	int r = root < 0 ? root : fs_mkdir_p(root, dir + 1, 0750);

	return r < 0 ? err_errno(err, r, "make the log directory '%s'", dir) : 0;
}

/*
 * What the monitor inherits: this worker ends with the start, so it is the worker that moves, and
 * there is no moment at which a monitor is where the daemon is.
 */
static int leave_daemon(struct pod_job *job, struct err *err)
{
	autofree char *path = NULL;

	if (!json_path_bool(job->doc, "monitorsApart", false))
		return 0;
	path = mem_asprintf("%s/monitors", json_path_str(job->doc, "cgroupRoot", "/recond"));
	return cgroup_enter(&job->cgroups, path, err);
}

int pod_launch(json_t **ret_reply, struct pod_job *job, struct pod_launch *l, struct err *err)
{
	autoclose int reader = -1, writer = -1;
	int fds[2], r;

	assert(l->lock_fd >= 0 && l->bundle_fd >= 0);
	r = make_log_dir(json_path_str(job->doc, "log", "/"), err);
	if (r == 0)
		r = leave_daemon(job, err);
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "make a pipe");
	reader = fds[0];
	writer = fds[1];
	r = spawn_monitor(job, l, writer, err);
	if (r < 0)
		return r;
	writer = mem_close(writer);
	/* From here on the lock is the monitor's. */
	l->lock_fd = mem_close(l->lock_fd);
	FAILPOINT("start.spawned");
	return await_start(job, l, reader, ret_reply, err);
}
