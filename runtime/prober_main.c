/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond-prober: checks over the network, many at once, for as long as the daemon has some. It
 * reads what containers answer and needs nothing for that but sockets: it is nobody, without
 * capabilities, and may read what name resolution needs and no other file.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/worker.h"
#include "runtime/probe.h"
#include "runtime/prober_service.h"

#define NOBODY 65534

/* Files that a look-up of a name reads, and the certificates' code that TLS may load. */
static const char *const readable[] = {
	"/etc",  "/usr/lib", "/usr/share", "/lib", "/lib64", "/run/systemd/resolve",
#ifdef __SANITIZE_ADDRESS__
	"/proc", /* the leak checker looks at itself */
#endif
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All that the first version of landlock knows. */
#define HANDLED ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static int confine_files(void)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	autoclose int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0) /* a kernel without: the user it runs as has to do */
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		autoclose int fd = fs_open(readable[i], O_PATH | O_DIRECTORY, 0);
		struct landlock_path_beneath_attr rule = {.allowed_access = READ, .parent_fd = fd};

		if (fd >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
				       &rule, 0) < 0)
			return -errno;
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

static void limit(int resource, rlim_t value)
{
	struct rlimit l = {value, value};

	(void)setrlimit((__rlimit_resource_t)resource, &l);
}

/* As many sockets as may be; no file to write, no core to leave. */
static void limit_all(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		limit(RLIMIT_NOFILE, files.rlim_max);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CORE, 0);
}

static int confine(void)
{
	limit_all();
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	/* A change of user takes this back. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return confine_files();
}

static void on_done(uint64_t seq, bool ok, const char *message, size_t n, void *data UNUSED)
{
	prober_service_answer(WORKER_FD, seq, ok, message, n);
}

static void start(uint64_t seq, const json_t *request, void *data)
{
	probe_set_start(data, seq, request);
}

static void cancel(uint64_t seq, void *data)
{
	probe_set_cancel(data, seq);
}

static int serve(struct err *err)
{
	static const struct prober_service_ops ops = {.start = start, .cancel = cancel};
	_cleanup_(probe_set_freep) struct probe_set *set = NULL;
	sd_event *loop = NULL;
	int r = confine();

	if (r < 0)
		return err_errno(err, r, "give up power");
	r = loop_new(&loop, err);
	if (r == 0)
		r = probe_set_new(&set, loop, on_done, NULL, err);
	if (r == 0)
		r = prober_service_run(loop, WORKER_FD, &ops, set, err);
	set = probe_set_free(set);
	(void)sd_event_unref(loop);
	return r;
}

int main(void)
{
	struct err err = {0};

	(void)signal(SIGPIPE, SIG_IGN);
	if (serve(&err) == 0)
		return EXIT_SUCCESS;
	(void)fprintf(stderr, "recond-prober: %s\n", err.message);
	return EXIT_FAILURE;
}
