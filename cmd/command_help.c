/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help texts out of the tables of commands and of the daemon's flags. Wording that belongs to one
 * command stands in the table, not here.
 */
#include <string.h>

#include "base/str.h"
#include "cmd/command.h"
#include "cmd/options.h"

#define HELP_WIDTH 80

/* TEXT wrapped at HELP_WIDTH. */
static void add_wrapped(struct strbuf *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n > HELP_WIDTH) {
			strbuf_addc(out, '\n');
			column = 0;
		}
		if (column > 0)
			strbuf_addc(out, ' ');
		strbuf_add(out, text, n);
		column += n + (column > 0);
		text += n;
		text += strspn(text, " ");
	}
	strbuf_addc(out, '\n');
}

static void add_option(struct strbuf *out, const struct command_option_info *o, const char *choices)
{
	autostrbuf left = STRBUF_INIT;

	if (o->letter)
		strbuf_addf(&left, "-%c, ", o->letter);
	else
		strbuf_adds(&left, "    ");
	strbuf_addf(&left, "--%s%s%s", o->name, o->value ? " " : "", o->value ?: "");
	strbuf_addf(out, "  %-26s  %s%s%s\n", strbuf_str(&left), o->help, choices ? ": " : "",
		    choices ?: "");
}

static void add_command(struct strbuf *out, const struct command *c)
{
	strbuf_addf(out, "Usage: recond %s [options]%s%s\n\n", c->name, *c->args ? " " : "",
		    c->args);
	add_wrapped(out, c->details);
	strbuf_adds(out, "\nOptions:\n");
	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (c->options & BIT(o))
			add_option(out, command_option_info(o),
				   o == COMMAND_OUTPUT ? c->outputs : NULL);
	}
	strbuf_adds(out, "\nExamples:\n");
	for (const struct command_example *e = c->examples; e->line; e++)
		strbuf_addf(out, "  # %s\n  %s\n", e->meaning, e->line);
}

static void add_flags(struct strbuf *out)
{
	size_t n;
	const struct options_flag *flags = options_flags(&n);

	for (size_t i = 0; i < n; i++) {
		struct command_option_info o = {flags[i].letter, flags[i].name, flags[i].value,
						flags[i].help};

		add_option(out, &o, NULL);
	}
}

void command_add_help(struct strbuf *out, const struct command *command)
{
	size_t n;
	const struct command *table = command_table(&n);

	if (command) {
		add_command(out, command);
		return;
	}
	strbuf_adds(
		out,
		"recond turns a folder or git repository of Dockerfiles and Kubernetes manifests into running "
		"pods.\n\n"
		"Usage:\n"
		"  recond [flags] SOURCE...             run the daemon\n"
		"  recond --dry-run [flags] SOURCE...   show what the daemon would do\n"
		"  recond COMMAND [options]             ask the daemon\n\n"
		"A SOURCE is a folder or a git repository, PATH#BRANCH for a branch of it. Write ./status for a\n"
		"folder that is called like a command.\n\nCommands:\n");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "  %-12s %s\n", table[i].name, table[i].summary);
	strbuf_adds(out, "\nFlags:\n");
	add_flags(out);
	strbuf_adds(out, "\nSee 'recond COMMAND --help' and recond(8).\n");
}
