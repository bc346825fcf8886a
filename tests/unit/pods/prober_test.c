/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober with its real workers: answers by id, cancellation, workers that die, hang about, or
 * are not needed any more.
 */
#include "runtime/prober.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "probe_server.h"

#define GUARD_MS 30000

struct run {
	sd_event *loop;
	sd_event_source *guard;
	struct prober *prober;
	size_t ends, want;
	bool ok;
	char id[64], message[1024];
};

static void on_done(const char *id, bool ok, const char *message, void *data)
{
	struct run *run = data;

	run->ends++;
	run->ok = ok;
	(void)snprintf(run->id, sizeof(run->id), "%s", id);
	(void)snprintf(run->message, sizeof(run->message), "%s", message);
}

static void on_guard(void *data UNUSED)
{
	cr_assert_fail("no answer");
}

static void run_init(struct run *run, uint64_t idle_ms)
{
	*run = (struct run){.want = 1};
	cr_assert_eq(sd_event_new(&run->loop), 0);
	run->prober = prober_new(run->loop, idle_ms, on_done, run);
	cr_assert_geq(loop_timer(&run->guard, run->loop, GUARD_MS, on_guard, NULL), 0);
}

static void run_deinit(struct run *run)
{
	run->prober = prober_free(run->prober);
	run->guard = sd_event_source_disable_unref(run->guard);
	run->loop = sd_event_unref(run->loop);
}

/* Turn the loop until as many checks ended as wanted. */
static void turn(struct run *run)
{
	while (run->ends < run->want)
		cr_assert_geq(sd_event_run(run->loop, UINT64_MAX), 0);
}

static json_t *request(const char *type, int port, const char *path)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:i}", "type", type, "host", "127.0.0.1", "port",
			 port, "path", path, "timeoutMs", 20000);
}

/* The pid of our child that runs PROGRAM, 0 when there is none. */
static pid_t child_called(const char *program)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0;

	while ((e = readdir(d))) {
		char name[64] = "";
		int parent = 0;
		autofree char *path = mem_asprintf("%s/stat", e->d_name), *text = NULL;
		char state;
		int64_t pid;
		size_t n;

		if (fs_read_at(&text, &n, dirfd(d), path, 4096) < 0 ||
		    sscanf(text, "%*d (%63[^)]) %c %d", name, &state, &parent) != 3)
			continue;
		if (parent == getpid() && state != 'Z' && strncmp(name, program, 15) == 0 &&
		    str_parse_i64(&pid, e->d_name, 1, INT32_MAX) == 0)
			found = (pid_t)pid;
	}
	(void)closedir(d);
	return found;
}

Test(prober, answers_carry_the_id_of_their_check)
{
	struct probe_server server;
	autojson *good = NULL, *bad = NULL;
	struct run run;

	probe_server_start(&server, probe_server_http);
	good = request("httpGet", server.port, "/ok");
	bad = request("httpGet", server.port, "/503");
	run_init(&run, 0);
	cr_expect_eq(child_called("recond-prober"), 0, "a worker before the first check");
	prober_check(run.prober, "u/c/0/readiness", good);
	prober_check(run.prober, "u/c/0/readiness", good);
	cr_expect_eq(prober_open(run.prober), 1, "a repeated id counts once");
	cr_expect_eq(run.ends, 0, "answered before the call returned");
	turn(&run);
	cr_expect(run.ok && str_eq(run.id, "u/c/0/readiness"), "%s %s", run.id, run.message);
	run.want++;
	prober_check(run.prober, "u/c/0/liveness", bad);
	turn(&run);
	cr_expect(!run.ok && str_eq(run.id, "u/c/0/liveness"), "%s", run.id);
	cr_expect(str_eq(run.message, "HTTP probe failed with statuscode: 503"), "%s", run.message);
	cr_expect_eq(prober_open(run.prober), 0);
	run_deinit(&run);
	probe_server_stop(&server);
}

Test(prober, the_network_worker_has_given_up_its_power)
{
	struct probe_server server;
	autojson *hang = NULL;
	autofree char *text = NULL;
	struct run run;
	char path[64];
	size_t n;

	if (geteuid() != 0)
		return;
	probe_server_start(&server, probe_server_http);
	hang = request("httpGet", server.port, "/ok");
	run_init(&run, 60000);
	prober_check(run.prober, "a", hang);
	turn(&run);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)child_called("recond-prober"));
	cr_assert_eq(fs_read_at(&text, &n, AT_FDCWD, path, 65536), 0);
	cr_expect(strstr(text, "Uid:\t65534\t65534\t65534\t65534\n"), "%s", text);
	cr_expect(strstr(text, "Gid:\t65534\t65534\t65534\t65534\n"), "%s", text);
	cr_expect(strstr(text, "Groups:\t \n"), "%s", text);
	cr_expect(strstr(text, "CapPrm:\t0000000000000000\n"), "%s", text);
	cr_expect(strstr(text, "CapEff:\t0000000000000000\n"), "%s", text);
	cr_expect(strstr(text, "NoNewPrivs:\t1\n"), "%s", text);
	run_deinit(&run);
	probe_server_stop(&server);
}

Test(prober, a_cancelled_check_is_not_answered_and_its_id_is_free_again)
{
	struct probe_server server;
	autojson *good = NULL, *hang = NULL;
	struct run run;

	probe_server_start(&server, probe_server_http);
	good = request("httpGet", server.port, "/ok");
	hang = request("httpGet", server.port, "/hang");
	run_init(&run, 0);
	prober_check(run.prober, "a", hang);
	prober_cancel(run.prober, "a");
	prober_cancel(run.prober, "a");
	prober_cancel(run.prober, "nobody");
	prober_check(run.prober, "a", good);
	turn(&run);
	cr_expect(run.ok && str_eq(run.id, "a"), "%s", run.message);
	run_deinit(&run);
	cr_expect_eq(run.ends, 1);
	probe_server_stop(&server);
}

Test(prober, a_worker_that_dies_fails_its_checks_once_and_the_next_starts_another)
{
	struct probe_server server;
	autojson *good = NULL, *hang = NULL;
	struct run run;
	pid_t first;

	probe_server_start(&server, probe_server_http);
	good = request("httpGet", server.port, "/ok");
	hang = request("httpGet", server.port, "/hang");
	run_init(&run, 0);
	prober_check(run.prober, "a", hang);
	prober_check(run.prober, "b", hang);
	prober_check(run.prober, "c", hang);
	/* Killed on the way, and one given up between death and report. */
	first = child_called("recond-prober");
	cr_assert_gt(first, 0);
	(void)kill(first, SIGKILL);
	prober_cancel(run.prober, "c");
	run.want = 2;
	turn(&run);
	cr_expect(!run.ok && strstr(run.message, "recond-prober ended early"), "%s", run.message);
	cr_expect_eq(prober_open(run.prober), 0);
	run.want = 3;
	prober_check(run.prober, "a", good);
	turn(&run);
	cr_expect(run.ok, "%s", run.message);
	cr_expect_neq(child_called("recond-prober"), first);
	run_deinit(&run);
	cr_expect_eq(run.ends, 3);
	probe_server_stop(&server);
}

Test(prober, an_idle_worker_ends)
{
	struct probe_server server;
	autojson *good = NULL;
	struct run run;

	probe_server_start(&server, probe_server_http);
	good = request("httpGet", server.port, "/ok");
	run_init(&run, 1);
	prober_check(run.prober, "a", good);
	turn(&run);
	while (child_called("recond-prober") != 0)
		cr_assert_geq(sd_event_run(run.loop, 10000), 0);
	/* The next check has one again. */
	run.want = 2;
	prober_check(run.prober, "a", good);
	turn(&run);
	cr_expect(run.ok, "%s", run.message);
	run_deinit(&run);
	probe_server_stop(&server);
}

Test(prober, a_check_may_be_started_from_an_answer)
{
	struct run run;
	autojson *exec = json_pack("{s:s, s:[s], s:i, s:n}", "type", "exec", "command", "true",
				   "timeoutMs", 5000, "target");

	run_init(&run, 0);
	for (size_t i = 0; i < 3; i++) {
		run.want = i + 1;
		prober_check(run.prober, "x", exec);
		turn(&run);
		cr_expect(!run.ok && str_eq(run.message, "the container is not running"), "%s",
			  run.message);
	}
	run_deinit(&run);
}

Test(prober, what_is_too_large_is_not_sent)
{
	struct run run;
	autofree char *path = mem_alloc(2u << 20);
	autojson *huge = NULL;

	memset(path, 'x', (2u << 20) - 1);
	path[(2u << 20) - 1] = '\0';
	huge = request("httpGet", 1, path);
	run_init(&run, 0);
	prober_check(run.prober, "x", huge);
	cr_expect_eq(run.ends, 0);
	turn(&run);
	cr_expect(!run.ok && str_eq(run.message, "the check is too large"), "%s", run.message);
	cr_expect_eq(child_called("recond-prober"), 0);
	run_deinit(&run);
}
