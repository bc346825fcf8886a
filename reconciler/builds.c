/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds: one per Image object, planned first (is it current? on which images does it rest?), then
 * run when the images it rests on are there. Their state shows in the Image object's status.
 */
#include <assert.h>
#include <string.h>

#include "reconciler/controllers/pod_plan.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/sync_priv.h"

#define HICCUPS 3
#define HICCUP_RETRY_MS 500

/* clang-format off */
static const struct {
	const char *phase;
	unsigned int next;
} build_states[BUILD_STATE_N_] = {
	[BUILD_NEW]      = { "Pending",  BIT(BUILD_PLANNING) | BIT(BUILD_FAILED) },
	[BUILD_PLANNING] = { "Pending",  BIT(BUILD_PLANNED) | BIT(BUILD_FAILED) | BIT(BUILD_NEW) },
	[BUILD_PLANNED]  = { "Pending",  BIT(BUILD_RUNNING) | BIT(BUILD_DONE) | BIT(BUILD_FAILED) | BIT(BUILD_NEW) },
	[BUILD_RUNNING]  = { "Building", BIT(BUILD_DONE) | BIT(BUILD_FAILED) | BIT(BUILD_NEW) },
	[BUILD_DONE]     = { "Built",    BIT(BUILD_NEW) },
	[BUILD_FAILED]   = { "Failed",   BIT(BUILD_NEW) },
};
/* clang-format on */

static void build_move(struct app_build *b, enum build_state to)
{
	assert(b->state == to || build_states[b->state].next & BIT(to));
	b->state = to;
}

struct app_build *app_build_free(struct app_build *b)
{
	if (!b)
		return NULL;
	free(b->id);
	free(b->app);
	free(b->source);
	free(b->revision);
	free(b->inputs);
	free(b->digest);
	free(b->asked);
	json_decref(b->image);
	json_decref(b->bases);
	free(b);
	return NULL;
}

static struct app_build *build_get(struct apps *a, const char *id)
{
	for (size_t i = 0; i < a->n_builds; i++) {
		if (str_eq(a->builds[i]->id, id))
			return a->builds[i];
	}
	return NULL;
}

/* ---- names ---- */

char *builds_familiar(const char *ref)
{
	const char *name = str_skip_prefix(ref, "docker.io/library/");
	const char *slash, *colon;

	if (!name)
		name = ref;
	if (strchr(name, '@'))
		return mem_strdup(name);
	slash = strrchr(name, '/');
	colon = strrchr(name, ':');
	if (colon && (!slash || colon > slash))
		return mem_strdup(name);
	return mem_asprintf("%s:latest", name);
}

static bool makes_name(const struct app_build *b, const char *familiar)
{
	autofree char *own = builds_familiar(object_name(b->image));
	json_t *tag;
	size_t i;

	if (str_eq(own, familiar))
		return true;
	json_array_foreach(json_path(b->image, "spec.tags"), i, tag) {
		const char *text = json_string_value(tag);
		bool whole = strchr(text, ':') || strchr(text, '/');
		autofree char *ref = whole ? mem_strdup(text)
					   : mem_asprintf("%s:%s", object_name(b->image), text);
		autofree char *f = builds_familiar(ref);

		if (str_eq(f, familiar))
			return true;
	}
	return false;
}

struct app_build *builds_for_ref(struct reconciler *r, const char *source, const char *ref)
{
	autofree char *familiar = builds_familiar(ref);

	for (size_t i = 0; i < r->apps->n_builds; i++) {
		struct app_build *b = r->apps->builds[i];

		if (str_eq(b->source, source) && makes_name(b, familiar))
			return b;
	}
	return NULL;
}

/* ---- status ---- */

static void write_status(struct reconciler *r, const struct app_build *b)
{
	const json_t *live =
		store_get(r->store, KIND_IMAGE, object_namespace(b->image), object_name(b->image));
	autojson *copy = live ? json_clone(live) : NULL;

	if (!copy)
		return;
	json_path_set_new(copy, "status.phase", json_text(build_states[b->state].phase));
	json_path_set_new(copy, "status.revision", json_text(b->revision));
	json_path_set_new(copy, "status.message",
			  json_text(b->state == BUILD_FAILED ? b->err.message : ""));
	if (b->digest)
		json_path_set_new(copy, "status.digest", json_text(b->digest));
	(void)store_update_status(r->store, copy);
}

/* The Image object is there before its build, so that people see it happen; it touches nothing that
 * runs. */
static void put_image_object(struct reconciler *r, const struct app *app, const json_t *image)
{
	autojson *o = json_clone(image);
	json_t *metadata = json_object_get(o, "metadata");

	if (!json_object_get(metadata, "annotations"))
		json_set(metadata, "annotations", json_object());
	json_set(json_object_get(metadata, "annotations"), SYNC_ANNOTATION_APP,
		 json_text(app->name));
	if (store_create(r->store, o, NULL) == 1)
		(void)store_update(r->store, o);
}

static void queue_all_of_source(struct reconciler *r, const char *source)
{
	for (size_t i = 0; i < r->apps->n_builds; i++) {
		if (str_eq(r->apps->builds[i]->source, source))
			reconciler_queue(r, WORK_BUILD, r->apps->builds[i]->id);
	}
	for (size_t i = 0; i < r->apps->n_apps; i++) {
		if (str_eq(r->apps->apps[i]->source, source))
			reconciler_queue(r, WORK_APP, r->apps->apps[i]->name);
	}
}

static void finish(struct reconciler *r, struct app_build *b, enum build_state state)
{
	build_move(b, state);
	b->serial = ++r->apps->serial;
	write_status(r, b);
	queue_all_of_source(r, b->source);
}

/* ---- planning ---- */

/* What the build is made of: the app's files, and its context where that lies elsewhere. */
static char *build_inputs(struct reconciler *r, const struct app *app, const json_t *image)
{
	autofree char *spec = json_canonical(json_object_get(image, "spec"));
	char tree[80] = "";

	(void)r->ports.tree_digest(r->ports.data, tree, app->source, app->revision,
				   json_path_str(image, "spec.context", ""));
	return mem_asprintf("%s|%s|%s", app->inputs, tree, spec);
}

static struct app_build *build_add(struct apps *a, const char *id)
{
	struct app_build *b = NEW(struct app_build);

	b->id = mem_strdup(id);
	GROW(a->builds, a->cap_builds, a->n_builds + 1);
	a->builds[a->n_builds++] = b;
	return b;
}

static void replace_string(char **target, const char *value)
{
	char *copy = mem_strdup(value);

	free(*target);
	*target = copy;
}

static void update_one(struct reconciler *r, struct app *app, const json_t *image)
{
	autofree char *id = mem_asprintf("%s/%s", app->name, object_name(image));
	autofree char *inputs = build_inputs(r, app, image);
	struct app_build *b = build_get(r->apps, id);

	put_image_object(r, app, image);
	if (!b)
		b = build_add(r->apps, id);
	replace_string(&b->app, app->name);
	replace_string(&b->source, app->source);
	replace_string(&b->revision, app->revision);
	json_decref(b->image);
	b->image = json_clone(image);
	if (str_eq(b->inputs, inputs))
		return;
	replace_string(&b->inputs, inputs);
	b->n_failures = 0;
	b->retry_ms = 0;
	build_move(
		b,
		BUILD_NEW); /* an answer to the old question is recognised by the state it finds */
	reconciler_queue(r, WORK_BUILD, b->id);
}

static bool app_has_image(const struct app *app, const struct app_build *b)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(app->decoded, "objects"), i, entry) {
		const json_t *o = json_object_get(entry, "object");

		if (object_kind(o) == KIND_IMAGE && str_eq(object_name(o), object_name(b->image)))
			return true;
	}
	return false;
}

static void drop(struct reconciler *r, size_t i)
{
	struct apps *a = r->apps;

	queue_remove(r->queue, WORK_BUILD, a->builds[i]->id);
	if (a->builds[i]->asked)
		effects_answered(r, QUESTION_BUILD, a->builds[i]->asked, NULL);
	app_build_free(a->builds[i]);
	a->builds[i] = a->builds[--a->n_builds];
}

void builds_update(struct reconciler *r, struct app *app)
{
	json_t *entry;
	size_t i;

	for (i = r->apps->n_builds; i > 0; i--) {
		const struct app_build *b = r->apps->builds[i - 1];

		if (str_eq(b->app, app->name) && !app_has_image(app, b))
			drop(r, i - 1);
	}
	json_array_foreach(json_object_get(app->decoded, "objects"), i, entry) {
		const json_t *o = json_object_get(entry, "object");

		if (object_kind(o) == KIND_IMAGE)
			update_one(r, app, o);
	}
}

void builds_drop_app(struct reconciler *r, const char *app)
{
	for (size_t i = r->apps->n_builds; i > 0; i--) {
		if (str_eq(r->apps->builds[i - 1]->app, app))
			drop(r, i - 1);
	}
}

void builds_note_inputs(struct reconciler *r, const struct app_build *b, json_t *inputs)
{
	json_t *ref;
	size_t i;

	if (json_object_get(inputs, b->id))
		return;
	json_set(inputs, b->id, json_text(b->inputs));
	json_array_foreach(b->bases, i, ref) {
		const struct app_build *base = builds_for_ref(r, b->source, json_string_value(ref));

		if (base)
			builds_note_inputs(r, base, inputs);
	}
}

void builds_try_again(struct reconciler *r, const char *app)
{
	for (size_t i = 0; i < r->apps->n_builds; i++) {
		struct app_build *b = r->apps->builds[i];

		if (!str_eq(b->app, app) || b->state != BUILD_FAILED)
			continue;
		b->n_failures = 0;
		b->retry_ms = 0;
		build_move(b, BUILD_NEW);
		reconciler_queue(r, WORK_BUILD, b->id);
	}
}

/* What only interrupted a build is tried again soon, and not said before the third time in a row.
 */
static bool is_hiccup(const struct app_build *b)
{
	return b->state == BUILD_FAILED && b->err.kind == ERR_TRANSIENT &&
	       str_eq(b->err.reason, "BuildFailed") && b->n_failures < HICCUPS;
}

int builds_of_app(struct reconciler *r, const struct app *app, const struct app_build **ret_what)
{
	int result = 1;

	for (size_t i = 0; i < r->apps->n_builds; i++) {
		const struct app_build *b = r->apps->builds[i];

		if (!str_eq(b->app, app->name) || b->state == BUILD_DONE)
			continue;
		*ret_what = b;
		if (b->state == BUILD_FAILED && !is_hiccup(b))
			return -1;
		result = 0;
	}
	return result;
}

/* ---- running ---- */

static void fail(struct reconciler *r, struct app_build *b, const struct err *err)
{
	b->err = *err;
	if (!*b->err.reason)
		(void)err_reason(&b->err, "BuildFailed");
	b->n_failures++;
	if (err->kind == ERR_TRANSIENT) {
		b->retry_ms = reconciler_now_ms(r) +
			      (b->n_failures < HICCUPS ? HICCUP_RETRY_MS
						       : pod_retry_seconds(b->n_failures) * 1000);
		queue_add(r->queue, WORK_BUILD, b->id, b->retry_ms);
	}
	finish(r, b, BUILD_FAILED);
}

/* Does B rest on itself through others? */
static bool rests_on(struct reconciler *r, struct app_build *b, const struct app_build *target,
		     uint64_t mark)
{
	json_t *ref;
	size_t i;

	b->mark = mark; /* each is looked at once, however many rest on it */
	json_array_foreach(b->bases, i, ref) {
		struct app_build *base = builds_for_ref(r, b->source, json_string_value(ref));

		if (!base || (base->mark == mark && base != target))
			continue;
		if (base == target || rests_on(r, base, target, mark))
			return true;
	}
	return false;
}

/* The first base of B that is still to be built; NULL when none is. */
static const struct app_build *unfinished_base(struct reconciler *r, const struct app_build *b)
{
	json_t *ref;
	size_t i;

	json_array_foreach(b->bases, i, ref) {
		const struct app_build *base = builds_for_ref(r, b->source, json_string_value(ref));

		if (base && base != b && base->state != BUILD_DONE)
			return base;
	}
	return NULL;
}

static bool a_base_is_newer(struct reconciler *r, const struct app_build *b)
{
	json_t *ref;
	size_t i;

	json_array_foreach(b->bases, i, ref) {
		const struct app_build *base = builds_for_ref(r, b->source, json_string_value(ref));

		if (base && base != b && base->serial > b->serial)
			return true;
	}
	return false;
}

/* Each question has an id of its own, so that the answer to an older one is known for what it is.
 */
static void new_question(struct reconciler *r, struct app_build *b)
{
	b->serial = ++r->apps->serial;
	free(b->asked);
	b->asked = mem_asprintf("%s#%llu", b->id, (unsigned long long)b->serial);
}

static struct app_build *asked_by(struct apps *a, const char *question)
{
	for (size_t i = 0; i < a->n_builds; i++) {
		if (a->builds[i]->asked && str_eq(a->builds[i]->asked, question))
			return a->builds[i];
	}
	return NULL;
}

static void plan(struct reconciler *r, struct app_build *b)
{
	build_move(b, BUILD_PLANNING);
	new_question(r, b);
	write_status(r, b);
	effect_build_plan(r, b->asked, b->source, b->revision, b->image);
}

static void run_planned(struct reconciler *r, struct app_build *b)
{
	const struct app_build *base = unfinished_base(r, b);
	struct err err = {0};

	if (rests_on(r, b, b, ++r->apps->serial)) {
		(void)err_set(&err, ERR_INVALID, ELOOP, "BuildFailed",
			      "image %s is built FROM itself", b->id);
		fail(r, b, &err);
	} else if (base && base->state == BUILD_FAILED) {
		(void)err_set(&err, ERR_INVALID, ECANCELED, "BuildFailed", "its base %s failed: %s",
			      base->id, base->err.message);
		fail(r, b, &err);
	} else if (base) {
		return; /* queued again when that is done */
	} else if (a_base_is_newer(r, b)) {
		build_move(b, BUILD_NEW);
		plan(r, b);
	} else if (b->digest) {
		finish(r, b, BUILD_DONE); /* the plan found it built already */
	} else {
		build_move(b, BUILD_RUNNING);
		write_status(r, b);
		effect_build(r, b->asked, b->source, b->revision, b->image);
	}
}

static bool retry_due(struct reconciler *r, const struct app_build *b)
{
	return b->retry_ms && b->retry_ms <= reconciler_now_ms(r);
}

void sync_build_reconcile(struct reconciler *r, const char *key)
{
	struct app_build *b = build_get(r->apps, key);

	if (!b)
		return;
	switch (b->state) {
	case BUILD_NEW:
		plan(r, b);
		break;
	case BUILD_PLANNED:
		run_planned(r, b);
		break;
	case BUILD_FAILED:
		if (retry_due(r, b) || (a_base_is_newer(r, b) && !unfinished_base(r, b))) {
			b->retry_ms = 0;
			build_move(b, BUILD_NEW);
			plan(r, b);
		} else if (b->retry_ms) {
			/* Queued for something else too, an entry has only its earlier time. */
			queue_add(r->queue, WORK_BUILD, b->id, b->retry_ms);
		}
		break;
	case BUILD_DONE:
		if (a_base_is_newer(r, b) && !unfinished_base(r, b)) {
			build_move(b, BUILD_NEW);
			plan(r, b);
		}
		break;
	default:
		break;
	}
}

/* ---- answers ---- */

void reconciler_build_planned(struct reconciler *r, const char *id, const json_t *planned,
			      const struct err *err)
{
	struct app_build *b = asked_by(r->apps, id);
	const char *current;

	effects_answered(r, QUESTION_BUILD, id, NULL);
	if (!b || b->state != BUILD_PLANNING)
		return;
	if (!planned) {
		fail(r, b, err);
		return;
	}
	current = json_path_str(planned, "current", "");
	json_decref(b->bases);
	b->bases = json_clone(json_object_get(planned, "bases"));
	free(b->digest);
	b->digest = *current ? mem_strdup(current) : NULL;
	build_move(b, BUILD_PLANNED);
	reconciler_queue(r, WORK_BUILD, b->id);
}

void reconciler_build_progress(struct reconciler *r, const char *id, unsigned int step,
			       unsigned int steps, const char *text)
{
	const struct app_build *b = asked_by(r->apps, id);
	const json_t *live = b ? store_get(r->store, KIND_IMAGE, object_namespace(b->image),
					   object_name(b->image))
			       : NULL;
	autojson *copy = live ? json_clone(live) : NULL;

	if (!copy || b->state != BUILD_RUNNING)
		return;
	json_path_set_new(copy, "status.step", json_integer(step));
	json_path_set_new(copy, "status.steps", json_integer(steps));
	json_path_set_new(copy, "status.text", json_text(text));
	(void)store_update_status(r->store, copy);
	reconciler_queue(r, WORK_BUILD, b->id); /* nothing to do but the pass that commits it */
}

void reconciler_build_done(struct reconciler *r, const char *id, const char *digest,
			   const struct err *err)
{
	struct app_build *b = asked_by(r->apps, id);

	effects_answered(r, QUESTION_BUILD, id, NULL);
	if (!b || b->state != BUILD_RUNNING)
		return;
	if (!digest) {
		fail(r, b, err);
		return;
	}
	free(b->digest);
	b->digest = mem_strdup(digest);
	b->n_failures = 0;
	finish(r, b, BUILD_DONE);
}
