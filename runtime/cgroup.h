/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups of pods, alike on cgroup v1, hybrid and v2: one table says which file of which
 * controller holds a value. A cgroup is named by its path below the root of every hierarchy
 * ("/recond/x/burstable/pod<uid>"), made of names of our own. Blocking, quick; for workers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CGROUP_MAX_HIERARCHIES 16

enum cgroup_layout {
	CGROUP_NONE,   /* nothing mounted */
	CGROUP_V1,     /* controllers on v1 hierarchies, no cgroup2 */
	CGROUP_HYBRID, /* controllers on v1 hierarchies, cgroup2 beside them without controllers */
	CGROUP_V2,     /* the memory controller is on cgroup2 */
	CGROUP_LAYOUT_N_,
};

/* "none", "v1", "hybrid", "v2". */
const char *cgroup_layout_name(enum cgroup_layout layout);

struct cgroup_hierarchy {
	char mount[256];       /* where it is mounted */
	char controllers[128]; /* v1: ",cpu,cpuacct," with commas all around; v2: "" */
	bool v2;
};

/* The hierarchies of this host. Plain data. */
struct cgroup_host {
	enum cgroup_layout layout;
	struct cgroup_hierarchy hierarchies[CGROUP_MAX_HIERARCHIES];
	size_t n;
};

/* Read the host's hierarchies from /proc/self/mountinfo. 0, or negative errno with ERR when there
 * are none. */
int cgroup_host_read(struct cgroup_host *ret, struct err *err);

/*
 * The pure part: MOUNTINFO is that file's text; V2_CONTROLLERS the cgroup.controllers of the
 * cgroup2 mount ("" if there is none), which decides between hybrid and v2.
 */
void cgroup_host_parse(struct cgroup_host *ret, const char *mountinfo, const char *v2_controllers);

/* True when memory and swap can be limited together. */
bool cgroup_can_limit_swap(const struct cgroup_host *host);

struct cgroup_limits {
	uint64_t cpu_shares;  /* v1 scale, 2..262144; 0: leave */
	int64_t cpu_quota_us; /* per 100 ms; 0: none */
	int64_t memory_bytes; /* 0: none */
	int64_t pids;         /* 0: none */
};

/*
 * Make the cgroup PATH with its parents and set its limits, in those hierarchies that have a
 * controller for them (on v2, hand the controllers down from parent to parent). Repeating it is
 * fine. 0 or negative errno with ERR.
 */
int cgroup_make(const struct cgroup_host *host, const char *path,
		const struct cgroup_limits *limits, struct err *err);

/*
 * Move this process into the cgroup PATH, which is made when missing, in those hierarchies that a
 * service manager tells its processes apart by: cgroup2, and on v1 the one named systemd. The
 * limits of controllers on v1 stay those of where it was. 0 or negative errno with ERR.
 */
int cgroup_enter(const struct cgroup_host *host, const char *path, struct err *err);

/*
 * The cgroup that a service manager has put a process into: TEXT is /proc/PID/cgroup. Of cgroup2,
 * and of the v1 hierarchy named systemd where the process is at the root of that. Owned by the
 * caller; "/" when it is in none. Pure.
 */
char *cgroup_of_service(const char *text);

/* The weight of cgroup v2 for SHARES of v1, as crun and runc compute it now: 1024 gives 100. */
uint64_t cgroup_weight(uint64_t shares);

/* SIGKILL every process in PATH and below, until none is left or TIMEOUT_MS passed. 0, or -EBUSY.
 */
int cgroup_kill(const struct cgroup_host *host, const char *path, uint64_t timeout_ms,
		struct err *err);

/* Remove PATH and what is below it from all hierarchies; missing is fine. 0 or negative errno with
 * ERR. */
int cgroup_remove(const struct cgroup_host *host, const char *path, struct err *err);

/* Remove PATH wherever nothing is in it: no process, no other cgroup. */
void cgroup_remove_empty(const struct cgroup_host *host, const char *path);

/*
 * The file with the line "oom_kill <n>" for PATH, owned by the caller; NULL when there is no memory
 * controller.
 */
char *cgroup_oom_file(const struct cgroup_host *host, const char *path);
