/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond images: what the local store holds, as the daemon tells it.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/fetch.h"
#include "cmd/print.h"
#include "cmd/table_view.h"

#define PATH "/apis/recond.dev/v1/localimages"

int cli_images(const struct command_line *line)
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
