/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that need little: version and help.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/fetch.h"
#include "cmd/print.h"

/* The daemon's version document; NULL and the reason in ERR when it cannot be had. */
static json_t *daemon_version(const struct command_line *line, struct err *err)
{
	_cleanup_(http_client_freep) struct http_client *c = NULL;
	autostrbuf body = STRBUF_INIT;
	json_t *version;

	if (http_client_get(&c, fetch_socket(line), "/version", FETCH_JSON, err) < 0 ||
	    http_client_read_all(c, &body, 65536, err) < 0 ||
	    json_parse(&version, strbuf_str(&body), body.len, 65536, err) < 0)
		return NULL;
	return version;
}

int cli_version(const struct command_line *line)
{
	struct err err = {};
	autojson *daemon = daemon_version(line, &err);
	const char *version = daemon ? json_path_str(daemon, "recondVersion", "") : "";

	if (line->values[COMMAND_OUTPUT]) {
		autojson *j = json_object();

		json_set(j, "client", json_string(RECOND_VERSION));
		if (daemon)
			json_set(j, "daemon", json_incref(daemon));
		print_json(j);
		return COMMAND_EXIT_OK;
	}
	(void)printf("client: %s\n", RECOND_VERSION);
	if (*version) {
		autostrbuf text = STRBUF_INIT;

		strbuf_add_escaped(&text, version, strlen(version));
		(void)printf("daemon: %s\n", strbuf_str(&text));
	} else {
		(void)printf("daemon: none (%s)\n",
			     *err.message ? err.message : "it refused to tell");
	}
	return COMMAND_EXIT_OK;
}

int cli_help(const struct command_line *line)
{
	const struct command *command = NULL;
	autostrbuf help = STRBUF_INIT;
	const char *near;

	if (line->n_args > 0) {
		command = command_find(line->args[0]);
		if (!command) {
			near = command_nearest(line->args[0]);
			(void)fprintf(stderr, "recond help: there is no command '%s'%s%s%s\n",
				      line->args[0], near ? " (did you mean '" : "", near ?: "",
				      near ? "'?)" : "");
			return COMMAND_EXIT_USAGE;
		}
	}
	command_add_help(&help, command);
	(void)fputs(strbuf_str(&help), stdout);
	return COMMAND_EXIT_OK;
}
