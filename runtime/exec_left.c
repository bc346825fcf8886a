/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crun that has not become the command yet, and what it has forked, is known by its arguments:
 * where its state is, and a container id that no other container has.
 */
#include "runtime/exec_left.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

#define NOTE "commands-stopped"
#define ARGUMENTS_MAX 16384

int exec_left_note(int bundle_fd)
{
	autoclose int fd = fs_open_at(bundle_fd, NOTE, O_WRONLY | O_CREAT, 0600);

	return fd < 0 ? fd : 0;
}

/* Are TEXT's N bytes, each argument with its NUL, those of "crun --root ROOT ... exec ... ID"? */
static bool is_command(const char *text, size_t n, const char *root, const char *id)
{
	bool at_root = false, in_root = false, exec = false;
	const char *last = "";

	for (const char *a = text; a < text + n; a += strlen(a) + 1) {
		in_root |= at_root && str_eq(a, root);
		at_root = str_eq(a, "--root");
		exec |= str_eq(a, "exec");
		last = a;
	}
	return in_root && exec && str_eq(last, id);
}

/* The pidfd was open before the arguments were read, so a reused pid is safe. */
static bool kill_command(int proc_fd, pid_t pid, const char *root, const char *id)
{
	autofree char *name = mem_asprintf("%d/cmdline", (int)pid), *text = NULL;
	autoclose int pidfd = proc_pidfd_open(pid);
	size_t n;

	return pidfd >= 0 && fs_read_at(&text, &n, proc_fd, name, ARGUMENTS_MAX) == 0 &&
	       is_command(text, n, root, id) && proc_signal(pidfd, SIGKILL) == 0;
}

size_t exec_left_kill(int bundle_fd, const char *root, const char *id)
{
	const struct dirent *e;
	struct stat st;
	size_t killed = 0;
	uint64_t pid;
	int proc_fd;
	DIR *d;

	if (fstatat(bundle_fd, NOTE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	proc_fd = fs_open("/proc", O_RDONLY | O_DIRECTORY, 0);
	d = proc_fd < 0 ? NULL : fdopendir(proc_fd);
	while (d && (e = readdir(d)))
		if (str_parse_u64(&pid, e->d_name, 1, INT32_MAX) == 0 &&
		    kill_command(dirfd(d), (pid_t)pid, root, id))
			killed++;
	if (d)
		(void)closedir(d);
	return killed;
}
