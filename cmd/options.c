/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per flag: its name on the command line and in the file, its help, and the function that
 * checks and stores its value. Defaults that depend on other values are filled in at the end.
 */
#include "cmd/options.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cmd/command.h"
#include "cmd/trusted.h"

#define CONFIG_MAX_BYTES (64u << 10)
#define BRIDGE_NAME_MAX 15 /* IFNAMSIZ - 1 */

/* Store VALUE ("" for a switch); messages do not name the flag, the caller does. */
typedef int (*set_fn)(struct options *o, const char *value, struct err *err);

static int set_path(char **field, const char *value, struct err *err)
{
	autofree char *joined = NULL;
	char cwd[4096];

	if (*value == '\0')
		return err_invalid(err, "is empty");
	if (*value == '/') {
		joined = mem_strdup(value);
	} else {
		if (!getcwd(cwd, sizeof(cwd)))
			return err_errno(err, errno, "look up the working directory");
		joined = mem_asprintf("%s/%s", cwd, value);
	}
	free(*field);
	*field = fs_clean_path(joined);
	return 0;
}

static int set_config(struct options *o, const char *value, struct err *err)
{
	return set_path(&o->config, value, err);
}

static int set_sources_dir(struct options *o, const char *value, struct err *err)
{
	o->sources_dir_given = true;
	return set_path(&o->sources_dir, value, err);
}

static int set_state_dir(struct options *o, const char *value, struct err *err)
{
	return set_path(&o->state_dir, value, err);
}

static int set_run_dir(struct options *o, const char *value, struct err *err)
{
	return set_path(&o->run_dir, value, err);
}

static int set_socket(struct options *o, const char *value, struct err *err)
{
	return set_path(&o->socket, value, err);
}

static int set_socket_group(struct options *o, const char *value, struct err *err)
{
	if (*value == '\0')
		return err_invalid(err, "is empty");
	free(o->socket_group);
	o->socket_group = mem_strdup(value);
	return 0;
}

static int set_bridge(struct options *o, const char *value, struct err *err)
{
	size_t n = strlen(value);
	size_t legal =
		strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (n == 0 || n > BRIDGE_NAME_MAX || legal != n || *value == '.' || *value == '-')
		return err_invalid(err,
				   "'%s' is not a name of 1 to %d letters, digits, '-', '_', '.'",
				   value, BRIDGE_NAME_MAX);
	free(o->bridge);
	o->bridge = mem_strdup(value);
	return 0;
}

static int set_pod_cidr(struct options *o, const char *value, struct err *err)
{
	autofree char *address = mem_strdup(value);
	char *slash = strchr(address, '/');
	char network[INET_ADDRSTRLEN];
	struct in_addr in;
	uint64_t bits;
	uint32_t mask;

	if (!slash)
		return err_invalid(err, "'%s' is not of the form 10.88.0.0/16", value);
	*slash++ = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 || str_parse_u64(&bits, slash, 8, 28) < 0)
		return err_invalid(err, "'%s' is not an IPv4 network with a prefix of 8 to 28 bits",
				   value);
	mask = htonl(~UINT32_C(0) << (32 - bits));
	if (in.s_addr & ~mask) {
		in.s_addr &= mask;
		(void)inet_ntop(AF_INET, &in, network, sizeof(network));
		return err_invalid(err, "'%s' has host bits set (did you mean %s/%s?)", value,
				   network, slash);
	}
	free(o->pod_cidr);
	o->pod_cidr = mem_strdup(value);
	return 0;
}

static int set_cgroup_parent(struct options *o, const char *value, struct err *err)
{
	autofree char *clean = fs_clean_path(value);

	if (*value != '/' || !str_eq(clean, value) || value[1] == '\0' || strstr(value, "/.."))
		return err_invalid(
			err, "'%s' is not the path of a control group, such as /recond.slice/x",
			value);
	free(o->cgroup_parent);
	o->cgroup_parent = TAKE_PTR(clean);
	return 0;
}

static int set_log_level(struct options *o, const char *value, struct err *err)
{
	if (log_level_parse(&o->log_level, value) < 0)
		return err_invalid(err, "'%s' is not one of error, warn, info, debug", value);
	return 0;
}

static int set_image_gc(struct options *o, const char *value, struct err *err)
{
	autofree char *high = mem_strdup(value);
	char *low = strchr(high, ':');
	uint64_t from, to;

	if (str_eq(value, "off")) {
		o->image_gc_high = o->image_gc_low = 100;
		return 0;
	}
	if (low)
		*low++ = '\0';
	if (!low || str_parse_u64(&from, high, 1, 99) < 0 || str_parse_u64(&to, low, 1, 99) < 0 ||
	    to >= from)
		return err_invalid(err,
				   "'%s' is neither 'off' nor of the form HIGH:LOW, such as 85:80",
				   value);
	o->image_gc_high = (unsigned int)from;
	o->image_gc_low = (unsigned int)to;
	return 0;
}

static int set_confirm_prune(struct options *o, const char *value, struct err *err)
{
	if (*value == '\0')
		return err_invalid(err, "wants the revision that 'recond status' names");
	free(o->confirm_prune);
	o->confirm_prune = mem_strdup(value);
	return 0;
}

static int set_dry_run(struct options *o, const char *value UNUSED, struct err *err UNUSED)
{
	o->mode = OPTIONS_DRY_RUN;
	return 0;
}

static int set_check_config(struct options *o, const char *value UNUSED, struct err *err UNUSED)
{
	o->mode = OPTIONS_CHECK_CONFIG;
	return 0;
}

static int set_output(struct options *o, const char *value, struct err *err)
{
	if (!str_eq(value, "json") && !str_eq(value, "text"))
		return err_invalid(err, "'%s' is neither text nor json", value);
	o->output_json = str_eq(value, "json");
	return 0;
}

static int set_help(struct options *o, const char *value UNUSED, struct err *err UNUSED)
{
	o->mode = OPTIONS_HELP;
	return 0;
}

static int set_version(struct options *o, const char *value UNUSED, struct err *err UNUSED)
{
	o->mode = OPTIONS_VERSION;
	return 0;
}

/* The order is that of the help. */
enum flag {
	FLAG_CONFIG,
	FLAG_SOURCES_DIR,
	FLAG_STATE_DIR,
	FLAG_RUN_DIR,
	FLAG_SOCKET,
	FLAG_SOCKET_GROUP,
	FLAG_BRIDGE,
	FLAG_POD_CIDR,
	FLAG_CGROUP_PARENT,
	FLAG_IMAGE_GC,
	FLAG_LOG_LEVEL,
	FLAG_CONFIRM_PRUNE,
	FLAG_DRY_RUN,
	FLAG_OUTPUT,
	FLAG_CHECK_CONFIG,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_N_,
};

static const struct options_flag flags[FLAG_N_] = {
	/* clang-format off */
	[FLAG_CONFIG] = { 0, "config", "FILE", "read this file instead of " OPTIONS_DEFAULT_CONFIG, false },
	[FLAG_SOURCES_DIR] = { 0, "sources-dir", "DIR", "files that configure sources (default: " OPTIONS_DEFAULT_SOURCES_DIR ")", true },
	[FLAG_STATE_DIR] = { 0, "state-dir", "DIR", "objects, images, volumes, logs (default: " OPTIONS_DEFAULT_STATE_DIR ")", true },
	[FLAG_RUN_DIR] = { 0, "run-dir", "DIR", "what does not survive a boot (default: " OPTIONS_DEFAULT_RUN_DIR ")", true },
	[FLAG_SOCKET] = { 0, "socket", "PATH", "the API's socket (default: recond.sock in the run directory)", true },
	[FLAG_SOCKET_GROUP] = { 0, "socket-group", "GROUP", "whose members may use the socket (default: " OPTIONS_DEFAULT_SOCKET_GROUP ")", true },
	[FLAG_BRIDGE] = { 0, "bridge", "NAME", "the bridge pods are on (default: " OPTIONS_DEFAULT_BRIDGE ")", true },
	[FLAG_POD_CIDR] = { 0, "pod-cidr", "CIDR", "addresses of pods (default: " OPTIONS_DEFAULT_POD_CIDR ")", true },
	[FLAG_CGROUP_PARENT] = { 0, "cgroup-parent", "PATH", "the control group that those of pods are made below (default: " OPTIONS_DEFAULT_CGROUP_PARENT ")", true },
	[FLAG_IMAGE_GC] = { 0, "image-gc", "HIGH:LOW", "collect unneeded images from HIGH down to LOW percent of the disk, or off (default: " OPTIONS_DEFAULT_IMAGE_GC ")", true },
	[FLAG_LOG_LEVEL] = { 0, "log-level", "LEVEL", "error, warn, info or debug (default: info)", true },
	[FLAG_CONFIRM_PRUNE] = { 0, "confirm-prune", "REVISION", "let this revision delete most of a large app, or everything", false },
	[FLAG_DRY_RUN] = { 0, "dry-run", NULL, "print the plan: exit status 0 nothing to do, 1 changes, 2 errors", false },
	[FLAG_OUTPUT] = { 'o', "output", "FORMAT", "of a dry run: text or json", false },
	[FLAG_CHECK_CONFIG] = { 0, "check-config", NULL, "read the whole configuration, say what is wrong with it: exit status 0 or 2", false },
	[FLAG_HELP] = { 'h', "help", NULL, "print this help", false },
	[FLAG_VERSION] = { 0, "version", NULL, "print the version", false },
	/* clang-format on */
};

static const set_fn setters[FLAG_N_] = {
	[FLAG_CONFIG] = set_config,
	[FLAG_SOURCES_DIR] = set_sources_dir,
	[FLAG_STATE_DIR] = set_state_dir,
	[FLAG_RUN_DIR] = set_run_dir,
	[FLAG_SOCKET] = set_socket,
	[FLAG_SOCKET_GROUP] = set_socket_group,
	[FLAG_BRIDGE] = set_bridge,
	[FLAG_POD_CIDR] = set_pod_cidr,
	[FLAG_CGROUP_PARENT] = set_cgroup_parent,
	[FLAG_IMAGE_GC] = set_image_gc,
	[FLAG_LOG_LEVEL] = set_log_level,
	[FLAG_CONFIRM_PRUNE] = set_confirm_prune,
	[FLAG_DRY_RUN] = set_dry_run,
	[FLAG_OUTPUT] = set_output,
	[FLAG_CHECK_CONFIG] = set_check_config,
	[FLAG_HELP] = set_help,
	[FLAG_VERSION] = set_version,
};

const struct options_flag *options_flags(size_t *ret_n)
{
	*ret_n = FLAG_N_;
	return flags;
}

void options_deinit(struct options *o)
{
	free(o->config);
	free(o->sources_dir);
	free(o->state_dir);
	free(o->run_dir);
	free(o->socket);
	free(o->socket_group);
	free(o->bridge);
	free(o->pod_cidr);
	free(o->cgroup_parent);
	free(o->confirm_prune);
	strlist_deinit(&o->sources);
	*o = (struct options){};
}

/* FLAG_N_ when there is none. IN_FILE: only those that may stand in the file. */
static enum flag find_flag(const char *name, size_t n, bool in_file)
{
	for (enum flag f = 0; f < FLAG_N_; f++) {
		if (in_file && !flags[f].in_file)
			continue;
		if (strlen(flags[f].name) == n && strncmp(flags[f].name, name, n) == 0)
			return f;
	}
	return FLAG_N_;
}

static const char *nearest_flag(const char *name, bool in_file)
{
	const char *names[FLAG_N_ + 2] = {};
	size_t n = 0;

	for (enum flag f = 0; f < FLAG_N_; f++) {
		if (flags[f].in_file || !in_file)
			names[n++] = flags[f].name;
	}
	if (in_file)
		names[n++] = "source";
	return str_nearest(name, names);
}

/* The file */

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

static int parse_line(struct options *o, char *line, struct err *err)
{
	char *value = strchr(line, '=');
	const char *near;
	enum flag f;

	if (!value)
		return err_invalid(err, "'%s' is not of the form key = value", line);
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	if (str_eq(line, "source")) {
		if (*value == '\0')
			return err_invalid(err, "source is empty");
		strlist_add(&o->sources, value);
		return 0;
	}
	f = find_flag(line, strlen(line), true);
	if (f != FLAG_N_) {
		return setters[f](o, value, err) < 0 ? err_wrap(err, "%s", line) : 0;
	}
	near = nearest_flag(line, true);
	if (near)
		return err_invalid(err, "unknown key '%s' (did you mean '%s'?)", line, near);
	return err_invalid(err, "unknown key '%s'", line);
}

/* One more error of the file; the first decides of what kind they are. */
static void add_error(struct err *all, const char *name, size_t line, const struct err *one)
{
	autofree char *before = all->code ? mem_asprintf("%s\n", all->message) : mem_strdup("");

	(void)err_set(all, one->kind, one->code, NULL, "%s%s:%zu: %s", before, name, line,
		      one->message);
}

int options_parse_file(struct options *o, const char *name, const char *text, size_t n,
		       struct err *err)
{
	autostrlist lines = {};
	struct err all = {};

	if (memchr(text, '\0', n))
		return err_invalid(err, "%s: contains a NUL byte", name);
	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *line = trim(lines.items[i]);
		struct err one = {};

		if (*line == '\0' || *line == '#')
			continue;
		if (parse_line(o, line, &one) < 0)
			add_error(&all, name, i + 1, &one);
	}
	if (all.code)
		*err = all;
	return all.code;
}

static int read_file(struct options *o, const char *path, bool must_exist, struct err *err)
{
	autofree char *text = NULL;
	size_t n;
	int r;

	r = trusted_read(&text, &n, path, 022, CONFIG_MAX_BYTES, err);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r < 0)
		return err_wrap(err, "read configuration file");
	r = options_parse_file(o, path, text, n, err);
	if (r < 0)
		return r;
	return set_path(&o->config, path, err);
}

/* The command line */

struct parser {
	int argc;
	char **argv;
	int next;
	struct err *err;
};

static int set_flag(struct options *o, struct parser *p, enum flag f, const char *value)
{
	const struct options_flag *info = &flags[f];

	if (!info->value && value)
		return err_invalid(p->err, "--%s takes no value", info->name);
	if (info->value && !value) {
		if (p->next == p->argc)
			return err_invalid(p->err, "--%s needs a value: --%s %s", info->name,
					   info->name, info->value);
		value = p->argv[p->next++];
	}
	return setters[f](o, value ?: "", p->err) < 0 ? err_wrap(p->err, "--%s", info->name) : 0;
}

static int parse_long(struct options *o, struct parser *p, const char *text)
{
	size_t n = strcspn(text, "=");
	autofree char *name = mem_strndup(text, n);
	enum flag f = find_flag(text, n, false);
	const char *near;

	if (f != FLAG_N_)
		return set_flag(o, p, f, text[n] == '=' ? text + n + 1 : NULL);
	near = nearest_flag(name, false);
	if (near)
		return err_invalid(p->err, "unknown flag --%s (did you mean --%s?)", name, near);
	return err_invalid(p->err, "unknown flag --%s", name);
}

static int parse_letter(struct options *o, struct parser *p, const char *text)
{
	for (enum flag f = 0; f < FLAG_N_; f++) {
		if (flags[f].letter != *text)
			continue;
		if (!flags[f].value && text[1] != '\0')
			break;
		return set_flag(o, p, f, text[1] == '\0' ? NULL : text + 1);
	}
	return err_invalid(p->err, "unknown flag -%s", text);
}

static int add_source(struct options *o, const char *text, struct err *err)
{
	if (*text == '\0')
		return err_invalid(err, "a SOURCE is empty");
	if (command_find(text))
		return err_invalid(
			err,
			"'%s' is a command and must come first; write './%s' for a folder of that name",
			text, text);
	strlist_add(&o->sources, text);
	return 0;
}

static int parse_arguments(struct options *o, struct parser *p)
{
	bool only_sources = false;
	int r = 0;

	while (p->next < p->argc && r == 0) {
		const char *text = p->argv[p->next++];

		if (only_sources || text[0] != '-' || text[1] == '\0')
			r = add_source(o, text, p->err);
		else if (str_eq(text, "--"))
			only_sources = true;
		else if (text[1] == '-')
			r = parse_long(o, p, text + 2);
		else
			r = parse_letter(o, p, text + 1);
	}
	return r;
}

static void set_default(char **field, const char *value)
{
	if (!*field)
		*field = mem_strdup(value);
}

/* A source is known by its absolute path, whoever names it from wherever. */
static void make_sources_absolute(struct options *o)
{
	for (size_t i = 0; i < o->sources.n; i++) {
		const char *text = o->sources.items[i];
		size_t n = strcspn(text, "#");
		autofree char *path = mem_strndup(text, n);
		autofree char *cwd = *path == '/' ? NULL : get_current_dir_name();
		autofree char *joined = mem_asprintf("%s%s%s", cwd ?: "", cwd ? "/" : "", path);
		autofree char *clean = fs_clean_path(joined);
		char *whole = mem_asprintf("%s%s", clean, text + n);

		free(o->sources.items[i]);
		o->sources.items[i] = whole;
	}
}

static void fill_defaults(struct options *o)
{
	make_sources_absolute(o);
	set_default(&o->config, "");
	set_default(&o->sources_dir, OPTIONS_DEFAULT_SOURCES_DIR);
	set_default(&o->state_dir, OPTIONS_DEFAULT_STATE_DIR);
	if (!o->run_dir)
		o->run_dir = str_eq(o->state_dir, OPTIONS_DEFAULT_STATE_DIR)
				     ? mem_strdup(OPTIONS_DEFAULT_RUN_DIR)
				     : mem_asprintf("%s/run", o->state_dir);
	if (!o->socket)
		o->socket = mem_asprintf("%s/recond.sock", o->run_dir);
	set_default(&o->socket_group, OPTIONS_DEFAULT_SOCKET_GROUP);
	set_default(&o->bridge, OPTIONS_DEFAULT_BRIDGE);
	set_default(&o->pod_cidr, OPTIONS_DEFAULT_POD_CIDR);
	set_default(&o->cgroup_parent, OPTIONS_DEFAULT_CGROUP_PARENT);
	set_default(&o->confirm_prune, "");
	if (o->image_gc_high == 0)
		(void)set_image_gc(o, OPTIONS_DEFAULT_IMAGE_GC, NULL);
}

static int check(const struct options *o, struct err *err)
{
	if (o->mode == OPTIONS_HELP || o->mode == OPTIONS_VERSION)
		return 0;
	if (o->output_json && o->mode != OPTIONS_DRY_RUN)
		return err_invalid(err, "--output belongs to --dry-run");
	if (o->sources.n == 0 && !o->sources_dir_given && access(o->sources_dir, F_OK) < 0)
		return err_invalid(
			err, "no SOURCE: name a folder or a git repository, or configure one in %s",
			o->sources_dir);
	return 0;
}

int options_parse(struct options *ret, int argc, char **argv, struct err *err)
{
	struct parser p = {.argc = argc, .argv = argv, .next = 1, .err = err};
	autooptions first = {};
	autooptions o = {.log_level = LOG_LEVEL_INFO};
	int r;

	/* Once to learn the file and whether there are sources, then again over what the file says.
	 */
	r = parse_arguments(&first, &p);
	if (r < 0)
		return r;
	if (first.mode != OPTIONS_HELP && first.mode != OPTIONS_VERSION) {
		r = read_file(&o, first.config ?: OPTIONS_DEFAULT_CONFIG, first.config, err);
		if (r < 0)
			return r;
	}
	if (first.sources.n > 0) {
		strlist_deinit(&o.sources);
		free(o.sources_dir);
		o.sources_dir = mem_strdup("");
		o.sources_dir_given = false;
	}
	p.next = 1;
	(void)parse_arguments(&o, &p);
	fill_defaults(&o);
	r = check(&o, err);
	if (r < 0)
		return r;
	*ret = o;
	o = (struct options){};
	return 0;
}
