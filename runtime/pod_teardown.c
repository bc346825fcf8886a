/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing containers and pods, in whatever state a crash left them. Every step looks at what is
 * there and is repeated without harm.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/exec_left.h"
#include "runtime/monitor.h"
#include "runtime/overlay.h"
#include "runtime/pod_worker_priv.h"
#include "runtime/volume.h"

#define KILL_MS 10000
#define KILL_EVERY 50   /* looks at the lock */
#define MONITOR_MS 3000 /* for the monitor to write its record and delete the container */

static const char *const qos_classes[] = {"Guaranteed", "Burstable", "BestEffort"};

static int is_locked(int bundle_fd)
{
	autoclose int fd = fs_open_at(bundle_fd, "lock", O_RDWR, 0);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int kill_container(struct pod_job *job, const char *id, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(qos_classes); i++) {
		autofree char *pod = pod_job_cgroup(job, qos_classes[i]);
		autofree char *path = mem_asprintf("%s/%s", pod, id);
		int r = cgroup_kill(&job->cgroups, path, KILL_MS, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Wait until no monitor (nor a worker about to start one, nor a crun of one that died) holds the
 * container's lock, killing what comes up in its cgroup meanwhile; a monitor that does not end
 * after its container did is killed.
 */
static void end_monitor(struct pod_job *job, int bundle_fd, const char *id)
{
	uint64_t patience = clock_boottime_ms() + MONITOR_MS;
	struct err ignored;

	for (unsigned int i = 1; is_locked(bundle_fd); i++) {
		struct monitor_process p;
		autoclose int pidfd = -1;

		(void)usleep(1000);
		if (i % KILL_EVERY == 0)
			(void)kill_container(job, id, &ignored);
		if (clock_boottime_ms() < patience || monitor_read_self(&p, bundle_fd) <= 0)
			continue;
		pidfd = monitor_open_process(&p);
		if (pidfd >= 0)
			(void)proc_signal(pidfd, SIGKILL);
	}
}

/*
 * What crun has of a container whose processes are dead: a directory and leaf cgroups. Removed
 * without it, since "crun delete" waits for somebody to reap the container's init, and that may be
 * a slow stranger when its monitor was killed.
 */
static int forget_in_crun(struct pod_job *job, const char *id, struct err *err)
{
	autofree char *root = mem_asprintf("%s/crun", job->run_dir);
	autoclose int fd = fs_open(root, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : fs_remove_tree(fd, id);

	if (r < 0)
		return err_errno(err, r, "remove crun's state of '%s'", id);
	for (size_t i = 0; i < ARRAY_SIZE(qos_classes); i++) {
		autofree char *pod = pod_job_cgroup(job, qos_classes[i]);
		autofree char *path = mem_asprintf("%s/%s", pod, id);

		r = cgroup_remove(&job->cgroups, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void remove_events(struct pod_job *job, const char *id)
{
	static const char *const kinds[] = {"start", "start.tmp", "exit", "exit.tmp"};
	autofree char *path = mem_asprintf("%s/events", job->run_dir);
	autoclose int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(kinds); i++) {
		autofree char *name = mem_asprintf("%s.%s", id, kinds[i]);

		(void)fs_remove_tree(fd, name);
	}
}

/* The mounts, and the writable layer. */
static int remove_root(struct pod_job *job, int bundle_fd, const char *id, struct err *err)
{
	autofree char *rel = mem_asprintf("c/%s", id);
	int r = volume_detach_all(bundle_fd, err);

	if (r == 0)
		r = fs_remove_tree(job->disk_fd, rel);
	return r < 0 ? err_errno(err, r, "remove the writable layer of '%s'", id) : 0;
}

/* Nothing of the container runs afterwards, and nobody is left who could start it. */
static int end_container(struct pod_job *job, int bundle_fd, const char *id, struct err *err)
{
	autofree char *root = mem_asprintf("%s/crun", job->run_dir);
	int r = kill_container(job, id, err);

	if (r < 0)
		return r;
	end_monitor(job, bundle_fd, id);
	(void)exec_left_kill(bundle_fd, root, id);
	/* A monitor that was about to start the container did so: once more, nobody starts it now.
	 */
	r = kill_container(job, id, err);
	if (r == 0)
		r = FAILPOINT_ERR("clear.forget", err);
	return r < 0 ? r : forget_in_crun(job, id, err);
}

int pod_container_clear(struct pod_job *job, const char *id, struct err *err)
{
	autofree char *rel = mem_asprintf("c/%s", id);
	autoclose int bundle_fd = -1;
	int r;

	assert(job->run_fd >= 0 && job->disk_fd >= 0);
	bundle_fd = fs_open_at(job->run_fd, rel, O_RDONLY | O_DIRECTORY, 0);
	if (bundle_fd == -ENOENT)
		return 0;
	if (bundle_fd < 0)
		return err_errno(err, bundle_fd, "open the bundle of '%s'", id);
	r = end_container(job, bundle_fd, id, err);
	if (r == 0)
		r = FAILPOINT_ERR("clear.root", err);
	if (r == 0)
		r = remove_root(job, bundle_fd, id, err);
	if (r < 0)
		return r;
	FAILPOINT("clear.records");
	remove_events(job, id);
	r = fs_remove_tree(job->run_fd, rel);
	return r < 0 ? err_errno(err, r, "remove the bundle of '%s'", id) : 0;
}

static void remove_log(const char *path, int files)
{
	if (path)
		(void)fs_remove_tree(AT_FDCWD, path);
	for (int i = 1; path && i < files; i++) {
		autofree char *old = mem_asprintf("%s.%d", path, i);

		(void)fs_remove_tree(AT_FDCWD, old);
	}
}

/* The monitor died: say in its place that the container ended, nobody knows how. */
static int record_loss(struct pod_job *job, const char *id, struct err *err)
{
	autofree char *path = mem_asprintf("%s/events", job->run_dir);
	autoclose int fd = fs_open(path, O_RDONLY | O_DIRECTORY, 0);
	struct monitor_start started = {0};
	struct monitor_exit e = {.exit_code = 128 + SIGKILL, .signal = SIGKILL, .unknown = true};

	if (fd < 0)
		return err_errno(err, fd, "open '%s'", path);
	clock_format_rfc3339_nano(e.finished_at, clock_realtime_ns());
	(void)monitor_read_start(&started, fd, id);
	memcpy(e.started_at, started.started_at, sizeof(e.started_at));
	return monitor_write_exit(fd, id, &e, err);
}

/*
 * {"id", "keepRecords", "lost", "removeLog"}: with keepRecords the container ended by itself, or
 * its monitor did (lost): what is left of it is killed, its mounts and writable layer go, its
 * records stay for a daemon that has not seen them yet.
 */
int pod_verb_container_clean(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	const char *id = json_path_str(job->doc, "id", "");
	autofree char *rel = mem_asprintf("c/%s", id);
	autoclose int bundle_fd = -1;
	int r;

	(void)ret_reply;
	remove_log(json_path_str(job->doc, "removeLog", NULL),
		   (int)json_path_int(job->doc, "logFiles", 1));
	if (strlen(id) != POD_ID_SIZE - 1 || strchr(id, '/'))
		return err_invalid(err, "malformed container id");
	r = pod_job_open(job, false, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !json_path_bool(job->doc, "keepRecords", false))
		return r < 0 ? r : pod_container_clear(job, id, err);
	bundle_fd = fs_open_at(job->run_fd, rel, O_RDONLY | O_DIRECTORY, 0);
	if (bundle_fd < 0)
		return 0;
	r = end_container(job, bundle_fd, id, err);
	if (r == 0 && json_path_bool(job->doc, "lost", false))
		r = record_loss(job, id, err);
	return r < 0 ? r : remove_root(job, bundle_fd, id, err);
}

static int clear_containers(struct pod_job *job, struct err *err)
{
	autoclose int fd = fs_open_at(job->run_fd, "c", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *e;
	int r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));

	while (d && r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = pod_container_clear(job, e->d_name, err);
	if (d)
		(void)closedir(d);
	return r;
}

/* Over the cgroups the pod can have; its QoS class is not always known any more. */
static int for_cgroups(struct pod_job *job, bool remove, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(qos_classes); i++) {
		autofree char *path = pod_job_cgroup(job, qos_classes[i]);
		int r = remove ? cgroup_remove(&job->cgroups, path, err)
			       : cgroup_kill(&job->cgroups, path, KILL_MS, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_below(const char *dir, const char *rel, struct err *err)
{
	autoclose int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : fs_remove_tree(fd, rel);

	return r < 0 ? err_errno(err, r, "remove '%s/%s'", dir, rel) : 0;
}

/* The run directory last: it is what says that there is a pod at all. */
static int remove_dirs(struct pod_job *job, struct err *err)
{
	const char *logs = json_path_str(job->doc, "logs", NULL);
	autofree char *pod = mem_asprintf("pods/%s", job->uid);
	int r = 0;

	if (logs && !strchr(logs, '/') && logs[0] != '.') {
		autofree char *rel = mem_asprintf("logs/%s", logs);

		r = remove_below(job->state_dir, rel, err);
	}
	if (r == 0)
		r = remove_below(job->state_dir, pod, err);
	return r < 0 ? r : remove_below(job->run_dir, pod, err);
}

/* {"uid", "logs": directory below logs/}. Nothing of the pod is left afterwards; a pod that is not
 * there is fine. */
int pod_verb_pod_down(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	int r;

	(void)ret_reply;
	if (!*job->uid)
		return err_invalid(err, "malformed job");
	r = pod_job_open(job, true, err);
	if (r == 0)
		r = FAILPOINT_ERR("down.kill", err);
	if (r == 0)
		r = for_cgroups(job, false, err);
	if (r == 0)
		r = clear_containers(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("down.sandbox", err);
	if (r == 0)
		r = pod_sandbox_clear(job, err);
	if (r == 0)
		r = for_cgroups(job, true, err);
	if (r == 0)
		r = FAILPOINT_ERR("down.dirs", err);
	return r < 0 ? r : remove_dirs(job, err);
}
