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
#define ACTS_MORE 6
#define SLICE_MS 60000
#define REST_SLICES 90        /* an hour and a half: the longest back-off is five minutes */
#define IDLE_MS 10800000      /* three hours */
#define IDLE_WAKE_UPS 24      /* events are looked through every ten minutes */
#define PROBED_IDLE_MS 300000 /* probes make time long */

static const char *const app_names[STORY_APPS] = {"crm", "mail", "shop"};
static const char *const image_names[] = {"web:1",       "web:2",      "web:3",
					  "web:4",       "web:broken", "web:crash",
					  "web:unready", "work:ends",  "work:fails"};

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

static json_t *readiness(void)
{
	return json_pack("{s:{s:s, s:i, s:s}, s:i, s:i, s:i, s:i, s:i}", "httpGet", "path", "/",
			 "port", 80, "scheme", "HTTP", "initialDelaySeconds", 0, "periodSeconds",
			 20, "timeoutSeconds", 1, "successThreshold", 1, "failureThreshold", 3);
}

static json_t *deployment(const struct story *s, int i)
{
	const struct story_deployment *d = &s->deployments[i];
	autofree char *name = mem_asprintf("web-%d", i);
	autofree char *version = mem_asprintf("%u", d->version);
	autofree char *config = mem_asprintf("settings-%s", app_names[d->home]);
	autofree char *built = mem_asprintf("page-%s", app_names[d->home]);
	bool is_built = d->built && s->apps[d->home].build > 0 && !d->bad;
	json_t *o = world_deployment(name, is_built ? built : d->image, d->replicas);

	json_path_set_new(o, "spec.strategy", strategy(d));
	json_path_set_new(o, "spec.minReadySeconds", json_integer(d->min_ready_s));
	json_path_set_new(o, "spec.progressDeadlineSeconds", json_integer(d->deadline_s));
	json_path_set_new(o, "spec.template.metadata.annotations.version", json_text(version));
	if (d->probed || str_eq(d->image, "web:unready"))
		json_path_set_new(o, "spec.template.spec.containers.[0].readinessProbe",
				  readiness());
	if (d->reads_config && s->apps[d->home].config)
		world_read_config(o, config);
	return o;
}

static json_t *config_map(const struct story *s, int app)
{
	autofree char *name = mem_asprintf("settings-%s", app_names[app]);
	autofree char *text = mem_asprintf("%u", s->apps[app].config);

	return world_config(name, text);
}

static json_t *early_job(const struct story *s, int app)
{
	autofree char *name = mem_asprintf("migrate-%s", app_names[app]);
	autofree char *version = mem_asprintf("%u", s->apps[app].job);

	return json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:i, s:i, s:i, s:s, s:{s:{s:{s:s}}, s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
		"apiVersion", "batch/v1", "kind", "Job", "metadata", "name", name, "namespace",
		"default", "annotations", "recond.dev/phase", "pre-deploy", "spec", "parallelism",
		1, "completions", 1, "backoffLimit", 2, "completionMode", "NonIndexed", "template",
		"metadata", "annotations", "version", version, "spec", "restartPolicy", "Never",
		"terminationGracePeriodSeconds", 30, "containers", "name", "main", "image",
		s->apps[app].job_fails ? "work:fails" : "work:ends");
}

static json_t *image(const struct story *s, int app)
{
	autofree char *name = mem_asprintf("page-%s", app_names[app]);
	autofree char *context = mem_asprintf("v%u", s->apps[app].build);

	world_fail_builds(s->w, name, s->apps[app].build_fails);
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:{s:s}}}", "apiVersion",
			 "recond.dev/v1", "kind", "Image", "metadata", "name", name, "namespace",
			 "default", "spec", "context", context, "buildArgs", "BASE", "");
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
		if (s->apps[i].job)
			json_array_append_new(objects, early_job(s, i));
		if (s->apps[i].build)
			json_array_append_new(objects, image(s, i));
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

/* Checks are asked for as long as pods run. */
static bool is_owed(const struct world *w)
{
	for (size_t i = 0; i < w->n_answers; i++) {
		if (w->answers[i].type != ANSWER_CHECK)
			return true;
	}
	return false;
}

static bool is_rolling(const struct story *s)
{
	for (int i = 0; i < STORY_APPS; i++) {
		if (str_eq(world_app_phase(s->w, app_names[i]), "Progressing"))
			return true;
	}
	return false;
}

/* What left its source runs, well or badly, until people say that it may go. */
static bool people_are_asked(const struct story *s)
{
	for (int i = 0; i < STORY_APPS; i++) {
		if (!story_has_app(s, i) &&
		    str_eq(world_app_reason(s->w, app_names[i]), "PruneRefused"))
			return true;
	}
	return false;
}

/* Until nothing is owed and nothing was written for a while. */
static void settle(struct story *s)
{
	unsigned int changes = invariants_changes(s->w->invariants) + 1;

	for (int i = 0; i < REST_SLICES && !s->w->violation; i++) {
		if (changes == invariants_changes(s->w->invariants) && !is_owed(s->w) &&
		    !is_rolling(s))
			return;
		changes = invariants_changes(s->w->invariants);
		world_run(s->w, SLICE_MS);
	}
	if (people_are_asked(s))
		return;
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

static bool is_probed(const struct story *s)
{
	for (int i = 0; i < STORY_DEPLOYMENTS; i++) {
		if (s->deployments[i].home >= 0 && s->deployments[i].probed)
			return true;
	}
	return false;
}

/* Nothing is written, nothing is asked for, and the policy sleeps. */
static void check_idle(struct story *s)
{
	unsigned int changes = invariants_changes(s->w->invariants);
	unsigned int calls = s->w->n_calls - s->w->n_checks, checks = s->w->n_checks;
	bool probed = is_probed(s);
	uint64_t end = s->w->now_ms + (probed ? PROBED_IDLE_MS : IDLE_MS);
	unsigned int steps = 0;

	while (world_next_ms(s->w) <= end && world_step(s->w))
		steps++;
	calls = s->w->n_calls - s->w->n_checks - calls;
	checks = s->w->n_checks - checks;
	if (invariants_changes(s->w->invariants) != changes || calls > 0 ||
	    steps > IDLE_WAKE_UPS + 2 * checks)
		world_violated(s->w, "is_idle_at_rest",
			       "%u wake-ups, %u changes, %u calls in %llu s", steps,
			       invariants_changes(s->w->invariants) - changes, calls,
			       (unsigned long long)IDLE_MS / 1000);
}

static void add_images(struct story *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(image_names); i++)
		world_add_image(s->w, image_names[i]);
}

/* A last revision that is good in all its parts, and new in all of them: nothing of it failed
 * before. */
static void end_well(struct story *s)
{
	world_calm(s->w);
	add_images(s);
	for (int i = 0; i < STORY_APPS; i++) {
		s->apps[i].invalid = s->apps[i].job_fails = s->apps[i].build_fails = false;
		if (s->apps[i].job)
			s->apps[i].job = ++s->version;
		if (s->apps[i].build)
			s->apps[i].build = ++s->version;
		story_ask(s, i, "resume");
	}
	for (int i = 0; i < STORY_DEPLOYMENTS; i++) {
		if (s->deployments[i].home >= 0)
			story_change(s, i, false);
	}
	story_push(s);
	settle(s);
	for (int i = 0; i < STORY_APPS; i++) /* what it takes away is meant */
		story_ask(s, i, "approve");
	settle(s);
	check_rest(s, -1);
}

/* In one of the ways that an app can fail. */
static void break_app(struct story *s, int i)
{
	struct story_app *app = &s->apps[s->deployments[i].home];

	if (app->job && story_pick(s, 2)) {
		app->job = ++s->version;
		app->job_fails = true;
	} else if (app->build && story_pick(s, 2)) {
		app->build = ++s->version;
		app->build_fails = true;
	} else {
		story_change(s, i, true);
		if (s->deployments[i].replicas == 0)
			s->deployments[i].replicas = 1;
	}
}

/* One app cannot come up: its last good set stays, all of it, also over a restart. */
static void end_badly(struct story *s)
{
	int bad = (int)story_pick(s, STORY_DEPLOYMENTS);

	while (s->deployments[bad].home < 0)
		bad = (bad + 1) % STORY_DEPLOYMENTS;
	break_app(s, bad);
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

/* What people change by hand in an app at rest is put back, or made again. */
static void interfere(struct story *s)
{
	for (int i = 0; i < 3 && !s->w->violation; i++) {
		story_interfere(s);
		settle(s);
		check_rest(s, -1);
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
		d->probed = story_pick(s, 12) == 0;
		d->built = story_pick(s, 4) == 0;
		s->apps[d->home].config = story_pick(s, 2);
		s->apps[d->home].job = story_pick(s, 5) == 0;
		s->apps[d->home].build = d->built;
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
	unsigned int n = story_pick(s, 32);

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
	add_images(&s);
	world_fail_checks(s.w, "web:unready", "readiness", true);
	choose_faults(&s);
	begin(&s);
	n = ACTS_MIN + story_pick(&s, ACTS_MORE);
	for (unsigned int i = 0; i < n && !s.w->violation; i++) {
		go_on(&s);
		story_act(&s);
	}
	go_on(&s);
	end_well(&s);
	if (story_pick(&s, 4) == 0 && !s.w->violation)
		interfere(&s);
	if (story_pick(&s, 2) && !s.w->violation)
		end_badly(&s);
	if (!s.w->violation)
		check_idle(&s);
	(void)snprintf(broken, sizeof(broken), "%s", s.w->violation ? s.w->violation : "");
	world_free(s.w);
	return *broken ? broken : NULL;
}
