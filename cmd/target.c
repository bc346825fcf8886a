/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of `recond get` turned into API paths. Pure: what the daemon has of it is another
 * matter.
 */
#include "cmd/target.h"

#include <string.h>

#include "base/str.h"
#include "cmd/http_client.h"

static const enum kind all_kinds[] = {KIND_POD, KIND_SERVICE, KIND_DEPLOYMENT, KIND_REPLICASET,
				      KIND_JOB};

static int unknown_kind(const char *word, struct err *err)
{
	const char *words[2 * KIND_N_ + 1] = {};
	const char *near;
	size_t n = 0;

	for (enum kind k = 0; k < KIND_N_; k++) {
		words[n++] = kind_info(k)->plural;
		words[n++] = kind_info(k)->singular;
	}
	near = str_nearest(word, words);
	if (near)
		return err_invalid(
			err, "the server doesn't have a resource type \"%s\" (did you mean %s?)",
			word, near);
	return err_invalid(err, "the server doesn't have a resource type \"%s\"", word);
}

static int add_target(struct target_list *l, enum kind kind, const char *name, struct err *err)
{
	if (l->n == TARGET_MAX)
		return err_invalid(err, "more than %d things to get", TARGET_MAX);
	l->items[l->n++] = (struct target){kind, name};
	return 0;
}

/* KIND/NAME */
static int add_pair(struct target_list *l, const char *arg, struct err *err)
{
	const char *slash = strchr(arg, '/');
	autofree char *word = NULL;
	enum kind kind;

	if (!slash)
		return err_invalid(
			err,
			"there is no need to specify a resource type as a separate argument when passing "
			"arguments in KIND/NAME form (found '%s')",
			arg);
	word = mem_strndup(arg, (size_t)(slash - arg));
	if (kind_from_word(&kind, word) != 1)
		return unknown_kind(word, err);
	if (slash[1] == '\0' || strchr(slash + 1, '/'))
		return err_invalid(err, "'%s' is not of the form KIND/NAME", arg);
	return add_target(l, kind, slash + 1, err);
}

static int add_kind(struct target_list *l, const char *word, const char *const *names,
		    size_t n_names, struct err *err)
{
	enum kind kind;
	int r = 0;

	if (kind_from_word(&kind, word) != 1)
		return unknown_kind(word, err);
	if (n_names == 0)
		return add_target(l, kind, NULL, err);
	for (size_t i = 0; i < n_names && r == 0; i++)
		r = add_target(l, kind, names[i], err);
	return r;
}

static int add_all_kinds(struct target_list *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all_kinds) && r == 0; i++)
		r = add_target(l, all_kinds[i], NULL, err);
	return r;
}

static int parse_kinds(struct target_list *l, const char *const *args, size_t n_args,
		       struct err *err)
{
	autostrlist words = {};
	int r = 0;

	strlist_split(&words, args[0], ',');
	for (size_t i = 0; i < words.n && r == 0; i++) {
		if (str_eq(words.items[i], "all") && n_args == 1)
			r = add_all_kinds(l, err);
		else
			r = add_kind(l, words.items[i], args + 1, n_args - 1, err);
	}
	return r;
}

int target_parse(struct target_list *ret, const char *const *args, size_t n_args, struct err *err)
{
	struct target_list l = {.single_kind = true};
	int r = 0;

	if (strchr(args[0], '/')) {
		for (size_t i = 0; i < n_args && r == 0; i++)
			r = add_pair(&l, args[i], err);
	} else {
		r = parse_kinds(&l, args, n_args, err);
	}
	if (r < 0)
		return r;
	for (size_t i = 1; i < l.n; i++)
		l.single_kind = l.single_kind && l.items[i].kind == l.items[0].kind;
	*ret = l;
	return 0;
}

void target_add_path(struct strbuf *out, const struct target *t, const char *ns)
{
	const struct kind_info *info = kind_info(t->kind);

	if (*info->group)
		strbuf_addf(out, "/apis/%s/%s", info->group, info->version);
	else
		strbuf_addf(out, "/api/%s", info->version);
	if (info->namespaced && ns) {
		strbuf_adds(out, "/namespaces/");
		http_client_add_encoded(out, ns);
	}
	strbuf_addf(out, "/%s", info->plural);
	if (t->name) {
		strbuf_addc(out, '/');
		http_client_add_encoded(out, t->name);
	}
}

void target_add_query(struct strbuf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	strbuf_addf(out, "%c%s=", strchr(strbuf_str(out), '?') ? '&' : '?', name);
	http_client_add_encoded(out, value);
}

char *target_describe(enum kind kind, const char *name)
{
	const struct kind_info *info = kind_info(kind);

	return mem_asprintf("%s%s%s/%s", info->singular, *info->group ? "." : "", info->group,
			    name);
}
