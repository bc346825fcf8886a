/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-monitor: the one process that stays with a container for its life. It starts the container
 * with crun, becomes the parent of its init (subreaper), writes its output to a rotated log, and
 * leaves two records in the events directory, each complete or absent: <id>.start when the start
 * succeeded or failed, <id>.exit when the container ended. The daemon may be dead at any of these
 * moments.
 *
 * libc only, linked statically, nothing on the heap: several hundred of these run side by side. It
 * inherits fd 3, a pipe whose end of file tells the starting worker that <id>.start is there (or
 * never will be), and fd 4, a locked file: as long as that lock is held, a monitor for this
 * container lives, or a crun it started: that one dies with its monitor, but not at the same
 * instant. See runtime/monitor.h for the record forms.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "runtime/monitor_log.h"

#define STATUS_FD 3
#define LOCK_FD 4
#define START_DEADLINE_MS 60000
#define DELETE_DEADLINE_MS 10000
#define DRAIN_MS 2000
#define PATH_SIZE 4096

static struct {
	const char *id, *bundle, *crun, *root, *log, *events, *oom_file;
	uint64_t log_bytes, log_files;
} opt = {.log_bytes = 10u << 20, .log_files = 5};

static struct monitor_log log_file = {.fd = -1};
static struct monitor_stream streams[2] = {{.name = "stdout", .fd = -1},
					   {.name = "stderr", .fd = -1}};
static char started_at[32];

struct exit_record {
	int code; /* exit code, or 128 + signal */
	int signal;
	bool oom_killed;
};

static uint64_t now_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int parse_number(uint64_t *ret, const char *s)
{
	uint64_t v = 0;

	if (!*s || strlen(s) > 15)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	return 0;
}

static int parse_options(int argc, char **argv)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
	} table[] = {
		{"--id", &opt.id, NULL},
		{"--bundle", &opt.bundle, NULL},
		{"--crun", &opt.crun, NULL},
		{"--root", &opt.root, NULL},
		{"--log", &opt.log, NULL},
		{"--events", &opt.events, NULL},
		{"--oom", &opt.oom_file, NULL},
		{"--log-bytes", NULL, &opt.log_bytes},
		{"--log-files", NULL, &opt.log_files},
	};
	const size_t n = sizeof(table) / sizeof(table[0]);

	for (int i = 1; i + 1 < argc; i += 2) {
		size_t k = 0;

		while (k < n && strcmp(table[k].name, argv[i]) != 0)
			k++;
		if (k == n)
			return -EINVAL;
		if (table[k].text)
			*table[k].text = argv[i + 1];
		else if (parse_number(table[k].number, argv[i + 1]) < 0)
			return -EINVAL;
	}
	if (argc % 2 == 0 || !opt.id || !opt.bundle || !opt.crun || !opt.root || !opt.log ||
	    !opt.events)
		return -EINVAL;
	return opt.log_files >= 1 && opt.log_files <= 100 ? 0 : -EINVAL;
}

/* Write TEXT to PATH by a temporary file and a rename, so that a reader sees all of it or nothing.
 */
static int write_record(const char *path, const char *text, bool durable)
{
	char tmp[PATH_SIZE];
	size_t n = strlen(text);
	int fd, r = 0;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		r = -EIO;
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	(void)close(fd);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r;
}

static int write_event(const char *kind, const char *text, bool durable)
{
	char path[PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/%s.%s", opt.events, opt.id, kind) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return write_record(path, text, durable);
}

static ssize_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	(void)close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	return n;
}

/* Field 22 of /proc/PID/stat: with the pid it names a process for good. */
static uint64_t start_time(pid_t pid)
{
	char path[64], buf[1024];
	char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_small(path, buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
	}
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

static int make_stream(struct monitor_stream *s)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->fd = fds[0];
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return fds[1];
}

/*
 * The child lives no longer than the monitor, and shares the lock for as long as it lives: whoever
 * finds the lock free knows that nobody is about to start the container any more.
 */
static pid_t spawn(const char *const *argv, int out, int errfd)
{
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		sigset_t none;
		int null = open("/dev/null", O_RDWR);

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != self ||
		    fcntl(LOCK_FD, F_SETFD, 0) < 0)
			_exit(127);
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		for (int sig = 1; sig < NSIG; sig++)
			(void)signal(sig, SIG_DFL);
		if (null < 0 || dup2(null, 0) < 0 || dup2(out < 0 ? null : out, 1) < 0 ||
		    dup2(errfd < 0 ? null : errfd, 2) < 0)
			_exit(127);
		(void)close(null);
		(void)execve(argv[0], (char *const *)argv, (char *const *)env);
		_exit(127);
	}
	return pid;
}

/* Move what the streams hold to the log. Returns the number of open streams. */
static int pump(void)
{
	int open_streams = 0;

	for (int i = 0; i < 2; i++) {
		while (streams[i].fd >= 0 && monitor_stream_read(&streams[i], &log_file) > 0)
			;
		open_streams += streams[i].fd >= 0;
	}
	monitor_log_flush(&log_file);
	return open_streams;
}

/* Wait for output or a dead child, at most TIMEOUT_MS (-1: as long as it takes); SFD is drained. */
static void wait_event(int sfd, int timeout_ms)
{
	struct pollfd fds[3] = {{.fd = sfd, .events = POLLIN}};
	struct signalfd_siginfo info;

	for (int i = 0; i < 2; i++)
		fds[i + 1] = (struct pollfd){.fd = streams[i].fd, .events = POLLIN};
	(void)poll(fds, 3, timeout_ms);
	if (fds[0].revents)
		(void)!read(sfd, &info, sizeof(info));
	for (int i = 0; i < 2; i++)
		if (fds[i + 1].revents && streams[i].fd >= 0)
			(void)monitor_stream_read(&streams[i], &log_file);
	monitor_log_flush(&log_file);
}

/* Wait for PID alone, serving the streams. Its wait status, or -1 after DEADLINE_MS (it was killed
 * and reaped). */
static int wait_for(int sfd, pid_t pid, uint64_t deadline_ms)
{
	uint64_t end = now_ms() + deadline_ms;
	int status;

	for (;;) {
		uint64_t now = now_ms();
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			return status;
		if (r < 0 || now >= end)
			break;
		wait_event(sfd, (int)(end - now));
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return -1;
}

static void crun_delete(int sfd)
{
	const char *argv[] = {opt.crun, "--root",  opt.root, "--cgroup-manager=cgroupfs",
			      "delete", "--force", opt.id,   NULL};
	pid_t pid = spawn(argv, -1, -1);

	if (pid > 0)
		(void)wait_for(sfd, pid, DELETE_DEADLINE_MS);
}

/* Start the container. Returns the pid of its init, which is our child from now on, or -1. */
static pid_t start_container(int sfd)
{
	static char log_path[PATH_SIZE], pid_path[PATH_SIZE];
	const char *argv[] = {opt.crun,
			      "--root",
			      opt.root,
			      "--cgroup-manager=cgroupfs",
			      "--log",
			      log_path,
			      "--log-format=json",
			      "run",
			      "--detach",
			      "--bundle",
			      opt.bundle,
			      "--pid-file",
			      pid_path,
			      opt.id,
			      NULL};
	uint64_t number;
	char text[32];
	int out, errfd, status;
	pid_t pid;

	(void)snprintf(log_path, sizeof(log_path), "%s/crun.log", opt.bundle);
	(void)snprintf(pid_path, sizeof(pid_path), "%s/pid", opt.bundle);
	out = make_stream(&streams[0]);
	errfd = make_stream(&streams[1]);
	if (out < 0 || errfd < 0)
		return -1;
	pid = spawn(argv, out, errfd);
	(void)close(out);
	(void)close(errfd);
	if (pid < 0)
		return -1;
	status = wait_for(sfd, pid, START_DEADLINE_MS);
	if (status != 0 || read_small(pid_path, text, sizeof(text)) <= 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return parse_number(&number, text) == 0 && number > 1 && number <= INT32_MAX ? (pid_t)number
										     : -1;
}

/* Serve the streams until the container's init PID ended; orphans of the container are reaped on
 * the way. */
static int serve(int sfd, pid_t pid)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 && errno == ECHILD)
			return -1;
		if (info.si_pid == pid)
			return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
		if (info.si_pid == 0)
			wait_event(sfd, -1);
	}
}

/*
 * All members of the pid namespace are dead when its init is, so the pipes have an end; only a
 * container in the host's pid namespace can leave a writer behind, who gets DRAIN_MS.
 */
static void drain(int sfd)
{
	uint64_t end = now_ms() + DRAIN_MS;

	while (pump() > 0 && now_ms() < end)
		wait_event(sfd, 50);
}

static bool oom_happened(void)
{
	char buf[1024];
	char *p;

	if (!opt.oom_file || read_small(opt.oom_file, buf, sizeof(buf)) <= 0)
		return false;
	p = strstr(buf, "oom_kill ");
	return p && strtoull(p + strlen("oom_kill "), NULL, 10) > 0;
}

static void record_exit(int code)
{
	char finished_at[32], text[512];
	bool oom = code != 0 && oom_happened();

	monitor_now(finished_at);
	(void)snprintf(
		text, sizeof(text),
		"{\"exit_code\":%d,\"signal\":%d,\"oom_killed\":%s,\"started_at\":\"%s\",\"finished_at\":\"%s\"}\n",
		code, code > 128 && code < 128 + NSIG ? code - 128 : 0, oom ? "true" : "false",
		started_at, finished_at);
	(void)write_event("exit", text, true);
}

static int record_self(void)
{
	char path[PATH_SIZE], text[64];

	(void)snprintf(path, sizeof(path), "%s/monitor", opt.bundle);
	(void)snprintf(text, sizeof(text), "{\"pid\":%d,\"start_time\":%llu}\n", (int)getpid(),
		       (unsigned long long)start_time(getpid()));
	return write_record(path, text, false);
}

static int prepare(void)
{
	sigset_t mask;
	int sfd;

	(void)fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC);
	(void)fcntl(LOCK_FD, F_SETFD, FD_CLOEXEC);
	if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	/* It ends with its container, not with a signal that was meant for the daemon's process
	 * group or unit. */
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGHUP);
	(void)sigaddset(&mask, SIGPIPE);
	if (sigprocmask(SIG_SETMASK, &mask, NULL) < 0)
		return -errno;
	(void)sigdelset(&mask, SIGTERM);
	(void)sigdelset(&mask, SIGINT);
	(void)sigdelset(&mask, SIGHUP);
	(void)sigdelset(&mask, SIGPIPE);
	sfd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return sfd < 0 ? -errno : sfd;
}

int main(int argc, char **argv)
{
	char text[128];
	int sfd, code;
	pid_t pid;

	if (parse_options(argc, argv) < 0)
		return 2;
	sfd = prepare();
	if (sfd < 0 || record_self() < 0)
		return 1;
	(void)monitor_log_open(&log_file, opt.log, opt.log_bytes, (unsigned int)opt.log_files);
	FAILPOINT("monitor.before_start");
	pid = start_container(sfd);
	FAILPOINT("monitor.after_start");
	monitor_now(started_at);
	if (pid < 0) {
		(void)pump();
		crun_delete(sfd);
		(void)write_event("start", "{\"pid\":-1}\n", false);
		return 1;
	}
	(void)snprintf(text, sizeof(text),
		       "{\"pid\":%d,\"start_time\":%llu,\"started_at\":\"%s\"}\n", (int)pid,
		       (unsigned long long)start_time(pid), started_at);
	(void)write_event("start", text, false);
	(void)close(STATUS_FD);
	FAILPOINT("monitor.running");
	code = serve(sfd, pid);
	FAILPOINT("monitor.before_record");
	drain(sfd);
	monitor_log_close(&log_file);
	record_exit(code < 0 ? 137 : code);
	FAILPOINT("monitor.after_record");
	crun_delete(sfd);
	return 0;
}
