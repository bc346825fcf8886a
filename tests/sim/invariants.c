/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeding the rules: the mirror of what was committed, and who is told of what. No rule is in here
 * but the one that this mirror is for.
 */
#include "tests/sim/invariants.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"
#include "reconciler/sync.h"
#include "tests/sim/invariants_priv.h"

struct invariants *invariants_new(struct world *w)
{
	struct invariants *iv = NEW(struct invariants);

	iv->w = w;
	iv->mirror = json_object();
	for (int kind = 0; kind < KIND_N_; kind++)
		iv->kinds[kind] = json_object();
	iv->ready = json_object();
	iv->sums = json_object();
	iv->foreign = json_object();
	iv->by_hand = json_object();
	iv->floors = json_object();
	iv->ceilings = json_object();
	iv->decided = json_object();
	iv->inputs = json_object();
	iv->since = json_object();
	iv->failed = json_object();
	return iv;
}

struct invariants *invariants_free(struct invariants *iv)
{
	json_decref(iv->mirror);
	for (int kind = 0; kind < KIND_N_; kind++)
		json_decref(iv->kinds[kind]);
	json_decref(iv->ready);
	json_decref(iv->sums);
	json_decref(iv->foreign);
	json_decref(iv->by_hand);
	json_decref(iv->floors);
	json_decref(iv->ceilings);
	json_decref(iv->decided);
	json_decref(iv->inputs);
	json_decref(iv->since);
	json_decref(iv->failed);
	free(iv);
	return NULL;
}

/* ---- reading the mirror ---- */

const json_t *invariants_by_uid(const struct invariants *iv, enum kind kind, const char *uid)
{
	return json_object_get(iv->kinds[kind], uid);
}

static const json_t *owner(const struct invariants *iv, enum kind kind, const json_t *o)
{
	const json_t *ref = object_controller_ref(o);

	return ref ? invariants_by_uid(iv, kind, json_path_str(ref, "uid", "")) : NULL;
}

const json_t *invariants_deployment_of(const struct invariants *iv, const json_t *o)
{
	if (object_kind(o) == KIND_POD)
		o = owner(iv, KIND_REPLICASET, o);
	return o ? owner(iv, KIND_DEPLOYMENT, o) : NULL;
}

static int64_t absolute(const json_t *value, int64_t replicas, bool up)
{
	const char *percent = json_string_value(value);

	if (json_is_integer(value))
		return json_integer_value(value);
	return (strtoll(percent ? percent : "25", NULL, 10) * replicas + (up ? 99 : 0)) / 100;
}

struct invariants_limits invariants_limits(const json_t *d)
{
	const json_t *rolling = json_path(d, "spec.strategy.rollingUpdate");
	struct invariants_limits l = {
		.replicas = json_path_int(d, "spec.replicas", 1),
		.min_ready_s = json_path_int(d, "spec.minReadySeconds", 0),
		.recreate = str_eq(json_path_str(d, "spec.strategy.type", ""), "Recreate"),
	};

	if (l.recreate)
		return l;
	l.surge = absolute(json_object_get(rolling, "maxSurge"), l.replicas, true);
	l.unavailable = absolute(json_object_get(rolling, "maxUnavailable"), l.replicas, false);
	if (l.surge == 0 && l.unavailable == 0)
		l.unavailable = 1;
	return l;
}

/* ---- events ---- */

int64_t invariants_wall_ms(const struct invariants *iv)
{
	return (int64_t)iv->w->now_ms + iv->w->wall_ms;
}

static bool is_ready(const json_t *pod)
{
	return str_eq(json_path_str(object_condition(pod, "Ready"), "status", ""), "True");
}

static void note_ready(struct invariants *iv, const struct store_event *e)
{
	const char *uid = object_uid(e->object);

	if (e->kind != KIND_POD)
		return;
	if (e->type == STORE_DELETED || !is_ready(e->object))
		json_object_del(iv->ready, uid);
	else if (!json_object_get(iv->ready, uid))
		json_set(iv->ready, uid, json_integer(invariants_wall_ms(iv)));
}

static void tell_of_change(struct invariants *iv, const struct store_event *e, const json_t *old)
{
	static const char *const members[KIND_N_][4] = {
		[KIND_APP] = {"status.phase", "status.reason", "status.message"},
		[KIND_DEPLOYMENT] = {"spec.replicas", "spec.template.spec.containers.[0].image"},
		[KIND_REPLICASET] = {"spec.replicas", "status.availableReplicas"},
		[KIND_POD] = {"status.phase", "metadata.deletionTimestamp"},
	};
	autostrbuf text = STRBUF_INIT;
	bool changed = false;

	for (size_t i = 0; i < 4 && members[e->kind][i]; i++) {
		const json_t *value = json_path(e->object, members[e->kind][i]);
		autofree char *now = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

		changed |= !json_equal(json_path(old, members[e->kind][i]) ?: json_null(),
				       (json_t *)(uintptr_t)value ?: json_null());
		strbuf_addf(&text, " %s", now ? now : "-");
	}
	if (e->kind == KIND_POD)
		strbuf_addf(&text, " %s", is_ready(e->object) ? "ready" : "not ready");
	if (e->kind == KIND_POD && old)
		changed |= is_ready(old) != is_ready(e->object);
	if (changed || (members[e->kind][0] && e->type == STORE_DELETED))
		world_trace(iv->w, "    %s %s%s%s", kind_info(e->kind)->name,
			    object_name(e->object), strbuf_str(&text),
			    e->type == STORE_DELETED ? " deleted" : "");
}

static void keep(struct invariants *iv, const struct store_event *e, const char *key)
{
	json_t *o = (json_t *)(uintptr_t)e->object, *kind = iv->kinds[e->kind];

	if (e->type == STORE_DELETED) {
		json_object_del(iv->mirror, key);
		json_object_del(kind, object_uid(o));
	} else {
		json_set(iv->mirror, key, json_incref(o));
		json_set(kind, object_uid(o), json_incref(o));
	}
}

static void on_event(const struct store_event *event, void *data)
{
	/* clang-format off */
	static void (*const rules[])(struct invariants *, const struct invariants_event *) = {
		rule_versions_rise,
		rule_foreign_objects_survive,
		rule_floor_is_noted,
		rule_floor_is_kept,
		rule_sets_are_not_exceeded,
		rule_recreate_never_mixes,
		rule_failed_input_is_not_retried,
		rule_held_set_is_complete,
	};
	/* clang-format on */
	struct invariants *iv = data;
	autofree char *key = str_path(kind_info(event->kind)->name, object_namespace(event->object),
				      object_name(event->object));
	struct invariants_event e = {event, json_object_get(iv->mirror, key)};

	if (iv->w->dead)
		return; /* told within a process that was killed before its commit was durable */
	iv->n_changes += event->kind != KIND_EVENT;
	if (iv->w->verbose)
		tell_of_change(iv, event, e.old);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i](iv, &e);
	note_ready(iv, event);
	keep(iv, event, key);
}

/* ---- what was acknowledged ---- */

struct comparison {
	struct invariants *iv;
	size_t n;
};

static void compare_one(const json_t *o, void *data)
{
	struct comparison *c = data;
	autofree char *key =
		str_path(kind_info(object_kind(o))->name, object_namespace(o), object_name(o));
	const json_t *told = json_object_get(c->iv->mirror, key);
	const char *want = json_path_str(told, "metadata.resourceVersion", "none");
	const char *got = json_path_str(o, "metadata.resourceVersion", "");

	c->n++;
	if (!str_eq(got, want))
		world_violated(c->iv->w, "acknowledged_is_durable",
			       "%s: version %s after the restart, watchers were told %s", key, got,
			       want);
}

/* Whatever a watcher was told is there after a restart, and nothing else. */
static void rule_acknowledged_is_durable(struct invariants *iv)
{
	struct comparison c = {.iv = iv};

	for (int kind = 0; kind < KIND_N_; kind++)
		store_each(iv->w->store, (enum kind)kind, NULL, compare_one, &c);
	if (c.n != json_object_size(iv->mirror))
		world_violated(iv->w, "acknowledged_is_durable",
			       "%zu objects after the restart, watchers were told of %zu", c.n,
			       json_object_size(iv->mirror));
}

void invariants_crashed(struct invariants *iv)
{
	const char *uid;
	json_t *rs;

	iv->watch_id = 0;
	json_object_clear(iv->decided);
	json_object_foreach(iv->kinds[KIND_REPLICASET], uid, rs)
		json_set(iv->decided, uid, json_integer(json_path_int(rs, "spec.replicas", 0)));
}

void invariants_restarted(struct invariants *iv)
{
	rule_acknowledged_is_durable(iv);
	iv->watch_id = store_watch(iv->w->store, on_event, iv);
}

/* ---- what others tell ---- */

void invariants_pushed(struct invariants *iv, const json_t *apps)
{
	const char *name;
	json_t *app;
	void *next;

	json_object_foreach((json_t *)(uintptr_t)apps, name, app) {
		char inputs[80];

		json_digest(inputs, app);
		if (str_eq(json_path_str(iv->inputs, name, ""), inputs))
			continue;
		json_set(iv->inputs, name, json_text(inputs));
		json_set(iv->since, name, json_integer(iv->w->revision + 1));
	}
	json_object_foreach_safe(iv->inputs, next, name, app) {
		if (json_object_get(apps, name))
			continue;
		json_object_del(iv->failed, name);
		json_object_del(iv->inputs, name);
	}
}

void invariants_retried(struct invariants *iv, const char *app)
{
	json_object_del(iv->failed, app);
}

void invariants_by_hand(struct invariants *iv, const json_t *o)
{
	json_set(iv->by_hand, object_uid(o), json_true());
}

void invariants_foreign(struct invariants *iv, const char *key, bool foreign)
{
	if (foreign)
		json_set(iv->foreign, key, json_true());
	else
		json_object_del(iv->foreign, key);
}

void invariants_start(struct invariants *iv, const char *uid, const char *name,
		      unsigned int attempt)
{
	const json_t *c = world_container(iv->w, uid, name);
	unsigned int last = (unsigned int)json_path_int(c, "attempt", 0);

	if (!c)
		return;
	if (json_path_bool(c, "running", false) && attempt != last)
		world_violated(iv->w, "one_container_at_a_time",
			       "pod %s container %s: attempt %u is asked for while %u runs", uid,
			       name, attempt, last);
	else if (attempt < last || (attempt == last && json_path_bool(c, "told", false)))
		world_violated(iv->w, "no_attempt_starts_twice",
			       "pod %s container %s: attempt %u is asked for again after its end",
			       uid, name, attempt);
	else if (attempt > last && attempt > 1)
		rule_restarts_wait(iv, uid, c);
}

void invariants_reads(struct invariants *iv, const char *uid, const char *key, const char *text)
{
	rule_config_is_of_the_template(iv, uid, key, text);
}

/* ---- when they are looked at ---- */

unsigned int invariants_changes(const struct invariants *iv)
{
	return iv->n_changes;
}

void invariants_check(struct invariants *iv)
{
	rule_surge_is_kept(iv);
	rule_time_goes_on(iv);
	rule_work_is_bounded(iv);
	json_object_clear(iv->floors);
	json_object_clear(iv->ceilings);
}

void invariants_check_rest(struct invariants *iv)
{
	rule_pods_have_objects(iv);
	rule_objects_have_owners(iv);
	rule_record_is_what_runs(iv);
	rule_memory_is_what_is_on_disk(iv);
}
