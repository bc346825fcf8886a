/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of the OCI runtime specification, made from a plain option struct. Pure: what the
 * host is like (limits, cgroup version, devices) comes in as members, so the same options always
 * give the same document; golden tests hold it. Containers of pods and RUN steps of builds are both
 * made here, so both get the same confinement: the default seccomp profile, masked paths, no
 * inheritable or ambient capability, no annotation whatsoever.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* The capabilities a container gets when nobody asks otherwise: CRI-O's nine. */
#define SPEC_CAPS_DEFAULT                                                                          \
	(SPEC_CAP(0) | SPEC_CAP(1) | SPEC_CAP(3) | SPEC_CAP(4) | SPEC_CAP(5) | SPEC_CAP(6) |       \
	 SPEC_CAP(7) | SPEC_CAP(8) | SPEC_CAP(10))
/* What a RUN step gets in addition: SYS_CHROOT and SETFCAP (package managers need them). */
#define SPEC_CAPS_BUILD (SPEC_CAPS_DEFAULT | SPEC_CAP(18) | SPEC_CAP(31))
#define SPEC_CAPS_ALL (SPEC_CAP(41) - 1)
#define SPEC_CAP(n) (UINT64_C(1) << (n))

/* The bit of a capability named as in Kubernetes ("NET_ADMIN", or "CAP_NET_ADMIN", or "ALL"); 0 for
 * an unknown name. */
uint64_t spec_cap_parse(const char *name);

enum spec_ns {
	SPEC_NS_PID, /* a path is not supported: always a new one, unless `host` */
	SPEC_NS_NET,
	SPEC_NS_IPC,
	SPEC_NS_UTS,
	SPEC_NS_N_,
};

struct spec_namespace {
	char *path; /* join this one; NULL: a new one */
	bool host;  /* stay in the host's */
};

struct spec_mount {
	char *source;      /* absolute path on the host; NULL for tmpfs */
	char *destination; /* resolved in the root: free of symlinks */
	bool read_only;
	bool no_exec; /* also nodev and nosuid, which binds always have */
};

struct spec_device {
	char *path;
	char type; /* 'c' or 'b' */
	unsigned int major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* What of the host shows in the document. */
struct spec_host {
	uint64_t nofile_max;   /* hard RLIMIT_NOFILE of this process */
	uint64_t nproc_max;    /* hard RLIMIT_NPROC of this process */
	uint64_t caps_missing; /* not in this process's bounding set: nobody below it has them */
	int oom_score_adj_min; /* nothing below this may be set */
	bool cgroup_v2;        /* the memory controller is on cgroup v2 */
	bool can_limit_swap;   /* memory and swap are accounted together */
	unsigned int
		masked_cpus; /* hide thermal_throttle of this many CPUs; 0 where there is none */
};

struct spec_resources {
	uint64_t cpu_shares;  /* 0: not set */
	int64_t cpu_quota_us; /* per 100 ms; 0: no quota */
	int64_t memory_bytes; /* 0: no limit. Swap is not given on top of it */
	int64_t pids;         /* 0: no limit */
};

struct spec {
	char *root; /* absolute path of the root file system */
	bool root_read_only;
	char *hostname;    /* NULL: the one of the joined uts namespace */
	char *cgroup_path; /* absolute, below the mount of each hierarchy */
	struct strlist args;
	struct strlist env; /* "NAME=value", checked by the caller */
	char *cwd;          /* resolved in the root */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary */
	size_t n_groups;
	uint64_t caps; /* bounding, permitted and effective */
	bool no_new_privileges;
	bool privileged; /* all capabilities, all devices of `devices`, nothing masked, no seccomp
			  */
	bool seccomp_unconfined;
	bool proc_unmasked;
	int oom_score_adj;
	struct spec_resources resources;
	struct spec_namespace ns[SPEC_NS_N_];
	struct spec_mount *mounts;
	size_t n_mounts, cap_mounts;
	struct spec_device *devices;
	size_t n_devices, cap_devices;
	struct spec_host host;
};

/* Empty, with SPEC_CAPS_DEFAULT, no_new_privileges, cwd "/", 2,048 pids. */
void spec_init(struct spec *s);
void spec_deinit(struct spec *s);

/* Append a bind mount of SOURCE on DESTINATION; both are copied. Returns it for further settings,
 * until the next add. */
struct spec_mount *spec_add_mount(struct spec *s, const char *source, const char *destination);

/* Fill in what is true of this process and host now (reads /proc, /sys). The only impure function
 * here. */
void spec_host_read(struct spec_host *ret);

/*
 * Build the document. 0 with *ret (owned by the caller), or -EINVAL with ERR: no command, a
 * relative path, too long a command or environment, a capability that the host does not have.
 * What is privileged, or asks for all capabilities, gets all that there are.
 */
int spec_build(json_t **ret, const struct spec *s, struct err *err);
