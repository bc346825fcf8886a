/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker recond-notify as the daemon sees it: what it answers to hooks that work, fail, hang
 * and leave something behind.
 */
#include <criterion/criterion.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/worker.h"
#include "cmd/notify_priv.h"

struct run {
	sd_event *loop;
	json_t *result;
	int status;
};

static void on_message(struct worker *w UNUSED, const struct ipc_msg *m, void *data)
{
	struct run *run = data;

	cr_assert_eq(m->type, NOTIFY_MSG_RESULT);
	cr_assert_null(run->result, "one answer");
	run->result = json_loadb(m->data, m->len, 0, NULL);
}

static void on_end(struct worker *w, int status, void *data)
{
	struct run *run = data;

	run->status = status;
	(void)worker_free(w);
	(void)sd_event_exit(run->loop, 0);
}

/* The answer to HOOK (JSON with ' for "), owned by the caller; NULL when the worker died. */
static json_t *deliver(const char *hook, int64_t timeout_ms)
{
	struct run run = {.status = -1};
	const struct worker_options options = {.name = "recond-notify",
					       .deadline_ms = 60000,
					       .pass_fd = -1,
					       .on_message = on_message,
					       .on_end = on_end,
					       .data = &run};
	autofree char *text = mem_strdup(hook);
	autojson *request = NULL;
	struct worker *w;
	struct err err = {};

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	request = json_pack("{s:o, s:{s:s, s:s}, s:I}", "hook", json_loads(text, 0, NULL), "event",
			    "type", "held", "app", "web", "timeoutMs", (json_int_t)timeout_ms);
	cr_assert(request, "%s", hook);
	cr_assert_eq(loop_new(&run.loop, &err), 0);
	cr_assert_eq(worker_spawn(&w, run.loop, &options, &err), 0, "%s", err.message);
	worker_send_json(w, NOTIFY_MSG_REQUEST, request);
	worker_finish_input(w);
	(void)sd_event_loop(run.loop);
	sd_event_unref(run.loop);
	cr_expect_eq(run.status, 0, "%s: the worker ended with %d", hook, run.status);
	return run.result;
}

/* Tests run as root or not; a hook may always run as whoever runs the test. */
static char *as_me(const char *words)
{
	const struct passwd *me = getpwuid(geteuid());

	cr_assert(me, "whoever runs this has no name");
	return mem_asprintf("{'user': '%s', 'command': [%s]}", me->pw_name, words);
}

/* clang-format off */
static const struct {
	const char *sentence;
	const char *words; /* of the command */
	bool ok;
	const char *message; /* "" or a part of it */
} commands[] = {
	{ "a command that works", "'/bin/true'", true, "" },
	{ "a command that gets the event", "'/bin/sh', '-c', 'read l && test \\\"$l\\\" = {\\\\\\\"app\\\\\\\":\\\\\\\"web\\\\\\\",\\\\\\\"type\\\\\\\":\\\\\\\"held\\\\\\\"}'", true, "" },
	{ "the environment is ours alone", "'/bin/sh', '-c', 'test $RECOND_EVENT-$RECOND_APP = held-web && test -z \\\"$HOME\\\"'", true, "" },
	{ "no descriptor but three", "'/bin/sh', '-c', 'test $(ls /proc/$$/fd | wc -l) -le 4'", true, "" },
	{ "one that fails", "'/bin/sh', '-c', 'exit 3'", false, "the command ended with 3" },
	{ "one that says why", "'/bin/sh', '-c', 'echo so >&2; exit 3'", false, "the command ended with 3: so" },
	{ "what it says is escaped", "'/bin/sh', '-c', 'printf \\\"\\\\\\\\033[2J\\\"; exit 1'", false, "\\x1b[2J" },
	{ "one that is killed", "'/bin/sh', '-c', 'kill -9 $$'", false, "the command ended with 137" },
	{ "one that is not there", "'/no/such/program'", false, "'/no/such/program': No such file or directory" },
	{ "one that talks without end of what is kept", "'/bin/sh', '-c', 'head -c 1000000 /dev/zero | tr \\\\\\\\0 a; exit 1'", false, "aaaa" },
};
/* clang-format on */

Test(notify, commands)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		autofree char *hook = as_me(commands[i].words);
		autojson *result = deliver(hook, 20000);
		const char *message = json_path_str(result, "message", "none");

		cr_expect_eq(json_path_bool(result, "ok", !commands[i].ok), commands[i].ok,
			     "%s: %s", commands[i].sentence, message);
		cr_expect(strstr(message, commands[i].message), "%s: got '%s'",
			  commands[i].sentence, message);
		cr_expect_lt(strlen(message), 5000, "%s", commands[i].sentence);
		cr_expect_not(json_path_bool(result, "transient", true), "%s",
			      commands[i].sentence);
	}
}

Test(notify, a_command_that_hangs_is_ended_with_all_it_started)
{
	char path[] = "/tmp/recond-notify.XXXXXX";
	int fd = mkstemp(path);
	autofree char *words = mem_asprintf(
		"'/bin/sh', '-c', 'setsid sh -c \\\"sleep 1000 & echo \\\\$! >%s; wait\\\" & sleep 1000'",
		path);
	autofree char *hook = as_me(words);
	autojson *result = deliver(hook, 1000);
	char text[32] = "";
	int pid;

	cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
	pid = (int)strtol(text, NULL, 10);
	cr_assert_gt(pid, 1);
	cr_expect_lt(kill(pid, 0), 0, "what it left behind still runs");
	cr_expect_str_eq(json_path_str(result, "message", ""), "did not end within 1 s");
	(void)close(fd);
	(void)unlink(path);
}

Test(notify, a_server_that_is_not_there_may_come_back)
{
	autojson *result = deliver("{'webhook': {'url': 'http://127.0.0.1:1/x'}}", 20000);

	cr_expect_not(json_path_bool(result, "ok", true));
	cr_expect(json_path_bool(result, "transient", false), "%s",
		  json_path_str(result, "message", ""));
	cr_expect(strstr(json_path_str(result, "message", ""), "127.0.0.1"), "%s",
		  json_path_str(result, "message", ""));
}

Test(notify, a_key_that_cannot_be_used_sends_nothing)
{
	autojson *result = deliver(
		"{'webhook': {'url': 'http://127.0.0.1:1/x', 'secretFile': '/etc/passwd'}}", 20000);

	cr_expect_not(json_path_bool(result, "ok", true));
	cr_expect_not(json_path_bool(result, "transient", true));
	cr_expect(strstr(json_path_str(result, "message", ""), "others can read it"), "%s",
		  json_path_str(result, "message", ""));
}
