/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From beginning to end: a first revision, acts and faults, and what must come of it.
 */
#include "tests/sim/story.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/invariants.h"
#include "tests/sim/story_priv.h"
#include "tests/sim/world_priv.h"

#define DEADLINE_MIN_S 150 /* more than an answer that was lost costs, and its echo */
#define ACTS_MIN 4
#define ACTS_MORE 8
#define SLICE_MS 60000
#define REST_SLICES 90   /* an hour and a half: the longest back-off is five minutes */
#define IDLE_MS 10800000 /* three hours */
#define IDLE_WAKE_UPS 24 /* events are looked through every ten minutes */
#define IDLE_TRIES 40    /* an image that cannot be had is asked for every five minutes */

static const char *const app_names[STORY_APPS] = {"crm", "mail", "shop"};
static const char *const image_names[] = {"web:1", "web:2",      "web:3",
					  "web:4", "web:broken", "web:crash"};

unsigned int story_pick(struct story *s, unsigned int n)
{
	s->chance ^= s->chance << 13;
	s->chance ^= s->chance >> 7;
	s->chance ^= s->chance << 17;
	return (unsigned int)((s->chance >> 20) % n);
}

const char *story_app_name(int i)
{
	return app_names[i];
}

bool story_has_app(const struct story *s, int i)
{
	for (int k = 0; k < STORY_DEPLOYMENTS; k++) {
		if (s->deployments[k].home == i)
			return true;
	}
	return false;
}

/* ---- what the source holds ---- */

static json_t *strategy(const struct story_deployment *d)
{
	if (d->recreate)
		return json_pack("{s:s}", "type", "Recreate");
	if (d->percent)
		return json_pack("{s:s, s:{s:s, s:s}}", "type", "RollingUpdate", "rollingUpdate",
				 "maxSurge", d->surge ? "34%" : "0%", "maxUnavailable",
				 d->unavailable ? "50%" : "0%");
	return json_pack("{s:s, s:{s:i, s:i}}", "type", "RollingUpdate", "rollingUpdate",
			 "maxSurge", d->surge, "maxUnavailable", d->unavailable);
}

static json_t *deployment(const struct story *s, int i)
{
	const struct story_deployment *d = &s->deployments[i];
	autofree char *name = mem_asprintf("web-%d", i);
	autofree char *version = mem_asprintf("%u", d->version);
	autofree char *config = mem_asprintf("settings-%s", app_names[d->home]);
	json_t *o = world_deployment(name, d->image, d->replicas);

	json_path_set_new(o, "spec.strategy", strategy(d));
	json_path_set_new(o, "spec.minReadySeconds", json_integer(d->min_ready_s));
	json_path_set_new(o, "spec.progressDeadlineSeconds", json_integer(d->deadline_s));
	json_path_set_new(o, "spec.template.metadata.annotations.version", json_text(version));
	if (d->reads_config && s->apps[d->home].config)
		json_path_set_new(
			o, "spec.template.spec.volumes",
			json_pack("[{s:s, s:{s:s}}]", "name", "c", "configMap", "name", config));
	return o;
}

static json_t *config_map(const struct story *s, int app)
{
	autofree char *name = mem_asprintf("settings-%s", app_names[app]);
	autofree char *text = mem_asprintf("%u", s->apps[app].config);

	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind",
			 "ConfigMap", "metadata", "name", name, "namespace", "default", "data",
			 "content", text);
}

void story_push(struct story *s)
{
	json_t *apps = json_object();

	for (int i = 0; i < STORY_APPS; i++) {
		json_t *objects;

		if (!story_has_app(s, i))
			continue;
		objects = json_array();
		if (s->apps[i].config)
			json_array_append_new(objects, config_map(s, i));
		for (int k = 0; k < STORY_DEPLOYMENTS; k++) {
			if (s->deployments[k].home == i)
				json_array_append_new(objects, deployment(s, k));
		}
		json_set(apps, app_names[i], json_pack("{s:o}", "objects", objects));
		if (s->apps[i].invalid)
			json_set(json_object_get(apps, app_names[i]), "errors",
				 json_pack("[s]", "a.yaml:1:1: wrong"));
	}
	world_push(s->w, apps);
}

/* ---- the end ---- */

static void expect(struct story *s, int app, const char *phase)
{
	const json_t *o = store_get(s->w->store, KIND_APP, NULL, app_names[app]);
	const char *got = json_path_str(o, "status.phase", "no app");

	if (!str_eq(got, phase))
		world_violated(s->w, "comes_to_rest_where_it_should",
			       "app %s is %s (%s: %s), want %s", app_names[app], got,
			       json_path_str(o, "status.reason", ""),
			       json_path_str(o, "status.message", ""), phase);
}

/* Until nothing is owed and nothing was written for a while. */
static void settle(struct story *s)
{
	unsigned int changes = invariants_changes(s->w->invariants) + 1;

	for (int i = 0; i < REST_SLICES && !s->w->violation; i++) {
		if (changes == invariants_changes(s->w->invariants) && s->w->n_answers == 0)
			return;
		changes = invariants_changes(s->w->invariants);
		world_run(s->w, SLICE_MS);
	}
	world_violated(s->w, "comes_to_rest", "something is still going on after %d minutes",
		       REST_SLICES);
}

static void check_rest(struct story *s, int held)
{
	for (int i = 0; i < STORY_APPS; i++) {
		if (i == held)
			expect(s, i, "Held");
		else if (story_has_app(s, i))
			expect(s, i, "Verified");
		else if (store_get(s->w->store, KIND_APP, NULL, app_names[i]))
			world_violated(s->w, "comes_to_rest_where_it_should",
				       "app %s is still there", app_names[i]);
	}
	if (!s->w->violation)
		invariants_check_rest(s->w->invariants);
}

static bool waits_for_image(const struct story *s)
{
	for (int i = 0; i < STORY_DEPLOYMENTS; i++) {
		if (s->deployments[i].home >= 0 && str_eq(s->deployments[i].image, "web:nope"))
			return true;
	}
	return false;
}

/* Nothing is written, nothing is asked for, and the policy sleeps. */
static void check_idle(struct story *s)
{
	unsigned int changes = invariants_changes(s->w->invariants), calls = s->w->n_calls;
	uint64_t end = s->w->now_ms + IDLE_MS;
	unsigned int steps = 0, tries = waits_for_image(s) ? IDLE_TRIES : 0;

	while (world_next_ms(s->w) <= end && world_step(s->w))
		steps++;
	if (invariants_changes(s->w->invariants) != changes || s->w->n_calls - calls > tries ||
	    steps > IDLE_WAKE_UPS + 2 * tries)
		world_violated(s->w, "is_idle_at_rest", "%u wake-ups, %u changes, %u calls in %d s",
			       steps, invariants_changes(s->w->invariants) - changes,
			       s->w->n_calls - calls, IDLE_MS / 1000);
}

/* A last revision that is good in all its parts, and new in all of them: nothing of it failed
 * before. */
static void end_well(struct story *s)
{
	world_calm(s->w);
	for (int i = 0; i < STORY_APPS; i++)
		s->apps[i].invalid = false;
	for (int i = 0; i < STORY_DEPLOYMENTS; i++) {
		if (s->deployments[i].home >= 0)
			story_change(s, i, false);
	}
	story_push(s);
	settle(s);
	check_rest(s, -1);
}

/* One app cannot come up: its last good set stays, all of it, also over a restart. */
static void end_badly(struct story *s)
{
	int bad = (int)story_pick(s, STORY_DEPLOYMENTS);

	while (s->deployments[bad].home < 0)
		bad = (bad + 1) % STORY_DEPLOYMENTS;
	story_change(s, bad, true);
	if (s->deployments[bad].replicas == 0)
		s->deployments[bad].replicas = 1;
	if (s->apps[s->deployments[bad].home].config)
		s->apps[s->deployments[bad].home].config++;
	story_push(s);
	settle(s);
	check_rest(s, s->deployments[bad].home);
	if (story_pick(s, 2) && !s->w->violation) {
		world_crash(s->w);
		settle(s);
		check_rest(s, s->deployments[bad].home);
	}
}

/* ---- the beginning, and the whole ---- */

static void begin(struct story *s)
{
	for (int i = 0; i < STORY_DEPLOYMENTS; i++)
		s->deployments[i].home = -1;
	for (int i = 0; i < 2; i++) {
		struct story_deployment *d = &s->deployments[i];

		*d = (struct story_deployment){.home = (int)story_pick(s, STORY_APPS),
					       .replicas = 1 + (int)story_pick(s, 4),
					       .surge = (int)story_pick(s, 3),
					       .unavailable = (int)story_pick(s, 2),
					       .deadline_s = 600,
					       .percent = story_pick(s, 4) == 0,
					       .recreate = story_pick(s, 5) == 0,
					       .reads_config = story_pick(s, 2) == 0};
		if (story_pick(s, 3) == 0)
			d->min_ready_s = 1 + (int)story_pick(s, 10);
		if (story_pick(s, 3) == 0)
			d->deadline_s = DEADLINE_MIN_S + (int)story_pick(s, 200);
		s->apps[d->home].config = story_pick(s, 2);
		story_change(s, i, false);
	}
	story_push(s);
}

/* Each story has its own mix of faults: some none of a kind, some many. */
static void choose_faults(struct story *s)
{
	static const unsigned int chances[] = {0, 0, 20, 100};
	struct world_faults f = {
		.slow = chances[story_pick(s, 4)],
		.lost = chances[story_pick(s, 4)],
		.repeated = chances[story_pick(s, 4)],
		.failing = chances[story_pick(s, 4)],
		.exits = chances[story_pick(s, 4)],
	};

	world_set_faults(s->w, &f);
	world_trace(s->w, "faults: slow %u, lost %u, repeated %u, failing %u, exits %u", f.slow,
		    f.lost, f.repeated, f.failing, f.exits);
}

static void go_on(struct story *s)
{
	unsigned int n = story_pick(s, 40);

	if (story_pick(s, 3) == 0)
		world_run(s->w, story_pick(s, 4) ? 1000 + story_pick(s, 20000) : 120000);
	for (unsigned int i = 0; i < n && world_step(s->w); i++)
		;
}

const char *story_tell(uint64_t seed, bool verbose)
{
	static char broken[80];
	struct story s = {.w = world_new(seed), .chance = seed * 0x9e3779b97f4a7c15u + 1};
	unsigned int n;

	if (verbose)
		world_tell(s.w);
	for (size_t i = 0; i < ARRAY_SIZE(image_names); i++)
		world_add_image(s.w, image_names[i]);
	choose_faults(&s);
	begin(&s);
	n = ACTS_MIN + story_pick(&s, ACTS_MORE);
	for (unsigned int i = 0; i < n && !s.w->violation; i++) {
		go_on(&s);
		story_act(&s);
	}
	go_on(&s);
	end_well(&s);
	if (story_pick(&s, 2) && !s.w->violation)
		end_badly(&s);
	if (!s.w->violation)
		check_idle(&s);
	(void)snprintf(broken, sizeof(broken), "%s", s.w->violation ? s.w->violation : "");
	world_free(s.w);
	return *broken ? broken : NULL;
}
