/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the containers of a pod share: network, ipc and uts namespace (held by bind mounts, no
 * process), the pod's cgroup, /dev/shm, the files of its network identity, its volumes.
 */
#include <assert.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/pod_worker_priv.h"
#include "runtime/volume.h"

#define FILE_MAX (1u << 20)

static const struct held_ns {
	const char *name; /* in /proc/self/ns and in the pod's ns directory */
	int flag;
	bool host_network; /* also made for a pod in the host's network */
} held[] = {
	{"net", CLONE_NEWNET, false},
	{"uts", CLONE_NEWUTS, false},
	{"ipc", CLONE_NEWIPC, true},
};

static bool host_network(const struct pod_job *job)
{
	return json_path_bool(job->request, "hostNetwork", false);
}

static int make_dirs(struct pod_job *job, struct err *err)
{
	static const char *const run_dirs[] = {"ns", "volumes", "c", "shm"};
	static const char *const disk_dirs[] = {"volumes", "c"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(run_dirs); i++)
		r = fs_mkdir_p(job->run_fd, run_dirs[i], 0700);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(disk_dirs); i++)
		r = fs_mkdir_p(job->disk_fd, disk_dirs[i], 0700);
	return r < 0 ? err_errno(err, r, "make the directories of the pod") : 0;
}

/* Keep the namespace this process is in alive as the file NAME of NS_FD. */
static int hold(int ns_fd, const char *name, struct err *err)
{
	autofree char *source = mem_asprintf("/proc/self/ns/%s", name);
	autofree char *target = mem_asprintf("/proc/self/fd/%d/%s", ns_fd, name);
	autoclose int fd = fs_open_at(ns_fd, name, O_WRONLY | O_CREAT, 0600);

	if (fd < 0)
		return err_errno(err, fd, "make '%s'", name);
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return err_errno(err, errno, "hold the %s namespace", name);
	return 0;
}

static int make_namespaces(struct pod_job *job, struct err *err)
{
	const char *hostname = json_path_str(job->request, "hostname", "");
	autoclose int ns_fd = fs_open_at(job->run_fd, "ns", O_RDONLY | O_DIRECTORY, 0);
	int flags = 0, r = 0;

	if (ns_fd < 0)
		return err_errno(err, ns_fd, "open the pod's ns directory");
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i].host_network || !host_network(job))
			flags |= held[i].flag;
	if (unshare(flags) < 0)
		return err_errno(err, errno, "make namespaces");
	if ((flags & CLONE_NEWUTS) && sethostname(hostname, strlen(hostname)) < 0)
		return err_errno(err, errno, "set the host name '%s'", hostname);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(held); i++)
		if (flags & held[i].flag)
			r = hold(ns_fd, held[i].name, err);
	return r;
}

static int make_network(struct pod_job *job, int host_ns, struct err *err)
{
	struct net_pod pod = {0};
	autoclose int netns = fs_open_at(job->run_fd, "ns/net", O_RDONLY, 0);

	if (netns < 0)
		return err_errno(err, netns, "open the pod's network namespace");
	if (setns(host_ns, CLONE_NEWNET) < 0)
		return err_errno(err, errno, "return to the host's network namespace");
	if (cidr_parse_address(&pod.address, json_path_str(job->doc, "ip", "")) < 0)
		return err_invalid(err, "the pod has no address");
	(void)snprintf(pod.host_link, sizeof(pod.host_link), "%s",
		       json_path_str(job->doc, "link", ""));
	return net_pod_up(&job->bridge, &pod, netns, err);
}

static int write_text(int dirfd, const char *name, const struct strbuf *text, struct err *err)
{
	autoclose int fd = fs_open_at(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
	int r = fd < 0 ? fd : fs_write_all(fd, strbuf_str(text), text->len);

	return r < 0 ? err_errno(err, r, "write '%s'", name) : 0;
}

static void add_host_aliases(struct strbuf *sb, const json_t *aliases)
{
	const json_t *alias, *name;
	size_t i, k;

	if (json_array_size(aliases) > 0)
		strbuf_adds(sb, "\n# Entries added by HostAliases.\n");
	json_array_foreach((json_t *)aliases, i, alias) {
		strbuf_adds(sb, json_path_str(alias, "ip", ""));
		json_array_foreach(json_object_get(alias, "hostnames"), k, name)
			strbuf_addf(sb, "\t%s", json_string_value(name));
		strbuf_addc(sb, '\n');
	}
}

static int copy_host_file(struct strbuf *sb, const char *path)
{
	autoclose int fd = fs_open(path, O_RDONLY, 0);
	autofree char *text = NULL;
	size_t n;
	int r = fd < 0 ? fd : fs_read_fd(&text, &n, fd, FILE_MAX);

	if (r < 0)
		return r;
	strbuf_add(sb, text, n);
	return 0;
}

static int write_hosts(struct pod_job *job, struct err *err)
{
	const char *fqdn = json_path_str(job->request, "subdomainFqdn", NULL);
	autostrbuf sb = STRBUF_INIT;

	if (host_network(job)) {
		strbuf_adds(&sb, "# Kubernetes-managed hosts file (host network).\n");
		(void)copy_host_file(&sb, "/etc/hosts");
	} else {
		strbuf_adds(&sb, "# Kubernetes-managed hosts file.\n"
				 "127.0.0.1\tlocalhost\n"
				 "::1\tlocalhost ip6-localhost ip6-loopback\n"
				 "fe00::0\tip6-localnet\n"
				 "fe00::0\tip6-mcastprefix\n"
				 "fe00::1\tip6-allnodes\n"
				 "fe00::2\tip6-allrouters\n");
		strbuf_adds(&sb, json_path_str(job->doc, "ip", ""));
		if (fqdn)
			strbuf_addf(&sb, "\t%s", fqdn);
		strbuf_addf(&sb, "\t%s\n", json_path_str(job->request, "hostname", ""));
	}
	add_host_aliases(&sb, json_object_get(job->request, "hostAliases"));
	return write_text(job->run_fd, "hosts", &sb, err);
}

static void add_line(struct strbuf *sb, const char *key, const json_t *values)
{
	const json_t *v;
	size_t i;

	if (json_array_size(values) == 0)
		return;
	strbuf_adds(sb, key);
	json_array_foreach((json_t *)values, i, v)
		strbuf_addf(sb, " %s", json_string_value(v));
	strbuf_addc(sb, '\n');
}

/* The host's own file; where that names a resolver on loopback, which a pod cannot reach, the one
 * behind it. */
static void add_host_resolv(struct strbuf *sb)
{
	(void)copy_host_file(sb, "/etc/resolv.conf");
	if (!strstr(strbuf_str(sb), "nameserver 127."))
		return;
	if (access("/run/systemd/resolve/resolv.conf", R_OK) == 0) {
		strbuf_reset(sb);
		(void)copy_host_file(sb, "/run/systemd/resolve/resolv.conf");
	}
}

static int write_resolv_conf(struct pod_job *job, struct err *err)
{
	const json_t *dns = json_object_get(job->request, "dns"), *server;
	autostrbuf sb = STRBUF_INIT;
	size_t i;

	add_line(&sb, "search", json_object_get(dns, "searches"));
	json_array_foreach(json_object_get(dns, "nameservers"), i, server)
		strbuf_addf(&sb, "nameserver %s\n", json_string_value(server));
	add_line(&sb, "options", json_object_get(dns, "options"));
	if (sb.len == 0)
		add_host_resolv(&sb);
	return write_text(job->run_fd, "resolv.conf", &sb, err);
}

static int write_hostname(struct pod_job *job, struct err *err)
{
	autostrbuf sb = STRBUF_INIT;

	if (host_network(job))
		(void)copy_host_file(&sb, "/etc/hostname");
	else
		strbuf_addf(&sb, "%s\n", json_path_str(job->request, "hostname", ""));
	return write_text(job->run_fd, "hostname", &sb, err);
}

static int mount_shm(struct pod_job *job, struct err *err)
{
	autofree char *target = mem_asprintf("/proc/self/fd/%d/shm", job->run_fd);

	if (mount("shm", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=1777,size=65536k") < 0)
		return err_errno(err, errno, "mount the pod's /dev/shm");
	return 0;
}

static int make_cgroup(struct pod_job *job, struct err *err)
{
	const json_t *c = json_object_get(job->request, "cgroup");
	struct cgroup_limits limits = {
		.cpu_shares = (uint64_t)json_path_int(c, "cpuShares", 0),
		.cpu_quota_us = json_path_int(c, "cpuQuotaUs", 0),
		.memory_bytes = json_path_int(c, "memoryBytes", 0),
	};

	assert(job->cgroup);
	return cgroup_make(&job->cgroups, job->cgroup, &limits, err);
}

static int make_volumes(struct pod_job *job, struct err *err)
{
	autoclose int run_fd = fs_open_at(job->run_fd, "volumes", O_RDONLY | O_DIRECTORY, 0);
	autoclose int disk_fd = fs_open_at(job->disk_fd, "volumes", O_RDONLY | O_DIRECTORY, 0);
	autofree char *disk_path = mem_asprintf("%s/volumes", job->disk_path);
	const json_t *group = json_object_get(job->request, "fsGroup"), *v;
	struct volume_place place = {
		.run_fd = run_fd,
		.disk_fd = disk_fd,
		.disk_path = disk_path,
		.has_fs_group = json_is_integer(group),
		.fs_group = (gid_t)json_integer_value(group),
	};
	size_t i;
	int r = 0;

	if (run_fd < 0 || disk_fd < 0)
		return err_errno(err, run_fd < 0 ? run_fd : disk_fd, "open the pod's volumes");
	json_array_foreach(json_object_get(job->request, "volumes"), i, v) {
		r = volume_make(&place, v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Everything is there: the file "ready" says so, and what containers and a restarted daemon need to
 * know of it. */
static int write_ready(struct pod_job *job, json_t **ret_reply, struct err *err)
{
	json_t *ready = json_object();
	autofree char *text = NULL;
	int r;

	json_set(ready, "ip",
		 json_text(host_network(job) ? "" : json_path_str(job->doc, "ip", "")));
	json_set(ready, "hostNetwork", json_boolean(host_network(job)));
	json_set(ready, "hostname", json_text(json_path_str(job->request, "hostname", "")));
	if (json_is_integer(json_object_get(job->request, "fsGroup")))
		json_set(ready, "fsGroup", json_incref(json_object_get(job->request, "fsGroup")));
	text = json_canonical(ready);
	*ret_reply = ready;
	r = fs_replace(job->run_fd, "ready", text, strlen(text), 0600, err);
	return r;
}

int pod_verb_sandbox_up(json_t **ret_reply, struct pod_job *job, struct err *err)
{
	autoclose int host_ns = fs_open("/proc/self/ns/net", O_RDONLY, 0);
	int r;

	if (host_ns < 0)
		return err_errno(err, host_ns, "open the host's network namespace");
	r = pod_job_open(job, true, err);
	/* Left by an attempt that was killed: begin again, on the same volumes. */
	if (r == 0 && faccessat(job->run_fd, "ns", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = pod_sandbox_clear(job, err);
	if (r == 0)
		r = make_dirs(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.cgroup", err);
	if (r == 0)
		r = make_cgroup(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.volumes", err);
	if (r == 0)
		r = make_volumes(job, err);
	if (r == 0)
		r = mount_shm(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.files", err);
	if (r == 0)
		r = write_hosts(job, err);
	if (r == 0)
		r = write_hostname(job, err);
	if (r == 0)
		r = write_resolv_conf(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.namespaces", err);
	if (r == 0)
		r = make_namespaces(job, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.network", err);
	if (r == 0 && !host_network(job))
		r = make_network(job, host_ns, err);
	if (r == 0)
		r = FAILPOINT_ERR("sandbox.ready", err);
	if (r == 0)
		r = write_ready(job, ret_reply, err);
	return r;
}

static int unmount_all(int dirfd, const char *name, struct err *err)
{
	autoclose int fd = fs_open_at(dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? err_errno(err, fd, "open '%s'", name) : volume_detach_all(fd, err);
}

int pod_sandbox_clear(struct pod_job *job, struct err *err)
{
	static const char *const files[] = {"ns",    "volumes",  "shm",
					    "hosts", "hostname", "resolv.conf"};
	int r;

	(void)fs_remove_tree(job->run_fd, "ready");
	r = unmount_all(job->run_fd, "volumes", err);
	if (r == 0)
		r = unmount_all(job->run_fd, "ns", err);
	if (r == 0)
		r = unmount_all(job->run_fd, ".", err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		r = fs_remove_tree(job->run_fd, files[i]);
		if (r < 0)
			r = err_errno(err, r, "remove '%s'", files[i]);
	}
	return r;
}
