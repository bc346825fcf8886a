/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge of request and image, one function per topic.
 */
#include "runtime/container.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/passwd.h"

#define REASON "CreateContainerConfigError"
#define ENV_MAX 1000
#define ENV_MAX_BYTES (1u << 20)
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int env_find(const struct strlist *env, const char *name, size_t n)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->items[i], name, n) == 0 && env->items[i][n] == '=')
			return (int)i;
	return -1;
}

/* Later wins, in the place of the earlier. */
static void env_set(struct strlist *env, char *assignment)
{
	int at = env_find(env, assignment, strcspn(assignment, "="));

	if (at < 0) {
		strlist_add_take(env, assignment);
		return;
	}
	free(env->items[at]);
	env->items[at] = assignment;
}

void container_env_default(struct spec *s, const char *name, const char *value)
{
	if (env_find(&s->env, name, strlen(name)) < 0)
		strlist_add_take(&s->env, mem_asprintf("%s=%s", name, value));
}

static int merge_env(struct spec *s, const json_t *request, const struct imageconfig *image,
		     struct err *err)
{
	struct err why = {0};
	const json_t *pair;
	size_t i, total = 0;

	for (i = 0; i < image->env.n; i++)
		env_set(&s->env, mem_strdup(image->env.items[i]));
	json_array_foreach(json_object_get(request, "env"), i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));
		char *assignment;

		if (!name || !value)
			return err_set(err, ERR_INVALID, EINVAL, REASON, "env[%zu]: not a pair", i);
		assignment = mem_asprintf("%s=%s", name, value);
		if (imageconfig_check_env(assignment, &why) < 0) {
			free(assignment);
			return err_set(err, ERR_INVALID, EINVAL, REASON, "env[%zu]: %s", i,
				       why.message);
		}
		env_set(&s->env, assignment);
	}
	for (i = 0; i < s->env.n; i++)
		total += strlen(s->env.items[i]) + 1;
	if (s->env.n > ENV_MAX || total > ENV_MAX_BYTES)
		return err_set(err, ERR_INVALID, E2BIG, REASON,
			       "the environment has more than %d variables or 1 MiB", ENV_MAX);
	return 0;
}

static void add_all(struct strlist *to, const struct strlist *from)
{
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->items[i]);
}

static int add_json(struct strlist *to, const json_t *from, struct err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)from, i, item) {
		if (!json_is_string(item))
			return err_set(err, ERR_INVALID, EINVAL, REASON,
				       "command and args are lists of strings");
		strlist_add(to, json_string_value(item));
	}
	return 0;
}

/* command replaces ENTRYPOINT and drops CMD; args alone keeps ENTRYPOINT. */
static int merge_command(struct spec *s, const json_t *request, const struct imageconfig *image,
			 struct err *err)
{
	const json_t *command = json_object_get(request, "command");
	const json_t *args = json_object_get(request, "args");
	bool has_command = json_array_size(command) > 0, has_args = json_array_size(args) > 0;
	int r = 0;

	if (has_command)
		r = add_json(&s->args, command, err);
	else
		add_all(&s->args, &image->entrypoint);
	if (r == 0 && has_args)
		r = add_json(&s->args, args, err);
	else if (!has_command)
		add_all(&s->args, &image->cmd);
	if (r == 0 && s->args.n == 0)
		r = err_set(err, ERR_INVALID, EINVAL, REASON, "no command specified");
	return r;
}

static int merge_caps(uint64_t *caps, const json_t *list, bool add, struct err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item) {
		const char *name = json_string_value(item);
		uint64_t bits = name ? spec_cap_parse(name) : 0;

		if (!bits)
			return err_set(err, ERR_INVALID, EINVAL, REASON, "unknown capability '%s'",
				       name ? name : "");
		*caps = add ? *caps | bits : *caps & ~bits;
	}
	return 0;
}

/*
 * As CRI-O and containerd read it: "ALL" acts first on either side, then single names, so that drop
 * ALL + add X is X and add ALL + drop X is all but X.
 */
static int merge_capabilities(struct spec *s, const json_t *sc, struct err *err)
{
	const json_t *add = json_path(sc, "capabilities.add");
	const json_t *drop = json_path(sc, "capabilities.drop");
	uint64_t added = 0, dropped = 0;
	int r = merge_caps(&added, add, true, err);

	if (r == 0)
		r = merge_caps(&dropped, drop, true, err);
	if (r < 0)
		return r;
	if (added == SPEC_CAPS_ALL)
		s->caps = SPEC_CAPS_ALL & ~(dropped == SPEC_CAPS_ALL ? 0 : dropped);
	else if (dropped == SPEC_CAPS_ALL)
		s->caps = added;
	else
		s->caps = (s->caps | added) & ~dropped;
	return 0;
}

static int merge_security(struct spec *s, const json_t *sc, struct err *err)
{
	const char *seccomp = json_path_str(sc, "seccompProfile.type", "RuntimeDefault");

	s->privileged = json_path_bool(sc, "privileged", false);
	s->root_read_only = json_path_bool(sc, "readOnlyRootFilesystem", false);
	s->no_new_privileges = !json_path_bool(sc, "allowPrivilegeEscalation", false);
	s->proc_unmasked = str_eq(json_path_str(sc, "procMount", "Default"), "Unmasked");
	s->seccomp_unconfined = str_eq(seccomp, "Unconfined");
	if (!s->seccomp_unconfined && !str_eq(seccomp, "RuntimeDefault"))
		return err_set(err, ERR_INVALID, EINVAL, REASON,
			       "seccomp profile type '%s' is not supported", seccomp);
	return merge_capabilities(s, sc, err);
}

int container_spec(struct spec *s, const json_t *request, const struct imageconfig *image,
		   const char *hostname, struct err *err)
{
	const json_t *resources = json_object_get(request, "resources");
	int r;

	if (hostname)
		strlist_add_take(&s->env, mem_asprintf("HOSTNAME=%s", hostname));
	strlist_add(&s->env, "PATH=" PATH_DEFAULT);
	r = merge_env(s, request, image, err);
	if (r == 0)
		r = merge_command(s, request, image, err);
	if (r == 0)
		r = merge_security(s, json_object_get(request, "securityContext"), err);
	if (r < 0)
		return r;
	s->resources.cpu_shares = (uint64_t)json_path_int(resources, "cpuShares", 0);
	s->resources.cpu_quota_us = json_path_int(resources, "cpuQuotaUs", 0);
	s->resources.memory_bytes = json_path_int(resources, "memoryBytes", 0);
	s->oom_score_adj = (int)json_path_int(request, "oomScoreAdj", 0);
	return 0;
}

static const char *text(const json_t *request, const char *key)
{
	return json_path_str(request, key, "");
}

/* The id in member KEY of the security context: 1 and *ret, 0 when absent, -EINVAL. */
static int get_id(uid_t *ret, const json_t *request, const char *key)
{
	const json_t *v = json_object_get(json_object_get(request, "securityContext"), key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) > (json_int_t)UINT32_MAX - 1)
		return -EINVAL;
	*ret = (uid_t)json_integer_value(v);
	return 1;
}

bool container_group(gid_t *ret, const json_t *request)
{
	return get_id(ret, request, "runAsGroup") == 1;
}

static bool non_root(const json_t *request)
{
	return json_path_bool(request, "securityContext.runAsNonRoot", false);
}

/* The user part of USER is a number. */
static bool is_numeric(const char *user)
{
	autofree char *name = mem_strndup(user, strcspn(user, ":"));
	uid_t uid;

	return passwd_parse_id(&uid, name) == 0;
}

int container_user(char **ret, const json_t *request, const struct imageconfig *image,
		   struct err *err)
{
	uid_t uid = 0, gid;
	int r = get_id(&uid, request, "runAsUser");

	if (r < 0 || get_id(&gid, request, "runAsGroup") < 0)
		return err_set(err, ERR_INVALID, EINVAL, REASON,
			       "runAsUser and runAsGroup are numbers from 0 to 4294967294");
	if (r > 0) {
		if (uid == 0 && non_root(request))
			return err_set(err, ERR_INVALID, EINVAL, REASON,
				       "container's runAsUser breaks non-root policy (pod: \"%s\", "
				       "container: %s)",
				       text(request, "podName"), text(request, "name"));
		*ret = mem_asprintf("%u", uid);
		return 0;
	}
	if (non_root(request) && *image->user && !is_numeric(image->user))
		return err_set(
			err, ERR_INVALID, EINVAL, REASON,
			"container has runAsNonRoot and image has non-numeric user (%s), cannot "
			"verify user is non-root (pod: \"%s\", container: %s)",
			image->user, text(request, "podName"), text(request, "name"));
	*ret = mem_strdup(image->user);
	return 0;
}

int container_check_uid(const json_t *request, uid_t uid, struct err *err)
{
	if (uid != 0 || !non_root(request))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL, REASON,
		       "container has runAsNonRoot and image will run as root (pod: \"%s\", "
		       "container: %s)",
		       text(request, "podName"), text(request, "name"));
}
