/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hierarchies of the host, the table of limits, and the three verbs make, kill, remove.
 */
#include "runtime/cgroup.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#define MOUNTINFO_MAX (16u << 20)
#define SMALL_MAX (1u << 20)
#define SHARES_MAX 262144

static const char *const layout_names[CGROUP_LAYOUT_N_] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_HYBRID] = "hybrid",
	[CGROUP_V2] = "v2",
};

/* How a limit is written: the number itself, or in the forms that v2 has of its own. */
enum form { FORM_NUMBER, FORM_WEIGHT, FORM_CPU_MAX };

/* clang-format off */
static const struct limit {
	const char *controller;
	size_t offset; /* of an int64 in struct cgroup_limits */
	const char *v1_file, *v2_file;
	enum form v2_form;
} limits_table[] = {
	{"cpu", offsetof(struct cgroup_limits, cpu_shares), "cpu.shares", "cpu.weight", FORM_WEIGHT},
	{"cpu", offsetof(struct cgroup_limits, cpu_quota_us), "cpu.cfs_quota_us", "cpu.max", FORM_CPU_MAX},
	{"memory", offsetof(struct cgroup_limits, memory_bytes), "memory.limit_in_bytes", "memory.max", FORM_NUMBER},
	{"pids", offsetof(struct cgroup_limits, pids), "pids.max", "pids.max", FORM_NUMBER},
};
/* clang-format on */

const char *cgroup_layout_name(enum cgroup_layout layout)
{
	assert((unsigned int)layout < CGROUP_LAYOUT_N_);
	return layout_names[layout];
}

/* One line of proc(5) mountinfo: "id parent maj:min root MOUNT options [tags] - TYPE source SUPER".
 */
static void parse_line(struct cgroup_host *host, const char *line)
{
	struct cgroup_hierarchy *h = &host->hierarchies[host->n];
	autostrlist fields = {0};
	const char *type, *mount;
	size_t sep = 5;

	strlist_split(&fields, line, ' ');
	while (sep < fields.n && !str_eq(fields.items[sep], "-"))
		sep++;
	if (sep + 3 >= fields.n || host->n == CGROUP_MAX_HIERARCHIES)
		return;
	type = fields.items[sep + 1];
	mount = fields.items[4];
	if ((!str_eq(type, "cgroup") && !str_eq(type, "cgroup2")) ||
	    strlen(mount) >= sizeof(h->mount))
		return;
	for (size_t i = 0; i < host->n; i++)
		if (str_eq(host->hierarchies[i].mount, mount))
			return;
	(void)snprintf(h->mount, sizeof(h->mount), "%s", mount);
	h->v2 = str_eq(type, "cgroup2");
	h->controllers[0] = '\0';
	if (!h->v2)
		(void)snprintf(h->controllers, sizeof(h->controllers), ",%s,",
			       fields.items[sep + 3]);
	host->n++;
}

void cgroup_host_parse(struct cgroup_host *ret, const char *mountinfo, const char *v2_controllers)
{
	autostrlist lines = {0};
	bool v2 = false;

	*ret = (struct cgroup_host){0};
	strlist_split(&lines, mountinfo, '\n');
	for (size_t i = 0; i < lines.n; i++)
		parse_line(ret, lines.items[i]);
	for (size_t i = 0; i < ret->n; i++)
		v2 = v2 || ret->hierarchies[i].v2;
	if (ret->n == 0)
		ret->layout = CGROUP_NONE;
	else if (!v2)
		ret->layout = CGROUP_V1;
	else
		ret->layout = strstr(v2_controllers, "memory") ? CGROUP_V2 : CGROUP_HYBRID;
}

static int read_file(char **ret, const char *dir, const char *name, size_t max)
{
	autoclose int dirfd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	size_t n;

	return dirfd < 0 ? dirfd : fs_read_at(ret, &n, dirfd, name, max);
}

int cgroup_host_read(struct cgroup_host *ret, struct err *err)
{
	autofree char *text = NULL, *controllers = NULL;
	int r;

	r = read_file(&text, "/proc/self", "mountinfo", MOUNTINFO_MAX);
	if (r < 0)
		return err_errno(err, r, "read /proc/self/mountinfo");
	cgroup_host_parse(ret, text, "");
	for (size_t i = 0; i < ret->n; i++)
		if (ret->hierarchies[i].v2)
			(void)read_file(&controllers, ret->hierarchies[i].mount,
					"cgroup.controllers", SMALL_MAX);
	if (ret->n == 0)
		return err_set(err, ERR_FATAL, ENOENT, NULL, "no cgroup hierarchy is mounted");
	if (controllers)
		cgroup_host_parse(ret, text, controllers);
	return 0;
}

/* The hierarchy where CONTROLLER is in force, or NULL. */
static const struct cgroup_hierarchy *find(const struct cgroup_host *host, const char *controller)
{
	char needle[64];

	(void)snprintf(needle, sizeof(needle), ",%s,", controller);
	for (size_t i = 0; i < host->n; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[i];

		if (host->layout == CGROUP_V2 ? h->v2 : strstr(h->controllers, needle) != NULL)
			return h;
	}
	return NULL;
}

bool cgroup_can_limit_swap(const struct cgroup_host *host)
{
	const struct cgroup_hierarchy *h = find(host, "memory");
	autofree char *path = NULL;

	if (!h)
		return false;
	/* v2 has no such file at its root; the size file of the kernel's swap accounting is enough.
	 */
	if (h->v2)
		return access("/proc/swaps", R_OK) == 0;
	path = mem_asprintf("%s/memory.memsw.limit_in_bytes", h->mount);
	return access(path, W_OK) == 0;
}

char *cgroup_oom_file(const struct cgroup_host *host, const char *path)
{
	const struct cgroup_hierarchy *h = find(host, "memory");

	if (!h)
		return NULL;
	return mem_asprintf("%s%s/%s", h->mount, path,
			    h->v2 ? "memory.events" : "memory.oom_control");
}

uint64_t cgroup_weight(uint64_t shares)
{
	double l, w;

	if (shares <= 2)
		return 1;
	if (shares >= SHARES_MAX)
		return 10000;
	l = log2((double)shares);
	w = ceil(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34));
	return (uint64_t)w;
}

static int open_cgroup(const struct cgroup_hierarchy *h, const char *path)
{
	autofree char *full = mem_asprintf("%s%s", h->mount, path);

	return fs_open(full, O_RDONLY | O_DIRECTORY, 0);
}

static int write_file(int dirfd, const char *name, const char *value)
{
	autoclose int fd = fs_open_at(dirfd, name, O_WRONLY, 0);

	return fd < 0 ? fd : fs_write_all(fd, value, strlen(value));
}

/* Hand the controllers that are used here from each ancestor of PATH to its children (v2 only). */
static int delegate(const struct cgroup_hierarchy *h, const char *path, struct err *err)
{
	autofree char *parent = mem_strdup(path);
	char *slash = parent;
	int r;

	while (slash) {
		autoclose int dirfd = -1;
		char keep = *slash;

		*slash = '\0';
		dirfd = open_cgroup(h, parent);
		*slash = keep;
		if (dirfd < 0)
			return err_errno(err, dirfd, "open cgroup '%s'", path);
		r = write_file(dirfd, "cgroup.subtree_control", "+cpu +memory +pids");
		if (r < 0)
			return err_errno(err, r, "enable controllers above cgroup '%s'", path);
		slash = strchr(slash + 1, '/');
	}
	return 0;
}

static int set_limit(const struct cgroup_hierarchy *h, int dirfd, const struct limit *l,
		     int64_t value, struct err *err)
{
	const char *file = h->v2 ? l->v2_file : l->v1_file;
	char text[64];
	int r;

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	if (h->v2 && l->v2_form == FORM_WEIGHT)
		(void)snprintf(text, sizeof(text), "%llu",
			       (unsigned long long)cgroup_weight((uint64_t)value));
	else if (h->v2 && l->v2_form == FORM_CPU_MAX)
		(void)snprintf(text, sizeof(text), "%lld 100000", (long long)value);
	r = write_file(dirfd, file, text);
	if (r < 0)
		return err_errno(err, r, "set %s to %s", file, text);
	return 0;
}

int cgroup_make(const struct cgroup_host *host, const char *path,
		const struct cgroup_limits *limits, struct err *err)
{
	assert(path[0] == '/' && path[1] != '\0');
	for (size_t i = 0; i < ARRAY_SIZE(limits_table); i++) {
		const struct limit *l = &limits_table[i];
		const struct cgroup_hierarchy *h = find(host, l->controller);
		int64_t value = *(const int64_t *)(const void *)((const char *)limits + l->offset);
		autoclose int rootfd = -1, dirfd = -1;
		int r;

		if (!h)
			continue;
		rootfd = fs_open(h->mount, O_RDONLY | O_DIRECTORY, 0);
		if (rootfd < 0)
			return err_errno(err, rootfd, "open '%s'", h->mount);
		r = fs_mkdir_p(rootfd, path + 1, 0755);
		if (r < 0)
			return err_errno(err, r, "make cgroup '%s%s'", h->mount, path);
		if (h->v2 && i == 0)
			r = delegate(h, path, err);
		if (r < 0)
			return r;
		if (value <= 0)
			continue;
		dirfd = open_cgroup(h, path);
		if (dirfd < 0)
			return err_errno(err, dirfd, "open cgroup '%s%s'", h->mount, path);
		r = set_limit(h, dirfd, l, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_enter(const struct cgroup_host *host, const char *path, struct err *err)
{
	assert(path[0] == '/' && path[1] != '\0');
	for (size_t i = 0; i < host->n; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[i];
		autoclose int rootfd = -1, dirfd = -1;
		int r;

		if (!h->v2 && !strstr(h->controllers, ",name=systemd,"))
			continue;
		rootfd = fs_open(h->mount, O_RDONLY | O_DIRECTORY, 0);
		r = rootfd < 0 ? rootfd : fs_mkdir_p(rootfd, path + 1, 0755);
		if (r == 0)
			r = dirfd = open_cgroup(h, path);
		if (r >= 0)
			r = write_file(dirfd, "cgroup.procs", "0");
		if (r < 0)
			return err_errno(err, r, "enter cgroup '%s%s'", h->mount, path);
	}
	return 0;
}

char *cgroup_of_service(const char *text)
{
	static const char *const hierarchies[] = {"::", ":name=systemd:"};
	autostrlist lines = {0};

	strlist_split(&lines, text, '\n');
	for (size_t h = 0; h < ARRAY_SIZE(hierarchies); h++) {
		for (size_t i = 0; i < lines.n; i++) {
			/* "<number of the hierarchy>:<its controllers>:<path>" */
			const char *colon = strchr(lines.items[i], ':');
			const char *path = colon ? str_skip_prefix(colon, hierarchies[h]) : NULL;

			if (path && *path == '/' && path[1] != '\0')
				return mem_strdup(path);
		}
	}
	return mem_strdup("/");
}

/* A stream over the directory behind DIRFD, from its beginning; NULL on failure. */
static DIR *list_dir(int dirfd)
{
	DIR *d = fdopendir(fcntl(dirfd, F_DUPFD_CLOEXEC, 3));

	if (d)
		rewinddir(d);
	return d;
}

/* v1 lists a dead process until its parent reaps it, which may take the parent seconds. */
static bool is_zombie(uint64_t pid)
{
	autofree char *dir = mem_asprintf("/proc/%llu", (unsigned long long)pid);
	autofree char *stat = NULL;
	const char *after_name;

	if (read_file(&stat, dir, "stat", SMALL_MAX) < 0)
		return true;
	after_name = strrchr(stat, ')');
	return after_name && strncmp(after_name, ") Z", 3) == 0;
}

/* Kill the members of the cgroup behind DIRFD and, children first, of those below. Number of
 * processes seen. */
static int kill_tree(int dirfd, int depth)
{
	autofree char *procs = NULL;
	autostrlist pids = {0};
	size_t n;
	int seen = 0;
	DIR *d;
	struct dirent *e;

	d = list_dir(dirfd);
	while (d && depth < 8 && (e = readdir(d))) {
		autoclose int child = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		child = fs_open_at(dirfd, e->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (child >= 0)
			seen += kill_tree(child, depth + 1);
	}
	if (d)
		(void)closedir(d);
	if (fs_read_at(&procs, &n, dirfd, "cgroup.procs", SMALL_MAX) < 0)
		return seen;
	strlist_split(&pids, procs, '\n');
	for (size_t i = 0; i < pids.n; i++) {
		uint64_t pid;

		/* 0: a process of a pid namespace we do not see. The list is read again until it is
		 * empty. */
		if (str_parse_u64(&pid, pids.items[i], 1, INT32_MAX) < 0)
			continue;
		(void)kill((pid_t)pid, SIGKILL);
		seen += !is_zombie(pid);
	}
	return seen;
}

static int kill_in(const struct cgroup_hierarchy *h, const char *path, uint64_t end_ms)
{
	int seen;

	do {
		autoclose int dirfd = open_cgroup(h, path);

		if (dirfd < 0)
			return 0;
		if (h->v2)
			(void)write_file(dirfd, "cgroup.kill", "1");
		seen = kill_tree(dirfd, 0);
		if (seen == 0)
			return 0;
		(void)usleep(1000);
	} while (clock_boottime_ms() < end_ms);
	return -EBUSY;
}

int cgroup_kill(const struct cgroup_host *host, const char *path, uint64_t timeout_ms,
		struct err *err)
{
	uint64_t end = clock_boottime_ms() + timeout_ms;

	/* crun puts a container into every hierarchy; all are looked at, in case one was left by
	 * hand. */
	for (size_t i = 0; i < host->n; i++)
		if (kill_in(&host->hierarchies[i], path, end) < 0)
			return err_set(err, ERR_TRANSIENT, EBUSY, NULL,
				       "processes in cgroup '%s' do not die", path);
	return 0;
}

static int remove_tree(int parentfd, const char *name, int depth)
{
	autoclose int dirfd = -1;
	struct dirent *e;
	DIR *d;

	if (unlinkat(parentfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (depth > 8)
		return -ELOOP;
	dirfd = fs_open_at(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dirfd < 0)
		return dirfd == -ENOENT ? 0 : dirfd;
	d = list_dir(dirfd);
	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			(void)remove_tree(dirfd, e->d_name, depth + 1);
	if (d)
		(void)closedir(d);
	/* A cgroup stays busy for a moment after its last process became a zombie. */
	for (int i = 0; i < 200; i++) {
		if (unlinkat(parentfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		(void)usleep(1000);
	}
	return -errno;
}

int cgroup_remove(const struct cgroup_host *host, const char *path, struct err *err)
{
	assert(path[0] == '/' && path[1] != '\0');
	for (size_t i = 0; i < host->n; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[i];
		autoclose int rootfd = fs_open(h->mount, O_RDONLY | O_DIRECTORY, 0);
		int r = rootfd < 0 ? rootfd : remove_tree(rootfd, path + 1, 0);

		if (r < 0)
			return err_errno(err, r, "remove cgroup '%s%s'", h->mount, path);
	}
	return 0;
}

void cgroup_remove_empty(const struct cgroup_host *host, const char *path)
{
	assert(path[0] == '/' && path[1] != '\0');
	for (size_t i = 0; i < host->n; i++) {
		autoclose int rootfd =
			fs_open(host->hierarchies[i].mount, O_RDONLY | O_DIRECTORY, 0);

		/* The kernel refuses while there is something. */
		if (rootfd >= 0)
			(void)unlinkat(rootfd, path + 1, AT_REMOVEDIR);
	}
}
