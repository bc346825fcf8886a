/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods of one instance, as the daemon sees them: sandboxes and containers are started and ended by
 * one-shot workers (recond-pod), at most four at a time and one per pod; each container has a
 * monitor (recond-monitor) that outlives the daemon. Nothing here blocks. What runs is on disk
 * under the run directory before it runs, so that a killed daemon finds everything again with
 * pod_runtime_recover().
 *
 * Requests are JSON, fully resolved by the caller. All names were checked by it; they are checked
 * again here.
 *
 * Sandbox:
 *   {"uid", "namespace", "name", "hostname", "hostNetwork": bool,
 *    "hostAliases": [{"ip", "hostnames": [...]}], "subdomainFqdn": "web.svc.ns.svc.cluster.local"
 * (may be missing), "dns": {"nameservers": [...], "searches": [...], "options": [...]},  all empty:
 * the host's resolv.conf is copied "cgroup": {"qos": "Guaranteed|Burstable|BestEffort",
 * "cpuShares", "cpuQuotaUs", "memoryBytes"}, "fsGroup": number or null, "volumes": [{"name",
 * "emptyDir": {"medium", "sizeLimitBytes"}} | {"name", "hostPath": {"path", "type"}} | {"name",
 * "files": {"tmpfs": bool, "defaultMode", "items": [{"path", "mode", "data": base64}]}}]}
 *
 * Container:
 *   {"podUid", "namespace", "podName", "name", "attempt", "image": digest of the manifest,
 *    "env": [[name, value]...], "command": [...] | null, "args": [...] | null, "workingDir",
 *    "securityContext": {"runAsUser", "runAsGroup", "supplementalGroups", "runAsNonRoot",
 * "readOnlyRootFilesystem", "privileged", "allowPrivilegeEscalation" (default false),
 * "capabilities": {"add", "drop"}, "seccompProfile": {"type": "RuntimeDefault|Unconfined"},
 * "procMount"}, "resources": {"cpuShares", "cpuQuotaUs", "memoryBytes"}, "oomScoreAdj", "mounts":
 * [{"volume", "mountPath", "readOnly", "subPath"}], "terminationMessagePath",
 * "terminationMessagePolicy": "File|FallbackToLogsOnError"}
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/image.h"
#include "runtime/layer.h"

struct pod_runtime; /* opaque */

struct pod_config {
	const char *state_dir;         /* absolute */
	const char *run_dir;           /* absolute; on tmpfs if it can be */
	const char *bridge;            /* made when missing; [a-z0-9-]{1,15} */
	const char *pod_cidr;          /* "10.88.0.0/16": its first address is the gateway */
	const char *cgroup_parent;     /* the cgroup root is made below; NULL: "/recond" */
	bool retire;                   /* only to end it: no bridge is made */
	bool monitors_apart;           /* not in the cgroup of the daemon, but below the root */
	const char *crun_path;         /* NULL: "/usr/bin/crun" */
	uint64_t log_bytes;            /* rotate a container's log at this size; 0: 10 MiB */
	unsigned int log_files;        /* files kept per container; 0: 5 */
	struct image_store *images;    /* borrowed, outlives the runtime */
	struct layer_unpacker *layers; /* borrowed, outlives the runtime */
};

struct pod_started {
	const char *id; /* 32 hex digits */
	pid_t pid;
	const char *started_at; /* RFC 3339 with nanoseconds */
};

struct pod_exit {
	int exit_code; /* 128 + signal when killed by one */
	int signal;
	bool oom_killed;
	const char *started_at, *finished_at;
	const char *reason;  /* Completed, Error, OOMKilled, ContainerStatusUnknown */
	const char *message; /* termination message, "" when there is none */
};

/*
 * What happens to pods. All strings are borrowed for the call. Never called before the operation
 * that caused it returned. A callback may call any operation. Each sandbox_up is answered by one of
 * the first two, each container_start by container_started or container_failed, and a started
 * container exits exactly once (both told again when its start is asked for again).
 */
struct pod_callbacks {
	void (*sandbox_ready)(const char *uid, const char *ip,
			      void *data); /* ip "" with hostNetwork */
	void (*sandbox_failed)(const char *uid, const struct err *err, void *data);
	void (*container_started)(const char *uid, const char *name, unsigned int attempt,
				  const struct pod_started *started, void *data);
	/* err->reason: CreateContainerError, CreateContainerConfigError, RunContainerError,
	 * ErrImagePull. */
	void (*container_failed)(const char *uid, const char *name, unsigned int attempt,
				 const struct err *err, void *data);
	void (*container_exited)(const char *uid, const char *name, unsigned int attempt,
				 const struct pod_exit *exit, void *data);
	void (*pod_gone)(const char *uid, void *data);
	void (*pod_down_failed)(const char *uid, const struct err *err,
				void *data); /* retried by itself */
	/*
	 * Answer to pod_host_down; may be NULL for who does not ask. KEPT: texts, what was left
	 * there for a reason; NULL with ERR, when it failed and may be asked for again.
	 */
	void (*host_down)(const json_t *kept, const struct err *err, void *data);
};

/*
 * Make a runtime: directories, the bridge (by a worker; sandboxes wait for it). The run directory
 * of an earlier boot is emptied. CALLBACKS is copied. 0 and *ret, or negative errno with ERR.
 */
int pod_runtime_new(struct pod_runtime **ret, sd_event *loop, const struct pod_config *config,
		    const struct pod_callbacks *callbacks, void *data, struct err *err);

/*
 * The cgroup all of its pods are below, "<cgroup_parent>/<8 hex digits>"; borrowed. It stays the
 * same until the next boot, whatever cgroup_parent a later runtime of this run_dir is given.
 */
const char *pod_runtime_cgroup_root(const struct pod_runtime *rt);

/* Let go: workers are killed, pods and their monitors go on. NULL is fine; returns NULL. */
struct pod_runtime *pod_runtime_free(struct pod_runtime *rt);
DEFINE_FREEP(struct pod_runtime, pod_runtime_free)

/*
 * Take over what an earlier daemon left in the run directory, without touching it, and report it by
 * the callbacks, from the loop: ready sandboxes, then their containers as started, and as exited
 * where they ended meanwhile. What was interrupted half-way is removed and reported as failed
 * (transient). Call once, before any other operation. 0 or negative errno.
 */
int pod_runtime_recover(struct pod_runtime *rt, struct err *err);

/*
 * Make the sandbox. A ready one is reported again. 0 when it is under way, -EINVAL for a malformed
 * request, -EBUSY while the pod goes down.
 */
int pod_sandbox_up(struct pod_runtime *rt, const json_t *request, struct err *err);

/*
 * Start a container in a ready sandbox. 0 when it is under way, -EINVAL for a malformed request or
 * an unknown pod, -EEXIST when another attempt has not ended. An attempt that was made before is
 * not made again: what became of it is reported once more.
 */
int pod_container_start(struct pod_runtime *rt, const json_t *request, struct err *err);

/* Send SIGNO to the container's first process. 0, or -ESRCH when it does not run. */
int pod_container_signal(struct pod_runtime *rt, const char *uid, const char *name,
			 unsigned int attempt, int signo);

/*
 * Does the first process of that very attempt live, as the kernel says now? False for an attempt
 * nobody knows.
 */
bool pod_container_lives(struct pod_runtime *rt, const char *uid, const char *name,
			 unsigned int attempt);

/*
 * What it takes to run a command in a running container, for prober_check() (runtime/prober.h):
 * {"id", "bundle", "crun", "root"}. Owned by the caller; NULL when the container does not run.
 */
json_t *pod_exec_target(struct pod_runtime *rt, const char *uid, const char *name,
			unsigned int attempt);

/*
 * End the pod and remove all of it: SIGKILL to what still runs, mounts, network namespace, cgroups,
 * volumes, logs. pod_gone follows, also for a pod nobody knows. Containers that were running are
 * not reported any more.
 */
int pod_down(struct pod_runtime *rt, const char *uid, struct err *err);

/* How many pods there are, those that go down included. */
size_t pod_runtime_pods(const struct pod_runtime *rt);

/*
 * With no pod left: remove what the instance has on the host beside them. Kills what is left in its
 * cgroups; takes away mounts below its directories, its bridges (unless it did not make them, or
 * somebody else's link is on them), its rules, its cgroups. Answered by callbacks.host_down.
 */
void pod_host_down(struct pod_runtime *rt);

struct pod_log {
	const char *ns, *pod, *uid, *container;
	unsigned int attempt;
};

/* Where that container's log is: <state-dir>/logs/<ns>_<pod>_<uid>/<container>/<attempt>.log; owned
 * by the caller. */
char *pod_log_path(const struct pod_runtime *rt, const struct pod_log *log);
