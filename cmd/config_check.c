/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of hooks. A hook that would run as root, or sign with a key, must not be in the hands
 * of others.
 */
#include "cmd/config_check.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/notify_priv.h"
#include "cmd/trusted.h"

struct check {
	const struct config_source *source;
	size_t hook;
	struct strlist *errors;
	struct strlist *warnings;
};

static void say(struct strlist *to, const struct check *c, const char *field, const char *what)
{
	strlist_add_take(to, mem_asprintf("%s: Source/%s: spec.notify[%zu].%s: %s",
					  c->source->place, c->source->name, c->hook, field, what));
}

static void check_program(const struct check *c, const char *program, bool as_root)
{
	autofree char *text = NULL;
	struct err err = {};
	struct stat st;
	int fd;

	if (stat(program, &st) < 0) {
		text = mem_asprintf("'%s': %s", program, strerror(errno));
		say(c->warnings, c, "command[0]", text);
		return;
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
		text = mem_asprintf("'%s' is not a program", program);
		say(c->warnings, c, "command[0]", text);
		return;
	}
	if (!as_root)
		return;
	fd = trusted_open(program, S_IFREG, 022, &err);
	if (fd < 0)
		say(c->errors, c, "command[0]", err.message);
	else
		(void)close(fd);
}

static void check_command(const struct check *c, const json_t *hook)
{
	const char *user = json_path_str(hook, "user", NOTIFY_USER);
	const struct passwd *pw = getpwnam(user);
	autofree char *text = NULL;

	if (!pw) {
		text = mem_asprintf("there is no user '%s'", user);
		say(c->errors, c, "user", text);
		return;
	}
	check_program(c, json_path_str(hook, "command.[0]", ""), pw->pw_uid == 0);
}

static void check_key(const struct check *c, const char *file)
{
	autofree char *text = NULL;
	struct err err = {};
	size_t n;
	int r = trusted_read(&text, &n, file, 077, NOTIFY_KEY_BYTES, &err);

	if (r == -EACCES && geteuid() != 0)
		say(c->warnings, c, "webhook.secretFile", "can only be looked at by root");
	else if (r < 0)
		say(c->errors, c, "webhook.secretFile", err.message);
	else if (n == 0)
		say(c->errors, c, "webhook.secretFile", "the file is empty");
	if (text)
		explicit_bzero(text, n);
}

void config_check_hooks(const struct config_source *s, struct strlist *errors,
			struct strlist *warnings)
{
	struct check c = {.source = s, .errors = errors, .warnings = warnings};
	const json_t *hook;

	json_array_foreach(s->hooks, c.hook, hook) {
		const char *key = json_path_str(hook, "webhook.secretFile", NULL);

		if (json_object_get(hook, "command"))
			check_command(&c, hook);
		if (key)
			check_key(&c, key);
	}
}
