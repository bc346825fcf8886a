/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going back: a set that failed, before it was verified or soon after, is quarantined and the app's
 * whole effective set put back and kept. What people opted out of, or what cannot be undone, is
 * left as it is, and said.
 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/controllers/replicaset.h"
#include "reconciler/events.h"
#include "reconciler/rollout_priv.h"

#define VERIFY_SECONDS 10
#define MAX_VERIFY_SECONDS 86400

/* ---- what is not put back ---- */

bool rollback_is_irreversible(const json_t *set, const json_t *live)
{
	return set_is_early_job(live) &&
	       str_eq(app_setting(NULL, live, SYNC_ANNOTATION_IRREVERSIBLE), "true") &&
	       json_path(live, "status.startTime") &&
	       strcmp(json_path_str(live, "metadata.creationTimestamp", ""),
		      json_path_str(set, "since", "")) >= 0;
}

/* Did a step of SET run that cannot be undone? The name of its Job, or NULL. */
static const char *irreversible_job(struct reconciler *r, const json_t *set)
{
	const char *ended = json_path_str(set, "irreversible", "");
	json_t *o;
	size_t i;

	if (*ended)
		return ended;
	json_array_foreach(json_object_get(set, "objects"), i, o) {
		const json_t *live = set_is_early_job(o) ? set_live(r, o) : NULL;

		if (live && rollback_is_irreversible(set, live))
			return object_name(live);
	}
	return NULL;
}

static bool opted_out(const json_t *set, const json_t *o)
{
	return str_eq(app_setting(set, o, SYNC_ANNOTATION_ROLLBACK), "false");
}

static json_t *find_object(const json_t *set, const char *key)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		autofree char *k = app_object_key(o);

		if (str_eq(k, key))
			return o;
	}
	return NULL;
}

/* Objects of FAILED that opted out stay as they are: they take their older selves' place in the
 * effective set, which goes on saying what is to run, or come to it. */
static void keep_opted_out(struct app *app, const json_t *failed)
{
	json_t *effective = json_object_get(app->doc, "effective"), *o;
	json_t *objects = json_array();
	bool changed = false;
	char id[80];
	size_t i;

	json_array_foreach(json_object_get(effective, "objects"), i, o) {
		autofree char *key = app_object_key(o);
		json_t *newer = find_object(failed, key);
		bool keep = newer && opted_out(NULL, newer) && !json_equal(newer, o);

		json_array_append(objects, keep ? newer : o);
		changed |= keep;
	}
	json_array_foreach(json_object_get(failed, "objects"), i, o) {
		autofree char *key = app_object_key(o);

		if (!opted_out(NULL, o) || find_object(effective, key))
			continue;
		json_array_append(objects, o);
		changed = true;
	}
	json_set(effective, "objects", objects);
	if (!changed)
		return;
	json_digest(id, objects);
	json_set(effective, "id", json_text(id));
}

/* ---- the failure ---- */

static void leave_as_it_is(struct app *app)
{
	json_set(app->doc, "stopped", json_true());
	json_object_del(app->doc, "restore");
}

static void put_back(struct app *app, const json_t *failed)
{
	keep_opted_out(app, failed);
	json_set(app->doc, "restore", json_true());
	json_object_del(app->doc, "stopped");
}

static enum hold decide(struct reconciler *r, struct app *app, const json_t *set, struct err *err)
{
	const char *job = irreversible_job(r, set);

	if (job && json_object_get(app->doc, "effective")) {
		json_set(app->doc, "failed_set", json_clone(set));
		leave_as_it_is(app);
		(void)err_set(
			err, err->kind, err->code, err->reason,
			"%s; Job %s ran and cannot be undone: `recond approve %s` goes back all the same, "
			"a new revision goes on",
			err->message, job, app->name);
		return HOLD_ASK;
	}
	if (!json_object_get(app->doc, "effective") || opted_out(set, NULL))
		leave_as_it_is(app);
	else
		put_back(app, set);
	return HOLD_ROLLOUT;
}

void rollback_failed(struct reconciler *r, struct app *app, json_t *set, const struct err *err)
{
	const json_t *object = store_get(r->store, KIND_APP, NULL, app->name);
	const char *key = json_path_str(set, "key", "");
	struct err why = *err;
	enum hold hold;

	quarantine_add(r, app, key, err);
	history_end(r, app, json_path_int(set, "n", 0), "Held", err);
	json_object_del(app->doc, "rollout");
	set_forget_applied(app);
	hold = decide(r, app, set, &why);
	app_hold_set(r, app, hold, set, &why);
	app_save(r, app);
	if (object && json_path_bool(app->doc, "restore", false))
		events_warning(r, object, "recond", "RollingBack",
			       "revision %s failed (%s): going back to revision %s",
			       json_path_str(set, "revision", ""), why.reason,
			       json_path_str(app->doc, "effective.revision", ""));
	reconciler_queue(r, WORK_APP, app->name);
}

void rollback_approved(struct reconciler *r, struct app *app)
{
	autojson *failed = json_incref(json_object_get(app->doc, "failed_set"));

	assert(app_held_on(app, HOLD_ASK));
	json_object_del(app->doc, "failed_set");
	put_back(app, failed);
	json_path_set_new(app->doc, "held.kind", json_text("rollout"));
	app_save(r, app);
	reconciler_queue(r, WORK_APP, app->name);
}

/* ---- watching what was verified ---- */

static int64_t verify_seconds(const json_t *set)
{
	uint64_t most = 0, n;
	bool said = false;
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		const char *text = app_setting(set, o, SYNC_ANNOTATION_VERIFY);

		if (!text || str_parse_u64(&n, text, 0, MAX_VERIFY_SECONDS) < 0)
			continue;
		said = true;
		if (n > most)
			most = n;
	}
	return said ? (int64_t)most : VERIFY_SECONDS;
}

json_t *rollback_watch_new(struct reconciler *r, const struct app *app, const json_t *set)
{
	autojson *pods = store_list(r->store, KIND_POD, NULL), *watched = json_array();
	int64_t seconds = verify_seconds(set);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		if (!object_deleting(pod) && replicaset_pod_ready(pod) &&
		    str_eq(sync_owner_app(r, pod),
			   app->name)) /* by its owner: that may have moved */
			json_array_append_new(watched, json_text(object_uid(pod)));
	}
	if (seconds == 0 || json_array_size(watched) == 0)
		return NULL;
	return json_pack("{s:I, s:I, s:O}", "until_ns",
			 (json_int_t)(reconciler_realtime_ns(r) + seconds * 1000000000), "seconds",
			 (json_int_t)seconds, "pods", watched);
}

static const json_t *unready_container(const json_t *pod)
{
	json_t *status;
	size_t i;

	json_array_foreach(json_path(pod, "status.containerStatuses"), i, status) {
		if (!json_path_bool(status, "ready", false))
			return status;
	}
	return NULL;
}

static void say_unready(const json_t *pod, struct err *err)
{
	const json_t *c = unready_container(pod);
	const json_t *ended =
		json_path(c, "state.terminated") ?: json_path(c, "lastState.terminated");
	const char *waiting = json_path_str(c, "state.waiting.reason", "");
	const char *reason = *waiting ? waiting : json_path_str(ended, "reason", "Unready");
	autofree char *said = pod_status_last_words(ended);

	if (ended)
		(void)err_set(
			err, ERR_INVALID, ENOEXEC, reason,
			"pod %s was up and is not ready any more: container %s ended with exit code %lld (%s)%s: "
			"`recond logs -p %s -n %s` shows its output while the pod is there",
			object_name(pod), json_path_str(c, "name", ""),
			(long long)json_path_int(ended, "exitCode", 0),
			json_path_str(ended, "reason", ""), said, object_name(pod),
			object_namespace(pod));
	else
		(void)err_set(
			err, ERR_INVALID, ENOEXEC, "Unready",
			"pod %s was up and is not ready any more: `recond get events -n %s` says why",
			object_name(pod), object_namespace(pod));
}

/*
 * Its container was lost with its monitor, or with the host's last boot: that is no fault of what
 * runs in it. It is started again, and watched on.
 */
static bool was_lost(const json_t *pod)
{
	const json_t *c = unready_container(pod);
	const json_t *ended =
		json_path(c, "state.terminated") ?: json_path(c, "lastState.terminated");

	return str_eq(json_path_str(ended, "reason", ""), "ContainerStatusUnknown");
}

/* Has a pod that was ready when its set was verified stopped being so? A deleted one was someone's
 * wish. */
static bool found_wanting(struct reconciler *r, const json_t *watch, struct err *err)
{
	json_t *uid;
	size_t i;

	json_array_foreach(json_object_get(watch, "pods"), i, uid) {
		const json_t *pod = store_get_uid(r->store, json_string_value(uid));

		if (!pod || object_deleting(pod) || replicaset_pod_ready(pod) ||
		    str_eq(json_path_str(pod, "status.phase", ""), "Succeeded") || was_lost(pod))
			continue;
		say_unready(pod, err);
		return true;
	}
	return false;
}

/* The effective set turned out to be bad: the last good one before it takes its place. */
static void demote(struct reconciler *r, struct app *app, const struct err *err)
{
	autojson *failed = json_incref(json_object_get(app->doc, "effective"));
	const json_t *good = history_last_good(app, json_path_str(failed, "id", ""));

	if (good)
		json_set(app->doc, "effective", adopted_with(app, good));
	else
		json_object_del(app->doc, "effective");
	rollback_failed(r, app, failed, err);
}

/* True when the app was demoted. */
static bool watch_effective(struct reconciler *r, struct app *app)
{
	autojson *watch = json_incref(json_path(app->doc, "effective.watch"));
	int64_t left_ns = json_path_int(watch, "until_ns", 0) - reconciler_realtime_ns(r);
	int64_t whole_ns = json_path_int(watch, "seconds", 0) * 1000000000;
	struct err err = {0};

	if (!watch)
		return false;
	if (left_ns <= 0 || left_ns > whole_ns) { /* over, or the clock was moved */
		json_path_del(app->doc, "effective.watch");
		app_save(r, app);
		return false;
	}
	if (found_wanting(r, watch, &err)) {
		demote(r, app, &err);
		return true;
	}
	reconciler_queue_after(r, WORK_APP, app->name, (uint64_t)left_ns / 1000000 + 1);
	return false;
}

/* ---- keeping the effective set ---- */

/* What was put back is up again. */
static void restored(struct reconciler *r, struct app *app)
{
	const json_t *object = store_get(r->store, KIND_APP, NULL, app->name);
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	json_path_set_new(app->doc, "held.restored", json_text(now));
	app_save(r, app);
	if (object)
		events_normal(r, object, "recond", "RolledBack", "revision %s is up again",
			      json_path_str(app->doc, "effective.revision", ""));
	log_info("restored", LOG_KV("app", app->name),
		 LOG_KV("revision", json_path_str(app->doc, "effective.revision", "")));
}

static void look_at_effective(struct reconciler *r, struct app *app, const json_t *effective)
{
	autojson *followed = rollout_followed(effective, true);
	autofree char *text = NULL, *what = NULL;
	uint64_t again_ms = UINT64_MAX;
	struct err err = {0};

	switch (follow_objects(r, followed, NULL, &text, &again_ms, &err)) {
	case FOLLOW_UP:
		rollout_progress(app, "", NULL);
		if (json_path(app->doc, "held") && !json_path(app->doc, "held.restored") &&
		    rollout_look(r, app, &what) == 1) /* costs a look at each process */
			restored(r, app);
		return;
	case FOLLOW_FAILED:
		rollout_progress(app, err.reason, err.message);
		return;
	case FOLLOW_PROGRESS:
		rollout_progress(app, "", text);
		if (again_ms != UINT64_MAX)
			reconciler_queue_after(r, WORK_APP, app->name, again_ms);
		return;
	}
}

static bool has_to_be_applied(struct reconciler *r, const struct app *app, const json_t *effective)
{
	if (json_path_bool(app->doc, "restore", false))
		return true;
	return !json_object_get(app->doc, "paused") && !set_is_applied(r, app, effective);
}

void rollout_settle(struct reconciler *r, struct app *app)
{
	struct refusal refusal = {.hold = HOLD_CONFLICT};
	json_t *effective;
	int ret = 0;

	if (watch_effective(r, app))
		return;
	effective = json_object_get(app->doc, "effective");
	if (!effective || json_path_bool(app->doc, "stopped", false))
		return;
	if (has_to_be_applied(r, app, effective))
		ret = set_apply(r, app, effective, false, &refusal);
	if (ret == 1) {
		rollout_progress(app, "", "waiting for objects that are being deleted");
		return;
	}
	if (ret < 0)
		log_error("the effective set cannot be put back", LOG_KV("app", app->name),
			  LOG_ERR(&refusal.err));
	if (json_object_get(app->doc, "restore")) {
		json_object_del(app->doc, "restore");
		app_save(r, app);
	}
	look_at_effective(r, app, effective);
}
