/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags and the configuration file: what is taken, what wins, and the words of errors.
 */
#include "cmd/options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#define WORDS_MAX 20

/* What matters of O in one line. */
static char *summary(const struct options *o)
{
	static const char *const modes[OPTIONS_MODE_N_] = {"daemon", "dry-run", "check-config",
							   "help", "version"};
	autostrbuf text = STRBUF_INIT;

	strbuf_addf(
		&text,
		"%s state=%s run=%s socket=%s group=%s bridge=%s cidr=%s cgroup=%s level=%d prune=%s json=%d",
		modes[o->mode], o->state_dir, o->run_dir, o->socket, o->socket_group, o->bridge,
		o->pod_cidr, o->cgroup_parent, (int)o->log_level, o->confirm_prune, o->output_json);
	if (*o->sources_dir && !str_eq(o->sources_dir, OPTIONS_DEFAULT_SOURCES_DIR))
		strbuf_addf(&text, " dir=%s", o->sources_dir);
	for (size_t i = 0; i < o->sources.n; i++)
		strbuf_addf(&text, " [%s]", o->sources.items[i]);
	return strbuf_take(&text);
}

/* Run options_parse on the words of LINE. The result or the error, owned by the caller. */
static char *parse(const char *line)
{
	autofree char *copy = mem_strdup(line);
	autooptions o = {};
	char *argv[WORDS_MAX] = {(char *)"recond"};
	struct err err = {};
	int argc = 1;

	for (char *p = copy; *p;) {
		argv[argc++] = p;
		p += strcspn(p, " ");
		if (*p)
			*p++ = '\0';
	}
	if (options_parse(&o, argc, argv, &err) < 0)
		return mem_asprintf("error: %s", err.message);
	return summary(&o);
}

#define REST " group=recond bridge=recond0 cidr=10.88.0.0/16 cgroup=/recond level=2 prune= json=0"

static const struct {
	const char *sentence;
	const char *line;
	const char *want;
} lines[] = {
	{"the defaults", "/a",
	 "daemon state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST
	 " [/a]"},
	{"another state directory brings its own run directory and socket", "--state-dir /s /a",
	 "daemon state=/s run=/s/run socket=/s/run/recond.sock" REST " [/a]"},
	{"the socket follows the run directory", "--run-dir=/r /a",
	 "daemon state=/var/lib/recond run=/r socket=/r/recond.sock" REST " [/a]"},
	{"everything at once, flags behind sources too",
	 "/a --socket /x/s --bridge br1 --pod-cidr 10.9.0.0/24 --cgroup-parent /x.slice/y --log-level debug --confirm-prune abc --socket-group adm b#main",
	 "daemon state=/var/lib/recond run=/run/recond socket=/x/s group=adm bridge=br1 cidr=10.9.0.0/24 cgroup=/x.slice/y level=3 prune=abc "
	 "json=0 [/a] [/b#main]"},
	{"paths are cleaned", "--state-dir /a//b/../c /s",
	 "daemon state=/a/c run=/a/c/run socket=/a/c/run/recond.sock" REST " [/s]"},
	{"a dry run", "--dry-run -o json /a",
	 "dry-run state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock group=recond bridge=recond0 "
	 "cidr=10.88.0.0/16 cgroup=/recond level=2 prune= json=1 [/a]"},
	{"a letter with its value", "--dry-run -ojson /a",
	 "dry-run state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock group=recond bridge=recond0 "
	 "cidr=10.88.0.0/16 cgroup=/recond level=2 prune= json=1 [/a]"},
	{"sources after two dashes", "-- --odd",
	 "daemon state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST
	 " [/--odd]"},
	{"help needs no source", "--help",
	 "help state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST},
	{"a directory of sources in place of a source", "--sources-dir /d",
	 "daemon state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST
	 " dir=/d"},
	{"both", "--sources-dir /d /a",
	 "daemon state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST
	 " dir=/d [/a]"},
	{"a check of the configuration", "--check-config /a",
	 "check-config state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock" REST
	 " [/a]"},
	{"a command in the wrong place", "--log-level info status",
	 "error: 'status' is a command and must come first; write './status' for a folder of that name"},
	{"an unknown flag with a near one", "--brige x /a",
	 "error: unknown flag --brige (did you mean --bridge?)"},
	{"an unknown flag", "--zzzzzzzz /a", "error: unknown flag --zzzzzzzz"},
	{"an unknown letter", "-z /a", "error: unknown flag -z"},
	{"a value is missing", "/a --bridge", "error: --bridge needs a value: --bridge NAME"},
	{"a value too many", "--dry-run=yes /a", "error: --dry-run takes no value"},
	{"a bridge name that the kernel does not take", "--bridge a23456789012345 /a",
	 "daemon state=/var/lib/recond run=/run/recond socket=/run/recond/recond.sock group=recond bridge=a23456789012345 "
	 "cidr=10.88.0.0/16 cgroup=/recond level=2 prune= json=0 [/a]"},
	{"a bridge name too long", "--bridge a234567890123456 /a",
	 "error: --bridge: 'a234567890123456' is not a name of 1 to 15 letters, digits, '-', '_', '.'"},
	{"a bridge name with a slash", "--bridge a/b /a",
	 "error: --bridge: 'a/b' is not a name of 1 to 15 letters, digits, '-', '_', '.'"},
	{"marks of images in the wrong order", "--image-gc 80:85 /a",
	 "error: --image-gc: '80:85' is neither 'off' nor of the form HIGH:LOW, such as 85:80"},
	{"one mark of images", "--image-gc 85 /a",
	 "error: --image-gc: '85' is neither 'off' nor of the form HIGH:LOW, such as 85:80"},
	{"host bits", "--pod-cidr 10.9.1.7/16 /a",
	 "error: --pod-cidr: '10.9.1.7/16' has host bits set (did you mean 10.9.0.0/16?)"},
	{"no prefix", "--pod-cidr 10.9.0.0 /a",
	 "error: --pod-cidr: '10.9.0.0' is not of the form 10.88.0.0/16"},
	{"a relative control group", "--cgroup-parent x /a",
	 "error: --cgroup-parent: 'x' is not the path of a control group, such as /recond.slice/x"},
	{"the root of all control groups", "--cgroup-parent / /a",
	 "error: --cgroup-parent: '/' is not the path of a control group, such as /recond.slice/x"},
	{"a control group that climbs", "--cgroup-parent /a/../b /a",
	 "error: --cgroup-parent: '/a/../b' is not the path of a control group, such as /recond.slice/x"},
	{"a prefix too long", "--pod-cidr 10.9.0.0/30 /a",
	 "error: --pod-cidr: '10.9.0.0/30' is not an IPv4 network with a prefix of 8 to 28 bits"},
	{"a level that is none", "--log-level loud /a",
	 "error: --log-level: 'loud' is not one of error, warn, info, debug"},
	{"an output without a dry run", "-o json /a", "error: --output belongs to --dry-run"},
	{"a file that is not there", "--config /no/such/file /a",
	 "error: read configuration file: /no/such/file: No such file or directory"},
};

Test(options, the_command_line)
{
	cr_assert_eq(chdir("/"), 0); /* sources become absolute */
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		autofree char *got = parse(lines[i].line);

		cr_expect_str_eq(got, lines[i].want, "%s:\n got %s\nwant %s", lines[i].sentence,
				 got, lines[i].want);
	}
}

static const struct {
	const char *sentence;
	const char *text;
	const char *error; /* NULL: accepted */
} files[] = {
	{"an empty file", "", NULL},
	{"comments and blank lines", "# a\n\n   # b\n", NULL},
	{"every key",
	 "state-dir = /s\nrun-dir=/r\nsocket = /x\nsocket-group = g\nbridge = b\npod-cidr = 10.0.0.0/8\n"
	 "cgroup-parent = /recond.slice\n"
	 "log-level = warn\nsource = /a\nsource = /b#c\n",
	 NULL},
	{"carriage returns", "bridge = b\r\n", NULL},
	{"no line end at the end", "bridge = b", NULL},
	{"an unknown key with a near one", "\nscoket = /x\n",
	 "f:2: unknown key 'scoket' (did you mean 'socket'?)"},
	{"an unknown key", "colour = red\n", "f:1: unknown key 'colour'"},
	{"a flag that is none of the file", "dry-run = true\n", "f:1: unknown key 'dry-run'"},
	{"a line without a sign", "bridge b\n", "f:1: 'bridge b' is not of the form key = value"},
	{"a wrong value", "bridge = b\nlog-level = loud\n",
	 "f:2: log-level: 'loud' is not one of error, warn, info, debug"},
	{"a confirmation is given by hand, not by the file", "confirm-prune = abc\n",
	 "f:1: unknown key 'confirm-prune'"},
	{"an empty path", "state-dir =\n", "f:1: state-dir: is empty"},
	{"an empty source", "source =\n", "f:1: source is empty"},
};

Test(options, the_file)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autooptions o = {};
		struct err err = {};
		int r = options_parse_file(&o, "f", files[i].text, strlen(files[i].text), &err);

		cr_expect_eq(r < 0, files[i].error != NULL, "%s: %s", files[i].sentence,
			     err.message);
		if (files[i].error)
			cr_expect_str_eq(err.message, files[i].error, "%s: got %s",
					 files[i].sentence, err.message);
	}
}

Test(options, all_errors_of_the_file_are_said_at_once)
{
	static const char text[] = "bridge b\nsource = /a\nlog-level = loud\n";
	autooptions o = {};
	struct err err = {};

	cr_expect_lt(options_parse_file(&o, "f", text, strlen(text), &err), 0);
	cr_expect_str_eq(err.message,
			 "f:1: 'bridge b' is not of the form key = value\n"
			 "f:3: log-level: 'loud' is not one of error, warn, info, debug");
}

Test(options, a_NUL_byte_in_the_file_is_refused)
{
	autooptions o = {};

	cr_expect_lt(options_parse_file(&o, "f", "a\0b", 3, NULL), 0);
}

Test(options, flags_win_over_the_file_and_replace_its_sources)
{
	char path[] = "/tmp/recond-conf.XXXXXX";
	int fd = mkstemp(path);
	const char *text = "bridge = fromfile\nlog-level = debug\nsource = /f1\nsource = /f2\n";
	autofree char *both = NULL;
	autofree char *file_only = NULL;
	autofree char *line = mem_asprintf("--config %s --bridge flag /s", path);
	autofree char *line_only = mem_asprintf("--config %s", path);

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	both = parse(line);
	file_only = parse(line_only);
	(void)unlink(path);
	cr_expect(strstr(both, "bridge=flag") && strstr(both, "level=3") && strstr(both, "[/s]") &&
			  !strstr(both, "/f1"),
		  "%s", both);
	cr_expect(strstr(file_only, "bridge=fromfile") && strstr(file_only, "[/f1] [/f2]"), "%s",
		  file_only);
}

Test(options, marks_of_images)
{
	static const struct {
		const char *text;
		unsigned int high, low;
	} cases[] = {{"image-gc = 90:10", 90, 10}, {"image-gc = off", 100, 100}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autooptions o = {};
		struct err err = {};

		cr_assert_eq(
			options_parse_file(&o, "f", cases[i].text, strlen(cases[i].text), &err), 0,
			"%s", err.message);
		cr_expect_eq(o.image_gc_high, cases[i].high);
		cr_expect_eq(o.image_gc_low, cases[i].low);
	}
}
