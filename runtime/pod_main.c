/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-pod: the worker that touches the host on behalf of pods. One job, one answer, gone. The
 * job is a JSON message on the worker socket: {"verb", "runDir", "stateDir", "bridge", "podCidr",
 * "cgroupRoot", "monitorsApart", "uid", ...}; the answer is
 * {"ok": {...}} or {"error": {"kind", "code", "reason", "message", "remains"}}: with remains
 * something of what was tried may still be there.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/ipc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "runtime/pod_worker_priv.h"

#define MESSAGE_JOB 1

static const struct verb {
	const char *name;
	int (*run)(json_t **ret_reply, struct pod_job *job, struct err *err);
} verbs[] = {
	{"network-up", pod_verb_network_up},
	{"sandbox-up", pod_verb_sandbox_up},
	{"container-start", pod_verb_container_start},
	{"container-clean", pod_verb_container_clean},
	{"pod-down", pod_verb_pod_down},
	{"host-down", pod_verb_host_down},
};

char *pod_job_cgroup(const struct pod_job *job, const char *qos)
{
	const char *root = json_path_str(job->doc, "cgroupRoot", "/recond");
	const char *class = "";

	if (str_eq(qos, "Burstable"))
		class = "/burstable";
	else if (!str_eq(qos, "Guaranteed"))
		class = "/besteffort";
	return mem_asprintf("%s%s/pod%s", root, class, job->uid);
}

int pod_job_init(struct pod_job *job, const json_t *doc, struct err *err)
{
	const char *bridge = json_path_str(doc, "bridge", "");
	const char *qos;
	int r;

	*job = (struct pod_job){
		.doc = doc,
		.request = json_object_get(doc, "request"),
		.uid = json_path_str(doc, "uid", ""),
		.run_dir = json_path_str(doc, "runDir", ""),
		.state_dir = json_path_str(doc, "stateDir", ""),
		.run_fd = -1,
		.disk_fd = -1,
	};
	if (job->run_dir[0] != '/' || job->state_dir[0] != '/' || !net_name_valid(bridge) ||
	    strchr(job->uid, '/'))
		return err_invalid(err, "malformed job");
	(void)snprintf(job->bridge.name, sizeof(job->bridge.name), "%s", bridge);
	r = cidr_parse(&job->bridge.cidr, json_path_str(doc, "podCidr", ""), err);
	if (r < 0)
		return r;
	job->run_path = mem_asprintf("%s/pods/%s", job->run_dir, job->uid);
	job->disk_path = mem_asprintf("%s/pods/%s", job->state_dir, job->uid);
	qos = json_path_str(doc, "qos", NULL);
	if (qos)
		job->cgroup = pod_job_cgroup(job, qos);
	return cgroup_host_read(&job->cgroups, err);
}

void pod_job_deinit(struct pod_job *job)
{
	free(job->run_path);
	free(job->disk_path);
	free(job->cgroup);
	job->run_fd = mem_close(job->run_fd);
	job->disk_fd = mem_close(job->disk_fd);
}

static int open_dir(int *ret_fd, const char *base, const char *uid, bool make, struct err *err)
{
	autoclose int base_fd = fs_open(base, O_RDONLY | O_DIRECTORY, 0);
	autofree char *rel = mem_asprintf("pods/%s", uid);
	int r = base_fd < 0 ? base_fd : 0;

	if (r == 0 && make)
		r = fs_mkdir_p(base_fd, rel, 0700);
	if (r == 0)
		r = *ret_fd = fs_open_at(base_fd, rel, O_RDONLY | O_DIRECTORY, 0);
	if (r == -ENOENT && !make)
		return r;
	return r < 0 ? err_errno(err, r, "open '%s/%s'", base, rel) : 0;
}

int pod_job_open(struct pod_job *job, bool make, struct err *err)
{
	int r;

	assert(job->run_fd < 0 && job->disk_fd < 0);
	r = open_dir(&job->run_fd, job->run_dir, job->uid, make, err);
	return r < 0 ? r : open_dir(&job->disk_fd, job->state_dir, job->uid, make, err);
}

int pod_verb_network_up(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	int r = net_bridge_up(&job->bridge, err);

	if (r < 0)
		return r;
	r = net_masquerade_up(&job->bridge, err);
	if (r < 0)
		return r;
	*ret_reply = json_pack("{s:b}", "masquerade", r == 0);
	return 0;
}

static int run_job(json_t **ret_reply, const json_t *doc, struct err *err)
{
	const char *name = json_path_str(doc, "verb", "");
	const struct verb *verb = NULL;
	struct pod_job job = {0};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_eq(verbs[i].name, name))
			verb = &verbs[i];
	if (!verb)
		return err_invalid(err, "unknown verb '%s'", name);
	r = pod_job_init(&job, doc, err);
	if (r == 0)
		r = verb->run(ret_reply, &job, err);
	pod_job_deinit(&job);
	return r;
}

int main(void)
{
	struct ipc_msg m = {0};
	struct err err = {0};
	autojson *doc = NULL, *reply = NULL, *out = json_object();
	int r;

	(void)umask(022);
	if (ipc_recv(WORKER_FD, &m) != 1 || m.type != MESSAGE_JOB)
		return 1;
	r = json_parse(&doc, m.data, m.len, IPC_MAX_BYTES, &err);
	if (r == 0)
		r = run_job(&reply, doc, &err);
	if (r == 0)
		json_set(out, "ok", reply ? json_incref(reply) : json_object());
	else
		json_set(out, "error",
			 json_pack("{s:i, s:i, s:o, s:o, s:b}", "kind", (int)err.kind, "code",
				   err.code, "reason", json_text(err.reason), "message",
				   json_text(err.message), "remains",
				   json_path_bool(reply, "remains", false)));
	ipc_msg_deinit(&m);
	FAILPOINT("pod.before_answer");
	return ipc_send_json(WORKER_FD, MESSAGE_JOB, out) == 0 ? 0 : 1;
}
