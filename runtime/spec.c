/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json, member by member. The tables of capabilities, fixed mounts and masked paths stand
 * first; each of the functions below them builds one member of the document.
 */
#include "runtime/spec.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "runtime/cgroup.h"
#include "runtime/seccomp_profile.h"

#define ARGS_MAX_BYTES (1u << 20)
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288
#define CPU_PERIOD_US 100000

/* clang-format off */
static const char *const cap_names[41] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
};

static const char *const masked_paths[] = {
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
};

static const char *const read_only_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static const struct fixed_mount {
	const char *destination, *type, *source;
	const char *options[8];
	bool writable_when_privileged;
} fixed_mounts[] = {
	{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, false},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}, false},
	{"/dev/pts", "devpts", "devpts",
	 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}, false},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, false},
	{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, true},
	{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}, true},
};

static const char *const ns_types[SPEC_NS_N_] = {
	[SPEC_NS_PID] = "pid", [SPEC_NS_NET] = "network", [SPEC_NS_IPC] = "ipc", [SPEC_NS_UTS] = "uts",
};
/* clang-format on */

uint64_t spec_cap_parse(const char *name)
{
	const char *bare = str_skip_prefix(name, "CAP_");

	if (!bare)
		bare = name;
	if (str_eq(bare, "ALL"))
		return SPEC_CAPS_ALL;
	for (unsigned int i = 0; i < ARRAY_SIZE(cap_names); i++)
		if (str_eq(cap_names[i], bare))
			return SPEC_CAP(i);
	return 0;
}

void spec_init(struct spec *s)
{
	*s = (struct spec){
		.cwd = mem_strdup("/"),
		.caps = SPEC_CAPS_DEFAULT,
		.no_new_privileges = true,
		.resources = {.pids = 2048},
	};
}

void spec_deinit(struct spec *s)
{
	free(s->root);
	free(s->hostname);
	free(s->cgroup_path);
	free(s->cwd);
	free(s->groups);
	strlist_deinit(&s->args);
	strlist_deinit(&s->env);
	for (size_t i = 0; i < s->n_mounts; i++) {
		free(s->mounts[i].source);
		free(s->mounts[i].destination);
	}
	free(s->mounts);
	for (size_t i = 0; i < s->n_devices; i++)
		free(s->devices[i].path);
	free(s->devices);
	for (int i = 0; i < SPEC_NS_N_; i++)
		free(s->ns[i].path);
	*s = (struct spec){0};
}

struct spec_mount *spec_add_mount(struct spec *s, const char *source, const char *destination)
{
	struct spec_mount *m;

	assert(destination);
	GROW(s->mounts, s->cap_mounts, s->n_mounts + 1);
	m = &s->mounts[s->n_mounts++];
	*m = (struct spec_mount){
		.source = mem_strdup(source),
		.destination = mem_strdup(destination),
	};
	return m;
}

static int read_own_oom_score_adj(void)
{
	autoclose int dirfd = fs_open("/proc/self", O_RDONLY | O_DIRECTORY, 0);
	autofree char *text = NULL;
	size_t n;
	int64_t v;

	if (dirfd < 0 || fs_read_at(&text, &n, dirfd, "oom_score_adj", 64) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_parse_i64(&v, text, -1000, 1000) < 0 ? 0 : (int)v;
}

static uint64_t read_missing_caps(void)
{
	uint64_t missing = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(cap_names); i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 0)
			missing |= SPEC_CAP(i);
	return missing;
}

void spec_host_read(struct spec_host *ret)
{
	struct rlimit nofile = {0}, nproc = {0};
	struct cgroup_host cg;

	if (cgroup_host_read(&cg, NULL) < 0)
		cg = (struct cgroup_host){0};

	(void)getrlimit(RLIMIT_NOFILE, &nofile);
	(void)getrlimit(RLIMIT_NPROC, &nproc);
	*ret = (struct spec_host){
		.nofile_max = nofile.rlim_max,
		.nproc_max = nproc.rlim_max,
		.caps_missing = read_missing_caps(),
		/* Lowering needs CAP_SYS_RESOURCE, which a service normally lacks: never below our
		   own. */
		.oom_score_adj_min = read_own_oom_score_adj(),
		.cgroup_v2 = cg.layout == CGROUP_V2,
		.can_limit_swap = cgroup_can_limit_swap(&cg),
	};
	if (access("/sys/devices/system/cpu/cpu0/thermal_throttle", F_OK) == 0)
		ret->masked_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
}

static json_t *string_array(const char *const *items, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n && items[i]; i++)
		(void)json_array_append_new(a, json_text(items[i]));
	return a;
}

static json_t *list_array(const struct strlist *l)
{
	return string_array((const char *const *)l->items, l->n);
}

static json_t *build_caps(uint64_t caps)
{
	json_t *o = json_object(), *set = json_array();

	for (unsigned int i = 0; i < ARRAY_SIZE(cap_names); i++) {
		autofree char *name = mem_asprintf("CAP_%s", cap_names[i]);

		if (caps & SPEC_CAP(i))
			(void)json_array_append_new(set, json_text(name));
	}
	json_set(o, "bounding", json_incref(set));
	json_set(o, "permitted", json_incref(set));
	json_set(o, "effective", set);
	json_set(o, "inheritable", json_array());
	json_set(o, "ambient", json_array());
	return o;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* As numbers: "unlimited" does not survive a signed 64-bit JSON integer in every runtime. */
static json_t *build_rlimit(const char *type, uint64_t soft, uint64_t hard)
{
	return json_pack("{s:s, s:I, s:I}", "type", type, "soft", (json_int_t)at_most(soft, hard),
			 "hard", (json_int_t)hard);
}

static json_t *build_rlimits(const struct spec_host *host)
{
	json_t *a = json_array();
	uint64_t nproc = at_most(host->nproc_max, INT64_MAX);

	(void)json_array_append_new(a, build_rlimit("RLIMIT_CORE", 0, 0));
	(void)json_array_append_new(a, build_rlimit("RLIMIT_NOFILE", NOFILE_SOFT,
						    at_most(NOFILE_HARD, host->nofile_max)));
	(void)json_array_append_new(a, build_rlimit("RLIMIT_NPROC", nproc, nproc));
	return a;
}

static json_t *build_user(const struct spec *s)
{
	json_t *u = json_pack("{s:I, s:I}", "uid", (json_int_t)s->uid, "gid", (json_int_t)s->gid);
	json_t *groups = json_array();

	for (size_t i = 0; i < s->n_groups; i++)
		(void)json_array_append_new(groups, json_integer((json_int_t)s->groups[i]));
	json_set(u, "additionalGids", groups);
	return u;
}

static bool wants_all_caps(const struct spec *s)
{
	return s->privileged || s->caps == SPEC_CAPS_ALL;
}

static json_t *build_process(const struct spec *s)
{
	uint64_t caps = wants_all_caps(s) ? SPEC_CAPS_ALL & ~s->host.caps_missing : s->caps;
	json_t *p = json_object();
	int oom = s->oom_score_adj;

	if (oom < s->host.oom_score_adj_min)
		oom = s->host.oom_score_adj_min;
	json_set(p, "terminal", json_false());
	json_set(p, "user", build_user(s));
	json_set(p, "args", list_array(&s->args));
	json_set(p, "env", list_array(&s->env));
	json_set(p, "cwd", json_text(s->cwd));
	json_set(p, "capabilities", build_caps(caps));
	json_set(p, "rlimits", build_rlimits(&s->host));
	json_set(p, "noNewPrivileges", json_boolean(s->no_new_privileges && !s->privileged));
	json_set(p, "oomScoreAdj", json_integer(oom));
	return p;
}

static json_t *build_fixed_mount(const struct fixed_mount *f, bool privileged)
{
	json_t *options = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(f->options) && f->options[i]; i++) {
		const char *o = f->options[i];

		if (privileged && f->writable_when_privileged && str_eq(o, "ro"))
			o = "rw";
		(void)json_array_append_new(options, json_text(o));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", f->destination, "type", f->type,
			 "source", f->source, "options", options);
}

static json_t *build_mounts(const struct spec *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(fixed_mounts); i++)
		(void)json_array_append_new(a, build_fixed_mount(&fixed_mounts[i], s->privileged));
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];
		json_t *options = json_pack("[s, s, s]", m->source ? "rbind" : "nosuid", "nodev",
					    m->source ? "rprivate" : "mode=1777");

		(void)json_array_append_new(options, json_text(m->read_only ? "ro" : "rw"));
		if (m->no_exec)
			(void)json_array_append_new(options, json_text("noexec"));
		(void)json_array_append_new(
			a, json_pack("{s:s, s:s, s:s, s:o}", "destination", m->destination, "type",
				     m->source ? "bind" : "tmpfs", "source",
				     m->source ? m->source : "tmpfs", "options", options));
	}
	return a;
}

static json_t *build_namespaces(const struct spec *s)
{
	json_t *a = json_array();

	(void)json_array_append_new(a, json_pack("{s:s}", "type", "mount"));
	if (!s->privileged)
		(void)json_array_append_new(a, json_pack("{s:s}", "type", "cgroup"));
	for (int i = 0; i < SPEC_NS_N_; i++) {
		json_t *ns;

		if (s->ns[i].host)
			continue;
		ns = json_pack("{s:s}", "type", ns_types[i]);
		if (s->ns[i].path)
			json_set(ns, "path", json_text(s->ns[i].path));
		(void)json_array_append_new(a, ns);
	}
	return a;
}

static json_t *build_memory(const struct spec *s)
{
	json_t *m = json_pack("{s:I}", "limit", (json_int_t)s->resources.memory_bytes);

	if (s->host.can_limit_swap)
		json_set(m, "swap", json_integer((json_int_t)s->resources.memory_bytes));
	return m;
}

static json_t *build_resources(const struct spec *s)
{
	const struct spec_resources *r = &s->resources;
	json_t *o = json_object(), *cpu = json_object();

	json_set(o, "devices",
		 json_pack("[{s:b, s:s}]", "allow", s->privileged ? 1 : 0, "access", "rwm"));
	if (r->cpu_shares)
		json_set(cpu, "shares", json_integer((json_int_t)r->cpu_shares));
	if (r->cpu_quota_us) {
		json_set(cpu, "quota", json_integer((json_int_t)r->cpu_quota_us));
		json_set(cpu, "period", json_integer(CPU_PERIOD_US));
	}
	json_set(o, "cpu", cpu);
	if (r->memory_bytes)
		json_set(o, "memory", build_memory(s));
	if (r->pids)
		json_set(o, "pids", json_pack("{s:I}", "limit", (json_int_t)r->pids));
	/* One process of a container killed for memory: the container ends as a whole, as under
	 * Kubernetes. */
	if (s->host.cgroup_v2)
		json_set(o, "unified", json_pack("{s:s}", "memory.oom.group", "1"));
	return o;
}

static json_t *build_masked(const struct spec *s)
{
	json_t *a = string_array(masked_paths, ARRAY_SIZE(masked_paths));

	for (unsigned int i = 0; i < s->host.masked_cpus; i++) {
		autofree char *path =
			mem_asprintf("/sys/devices/system/cpu/cpu%u/thermal_throttle", i);

		(void)json_array_append_new(a, json_text(path));
	}
	return a;
}

static json_t *build_devices(const struct spec *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_devices; i++) {
		const struct spec_device *d = &s->devices[i];
		const char type[2] = {d->type, '\0'};

		(void)json_array_append_new(a, json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}",
							 "path", d->path, "type", type, "major",
							 (int)d->major, "minor", (int)d->minor,
							 "fileMode", (int)(d->mode & 0777), "uid",
							 (int)d->uid, "gid", (int)d->gid));
	}
	return a;
}

static json_t *build_linux(const struct spec *s)
{
	json_t *l = json_object();

	json_set(l, "cgroupsPath", json_text(s->cgroup_path));
	json_set(l, "namespaces", build_namespaces(s));
	json_set(l, "resources", build_resources(s));
	if (s->n_devices)
		json_set(l, "devices", build_devices(s));
	if (!s->privileged && !s->proc_unmasked) {
		json_set(l, "maskedPaths", build_masked(s));
		json_set(l, "readonlyPaths",
			 string_array(read_only_paths, ARRAY_SIZE(read_only_paths)));
	}
	if (!s->privileged && !s->seccomp_unconfined)
		json_set(l, "seccomp", seccomp_profile_build(s->caps));
	return l;
}

static int check_caps(const struct spec *s, struct err *err)
{
	if (wants_all_caps(s))
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(cap_names); i++)
		if (s->caps & s->host.caps_missing & SPEC_CAP(i))
			return err_invalid(
				err,
				"capability %s is not to be had: recond itself runs without it (CapabilityBoundingSet= of its service)",
				cap_names[i]);
	return 0;
}

static int check(const struct spec *s, struct err *err)
{
	size_t total = 0;

	if (s->args.n == 0)
		return err_invalid(err, "no command specified");
	for (size_t i = 0; i < s->args.n; i++)
		total += strlen(s->args.items[i]) + 1;
	if (total > ARGS_MAX_BYTES)
		return err_invalid(err, "the command is longer than %u bytes", ARGS_MAX_BYTES);
	if (s->cwd[0] != '/')
		return err_invalid(err, "working directory '%s' is not absolute", s->cwd);
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].destination[0] != '/')
			return err_invalid(err, "mount path '%s' is not absolute",
					   s->mounts[i].destination);
	return check_caps(s, err);
}

int spec_build(json_t **ret, const struct spec *s, struct err *err)
{
	json_t *doc;
	int r;

	assert(s->root && s->root[0] == '/');
	assert(s->cgroup_path && s->cgroup_path[0] == '/');
	r = check(s, err);
	if (r < 0)
		return r;
	doc = json_object();
	json_set(doc, "ociVersion", json_text("1.0.0"));
	json_set(doc, "process", build_process(s));
	json_set(doc, "root",
		 json_pack("{s:s, s:b}", "path", s->root, "readonly", (int)s->root_read_only));
	if (s->hostname)
		json_set(doc, "hostname", json_text(s->hostname));
	json_set(doc, "mounts", build_mounts(s));
	json_set(doc, "linux", build_linux(s));
	*ret = doc;
	return 0;
}
