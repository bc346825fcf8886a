/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing the store to a set of an app, in its stage: which of its objects are written now, and
 * whether they are all there. Decides nothing about when.
 */
#include <assert.h>
#include <string.h>

#include "reconciler/controllers/job.h"
#include "reconciler/rollout_priv.h"

#define RETRY_WAITING_MS                                                                           \
	500 /* something of the app's own has to go first; its end also queues the app */

const json_t *set_live(struct reconciler *r, const json_t *o)
{
	return store_get(r->store, object_kind(o), object_namespace(o), object_name(o));
}

/* ---- stages ---- */

bool set_is_early_job(const json_t *o)
{
	return object_kind(o) == KIND_JOB &&
	       str_eq(object_annotation(o, SYNC_ANNOTATION_PHASE), "pre-deploy");
}

/* What a Job that runs before the workloads may need: nothing that runs notices any of it. */
static bool is_early(const json_t *o)
{
	static const enum kind kinds[] = {KIND_NAMESPACE, KIND_IMAGE, KIND_SECRET, KIND_CONFIGMAP};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (object_kind(o) == kinds[i])
			return true;
	}
	return set_is_early_job(o);
}

bool set_has_early_jobs(const json_t *objects)
{
	for (size_t i = 0; i < json_array_size(objects); i++) {
		if (set_is_early_job(json_array_get(objects, i)))
			return true;
	}
	return false;
}

bool set_in_early_stage(const json_t *set)
{
	return *json_path_str(set, "stage", "") != '\0';
}

/* ---- applying ---- */

/* What tells the state of the store that a set in its stage asks for. */
static char *stage_id(const json_t *set)
{
	return mem_asprintf("%s/%s", json_path_str(set, "id", ""), json_path_str(set, "stage", ""));
}

static void skip_object(json_t *skip, const json_t *o)
{
	autofree char *key = app_object_key(o);

	if (!json_list_has(skip, key))
		json_array_append_new(skip, json_text(key));
}

/* A ConfigMap or Secret that stayed with the app from which something moved here: what moved reads
 * it as the record has it (app_config.c). */
static bool is_anothers_config(struct reconciler *r, const struct app *app, const json_t *o)
{
	bool config = object_kind(o) == KIND_CONFIGMAP || object_kind(o) == KIND_SECRET;
	const json_t *live = config ? set_live(r, o) : NULL;
	const char *owner = live ? object_annotation(live, SYNC_ANNOTATION_APP) : NULL;

	return owner && !str_eq(owner, app->name) && app_get(r->apps, owner);
}

/* Keys of what is not written with SET now: ended Jobs, later stages, what moved elsewhere. */
static json_t *skipped(struct reconciler *r, const struct app *app, const json_t *set)
{
	const json_t *done = json_object_get(set, "done");
	json_t *skip = done ? json_clone(done) : json_array(), *o;
	bool early = set_in_early_stage(set);
	bool is_effective = set == json_object_get(app->doc, "effective");
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		autofree char *key = app_object_key(o);

		if (early && !is_early(o))
			skip_object(skip, o);
		else if (is_effective && object_kind(o) == KIND_JOB)
			skip_object(skip,
				    o); /* a Job runs once; going back does not run it again */
		else if (is_effective &&
			 (apply_elsewhere(r, app, key) || is_anothers_config(r, app, o)))
			skip_object(skip, o);
	}
	return skip;
}

void set_forget_applied(struct app *app)
{
	free(app->applied_id);
	app->applied_id = NULL;
}

int set_apply(struct reconciler *r, struct app *app, const json_t *set, bool guard,
	      struct refusal *refusal)
{
	autojson *skip = skipped(r, app, set);
	autofree char *id = stage_id(set);
	struct apply_request request = {.objects = json_object_get(set, "objects"),
					.skip = skip,
					.partial = set_in_early_stage(set),
					.guard = guard};
	int ret = apply_objects(r, app, &request, &refusal->hold, &refusal->err);

	set_forget_applied(app); /* after 1 the store is between two sets */
	if (ret == 1)
		reconciler_queue_after(r, WORK_APP, app->name, RETRY_WAITING_MS);
	else
		app_string(&app->applied_id, id); /* a refusal is not tried at every look */
	return ret;
}

/* Someone else may take objects away: another app's Namespace that goes with all that is in it. */
static bool all_there(struct reconciler *r, const struct app *app, const json_t *set)
{
	autojson *skip = skipped(r, app, set);
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(set, "objects"), i, o) {
		autofree char *key = app_object_key(o);

		if (!set_live(r, o) && !json_list_has(skip, key) &&
		    !(object_kind(o) == KIND_JOB && job_was_done(r, o)))
			return false;
	}
	return true;
}

bool set_is_applied(struct reconciler *r, const struct app *app, const json_t *set)
{
	autofree char *id = stage_id(set);

	return str_eq(app->applied_id, id) && all_there(r, app, set);
}
