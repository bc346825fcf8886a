/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands and its parser. A new command is a row here, a function in cli.h and a
 * section in the manual page; tests notice when one of them is missing.
 */
#include "cmd/command.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cmd/cli.h"

static const struct command_option_info options[COMMAND_OPTION_N_] = {
	/* clang-format off */
	[COMMAND_NAMESPACE] = { 'n', "namespace", "NS", "look in this namespace (default: \"default\")" },
	[COMMAND_ALL_NAMESPACES] = { 'A', "all-namespaces", NULL, "look in all namespaces" },
	[COMMAND_SELECTOR] = { 'l', "selector", "LABELS", "only objects with these labels: a=b,c!=d,e in (f,g),!h" },
	[COMMAND_FIELD_SELECTOR] = { 0, "field-selector", "FIELDS", "only objects with these fields: status.phase=Running" },
	[COMMAND_OUTPUT] = { 'o', "output", "FORMAT", "print in another format" },
	[COMMAND_NO_HEADERS] = { 0, "no-headers", NULL, "leave out the line of column names" },
	[COMMAND_WATCH] = { 'w', "watch", NULL, "go on showing changes" },
	[COMMAND_WAIT] = { 0, "wait", NULL, "show changes until every app is verified, held or invalid" },
	[COMMAND_TIMEOUT] = { 0, "timeout", "DURATION", "wait no longer than this: 90s, 5m, 1h30m" },
	[COMMAND_CONTAINER] = { 'c', "container", "NAME", "the container of the pod" },
	[COMMAND_FOLLOW] = { 'f', "follow", NULL, "go on printing new lines until the container ends" },
	[COMMAND_PREVIOUS] = { 'p', "previous", NULL, "the run of the container before this one" },
	[COMMAND_TAIL] = { 0, "tail", "LINES", "begin with the last LINES lines" },
	[COMMAND_SINCE] = { 0, "since", "DURATION", "only lines newer than this: 5s, 2m, 3h" },
	[COMMAND_TIMESTAMPS] = { 0, "timestamps", NULL, "print the time before each line" },
	[COMMAND_CONFIG] = { 0, "config", "FILE", "the daemon's configuration file, read instead of /etc/recond/recond.conf" },
	[COMMAND_STATE_DIR] = { 0, "state-dir", "DIR", "the state directory of the instance" },
	[COMMAND_RUN_DIR] = { 0, "run-dir", "DIR", "its run directory" },
	[COMMAND_BRIDGE] = { 0, "bridge", "NAME", "its bridge, where the run directory does not tell any more" },
	[COMMAND_GRACE] = { 0, "grace", "DURATION", "the time containers have to end: 30s, 0 (default: 10s)" },
	[COMMAND_PURGE] = { 0, "purge", NULL, "remove the state too: objects, images, logs" },
	[COMMAND_TO] = { 0, "to", "N", "the number in the history to go back to (default: the last good one)" },
	[COMMAND_REPLICAS] = { 0, "replicas", "N", "how many pods" },
	[COMMAND_ALL] = { 0, "all", NULL, "all of them: of a kind in the namespace, or images with a name, too" },
	[COMMAND_CASCADE] = { 0, "cascade", "HOW", "what becomes of dependents: background (default), foreground, orphan" },
	[COMMAND_GRACE_PERIOD] = { 0, "grace-period", "SECONDS", "time a pod gets to end; its own when missing" },
	[COMMAND_FORCE] = { 0, "force", NULL, "give a pod no time to end" },
	[COMMAND_IGNORE_NOT_FOUND] = { 0, "ignore-not-found", NULL, "what is not there is no error" },
	[COMMAND_NO_WAIT] = { 0, "no-wait", NULL, "do not wait for the end of it" },
	[COMMAND_SOCKET] = { 0, "socket", "PATH", "the daemon's socket (default: $RECOND_SOCKET, /run/recond/recond.sock)" },
	[COMMAND_HELP] = { 'h', "help", NULL, "print this help" },
	/* clang-format on */
};

#define COMMON (BIT(COMMAND_SOCKET) | BIT(COMMAND_HELP))

static const struct command_example get_examples[] = {
	{"recond get pods", "the pods of namespace default"},
	{"recond get deploy,rs -A -o wide",
	 "deployments and replica sets of all namespaces, more columns"},
	{"recond get pod/web-6d4b7-x2lq9 -o yaml", "one pod in full"},
	{"recond get pods -l app=web -w", "the pods of web, and every change of them"},
	{"recond get events --field-selector involvedObject.name=web", "what happened to web"},
	{"recond get apps", "what each app is to be and what it is"},
	{NULL, NULL},
};

static const struct command_example status_examples[] = {
	{"recond status", "one look; exit status 0 when every app is verified"},
	{"recond status --watch", "a live view; in a pipe one line per change"},
	{"recond status --wait --timeout 2m && echo up", "wait for a rollout"},
	{"recond status -o json", "the same for programs"},
	{NULL, NULL},
};

static const struct command_example logs_examples[] = {
	{"recond logs web-6d4b7-x2lq9", "everything a pod's container wrote"},
	{"recond logs -f deploy/web", "follow one pod of a deployment"},
	{"recond logs -p web-6d4b7-x2lq9", "why it crashed: the run before"},
	{"recond logs --tail 20 --since 5m -c sidecar web-6d4b7-x2lq9", "the end of it"},
	{NULL, NULL},
};

static const struct command_example history_examples[] = {
	{"recond history shop", "what of shop was rolled out, and how that ended"},
	{"recond history shop -o json", "with all objects, for programs"},
	{NULL, NULL},
};

static const struct command_example diff_examples[] = {
	{"recond diff shop@3 shop@5", "what changed from the third to the fifth"},
	{"recond diff shop@5", "what changed since the fifth"},
	{NULL, NULL},
};

static const struct command_example undo_examples[] = {
	{"recond undo shop", "back to the last good set before this one"},
	{"recond undo shop --to 3", "back to the third"},
	{NULL, NULL},
};

static const struct command_example retry_examples[] = {
	{"recond retry shop", "try again what is held"},
	{NULL, NULL},
};

static const struct command_example pause_examples[] = {
	{"recond pause shop", "newer revisions of shop wait"},
	{NULL, NULL},
};

static const struct command_example resume_examples[] = {
	{"recond resume shop", "shop follows its source again"},
	{NULL, NULL},
};

static const struct command_example approve_examples[] = {
	{"recond approve shop", "confirm what shop is held for"},
	{"recond approve shop 3f2a9c1", "only if that is still its revision"},
	{NULL, NULL},
};

static const struct command_example undelete_examples[] = {
	{"recond undelete shop", "bring back an app deleted within the last hour"},
	{NULL, NULL},
};

static const struct command_example images_examples[] = {
	{"recond images", "images that were built or pulled"},
	{"recond images -o json", "with whole digests, for programs"},
	{"recond images prune", "remove what was replaced by newer builds"},
	{NULL, NULL},
};

static const struct command_example cleanup_examples[] = {
	{"recond cleanup",
	 "after stopping the daemon: end all pods; a daemon that is started again brings them back"},
	{"recond cleanup --purge", "leave nothing of recond on this host but its programs"},
	{"recond cleanup --state-dir /srv/test", "of another instance"},
	{NULL, NULL},
};

static const struct command_example scale_examples[] = {
	{"recond scale deploy/web --replicas 5", "five pods of web"},
	{NULL, NULL},
};

static const struct command_example rollout_examples[] = {
	{"recond rollout status deploy/web --timeout 2m", "wait until web is rolled out"},
	{"recond rollout restart deploy/web", "roll the same version once more"},
	{NULL, NULL},
};

static const struct command_example delete_examples[] = {
	{"recond delete pod/web-6d4b7-x2lq9", "end one pod; its replica set makes another"},
	{"recond delete pods -l app=web --no-wait", "all pods of web, without waiting"},
	{"recond delete job/migrate", "so that its app runs it again"},
	{NULL, NULL},
};

static const struct command_example version_examples[] = {
	{"recond version", "of this program and of the daemon"},
	{NULL, NULL},
};

static const struct command_example completion_examples[] = {
	{"recond completion bash > /etc/bash_completion.d/recond", "install for bash"},
	{"recond completion zsh > \"${fpath[1]}/_recond\"", "install for zsh"},
	{"recond completion fish > ~/.config/fish/completions/recond.fish", "install for fish"},
	{NULL, NULL},
};

static const struct command_example help_examples[] = {
	{"recond help", "all commands and the daemon's flags"},
	{"recond help get", "one command"},
	{NULL, NULL},
};

static const struct command commands[] = {
	{
		.name = "get",
		.args = "KIND[,KIND...] [NAME...] | KIND/NAME...",
		.summary = "show objects",
		.details =
			"Shows objects in kubectl's columns. KIND is a plural, singular or short name: pods, deploy, rs, "
			"svc, cm, secrets, ns, events, images (builds), apps; or \"all\".",
		.outputs = "wide|json|yaml|name",
		.options = COMMON | BIT(COMMAND_NAMESPACE) | BIT(COMMAND_ALL_NAMESPACES) |
			   BIT(COMMAND_SELECTOR) | BIT(COMMAND_FIELD_SELECTOR) |
			   BIT(COMMAND_OUTPUT) | BIT(COMMAND_NO_HEADERS) | BIT(COMMAND_WATCH),
		.examples = get_examples,
		.min_args = 1,
		.max_args = COMMAND_ARGS_MAX,
		.run = cli_get,
	},
	{
		.name = "status",
		.args = "[APP...]",
		.summary = "show apps, rollouts, builds and what is not well",
		.details =
			"Shows for each app the desired and the effective revision and, when it is held, why; then "
			"workloads, pods that are not well, and builds. Exit status: 0 every app is verified, 1 an app is "
			"held or invalid, 2 error, 3 not settled yet.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT) | BIT(COMMAND_WATCH) | BIT(COMMAND_WAIT) |
			   BIT(COMMAND_TIMEOUT),
		.examples = status_examples,
		.max_args = COMMAND_ARGS_MAX,
		.run = cli_status,
	},
	{
		.name = "logs",
		.args = "POD | KIND/NAME",
		.summary = "print what a container wrote",
		.details =
			"Prints the log of a pod's container; of deploy/NAME or rs/NAME the log of one of its pods. On a "
			"terminal control characters other than colours are made visible.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_NAMESPACE) | BIT(COMMAND_CONTAINER) |
			   BIT(COMMAND_FOLLOW) | BIT(COMMAND_PREVIOUS) | BIT(COMMAND_TAIL) |
			   BIT(COMMAND_SINCE) | BIT(COMMAND_TIMESTAMPS) | BIT(COMMAND_OUTPUT),
		.examples = logs_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_logs,
	},
	{
		.name = "scale",
		.args = "KIND/NAME...",
		.summary = "set how many pods a deployment or replica set has",
		.details =
			"Sets the number of replicas. What an app owns is put back to what its source says, unless the "
			"source says no number.",
		.options = COMMON | BIT(COMMAND_NAMESPACE) | BIT(COMMAND_REPLICAS),
		.examples = scale_examples,
		.min_args = 1,
		.max_args = COMMAND_ARGS_MAX,
		.run = cli_scale,
	},
	{
		.name = "rollout",
		.args = "status | restart KIND/NAME...",
		.summary = "follow or repeat a deployment's rollout",
		.details =
			"status shows how far a deployment is until it is rolled out (exit status 0) or has exceeded its "
			"progress deadline (1). restart rolls its pods once more.",
		.options = COMMON | BIT(COMMAND_NAMESPACE) | BIT(COMMAND_TIMEOUT) |
			   BIT(COMMAND_NO_WAIT),
		.examples = rollout_examples,
		.min_args = 2,
		.max_args = COMMAND_ARGS_MAX,
		.run = cli_rollout,
	},
	{
		.name = "history",
		.args = "APP",
		.summary = "show what of an app was rolled out",
		.details =
			"Shows the sets of an app that were rolled out, oldest first, and how each ended: Verified, Held, Superseded, Undone. The number is what diff and undo take. The last 20 are kept, and what a rollback needs.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT) | BIT(COMMAND_NO_HEADERS),
		.examples = history_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_history,
	},
	{
		.name = "diff",
		.args = "APP@N [APP@N]",
		.summary = "compare two entries of an app's history",
		.details =
			"Shows the difference of two entries of the history, object by object; with one, to the newest. Values of Secrets are hidden. Exit status: 0 no difference, 1 different.",
		.options = COMMON,
		.examples = diff_examples,
		.min_args = 1,
		.max_args = 2,
		.run = cli_diff,
	},
	{
		.name = "undo",
		.args = "APP",
		.summary = "go back to an older set of an app",
		.details =
			"Puts an older set that was up back, whole: objects, configuration, images. Without --to it is the one before the rollout that is on its way, or else before what is up now. The app is held on it until its source has a new input, or until it is retried.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_TO) | BIT(COMMAND_OUTPUT),
		.examples = undo_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_app_action,
	},
	{
		.name = "retry",
		.args = "APP",
		.summary = "try again what an app is held for",
		.details =
			"Tries the newest revision of a held app again, although its input did not change.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = retry_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_app_action,
	},
	{
		.name = "pause",
		.args = "APP",
		.summary = "let newer revisions of an app wait",
		.details =
			"Stops following the source of an app: newer revisions wait, the one that takes it out of its source too, and what is changed by hand stays. A rollout that has begun goes on to its end.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = pause_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_app_action,
	},
	{
		.name = "resume",
		.args = "APP",
		.summary = "follow the source of an app again",
		.details = "Ends a pause: the newest revision is rolled out.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = resume_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_app_action,
	},
	{
		.name = "approve",
		.args = "APP [REVISION]",
		.summary = "confirm what an app waits for",
		.details =
			"Confirms the deletions of a revision that would remove much, or going back over a step that cannot be undone. `recond status` says what an app waits for.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = approve_examples,
		.min_args = 1,
		.max_args = 2,
		.run = cli_app_action,
	},
	{
		.name = "undelete",
		.args = "APP",
		.summary = "bring back a deleted app",
		.details =
			"Brings back an app that left its source within the last hour, as it was when it was up. It is held so until its source has it again.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = undelete_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_app_action,
	},
	{
		.name = "delete",
		.args = "KIND NAME... | KIND/NAME... | KIND -l LABELS | KIND --all",
		.summary = "delete objects",
		.details =
			"Deletes objects and waits until they are gone. What an app owns is made again; take it out of "
			"the source to be rid of it.",
		.outputs = "name",
		.options = COMMON | BIT(COMMAND_NAMESPACE) | BIT(COMMAND_SELECTOR) |
			   BIT(COMMAND_ALL) | BIT(COMMAND_CASCADE) | BIT(COMMAND_GRACE_PERIOD) |
			   BIT(COMMAND_FORCE) | BIT(COMMAND_IGNORE_NOT_FOUND) |
			   BIT(COMMAND_NO_WAIT) | BIT(COMMAND_TIMEOUT) | BIT(COMMAND_OUTPUT),
		.examples = delete_examples,
		.min_args = 1,
		.max_args = COMMAND_ARGS_MAX,
		.run = cli_delete,
	},
	{
		.name = "images",
		.args = "[prune]",
		.summary = "show the local image store, or tidy it",
		.details =
			"Shows the images that were built or pulled on this host. prune removes those without a name that "
			"no app needs, with --all also named ones and what builds keep to be faster; what runs, and what "
			"an app may go back to, stays.",
		.outputs = "wide|json",
		.options =
			COMMON | BIT(COMMAND_OUTPUT) | BIT(COMMAND_NO_HEADERS) | BIT(COMMAND_ALL),
		.examples = images_examples,
		.max_args = 1,
		.run = cli_images,
	},
	{
		.name = "cleanup",
		.args = "",
		.summary = "end all pods and remove what recond has on this host",
		.details =
			"Ends every pod of an instance whose daemon is stopped, and removes its mounts, network "
			"namespaces, links, packet filter table, control groups and run directory. Containers get SIGTERM and "
			"the grace; preStop hooks are not run. The state stays, unless --purge. Repeating it is fine.",
		.options = BIT(COMMAND_CONFIG) | BIT(COMMAND_STATE_DIR) | BIT(COMMAND_RUN_DIR) |
			   BIT(COMMAND_BRIDGE) | BIT(COMMAND_GRACE) | BIT(COMMAND_PURGE) |
			   BIT(COMMAND_HELP),
		.examples = cleanup_examples,
		.run = cli_cleanup,
	},
	{
		.name = "version",
		.args = "",
		.summary = "print the versions of this program and of the daemon",
		.details =
			"Prints the version of this program and, when one answers, of the daemon.",
		.outputs = "json",
		.options = COMMON | BIT(COMMAND_OUTPUT),
		.examples = version_examples,
		.run = cli_version,
	},
	{
		.name = "completion",
		.args = "bash | zsh | fish",
		.summary = "print a completion script for a shell",
		.details =
			"Prints the completion script of a shell. The same scripts are installed with the package.",
		.options = BIT(COMMAND_HELP),
		.examples = completion_examples,
		.min_args = 1,
		.max_args = 1,
		.run = cli_completion,
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.summary = "explain a command",
		.details =
			"Prints the list of commands and the daemon's flags, or the help of one command.",
		.options = BIT(COMMAND_HELP),
		.examples = help_examples,
		.max_args = 1,
		.run = cli_help,
	},
};

const struct command *command_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(commands);
	return commands;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (str_eq(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

const char *command_nearest(const char *word)
{
	const char *names[ARRAY_SIZE(commands) + 1] = {};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	return str_nearest(word, names);
}

const struct command_option_info *command_option_info(enum command_option option)
{
	assert(option < COMMAND_OPTION_N_);
	return &options[option];
}

/* Parsing */

struct parser {
	struct command_line *line;
	int argc;
	char **argv;
	int next;
	struct err *err;
};

/* An option that COMMAND has, by letter (NAME NULL) or by name of N bytes; COMMAND_OPTION_N_ when
 * it has none such. */
static enum command_option find_option(const struct command *command, char letter, const char *name,
				       size_t n)
{
	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (!(command->options & BIT(o)))
			continue;
		if (name ? strlen(options[o].name) == n && strncmp(options[o].name, name, n) == 0
			 : options[o].letter == letter)
			return o;
	}
	return COMMAND_OPTION_N_;
}

static const char *nearest_option(const struct command *command, const char *name)
{
	const char *names[COMMAND_OPTION_N_ + 1] = {};
	size_t n = 0;

	for (enum command_option o = 0; o < COMMAND_OPTION_N_; o++) {
		if (command->options & BIT(o))
			names[n++] = options[o].name;
	}
	return str_nearest(name, names);
}

static bool output_allowed(const struct command *command, const char *value)
{
	autostrlist choices = {};

	strlist_split(&choices, command->outputs, '|');
	return strlist_contains(&choices, value);
}

/* VALUE is what was written behind the option, NULL when nothing was: then the next argument is
 * taken. */
static int set_option(struct parser *p, enum command_option o, const char *value)
{
	const struct command_option_info *info = &options[o];

	if (!info->value && value)
		return err_invalid(p->err, "--%s takes no value", info->name);
	if (info->value && !value) {
		if (p->next == p->argc)
			return err_invalid(p->err, "--%s needs a value: --%s %s", info->name,
					   info->name, info->value);
		value = p->argv[p->next++];
	}
	if (o == COMMAND_OUTPUT && !output_allowed(p->line->command, value))
		return err_invalid(p->err, "--output '%s' is not one of %s", value,
				   p->line->command->outputs);
	p->line->values[o] = value ?: "";
	return 0;
}

static int parse_long(struct parser *p, const char *text)
{
	size_t n = strcspn(text, "=");
	enum command_option o = find_option(p->line->command, 0, text, n);
	autofree char *name = mem_strndup(text, n);
	const char *near;

	if (o != COMMAND_OPTION_N_)
		return set_option(p, o, text[n] == '=' ? text + n + 1 : NULL);
	near = nearest_option(p->line->command, name);
	if (near)
		return err_invalid(p->err, "unknown option --%s (did you mean --%s?)", name, near);
	return err_invalid(p->err, "unknown option --%s", name);
}

/* "-fp", "-nNS", "-n NS" */
static int parse_letters(struct parser *p, const char *text)
{
	for (; *text; text++) {
		enum command_option o = find_option(p->line->command, *text, NULL, 0);
		int r;

		if (o == COMMAND_OPTION_N_)
			return err_invalid(p->err, "unknown option -%c", *text);
		if (options[o].value)
			return set_option(p, o,
					  text[1] == '\0' ? NULL : text + 1 + (text[1] == '='));
		r = set_option(p, o, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_argument(struct parser *p, const char *text)
{
	if (p->line->n_args == p->line->command->max_args)
		return err_invalid(p->err, "unexpected argument '%s'", text);
	p->line->args[p->line->n_args++] = text;
	return 0;
}

int command_parse(struct command_line *ret, const struct command *command, int argc, char **argv,
		  struct err *err)
{
	struct command_line line = {.command = command};
	struct parser p = {.line = &line, .argc = argc, .argv = argv, .err = err};
	bool only_arguments = false;
	int r = 0;

	while (p.next < argc && r == 0) {
		const char *text = argv[p.next++];

		if (only_arguments || text[0] != '-' || text[1] == '\0')
			r = add_argument(&p, text);
		else if (str_eq(text, "--"))
			only_arguments = true;
		else if (text[1] == '-')
			r = parse_long(&p, text + 2);
		else
			r = parse_letters(&p, text + 1);
	}
	if (r == 0 && !line.values[COMMAND_HELP] && line.n_args < command->min_args)
		r = err_invalid(err, "%s is missing", command->args);
	if (r < 0)
		return r;
	*ret = line;
	return 0;
}

int command_main(const struct command *command, int argc, char **argv)
{
	struct command_line line;
	struct err err = {};

	assert(argc >= 1);
	if (command_parse(&line, command, argc - 1, argv + 1, &err) < 0) {
		(void)fprintf(stderr, "recond %s: %s\nSee 'recond %s --help'.\n", command->name,
			      err.message, command->name);
		return COMMAND_EXIT_USAGE;
	}
	if (line.values[COMMAND_HELP]) {
		autostrbuf help = STRBUF_INIT;

		command_add_help(&help, command);
		(void)fputs(strbuf_str(&help), stdout);
		return COMMAND_EXIT_OK;
	}
	return command->run(&line);
}
