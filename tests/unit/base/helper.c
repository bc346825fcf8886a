/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child of the tests of proc and worker. Its first argument says how it behaves; as a worker it
 * misbehaves in every way that recond has to survive.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/str.h"

#define WORKER_FD 3

/* One line per open fd: number and what it is. */
static int list_fds(char **args)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	(void)args;
	while (d && (e = readdir(d))) {
		char target[256];
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (e->d_name[0] == '.' || n < 0)
			continue;
		target[n] = '\0';
		/* not the one this listing needs */
		if (!strstr(target, "/proc/"))
			(void)dprintf(STDOUT_FILENO, "%s %s\n", e->d_name, target);
	}
	return d ? closedir(d) : 1;
}

static int list_env(char **args)
{
	(void)args;
	for (char **e = environ; *e; e++)
		(void)dprintf(STDOUT_FILENO, "%s\n", *e);
	return 0;
}

/* Blocked, ignored and caught signals; session; limits. */
static int show_state(char **args)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	struct rlimit files, cpu;

	(void)args;
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "SigBlk", 6) == 0 || strncmp(line, "SigIgn", 6) == 0)
			(void)dprintf(STDOUT_FILENO, "%s", line);
	if (f)
		(void)fclose(f);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)getrlimit(RLIMIT_CPU, &cpu);
	(void)dprintf(STDOUT_FILENO, "leader %d\nnofile %llu\ncpu %llu\n", getsid(0) == getpid(),
		      (unsigned long long)files.rlim_cur, (unsigned long long)cpu.rlim_cur);
	return 0;
}

static int copy_stdin(char **args)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	(void)args;
	(void)dprintf(STDOUT_FILENO, "out:%.*s", n > 0 ? (int)n : 0, buf);
	(void)dprintf(STDERR_FILENO, "err");
	return 3;
}

static int exit_with(char **args)
{
	return args[0][0] - '0';
}

static int __attribute__((noreturn)) hang(char **args)
{
	(void)args;
	for (;;)
		(void)pause();
}

static int crash(char **args)
{
	(void)args;
	(void)dprintf(STDERR_FILENO, "about to \x1b[31mcrash\n");
	(void)ipc_send(WORKER_FD, 1, "last words", 10);
	/* AddressSanitizer would turn it into an exit code. */
	(void)sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	(void)raise(SIGSEGV);
	return 0;
}

static int flood(char **args)
{
	static char block[4096];

	(void)args;
	memset(block, 'x', sizeof(block));
	for (;;)
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0)
			return 1;
}

/* Send each message back until the input ends. */
static int echo(char **args)
{
	struct ipc_msg m;
	int r;

	(void)args;
	while ((r = ipc_recv(WORKER_FD, &m)) > 0) {
		r = ipc_send(WORKER_FD, m.type, m.data, m.len);
		ipc_msg_deinit(&m);
		if (r < 0)
			return 1;
	}
	return r < 0 ? 2 : 0;
}

/* args[0] messages of args[1] bytes, in one go. */
static int messages(char **args)
{
	uint64_t n = 0, size = 0;
	autofree char *data = NULL;

	(void)str_parse_u64(&n, args[0], 0, 1000000);
	(void)str_parse_u64(&size, args[1], 0, IPC_MAX_BYTES);
	data = mem_calloc(size + 1, 1);
	for (uint64_t i = 0; i < n; i++)
		if (ipc_send(WORKER_FD, 1, data, size) < 0)
			return 1;
	return 0;
}

static int write_raw(const void *data, size_t n)
{
	return write(WORKER_FD, data, n) == (ssize_t)n ? 0 : 1;
}

static int garbage(char **args)
{
	static const char text[] = "HTTP/1.1 200 OK\r\n\r\n";

	(void)ipc_send(WORKER_FD, 1, "good", 4);
	(void)write_raw(text, sizeof(text) - 1);
	hang(args);
}

static int oversize(char **args)
{
	const uint32_t header[] = {IPC_MAX_BYTES + 1, 1};

	(void)write_raw(header, sizeof(header));
	hang(args);
}

/* Half a message, and then a success. */
static int truncated(char **args)
{
	const uint32_t header[] = {100, 1};

	(void)args;
	return write_raw(header, sizeof(header)) || write_raw("half", 4);
}

/* Ends, but a child of it keeps socket and stderr. It goes away when the test's end of the socket
 * does. */
static int grandchild(char **args)
{
	char c;

	(void)args;
	(void)ipc_send(WORKER_FD, 1, "done", 4);
	if (fork() > 0)
		return 0;
	(void)setsid();
	while (read(WORKER_FD, &c, 1) > 0)
		;
	return 0;
}

/* Closes the socket and goes on for a while. */
static int closes(char **args)
{
	(void)args;
	(void)ipc_send(WORKER_FD, 1, "bye", 3);
	(void)close(WORKER_FD);
	(void)usleep(50 * 1000);
	return 4;
}

/* args[0] bytes of stderr, the last of them "END". */
static int noisy(char **args)
{
	uint64_t n = 0;

	(void)str_parse_u64(&n, args[0], 0, 10000000);
	for (uint64_t i = 0; i < n; i++)
		(void)fputc('e', stderr);
	(void)fprintf(stderr, "END\n");
	return 1;
}

/* What WORKER_FD + 1 holds. */
static int passed(char **args)
{
	char buf[64];
	ssize_t n = read(WORKER_FD + 1, buf, sizeof(buf));

	(void)args;
	return n < 0 ? 1 : ipc_send(WORKER_FD, 1, buf, (size_t)n);
}

static int pdeathsig(char **args)
{
	int sig = 0;

	(void)args;
	(void)prctl(PR_GET_PDEATHSIG, &sig);
	return sig;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(char **args);
	} modes[] = {
		{"fds", list_fds},        {"env", list_env},          {"state", show_state},
		{"stdin", copy_stdin},    {"exit", exit_with},        {"hang", hang},
		{"crash", crash},         {"flood", flood},           {"echo", echo},
		{"messages", messages},   {"garbage", garbage},       {"oversize", oversize},
		{"truncated", truncated}, {"grandchild", grandchild}, {"closes", closes},
		{"noisy", noisy},         {"passed", passed},         {"pdeathsig", pdeathsig},
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes) && argc > 1; i++)
		if (str_eq(argv[1], modes[i].name))
			return modes[i].fn(argv + 2);
	return 99;
}
