/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy has the host do: collected while a transaction is open, carried out when it is
 * durable. A question stays in a table until its answer comes; so a lost answer costs a minute, not
 * the app.
 */
#include "reconciler/effects_priv.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"

enum effect_type {
	EFFECT_SANDBOX_UP,
	EFFECT_CONTAINER_START,
	EFFECT_CONTAINER_SIGNAL,
	EFFECT_POD_DOWN,
	EFFECT_CHECK,
	EFFECT_CHECK_CANCEL,
	EFFECT_IMAGE_GET,
	EFFECT_DECODE,
	EFFECT_BUILD_PLAN,
	EFFECT_BUILD,
	EFFECT_NOTIFY,
};

struct effect {
	enum effect_type type;
	json_t *doc; /* request or Image object */
	char *id;    /* uid, image reference, check or build id */
	char *name;  /* container or source */
	char *revision;
	unsigned int attempt;
	int signo;
};

struct asked {
	char *key;
	struct effect effect;
};

struct effects {
	struct effect *open; /* of the open transaction */
	size_t n_open, cap_open;
	struct asked *asked;
	size_t n_asked, cap_asked;
};

/* clang-format off */
static const char *const question_names[QUESTION_N_] = {
	[QUESTION_NONE]    = "none",
	[QUESTION_SANDBOX] = "sandbox",
	[QUESTION_START]   = "start",
	[QUESTION_KILL]    = "kill",
	[QUESTION_DOWN]    = "down",
	[QUESTION_IMAGE]   = "image",
	[QUESTION_DECODE]  = "decode",
	[QUESTION_BUILD]   = "build",
};
/* clang-format on */

/* ---- what to do ---- */

static struct effect *effect_add(struct reconciler *r, enum effect_type type, const char *id)
{
	struct effects *e = r->effects;

	GROW(e->open, e->cap_open, e->n_open + 1);
	e->open[e->n_open] = (struct effect){.type = type, .id = mem_strdup(id)};
	return &e->open[e->n_open++];
}

void effect_sandbox_up(struct reconciler *r, json_t *request_taken)
{
	effect_add(r, EFFECT_SANDBOX_UP, json_path_str(request_taken, "uid", ""))->doc =
		request_taken;
}

void effect_container_start(struct reconciler *r, json_t *request_taken)
{
	struct effect *e =
		effect_add(r, EFFECT_CONTAINER_START, json_path_str(request_taken, "podUid", ""));

	e->name = mem_strdup(json_path_str(request_taken, "name", ""));
	e->doc = request_taken;
}

void effect_container_signal(struct reconciler *r, const char *uid, const char *name,
			     unsigned int attempt, int signo)
{
	struct effect *e = effect_add(r, EFFECT_CONTAINER_SIGNAL, uid);

	e->name = mem_strdup(name);
	e->attempt = attempt;
	e->signo = signo;
}

void effect_pod_down(struct reconciler *r, const char *uid)
{
	effect_add(r, EFFECT_POD_DOWN, uid);
}

void effect_check(struct reconciler *r, const char *id, json_t *request_taken)
{
	effect_add(r, EFFECT_CHECK, id)->doc = request_taken;
}

void effect_check_cancel(struct reconciler *r, const char *id)
{
	effect_add(r, EFFECT_CHECK_CANCEL, id);
}

void effect_image_get(struct reconciler *r, const char *ref)
{
	effect_add(r, EFFECT_IMAGE_GET, ref);
}

static struct effect *effect_add_source(struct reconciler *r, enum effect_type type, const char *id,
					const char *source, const char *revision)
{
	struct effect *e = effect_add(r, type, id);

	e->name = mem_strdup(source);
	e->revision = mem_strdup(revision);
	return e;
}

void effect_decode(struct reconciler *r, const char *source, const char *revision)
{
	effect_add_source(r, EFFECT_DECODE, NULL, source, revision);
}

void effect_build_plan(struct reconciler *r, const char *id, const char *source,
		       const char *revision, const json_t *image)
{
	effect_add_source(r, EFFECT_BUILD_PLAN, id, source, revision)->doc = json_clone(image);
}

void effect_build(struct reconciler *r, const char *id, const char *source, const char *revision,
		  const json_t *image)
{
	effect_add_source(r, EFFECT_BUILD, id, source, revision)->doc = json_clone(image);
}

void effect_notify(struct reconciler *r, const char *source, json_t *event_taken)
{
	effect_add(r, EFFECT_NOTIFY, source)->doc = event_taken;
}

static void effect_run(struct reconciler *r, const struct effect *e)
{
	struct ports *p = &r->ports;

	switch (e->type) {
	case EFFECT_SANDBOX_UP:
		return p->sandbox_up(p->data, e->doc);
	case EFFECT_CONTAINER_START:
		return p->container_start(p->data, e->doc);
	case EFFECT_CONTAINER_SIGNAL:
		return p->container_signal(p->data, e->id, e->name, e->attempt, e->signo);
	case EFFECT_POD_DOWN:
		return p->pod_down(p->data, e->id);
	case EFFECT_CHECK:
		return p->check(p->data, e->id, e->doc);
	case EFFECT_CHECK_CANCEL:
		return p->check_cancel(p->data, e->id);
	case EFFECT_IMAGE_GET:
		return p->image_get(p->data, e->id);
	case EFFECT_DECODE:
		return p->decode(p->data, e->name, e->revision);
	case EFFECT_BUILD_PLAN:
		return p->build_plan(p->data, e->id, e->name, e->revision, e->doc);
	case EFFECT_BUILD:
		return p->build(p->data, e->id, e->name, e->revision, e->doc);
	case EFFECT_NOTIFY:
		return p->notify(p->data, e->id, e->doc);
	}
}

static void effect_deinit(struct effect *e)
{
	json_decref(e->doc);
	free(e->id);
	free(e->name);
	free(e->revision);
}

/* ---- what was asked ---- */

/* A request to stop is made once (a second one means haste to some programs), to kill until it
 * works.
 */
static enum question question_of(const struct effect *e)
{
	switch (e->type) {
	case EFFECT_SANDBOX_UP:
		return QUESTION_SANDBOX;
	case EFFECT_CONTAINER_START:
		return QUESTION_START;
	case EFFECT_CONTAINER_SIGNAL:
		return e->signo == SIGKILL ? QUESTION_KILL : QUESTION_NONE;
	case EFFECT_POD_DOWN:
		return QUESTION_DOWN;
	case EFFECT_IMAGE_GET:
		return QUESTION_IMAGE;
	case EFFECT_DECODE:
		return QUESTION_DECODE;
	case EFFECT_BUILD_PLAN:
	case EFFECT_BUILD:
		return QUESTION_BUILD;
	default:
		return QUESTION_NONE;
	}
}

/* "question/id/name". Ids of builds end in a number, "#7": a later question replaces the one
 * before.
 */
static char *question_key(enum question question, const char *id, const char *name)
{
	const char *number = question == QUESTION_BUILD ? strrchr(id, '#') : NULL;
	size_t n = number ? (size_t)(number - id) : strlen(id);

	assert(question > QUESTION_NONE && question < QUESTION_N_);
	return mem_asprintf("%s/%.*s/%s", question_names[question], (int)n, id, name ? name : "");
}

static char *key_of(const struct effect *e)
{
	enum question question = question_of(e);

	switch (question) {
	case QUESTION_NONE:
		return NULL;
	case QUESTION_DECODE:
		return question_key(question, e->name, NULL);
	case QUESTION_BUILD:
		return question_key(question, e->id, NULL);
	default:
		return question_key(question, e->id, e->name);
	}
}

static struct asked *asked_find(struct effects *e, const char *key)
{
	for (size_t i = 0; i < e->n_asked; i++) {
		if (str_eq(e->asked[i].key, key))
			return &e->asked[i];
	}
	return NULL;
}

static void asked_remove(struct reconciler *r, struct asked *a)
{
	struct effects *e = r->effects;

	queue_remove(r->queue, WORK_QUESTION, a->key);
	free(a->key);
	effect_deinit(&a->effect);
	*a = e->asked[--e->n_asked];
}

/* The question of EFFECT_TAKEN is put: its answer is due. */
static void asked_add(struct reconciler *r, struct effect effect_taken)
{
	autofree char *key = key_of(&effect_taken);
	struct effects *e = r->effects;
	struct asked *a;

	if (!key) {
		effect_deinit(&effect_taken);
		return;
	}
	a = asked_find(e, key);
	if (a)
		asked_remove(r, a);
	reconciler_queue_after(r, WORK_QUESTION, key, EFFECTS_PATIENCE_MS);
	GROW(e->asked, e->cap_asked, e->n_asked + 1);
	e->asked[e->n_asked++] = (struct asked){TAKE_PTR(key), effect_taken};
}

void effects_answered(struct reconciler *r, enum question question, const char *id,
		      const char *name)
{
	autofree char *key = question_key(question, id, name);
	struct asked *a = asked_find(r->effects, key);

	if (a && (question != QUESTION_BUILD || str_eq(a->effect.id, id)))
		asked_remove(r, a);
}

void effects_answered_badly(struct reconciler *r, enum question question, const char *id,
			    uint64_t delay_ms)
{
	autofree char *key = question_key(question, id, NULL);

	if (asked_find(r->effects, key))
		reconciler_queue_after(r, WORK_QUESTION, key, delay_ms);
}

/* Of the pod UID, and not what takes it down. */
static bool is_of_pod(const struct asked *a, const char *uid)
{
	const char *rest = str_skip_prefix(a->effect.id ? a->effect.id : "", uid);

	switch (question_of(&a->effect)) {
	case QUESTION_SANDBOX:
	case QUESTION_START:
	case QUESTION_KILL:
		return rest && *rest == '\0';
	default:
		return false;
	}
}

static void forget_pod(struct reconciler *r, const char *uid)
{
	for (size_t i = r->effects->n_asked; i > 0; i--) {
		if (is_of_pod(&r->effects->asked[i - 1], uid))
			asked_remove(r, &r->effects->asked[i - 1]);
	}
}

void effects_pod_gone(struct reconciler *r, const char *uid)
{
	forget_pod(r, uid);
	effects_answered(r, QUESTION_DOWN, uid, NULL);
}

void effects_ask_again(struct reconciler *r, const char *key)
{
	const struct asked *a = asked_find(r->effects, key);
	struct effect *e;

	if (!a)
		return;
	log_debug("asking again", LOG_KV("question", key));
	e = effect_add(r, a->effect.type, a->effect.id);
	e->doc = json_incref(a->effect.doc);
	e->name = mem_strdup(a->effect.name);
	e->revision = mem_strdup(a->effect.revision);
	e->attempt = a->effect.attempt;
	e->signo = a->effect.signo;
}

/* ---- life ---- */

struct effects *effects_new(void)
{
	return NEW(struct effects);
}

struct effects *effects_free(struct effects *e)
{
	if (!e)
		return NULL;
	for (size_t i = 0; i < e->n_open; i++)
		effect_deinit(&e->open[i]);
	for (size_t i = 0; i < e->n_asked; i++) {
		free(e->asked[i].key);
		effect_deinit(&e->asked[i].effect);
	}
	free(e->open);
	free(e->asked);
	free(e);
	return NULL;
}

/* The question is noted before it is put: its answer may come from within. */
void effects_run(struct reconciler *r)
{
	autofree struct effect *open = TAKE_PTR(r->effects->open);
	size_t n = r->effects->n_open;

	r->effects->n_open = r->effects->cap_open = 0;
	for (size_t i = 0; i < n; i++) {
		struct effect copy = open[i];

		copy.doc = json_incref(copy.doc);
		copy.id = mem_strdup(copy.id);
		copy.name = mem_strdup(copy.name);
		copy.revision = mem_strdup(copy.revision);
		if (copy.type == EFFECT_POD_DOWN)
			forget_pod(r, copy.id);
		asked_add(r, copy);
		FAILPOINT("effect.before");
		effect_run(r, &open[i]);
		effect_deinit(&open[i]);
	}
}
