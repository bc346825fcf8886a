/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a child. All that can be prepared is prepared before fork(2); between fork and execve(2)
 * the child only makes system calls. A failure there comes back through a pipe that a successful
 * exec closes.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"

/* clang-format off */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif
/* clang-format on */

/* What the child was doing when it failed. */
enum stage {
	STAGE_SESSION,
	STAGE_PARENT,
	STAGE_FDS,
	STAGE_LIMITS,
	STAGE_NETNS,
	STAGE_EXEC,
	STAGE_N_,
};

static const char *const stage_names[STAGE_N_] = {
	[STAGE_SESSION] = "new session",         [STAGE_PARENT] = "tie to parent",
	[STAGE_FDS] = "pass file descriptors",   [STAGE_LIMITS] = "set limits",
	[STAGE_NETNS] = "new network namespace", [STAGE_EXEC] = "exec",
};

struct failure {
	enum stage stage;
	int code; /* negative errno */
};

struct child {
	const struct proc_spec *spec;
	char *const *env;
	int fds[PROC_MAX_FDS]; /* no -1 left */
	int n_fds;
	int report;
	pid_t parent;
};

static int child_signals(void)
{
	struct sigaction normal = {.sa_handler = SIG_DFL};
	sigset_t none;

	/* Fails for SIGKILL, SIGSTOP and the ones glibc keeps for itself: those can't have been
	 * changed either. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &normal, NULL);
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int child_parent(const struct child *c)
{
	if (!c->spec->die_with_parent)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* It may have died before we asked to be told. */
	return getppid() == c->parent ? 0 : -ESRCH;
}

/*
 * Sources and targets may overlap in any way ({1, 0} swaps), so all sources go above all targets
 * first, the report pipe too.
 */
static int child_fds(struct child *c)
{
	c->report = fcntl(c->report, F_DUPFD_CLOEXEC, PROC_MAX_FDS);
	if (c->report < 0)
		return -errno;
	for (int i = 0; i < c->n_fds; i++) {
		c->fds[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, PROC_MAX_FDS);
		if (c->fds[i] < 0)
			return -errno;
	}
	for (int i = 0; i < c->n_fds; i++)
		if (dup2(c->fds[i], i) < 0)
			return -errno;
	return syscall(SYS_close_range, (unsigned)c->n_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno
											  : 0;
}

/* Lower a limit to VALUE, never above what we have ourselves: raising may need a capability that we
 * lack. */
static int limit_lower(int resource, uint64_t value)
{
	struct rlimit l;

	if (value == 0)
		return 0;
	if (getrlimit((__rlimit_resource_t)resource, &l) < 0)
		return -errno;
	if (value < l.rlim_max)
		l.rlim_max = value;
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &l) < 0 ? -errno : 0;
}

static int child_limits(const struct proc_spec *spec)
{
	int r;

	r = limit_lower(RLIMIT_CPU, spec->limit_cpu_s);
	if (r < 0)
		return r;
	r = limit_lower(RLIMIT_NOFILE, spec->limit_nofile);
	if (r < 0)
		return r;
	/* AddressSanitizer reserves terabytes of address space. */
	return WITH_ASAN ? 0 : limit_lower(RLIMIT_AS, spec->limit_as_bytes);
}

/* Runs in the child; returns only when something failed. */
static struct failure child_exec(struct child *c)
{
	const struct proc_spec *spec = c->spec;
	int r;

	r = spec->new_session && setsid() < 0 ? -errno : 0;
	if (r < 0)
		return (struct failure){STAGE_SESSION, r};
	r = child_parent(c);
	if (r < 0)
		return (struct failure){STAGE_PARENT, r};
	r = child_fds(c);
	if (r < 0)
		return (struct failure){STAGE_FDS, r};
	r = spec->new_netns && unshare(CLONE_NEWNET) < 0 ? -errno : 0;
	if (r < 0)
		return (struct failure){STAGE_NETNS, r};
	r = child_limits(spec);
	if (r < 0)
		return (struct failure){STAGE_LIMITS, r};
	(void)child_signals();
	(void)execve(spec->path, (char *const *)spec->argv, c->env);
	return (struct failure){STAGE_EXEC, -errno};
}

/* fork(2) with all signals blocked, so that no handler of ours runs in the child before it reset
 * them. */
static pid_t fork_child(struct child *c)
{
	sigset_t all, old;
	pid_t pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		struct failure f = child_exec(c);

		(void)!write(c->report, &f, sizeof(f));
		_exit(127);
	}
	if (pid < 0)
		pid = -errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

/* The environment when nobody gave one. The caller frees the list; its last entries are of our own
 * environment. */
static void default_env(struct strlist *env)
{
	static const char *const passed[] = {
		"RECOND_LIBEXEC",
#ifdef RECOND_FAILPOINTS
		"RECOND_FAILPOINTS",
		"RECOND_FAILPOINTS_DIR",
		"FAULTLIB",
		"LD_PRELOAD",
#endif
#if WITH_ASAN
		"ASAN_OPTIONS",
		"UBSAN_OPTIONS",
		"LSAN_OPTIONS",
#endif
	};

	strlist_add(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
		const char *value = secure_getenv(passed[i]);

		if (value)
			strlist_add_take(env, mem_asprintf("%s=%s", passed[i], value));
	}
}

/* Fill the child's fds; *ret_null is an fd of /dev/null if one was needed. */
static int prepare_fds(struct child *c, int *ret_null, struct err *err)
{
	const struct proc_spec *spec = c->spec;
	int null = -1;

	c->n_fds = spec->n_fds > 3 ? (int)spec->n_fds : 3;
	for (int i = 0; i < c->n_fds; i++) {
		c->fds[i] = (size_t)i < spec->n_fds ? spec->fds[i] : -1;
		if (c->fds[i] >= 0)
			continue;
		if (null < 0)
			null = fs_open("/dev/null", O_RDWR, 0);
		if (null < 0)
			return err_errno(err, null, "open /dev/null");
		c->fds[i] = null;
	}
	*ret_null = null;
	return 0;
}

/* Wait for the exec or its failure. 0 when the new program runs. */
static int await_exec(int report, const struct proc_spec *spec, struct err *err)
{
	struct failure f;
	ssize_t n;

	do
		n = read(report, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "start %s", spec->path);
	if (n == 0)
		return 0;
	assert(n == sizeof(f) && (unsigned)f.stage < STAGE_N_);
	return err_errno(err, f.code, "start %s: %s", spec->path, stage_names[f.stage]);
}

int proc_spawn(pid_t *ret_pid, int *ret_pidfd, const struct proc_spec *spec, struct err *err)
{
	struct child c = {.spec = spec, .env = (char *const *)spec->env, .parent = getpid()};
	autoclose int report = -1, report_child = -1, null = -1, pidfd = -1;
	autostrlist env = {0};
	int ends[2], r, status;
	pid_t pid;

	assert(*spec->path == '/' && spec->argv && spec->argv[0] && spec->n_fds <= PROC_MAX_FDS);
	if (!c.env) {
		default_env(&env);
		c.env = env.items;
	}
	r = prepare_fds(&c, &null, err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	report = ends[0];
	c.report = report_child = ends[1];
	pid = fork_child(&c);
	if (pid < 0)
		return err_errno(err, pid, "fork");
	report_child = mem_close(report_child);
	/* Nobody else reaps it, so PID cannot be another's yet. */
	pidfd = proc_pidfd_open(pid);
	if (pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_errno(err, pidfd, "pidfd of %s", spec->path);
	}
	r = await_exec(report, spec, err);
	if (r < 0) {
		(void)proc_reap(&status, pidfd);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}
