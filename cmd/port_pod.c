/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods as the policy sees them: requests go to the runtime as they are, answers come back as JSON.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/host.h"
#include "runtime/imageconfig.h"

static void on_sandbox_ready(const char *uid, const char *ip, void *data)
{
	struct host *h = data;

	reconciler_sandbox_ready(h->reconciler, uid, ip);
	host_run_policy(h);
}

static void on_sandbox_failed(const char *uid, const struct err *err, void *data)
{
	struct host *h = data;

	reconciler_sandbox_failed(h->reconciler, uid, err);
	host_run_policy(h);
}

static void on_container_started(const char *uid, const char *name, unsigned int attempt,
				 const struct pod_started *started, void *data)
{
	struct host *h = data;
	autojson *info = json_pack("{s:s, s:i, s:s}", "id", started->id, "pid", (int)started->pid,
				   "started_at", started->started_at);

	reconciler_container_started(h->reconciler, uid, name, attempt, info);
	host_run_policy(h);
}

static void on_container_failed(const char *uid, const char *name, unsigned int attempt,
				const struct err *err, void *data)
{
	struct host *h = data;

	reconciler_container_failed(h->reconciler, uid, name, attempt, err);
	host_run_policy(h);
}

static void on_container_exited(const char *uid, const char *name, unsigned int attempt,
				const struct pod_exit *e, void *data)
{
	struct host *h = data;
	autojson *info = json_pack("{s:i, s:i, s:b, s:s, s:s, s:s, s:o}", "exit_code", e->exit_code,
				   "signal", e->signal, "oom_killed", e->oom_killed, "started_at",
				   e->started_at, "finished_at", e->finished_at, "reason",
				   e->reason, "message", json_text(e->message));

	reconciler_container_exited(h->reconciler, uid, name, attempt, info);
	host_run_policy(h);
}

static void on_pod_gone(const char *uid, void *data)
{
	struct host *h = data;

	reconciler_pod_gone(h->reconciler, uid);
	host_run_policy(h);
}

static void on_pod_down_failed(const char *uid, const struct err *err, void *data UNUSED)
{
	log_warn("a pod cannot be taken down; trying again", LOG_KV("pod", uid), LOG_ERR(err));
}

int port_pod_start(struct host *h, struct err *err)
{
	static const struct pod_callbacks callbacks = {
		.sandbox_ready = on_sandbox_ready,
		.sandbox_failed = on_sandbox_failed,
		.container_started = on_container_started,
		.container_failed = on_container_failed,
		.container_exited = on_container_exited,
		.pod_gone = on_pod_gone,
		.pod_down_failed = on_pod_down_failed,
	};
	struct pod_config config = {
		.state_dir = h->options->state_dir,
		.run_dir = h->options->run_dir,
		.bridge = h->options->bridge,
		.pod_cidr = h->options->pod_cidr,
		.cgroup_parent = h->options->cgroup_parent,
		.monitors_apart = sd_booted() > 0,
		.images = h->images,
		.layers = h->layers,
	};

	return pod_runtime_new(&h->pods, h->loop, &config, &callbacks, h, err);
}

int port_pod_recover(struct host *h, struct err *err)
{
	return pod_runtime_recover(h->pods, err);
}

void port_pod_sandbox_up(void *data, const json_t *request)
{
	struct host *h = data;
	struct err err = {0};

	if (pod_sandbox_up(h->pods, request, &err) < 0)
		reconciler_sandbox_failed(h->reconciler, json_path_str(request, "uid", ""), &err);
}

void port_pod_container_start(void *data, const json_t *request)
{
	struct host *h = data;
	struct err err = {0};

	if (pod_container_start(h->pods, request, &err) < 0)
		reconciler_container_failed(h->reconciler, json_path_str(request, "podUid", ""),
					    json_path_str(request, "name", ""),
					    (unsigned int)json_path_int(request, "attempt", 0),
					    &err);
}

/* The element called NAME of a pod's list of containers and the one of init containers, or NULL. */
static const json_t *named(const json_t *pod, const char *const lists[2], const char *name)
{
	json_t *element;
	size_t i;

	for (size_t l = 0; l < 2; l++) {
		json_array_foreach(json_path(pod, lists[l]), i, element) {
			if (str_eq(json_path_str(element, "name", ""), name))
				return element;
		}
	}
	return NULL;
}

/* The stop signal of the container's spec, else of its image, else SIGTERM. */
static int stop_signal(struct host *h, const char *uid, const char *name)
{
	static const char *const specs[] = {"spec.containers", "spec.initContainers"};
	static const char *const statuses[] = {"status.containerStatuses",
					       "status.initContainerStatuses"};
	const json_t *pod = store_get_uid(h->store, uid);
	const char *id = json_path_str(named(pod, statuses, name), "imageID", "");
	int signo = imageconfig_parse_signal(
		json_path_str(named(pod, specs, name), "lifecycle.stopSignal", ""));
	_cleanup_(image_freep) struct image *image = NULL;
	struct err err = {0};

	if (signo > 0)
		return signo;
	if (digest_valid(id) && image_store_load(h->images, id, &image, &err) == 0 &&
	    image->config.stop_signal > 0)
		return image->config.stop_signal;
	return SIGTERM;
}

void port_pod_container_signal(void *data, const char *uid, const char *name, unsigned int attempt,
			       int signo)
{
	struct host *h = data;

	if (signo == 0)
		signo = stop_signal(h, uid, name);
	(void)pod_container_signal(h->pods, uid, name, attempt,
				   signo); /* -ESRCH: its exit is on the way */
}

void port_pod_down(void *data, const char *uid)
{
	struct host *h = data;
	struct err err = {0};

	if (pod_down(h->pods, uid, &err) < 0)
		log_error("a pod cannot be taken down", LOG_KV("pod", uid), LOG_ERR(&err));
}

bool port_pod_container_lives(void *data, const char *uid, const char *name, unsigned int attempt)
{
	struct host *h = data;

	return pod_container_lives(h->pods, uid, name, attempt);
}

/* ---- logs ---- */

static unsigned int newest_attempt(struct host *h, const char *uid, const char *container)
{
	const json_t *pod = store_get_uid(h->store, uid);
	json_t *status;
	size_t i;

	json_array_foreach(json_path(pod, "status.containerStatuses"), i, status) {
		if (str_eq(json_path_str(status, "name", ""), container))
			return (unsigned int)json_path_int(status, "restartCount", 0);
	}
	return 0;
}

char *port_pod_log_path(void *data, const char *ns, const char *pod, const char *uid,
			const char *container, bool previous)
{
	struct host *h = data;
	unsigned int attempt = newest_attempt(h, uid, container);
	struct pod_log log = {
		.ns = ns, .pod = pod, .uid = uid, .container = container, .attempt = attempt};

	if (previous && attempt == 0)
		return NULL;
	log.attempt = previous ? attempt - 1 : attempt;
	return pod_log_path(h->pods, &log);
}
