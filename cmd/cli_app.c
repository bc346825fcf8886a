/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of apps: their history, the difference between two entries of it, and the actions
 * (undo, retry, pause, resume, approve, undelete), which the daemon carries out.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/target.h"
#include "reconciler/diff.h"
#include "reconciler/object.h"

#define PATH "/apis/recond.dev/v1/apps/"

static int usage(const char *command, const char *message)
{
	(void)fprintf(stderr, "recond %s: %s\n", command, message);
	return COMMAND_EXIT_USAGE;
}

static void add_app_path(struct strbuf *out, const char *app, const char *what)
{
	strbuf_adds(out, PATH);
	http_client_add_encoded(out, app);
	strbuf_addf(out, "/%s", what);
}

static int fetch_history(json_t **ret, const struct command_line *line, const char *app)
{
	autostrbuf path = STRBUF_INIT;

	add_app_path(&path, app, "history");
	return fetch_json(ret, line, strbuf_str(&path), FETCH_JSON, NULL);
}

/* ---- history ---- */

static void add_entry(struct print_table *t, const json_t *entry)
{
	const char *reason = json_path_str(entry, "reason", "");
	const char *result = json_path_str(entry, "result", "");
	autofree char *number = mem_asprintf("%lld", (long long)json_path_int(entry, "n", 0));
	autofree char *revision = mem_strndup(json_path_str(entry, "revision", ""), 16);
	autofree char *ended =
		*reason ? mem_asprintf("%s (%s)", result, reason) : mem_strdup(result);
	autofree char *objects =
		mem_asprintf("%zu", json_array_size(json_object_get(entry, "objects")));
	const char *cells[] = {number, revision, json_path_str(entry, "since", ""), ended, objects};

	print_table_add(t, cells, ARRAY_SIZE(cells));
}

int cli_history(const struct command_line *line)
{
	static const char *const headers[] = {"NUMBER", "REVISION", "BEGUN", "RESULT", "OBJECTS"};
	_cleanup_(print_table_deinit) struct print_table table = {};
	autostrbuf out = STRBUF_INIT;
	autojson *history = NULL;
	int status = fetch_history(&history, line, line->args[0]);
	json_t *entry;
	size_t i;

	if (status != COMMAND_EXIT_OK)
		return status;
	if (line->values[COMMAND_OUTPUT]) {
		print_json(history);
		return COMMAND_EXIT_OK;
	}
	if (!line->values[COMMAND_NO_HEADERS])
		print_table_add(&table, headers, ARRAY_SIZE(headers));
	json_array_foreach(json_object_get(history, "items"), i, entry)
		add_entry(&table, entry);
	print_table_flush(&table, &out);
	(void)fputs(strbuf_str(&out), stdout);
	return COMMAND_EXIT_OK;
}

/* ---- diff ---- */

/* "shop@3": *ret_app is owned by the caller. */
static bool parse_entry(char **ret_app, uint64_t *ret_n, const char *text)
{
	const char *at = strrchr(text, '@');

	if (!at || at == text || str_parse_u64(ret_n, at + 1, 1, INT32_MAX) < 0)
		return false;
	*ret_app = mem_strndup(text, (size_t)(at - text));
	return true;
}

static const json_t *find_entry(const json_t *history, uint64_t n)
{
	const json_t *items = json_object_get(history, "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *entry = json_array_get(items, i);

		if (json_path_int(entry, "n", 0) == (int64_t)n)
			return entry;
	}
	return NULL;
}

static bool same_object(const json_t *a, const json_t *b)
{
	return object_kind(a) == object_kind(b) &&
	       str_eq(object_namespace(a), object_namespace(b)) &&
	       str_eq(object_name(a), object_name(b));
}

static const json_t *find_object(const json_t *entry, const json_t *o)
{
	const json_t *objects = json_object_get(entry, "objects");

	for (size_t i = 0; i < json_array_size(objects); i++) {
		if (same_object(json_array_get(objects, i), o))
			return json_array_get(objects, i);
	}
	return NULL;
}

static void pin_images(json_t *containers, const json_t *digests)
{
	json_t *c;
	size_t i;

	json_array_foreach(containers, i, c) {
		const char *digest = json_path_str(digests, json_path_str(c, "name", ""), NULL);
		autofree char *pinned =
			digest ? mem_asprintf("%s@%s", json_path_str(c, "image", ""), digest)
			       : NULL;

		if (pinned)
			json_set(c, "image", json_text(pinned));
	}
}

/* O with the digest behind each image reference, which is what the set was made of. Owned by the
 * caller. */
static json_t *with_digests(const json_t *o)
{
	json_t *copy = json_deep_copy(o);
	json_t *template = json_path(copy, "spec.template") ?: copy;
	const char *text = object_annotation(template, "recond.dev/image-digests");
	autojson *digests = text ? json_loads(text, 0, NULL) : NULL;

	pin_images(json_path(template, "spec.containers"), digests);
	pin_images(json_path(template, "spec.initContainers"), digests);
	return copy;
}

static bool print_difference(const json_t *before, const json_t *after)
{
	autofree char *what = object_describe(before ? before : after);
	autojson *old = before ? with_digests(before) : NULL;
	autojson *new = after ? with_digests(after) : NULL;
	autostrbuf diff = STRBUF_INIT;

	if (!diff_objects(&diff, old, new))
		return false;
	(void)printf("%s %s\n%s",
		     before && after ? "changed"
		     : before        ? "removed"
				     : "added",
		     what, strbuf_str(&diff));
	return true;
}

static bool print_differences(const json_t *from, const json_t *to)
{
	const json_t *before = json_object_get(from, "objects");
	const json_t *after = json_object_get(to, "objects");
	bool differ = false;

	for (size_t i = 0; i < json_array_size(before); i++) {
		const json_t *o = json_array_get(before, i);

		differ |= print_difference(o, find_object(to, o));
	}
	for (size_t i = 0; i < json_array_size(after); i++) {
		const json_t *o = json_array_get(after, i);

		if (!find_object(from, o))
			differ |= print_difference(NULL, o);
	}
	return differ;
}

static int diff_entries(const struct command_line *line, const char *app, uint64_t from,
			uint64_t to)
{
	autojson *history = NULL;
	int status = fetch_history(&history, line, app);
	const json_t *items = json_object_get(history, "items"), *a, *b;

	if (status != COMMAND_EXIT_OK)
		return status;
	a = find_entry(history, from);
	b = to ? find_entry(history, to) : json_array_get(items, json_array_size(items) - 1);
	if (!a || !b) {
		(void)fprintf(
			stderr,
			"recond diff: app '%s' has no entry %llu: `recond history %s` lists them\n",
			app, (unsigned long long)(a ? to : from), app);
		return COMMAND_EXIT_USAGE;
	}
	return print_differences(a, b) ? COMMAND_EXIT_FAILED : COMMAND_EXIT_OK;
}

int cli_diff(const struct command_line *line)
{
	autofree char *app = NULL, *other = NULL;
	uint64_t from = 0, to = 0;

	if (!parse_entry(&app, &from, line->args[0]) ||
	    (line->n_args > 1 && !parse_entry(&other, &to, line->args[1])))
		return usage("diff", "entries are written APP@NUMBER, such as shop@3");
	if (other && !str_eq(app, other))
		return usage("diff", "both entries have to be of the same app");
	return diff_entries(line, app, from, to);
}

/* ---- actions ---- */

int cli_app_action(const struct command_line *line)
{
	const char *action = line->command->name;
	autostrbuf path = STRBUF_INIT;
	struct fetch_change change = {.method = "POST"};
	autojson *result = NULL;
	uint64_t to;
	int status;

	if (line->values[COMMAND_TO] &&
	    str_parse_u64(&to, line->values[COMMAND_TO], 1, INT32_MAX) < 0)
		return usage(action, "--to wants a number of the history, such as 3");
	add_app_path(&path, line->args[0], action);
	target_add_query(&path, "to", line->values[COMMAND_TO]);
	target_add_query(&path, "revision", line->n_args > 1 ? line->args[1] : NULL);
	change.target = strbuf_str(&path);
	status = fetch_send(&result, line, &change, NULL);
	if (status != COMMAND_EXIT_OK)
		return status;
	if (line->values[COMMAND_OUTPUT])
		print_json(result);
	else
		(void)printf("%s: %s\n", line->args[0], json_path_str(result, "message", ""));
	return COMMAND_EXIT_OK;
}
