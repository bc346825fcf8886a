/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three generators over one table. The scripts complete commands, options, formats and kinds; names
 * of objects are left to the user, because asking a daemon while typing can hang a shell.
 */
#include "cmd/completion.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cmd/cli.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "reconciler/kind.h"

#define HEAD "# recond completion for %s, written by `recond completion %s`. Do not edit.\n"

static void add_kinds(struct strbuf *out, const char *separator)
{
	for (enum kind k = 0; k < KIND_N_; k++)
		strbuf_addf(out, "%s%s", k ? separator : "", kind_info(k)->plural);
}

static void add_outputs(struct strbuf *out, const char *choices)
{
	for (const char *p = choices ?: ""; *p; p++)
		strbuf_addc(out, *p == '|' ? ' ' : *p);
}

/* S as the inside of a single-quoted shell string that zsh also takes as a description. */
static void add_quoted(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_adds(out, "'\\''");
		else if (*s == '[' || *s == ']' || *s == ':')
			strbuf_addf(out, "\\%c", *s);
		else
			strbuf_addc(out, *s);
	}
}

static void add_flag_names(struct strbuf *out)
{
	size_t n;
	const struct options_flag *flags = options_flags(&n);

	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s--%s", i ? " " : "", flags[i].name);
}

static void add_option_names(struct strbuf *out, const struct command *c)
{
	bool first = true;

	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (!(c->options & BIT(o)))
			continue;
		strbuf_addf(out, "%s--%s", first ? "" : " ", command_option_info(o)->name);
		first = false;
	}
}

static void add_command_names(struct strbuf *out)
{
	size_t n;
	const struct command *commands = command_table(&n);

	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s%s", i ? " " : "", commands[i].name);
}

/* The words that may stand as the first argument of C. */
static void add_first_words(struct strbuf *out, const struct command *c)
{
	if (c->run == cli_get)
		add_kinds(out, " ");
	else if (c->run == cli_help)
		add_command_names(out);
	else if (c->run == cli_completion)
		strbuf_adds(out, "bash zsh fish");
}

static void add_bash(struct strbuf *out)
{
	size_t n;
	const struct command *commands = command_table(&n);

	strbuf_adds(
		out,
		"_recond() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options outputs words\n"
		"\tCOMPREPLY=()\n"
		"\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(out, "\t%s)\n\t\toptions='", commands[i].name);
		add_option_names(out, &commands[i]);
		strbuf_adds(out, "'\n\t\toutputs='");
		add_outputs(out, commands[i].outputs);
		strbuf_adds(out, "'\n\t\twords='");
		add_first_words(out, &commands[i]);
		strbuf_adds(out, "' ;;\n");
	}
	strbuf_adds(out, "\t*)\n\t\toptions='");
	add_flag_names(out);
	strbuf_adds(
		out,
		"'\n\t\toutputs='text json'\n\t\twords='' ;;\n\tesac\n\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
		"\t\twords='");
	add_command_names(out);
	strbuf_adds(
		out,
		"'\n\tfi\n"
		"\tcase $prev in\n"
		"\t-o|--output) mapfile -t COMPREPLY < <(compgen -W \"$outputs\" -- \"$cur\"); return ;;\n"
		"\t--socket|--config|--state-dir|--run-dir) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); "
		"return ;;\n"
		"\tesac\n"
		"\tcase $cur in\n"
		"\t-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\") ;;\n"
		"\t*) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
		"\tesac\n"
		"}\n"
		"complete -o default -F _recond recond\n");
}

/* "'(-n --namespace)'{-n,--namespace}'[help]:NS:'" */
static void add_zsh_option(struct strbuf *out, const struct command_option_info *o,
			   const char *choices)
{
	if (o->letter)
		strbuf_addf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter,
			    o->name);
	else
		strbuf_addf(out, "'--%s[", o->name);
	add_quoted(out, o->help);
	strbuf_addc(out, ']');
	if (o->value) {
		strbuf_addf(out, ":%s:", o->value);
		if (choices) {
			strbuf_addc(out, '(');
			add_outputs(out, choices);
			strbuf_addc(out, ')');
		} else if (str_eq(o->value, "PATH") || str_eq(o->value, "FILE") ||
			   str_eq(o->value, "DIR")) {
			strbuf_adds(out, "_files");
		}
	}
	strbuf_addc(out, '\'');
}

static void add_zsh_command(struct strbuf *out, const struct command *c)
{
	autostrbuf words = STRBUF_INIT;

	strbuf_addf(out, "\t%s)\n\t\t_arguments", c->name);
	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (!(c->options & BIT(o)))
			continue;
		strbuf_adds(out, " \\\n\t\t\t");
		add_zsh_option(out, command_option_info(o),
			       o == COMMAND_OUTPUT ? c->outputs : NULL);
	}
	add_first_words(&words, c);
	if (words.len > 0)
		strbuf_addf(out, " \\\n\t\t\t'1:word:(%s)'", strbuf_str(&words));
	strbuf_adds(out, " ;;\n");
}

static void add_zsh(struct strbuf *out)
{
	size_t n;
	size_t n_flags;
	const struct command *commands = command_table(&n);
	const struct options_flag *flags = options_flags(&n_flags);

	strbuf_adds(out, "_recond() {\n\tlocal -a commands=(\n");
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(out, "\t\t'%s:", commands[i].name);
		add_quoted(out, commands[i].summary);
		strbuf_adds(out, "'\n");
	}
	strbuf_adds(out, "\t)\n\tif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
			 "\t\t_describe command commands\n\t\t_files\n\t\treturn\n\tfi\n"
			 "\tlocal command=$words[2]\n"
			 "\tcase $command in\n");
	for (size_t i = 0; i < n; i++)
		add_zsh_command(out, &commands[i]);
	strbuf_adds(out, "\t*)\n\t\t_arguments");
	for (size_t i = 0; i < n_flags; i++) {
		struct command_option_info o = {flags[i].letter, flags[i].name, flags[i].value,
						flags[i].help};

		strbuf_adds(out, " \\\n\t\t\t");
		add_zsh_option(out, &o, str_eq(o.name, "output") ? "text|json" : NULL);
	}
	strbuf_adds(out, " \\\n\t\t\t'*:source:_files' ;;\n\tesac\n}\n_recond \"$@\"\n");
}

static void add_fish_option(struct strbuf *out, const char *condition,
			    const struct command_option_info *o, const char *choices)
{
	strbuf_addf(out, "complete -c recond -n '%s' -l %s", condition, o->name);
	if (o->letter)
		strbuf_addf(out, " -s %c", o->letter);
	if (o->value)
		strbuf_adds(out, choices ? " -x" : " -r");
	if (choices) {
		strbuf_adds(out, " -a '");
		add_outputs(out, choices);
		strbuf_addc(out, '\'');
	}
	strbuf_adds(out, " -d '");
	for (const char *p = o->help; *p; p++)
		strbuf_addf(out, "%s%c", *p == '\'' ? "\\" : "", *p);
	strbuf_adds(out, "'\n");
}

static void add_fish(struct strbuf *out)
{
	size_t n;
	size_t n_flags;
	const struct command *commands = command_table(&n);
	const struct options_flag *flags = options_flags(&n_flags);

	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "complete -c recond -n __fish_use_subcommand -a %s -d '%s'\n",
			    commands[i].name, commands[i].summary);
	for (size_t i = 0; i < n_flags; i++) {
		struct command_option_info o = {flags[i].letter, flags[i].name, flags[i].value,
						flags[i].help};

		add_fish_option(out, "__fish_use_subcommand", &o,
				str_eq(o.name, "output") ? "text|json" : NULL);
	}
	for (size_t i = 0; i < n; i++) {
		autofree char *seen =
			mem_asprintf("__fish_seen_subcommand_from %s", commands[i].name);
		autostrbuf words = STRBUF_INIT;

		for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
			if (commands[i].options & BIT(o))
				add_fish_option(out, seen, command_option_info(o),
						o == COMMAND_OUTPUT ? commands[i].outputs : NULL);
		}
		add_first_words(&words, &commands[i]);
		if (words.len > 0)
			strbuf_addf(out, "complete -c recond -n '%s' -f -a '%s'\n", seen,
				    strbuf_str(&words));
	}
}

static const struct {
	const char *shell;
	void (*add)(struct strbuf *out);
} generators[] = {{"bash", add_bash}, {"zsh", add_zsh}, {"fish", add_fish}};

bool completion_add(struct strbuf *out, const char *shell)
{
	for (size_t i = 0; i < ARRAY_SIZE(generators); i++) {
		if (!str_eq(generators[i].shell, shell))
			continue;
		if (str_eq(shell, "zsh"))
			strbuf_adds(out, "#compdef recond\n");
		strbuf_addf(out, HEAD, shell, shell);
		generators[i].add(out);
		return true;
	}
	return false;
}

int cli_completion(const struct command_line *line)
{
	autostrbuf script = STRBUF_INIT;

	if (!completion_add(&script, line->args[0])) {
		(void)fprintf(stderr, "recond completion: '%s' is not one of bash, zsh, fish\n",
			      line->args[0]);
		return COMMAND_EXIT_USAGE;
	}
	(void)fputs(strbuf_str(&script), stdout);
	return COMMAND_EXIT_OK;
}
