/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dry run: the daemon's own steps (read, decode, plan builds, compare) through the same
 * workers, once, and then the plan on stdout. Nothing is written, no root is needed, and a daemon
 * is only asked, never told.
 */
#include "cmd/dry_run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "builder/build.h"
#include "cmd/command.h"
#include "cmd/config_report.h"
#include "cmd/http_client.h"
#include "cmd/revision_view.h"
#include "reconciler/manifest_worker.h"
#include "reconciler/object.h"
#include "reconciler/plan.h"
#include "watch/source.h"

#define EXIT_NOTHING 0
#define EXIT_CHANGES 1
#define EXIT_ERRORS 2
#define LIVE_MAX_BYTES (64u << 20)

/* One question put to a worker at a time. */
struct inquiry {
	sd_event *loop;
	json_t *answer;
	struct err err;
};

/* ---- workers ---- */

static int wait_for_answer(struct inquiry *q, struct err *err)
{
	int r = sd_event_loop(q->loop);

	if (r < 0)
		return err_errno(err, r, "loop");
	if (q->answer)
		return 0;
	*err = q->err;
	return q->err.code;
}

static void on_decoded(struct manifest_worker *w UNUSED, const json_t *result,
		       const struct err *err, void *data)
{
	struct inquiry *q = data;

	if (result)
		q->answer = json_deep_copy(result);
	else
		q->err = *err;
	(void)sd_event_exit(q->loop, 0);
}

static void on_planned(struct build *b UNUSED, const json_t *answer, const struct err *err,
		       void *data)
{
	struct inquiry *q = data;

	if (answer)
		q->answer = json_deep_copy(answer);
	else
		q->err = *err;
	(void)sd_event_exit(q->loop, 0);
}

static sd_event *loop_unref(sd_event *loop)
{
	return sd_event_unref(loop);
}

DEFINE_FREEP(sd_event, loop_unref)

static int decode(json_t **ret, struct revision *rev, const json_t *policy, struct err *err)
{
	_cleanup_(revision_view_freep) struct revision_view *view = revision_view_new(rev, policy);
	_cleanup_(loop_unrefp) sd_event *loop = NULL;
	_cleanup_(manifest_worker_freep) struct manifest_worker *worker = NULL;
	struct inquiry q = {0};
	int r;

	r = loop_new(&loop, err);
	if (r < 0)
		return r;
	q.loop = loop;
	r = manifest_worker_start(&worker, loop, revision_view_input(view), on_decoded, &q, err);
	if (r == 0)
		r = wait_for_answer(&q, err);
	if (r == 0)
		*ret = revision_view_complete(q.answer, rev);
	json_decref(q.answer);
	return r;
}

static int plan_build(json_t **ret, struct revision *rev, const json_t *image,
		      const char *state_dir, struct err *err)
{
	_cleanup_(loop_unrefp) sd_event *loop = NULL;
	_cleanup_(build_cancelp) struct build *build = NULL;
	autojson *request = NULL;
	struct inquiry q = {0};
	int r;

	r = revision_view_build_request(&request, rev, image, state_dir, revision_content_dir(rev),
					err);
	if (r == 0)
		r = loop_new(&loop, err);
	if (r < 0)
		return r;
	q.loop = loop;
	r = build_plan_start(&build, loop, request, on_planned, &q, err);
	if (r == 0)
		r = wait_for_answer(&q, err);
	if (r == 0)
		*ret = q.answer;
	return r;
}

/* ---- builds ---- */

struct builds {
	const struct options *options;
	struct revision *rev;
	json_t *list; /* as plan_input.builds */
};

/* What a plan says of one image: current, or why not; an error unless only a base is missing that
 * is built as well. */
static json_t *build_entry(struct builds *b, const char *app, const json_t *image)
{
	json_t *entry = json_pack("{s:s, s:s}", "app", app, "name", object_name(image));
	autojson *answer = NULL;
	struct err err = {0};
	const char *current;

	if (plan_build(&answer, b->rev, image, b->options->state_dir, &err) < 0) {
		json_set(entry, "error", json_text(err.message));
		return entry;
	}
	current = json_path_str(answer, "current", "");
	json_set(entry, "current", json_boolean(*current));
	if (*current)
		json_set(entry, "digest", json_text(current));
	return entry;
}

static void add_builds_of(struct builds *b, const json_t *app)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(app, "objects"), i, entry) {
		const json_t *o = json_object_get(entry, "object");

		if (object_kind(o) == KIND_IMAGE)
			json_array_append_new(b->list,
					      build_entry(b, json_path_str(app, "name", ""), o));
	}
}

/* Without a look into the state directory nothing is known of builds; the objects alone then tell.
 */
static json_t *plan_builds(const struct options *options, struct revision *rev, json_t *apps)
{
	struct builds b = {.options = options, .rev = rev, .list = json_array()};
	json_t *app;
	size_t i;

	if (access(options->state_dir, F_OK) == 0 && access(options->state_dir, R_OK | X_OK) < 0)
		return b.list;
	json_array_foreach(apps, i, app)
		add_builds_of(&b, app);
	return b.list;
}

/* ---- what runs ---- */

static char *list_target(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	return *info->group
		       ? mem_asprintf("/apis/%s/%s/%s", info->group, info->version, info->plural)
		       : mem_asprintf("/api/%s/%s", info->version, info->plural);
}

static int fetch_kind(json_t *live, enum kind kind, const char *socket, struct err *err)
{
	_cleanup_(http_client_freep) struct http_client *client = NULL;
	autofree char *target = list_target(kind);
	autostrbuf body = STRBUF_INIT;
	autojson *list = NULL;
	int r;

	r = http_client_get(&client, socket, target, "application/json", err);
	if (r < 0)
		return r;
	r = http_client_read_all(client, &body, LIVE_MAX_BYTES, err);
	if (r < 0)
		return r;
	if (http_client_status(client) != 200)
		return err_set(err, ERR_FATAL, EPROTO, NULL, "the daemon on '%s' answers %u for %s",
			       socket, http_client_status(client), target);
	list = json_loadb(strbuf_str(&body), body.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(json_object_get(list, "items")))
		return err_set(err, ERR_FATAL, EPROTO, NULL,
			       "the daemon on '%s' answers no list for %s", socket, target);
	json_array_extend(live, json_object_get(list, "items"));
	return 0;
}

/*
 * All objects of the daemon: 1 with *ret, 0 when there is no daemon, negative when there is one
 * that cannot be read.
 */
static int fetch_live(json_t **ret, const char *socket, struct err *err)
{
	autojson *live = json_array();
	struct stat st;

	if (stat(socket, &st) < 0)
		return 0;
	for (int kind = 0; kind < KIND_N_; kind++) {
		int r = kind == KIND_EVENT ? 0 : fetch_kind(live, (enum kind)kind, socket, err);

		if (r == -ECONNREFUSED)
			return 0; /* a socket that a dead daemon left */
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(live);
	return 1;
}

/* ---- one source ---- */

static void print_notices(const struct strlist *notices)
{
	for (size_t i = 0; i < notices->n; i++)
		(void)fprintf(stderr, "note: %s\n", notices->items[i]);
}

static int plan_source(struct plan **ret, const struct options *options,
		       const struct config_source *source, const json_t *live, struct err *err)
{
	_cleanup_(revision_unrefp) struct revision *rev = NULL;
	autojson *decoded = NULL, *builds = NULL;
	autostrlist notices = {0};
	struct plan_input input = {.source = source->name, .live = live};
	int r;

	r = watch_read_once(&rev, source->location, &notices, err);
	print_notices(&notices);
	if (r == 0)
		r = decode(&decoded, rev, source->policy, err);
	if (r < 0)
		return err_wrap(err, "source '%s'", source->name);
	builds = plan_builds(options, rev, json_object_get(decoded, "apps"));
	input.apps = json_object_get(decoded, "apps");
	input.builds = builds;
	input.confirm_prune = str_eq(options->confirm_prune, revision_id(rev));
	*ret = plan_compute(&input);
	return 0;
}

static int show(const struct plan *plan, bool json)
{
	if (json) {
		autojson *document = plan_render_json(plan);
		autofree char *text = json_pretty(document);

		(void)fputs(text, stdout);
	} else {
		autostrbuf text = STRBUF_INIT;

		plan_render_text(&text, plan, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
		(void)fputs(strbuf_str(&text), stdout);
	}
	if (plan_has_errors(plan))
		return EXIT_ERRORS;
	return plan_has_changes(plan) ? EXIT_CHANGES : EXIT_NOTHING;
}

/* Plan all sources of CONFIG against LIVE. The worst of their exit statuses. */
static int plan_all(const struct options *options, const struct config *config, const json_t *live)
{
	struct err err = {0};
	int status = EXIT_NOTHING;

	for (size_t i = 0; i < config->n; i++) {
		_cleanup_(plan_freep) struct plan *plan = NULL;
		int s = EXIT_ERRORS;

		if (plan_source(&plan, options, &config->sources[i], live, &err) < 0)
			(void)fprintf(stderr, "recond: %s\n", err.message);
		else
			s = show(plan, options->output_json);
		if (s > status)
			status = s;
	}
	return status;
}

int dry_run(const struct options *options)
{
	struct config_result configured;
	autojson *live = NULL;
	struct err err = {0};
	int status = EXIT_ERRORS;

	log_set_level(options->log_level);
	config_load_now(&configured, options);
	if (!config_report(&configured)) {
		config_result_deinit(&configured);
		return EXIT_ERRORS;
	}
	if (fetch_live(&live, options->socket, &err) < 0)
		(void)fprintf(stderr, "recond: %s\n", err.message);
	else
		status = plan_all(options, &configured.config, live);
	config_result_deinit(&configured);
	return status;
}
