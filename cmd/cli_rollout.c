/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond scale, recond rollout status and recond rollout restart: what kubectl has of the same name
 * for Deployments.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/fetch.h"
#include "cmd/rollout_view.h"
#include "cmd/target.h"
#include "reconciler/object.h"

#define MERGE_PATCH "application/merge-patch+json"
#define RESTARTED_AT "kubectl.kubernetes.io/restartedAt"
#define REPLICAS_MAX INT32_MAX

static int usage(const char *message)
{
	(void)fprintf(stderr, "error: %s\n", message);
	return COMMAND_EXIT_USAGE;
}

static const char *namespace_of(const struct command_line *line)
{
	return line->values[COMMAND_NAMESPACE] ? line->values[COMMAND_NAMESPACE] : "default";
}

/* What ARGS name, all of them by name. */
static int parse_targets(struct target_list *ret, const char *const *args, size_t n_args)
{
	struct err err = {};

	if (n_args == 0)
		return usage("say which one: KIND/NAME");
	if (target_parse(ret, args, n_args, &err) < 0)
		return usage(err.message);
	for (size_t i = 0; i < ret->n; i++) {
		if (!ret->items[i].name)
			return usage("resource(s) were provided, but no name was specified");
	}
	return COMMAND_EXIT_OK;
}

static void print_done(const struct target *t, const char *what)
{
	autofree char *name = target_describe(t->kind, t->name);

	(void)printf("%s %s\n", name, what);
}

/* ---- scale ---- */

static int scale_one(const struct command_line *line, const struct target *t, int64_t replicas)
{
	autojson *body = json_pack("{s:{s:I}}", "spec", "replicas", (json_int_t)replicas);
	autostrbuf path = STRBUF_INIT;
	struct fetch_change change = {.method = "PATCH", .type = MERGE_PATCH, .body = body};
	int status;

	if (t->kind != KIND_DEPLOYMENT && t->kind != KIND_REPLICASET)
		return usage("only deployments and replica sets can be scaled");
	target_add_path(&path, t, namespace_of(line));
	strbuf_adds(&path, "/scale");
	change.target = strbuf_str(&path);
	status = fetch_send(NULL, line, &change, NULL);
	if (status == COMMAND_EXIT_OK)
		print_done(t, "scaled");
	return status;
}

int cli_scale(const struct command_line *line)
{
	struct target_list targets;
	int64_t replicas;
	int status;

	if (!line->values[COMMAND_REPLICAS])
		return usage("--replicas=N is missing");
	if (str_parse_i64(&replicas, line->values[COMMAND_REPLICAS], 0, REPLICAS_MAX) < 0)
		return usage("--replicas is not a number of pods");
	status = parse_targets(&targets, line->args, line->n_args);
	for (size_t i = 0; status == COMMAND_EXIT_OK && i < targets.n; i++)
		status = scale_one(line, &targets.items[i], replicas);
	return status;
}

/* ---- restart ---- */

static json_t *restart_patch(void)
{
	char now[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(now, clock_realtime_ns());
	return json_pack("{s:{s:{s:{s:{s:s}}}}}", "spec", "template", "metadata", "annotations",
			 RESTARTED_AT, now);
}

static int restart_one(const struct command_line *line, const struct target *t)
{
	autojson *deployment = NULL, *body = restart_patch();
	autostrbuf path = STRBUF_INIT;
	int status;

	if (t->kind != KIND_DEPLOYMENT)
		return usage("only deployments can be restarted");
	target_add_path(&path, t, namespace_of(line));
	status = fetch_json(&deployment, line, strbuf_str(&path), FETCH_JSON, NULL);
	if (status != COMMAND_EXIT_OK)
		return status;
	if (json_path_bool(deployment, "spec.paused", false)) {
		(void)fprintf(stderr,
			      "error: deployments.apps \"%s\" can't restart paused deployment\n",
			      t->name);
		return COMMAND_EXIT_FAILED;
	}
	status = fetch_send(NULL, line,
			    &(struct fetch_change){.method = "PATCH",
						   .target = strbuf_str(&path),
						   .type = MERGE_PATCH,
						   .body = body},
			    NULL);
	if (status == COMMAND_EXIT_OK)
		print_done(t, "restarted");
	return status;
}

/* ---- status ---- */

struct watching {
	struct http_client *c;
	struct strbuf buffer;
	struct strbuf told; /* the last line, which is not said twice */
	uint64_t end_ms;    /* 0: never */
	bool once;
};

static void watching_deinit(struct watching *w)
{
	http_client_free(w->c);
	strbuf_deinit(&w->buffer);
	strbuf_deinit(&w->told);
}

/* Wait for more of the stream: false when the time is over. */
static bool wait_more(const struct watching *w)
{
	struct pollfd p = {.fd = http_client_fd(w->c), .events = POLLIN};
	uint64_t now = clock_boottime_ms();

	if (http_client_pending(w->c) || w->end_ms == 0)
		return true;
	return now < w->end_ms && poll(&p, 1, (int)(w->end_ms - now)) != 0;
}

/* One more event, NULL with the exit status in *ret_status when there is none. */
static json_t *next_event(struct watching *w, int *ret_status)
{
	struct err err = {};
	json_t *event = NULL;
	int r = 1;

	while (r > 0) {
		r = fetch_next_event(&event, &w->buffer, &err);
		if (r > 0)
			return event;
		if (r < 0)
			break;
		if (!wait_more(w)) {
			(void)fprintf(stderr, "error: timed out waiting for the condition\n");
			*ret_status = COMMAND_EXIT_FAILED;
			return NULL;
		}
		r = http_client_read(w->c, &w->buffer, &err);
	}
	(void)fprintf(stderr, "recond: %s\n", r < 0 ? err.message : "the daemon ended the watch");
	*ret_status = COMMAND_EXIT_USAGE;
	return NULL;
}

/* What EVENT says of the rollout: true when that was the last word. */
static bool judge(struct watching *w, const json_t *event, int *ret_status)
{
	const json_t *object = json_object_get(event, "object");
	const char *type = json_path_str(event, "type", "");
	autostrbuf text = STRBUF_INIT;
	enum rollout_state state;

	if (str_eq(type, "ERROR") || str_eq(type, "DELETED")) {
		if (str_eq(type, "ERROR"))
			fetch_print_status(object);
		else
			(void)fprintf(stderr, "error: object has been deleted\n");
		*ret_status = COMMAND_EXIT_FAILED;
		return true;
	}
	state = rollout_view_add(&text, object);
	if (state == ROLLOUT_FAILED)
		(void)fprintf(stderr, "error: %s\n", strbuf_str(&text));
	else if (!str_eq(strbuf_str(&text), strbuf_str(&w->told)))
		(void)printf("%s\n", strbuf_str(&text));
	(void)fflush(stdout);
	strbuf_reset(&w->told);
	strbuf_adds(&w->told, strbuf_str(&text));
	*ret_status = state == ROLLOUT_FAILED ? COMMAND_EXIT_FAILED : COMMAND_EXIT_OK;
	return state != ROLLOUT_WAITING || w->once;
}

static int start_watch(struct watching *w, const struct command_line *line, const struct target *t)
{
	struct target all = {t->kind, NULL};
	autofree char *field = mem_asprintf("metadata.name=%s", t->name);
	autostrbuf path = STRBUF_INIT;

	target_add_path(&path, &all, namespace_of(line));
	target_add_query(&path, "watch", "1");
	target_add_query(&path, "fieldSelector", field);
	return fetch_stream(&w->c, line, strbuf_str(&path), FETCH_JSON);
}

/* A watch tells nothing of what is not there, so that is asked first. */
static int status_of(const struct command_line *line, const struct target *t, uint64_t end_ms)
{
	_cleanup_(watching_deinit) struct watching w = {
		.end_ms = end_ms, .once = line->values[COMMAND_NO_WAIT] != NULL};
	autojson *deployment = NULL;
	autostrbuf path = STRBUF_INIT;
	bool over = false;
	int status;

	if (t->kind != KIND_DEPLOYMENT)
		return usage("only deployments have a rollout");
	target_add_path(&path, t, namespace_of(line));
	status = fetch_json(&deployment, line, strbuf_str(&path), FETCH_JSON, NULL);
	if (status == COMMAND_EXIT_OK)
		status = start_watch(&w, line, t);
	if (status != COMMAND_EXIT_OK)
		return status;
	while (!over) {
		autojson *event = next_event(&w, &status);

		over = !event || judge(&w, event, &status);
	}
	return status;
}

static int rollout_status(const struct command_line *line, const struct target *t)
{
	const char *timeout = line->values[COMMAND_TIMEOUT];
	struct err err = {};
	int64_t seconds = 0;

	if (timeout && duration_parse(&seconds, timeout, &err) < 0)
		return usage(err.message);
	return status_of(line, t, seconds ? clock_boottime_ms() + (uint64_t)seconds * 1000 : 0);
}

/* ---- the command ---- */

int cli_rollout(const struct command_line *line)
{
	static const struct {
		const char *name;
		int (*run)(const struct command_line *line, const struct target *t);
	} verbs[] = {{"status", rollout_status}, {"restart", restart_one}};
	struct target_list targets;
	int status;

	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		if (!str_eq(line->args[0], verbs[v].name))
			continue;
		status = parse_targets(&targets, line->args + 1, line->n_args - 1);
		for (size_t i = 0; status == COMMAND_EXIT_OK && i < targets.n; i++)
			status = verbs[v].run(line, &targets.items[i]);
		return status;
	}
	return usage("rollout has status and restart");
}
