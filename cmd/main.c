/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program, three uses: `recond COMMAND` asks a daemon, `recond SOURCE...` is the daemon,
 * `recond --dry-run SOURCE...` shows what it would do. Here is only the choice.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/command.h"
#include "cmd/config_report.h"
#include "cmd/daemon.h"
#include "cmd/dry_run.h"
#include "cmd/options.h"

/* "recond gte pods": neither a command nor anything that could be a source. */
static int reject_typo(const char *word)
{
	const char *near = command_nearest(word);

	if (!near || *word == '-' || strpbrk(word, "/#") || access(word, F_OK) == 0)
		return COMMAND_EXIT_OK;
	(void)fprintf(stderr,
		      "recond: '%s' is neither a command nor a folder (did you mean '%s'?)\n", word,
		      near);
	return COMMAND_EXIT_USAGE;
}

static int print_help(void)
{
	autostrbuf help = STRBUF_INIT;

	command_add_help(&help, NULL);
	(void)fputs(strbuf_str(&help), stdout);
	return COMMAND_EXIT_OK;
}

static int run(const struct options *options, int argc, char **argv)
{
	switch (options->mode) {
	case OPTIONS_HELP:
		return print_help();
	case OPTIONS_VERSION:
		(void)printf("recond %s\n", RECOND_VERSION);
		return COMMAND_EXIT_OK;
	case OPTIONS_DRY_RUN:
		return dry_run(options);
	case OPTIONS_CHECK_CONFIG:
		return config_report_check(options);
	default:
		return daemon_run(options, argc, argv);
	}
}

int main(int argc, char **argv)
{
	const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
	autooptions options = {};
	struct err err = {};

	if (command)
		return command_main(command, argc - 1, argv + 1);
	if (argc > 1 && reject_typo(argv[1]) != COMMAND_EXIT_OK)
		return COMMAND_EXIT_USAGE;
	if (options_parse(&options, argc, argv, &err) < 0) {
		(void)fprintf(stderr, "recond: %s\nSee 'recond --help'.\n", err.message);
		return COMMAND_EXIT_USAGE;
	}
	return run(&options, argc, argv);
}
