/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faultlib.so, to be preloaded: makes calls of libc fail.
 *
 *   FAULTLIB="[PROGRAM/]KIND@WHEN=WHAT;..."
 *
 * PROGRAM  only in the program of this name: its workers inherit the variable in test builds
 * KIND     malloc open read write fsync rename link unlink mkdir mount socket connect fork
 * WHEN     N the n-th call, N+ from the n-th on, %N every n-th, * every one; "each": see below
 * WHAT     a name of errno; "short" (half of a read or write is done); "skip" (nothing is done and
 *          0 returned: an fsync that isn't one)
 *
 * FAULTLIB_REPORT names a file that gets a line for each failure, so that a driver can go through
 * N=1.. until nothing fails any more. Counts are per process, from its constructors on. Own memory
 * is static: malloc is called from here as from anywhere.
 *
 * "each" ("eachK": each K-th) goes through all N in one run: at each call the process forks, and it
 * is the child's call that fails. What became of it is the line in the report: "KIND N EPOCH end
 * STATUS CALLER", or "survived" when the child went on until it would have written something, which
 * ends it. EPOCH counts what the process has written so far. FAULTLIB_SNAPSHOT="FROM:TO" copies the
 * directory FROM to TO/EPOCH before the first failure of each epoch: what every process that dies
 * in it leaves.
 */
#include "tests/fault/faultlib.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_RULES 8
#define MAX_ERRNO 134
#define WHAT_SHORT (-1)
#define WHAT_SKIP (-2)
#define EXIT_SURVIVED 99
#define HANG_S 20 /* a child that is not through by then ends by SIGALRM */

enum fault_kind {
	FAULT_MALLOC,
	FAULT_OPEN,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_FSYNC,
	FAULT_RENAME,
	FAULT_LINK,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_MOUNT,
	FAULT_SOCKET,
	FAULT_CONNECT,
	FAULT_FORK,
	FAULT_N_,
};

static const char *const kind_names[FAULT_N_] = {
	[FAULT_MALLOC] = "malloc", [FAULT_OPEN] = "open",     [FAULT_READ] = "read",
	[FAULT_WRITE] = "write",   [FAULT_FSYNC] = "fsync",   [FAULT_RENAME] = "rename",
	[FAULT_LINK] = "link",     [FAULT_UNLINK] = "unlink", [FAULT_MKDIR] = "mkdir",
	[FAULT_MOUNT] = "mount",   [FAULT_SOCKET] = "socket", [FAULT_CONNECT] = "connect",
	[FAULT_FORK] = "fork",
};

static struct rule {
	enum fault_kind kind;
	unsigned long first, last; /* calls that fail; or */
	unsigned long every;       /* each of these; or */
	bool each;                 /* every one in a child */
	int what;                  /* errno, or WHAT_* */
} rules[MAX_RULES];

static unsigned int n_rules;
static unsigned long calls[FAULT_N_];
static int report_fd = -1;
static bool paused;
static bool is_child; /* of "each" */
static unsigned long epoch, epoch_copied = ~0ul;
static char *snapshot_from, *snapshot_to;
static long (*real_syscall)(long, ...);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
pid_t __libc_fork(void);

/* --- rules --- */

static void malformed(const char *text)
{
	(void)fprintf(stderr, "FAULTLIB: malformed at '%s'\n", text);
	_exit(70);
}

static int parse_what(const char *word)
{
	if (!strcmp(word, "short"))
		return WHAT_SHORT;
	if (!strcmp(word, "skip"))
		return WHAT_SKIP;
	for (int i = 1; i < MAX_ERRNO; i++) {
		const char *name = strerrorname_np(i);

		if (name && !strcmp(name, word))
			return i;
	}
	malformed(word);
	return 0;
}

static void parse_when(struct rule *r, const char *word)
{
	char *end = NULL;

	if (!strcmp(word, "*")) {
		r->first = 1;
		r->last = ~0ul;
		return;
	}
	if (!strncmp(word, "each", 4)) {
		r->each = true;
		r->every = word[4] ? strtoul(word + 4, NULL, 10) : 1;
		if (!r->every)
			malformed(word);
		return;
	}
	if (*word == '%') {
		r->every = strtoul(word + 1, &end, 10);
		if (!r->every || *end)
			malformed(word);
		return;
	}
	r->first = r->last = strtoul(word, &end, 10);
	if (!strcmp(end, "+"))
		r->last = ~0ul;
	else if (*end || !r->first)
		malformed(word);
}

static void parse_rule(char *text)
{
	char *slash = strchr(text, '/'), *at = strchr(text, '@'), *eq = strchr(text, '=');
	struct rule r = {.kind = FAULT_N_};

	if (!at || !eq || eq < at || n_rules == MAX_RULES)
		malformed(text);
	*at = *eq = '\0';
	if (slash) {
		*slash = '\0';
		if (strcmp(text, program_invocation_short_name) != 0)
			return;
		text = slash + 1;
	}
	for (int k = 0; k < FAULT_N_; k++)
		if (!strcmp(kind_names[k], text))
			r.kind = (enum fault_kind)k;
	if (r.kind == FAULT_N_)
		malformed(text);
	parse_when(&r, at + 1);
	r.what = parse_what(eq + 1);
	rules[n_rules++] = r;
}

__attribute__((constructor)) static void faultlib_init(void)
{
	static char copy[1024], snapshot[1024];
	const char *text = getenv("FAULTLIB"), *report = getenv("FAULTLIB_REPORT");
	const char *paths = getenv("FAULTLIB_SNAPSHOT");
	char *save = NULL;

	real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	(void)snprintf(copy, sizeof(copy), "%s", text ? text : "");
	for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save))
		parse_rule(p);
	if (paths && strchr(paths, ':')) {
		(void)snprintf(snapshot, sizeof(snapshot), "%s", paths);
		snapshot_to = strchr(snapshot, ':') + 1;
		snapshot_to[-1] = '\0';
		snapshot_from = snapshot;
	}
	if (report)
		report_fd = (int)real_syscall(SYS_openat, AT_FDCWD, report,
					      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

/* How many calls there were of the kinds that rules name: the last line of a process that ends. */
__attribute__((destructor)) static void faultlib_total(void)
{
	char line[64];

	for (unsigned int i = 0; i < n_rules && report_fd >= 0 && !is_child; i++) {
		int len = snprintf(line, sizeof(line), "total %lu %s\n", calls[rules[i].kind],
				   kind_names[rules[i].kind]);

		(void)real_syscall(SYS_write, report_fd, line, (size_t)len);
	}
}

void faultlib_pause(bool value)
{
	paused = value;
}

/* One line: kind, number, WHAT, and where the call came from as addr2line wants it. */
static void report(enum fault_kind kind, unsigned long n, const char *what, const void *caller)
{
	char line[512];
	Dl_info info = {0};
	int len;

	if (report_fd < 0)
		return;
	(void)dladdr(caller, &info);
	len = snprintf(line, sizeof(line), "%s %lu %s%s+%#lx\n", kind_names[kind], n, what,
		       info.dli_fname ? info.dli_fname : "?",
		       (unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
	(void)real_syscall(SYS_write, report_fd, line, (size_t)len);
}

static void snapshot(void)
{
	char to[PATH_MAX];
	char *const env[] = {NULL};
	int status;
	pid_t pid;

	if (!snapshot_from || epoch == epoch_copied)
		return;
	(void)snprintf(to, sizeof(to), "%s/%lu", snapshot_to, epoch);
	pid = __libc_fork();
	if (pid == 0) {
		(void)execle("/bin/cp", "cp", "-a", snapshot_from, to, NULL, env);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		(void)fprintf(stderr, "FAULTLIB: no copy %s\n", to);
		_exit(70);
	}
	epoch_copied = epoch;
}

/* True in the child, whose call is to fail. */
static bool fail_in_child(enum fault_kind kind, unsigned long n, const void *caller)
{
	char what[64];
	int status = 0;
	pid_t pid;

	snapshot();
	pid = __libc_fork();
	if (pid == 0) {
		is_child = true;
		(void)alarm(HANG_S);
		return true;
	}
	(void)waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SURVIVED)
		(void)snprintf(what, sizeof(what), "%lu survived 0 ", epoch);
	else
		(void)snprintf(what, sizeof(what), "%lu end %d ", epoch,
			       WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	report(kind, n, what, caller);
	return false;
}

/* Something is about to be written: a new epoch, and the end of a child of "each". */
static void writes(void)
{
	if (is_child)
		_exit(EXIT_SURVIVED);
	epoch++;
}

/* Count a call: 0, an errno it fails with, or WHAT_*. */
static int fault(enum fault_kind kind, const void *caller)
{
	unsigned long n;

	if (n_rules == 0 || paused || is_child)
		return 0;
	n = __atomic_add_fetch(&calls[kind], 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];

		if (r->kind != kind)
			continue;
		if (r->each && n % r->every == 0 && fail_in_child(kind, n, caller))
			return r->what;
		if (r->each || (r->every ? n % r->every != 0 : n < r->first || n > r->last))
			continue;
		report(kind, n, "", caller);
		return r->what;
	}
	return 0;
}

#define CALLER __builtin_return_address(0)

/* True when the call is over: errno is set, or the thing is skipped, and the result in *RET. */
static bool over(enum fault_kind kind, const void *caller, long *ret)
{
	int what = fault(kind, caller);

	if (kind >= FAULT_RENAME && kind <= FAULT_MKDIR)
		writes();
	if (what == 0 || what == WHAT_SHORT)
		return false;
	*ret = what == WHAT_SKIP ? 0 : -1;
	if (what > 0)
		errno = what;
	return true;
}

/* --- memory --- */

static bool no_memory(const void *caller)
{
	int what = fault(FAULT_MALLOC, caller);

	if (what)
		errno = ENOMEM;
	return what != 0;
}

void *malloc(size_t size)
{
	return no_memory(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return no_memory(CALLER) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return no_memory(CALLER) ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) || no_memory(CALLER))
		return NULL;
	return __libc_realloc(p, total);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return no_memory(CALLER) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	if (no_memory(CALLER))
		return ENOMEM;
	*ret = __libc_memalign(alignment, size);
	return *ret ? 0 : ENOMEM;
}

/* --- system calls: what they are asked to do is done by the kernel, not by libc's wrapper --- */

#define WRAP(type, name, kind, number, params, ...)                                                \
	type name params                                                                           \
	{                                                                                          \
		long r;                                                                            \
                                                                                                   \
		if (!over(kind, CALLER, &r))                                                       \
			r = real_syscall(number, __VA_ARGS__);                                     \
		return (type)r;                                                                    \
	}

WRAP(int, fsync, FAULT_FSYNC, SYS_fsync, (int fd), fd)
WRAP(int, fdatasync, FAULT_FSYNC, SYS_fdatasync, (int fd), fd)
WRAP(int, syncfs, FAULT_FSYNC, SYS_syncfs, (int fd), fd)
WRAP(int, rename, FAULT_RENAME, SYS_rename, (const char *a, const char *b), a, b)
WRAP(int, renameat, FAULT_RENAME, SYS_renameat, (int x, const char *a, int y, const char *b), x, a,
     y, b)
WRAP(int, renameat2, FAULT_RENAME, SYS_renameat2,
     (int x, const char *a, int y, const char *b, unsigned int flags), x, a, y, b, flags)
WRAP(int, linkat, FAULT_LINK, SYS_linkat, (int x, const char *a, int y, const char *b, int flags),
     x, a, y, b, flags)
WRAP(int, symlinkat, FAULT_LINK, SYS_symlinkat, (const char *a, int y, const char *b), a, y, b)
WRAP(int, unlink, FAULT_UNLINK, SYS_unlink, (const char *a), a)
WRAP(int, unlinkat, FAULT_UNLINK, SYS_unlinkat, (int x, const char *a, int flags), x, a, flags)
WRAP(int, ftruncate64, FAULT_UNLINK, SYS_ftruncate, (int fd, off64_t n), fd, n)
WRAP(int, mkdir, FAULT_MKDIR, SYS_mkdir, (const char *a, mode_t m), a, m)
WRAP(int, mkdirat, FAULT_MKDIR, SYS_mkdirat, (int x, const char *a, mode_t m), x, a, m)
WRAP(int, mount, FAULT_MOUNT, SYS_mount,
     (const char *a, const char *b, const char *t, unsigned long flags, const void *data), a, b, t,
     flags, data)
WRAP(int, fsmount, FAULT_MOUNT, SYS_fsmount, (int fd, unsigned int flags, unsigned int attr), fd,
     flags, attr)
WRAP(int, move_mount, FAULT_MOUNT, SYS_move_mount,
     (int x, const char *a, int y, const char *b, unsigned int flags), x, a, y, b, flags)
WRAP(int, socket, FAULT_SOCKET, SYS_socket, (int domain, int type, int protocol), domain, type,
     protocol)
WRAP(int, socketpair, FAULT_SOCKET, SYS_socketpair, (int domain, int type, int protocol, int fd[2]),
     domain, type, protocol, fd)
WRAP(int, connect, FAULT_CONNECT, SYS_connect, (int fd, const struct sockaddr *a, socklen_t n), fd,
     a, n)

/* --- reads and writes, which can be short --- */

static bool part(enum fault_kind kind, int fd, const void *caller, size_t *n, long *ret)
{
	int what = fault(kind, caller);

	if (kind == FAULT_WRITE && fd > STDERR_FILENO)
		writes();
	if (what == WHAT_SHORT && *n > 1)
		*n /= 2;
	if (what == 0 || what == WHAT_SHORT)
		return false;
	*ret = what == WHAT_SKIP ? (long)*n : -1;
	if (what > 0)
		errno = what;
	return true;
}

#define WRAP_PART(name, kind, number, buf, ...)                                                    \
	{                                                                                          \
		long r;                                                                            \
                                                                                                   \
		if (!part(kind, fd, CALLER, &n, &r))                                               \
			r = real_syscall(number, fd, buf, __VA_ARGS__);                            \
		return r;                                                                          \
	}

ssize_t read(int fd, void *buf, size_t n) WRAP_PART(read, FAULT_READ, SYS_read, buf, n)

	ssize_t pread64(int fd, void *buf, size_t n, off64_t at)
		WRAP_PART(pread64, FAULT_READ, SYS_pread64, buf, n, at)

			ssize_t
	write(int fd, const void *buf, size_t n) WRAP_PART(write, FAULT_WRITE, SYS_write, buf, n)

		ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
			WRAP_PART(pwrite64, FAULT_WRITE, SYS_pwrite64, buf, n, at)

	/* --- opening --- */

	static int do_open(const void *caller, int dirfd, const char *path, int flags, mode_t mode)
{
	long r;

	if (flags & (O_CREAT | O_TRUNC))
		writes();
	if (!over(FAULT_OPEN, caller, &r))
		r = real_syscall(SYS_openat, dirfd, path, flags, mode);
	return (int)r;
}

#define OPEN_MODE(flags)                                                                           \
	({                                                                                         \
		mode_t mode_ = 0;                                                                  \
		va_list ap_;                                                                       \
                                                                                                   \
		va_start(ap_, flags);                                                              \
		if ((flags) & (O_CREAT | __O_TMPFILE))                                             \
			mode_ = va_arg(ap_, mode_t);                                               \
		va_end(ap_);                                                                       \
		mode_;                                                                             \
	})

int open(const char *path, int flags, ...)
{
	return do_open(CALLER, AT_FDCWD, path, flags, OPEN_MODE(flags));
}

int open64(const char *path, int flags, ...)
{
	return do_open(CALLER, AT_FDCWD, path, flags, OPEN_MODE(flags));
}

int openat(int dirfd, const char *path, int flags, ...)
{
	return do_open(CALLER, dirfd, path, flags, OPEN_MODE(flags));
}

int openat64(int dirfd, const char *path, int flags, ...)
{
	return do_open(CALLER, dirfd, path, flags, OPEN_MODE(flags));
}

/* What has no wrapper in every libc comes this way. */
long syscall(long number, ...)
{
	enum fault_kind kind = FAULT_N_;
	long a[6], r;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2)
		kind = FAULT_OPEN;
	else if (number == SYS_fsmount || number == SYS_move_mount || number == SYS_open_tree)
		kind = FAULT_MOUNT;
	if (kind != FAULT_N_ && over(kind, CALLER, &r))
		return r;
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- processes --- */

pid_t fork(void)
{
	long r;

	return over(FAULT_FORK, CALLER, &r) ? (pid_t)r : __libc_fork();
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
		    const posix_spawnattr_t *, char *const[], char *const[]) =
		(__typeof__(real))dlsym(RTLD_NEXT, "posix_spawn");
	long r;

	return over(FAULT_FORK, CALLER, &r) ? errno : real(pid, path, actions, attr, argv, envp);
}
