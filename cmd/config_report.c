/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors one a line, as compilers print them, so that editors find the place.
 */
#include "cmd/config_report.h"

#include <stdio.h>

#include "base/strbuf.h"
#include "cmd/command.h"

static void print_lines(const char *before, const struct strlist *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		autostrbuf text = STRBUF_INIT;

		strbuf_add_escaped(&text, lines->items[i], strlen(lines->items[i]));
		(void)fprintf(stderr, "%s%s\n", before, strbuf_str(&text));
	}
}

bool config_report(const struct config_result *r)
{
	print_lines("", &r->errors);
	print_lines("warning: ", &r->warnings);
	return r->errors.n == 0;
}

int config_report_check(const struct options *o)
{
	struct config_result result;
	bool good;

	config_load_now(&result, o);
	good = config_report(&result);
	for (size_t i = 0; good && i < result.config.n; i++) {
		const struct config_source *s = &result.config.sources[i];

		(void)printf("source %s: %s\n", s->name, s->location);
	}
	config_result_deinit(&result);
	return good ? COMMAND_EXIT_OK : COMMAND_EXIT_USAGE;
}
