/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one set of an app: its stages are applied, followed and verified. What is on its way
 * is remembered before anything is done about it, so that a restart goes on with it, with or
 * without the source.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/events.h"
#include "reconciler/rollout_priv.h"

#define LOOK_AGAIN_MS 200

const json_t *rollout_of(const struct app *app)
{
	return json_object_get(app->doc, "rollout");
}

void rollout_progress(struct app *app, const char *reason, const char *text)
{
	app_string(&app->progress, text);
	(void)snprintf(app->progress_reason, sizeof(app->progress_reason), "%s", reason);
}

/* ---- starting ---- */

static json_t *new_set(struct reconciler *r, const struct app *app)
{
	json_t *settings = json_object_get(app->decoded, "settings");
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:O, s:O}", "id", app->resolved_id,
			 "key", app->key, "revision", app->revision, "inputs", app->inputs, "since",
			 now, "stage", set_has_early_jobs(app->resolved) ? "pre-deploy" : "",
			 "done", "objects", app->resolved, "settings",
			 settings ? settings : json_null());
}

/* A Job that failed stands in the way of trying again. */
static void clear_failed_jobs(struct reconciler *r, const json_t *objects)
{
	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *o = json_array_get(objects, i);
		const json_t *live = object_kind(o) == KIND_JOB ? set_live(r, o) : NULL;
		const json_t *failed = live ? object_condition(live, "Failed") : NULL;

		if (failed && str_eq(json_path_str(failed, "status", ""), "True"))
			reconciler_delete(r, live);
	}
}

void rollout_drop(struct reconciler *r, struct app *app, const char *result)
{
	const json_t *set = rollout_of(app);

	if (!set)
		return;
	history_end(r, app, json_path_int(set, "n", 0), result, NULL);
	json_object_del(app->doc, "rollout");
	app_save(r, app);
}

void rollout_start(struct reconciler *r, struct app *app)
{
	autojson *set = new_set(r, app);
	struct refusal refusal = {.hold = HOLD_CONFLICT};
	const json_t *object = store_get(r->store, KIND_APP, NULL, app->name);

	assert(app->resolved && app->key);
	clear_failed_jobs(r, app->resolved);
	if (set_apply(r, app, set, true, &refusal) < 0) {
		app_hold(r, app, refusal.hold, app->key, &refusal.err);
		return;
	}
	app_release(r, app);
	rollout_drop(r, app, "Superseded");
	json_object_del(app->doc, "restore");
	json_object_del(app->doc, "stopped");
	history_begin(r, app, set);
	json_set(app->doc, "rollout", TAKE_PTR(set));
	app_save(r, app);
	if (object)
		events_normal(r, object, "recond", "RolloutStarted", "revision %s: %zu objects",
			      app->revision, json_array_size(app->resolved));
	log_info("rollout started", LOG_KV("app", app->name), LOG_KV("revision", app->revision));
}

/* ---- following ---- */

json_t *rollout_followed(const json_t *set, bool is_effective)
{
	const json_t *done = json_object_get(set, "done");
	json_t *out = json_array(), *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		autofree char *key = app_object_key(o);

		if (json_list_has(done, key) || (is_effective && object_kind(o) == KIND_JOB))
			continue;
		if (!set_in_early_stage(set) || set_is_early_job(o))
			json_array_append(out, o);
	}
	return out;
}

/* A Job that ended well has done its part, whatever becomes of the object (its time to live may be
 * over before the rest is up). */
static void note_done(struct reconciler *r, struct app *app, const json_t *followed)
{
	json_t *done = json_path(app->doc, "rollout.done"), *o;
	size_t i;

	json_array_foreach(followed, i, o) {
		const json_t *live = object_kind(o) == KIND_JOB ? set_live(r, o) : NULL;
		const json_t *complete = live ? object_condition(live, "Complete") : NULL;
		autofree char *key = app_object_key(o);

		if (!complete || !str_eq(json_path_str(complete, "status", ""), "True"))
			continue;
		json_array_append_new(done, json_text(key));
		if (rollback_is_irreversible(rollout_of(app), live))
			json_path_set_new(app->doc, "rollout.irreversible",
					  json_text(object_name(live)));
		app_save(r, app);
	}
}

/* ---- looking at the host ---- */

static bool container_lives(struct reconciler *r, const json_t *pod, const json_t *status)
{
	if (!json_path(status, "state.running"))
		return true; /* follow.c judges those */
	return r->ports.container_lives(r->ports.data, object_uid(pod),
					json_path_str(status, "name", ""),
					(unsigned int)json_path_int(status, "restartCount", 0));
}

static char *dead_container(struct reconciler *r, const json_t *pod)
{
	json_t *status;
	size_t i;

	json_array_foreach(json_path(pod, "status.containerStatuses"), i, status) {
		if (!container_lives(r, pod, status))
			return mem_asprintf("container %s of pod %s ended",
					    json_path_str(status, "name", ""), object_name(pod));
	}
	return NULL;
}

int rollout_look(struct reconciler *r, const struct app *app, char **ret_what)
{
	autojson *pods = store_list(r->store, KIND_POD, NULL);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		char *what;

		if (object_deleting(pod) ||
		    !str_eq(object_annotation(pod, SYNC_ANNOTATION_APP), app->name))
			continue;
		what = dead_container(r, pod);
		if (what) {
			*ret_what = what;
			return 0;
		}
	}
	return 1;
}

/* ---- the verdict ---- */

static void verified(struct reconciler *r, struct app *app)
{
	autojson *set = json_incref(json_object_get(app->doc, "rollout"));
	json_t *effective = json_copy(set), *watch;
	const json_t *object = store_get(r->store, KIND_APP, NULL, app->name);
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	json_object_del(effective, "stage");
	json_object_del(effective, "stage_since");
	json_object_del(effective, "done");
	json_set(effective, "since", json_text(now));
	watch = rollback_watch_new(r, app, set);
	if (watch)
		json_set(effective, "watch", watch);
	json_set(app->doc, "effective", effective);
	json_object_del(app->doc, "rollout");
	history_end(r, app, json_path_int(set, "n", 0), "Verified", NULL);
	rollout_progress(app, "", NULL);
	app_save(r, app);
	if (object)
		events_normal(r, object, "recond", "Verified", "revision %s is up",
			      json_path_str(effective, "revision", ""));
	app_announce(r, app, "verified");
	log_info("verified", LOG_KV("app", app->name),
		 LOG_KV("revision", json_path_str(effective, "revision", "")));
	reconciler_queue(r, WORK_APP, app->name); /* to be watched */
}

/* The stage is done: the next one, or the verdict, which rests on what the host says. */
static void stage_up(struct reconciler *r, struct app *app)
{
	const json_t *set = rollout_of(app);
	autofree char *what = NULL;
	char now[CLOCK_RFC3339_SIZE];

	if (set_in_early_stage(set)) {
		reconciler_rfc3339(r, now);
		json_path_set_new(app->doc, "rollout.stage", json_text(""));
		json_path_set_new(app->doc, "rollout.stage_since", json_text(now));
		app_save(r, app);
		reconciler_queue(r, WORK_APP, app->name);
	} else if (rollout_look(r, app, &what) == 1) {
		verified(r, app);
	} else {
		rollout_progress(app, "", what);
		reconciler_queue_after(r, WORK_APP, app->name, LOOK_AGAIN_MS);
	}
}

static void follow(struct reconciler *r, struct app *app)
{
	autojson *set = json_incref(json_object_get(app->doc, "rollout"));
	autojson *followed = rollout_followed(set, false);
	autofree char *text = NULL;
	uint64_t again_ms = UINT64_MAX;
	struct err err = {0};
	const char *since = json_path_str(set, "stage_since", json_path_str(set, "since", ""));
	enum follow_result result = follow_objects(r, followed, since, &text, &again_ms, &err);

	note_done(r, app, followed);
	switch (result) {
	case FOLLOW_UP:
		stage_up(r, app);
		return;
	case FOLLOW_FAILED:
		rollback_failed(r, app, set, &err);
		return;
	case FOLLOW_PROGRESS:
		rollout_progress(app, "", text);
		if (again_ms != UINT64_MAX)
			reconciler_queue_after(r, WORK_APP, app->name, again_ms);
		return;
	}
}

void rollout_step(struct reconciler *r, struct app *app)
{
	autojson *set = json_incref(json_object_get(app->doc, "rollout"));
	struct refusal refusal = {.hold = HOLD_CONFLICT};
	int ret = 0;

	assert(set);
	if (!set_is_applied(r, app, set))
		ret = set_apply(r, app, set, false, &refusal);
	if (ret < 0)
		rollback_failed(r, app, set, &refusal.err);
	else if (ret == 1)
		rollout_progress(app, "", "waiting for objects that are being deleted");
	else
		follow(r, app);
}
