/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allow-list of an image's configuration and the checks of its members. Each parse_ function
 * reads one member and either fills it or says what is wrong; a member that is null or missing has
 * its default.
 */
#include "runtime/imageconfig.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"

#define REASON "InvalidImage"
#define MAX_PATH 4095
#define MAX_USER 256
#define MAX_SET 1024 /* ports or volumes */
#define MAX_ARGS 4096

#define invalid(err, ...) err_set(err, ERR_INVALID, EINVAL, REASON, __VA_ARGS__)

void imageconfig_init(struct imageconfig *c)
{
	*c = (struct imageconfig){};
}

void imageconfig_deinit(struct imageconfig *c)
{
	strlist_deinit(&c->env);
	strlist_deinit(&c->entrypoint);
	strlist_deinit(&c->cmd);
	strlist_deinit(&c->exposed_ports);
	strlist_deinit(&c->volumes);
	free(c->working_dir);
	free(c->user);
	free(c->architecture);
	free(c->os);
	free(c->created);
	json_decref(c->labels);
	imageconfig_init(c);
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool is_env_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
			continue;
		if (i == 0 || !((c >= '0' && c <= '9') || c == '.' || c == '-'))
			return false;
	}
	return n > 0;
}

int imageconfig_check_env(const char *assignment, struct err *err)
{
	/* What programs put into files line by line (/etc/passwd by useradd, PATH by shells). */
	static const char *const one_line[] = {"HOME", "PATH", "USER"};
	const char *eq = strchr(assignment, '=');
	size_t n = eq ? (size_t)(eq - assignment) : 0;

	if (!eq || !is_env_name(assignment, n))
		return invalid(err,
			       "Env: not NAME=value with a name of letters, digits, '_', '.', '-'");
	if (strlen(assignment) > IMAGECONFIG_MAX_STRING)
		return invalid(err, "Env: '%.*s' is longer than %u bytes", (int)(n > 64 ? 64 : n),
			       assignment, IMAGECONFIG_MAX_STRING);
	for (size_t i = 0; i < ARRAY_SIZE(one_line); i++) {
		if (n == strlen(one_line[i]) && strncmp(assignment, one_line[i], n) == 0 &&
		    has_control(eq + 1))
			return invalid(err, "Env: %s holds a control character", one_line[i]);
	}
	return 0;
}

int imageconfig_check_user(const char *user, struct err *err)
{
	const char *colon = strchr(user, ':');

	if (strlen(user) > MAX_USER)
		return invalid(err, "User: longer than %d bytes", MAX_USER);
	if (has_control(user) || strchr(user, '/') || strchr(user, ' '))
		return invalid(err, "User: has a character that names cannot have");
	if (colon && (strchr(colon + 1, ':') || !colon[1] || colon == user))
		return invalid(err, "User: not user, or user:group");
	return 0;
}

/* The range's or number's text [S, END) as a port. */
static bool is_port_number(const char *s, const char *end)
{
	char digits[6];
	size_t n = (size_t)(end - s);
	uint64_t port;

	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, s, n);
	digits[n] = '\0';
	return str_parse_u64(&port, digits, 1, 65535) == 0;
}

int imageconfig_check_port(const char *port, struct err *err)
{
	static const char *const protocols[] = {"/tcp", "/udp", "/sctp"};
	const char *slash = strchrnul(port, '/'), *dash = memchr(port, '-', (size_t)(slash - port));
	bool ok = !*slash;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		ok = ok || str_eq(slash, protocols[i]);
	if (dash)
		ok = ok && is_port_number(port, dash) && is_port_number(dash + 1, slash);
	else
		ok = ok && is_port_number(port, slash);
	return ok ? 0 : invalid(err, "ExposedPorts: not PORT, PORT/tcp, PORT/udp or PORT/sctp");
}

/* Whether the clean PATH is PREFIX or below it. */
static bool is_below(const char *path, const char *prefix)
{
	const char *rest = str_skip_prefix(path, prefix);

	return rest && (*rest == '\0' || *rest == '/');
}

/* PATH cleaned, or NULL with ERR. Kernel file systems hold magic links: CVE-2024-21626. */
static char *clean_path(const char *path, struct err *err)
{
	autofree char *clean = NULL;

	if (*path != '/' || strlen(path) > MAX_PATH || has_control(path)) {
		(void)invalid(err, "path is not absolute, has control characters or is too long");
		return NULL;
	}
	clean = fs_clean_path(path);
	if (is_below(clean, "/proc") || is_below(clean, "/sys")) {
		(void)invalid(err, "path '%s' is in a kernel file system", clean);
		return NULL;
	}
	return TAKE_PTR(clean);
}

int imageconfig_check_path(const char *path, struct err *err)
{
	autofree char *clean = clean_path(path, err);

	return clean ? 0 : -EINVAL;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1" → number or -EINVAL. */
static int parse_realtime(const char *name)
{
	int base, sign;
	uint64_t offset = 0;

	if (strncmp(name, "RTMIN", 5) == 0) {
		base = SIGRTMIN;
		sign = '+';
	} else if (strncmp(name, "RTMAX", 5) == 0) {
		base = SIGRTMAX;
		sign = '-';
	} else {
		return -EINVAL;
	}
	if (name[5] == '\0')
		return base;
	if (name[5] != sign ||
	    str_parse_u64(&offset, name + 6, 0, (uint64_t)(SIGRTMAX - SIGRTMIN)) < 0)
		return -EINVAL;
	return sign == '+' ? base + (int)offset : base - (int)offset;
}

int imageconfig_parse_signal(const char *name)
{
	const char *rest = str_skip_prefix(name, "SIG");
	uint64_t number;

	if (str_parse_u64(&number, name, 1, 64) == 0)
		return (int)number;
	name = rest ? rest : name;
	for (int i = 1; i < 32; i++)
		if (str_eq(sigabbrev_np(i), name))
			return i;
	return parse_realtime(name);
}

/* A list of strings, at most MAX of them; null and missing are empty. */
static int parse_strings(struct strlist *ret, const json_t *list, const char *what, size_t max,
			 struct err *err)
{
	const json_t *item;
	size_t i, total = 0;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > max)
		return invalid(err, "%s: not a list of at most %zu strings", what, max);
	json_array_foreach(list, i, item) {
		size_t n = json_string_length(item);

		if (!json_is_string(item) || strlen(json_string_value(item)) != n)
			return invalid(err, "%s[%zu]: not a string", what, i);
		total += n;
		if (n > IMAGECONFIG_MAX_STRING || total > IMAGECONFIG_MAX_TOTAL)
			return invalid(err, "%s: too long", what);
		strlist_add(ret, json_string_value(item));
	}
	return 0;
}

/* The keys of a Go set ({"80/tcp": {}}), sorted. */
static int parse_set(struct strlist *ret, const json_t *set, const char *what, struct err *err)
{
	const char *key;
	json_t *value;

	if (!set || json_is_null(set))
		return 0;
	if (!json_is_object(set) || json_object_size(set) > MAX_SET)
		return invalid(err, "%s: not an object of at most %d members", what, MAX_SET);
	json_object_foreach((json_t *)set, key, value)
		strlist_add(ret, key);
	strlist_sort(ret);
	return 0;
}

/* A string, "" when missing or null. */
static int parse_string(const char **ret, const json_t *value, const char *what, struct err *err)
{
	if (!value || json_is_null(value)) {
		*ret = "";
		return 0;
	}
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return invalid(err, "%s: not a string", what);
	*ret = json_string_value(value);
	return 0;
}

static int parse_env(struct imageconfig *c, const json_t *config, struct err *err)
{
	int r = parse_strings(&c->env, json_object_get(config, "Env"), "Env", IMAGECONFIG_MAX_ENV,
			      err);

	for (size_t i = 0; r >= 0 && i < c->env.n; i++)
		r = imageconfig_check_env(c->env.items[i], err);
	return r;
}

static int parse_args(struct imageconfig *c, const json_t *config, struct err *err)
{
	int r = parse_strings(&c->entrypoint, json_object_get(config, "Entrypoint"), "Entrypoint",
			      MAX_ARGS, err);

	if (r >= 0)
		r = parse_strings(&c->cmd, json_object_get(config, "Cmd"), "Cmd", MAX_ARGS, err);
	return r;
}

static int parse_ports(struct imageconfig *c, const json_t *config, struct err *err)
{
	int r = parse_set(&c->exposed_ports, json_object_get(config, "ExposedPorts"),
			  "ExposedPorts", err);

	for (size_t i = 0; r >= 0 && i < c->exposed_ports.n; i++)
		r = imageconfig_check_port(c->exposed_ports.items[i], err);
	return r;
}

static int parse_volumes(struct imageconfig *c, const json_t *config, struct err *err)
{
	autostrlist raw = {};
	int r = parse_set(&raw, json_object_get(config, "Volumes"), "Volumes", err);

	for (size_t i = 0; r >= 0 && i < raw.n; i++) {
		char *clean = clean_path(raw.items[i], err);

		if (!clean)
			return err_wrap(err, "Volumes");
		if (str_eq(clean, "/"))
			r = invalid(err, "Volumes: '/' cannot be a volume");
		strlist_add_take(&c->volumes, clean);
	}
	return r;
}

static int parse_working_dir(struct imageconfig *c, const json_t *config, struct err *err)
{
	const char *dir;
	int r = parse_string(&dir, json_object_get(config, "WorkingDir"), "WorkingDir", err);

	if (r < 0)
		return r;
	c->working_dir = clean_path(*dir ? dir : "/", err);
	return c->working_dir ? 0 : err_wrap(err, "WorkingDir");
}

static int parse_user(struct imageconfig *c, const json_t *config, struct err *err)
{
	const char *user;
	int r = parse_string(&user, json_object_get(config, "User"), "User", err);

	if (r >= 0)
		r = imageconfig_check_user(user, err);
	if (r >= 0)
		c->user = mem_strdup(user);
	return r;
}

static int parse_stop_signal(struct imageconfig *c, const json_t *config, struct err *err)
{
	const char *name;
	int r = parse_string(&name, json_object_get(config, "StopSignal"), "StopSignal", err);

	if (r < 0 || !*name)
		return r;
	r = imageconfig_parse_signal(name);
	if (r < 0)
		return invalid(err, "StopSignal: no such signal");
	c->stop_signal = r;
	return 0;
}

static int parse_labels(struct imageconfig *c, const json_t *config, struct err *err)
{
	json_t *labels = json_object_get(config, "Labels"), *value;
	const char *key;

	c->labels = json_object();
	if (!labels || json_is_null(labels))
		return 0;
	if (!json_is_object(labels))
		return invalid(err, "Labels: not an object");
	json_object_foreach(labels, key, value) {
		if (!json_is_string(value))
			return invalid(err, "Labels: a value is not a string");
		json_set(c->labels, key, json_incref(value));
	}
	return 0;
}

/* Members of the document itself, beside "config". */
static int parse_outer(struct imageconfig *c, const json_t *doc, struct err *err)
{
	const char *architecture, *os, *created;
	int64_t ns;
	int r;

	r = parse_string(&architecture, json_object_get(doc, "architecture"), "architecture", err);
	if (r >= 0)
		r = parse_string(&os, json_object_get(doc, "os"), "os", err);
	if (r >= 0)
		r = parse_string(&created, json_object_get(doc, "created"), "created", err);
	if (r < 0)
		return r;
	c->architecture = mem_strdup(architecture);
	c->os = mem_strdup(os);
	c->created = mem_strdup(clock_parse_rfc3339(&ns, created) == 0 ? created : "");
	return 0;
}

int imageconfig_parse(struct imageconfig *ret, const json_t *doc, struct err *err)
{
	static int (*const members[])(struct imageconfig *, const json_t *, struct err *) = {
		parse_env,         parse_args, parse_ports,       parse_volumes,
		parse_working_dir, parse_user, parse_stop_signal, parse_labels,
	};
	_cleanup_(imageconfig_deinit) struct imageconfig c = {};
	const json_t *config = json_object_get(doc, "config");
	int r;

	if (!json_is_object(doc))
		return invalid(err, "image configuration is not a JSON object");
	if (config && !json_is_object(config) && !json_is_null(config))
		return invalid(err, "config is not an object");
	r = parse_outer(&c, doc, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(members); i++)
		r = members[i](&c, config, err);
	if (r < 0)
		return err_wrap(err, "image configuration");
	*ret = c;
	imageconfig_init(&c);
	return 0;
}

static json_t *strings_to_json(const struct strlist *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		(void)json_array_append_new(list, json_text(l->items[i]));
	return list;
}

json_t *imageconfig_to_json(const struct imageconfig *c)
{
	json_t *j = json_object();

	json_set(j, "env", strings_to_json(&c->env));
	json_set(j, "entrypoint", strings_to_json(&c->entrypoint));
	json_set(j, "cmd", strings_to_json(&c->cmd));
	json_set(j, "exposedPorts", strings_to_json(&c->exposed_ports));
	json_set(j, "volumes", strings_to_json(&c->volumes));
	json_set(j, "workingDir", json_text(c->working_dir));
	json_set(j, "user", json_text(c->user));
	json_set(j, "stopSignal", json_integer(c->stop_signal));
	return j;
}
