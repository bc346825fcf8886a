/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client commands of recond, as one table: names, arguments, options, help, examples. Parsing,
 * `recond help`, the completions of three shells and the check of the manual page all read it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

#define COMMAND_ARGS_MAX 64
#define COMMAND_EXIT_OK 0
#define COMMAND_EXIT_FAILED 1 /* the daemon said no, or what was asked for is not so */
#define COMMAND_EXIT_USAGE 2  /* wrong command line, or no daemon answers */
#define COMMAND_EXIT_UNSETTLED 3

enum command_option {
	COMMAND_NAMESPACE,
	COMMAND_ALL_NAMESPACES,
	COMMAND_SELECTOR,
	COMMAND_FIELD_SELECTOR,
	COMMAND_OUTPUT,
	COMMAND_NO_HEADERS,
	COMMAND_WATCH,
	COMMAND_WAIT,
	COMMAND_TIMEOUT,
	COMMAND_CONTAINER,
	COMMAND_FOLLOW,
	COMMAND_PREVIOUS,
	COMMAND_TAIL,
	COMMAND_SINCE,
	COMMAND_TIMESTAMPS,
	COMMAND_CONFIG,
	COMMAND_STATE_DIR,
	COMMAND_RUN_DIR,
	COMMAND_BRIDGE,
	COMMAND_GRACE,
	COMMAND_PURGE,
	COMMAND_REPLICAS,
	COMMAND_TO,
	COMMAND_ALL,
	COMMAND_CASCADE,
	COMMAND_GRACE_PERIOD,
	COMMAND_FORCE,
	COMMAND_IGNORE_NOT_FOUND,
	COMMAND_NO_WAIT,
	COMMAND_SOCKET,
	COMMAND_HELP,
	COMMAND_OPTION_N_,
};

struct command_option_info {
	char letter; /* 0: none */
	const char *name;
	const char *value; /* what stands for the value in help, NULL for a flag */
	const char *help;
};

struct command_example {
	const char *line;
	const char *meaning;
};

struct command_line;

struct command {
	const char *name;
	const char *args; /* as in a synopsis */
	const char *summary;
	const char *details;  /* a paragraph */
	const char *outputs;  /* choices of -o, "|" between; NULL when there is no -o */
	unsigned int options; /* bits of enum command_option */
	const struct command_example *examples; /* ends with a NULL line */
	unsigned int min_args;
	unsigned int max_args;
	int (*run)(const struct command_line *line); /* returns the exit status */
};

/* A parsed command line. Strings are borrowed from argv. */
struct command_line {
	const struct command *command;
	const char *values[COMMAND_OPTION_N_]; /* NULL: not given; "" for a flag that is */
	const char *args[COMMAND_ARGS_MAX];
	size_t n_args;
};

/* The whole table; *RET_N commands. */
const struct command *command_table(size_t *ret_n);

/* The command called NAME, or NULL. */
const struct command *command_find(const char *name);

/* The command nearest to WORD, for "did you mean"; NULL when none is near. */
const char *command_nearest(const char *word);

/* The row of OPTION. */
const struct command_option_info *command_option_info(enum command_option option);

/* Parse what follows the command's name. 0 with *ret, or -EINVAL with ERR (for exit status
 * COMMAND_EXIT_USAGE). */
int command_parse(struct command_line *ret, const struct command *command, int argc, char **argv,
		  struct err *err);

/* Append the help text of COMMAND, or the list of all commands when it is NULL. */
void command_add_help(struct strbuf *out, const struct command *command);

/*
 * Run `recond NAME ...`: ARGV[0] is the name of a command. Parses, handles --help, reports errors
 * on stderr. Returns the exit status.
 */
int command_main(const struct command *command, int argc, char **argv);
