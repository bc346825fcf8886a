/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting child processes with nothing inherited by accident: an explicit list of fds, an
 * environment built from empty, default signal dispositions, an empty signal mask, no other fd.
 * Children are held by pidfd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

#define PROC_MAX_FDS 8

struct proc_spec {
	const char *path;        /* absolute path of the executable; no PATH search */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	const char *const *env;  /* NULL-terminated "NAME=value", or NULL for PATH alone */
	const int *fds; /* fds[i] becomes fd i of the child (0, 1, 2, 3, ...); -1 means /dev/null */
	size_t n_fds;   /* at least 3 are set up; missing ones of 0..2 become /dev/null */
	uint64_t limit_as_bytes; /* RLIMIT_AS, 0 = unlimited */
	uint64_t limit_cpu_s;    /* RLIMIT_CPU, 0 = unlimited */
	uint64_t limit_nofile;   /* RLIMIT_NOFILE, 0 = as the parent's */
	bool new_session;        /* setsid(): the child survives and is not in our process group */
	bool die_with_parent;    /* PR_SET_PDEATHSIG SIGKILL */
	bool new_netns;          /* unshare the network: no network at all */
};

/*
 * Start the process. 0 with *ret_pid and *ret_pidfd (owned by the caller; the caller also reaps
 * with proc_reap), or a negative errno with ERR; exec failures are reported here, not by an exit
 * code.
 */
int proc_spawn(pid_t *ret_pid, int *ret_pidfd, const struct proc_spec *spec, struct err *err);

/*
 * Reap the child behind PIDFD, blocking until it ended. 0 with *ret_status: the exit code, or 128 +
 * signal.
 */
int proc_reap(int *ret_status, int pidfd);

/* Send SIG by pidfd_send_signal(2). 0, or negative errno (-ESRCH when it is gone). */
int proc_signal(int pidfd, int sig);

/* pidfd_open(2) for PID: fd or negative errno. */
int proc_pidfd_open(pid_t pid);

/*
 * Start time of PID in clock ticks since boot (field 22 of /proc/PID/stat), to tell a reused pid. 0
 * or negative.
 */
int proc_start_time(uint64_t *ret, pid_t pid);

/*
 * Run a program to its end, capturing stdout and stderr together, at most MAX_OUTPUT bytes.
 * Blocking: for workers, tests and one-shot commands, never on the daemon's loop. 0 with
 * *ret_status (as proc_reap) and *ret_output (owned by the caller, may be NULL pointer argument),
 * or negative errno.
 */
int proc_run(int *ret_status, char **ret_output, const struct proc_spec *spec, size_t max_output,
	     struct err *err);

/*
 * The absolute path of a helper executable NAME ("recond-scan"): $RECOND_LIBEXEC if set, else the
 * directory of the running executable when NAME lies there (a build tree), else the installed
 * libexec directory. Owned by the caller.
 */
char *proc_libexec(const char *name);
