/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public operations, and the memory of what exists.
 */
#include "runtime/pod.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/net.h"
#include "runtime/pod_priv.h"

#define NAME_MAX_BYTES 253
#define CGROUP_PARENT_DEFAULT "/recond"
#define LOG_BYTES_DEFAULT (10u << 20)
#define LOG_FILES_DEFAULT 5

/* DNS-1123 characters only: these become directory and cgroup names. */
bool pod_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= NAME_MAX_BYTES && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n && !strstr(name, "..");
}

bool pod_uid_valid(const char *uid)
{
	size_t n = strlen(uid);

	return n >= 1 && n <= 63 && uid[0] != '-' &&
	       strspn(uid, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* The first N hex digits of a digest over the parts, each ended by a NUL byte. */
static void derive(char *ret, size_t n, const char *const *parts, size_t n_parts)
{
	_cleanup_(digest_freep) struct digest_ctx *d = digest_new();
	char digest[DIGEST_STR_SIZE];

	for (size_t i = 0; i < n_parts; i++)
		digest_update(d, parts[i], strlen(parts[i]) + (i + 1 < n_parts));
	digest_final(d, digest);
	memcpy(ret, digest_hex(digest), n);
	ret[n] = '\0';
}

struct pod *pod_find(struct pod_runtime *rt, const char *uid)
{
	for (size_t i = 0; i < rt->n_pods; i++)
		if (str_eq(rt->pods[i]->uid, uid))
			return rt->pods[i];
	return NULL;
}

struct pod *pod_add(struct pod_runtime *rt, const char *uid)
{
	struct pod *pod = NEW(struct pod);

	assert(pod_uid_valid(uid) && !pod_find(rt, uid));
	pod->rt = rt;
	pod->uid = mem_strdup(uid);
	GROW(rt->pods, rt->cap_pods, rt->n_pods + 1);
	rt->pods[rt->n_pods++] = pod;
	return pod;
}

static void container_free(struct pod_container *c)
{
	(void)layer_job_free(c->layers);
	(void)image_free(c->image);
	(void)sd_event_source_disable_unref(c->monitor_source);
	(void)mem_close(c->monitor_pidfd);
	json_decref(c->request);
	free(c->start_error);
	free(c->name);
	free(c);
}

void pod_container_drop(struct pod_container *c)
{
	struct pod *pod = c->pod;

	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i] == c)
			pod->containers[i--] = pod->containers[--pod->n];
	container_free(c);
}

static void pod_free(struct pod *pod)
{
	for (size_t i = 0; i < pod->n; i++)
		container_free(pod->containers[i]);
	(void)sd_event_source_disable_unref(pod->retry);
	free(pod->containers);
	free(pod->uid);
	free(pod->ns);
	free(pod->name);
	free(pod->qos);
	free(pod);
}

void pod_drop(struct pod *pod)
{
	struct pod_runtime *rt = pod->rt;

	if (pod->ip)
		cidr_pool_release(&rt->addresses, pod->ip);
	for (size_t i = 0; i < rt->n_pods; i++)
		if (rt->pods[i] == pod)
			rt->pods[i--] = rt->pods[--rt->n_pods];
	pod_free(pod);
}

struct pod_container *pod_container_find(struct pod *pod, const char *name, unsigned int attempt)
{
	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i]->attempt == attempt &&
		    str_eq(pod->containers[i]->name, name))
			return pod->containers[i];
	return NULL;
}

struct pod_container *pod_container_add(struct pod *pod, const char *name, unsigned int attempt)
{
	struct pod_container *c = NEW(struct pod_container);
	char number[16];
	const char *parts[] = {pod->uid, name, number};

	(void)snprintf(number, sizeof(number), "%u", attempt);
	c->pod = pod;
	c->name = mem_strdup(name);
	c->attempt = attempt;
	c->monitor_pidfd = -1;
	c->state = CONTAINER_WAITING;
	derive(c->id, POD_CONTAINER_ID_SIZE - 1, parts, ARRAY_SIZE(parts));
	GROW(pod->containers, pod->cap, pod->n + 1);
	pod->containers[pod->n++] = c;
	return c;
}

char *pod_dir(const struct pod *pod)
{
	return mem_asprintf("pods/%s", pod->uid);
}

char *pod_container_dir(const struct pod_container *c)
{
	return mem_asprintf("pods/%s/c/%s", c->pod->uid, c->id);
}

char *pod_log_path(const struct pod_runtime *rt, const struct pod_log *l)
{
	return mem_asprintf("%s/logs/%s_%s_%s/%s/%u.log", rt->state_dir, l->ns, l->pod, l->uid,
			    l->container, l->attempt);
}

char *pod_container_log(const struct pod_container *c)
{
	struct pod_log l = {c->pod->ns, c->pod->name, c->pod->uid, c->name, c->attempt};

	return pod_log_path(c->pod->rt, &l);
}

json_t *pod_down_extra(const struct pod *pod)
{
	json_t *extra = json_object();
	autofree char *logs = NULL;

	if (pod->ns && pod->name) {
		logs = mem_asprintf("%s_%s_%s", pod->ns, pod->name, pod->uid);
		json_set(extra, "logs", json_text(logs));
	}
	return extra;
}

static void report_sandbox(struct pod *pod)
{
	struct pod_runtime *rt = pod->rt;
	char ip[CIDR_ADDRESS_SIZE] = "";
	struct err err = {0};

	pod->report = false;
	if (pod->ip)
		cidr_format_address(ip, pod->ip);
	if (pod->state == POD_READY) {
		rt->callbacks.sandbox_ready(pod->uid, ip, rt->data);
	} else if (pod->state == POD_FAILED) {
		(void)err_set(&err, ERR_TRANSIENT, EINTR, "CreatePodSandboxError",
			      "making the sandbox was interrupted");
		rt->callbacks.sandbox_failed(pod->uid, &err, rt->data);
	}
}

static void report_containers(struct pod *pod)
{
	pod->report_containers = false;
	for (size_t i = 0; i < pod->n;) {
		struct pod_container *c = pod->containers[i];

		pod_look(c);
		if (i < pod->n && pod->containers[i] == c)
			i++;
	}
}

static int on_turn(sd_event_source *s UNUSED, void *data)
{
	struct pod_runtime *rt = data;

	for (size_t i = 0; i < rt->n_pods; i++)
		if (rt->pods[i]->report)
			report_sandbox(rt->pods[i]);
	for (size_t i = 0; i < rt->n_pods; i++)
		if (rt->pods[i]->report_containers)
			report_containers(rt->pods[i]);
	pod_task_run(rt);
	return 0;
}

void pod_turn(struct pod_runtime *rt)
{
	int r = sd_event_source_set_enabled(rt->turn, SD_EVENT_ONESHOT);

	assert(r >= 0);
	(void)r;
}

/* The run directory describes processes and mounts of one boot: what another boot left is void. */
static int check_boot(struct pod_runtime *rt, struct err *err)
{
	static const char *const voided[] = {"pods", "events", "crun", "cgroup_root", "bridges"};
	autofree char *old = NULL;
	char boot[37];
	size_t n;
	int r = clock_boot_id(boot);

	if (r < 0)
		return err_errno(err, r, "read the boot id");
	if (fs_read_at(&old, &n, rt->run_fd, "boot_id", 64) == 0 && str_eq(old, boot))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(voided); i++) {
		r = fs_remove_tree(rt->run_fd, voided[i]);
		if (r < 0)
			return err_errno(err, r, "remove '%s/%s' of an earlier boot", rt->run_dir,
					 voided[i]);
	}
	return fs_replace(rt->run_fd, "boot_id", boot, strlen(boot), 0600, err);
}

/* Pods of this boot are where they were made: what the first runtime chose holds until the next. */
static int settle_cgroup_root(struct pod_runtime *rt, struct err *err)
{
	autofree char *first = NULL;
	size_t n;

	if (fs_read_at(&first, &n, rt->run_fd, "cgroup_root", PATH_MAX) < 0)
		return fs_replace(rt->run_fd, "cgroup_root", rt->cgroup_root,
				  strlen(rt->cgroup_root), 0600, err);
	assert(*first == '/');
	if (str_eq(first, rt->cgroup_root))
		return 0;
	log_warn(
		"another cgroup is wanted, but this boot's pods are in one already; a boot changes it",
		LOG_KV("cgroup", first), LOG_KV("wanted", rt->cgroup_root));
	free(rt->cgroup_root);
	rt->cgroup_root = TAKE_PTR(first);
	return 0;
}

static int open_dirs(struct pod_runtime *rt, struct err *err)
{
	static const char *const dirs[] = {"pods", "events", "crun"};
	int r = fs_mkdir_p(-1, rt->run_dir, 0711);

	if (r == 0)
		r = fs_mkdir_p(-1, rt->state_dir, 0711);
	if (r == 0)
		r = rt->run_fd = fs_open(rt->run_dir, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_errno(err, r, "open '%s'", rt->run_dir);
	r = check_boot(rt, err);
	if (r == 0)
		r = settle_cgroup_root(rt, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = fs_mkdir_p(rt->run_fd, dirs[i], 0700);
	if (r == 0)
		r = rt->events_fd = fs_open_at(rt->run_fd, "events", O_RDONLY | O_DIRECTORY, 0);
	return r < 0 ? err_errno(err, r, "make the directories of '%s'", rt->run_dir) : 0;
}

static void copy_config(struct pod_runtime *rt, const struct pod_config *c)
{
	rt->state_dir = mem_strdup(c->state_dir);
	rt->run_dir = mem_strdup(c->run_dir);
	rt->bridge = mem_strdup(c->bridge);
	rt->pod_cidr = mem_strdup(c->pod_cidr);
	rt->crun_path = mem_strdup(c->crun_path ? c->crun_path : "/usr/bin/crun");
	rt->cgroup_root =
		mem_asprintf("%s/%08x", c->cgroup_parent ? c->cgroup_parent : CGROUP_PARENT_DEFAULT,
			     str_fnv32(STR_FNV32_INIT, c->run_dir, strlen(c->run_dir)));
	rt->monitors_apart = c->monitors_apart;
	rt->log_bytes = c->log_bytes ? c->log_bytes : LOG_BYTES_DEFAULT;
	rt->log_files = c->log_files ? c->log_files : LOG_FILES_DEFAULT;
	rt->images = c->images;
	rt->layers = c->layers;
}

int pod_runtime_new(struct pod_runtime **ret, sd_event *loop, const struct pod_config *config,
		    const struct pod_callbacks *callbacks, void *data, struct err *err)
{
	_cleanup_(pod_runtime_freep) struct pod_runtime *rt = NEW(struct pod_runtime);
	struct cidr cidr;
	int r;

	assert(config->state_dir[0] == '/' && config->run_dir[0] == '/');
	rt->run_fd = rt->events_fd = rt->inotify_fd = -1;
	rt->loop = sd_event_ref(loop);
	rt->callbacks = *callbacks;
	rt->data = data;
	copy_config(rt, config);
	r = cidr_parse(&cidr, rt->pod_cidr, err);
	if (r < 0)
		return err_wrap(err, "pod address range");
	cidr_pool_init(&rt->addresses, &cidr);
	r = open_dirs(rt, err);
	if (r == 0)
		r = pod_look_init(rt, err);
	if (r < 0)
		return r;
	r = sd_event_add_defer(loop, &rt->turn, on_turn, rt);
	if (r < 0)
		return err_errno(err, r, "add to the loop");
	if (!config->retire) {
		r = pod_retire_note_bridge(rt, err);
		if (r < 0)
			return r;
		rt->network_wanted = true;
		pod_task_add(rt, POD_VERB_NETWORK_UP, NULL, NULL, NULL);
	}
	*ret = TAKE_PTR(rt);
	return 0;
}

const char *pod_runtime_cgroup_root(const struct pod_runtime *rt)
{
	return rt->cgroup_root;
}

struct pod_runtime *pod_runtime_free(struct pod_runtime *rt)
{
	if (!rt)
		return NULL;
	pod_task_free_all(rt);
	for (size_t i = 0; i < rt->n_pods; i++)
		pod_free(rt->pods[i]);
	(void)sd_event_source_disable_unref(rt->inotify_source);
	(void)sd_event_source_disable_unref(rt->turn);
	(void)mem_close(rt->inotify_fd);
	(void)mem_close(rt->events_fd);
	(void)mem_close(rt->run_fd);
	(void)sd_event_unref(rt->loop);
	cidr_pool_deinit(&rt->addresses);
	free(rt->pods);
	free(rt->running);
	free(rt->state_dir);
	free(rt->run_dir);
	free(rt->bridge);
	free(rt->pod_cidr);
	free(rt->cgroup_root);
	free(rt->crun_path);
	free(rt);
	return NULL;
}

/* Intent before effect: the pod is on disk before any worker makes a part of it. */
static int write_intent(struct pod *pod, struct err *err)
{
	autofree char *dir = pod_dir(pod), *text = NULL;
	autojson *j = NULL;
	autoclose int fd = -1;
	char ip[CIDR_ADDRESS_SIZE] = "";
	int r = fs_mkdir_p(pod->rt->run_fd, dir, 0700);

	if (r == 0)
		r = fd = fs_open_at(pod->rt->run_fd, dir, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_errno(err, r, "make the directory of pod '%s'", pod->uid);
	if (pod->ip)
		cidr_format_address(ip, pod->ip);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "uid", pod->uid, "namespace", pod->ns, "name",
		      pod->name, "qos", pod->qos, "ip", ip);
	text = json_canonical(j);
	return fs_replace(fd, "sandbox.json", text, strlen(text), 0600, err);
}

static int check_sandbox(const json_t *q, struct err *err)
{
	static const char *const names[] = {"namespace", "name", "hostname"};

	if (!pod_uid_valid(json_path_str(q, "uid", "")))
		return err_invalid(err, "malformed pod uid '%s'", json_path_str(q, "uid", ""));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!pod_name_valid(json_path_str(q, names[i], "")))
			return err_invalid(err, "malformed %s '%s'", names[i],
					   json_path_str(q, names[i], ""));
	return 0;
}

static json_t *sandbox_extra(const struct pod *pod, const json_t *request)
{
	json_t *extra = json_pack("{s:O}", "request", request);
	const char *parts[] = {pod->rt->run_dir, pod->uid};
	char link[16] = NET_POD_LINK_PREFIX, ip[CIDR_ADDRESS_SIZE];

	if (pod->ip) {
		derive(link + strlen(link), NET_POD_LINK_DIGITS, parts, ARRAY_SIZE(parts));
		cidr_format_address(ip, pod->ip);
		json_set(extra, "link", json_text(link));
		json_set(extra, "ip", json_text(ip));
	}
	return extra;
}

int pod_sandbox_up(struct pod_runtime *rt, const json_t *q, struct err *err)
{
	bool host = json_path_bool(q, "hostNetwork", false);
	struct pod *pod;
	int r = check_sandbox(q, err);

	if (r < 0)
		return r;
	pod = pod_find(rt, json_path_str(q, "uid", ""));
	if (pod && pod->state == POD_GOING)
		return err_set(err, ERR_TRANSIENT, EBUSY, NULL, "pod '%s' is going down", pod->uid);
	if (pod && pod->state != POD_FAILED) {
		pod->report = pod->state == POD_READY;
		pod_turn(rt);
		return 0;
	}
	if (!pod) {
		pod = pod_add(rt, json_path_str(q, "uid", ""));
		pod->state = POD_FAILED;
		pod->ns = mem_strdup(json_path_str(q, "namespace", ""));
		pod->name = mem_strdup(json_path_str(q, "name", ""));
		pod->qos = mem_strdup(json_path_str(q, "cgroup.qos", "BestEffort"));
	}
	if (!host && !pod->ip && cidr_pool_take(&rt->addresses, &pod->ip) == 0)
		return err_set(err, ERR_TRANSIENT, EADDRNOTAVAIL, "CreatePodSandboxError",
			       "no free address in %s", rt->pod_cidr);
	r = write_intent(pod, err);
	if (r < 0)
		return r;
	pod->state = POD_MAKING;
	if (!rt->network_ready && !rt->network_wanted) {
		rt->network_wanted = true;
		pod_task_add(rt, POD_VERB_NETWORK_UP, NULL, NULL, NULL);
	}
	pod_task_add(rt, POD_VERB_SANDBOX_UP, pod, NULL, sandbox_extra(pod, q));
	return 0;
}

int pod_container_signal(struct pod_runtime *rt, const char *uid, const char *name,
			 unsigned int attempt, int signo)
{
	struct pod *pod = pod_find(rt, uid);
	struct pod_container *c = pod ? pod_container_find(pod, name, attempt) : NULL;
	autoclose int pidfd = -1;

	if (!c || c->state != CONTAINER_RUNNING)
		return -ESRCH;
	pidfd = monitor_open_process(&c->started.init);
	return pidfd < 0 ? pidfd : proc_signal(pidfd, signo);
}

bool pod_container_lives(struct pod_runtime *rt, const char *uid, const char *name,
			 unsigned int attempt)
{
	struct pod *pod = pod_find(rt, uid);
	struct pod_container *c = pod ? pod_container_find(pod, name, attempt) : NULL;
	struct pollfd exit = {.fd = -1, .events = POLLIN};
	autoclose int pidfd = -1;

	if (!c || c->state != CONTAINER_RUNNING)
		return false;
	pidfd = monitor_open_process(&c->started.init);
	exit.fd = pidfd;
	return pidfd >= 0 && poll(&exit, 1, 0) == 0; /* readable: ended, not yet reaped */
}

json_t *pod_exec_target(struct pod_runtime *rt, const char *uid, const char *name,
			unsigned int attempt)
{
	struct pod *pod = pod_find(rt, uid);
	struct pod_container *c = pod ? pod_container_find(pod, name, attempt) : NULL;
	autofree char *dir = NULL, *bundle = NULL, *root = NULL;

	if (!c || c->state != CONTAINER_RUNNING || pod->state == POD_GOING)
		return NULL;
	dir = pod_container_dir(c);
	bundle = mem_asprintf("%s/%s", rt->run_dir, dir);
	root = mem_asprintf("%s/crun", rt->run_dir);
	return json_pack("{s:s, s:s, s:s, s:s}", "id", c->id, "bundle", bundle, "crun",
			 rt->crun_path, "root", root);
}

int pod_down(struct pod_runtime *rt, const char *uid, struct err *err)
{
	struct pod *pod;

	if (!pod_uid_valid(uid))
		return err_invalid(err, "malformed pod uid '%s'", uid);
	pod = pod_find(rt, uid);
	if (!pod)
		pod = pod_add(rt, uid);
	else if (pod->state == POD_GOING)
		return 0;
	pod->state = POD_GOING;
	pod->report = pod->report_containers = pod->stalled = false;
	loop_timer_stop(pod->retry);
	pod_task_cancel(pod);
	for (size_t i = 0; i < pod->n; i++)
		pod->containers[i]->layers = layer_job_free(pod->containers[i]->layers);
	pod_task_add(rt, POD_VERB_POD_DOWN, pod, NULL, pod_down_extra(pod));
	return 0;
}
