/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond images: what the local store holds, as the daemon tells it; and having it collect what is
 * not needed.
 */
#include <poll.h>
#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/table_view.h"

#define PATH "/apis/recond.dev/v1/localimages"
#define PRUNE_PATH PATH "/prune"
#define POLL_MS 100

/* ---- prune ---- */

static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};

static void print_pruned(const json_t *last)
{
	double freed = (double)json_path_int(last, "freedBytes", 0);
	size_t unit = 0;

	while (freed >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		freed /= 1000;
		unit++;
	}
	(void)printf("%lld images, %lld layers and %lld build records removed, %.3g%s freed\n",
		     (long long)json_path_int(last, "images", 0),
		     (long long)json_path_int(last, "layers", 0),
		     (long long)json_path_int(last, "records", 0), freed, units[unit]);
}

static int prune(const struct command_line *line)
{
	autojson *body = json_pack("{s:b}", "all", line->values[COMMAND_ALL] != NULL);
	const struct fetch_change change = {
		.method = "POST", .target = PRUNE_PATH, .type = FETCH_JSON, .body = body};
	autojson *state = NULL;
	const char *error;
	int64_t serial;
	int status = fetch_send(&state, line, &change, NULL);

	if (status != COMMAND_EXIT_OK)
		return status;
	serial = json_path_int(state, "serial", 0);
	while (json_path_int(state, "last.serial", 0) < serial) {
		(void)poll(NULL, 0, POLL_MS);
		json_decref(state);
		state = NULL;
		status = fetch_json(&state, line, PRUNE_PATH, FETCH_JSON, NULL);
		if (status != COMMAND_EXIT_OK)
			return status;
	}
	error = json_path_str(state, "last.error", "");
	if (*error) {
		(void)fprintf(stderr, "error: %s\n", error);
		return COMMAND_EXIT_FAILED;
	}
	print_pruned(json_object_get(state, "last"));
	return COMMAND_EXIT_OK;
}

static int unknown(const char *word)
{
	(void)fprintf(stderr, "error: images has no '%s': it is prune, or nothing\n", word);
	return COMMAND_EXIT_USAGE;
}

/* ---- the list ---- */

static int list(const struct command_line *line)
{
	bool json = str_eq(line->values[COMMAND_OUTPUT], "json");
	_cleanup_(table_view_deinit) struct table_view view = {
		.kind = KIND_N_,
		.wide = str_eq(line->values[COMMAND_OUTPUT], "wide"),
		.headers = !line->values[COMMAND_NO_HEADERS],
	};
	autojson *document = NULL;
	autostrbuf out = STRBUF_INIT;
	int status = fetch_json(&document, line, PATH, json ? FETCH_JSON : FETCH_TABLE, NULL);

	if (status != COMMAND_EXIT_OK)
		return status;
	if (json) {
		print_json(document);
		return COMMAND_EXIT_OK;
	}
	if (json_array_size(json_object_get(document, "rows")) == 0) {
		(void)fputs("No images found\n", stderr);
		return COMMAND_EXIT_OK;
	}
	table_view_add(&view, document);
	table_view_flush(&view, &out);
	(void)fputs(strbuf_str(&out), stdout);
	return COMMAND_EXIT_OK;
}

int cli_images(const struct command_line *line)
{
	if (line->n_args == 0)
		return list(line);
	return str_eq(line->args[0], "prune") ? prune(line) : unknown(line->args[0]);
}
