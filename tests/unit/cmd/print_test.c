/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reaches a terminal: spacing, and nothing that steers it but colours.
 */
#include "cmd/print.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/status_view.h"

Test(print, columns_are_three_spaces_apart_and_only_grow)
{
	static const char *const first[] = {"NAME", "X", "LAST"};
	static const char *const second[] = {"ünïcode", "1", "e"};
	static const char *const third[] = {"a", "", ""};
	struct print_table t = {};
	autostrbuf out = STRBUF_INIT;

	print_table_add(&t, first, 3);
	print_table_add(&t, second, 3);
	print_table_flush(&t, &out);
	print_table_add(&t, third, 3);
	print_table_flush(&t, &out);
	cr_expect_str_eq(strbuf_str(&out),
			 "NAME      X     LAST\nünïcode   1     e\na               \n");
	print_table_deinit(&t);
}

static const struct {
	const char *sentence;
	const char *text;
	const char *want;
} filtered[] = {
	{"text, tabs and lines pass", "a\tb\nc", "a\tb\nc"},
	{"colours pass", "\033[1;31mred\033[0m", "\033[1;31mred\033[0m"},
	{"clearing the screen does not", "\033[2J", "\\x1b[2J"},
	{"setting the title does not", "\033]0;x\007", "\\x1b]0;x\\x07"},
	{"a carriage return at a line end passes", "a\r\nb", "a\r\nb"},
	{"a carriage return elsewhere does not", "a\rb", "a\\x0db"},
	{"a backspace does not", "a\bb", "a\\x08b"},
	{"valid UTF-8 passes", "grün €", "grün €"},
	{"a C1 control does not",
	 "\xc2\x9b"
	 "31m",
	 "\\xc2\\x9b31m"},
	{"invalid UTF-8 does not",
	 "a\xff"
	 "b",
	 "a\\xffb"},
	{"an escape at the very end", "a\033", "a\\x1b"},
	{"an endless colour is none", "\033[11111111111111111111111111111111111111m",
	 "\\x1b[11111111111111111111111111111111111111m"},
};

Test(print, container_output_cannot_steer_the_terminal)
{
	for (size_t i = 0; i < ARRAY_SIZE(filtered); i++) {
		size_t n = strlen(filtered[i].text);

		for (size_t piece = 1; piece <= n; piece++) {
			struct print_filter filter = {};
			autostrbuf out = STRBUF_INIT;

			for (size_t at = 0; at < n; at += piece)
				print_filter(&filter, &out, filtered[i].text + at,
					     n - at < piece ? n - at : piece);
			print_filter_end(&filter, &out);
			cr_expect_str_eq(strbuf_str(&out), filtered[i].want,
					 "%s, %zu at a time: got %s", filtered[i].sentence, piece,
					 strbuf_str(&out));
		}
	}
}

/* Put an app of NAME, PHASE into M. */
static void put_app(struct status_model *m, const char *name, const char *phase)
{
	autojson *columns = json_pack("[{s:s}]", "name", "Phase");
	autojson *table = json_pack("{s:[{s:[s], s:{s:{s:s}}}]}", "rows", "cells", phase, "object",
				    "metadata", "name", name);

	status_model_take(m, STATUS_APPS, columns, table, false);
}

static const struct {
	const char *sentence;
	const char *phases[3];
	int exit;
	bool settled;
} verdicts[] = {
	{"no app", {NULL}, COMMAND_EXIT_OK, false},
	{"all verified", {"Verified", "Verified"}, COMMAND_EXIT_OK, true},
	{"one is building", {"Verified", "Building"}, COMMAND_EXIT_UNSETTLED, false},
	{"one is held", {"Verified", "Held"}, COMMAND_EXIT_FAILED, true},
	{"one is invalid", {"Invalid"}, COMMAND_EXIT_FAILED, true},
	{"one is held, another waits", {"Held", "Waiting"}, COMMAND_EXIT_FAILED, false},
	{"a phase of a newer daemon", {"Dreaming"}, COMMAND_EXIT_UNSETTLED, false},
	{"no phase yet", {""}, COMMAND_EXIT_UNSETTLED, false},
};

Test(print, the_verdict_of_status)
{
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		struct status_style style = {};
		struct status_model m;

		status_model_init(&m);
		for (int a = 0; a < 3 && verdicts[i].phases[a]; a++) {
			char name[] = {(char)('a' + a), '\0'};

			put_app(&m, name, verdicts[i].phases[a]);
		}
		cr_expect_eq(status_view_exit(&m, &style), verdicts[i].exit, "%s",
			     verdicts[i].sentence);
		cr_expect_eq(status_view_settled(&m, &style), verdicts[i].settled, "%s",
			     verdicts[i].sentence);
		status_model_deinit(&m);
	}
}

Test(print, status_is_cut_at_the_width_of_the_terminal_and_keeps_its_colours_closed)
{
	struct status_style style = {.width = 8, .colour = true};
	autostrbuf out = STRBUF_INIT;
	struct status_model m;

	status_model_init(&m);
	put_app(&m, "site", "Verified");
	status_view_add(&out, &m, &style);
	cr_expect(strstr(strbuf_str(&out), "site   \033[32mV\033[0m\n"), "%s", strbuf_str(&out));
	status_model_deinit(&m);
}

Test(print, the_reason_below_an_app_is_wrapped_not_cut)
{
	struct status_style style = {.width = 20};
	autojson *columns = json_array();
	autojson *table = json_pack("{s:[{s:[], s:{s:{s:s}, s:{s:s}}}]}", "rows", "cells", "object",
				    "metadata", "name", "site", "status", "message",
				    "one two three four fünf sechs averyverylongwordindeed");
	autostrbuf out = STRBUF_INIT;
	struct status_model m;

	status_model_init(&m);
	status_model_take(&m, STATUS_APPS, columns, table, false);
	status_view_add(&out, &m, &style);
	cr_expect(
		strstr(strbuf_str(&out),
		       "  └ one two three\n    four fünf sechs\n    averyverylongwor\n    dindeed\n"),
		"%s", strbuf_str(&out));
	status_model_deinit(&m);
}

Test(print, a_change_is_told_once)
{
	struct status_style style = {};
	autojson *told = json_object();
	autostrbuf out = STRBUF_INIT;
	struct status_model m;

	status_model_init(&m);
	put_app(&m, "site", "Building");
	status_view_add_changes(&out, &m, &style, told);
	status_view_add_changes(&out, &m, &style, told);
	put_app(&m, "site", "Verified");
	status_view_add_changes(&out, &m, &style, told);
	status_model_clear(&m, STATUS_APPS);
	status_view_add_changes(&out, &m, &style, told);
	cr_expect_str_eq(strbuf_str(&out),
			 "app site: Building\napp site: Verified\napp site: gone\n", "%s",
			 strbuf_str(&out));
	status_model_deinit(&m);
}
