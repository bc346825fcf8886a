/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: parsing, and that help, manual page and completions tell the same.
 */
#include "cmd/command.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/completion.h"
#include "cmd/duration.h"
#include "cmd/options.h"
#include "cmd/target.h"

#define WORDS_MAX 16

/* Split LINE at spaces into ARGV, which points into it. */
static int split(char *line, char **argv)
{
	int argc = 0;

	while (*line) {
		argv[argc++] = line;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
	return argc;
}

static const struct {
	const char *sentence;
	const char *line; /* command and its words */
	const char *want; /* "option=value" ... then arguments; or the error */
} lines[] = {
	{"a kind", "get pods", "pods"},
	{"options before and behind", "get -n x pods -o json web",
	 "namespace=x output=json pods web"},
	{"a long option with a sign", "get --namespace=x pods", "namespace=x pods"},
	{"letters in a bunch", "get -Aw pods", "all-namespaces= watch= pods"},
	{"a letter with its value", "get -nx pods -ojson", "namespace=x output=json pods"},
	{"a letter with a sign and its value", "get -n=x pods", "namespace=x pods"},
	{"a bunch that ends in a value", "logs -fcweb p", "container=web follow= p"},
	{"a value that looks like an option", "logs --tail -1 p", "tail=-1 p"},
	{"arguments after two dashes", "get pods -- -x", "pods -x"},
	{"help needs no arguments", "get --help", "help="},
	{"an argument is missing", "get",
	 "error: KIND[,KIND...] [NAME...] | KIND/NAME... is missing"},
	{"an argument too many", "images prune all", "error: unexpected argument 'all'"},
	{"an unknown option with a near one", "get pods --wacth",
	 "error: unknown option --wacth (did you mean --watch?)"},
	{"an option of another command", "get pods --follow", "error: unknown option --follow"},
	{"an unknown letter", "get pods -z", "error: unknown option -z"},
	{"a value is missing", "get pods -n", "error: --namespace needs a value: --namespace NS"},
	{"a value too many", "get pods --watch=yes", "error: --watch takes no value"},
	{"a format that is none", "get pods -o xml",
	 "error: --output 'xml' is not one of wide|json|yaml|name"},
	{"a format of another command", "images -o yaml",
	 "error: --output 'yaml' is not one of wide|json"},
};

static char *parse(const char *text)
{
	autofree char *copy = mem_strdup(text);
	char *argv[WORDS_MAX];
	int argc = split(copy, argv);
	const struct command *command = command_find(argv[0]);
	struct command_line line;
	autostrbuf out = STRBUF_INIT;
	struct err err = {};

	cr_assert(command);
	if (command_parse(&line, command, argc - 1, argv + 1, &err) < 0)
		return mem_asprintf("error: %s", err.message);
	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (line.values[o])
			strbuf_addf(&out, "%s%s=%s", out.len ? " " : "",
				    command_option_info(o)->name, line.values[o]);
	}
	for (size_t i = 0; i < line.n_args; i++)
		strbuf_addf(&out, "%s%s", out.len ? " " : "", line.args[i]);
	return strbuf_take(&out);
}

Test(command, lines)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		autofree char *got = parse(lines[i].line);

		cr_expect_str_eq(got, lines[i].want, "%s:\n got %s\nwant %s", lines[i].sentence,
				 got, lines[i].want);
	}
}

static const struct {
	const char *sentence;
	const char *line;
	const char *ns;   /* NULL: all */
	const char *want; /* paths, or the error */
} targets[] = {
	{"a kind", "po", "x", "/api/v1/namespaces/x/pods"},
	{"a kind of a group", "deploy", "x", "/apis/apps/v1/namespaces/x/deployments"},
	{"in all namespaces", "deploy", NULL, "/apis/apps/v1/deployments"},
	{"a kind without namespaces", "ns", "x", "/api/v1/namespaces"},
	{"several kinds", "po,svc", "x", "/api/v1/namespaces/x/pods /api/v1/namespaces/x/services"},
	{"names", "po a b", "x", "/api/v1/namespaces/x/pods/a /api/v1/namespaces/x/pods/b"},
	{"pairs", "po/a app/b", "x", "/api/v1/namespaces/x/pods/a /apis/recond.dev/v1/apps/b"},
	{"odd characters are encoded", "po a?b%#", "y/z",
	 "/api/v1/namespaces/y%2Fz/pods/a%3Fb%25%23"},
	{"all", "all", "x",
	 "/api/v1/namespaces/x/pods /api/v1/namespaces/x/services /apis/apps/v1/namespaces/x/deployments "
	 "/apis/apps/v1/namespaces/x/replicasets /apis/batch/v1/namespaces/x/jobs"},
	{"an unknown kind with a near one", "pds", "x",
	 "error: the server doesn't have a resource type \"pds\" (did you mean pods?)"},
	{"an unknown kind", "widgets", "x",
	 "error: the server doesn't have a resource type \"widgets\""},
	{"an empty kind", "po,,svc", "x", "error: the server doesn't have a resource type \"\""},
	{"a pair without a name", "po/", "x", "error: 'po/' is not of the form KIND/NAME"},
	{"a pair and a word", "po/a b", "x",
	 "error: there is no need to specify a resource type as a separate argument when passing arguments in KIND/NAME form "
	 "(found 'b')"},
};

Test(command, targets)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		autofree char *copy = mem_strdup(targets[i].line);
		char *argv[WORDS_MAX];
		int argc = split(copy, argv);
		struct target_list list;
		autostrbuf got = STRBUF_INIT;
		struct err err = {};

		if (target_parse(&list, (const char *const *)argv, (size_t)argc, &err) < 0) {
			strbuf_addf(&got, "error: %s", err.message);
		} else {
			for (size_t t = 0; t < list.n; t++) {
				if (t > 0)
					strbuf_addc(&got, ' ');
				target_add_path(&got, &list.items[t], targets[i].ns);
			}
		}
		cr_expect_str_eq(strbuf_str(&got), targets[i].want, "%s:\n got %s\nwant %s",
				 targets[i].sentence, strbuf_str(&got), targets[i].want);
	}
}

Test(command, durations)
{
	static const struct {
		const char *text;
		int64_t want; /* 0: refused */
	} durations[] = {
		{"5s", 5},       {"2m", 120},      {"1h30m", 5400},
		{"1d", 86400},   {"1h0m5s", 3605}, {"", 0},
		{"0s", 0},       {"5", 0},         {"m", 0},
		{"5x", 0},       {"1m1h", 0},      {"1m1m", 0},
		{"-5s", 0},      {"1.5h", 0},      {"99999999999999999999s", 0},
		{"9999999d", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		int64_t got = 0;

		(void)duration_parse(&got, durations[i].text, NULL);
		cr_expect_eq(got, durations[i].want, "'%s': got %lld", durations[i].text,
			     (long long)got);
	}
}

/* A file of the repository. Owned by the caller. */
static char *read_source(const char *name)
{
	autofree char *path = mem_asprintf("%s/%s", getenv("SOURCE_DIR") ?: ".", name);
	char *text;
	size_t n;

	cr_assert_eq(fs_read_at(&text, &n, AT_FDCWD, path, 1 << 20), 0, "%s", path);
	return text;
}

Test(command, every_command_has_help_with_examples)
{
	size_t n;
	const struct command *table = command_table(&n);

	for (size_t i = 0; i < n; i++) {
		autostrbuf help = STRBUF_INIT;

		command_add_help(&help, &table[i]);
		cr_expect(table[i].run && *table[i].summary && *table[i].details &&
				  table[i].examples[0].line,
			  "%s", table[i].name);
		cr_expect_eq(!!table[i].outputs, !!(table[i].options & BIT(COMMAND_OUTPUT)), "%s",
			     table[i].name);
		cr_expect(strstr(strbuf_str(&help), table[i].examples[0].line), "%s",
			  table[i].name);
		for (const struct command_example *e = table[i].examples; e->line; e++)
			cr_expect(str_skip_prefix(e->line, "recond "), "%s", e->line);
	}
}

Test(command, the_examples_parse)
{
	size_t n;
	const struct command *table = command_table(&n);

	for (size_t i = 0; i < n; i++) {
		for (const struct command_example *e = table[i].examples; e->line; e++) {
			autofree char *line = mem_strdup(str_skip_prefix(e->line, "recond "));
			autofree char *got = NULL;

			line[strcspn(line, ">&")] = '\0';
			while (*line && line[strlen(line) - 1] == ' ')
				line[strlen(line) - 1] = '\0';
			got = parse(line);
			cr_expect_not(str_skip_prefix(got, "error"), "%s: %s", e->line, got);
		}
	}
}

Test(command, the_manual_page_names_every_command_option_and_flag)
{
	autofree char *page = read_source("docs/man/recond.8");
	size_t n;
	size_t n_flags;
	const struct command *table = command_table(&n);
	const struct options_flag *flags = options_flags(&n_flags);

	for (size_t i = 0; i < n; i++) {
		autofree char *item = mem_asprintf(".It Cm %s", table[i].name);
		const char *section = strstr(page, item);

		cr_expect(section, "no section '%s'", item);
	}
	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		const struct command_option_info *info = command_option_info(o);
		autofree char *name = mem_asprintf("Fl -%s%s%s\n", info->name,
						   info->value ? " Ar " : "", info->value ?: "");
		autofree char *letter = mem_asprintf(".It Fl %c , %s", info->letter, name);

		cr_expect(strstr(page, name), "no option '%s'", name);
		cr_expect(!info->letter || strstr(page, letter), "no letter '%s'", letter);
	}
	for (size_t i = 0; i < n_flags; i++) {
		autofree char *name =
			mem_asprintf("Fl -%s%s%s\n", flags[i].name, flags[i].value ? " Ar " : "",
				     flags[i].value ?: "");

		cr_expect(strstr(page, name), "no flag '%s'", name);
	}
}

Test(command, the_completions_in_the_tree_are_those_of_the_table)
{
	static const struct {
		const char *shell;
		const char *file;
	} scripts[] = {{"bash", "contrib/completions/recond.bash"},
		       {"zsh", "contrib/completions/_recond"},
		       {"fish", "contrib/completions/recond.fish"}};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		autofree char *in_tree = read_source(scripts[i].file);
		autostrbuf made = STRBUF_INIT;

		cr_assert(completion_add(&made, scripts[i].shell));
		cr_expect(str_eq(in_tree, strbuf_str(&made)),
			  "%s is old: run recond completion %s > %s", scripts[i].file,
			  scripts[i].shell, scripts[i].file);
	}
}
