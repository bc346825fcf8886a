/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc is read again and again until it shows nobody new. A process is signalled through a pidfd
 * that was opened before the look that condemned it, so a reused pid is safe.
 */
#include "runtime/exec_kill.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

#define ROUNDS_MAX 16
#define STAT_MAX 4096

struct process {
	pid_t pid, parent, session;
	int pidfd; /* of the condemned */
};

struct list {
	struct process *items;
	size_t n, cap;
};

static bool has_pid(const struct list *l, pid_t pid)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].pid == pid)
			return true;
	return false;
}

static bool has_session(const struct list *l, pid_t session)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].session == session)
			return true;
	return false;
}

static void add(struct list *l, struct process p)
{
	GROW(l->items, l->cap, l->n + 1);
	l->items[l->n++] = p;
}

/* False when PID is gone, or dead and not reaped. */
static bool read_process(struct process *ret, int proc_fd, pid_t pid)
{
	autofree char *name = mem_asprintf("%d/stat", (int)pid), *text = NULL;
	int parent, group, session;
	const char *rest;
	char state;
	size_t n;

	if (fs_read_at(&text, &n, proc_fd, name, STAT_MAX) < 0)
		return false;
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %c %d %d %d", &state, &parent, &group, &session) != 4 ||
	    state == 'Z' || state == 'X')
		return false;
	*ret = (struct process){pid, (pid_t)parent, (pid_t)session, -1};
	return true;
}

static void read_all(struct list *ret, int proc_fd)
{
	DIR *d = fdopendir(fs_open("/proc", O_RDONLY | O_DIRECTORY, 0));
	const struct dirent *e;
	struct process p;
	uint64_t pid;

	ret->n = 0;
	while (d && (e = readdir(d)))
		if (str_parse_u64(&pid, e->d_name, 1, INT32_MAX) == 0 &&
		    read_process(&p, proc_fd, (pid_t)pid))
			add(ret, p);
	if (d)
		(void)closedir(d);
}

static bool condemns(const struct list *found, pid_t root, pid_t own_session,
		     const struct process *p)
{
	return p->parent == root || has_pid(found, p->parent) ||
	       (p->session != own_session && has_session(found, p->session));
}

/* Stop what of ALL belongs to FOUND and is not in it yet. True when there was somebody. */
static bool extend(struct list *found, const struct list *all, int proc_fd, pid_t root,
		   pid_t own_session)
{
	bool more = false;

	for (size_t i = 0; i < all->n; i++) {
		struct process p = all->items[i];
		autoclose int pidfd = -1;

		if (p.pid == root || has_pid(found, p.pid) ||
		    !condemns(found, root, own_session, &p))
			continue;
		pidfd = proc_pidfd_open(p.pid);
		if (pidfd < 0 || !read_process(&p, proc_fd, p.pid) ||
		    !condemns(found, root, own_session, &p))
			continue;
		(void)proc_signal(pidfd, SIGSTOP);
		p.pidfd = TAKE_FD(pidfd);
		add(found, p);
		more = true;
	}
	return more;
}

size_t exec_kill_below(pid_t root)
{
	autoclose int proc_fd = fs_open("/proc", O_RDONLY | O_DIRECTORY, 0);
	struct list found = {0}, all = {0};
	struct process self = {.session = -1};
	size_t n;

	assert(root > 1);
	if (proc_fd < 0)
		return 0;
	(void)read_process(&self, proc_fd, getpid());
	for (int round = 0; round < ROUNDS_MAX; round++) {
		read_all(&all, proc_fd);
		if (!extend(&found, &all, proc_fd, root, self.session))
			break;
	}
	n = found.n;
	if (n > 0)
		FAILPOINT("exec.stopped");
	for (size_t i = 0; i < n; i++) {
		(void)proc_signal(found.items[i].pidfd, SIGKILL);
		(void)close(found.items[i].pidfd);
	}
	free(found.items);
	free(all.items);
	return n;
}
