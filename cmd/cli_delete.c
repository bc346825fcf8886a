/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond delete: as kubectl delete, by name or by label, and waiting until it is gone.
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
#include "cmd/target.h"
#include "reconciler/object.h"

#define POLL_MS 100

struct deletion {
	const struct command_line *line;
	const char *ns;
	json_t *asked; /* [{"path", "uid", "what"}]: what has to be gone */
	int status;
};

static int usage(const char *message)
{
	(void)fprintf(stderr, "error: %s\n", message);
	return COMMAND_EXIT_USAGE;
}

/* "pod "web" deleted from default namespace", as kubectl says it. */
static void print_deleted(const struct deletion *d, const struct target *t)
{
	const struct kind_info *info = kind_info(t->kind);
	autofree char *name = target_describe(t->kind, t->name);

	if (str_eq(d->line->values[COMMAND_OUTPUT], "name")) {
		(void)puts(name);
		return;
	}
	(void)printf("%s%s%s \"%s\" %sdeleted", info->singular, *info->group ? "." : "",
		     info->group, t->name, d->line->values[COMMAND_FORCE] ? "force " : "");
	if (info->namespaced)
		(void)printf(" from %s namespace", d->ns);
	(void)puts("");
}

/* ---- one ---- */

static const char *policy_of(const struct command_line *line)
{
	static const struct {
		const char *word, *policy;
	} words[] = {
		{"background", "Background"}, {"foreground", "Foreground"}, {"orphan", "Orphan"}};
	const char *given = line->values[COMMAND_CASCADE];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (str_eq(given ? given : "background", words[i].word))
			return words[i].policy;
	}
	return NULL;
}

static const char *grace_of(const struct command_line *line)
{
	return line->values[COMMAND_FORCE] ? "0" : line->values[COMMAND_GRACE_PERIOD];
}

/* The uid to wait for: of the object, or out of the details when it is gone already. */
static void remember(struct deletion *d, const struct target *t, const char *path,
		     const json_t *answer)
{
	const char *uid = json_path_str(answer, "details.uid", object_uid(answer));
	autofree char *what = target_describe(t->kind, t->name);

	json_array_append_new(d->asked,
			      json_pack("{s:s, s:s, s:s}", "path", path, "uid", uid, "what", what));
}

static void delete_one(struct deletion *d, const struct target *t)
{
	autostrbuf path = STRBUF_INIT, query = STRBUF_INIT;
	autojson *answer = NULL;
	bool tolerant = d->line->values[COMMAND_IGNORE_NOT_FOUND], missing = false;
	int status;

	target_add_path(&path, t, d->ns);
	strbuf_adds(&query, strbuf_str(&path));
	target_add_query(&query, "propagationPolicy", policy_of(d->line));
	target_add_query(&query, "gracePeriodSeconds", grace_of(d->line));
	status =
		fetch_send(&answer, d->line,
			   &(struct fetch_change){.method = "DELETE", .target = strbuf_str(&query)},
			   tolerant ? &missing : NULL);
	if (missing)
		return;
	if (status != COMMAND_EXIT_OK) {
		d->status = status;
		return;
	}
	print_deleted(d, t);
	remember(d, t, strbuf_str(&path), answer);
}

/* ---- all of a kind ---- */

static void delete_selected(struct deletion *d, const struct target *t)
{
	autostrbuf path = STRBUF_INIT;
	autojson *list = NULL;
	json_t *object;
	size_t i;
	int status;

	target_add_path(&path, t, d->ns);
	target_add_query(&path, "labelSelector", d->line->values[COMMAND_SELECTOR]);
	status = fetch_json(&list, d->line, strbuf_str(&path), FETCH_JSON, NULL);
	if (status != COMMAND_EXIT_OK) {
		d->status = status;
		return;
	}
	if (json_array_size(json_object_get(list, "items")) == 0)
		(void)puts("No resources found");
	json_array_foreach(json_object_get(list, "items"), i, object) {
		struct target one = {t->kind, object_name(object)};

		delete_one(d, &one);
	}
}

/* ---- waiting ---- */

/* Is it gone, or another one by now? */
static bool is_gone(struct deletion *d, const json_t *asked)
{
	autojson *now = NULL;
	bool missing = false;
	int status =
		fetch_json(&now, d->line, json_path_str(asked, "path", ""), FETCH_JSON, &missing);

	if (missing)
		return true;
	if (status != COMMAND_EXIT_OK) {
		d->status = status;
		return true;
	}
	return !str_eq(object_uid(now), json_path_str(asked, "uid", ""));
}

static void wait_all(struct deletion *d, uint64_t end_ms)
{
	json_t *asked;
	size_t i;

	json_array_foreach(d->asked, i, asked) {
		while (!is_gone(d, asked)) {
			if (end_ms && clock_boottime_ms() >= end_ms) {
				(void)fprintf(stderr,
					      "error: timed out waiting for the condition on %s\n",
					      json_path_str(asked, "what", ""));
				d->status = COMMAND_EXIT_FAILED;
				return;
			}
			(void)poll(NULL, 0, POLL_MS);
		}
	}
}

/* ---- the command ---- */

static int check(const struct command_line *line, const struct target_list *targets)
{
	bool several = line->values[COMMAND_SELECTOR] || line->values[COMMAND_ALL];
	const char *grace = line->values[COMMAND_GRACE_PERIOD];
	int64_t seconds;

	if (!policy_of(line))
		return usage("--cascade is background, foreground or orphan");
	if (grace && str_parse_i64(&seconds, grace, -1, INT32_MAX) < 0)
		return usage("--grace-period is not a number of seconds");
	if (grace && line->values[COMMAND_FORCE] && !str_eq(grace, "0"))
		return usage(
			"--force and --grace-period greater than 0 cannot be specified together");
	for (size_t i = 0; i < targets->n; i++) {
		if (targets->items[i].name && several)
			return usage("a name and a selector exclude each other");
		if (!targets->items[i].name && !several)
			return usage("resource(s) were provided, but no name was specified");
	}
	return COMMAND_EXIT_OK;
}

static int run(struct deletion *d, const struct target_list *targets)
{
	const char *timeout = d->line->values[COMMAND_TIMEOUT];
	struct err err = {};
	int64_t seconds = 0;

	if (timeout && duration_parse(&seconds, timeout, &err) < 0)
		return usage(err.message);
	for (size_t i = 0; i < targets->n; i++) {
		if (targets->items[i].name)
			delete_one(d, &targets->items[i]);
		else
			delete_selected(d, &targets->items[i]);
	}
	(void)fflush(stdout);
	if (!d->line->values[COMMAND_NO_WAIT])
		wait_all(d, seconds ? clock_boottime_ms() + (uint64_t)seconds * 1000 : 0);
	return d->status;
}

int cli_delete(const struct command_line *line)
{
	struct deletion d = {
		.line = line,
		.ns = line->values[COMMAND_NAMESPACE] ? line->values[COMMAND_NAMESPACE] : "default",
		.asked = json_array(),
	};
	struct target_list targets;
	struct err err = {};
	int status;

	if (target_parse(&targets, line->args, line->n_args, &err) < 0)
		status = usage(err.message);
	else
		status = check(line, &targets);
	if (status == COMMAND_EXIT_OK)
		status = run(&d, &targets);
	json_decref(d.asked);
	return status;
}
