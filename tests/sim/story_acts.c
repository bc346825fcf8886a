/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can happen in a story: to the source, by hand, to the host.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/edit.h"
#include "reconciler/object.h"
#include "reconciler/reconciler_priv.h"
#include "tests/sim/invariants.h"
#include "tests/sim/story_priv.h"
#include "tests/sim/world_priv.h"

#define HOUR_MS 3600000ll

static const char *const good_images[] = {"web:1", "web:2", "web:3", "web:4"};
static const char *const bad_images[] = {"web:broken", "web:nope", "web:crash", "web:unready"};

/* ---- the source ---- */

void story_change(struct story *s, int i, bool bad)
{
	struct story_deployment *d = &s->deployments[i];

	d->version = ++s->version;
	d->bad = bad;
	d->image = bad ? bad_images[story_pick(s, ARRAY_SIZE(bad_images))]
		       : good_images[story_pick(s, ARRAY_SIZE(good_images))];
}

/* A Deployment that the source holds. */
static int some_deployment(struct story *s)
{
	int i = (int)story_pick(s, STORY_DEPLOYMENTS);

	while (s->deployments[i].home < 0)
		i = (i + 1) % STORY_DEPLOYMENTS;
	return i;
}

static void push_good(struct story *s)
{
	story_change(s, some_deployment(s), false);
	story_push(s);
}

static void push_bad(struct story *s)
{
	story_change(s, some_deployment(s), true);
	story_push(s);
}

static void push_again(struct story *s)
{
	story_push(s);
}

static void push_size(struct story *s)
{
	s->deployments[some_deployment(s)].replicas = (int)story_pick(s, 6);
	story_push(s);
}

static void push_config(struct story *s)
{
	int home = s->deployments[some_deployment(s)].home;

	s->apps[home].config++;
	story_push(s);
}

/* Both in one revision: what goes back has to go back to the old content. */
static void push_bad_and_config(struct story *s)
{
	int i = some_deployment(s);

	s->deployments[i].reads_config = true;
	s->apps[s->deployments[i].home].config++;
	story_change(s, i, true);
	story_push(s);
}

static void push_job(struct story *s)
{
	struct story_app *app = &s->apps[s->deployments[some_deployment(s)].home];

	app->job = ++s->version;
	app->job_fails = story_pick(s, 3) == 0;
	story_push(s);
}

static void push_build(struct story *s)
{
	struct story_app *app = &s->apps[s->deployments[some_deployment(s)].home];

	app->build = ++s->version;
	app->build_fails = story_pick(s, 4) == 0;
	story_push(s);
}

static void push_strategy(struct story *s)
{
	struct story_deployment *d = &s->deployments[some_deployment(s)];

	d->recreate = story_pick(s, 4) == 0;
	d->surge = (int)story_pick(s, 4);
	d->unavailable = (int)story_pick(s, 3);
	d->percent = story_pick(s, 3) == 0;
	if (story_pick(s, 2))
		push_good(s);
	else
		story_push(s);
}

static void push_invalid(struct story *s)
{
	bool *invalid = &s->apps[s->deployments[some_deployment(s)].home].invalid;

	*invalid = !*invalid;
	story_push(s);
}

static void push_more(struct story *s)
{
	int i = (int)story_pick(s, STORY_DEPLOYMENTS);
	struct story_deployment *d = &s->deployments[i];

	if (d->home < 0)
		*d = (struct story_deployment){.home = (int)story_pick(s, STORY_APPS),
					       .replicas = 1 + (int)story_pick(s, 3),
					       .surge = 1,
					       .deadline_s = 200};
	story_change(s, i, false);
	story_push(s);
}

/* The last one stays: a revision that would delete everything is refused. */
static void push_less(struct story *s)
{
	int i = some_deployment(s), n = 0;

	for (int k = 0; k < STORY_DEPLOYMENTS; k++)
		n += s->deployments[k].home >= 0;
	if (n > 1)
		s->deployments[i].home = -1;
	story_push(s);
}

static void push_move(struct story *s)
{
	s->deployments[some_deployment(s)].home = (int)story_pick(s, STORY_APPS);
	story_push(s);
}

/* ---- people ---- */

/* An object of KIND by chance, or NULL. Borrowed from the store. */
static const json_t *some_object(struct story *s, enum kind kind)
{
	autojson *list = store_list(s->w->store, kind, NULL);
	size_t n = json_array_size(list);

	return n > 0 ? store_get_uid(s->w->store,
				     object_uid(json_array_get(list, story_pick(s, (unsigned)n))))
		     : NULL;
}

void story_ask(struct story *s, int i, const char *action)
{
	autojson *ret = NULL;
	struct err err = {0};

	world_trace(s->w, "by hand: %s %s", action, story_app_name(i));
	if (str_eq(action, "retry") || str_eq(action, "undo"))
		invariants_retried(s->w->invariants, story_app_name(i));
	if (reconciler_app_action(s->w->r, story_app_name(i), action, NULL, &ret, &err) < 0)
		world_trace(s->w, "refused: %s", err.message);
	world_run(s->w, 0);
}

static void ask(struct story *s)
{
	static const char *const actions[] = {"retry", "retry", "pause", "resume", "undo"};

	story_ask(s, (int)story_pick(s, STORY_APPS), actions[story_pick(s, ARRAY_SIZE(actions))]);
}

/* As the API does it: in the transaction of the next pass. */
static void delete_by_hand(struct story *s, enum kind kind)
{
	const json_t *o = some_object(s, kind);
	autofree char *key = NULL, *ns = NULL, *name = NULL;
	autoedit result = {0};

	if (!o)
		return;
	key = mem_asprintf("%s/%s/%s", kind_info(kind)->name, object_namespace(o), object_name(o));
	ns = mem_strdup(object_namespace(o));
	name = mem_strdup(object_name(o));
	world_trace(s->w, "by hand: delete %s", key);
	invariants_by_hand(s->w->invariants, o);
	invariants_foreign(s->w->invariants, key, false);
	edit_delete(s->w->r, &(struct edit_target){.kind = kind, .ns = ns, .name = name}, NULL,
		    &result);
	world_run(s->w, 0);
}

static void delete_pod(struct story *s)
{
	delete_by_hand(s, KIND_POD);
}

static void delete_object(struct story *s)
{
	static const enum kind kinds[] = {KIND_REPLICASET, KIND_DEPLOYMENT, KIND_CONFIGMAP};

	delete_by_hand(s, kinds[story_pick(s, ARRAY_SIZE(kinds))]);
}

static void edit_by_hand(struct story *s)
{
	const json_t *o = some_object(s, KIND_DEPLOYMENT);
	bool scale = story_pick(s, 2);
	autojson *patch = scale ? json_pack("{s:{s:i}}", "spec", "replicas", (int)story_pick(s, 6))
				: json_pack("{s:{s:{s:{s:[{s:s, s:s}]}}}}", "spec", "template",
					    "spec", "containers", "name", "main", "image", "web:4");
	autofree char *name = o ? mem_strdup(object_name(o)) : NULL;
	autoedit result = {0};

	if (!o)
		return;
	world_trace(s->w, "by hand: %s %s", scale ? "scale" : "another image for", name);
	edit_patch(s->w->r,
		   &(struct edit_target){.kind = KIND_DEPLOYMENT, .ns = "default", .name = name},
		   EDIT_STRATEGIC_PATCH, patch, &result);
	if (result.code != EDIT_OK)
		world_trace(s->w, "refused: %s", result.message);
	world_run(s->w, 0);
}

void story_interfere(struct story *s)
{
	static void (*const ways[])(struct story *) = {delete_pod, delete_object, edit_by_hand};

	ways[story_pick(s, ARRAY_SIZE(ways))](s);
}

static void make_foreign(struct story *s)
{
	autofree char *name = mem_asprintf("hand-%u", ++s->n_foreign);
	bool config = story_pick(s, 2);
	autojson *o = config ? json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1",
					 "kind", "ConfigMap", "metadata", "name", name, "namespace",
					 "default", "data", "k", "v")
			     : world_deployment(name, "web:1", 1);
	autofree char *key =
		mem_asprintf("%s/default/%s", config ? "ConfigMap" : "Deployment", name);

	world_trace(s->w, "by hand: create %s", key);
	invariants_foreign(s->w->invariants, key, true);
	(void)store_create(s->w->store, o, NULL);
	world_run(s->w, 0);
}

/* ---- the host ---- */

static void exit_one(struct story *s)
{
	const json_t *pod = some_object(s, KIND_POD);

	if (pod)
		world_exit_container(s->w, object_uid(pod), story_pick(s, 2) ? 1 : 137);
}

/* Until it is quiet. */
static void lose_image(struct story *s)
{
	const char *ref = good_images[story_pick(s, ARRAY_SIZE(good_images))];

	if (story_pick(s, 2))
		world_remove_image(s->w, ref);
	else
		world_replace_image(s->w, ref, "another");
}

static void crash(struct story *s)
{
	world_crash(s->w);
}

static void crash_soon(struct story *s)
{
	world_crash_in(s->w, 1 + story_pick(s, 40));
}

static void reboot(struct story *s)
{
	world_reboot(s->w);
}

static void fail_commits(struct story *s)
{
	world_fail_commits(s->w, 1 + story_pick(s, 3));
}

static void jump_clock(struct story *s)
{
	static const int64_t jumps_ms[] = {
		-3 * 365 * 24 * HOUR_MS, -5 * HOUR_MS, -90000, 90000, 5 * HOUR_MS,
		2 * 365 * 24 * HOUR_MS};

	world_jump_clock(s->w, jumps_ms[story_pick(s, ARRAY_SIZE(jumps_ms))]);
}

/* clang-format off */
static const struct {
	const char *name;
	unsigned int weight;
	void (*act)(struct story *s);
} acts[] = {
	{ "push a good change",        16, push_good },
	{ "push a bad change",         14, push_bad },
	{ "push the same again",        3, push_again },
	{ "push another size",         10, push_size },
	{ "push another configuration", 8, push_config },
	{ "push a bad one and configuration", 8, push_bad_and_config },
	{ "push another job",           5, push_job },
	{ "push another build",         5, push_build },
	{ "push another strategy",      6, push_strategy },
	{ "push an invalid manifest",   5, push_invalid },
	{ "push one more",              6, push_more },
	{ "push one less",              5, push_less },
	{ "push a move",                5, push_move },
	{ "delete a pod",               6, delete_pod },
	{ "delete an object",           5, delete_object },
	{ "edit by hand",               6, edit_by_hand },
	{ "ask for an action",         10, ask },
	{ "make something by hand",     4, make_foreign },
	{ "a container ends",           8, exit_one },
	{ "an image is lost",           4, lose_image },
	{ "the policy crashes",         8, crash },
	{ "the policy crashes soon",   14, crash_soon },
	{ "the host starts again",      3, reboot },
	{ "commits fail",               4, fail_commits },
	{ "the clock jumps",            5, jump_clock },
};
/* clang-format on */

void story_act(struct story *s)
{
	unsigned int total = 0, n;

	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		total += acts[i].weight;
	n = story_pick(s, total);
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		if (n < acts[i].weight) {
			world_trace(s->w, "-- %s", acts[i].name);
			acts[i].act(s);
			return;
		}
		n -= acts[i].weight;
	}
}
