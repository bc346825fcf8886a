/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of an app: try again, stop following its source for a while, go back, confirm,
 * bring back what was deleted. Each only changes the record; the steps of sync.c do the rest.
 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/drift.h"
#include "reconciler/events.h"
#include "reconciler/sync_priv.h"

#define DELETED "deleted"
#define DELETED_KEEP_NS INT64_C(3600000000000)

struct request {
	struct reconciler *r;
	const char *name;
	struct app *app; /* NULL: there is none of that name */
	const json_t *args;
	char *message; /* what was done; owned */
	struct err *err;
};

static void note(struct request *q, const char *reason)
{
	const json_t *object = store_get(q->r->store, KIND_APP, NULL, q->name);

	if (object)
		events_normal(q->r, object, "recond", reason, "%s", q->message);
	log_info("asked by a person", LOG_KV("app", q->name), LOG_KV("what", reason));
}

static int refuse(struct request *q, const char *reason, const char *text)
{
	return err_set(q->err, ERR_INVALID, EINVAL, reason, "app '%s' %s", q->name, text);
}

static int refuse_unread(struct request *q)
{
	return refuse(
		q, "SourceUnread",
		"has a source that was not read since recond started: `recond status` says why");
}

/* ---- retry ---- */

static bool can_retry(const struct app *app)
{
	return json_object_get(app->doc, "held") ||
	       (app->key && quarantine_get(app, app->key) != NULL);
}

static int act_retry(struct request *q)
{
	struct app *app = q->app;

	if (!can_retry(app))
		return refuse(q, "NotHeld", "is not held: there is nothing to try again");
	if (!app->revision)
		return refuse_unread(q);
	if (!app->present)
		return refuse(q, "NotInSource",
			      "is not in its source any more: put its files back to roll it out");
	if (app->key)
		quarantine_drop(q->r, app, app->key);
	quarantine_drop(q->r, app, json_path_str(app->doc, "held.key", ""));
	app_release(q->r, app);
	images_try_again(q->r);
	builds_try_again(q->r, app->name);
	app->resolved_serial = APP_STALE;
	q->message = mem_asprintf("trying revision %s again", app->revision ? app->revision : "");
	note(q, "Retry");
	return 0;
}

/* ---- pause and resume ---- */

static int act_pause(struct request *q)
{
	char now[CLOCK_RFC3339_SIZE];

	if (json_object_get(q->app->doc, "paused"))
		return refuse(q, "Paused", "is paused already");
	reconciler_rfc3339(q->r, now);
	json_set(q->app->doc, "paused", json_text(now));
	q->message =
		mem_strdup("newer revisions wait, and changes by hand stay, until it is resumed");
	note(q, "Paused");
	return 0;
}

static int act_resume(struct request *q)
{
	if (!json_object_get(q->app->doc, "paused"))
		return refuse(q, "NotPaused", "is not paused");
	json_object_del(q->app->doc, "paused");
	drift_queue_app(q->r, q->app);
	q->message = mem_strdup("follows its source again");
	note(q, "Resumed");
	return 0;
}

/* ---- undo ---- */

static void hold_undeleted(struct request *q)
{
	struct err why = {0};

	(void)err_set(&why, ERR_INVALID, ENOENT, "Undeleted",
		      "%s: its source does not have it any more; it stays like this until its "
		      "files are back there, and goes when they leave again",
		      q->message);
	app_hold(q->r, q->app, HOLD_UNDELETE, "", &why);
}

/* Without a number: what was up before the set on its way, or before the one that was left as it
 * failed; when neither is there, before the one that is up. */
static const json_t *undo_last(struct request *q)
{
	const json_t *effective = json_object_get(q->app->doc, "effective"), *target;
	bool begun = rollout_of(q->app) || json_object_get(q->app->doc, "stopped");

	target = begun && effective ? effective
				    : history_last_good(q->app, json_path_str(effective, "id", ""));
	if (!target)
		(void)refuse(q, "NoHistory", "has no older set that was up");
	return target;
}

static const json_t *undo_target(struct request *q)
{
	int64_t to = json_path_int(q->args, "to", 0);
	const json_t *entry;

	if (to == 0)
		return undo_last(q);
	entry = history_get(q->app, to);
	if (!entry) {
		(void)err_set(q->err, ERR_INVALID, ENOENT, "NotFound",
			      "app '%s' has no entry %lld: `recond history %s` lists them", q->name,
			      (long long)to, q->name);
		return NULL;
	}
	if (!str_eq(json_path_str(entry, "result", ""), "Verified")) {
		(void)err_set(
			q->err, ERR_INVALID, EINVAL, "NeverUp",
			"entry %lld of app '%s' never came up (%s): choose one that was verified",
			(long long)to, q->name, json_path_str(entry, "result", ""));
		return NULL;
	}
	return entry;
}

/* What is undone is the newest input. Where that was not resolved, or not even read since the
 * start, its files tell it. */
static void hold_undone(struct request *q)
{
	struct app *app = q->app;
	const json_t *newest = json_array_get(app->history, json_array_size(app->history) - 1);
	struct err why = {0};

	(void)err_set(&why, ERR_INVALID, ECANCELED, "Undone",
		      "%s, by hand: a new revision, or `recond retry %s`, goes on", q->message,
		      q->name);
	app_release(q->r, app);
	app_hold(q->r, app, HOLD_UNDO, app->resolved ? app->key : "", &why);
	if (app->revision)
		return;
	json_path_set_new(app->doc, "held.revision",
			  json_text(json_path_str(newest, "revision", "")));
	json_path_set_new(app->doc, "held.inputs", json_text(json_path_str(newest, "inputs", "")));
}

static int act_undo(struct request *q)
{
	struct app *app = q->app;
	bool left = app->revision && !app->present;
	const json_t *target;

	if (left && !app_held_on(app, HOLD_UNDELETE))
		return refuse(q, "NotInSource",
			      "is not in its source any more, and about to be deleted: put its "
			      "files back, or `recond undelete` it when it is gone");
	target = undo_target(q);
	if (!target)
		return q->err->code ? -abs(q->err->code) : -EINVAL;
	q->message =
		mem_asprintf("back to %lld, revision %s", (long long)json_path_int(target, "n", 0),
			     json_path_str(target, "revision", ""));
	rollout_drop(q->r, app, "Undone");
	json_set(app->doc, "effective", adopted_with(app, target));
	json_set(app->doc, "restore", json_true());
	json_object_del(app->doc, "stopped");
	if (left)
		hold_undeleted(q);
	else
		hold_undone(q);
	note(q, "Undone");
	return 0;
}

/* ---- approve ---- */

static int act_approve(struct request *q)
{
	struct app *app = q->app;
	const char *revision = json_path_str(q->args, "revision", "");

	if (*revision && !str_eq(revision, app->revision))
		return err_set(
			q->err, ERR_INVALID, ESTALE, "Stale",
			"app '%s' is at revision %s now, not at %s: look at what it would do first",
			q->name, app->revision ? app->revision : "", revision);
	if (app_held_on(app, HOLD_PRUNE)) {
		if (!app->revision)
			return refuse_unread(q);
		json_set(app->doc, "approved", json_text(app->revision));
		app_release(q->r, app);
		q->message = mem_asprintf("deletions of revision %s are confirmed", app->revision);
	} else if (app_held_on(app, HOLD_ASK)) {
		rollback_approved(q->r, app);
		q->message = mem_asprintf("going back to revision %s",
					  json_path_str(app->doc, "effective.revision", ""));
	} else {
		return refuse(q, "NothingToApprove", "does not wait for a confirmation");
	}
	note(q, "Approved");
	return 0;
}

/* ---- deletion and its undoing ---- */

void deleted_keep(struct reconciler *r, const struct app *app)
{
	autojson *doc = json_copy(app->doc), *kept = NULL;
	static const char *const gone[] = {"ledger", "rollout",    "held",     "restore", "stopped",
					   "paused", "failed_set", "approved", "adopted"};

	if (!json_object_get(doc, "effective")) {
		history_drop(r, app->name); /* it was never up */
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		json_object_del(doc, gone[i]);
	kept = json_pack("{s:I, s:O}", "until_ns",
			 (json_int_t)(reconciler_realtime_ns(r) + DELETED_KEEP_NS), "doc", doc);
	store_doc_put(r->store, DELETED, app->name, kept);
	reconciler_queue_after(r, WORK_APP, app->name, DELETED_KEEP_NS / 1000000 + 1000);
}

void deleted_expire(struct reconciler *r, const char *key)
{
	const json_t *kept = store_doc_get(r->store, DELETED, key);
	int64_t left_ns = json_path_int(kept, "until_ns", 0) - reconciler_realtime_ns(r);

	if (!kept)
		return;
	if (left_ns > 0 && left_ns <= DELETED_KEEP_NS) {
		reconciler_queue_after(r, WORK_APP, key, (uint64_t)left_ns / 1000000 + 1000);
		return;
	}
	store_doc_delete(r->store, DELETED, key);
	history_drop(r, key);
	log_info("forgotten", LOG_KV("app", key));
}

static void queue_deleted(const char *key, const json_t *doc UNUSED, void *data)
{
	reconciler_queue(data, WORK_APP, key);
}

void deleted_load(struct reconciler *r)
{
	store_doc_each(r->store, DELETED, queue_deleted, r);
}

/* Its record as it was, without the objects, which are made again. */
static struct app *bring_back(struct reconciler *r, const char *name, const json_t *kept)
{
	struct app *app = app_add(r->apps, name);
	const struct source *source;

	json_decref(app->doc);
	app->doc = json_clone(json_object_get(kept, "doc"));
	app_string(&app->source, json_path_str(app->doc, "source", ""));
	source = source_get(r->apps, app->source);
	app_string(&app->revision, source->revision);
	app_string(&app->inputs, "");
	history_load(r, app);
	store_doc_delete(r->store, DELETED, name);
	return app;
}

static int act_undelete(struct request *q)
{
	const json_t *kept = store_doc_get(q->r->store, DELETED, q->name);

	if (q->app)
		return refuse(q, "NotDeleted", "is not deleted");
	if (!kept)
		return err_set(q->err, ERR_INVALID, ENOENT, "NotFound",
			       "no app '%s' was deleted within the last hour", q->name);
	q->app = bring_back(q->r, q->name, kept);
	json_set(q->app->doc, "restore", json_true());
	q->message = mem_asprintf("brought back as of revision %s",
				  json_path_str(q->app->doc, "effective.revision", ""));
	hold_undeleted(q);
	note(q, "Undeleted");
	return 0;
}

/* ---- the table ---- */

/* clang-format off */
static const struct {
	const char *name;
	int (*act)(struct request *q);
	bool needs_app;
} actions[] = {
	{ "retry",    act_retry,    true },
	{ "pause",    act_pause,    true },
	{ "resume",   act_resume,   true },
	{ "undo",     act_undo,     true },
	{ "approve",  act_approve,  true },
	{ "undelete", act_undelete, false },
};
/* clang-format on */

static int run(struct request *q, const char *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(actions[i].name, action))
			continue;
		if (!q->app && actions[i].needs_app)
			return err_set(q->err, ERR_INVALID, ENOENT, "NotFound",
				       "there is no app '%s': `recond get apps` lists them",
				       q->name);
		return actions[i].act(q);
	}
	return err_set(q->err, ERR_INVALID, EINVAL, "BadRequest", "unknown action '%s'", action);
}

int reconciler_app_action(struct reconciler *r, const char *app, const char *action,
			  const json_t *args, json_t **ret, struct err *err)
{
	struct request q = {
		.r = r, .name = app, .app = app_get(r->apps, app), .args = args, .err = err};
	int ret_code = run(&q, action);
	autofree char *message = q.message;

	if (ret_code < 0)
		return ret_code;
	assert(message);
	app_save(r, q.app);
	reconciler_queue(r, WORK_APP, app);
	*ret = json_pack("{s:s, s:s, s:s}", "app", app, "action", action, "message", message);
	return 0;
}

json_t *reconciler_app_history(struct reconciler *r, const char *app)
{
	const struct app *a = app_get(r->apps, app);

	return a ? json_clone(a->history) : NULL;
}
