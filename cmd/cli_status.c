/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond status: four lists, or four watches kept in one poll loop. A daemon that goes away during
 * a watch is waited for; what is shown then is said to be old.
 */
#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/status_view.h"
#include "cmd/target.h"

#define RETRY_MS 500
#define SETTLE_MS 50   /* events that come together are shown together */
#define REDRAW_MS 1000 /* ages go on while nothing happens */
#define BEGIN_FRAME "\033[?2026h"
#define END_FRAME "\033[?2026l"

static const enum kind kinds[STATUS_LIST_N_] = {
	[STATUS_APPS] = KIND_APP,       [STATUS_DEPLOYMENTS] = KIND_DEPLOYMENT,
	[STATUS_PODS] = KIND_POD,       [STATUS_BUILDS] = KIND_IMAGE,
	[STATUS_SOURCES] = KIND_SOURCE,
};

struct source {
	struct http_client *client; /* NULL: not connected */
	struct strbuf buffer;
	json_t *columns;
	bool synced; /* the initial objects are complete */
};

struct status {
	const struct command_line *line;
	struct status_style style;
	struct status_model model;
	struct source sources[STATUS_LIST_N_];
	bool json;
	bool live;          /* redraw on a terminal; else lines */
	json_t *told;       /* lines already printed */
	unsigned int drawn; /* lines on the terminal that the next frame replaces */
	bool lost;          /* the daemon does not answer */
	uint64_t end_ms;    /* when to give up, 0 = never */
	uint64_t dirty_ms;  /* when the first change not shown came, 0 = none */
};

static void list_path(struct strbuf *path, enum status_list list)
{
	struct target t = {kinds[list], NULL};

	target_add_path(path, &t, NULL);
	target_add_query(path, "includeObject", "Object");
}

/* Printing */

static void look_at_terminal(struct status *s, unsigned int *ret_height)
{
	struct winsize size = {};
	const char *term = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");
	bool terminal = isatty(STDOUT_FILENO) && !str_eq(term ?: "dumb", "dumb");

	if (isatty(STDOUT_FILENO))
		(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	s->style.width = size.ws_col;
	s->style.colour = terminal && !(no_colour && *no_colour);
	s->live = terminal;
	*ret_height = size.ws_row;
}

/* A frame must fit the screen, or moving up does not reach its first line. Returns the lines kept.
 */
static unsigned int cut_lines(struct strbuf *frame, unsigned int height)
{
	unsigned int lines = 0;

	for (size_t i = 0; i < frame->len; i++) {
		if (frame->data[i] != '\n')
			continue;
		lines++;
		if (height > 2 && lines == height - 2 && i + 1 < frame->len) {
			strbuf_truncate(frame, i + 1);
			strbuf_adds(frame, "...\n");
			return lines + 1;
		}
	}
	return lines;
}

static void draw_frame(struct status *s)
{
	autostrbuf frame = STRBUF_INIT;
	unsigned int height;
	unsigned int lines;

	look_at_terminal(s, &height);
	status_view_add(&frame, &s->model, &s->style);
	if (s->lost)
		strbuf_adds(&frame, "recond does not answer; this is how it was\n");
	lines = cut_lines(&frame, height);
	(void)printf(BEGIN_FRAME);
	if (s->drawn > 0)
		(void)printf("\033[%uA\r", s->drawn);
	(void)printf("\033[J%s" END_FRAME, strbuf_str(&frame));
	(void)fflush(stdout);
	s->drawn = lines;
}

static void print_document(const struct status *s, bool compact)
{
	autojson *document = status_view_json(&s->model, &s->style);
	autofree char *text = NULL;

	if (!compact) {
		print_json(document);
		return;
	}
	text = json_canonical(document);
	(void)puts(text);
}

/* What changed since the last time, in the form that was asked for. */
static void show(struct status *s)
{
	if (s->json) {
		print_document(s, true);
	} else if (s->live) {
		draw_frame(s);
	} else {
		autostrbuf lines = STRBUF_INIT;

		status_view_add_changes(&lines, &s->model, &s->style, s->told);
		(void)fputs(strbuf_str(&lines), stdout);
	}
	(void)fflush(stdout);
	s->dirty_ms = 0;
}

/* One look */

static int show_once(struct status *s)
{
	autostrbuf out = STRBUF_INIT;
	unsigned int height;
	const char *missing;

	for (enum status_list l = 0; l < STATUS_LIST_N_; l++) {
		autojson *table = NULL;
		autostrbuf path = STRBUF_INIT;
		int status;

		list_path(&path, l);
		status = fetch_json(&table, s->line, strbuf_str(&path), FETCH_TABLE, NULL);
		if (status != COMMAND_EXIT_OK)
			return COMMAND_EXIT_USAGE;
		status_model_take(&s->model, l, json_object_get(table, "columnDefinitions"), table,
				  false);
	}
	missing = status_view_missing(&s->model, &s->style);
	if (missing) {
		(void)fprintf(stderr,
			      "Error from server (NotFound): apps.recond.dev \"%s\" not found\n",
			      missing);
		return COMMAND_EXIT_FAILED;
	}
	look_at_terminal(s, &height);
	if (s->json) {
		print_document(s, false);
	} else {
		status_view_add(&out, &s->model, &s->style);
		(void)fputs(strbuf_str(&out), stdout);
	}
	return status_view_exit(&s->model, &s->style);
}

/* Watching */

static void disconnect(struct source *src)
{
	src->client = http_client_free(src->client);
	json_decref(src->columns);
	src->columns = NULL;
	strbuf_reset(&src->buffer);
	src->synced = false;
}

static int connect_source(struct status *s, enum status_list l, struct err *err)
{
	struct source *src = &s->sources[l];
	autostrbuf path = STRBUF_INIT;
	int r;

	list_path(&path, l);
	target_add_query(&path, "watch", "1");
	target_add_query(&path, "sendInitialEvents", "true");
	r = http_client_get(&src->client, fetch_socket(s->line), strbuf_str(&path), FETCH_TABLE,
			    err);
	if (r < 0)
		return r;
	if (http_client_status(src->client) != 200)
		return err_set(err, ERR_FATAL, EPROTO, NULL,
			       "the daemon refuses the watch: HTTP status %u",
			       http_client_status(src->client));
	status_model_clear(&s->model, l);
	return 0;
}

/* Connect what is not. 0, or negative errno with ERR: then nothing is connected. */
static int connect_all(struct status *s, struct err *err)
{
	int r = 0;

	for (enum status_list l = 0; l < STATUS_LIST_N_ && r >= 0; l++) {
		if (!s->sources[l].client)
			r = connect_source(s, l, err);
	}
	if (r >= 0)
		return 0;
	for (enum status_list l = 0; l < STATUS_LIST_N_; l++)
		disconnect(&s->sources[l]);
	return r;
}

static void take_event(struct status *s, enum status_list l, const json_t *event)
{
	struct source *src = &s->sources[l];
	const char *type = json_path_str(event, "type", "");
	const json_t *table = json_object_get(event, "object");

	if (str_eq(type, "BOOKMARK")) {
		src->synced = true;
	} else {
		if (json_is_array(json_object_get(table, "columnDefinitions"))) {
			json_decref(src->columns);
			src->columns = json_incref(json_object_get(table, "columnDefinitions"));
		}
		status_model_take(&s->model, l, src->columns, table, str_eq(type, "DELETED"));
	}
	if (s->dirty_ms == 0)
		s->dirty_ms = clock_boottime_ms();
}

/* Read what is there. The end of the stream and every error mean: connect anew. */
static void read_source(struct status *s, enum status_list l)
{
	struct source *src = &s->sources[l];
	struct err err = {};
	int r = http_client_read(src->client, &src->buffer, &err);

	while (r > 0) {
		autojson *event = NULL;

		r = fetch_next_event(&event, &src->buffer, &err);
		if (r == 0)
			return;
		if (r > 0 && str_eq(json_path_str(event, "type", ""), "ERROR"))
			r = -EPIPE;
		if (r > 0)
			take_event(s, l, event);
	}
	disconnect(src);
}

static bool all_synced(const struct status *s)
{
	for (size_t l = 0; l < STATUS_LIST_N_; l++) {
		if (!s->sources[l].synced)
			return false;
	}
	return true;
}

/* Milliseconds until something is to be done even if nothing arrives; -1 = nothing is. */
static int poll_timeout(const struct status *s)
{
	uint64_t now = clock_boottime_ms();
	uint64_t next = UINT64_MAX;

	if (s->live && !s->json)
		next = now + REDRAW_MS;
	if (s->dirty_ms > 0)
		next = s->dirty_ms + SETTLE_MS;
	if (s->end_ms > 0 && s->end_ms < next)
		next = s->end_ms;
	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)(next - now) : 0;
}

static void wait_for_events(struct status *s)
{
	struct pollfd fds[STATUS_LIST_N_];
	int timeout = poll_timeout(s);

	for (size_t l = 0; l < STATUS_LIST_N_; l++) {
		fds[l] = (struct pollfd){.fd = http_client_fd(s->sources[l].client),
					 .events = POLLIN};
		if (http_client_pending(s->sources[l].client))
			timeout = 0;
	}
	(void)poll(fds, STATUS_LIST_N_, timeout);
	for (size_t l = 0; l < STATUS_LIST_N_; l++) {
		if (fds[l].revents || http_client_pending(s->sources[l].client))
			read_source(s, (enum status_list)l);
	}
}

static bool over(const struct status *s)
{
	return s->end_ms > 0 && clock_boottime_ms() >= s->end_ms;
}

/* The daemon is away: say so once, wait a little. */
static void wait_for_daemon(struct status *s, const struct err *err)
{
	if (!s->lost && (!s->live || s->json))
		(void)fprintf(stderr, "recond: %s; waiting for it\n", err->message);
	s->lost = true;
	if (s->live && !s->json)
		draw_frame(s);
	(void)poll(NULL, 0, RETRY_MS);
}

static int watch(struct status *s)
{
	bool wait = s->line->values[COMMAND_WAIT];
	unsigned int height;

	look_at_terminal(s, &height);
	while (!over(s)) {
		struct err err = {};
		uint64_t now;

		if (connect_all(s, &err) < 0) {
			wait_for_daemon(s, &err);
			continue;
		}
		wait_for_events(s);
		now = clock_boottime_ms();
		if (!all_synced(s) || (s->dirty_ms > 0 && now < s->dirty_ms + SETTLE_MS))
			continue;
		s->lost = false;
		if (s->dirty_ms > 0 || s->live)
			show(s);
		if (wait && status_view_settled(&s->model, &s->style))
			return status_view_exit(&s->model, &s->style);
	}
	return wait && !status_view_settled(&s->model, &s->style)
		       ? COMMAND_EXIT_UNSETTLED
		       : status_view_exit(&s->model, &s->style);
}

static int run(struct status *s)
{
	const struct command_line *line = s->line;
	bool watching = line->values[COMMAND_WATCH] || line->values[COMMAND_WAIT];
	struct err err = {};
	int64_t seconds;

	if (line->values[COMMAND_TIMEOUT]) {
		if (!watching) {
			(void)fputs("recond status: --timeout belongs to --watch or --wait\n",
				    stderr);
			return COMMAND_EXIT_USAGE;
		}
		if (duration_parse(&seconds, line->values[COMMAND_TIMEOUT], &err) < 0) {
			(void)fprintf(stderr, "recond status: --timeout: %s\n", err.message);
			return COMMAND_EXIT_USAGE;
		}
		s->end_ms = clock_boottime_ms() + (uint64_t)seconds * 1000;
	}
	return watching ? watch(s) : show_once(s);
}

int cli_status(const struct command_line *line)
{
	struct status s = {
		.line = line,
		.style = {.apps = line->args, .n_apps = line->n_args},
		.json = line->values[COMMAND_OUTPUT],
		.told = json_object(),
	};
	int status;

	status_model_init(&s.model);
	status = run(&s);
	for (size_t l = 0; l < STATUS_LIST_N_; l++) {
		disconnect(&s.sources[l]);
		strbuf_deinit(&s.sources[l].buffer);
	}
	status_model_deinit(&s.model);
	json_decref(s.told);
	return status;
}
