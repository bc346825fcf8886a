/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children held by pidfd: reaping, signalling, running one to its end, finding helpers. Starting is
 * in proc_spawn.c.
 */
#include "base/proc.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"

#ifndef RECOND_LIBEXECDIR
#define RECOND_LIBEXECDIR "/usr/libexec/recond"
#endif

int proc_reap(int *ret_status, int pidfd)
{
	siginfo_t si = {0};

	assert(pidfd >= 0);
	while (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	return 0;
}

int proc_signal(int pidfd, int sig)
{
	assert(pidfd >= 0);
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int proc_start_time(uint64_t *ret, pid_t pid)
{
	enum {
		AFTER_COMM = 22 - 2
	}; /* fields are counted from 1, and the name, which may hold anything, is the 2nd */
	char path[64];
	autofree char *text = NULL;
	char *p, *save = NULL, *field;
	size_t n;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = fs_read_at(&text, &n, AT_FDCWD, path, 4096);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p = strrchr(text, ')');
	if (!p)
		return -EIO;
	field = strtok_r(p + 1, " ", &save);
	for (int i = 1; field && i < AFTER_COMM; i++)
		field = strtok_r(NULL, " ", &save);
	return str_parse_u64(ret, field, 0, UINT64_MAX) < 0 ? -EIO : 0;
}

/*
 * Read what FD (non-blocking) has; keep at most MAX bytes of it. 1 when more may come, 0 at its
 * end, or negative errno.
 */
static int drain(struct strbuf *out, int fd, size_t max)
{
	char buf[16 << 10];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		size_t room = max - out->len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		if (n == 0)
			return 0;
		strbuf_add(out, buf, (size_t)n < room ? (size_t)n : room);
		if ((size_t)n < sizeof(buf))
			return 1;
	}
}

/* Collect output until the process ends; a grandchild that holds the pipe is not waited for. */
static int collect(struct strbuf *out, int fd, int pidfd, size_t max)
{
	struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	while (!p[0].revents) {
		int r = poll(p, ARRAY_SIZE(p), -1);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		r = p[1].fd >= 0 ? drain(out, fd, max) : 1;
		if (r < 0)
			return r;
		if (r == 0)
			p[1].fd = -1;
	}
	return p[1].fd >= 0 ? drain(out, fd, max) : 0;
}

int proc_run(int *ret_status, char **ret_output, const struct proc_spec *spec, size_t max_output,
	     struct err *err)
{
	autostrbuf out = STRBUF_INIT;
	autoclose int from = -1, to = -1, pidfd = -1;
	int fds[PROC_MAX_FDS] = {-1, -1, -1};
	struct proc_spec s = *spec;
	int ends[2], r, status, reaped;
	pid_t pid;

	assert(spec->n_fds <= PROC_MAX_FDS);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	from = ends[0];
	to = ends[1];
	/* Only our end: the child may not expect a non-blocking stdout. */
	if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, errno, "pipe");
	if (spec->n_fds > 0)
		memcpy(fds, spec->fds, spec->n_fds * sizeof(*fds));
	fds[STDOUT_FILENO] = fds[STDERR_FILENO] = to;
	s.fds = fds;
	s.n_fds = spec->n_fds > 3 ? spec->n_fds : 3;
	r = proc_spawn(&pid, &pidfd, &s, err);
	if (r < 0)
		return r;
	to = mem_close(to);
	r = collect(&out, from, pidfd, max_output);
	if (r < 0)
		(void)proc_signal(pidfd, SIGKILL);
	reaped = proc_reap(&status, pidfd);
	if (r >= 0)
		r = reaped;
	if (r < 0)
		return err_errno(err, r, "run %s", spec->path);
	*ret_status = status;
	if (ret_output)
		*ret_output = strbuf_take(&out);
	return 0;
}

/* NAME beside the running executable, when there is one. */
static char *beside_ourselves(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	autofree char *path = NULL;
	char *slash;

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	path = mem_asprintf("%s/%s", self, name);
	return access(path, X_OK) == 0 ? TAKE_PTR(path) : NULL;
}

char *proc_libexec(const char *name)
{
	const char *dir = secure_getenv("RECOND_LIBEXEC");
	char *path;

	assert(*name && !strchr(name, '/'));
	if (dir && *dir)
		return mem_asprintf("%s/%s", dir, name);
	path = beside_ourselves(name);
	return path ? path : mem_asprintf("%s/%s", RECOND_LIBEXECDIR, name);
}
