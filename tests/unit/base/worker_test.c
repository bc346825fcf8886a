/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that behave, crash, hang, send garbage: the daemon's side gets every message, one end,
 * and no surprise.
 */
#include "base/worker.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/str.h"

struct run {
	sd_event *loop;
	sd_event_source *guard;
	struct worker *worker;
	size_t messages, bytes;
	uint32_t last_type;
	char last[64];
	int ends, status;
	size_t free_at;   /* free the worker in its n-th message, 0 never */
	size_t finish_at; /* end the input in the n-th message */
	char stderr_text[8192];
};

static void on_message(struct worker *w, const struct ipc_msg *m, void *data)
{
	struct run *run = data;

	cr_expect_eq(run->ends, 0, "a message after the end");
	cr_expect_eq(m->data[m->len], '\0');
	run->messages++;
	run->bytes += m->len;
	run->last_type = m->type;
	(void)snprintf(run->last, sizeof(run->last), "%s", m->data);
	if (run->messages == run->finish_at)
		worker_finish_input(w);
	if (run->messages == run->free_at) {
		run->worker = worker_free(w);
		(void)sd_event_exit(run->loop, 0);
	}
}

static void on_end(struct worker *w, int status, void *data)
{
	struct run *run = data;

	run->ends++;
	run->status = status;
	(void)snprintf(run->stderr_text, sizeof(run->stderr_text), "%s", worker_stderr(w));
	run->worker = worker_free(w);
	(void)sd_event_exit(run->loop, 0);
}

static void give_up(void *data)
{
	(void)sd_event_exit(data, 1);
}

static void setup(void)
{
	cr_assert_eq(setenv("RECOND_LIBEXEC", HELPER_DIR, 1), 0);
}

TestSuite(worker, .init = setup);

static void start_with(struct run *run, struct worker_options o, const char *const *args)
{
	struct err e = {0};

	cr_assert_eq(loop_new(&run->loop, &e), 0);
	cr_assert_eq(loop_timer(&run->guard, run->loop, 30000, give_up, run->loop), 0);
	o.name = "base_helper";
	o.args = args;
	o.on_message = on_message;
	o.on_end = on_end;
	o.data = run;
	cr_assert_eq(worker_spawn(&run->worker, run->loop, &o, &e), 0, "%s", e.message);
	cr_expect(run->messages == 0 && run->ends == 0, "a callback before the spawn returned");
}

static void start(struct run *run, const char *const *args)
{
	start_with(run, (struct worker_options){.pass_fd = -1}, args);
}

static void finish(struct run *run)
{
	cr_expect_eq(sd_event_loop(run->loop), 0, "did not end");
	worker_free(run->worker);
	sd_event_source_disable_unref(run->guard);
	sd_event_unref(run->loop);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(worker, echoes_and_ends_with_its_input)
{
	struct run run = {.finish_at = 3};

	start(&run, ARGS("echo"));
	worker_send(run.worker, 5, "one", 3);
	worker_send(run.worker, 6, NULL, 0);
	worker_send(run.worker, 7, "three", 5);
	finish(&run);
	cr_expect_eq(run.messages, 3);
	cr_expect_eq(run.last_type, 7);
	cr_expect_str_eq(run.last, "three");
	cr_expect_eq(run.ends, 1);
	cr_expect_eq(run.status, 0);
}

Test(worker, input_may_be_finished_at_once)
{
	struct run run = {0};
	json_t *j = json_pack("{s:b}", "x", 1);

	start(&run, ARGS("echo"));
	worker_send_json(run.worker, 1, j);
	worker_finish_input(run.worker);
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_str_eq(run.last, "{\"x\":true}");
	cr_expect_eq(run.status, 0);
	json_decref(j);
}

/* More than the sockets hold in both directions at once. */
Test(worker, large_messages_both_ways)
{
	enum { SIZE = 8 << 20 };
	autofree char *data = mem_calloc(SIZE, 1);
	struct run run = {.finish_at = 3};

	start(&run, ARGS("echo"));
	for (int i = 0; i < 3; i++)
		worker_send(run.worker, 1, data, SIZE);
	finish(&run);
	cr_expect_eq(run.messages, 3);
	cr_expect_eq(run.bytes, (size_t)3 * SIZE);
	cr_expect_eq(run.status, 0);
}

Test(worker, every_message_arrives_before_the_end)
{
	for (int i = 0; i < 20; i++) {
		struct run run = {0};

		start(&run, ARGS("messages", "3000", "40"));
		finish(&run);
		cr_expect_eq(run.messages, 3000, "run %d: %zu messages", i, run.messages);
		cr_expect_eq(run.status, 0);
	}
}

Test(worker, a_crash_is_a_status_and_loses_no_message)
{
	struct run run = {0};

	start(&run, ARGS("crash"));
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_str_eq(run.last, "last words");
	cr_expect_eq(run.status, 128 + SIGSEGV, "status %d", run.status);
	cr_expect_str_eq(run.stderr_text, "about to \\x1b[31mcrash");
}

Test(worker, a_hang_ends_at_the_deadline)
{
	struct run run = {0};

	start_with(&run, (struct worker_options){.pass_fd = -1, .deadline_ms = 50}, ARGS("hang"));
	finish(&run);
	cr_expect_eq(run.ends, 1);
	cr_expect_eq(run.status, -ETIMEDOUT);
}

Test(worker, garbage_kills)
{
	struct run run = {0};

	start(&run, ARGS("garbage"));
	finish(&run);
	cr_expect_eq(run.messages, 1, "what came before it is good");
	cr_expect_eq(run.status, -EBADMSG);
}

Test(worker, an_oversize_frame_kills)
{
	struct run run = {0};

	start(&run, ARGS("oversize"));
	finish(&run);
	cr_expect_eq(run.messages, 0);
	cr_expect_eq(run.status, -EBADMSG);
}

Test(worker, half_a_message_is_no_success)
{
	struct run run = {0};

	start(&run, ARGS("truncated"));
	finish(&run);
	cr_expect_eq(run.messages, 0);
	cr_expect_eq(run.status, -EBADMSG);
}

Test(worker, a_grandchild_with_the_socket_is_not_waited_for)
{
	struct run run = {0};

	start(&run, ARGS("grandchild"));
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_eq(run.status, 0);
}

Test(worker, a_closed_socket_is_not_the_end)
{
	struct run run = {0};

	start(&run, ARGS("closes"));
	worker_send(run.worker, 1, "nobody reads this", 17);
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_eq(run.status, 4);
}

Test(worker, killing_ends_it)
{
	struct run run = {0};

	start(&run, ARGS("hang"));
	worker_kill(run.worker);
	worker_kill(run.worker);
	finish(&run);
	cr_expect_eq(run.status, 128 + SIGKILL);
}

Test(worker, may_be_freed_in_its_message)
{
	struct run run = {.free_at = 2};

	start(&run, ARGS("messages", "100000", "40"));
	finish(&run);
	cr_expect_eq(run.messages, 2);
	cr_expect_eq(run.ends, 0, "a freed worker calls nobody");
}

/* Wait for the child to end without reaping it. */
static void await_child(void)
{
	siginfo_t si;

	cr_assert_eq(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
}

/* Longer than one read: the loop sees the end of the process before the rest of the message. */
Test(worker, what_a_dead_process_left_is_read_before_the_end)
{
	struct run run = {0};

	start(&run, ARGS("messages", "1", "100000"));
	await_child();
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_eq(run.status, 0, "status %d", run.status);
}

Test(worker, may_be_freed_in_a_message_of_a_dead_process)
{
	struct run run = {.free_at = 1};

	start(&run, ARGS("messages", "1", "100000"));
	await_child();
	finish(&run);
	cr_expect_eq(run.messages, 1);
	cr_expect_eq(run.ends, 0);
}

static bool have_children(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

Test(worker, freeing_kills_and_leaves_no_zombie)
{
	struct run run = {0};

	cr_expect_null(worker_free(NULL));
	start(&run, ARGS("hang"));
	cr_expect(have_children());
	run.worker = worker_free(run.worker);
	for (int i = 0; i < 1000 && have_children(); i++)
		(void)sd_event_run(run.loop, 10000);
	cr_expect_not(have_children());
	cr_expect_eq(run.ends, 0);
	(void)sd_event_exit(run.loop, 0);
	finish(&run);
}

Test(worker, stderr_is_kept_to_its_tail)
{
	static const struct {
		const char *name, *n;
		size_t want;
	} cases[] = {
		{"short", "10", 13},
		{"long", "100000", 4095}, /* the final line break belongs to the 4096 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run run = {0};
		size_t n;

		start(&run, ARGS("noisy", cases[i].n));
		finish(&run);
		n = strlen(run.stderr_text);
		cr_expect_eq(run.status, 1);
		cr_expect_eq(n, cases[i].want, "%s: %zu bytes", cases[i].name, n);
		cr_expect_str_eq(run.stderr_text + n - 4, "eEND", "%s", cases[i].name);
	}
}

Test(worker, an_fd_is_passed)
{
	struct run run = {0};
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	cr_assert_eq(write(p[1], "through", 7), 7);
	(void)close(p[1]);
	start_with(&run, (struct worker_options){.pass_fd = p[0], .no_network = true},
		   ARGS("passed"));
	finish(&run);
	cr_expect_str_eq(run.last, "through");
	cr_expect_geq(fcntl(p[0], F_GETFD), 0, "the caller keeps its fd");
	(void)close(p[0]);
}

Test(worker, a_missing_executable_is_an_error_of_the_start)
{
	struct worker_options o = {.name = "no-such-worker", .pass_fd = -1, .on_end = on_end};
	struct worker *w = NULL;
	struct err e = {0};
	sd_event *loop = NULL;

	cr_assert_eq(loop_new(&loop, &e), 0);
	cr_expect_eq(worker_spawn(&w, loop, &o, &e), -ENOENT);
	cr_expect_null(w);
	cr_expect_str_eq(e.message, "worker no-such-worker: start " HELPER_DIR
				    "/no-such-worker: exec: No such file or directory");
	sd_event_unref(loop);
}
