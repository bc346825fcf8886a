/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told, over a socket of the test's own in NOTIFY_SOCKET. No test
 * measures how long something took.
 */
#include "cmd/supervise.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/loop.h"
#include "base/str.h"
#include "tests/unit/policy/lib.h"

#define WAIT_MS 10000

static char dir[] = "/tmp/recond-supervise.XXXXXX";
static char db[64];
static struct still_world world;
static sd_event *loop;
static struct store *store;
static struct supervise *supervise;
static int manager = -1;

/* A service manager that listens, with a watchdog of PERIOD_US ("": none). */
static void begin(bool on_disk, const char *period_us)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct err err = {0};

	cr_assert(mkdtemp(dir));
	(void)snprintf(db, sizeof(db), "%s/db", dir);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/n", dir);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	if (*period_us)
		cr_assert_eq(setenv("WATCHDOG_USEC", period_us, 1), 0);
	cr_assert_eq(loop_new(&loop, &err), 0, "%s", err.message);
	store = store_in(&world, on_disk ? db : NULL);
	cr_assert_eq(supervise_new(&supervise, loop, store, &err), 0, "%s", err.message);
}

static void end(void)
{
	supervise = supervise_free(supervise);
	store = store_free(store);
	loop = sd_event_unref(loop);
	(void)close(manager);
	cr_assert_eq(fs_remove_tree(AT_FDCWD, dir), 0);
}

/* The next message; "" when there is none. */
static const char *said(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Turn the loop until a message that begins with START came. */
static bool hears(const char *start)
{
	uint64_t deadline = clock_boottime_ms() + WAIT_MS;

	while (clock_boottime_ms() < deadline) {
		const char *text = said();

		if (*text && str_skip_prefix(text, start))
			return true;
		if (!*text)
			(void)sd_event_run(loop, 20000);
	}
	return false;
}

static void end_loop(void *data UNUSED)
{
	(void)sd_event_exit(loop, 0);
}

static void app(const char *name, const char *phase)
{
	autofree char *text = mem_asprintf("{'apiVersion': 'recond.dev/v1', 'kind': 'App', "
					   "'metadata': {'name': '%s'}, 'status': {'phase': '%s'}}",
					   name, phase);

	(void)create(store, text);
}

static void pod(const char *name, const char *ready)
{
	autofree char *text = mem_asprintf(
		"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': '%s', 'namespace': 'n'}, "
		"'status': {'conditions': [{'type': 'Ready', 'status': '%s'}]}}",
		name, ready);

	(void)create(store, text);
}

static void expect_text(const char *want)
{
	autofree char *got = supervise_text(store);

	cr_expect_str_eq(got, want);
}

Test(supervise, the_line_of_counts_names_what_there_is)
{
	begin(false, "");
	expect_text("0 apps; 0 pods");
	app("a", "Held");
	expect_text("1 app: 1 held; 0 pods");
	app("b", "Verified");
	app("c", "Verified");
	pod("p", "True");
	expect_text("3 apps: 2 verified, 1 held; 1 pod: 1 ready");
	app("d", "");
	pod("q", "False");
	expect_text("4 apps: 2 verified, 1 held; 2 pods: 1 ready");
	end();
}

Test(supervise, nothing_is_said_before_ready_and_the_end_is)
{
	begin(false, "");
	app("a", "Waiting");
	cr_expect_str_eq(said(), "");
	supervise_ready(supervise);
	cr_expect_str_eq(said(), "STATUS=1 app: 1 waiting; 0 pods");
	cr_expect_str_eq(said(), "READY=1");
	cr_expect_str_eq(said(), "", "no watchdog was asked for");
	supervise = supervise_free(supervise);
	cr_expect_str_eq(said(), "STOPPING=1");
	end();
}

Test(supervise, many_changes_make_one_line_and_what_does_not_count_makes_none)
{
	begin(false, "");
	supervise_ready(supervise);
	cr_assert(hears("READY=1"));
	(void)create(store, "{'apiVersion': 'v1', 'kind': 'ConfigMap', "
			    "'metadata': {'name': 'c', 'namespace': 'n'}}");
	app("a", "Verified");
	pod("p", "True");
	pod("q", "True");
	cr_assert(hears("STATUS="));
	expect_text("1 app: 1 verified; 2 pods: 2 ready");
	cr_expect_str_eq(said(), "");
	end();
}

Test(supervise, the_watchdog_hears_of_us_as_long_as_the_store_can_be_read)
{
	sqlite3 *other = NULL;
	sd_event_source *timer = NULL;

	begin(true, "40000");
	supervise_ready(supervise);
	for (int i = 0; i < 5; i++)
		cr_expect(hears("WATCHDOG=1"), "ping %d", i);
	cr_assert_eq(sqlite3_open(db, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "DROP TABLE meta", NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_close(other), SQLITE_OK);
	while (*said())
		;
	cr_assert_eq(loop_timer(&timer, loop, 100, end_loop, NULL), 0);
	cr_assert_eq(sd_event_loop(loop), 0);
	sd_event_source_disable_unref(timer);
	cr_expect_str_eq(said(), "", "no life without a store");
	end();
}

Test(supervise, a_watchdog_of_another_process_is_not_ours)
{
	cr_assert_eq(setenv("WATCHDOG_PID", "1", 1), 0);
	begin(false, "40000");
	supervise_ready(supervise);
	cr_expect(hears("READY=1"));
	cr_expect_str_eq(said(), "");
	end();
}

static const struct {
	const char *sentence, *n;
	int r, fd;
} passed_on[] = {
	{"none", NULL, 0, 0},
	{"one", "1", 0, 3},
	{"a second look finds none", NULL, 0, 0},
	{"two are one too many", "2", -EINVAL, 77},
	{"nonsense", "x", -EINVAL, 77},
};

/* In a child: descriptors 3 and 4 are the test library's. The number of the case that failed, from
 * 1. */
static int take_sockets(void)
{
	autofree char *pid = mem_asprintf("%d", (int)getpid());

	if (dup2(STDERR_FILENO, 3) < 0 || dup2(STDERR_FILENO, 4) < 0 ||
	    setenv("LISTEN_PID", pid, 1) < 0)
		return 100;
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
		struct err err = {0};
		int fd = 77;

		if (passed_on[i].n && (setenv("LISTEN_PID", pid, 1) < 0 ||
				       setenv("LISTEN_FDS", passed_on[i].n, 1) < 0))
			return 100;
		if (supervise_listen_fd(&fd, &err) != passed_on[i].r || fd != passed_on[i].fd)
			return (int)i + 1;
	}
	return fcntl(3, F_GETFD) & FD_CLOEXEC ? 0 : 101; /* no child gets it */
}

Test(supervise, sockets_passed_on)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(take_sockets());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), 0, "case %d: %s", WEXITSTATUS(status),
		     WEXITSTATUS(status) > 0 && WEXITSTATUS(status) <= (int)ARRAY_SIZE(passed_on)
			     ? passed_on[WEXITSTATUS(status) - 1].sentence
			     : "");
}
