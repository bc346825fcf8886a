/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that hold at any time.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/sync.h"
#include "tests/sim/invariants_priv.h"

#define STEPS_AT_ONCE 3000 /* without virtual time going on */
#define MINUTE_MS 60000
#define CALLS_A_MINUTE 1000
#define COMMITS_A_MINUTE 2000
#define RESTART_MS 10000
#define RESET_MS 600000
#define ROUNDING_MS 1000 /* time stamps have whole seconds */

/* ---- versions ---- */

void rule_versions_rise(struct invariants *iv, const struct invariants_event *e)
{
	if (e->event->resource_version <= iv->last_rv)
		world_violated(iv->w, "versions_rise", "%s %s: version %llu after %llu",
			       kind_info(e->event->kind)->name, object_name(e->event->object),
			       (unsigned long long)e->event->resource_version,
			       (unsigned long long)iv->last_rv);
	iv->last_rv = e->event->resource_version;
}

/* ---- what is not ours ---- */

void rule_foreign_objects_survive(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *o = e->event->object;
	autofree char *key =
		str_path(kind_info(e->event->kind)->name, object_namespace(o), object_name(o));

	if (e->event->type == STORE_DELETED && json_object_get(iv->foreign, key))
		world_violated(iv->w, "foreign_objects_survive",
			       "%s was made by hand and no source ever had it, but it is deleted",
			       key);
}

/* ---- availability ---- */

/* Ages are told by the wall clock. After a restart it may have been set: then it is taken at its
 * word, and what lies ahead was long ago. */
static bool available(const struct invariants *iv, const json_t *pod,
		      const struct invariants_limits *l, int64_t slack_ms)
{
	const json_t *ready = json_object_get(iv->ready, object_uid(pod));
	int64_t now = invariants_wall_ms(iv), since = ready ? json_integer_value(ready) : 0;

	return ready && !object_deleting(pod) &&
	       (since > now || since + l->min_ready_s * 1000 <= now + slack_ms);
}

static int64_t count_available(const struct invariants *iv, const json_t *d, const json_t *but,
			       const struct invariants_limits *l)
{
	const char *uid;
	int64_t n = 0;
	json_t *o;

	json_object_foreach(iv->kinds[KIND_POD], uid, o) {
		if (!str_eq(uid, object_uid(but)) && invariants_deployment_of(iv, o) == d)
			n += available(iv, o, l, ROUNDING_MS);
	}
	return n;
}

/* A step can change the size and take it back: what was decided between is right. */
static int64_t lowest_floor(const struct invariants *iv, const json_t *d, int64_t floor)
{
	const json_t *lowest = json_object_get(iv->floors, object_uid(d));

	return lowest && json_integer_value(lowest) < floor ? json_integer_value(lowest) : floor;
}

void rule_floor_is_noted(struct invariants *iv, const struct invariants_event *e)
{
	struct invariants_limits l;
	int64_t floor;

	if (e->event->kind != KIND_DEPLOYMENT || !e->old)
		return;
	l = invariants_limits(e->old);
	floor = lowest_floor(iv, e->old, l.recreate ? 0 : l.replicas - l.unavailable);
	json_set(iv->floors, object_uid(e->old), json_integer(floor));
	if (l.replicas + l.surge > json_path_int(iv->ceilings, object_uid(e->old), 0))
		json_set(iv->ceilings, object_uid(e->old), json_integer(l.replicas + l.surge));
}

/* A person did it, to the pod or to what it belongs to. */
static bool by_hand(const struct invariants *iv, const json_t *pod)
{
	const json_t *rs = object_controller_ref(pod);
	const json_t *ns = store_get(iv->w->store, KIND_NAMESPACE, NULL, object_namespace(pod));

	return !ns || object_deleting(ns) || json_object_get(iv->by_hand, object_uid(pod)) ||
	       json_object_get(iv->by_hand, json_path_str(rs, "uid", ""));
}

/* The ReplicaSet was made smaller before the policy died: what became unready since then could not
 * be known. */
static bool decided_before(const struct invariants *iv, const json_t *pod)
{
	const json_t *ref = object_controller_ref(pod);
	const json_t *size = json_object_get(iv->decided, json_path_str(ref, "uid", ""));
	const json_t *rs = invariants_by_uid(iv, KIND_REPLICASET, json_path_str(ref, "uid", ""));

	return size && json_integer_value(size) == json_path_int(rs, "spec.replicas", 0);
}

/*
 * Whoever takes an available pod away leaves as many as replicas less maxUnavailable. What becomes
 * unready by itself is not the policy's doing, and makes it no worse: an unready pod costs nothing
 * to remove.
 */
void rule_floor_is_kept(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *pod = e->event->object, *d;
	struct invariants_limits l;
	int64_t left, floor;

	if (e->event->kind != KIND_POD || !e->old || object_deleting(e->old) ||
	    !(object_deleting(pod) || e->event->type == STORE_DELETED) || by_hand(iv, pod))
		return;
	d = invariants_deployment_of(iv, pod);
	if (!d)
		return;
	l = invariants_limits(d);
	if (l.recreate || !available(iv, e->old, &l, l.min_ready_s > 0 ? -ROUNDING_MS : 0) ||
	    decided_before(iv, pod))
		return;
	left = count_available(iv, d, pod, &l);
	floor = lowest_floor(iv, d, l.replicas - l.unavailable);
	if (left < floor)
		world_violated(
			iv->w, "floor_is_kept",
			"Deployment %s: %lld pods are available after %s was taken, want %lld",
			object_name(d), (long long)left, object_name(pod), (long long)floor);
}

/* ---- surge ---- */

static bool is_active(const json_t *pod)
{
	const char *phase = json_path_str(pod, "status.phase", "Pending");

	return !object_deleting(pod) && !str_eq(phase, "Succeeded") && !str_eq(phase, "Failed");
}

static const json_t *set_of(const struct invariants *iv, const json_t *pod)
{
	const json_t *ref = object_controller_ref(pod);

	return ref ? invariants_by_uid(iv, KIND_REPLICASET, json_path_str(ref, "uid", "")) : NULL;
}

/* No ReplicaSet makes a pod that it was not asked for. */
void rule_sets_are_not_exceeded(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *pod = e->event->object, *rs, *now;
	int64_t n = 1, want, want_now;
	const char *uid;
	json_t *o;

	if (e->event->kind != KIND_POD || e->event->type != STORE_ADDED)
		return;
	rs = set_of(iv, pod);
	if (!rs)
		return;
	json_object_foreach(iv->kinds[KIND_POD], uid, o)
		n += is_active(o) && object_is_controlled_by(o, rs);
	now = store_get_uid(iv->w->store, object_uid(rs));
	want = json_path_int(rs, "spec.replicas", 1);
	want_now = json_path_int(now, "spec.replicas", 0);
	if (n > (want > want_now ? want : want_now))
		world_violated(iv->w, "sets_are_not_exceeded",
			       "ReplicaSet %s: %lld pods with %s, want %lld", object_name(rs),
			       (long long)n, object_name(pod), (long long)want);
}

/* With Recreate, the last old pod is gone before the first new one is made. */
void rule_recreate_never_mixes(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *pod = e->event->object, *rs, *d;
	const char *uid;
	json_t *o;

	if (e->event->kind != KIND_POD || e->event->type != STORE_ADDED)
		return;
	rs = set_of(iv, pod);
	d = rs ? invariants_deployment_of(iv, rs) : NULL;
	if (!d || !invariants_limits(d).recreate)
		return;
	json_object_foreach(iv->kinds[KIND_POD], uid, o) {
		const json_t *other = set_of(iv, o);
		const char *phase = json_path_str(o, "status.phase", "Pending");

		if (other && other != rs && invariants_deployment_of(iv, other) == d &&
		    !str_eq(phase, "Succeeded") && !str_eq(phase, "Failed"))
			world_violated(
				iv->w, "recreate_never_mixes",
				"Deployment %s: pod %s is made while %s of another revision is there",
				object_name(d), object_name(pod), object_name(o));
	}
}

/* Pods asked for by the ReplicaSets of D. */
static int64_t sum_of_sets(const struct invariants *iv, const json_t *d)
{
	const char *uid;
	int64_t n = 0;
	json_t *o;

	json_object_foreach(iv->kinds[KIND_REPLICASET], uid, o) {
		if (object_is_controlled_by(o, d))
			n += json_path_int(o, "spec.replicas", 0);
	}
	return n;
}

/*
 * All revisions of a Deployment together ask for replicas and surge at most. When fewer replicas
 * are wanted than there are, the sum may only fall. A person's wish that is put back in the same
 * step counted while it lasted.
 */
void rule_surge_is_kept(struct invariants *iv)
{
	const char *uid;
	json_t *d;

	json_object_foreach(iv->kinds[KIND_DEPLOYMENT], uid, d) {
		struct invariants_limits l = invariants_limits(d);
		int64_t wished = json_path_int(iv->ceilings, object_uid(d), 0);
		int64_t sum = sum_of_sets(iv, d), before;

		before = json_path_int(iv->sums, object_uid(d), 0);
		before = before > wished ? before : wished;
		if (sum > l.replicas + l.surge && sum > before)
			world_violated(iv->w, "surge_is_kept",
				       "Deployment %s: %lld pods are asked for, want at most %lld",
				       object_name(d), (long long)sum,
				       (long long)(l.replicas + l.surge));
		json_set(iv->sums, object_uid(d), json_integer(sum));
	}
}

/* ---- what failed ---- */

/* The image and version of the first container, which is what stories change. */
static bool same_version(const json_t *a, const json_t *b)
{
	static const char *const paths[] = {"spec.template.spec.containers.[0].image",
					    "spec.template.metadata.annotations.version"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!str_eq(json_path_str(a, paths[i], ""), json_path_str(b, paths[i], "")))
			return false;
	}
	return true;
}

/* What the source asks for in place of O, or NULL. */
static const json_t *desired(const struct invariants *iv, const char *app, const json_t *o)
{
	json_t *objects = json_object_get(json_object_get(iv->w->apps, app), "objects"), *wanted;
	size_t i;

	json_array_foreach(objects, i, wanted) {
		if (str_eq(json_path_str(wanted, "kind", ""), json_path_str(o, "kind", "")) &&
		    str_eq(object_name(wanted), object_name(o)))
			return wanted;
	}
	return NULL;
}

/* By what the App object tells people: the record itself may be what is wrong. */
static void note_failed(struct invariants *iv, const json_t *app)
{
	const char *revision = json_path_str(app, "status.held.revision", "");
	const json_t *since = json_object_get(iv->since, object_name(app));
	uint64_t n = 0;

	if (!str_eq(json_path_str(app, "status.phase", ""), "Held") ||
	    !str_eq(json_path_str(app, "status.held.kind", ""), "rollout") ||
	    json_object_size(json_path(app, "status.effective")) == 0)
		return;
	(void)str_parse_u64(&n, str_skip_prefix(revision, "rev-") ?: "", 0, UINT64_MAX);
	if (!since || n < (uint64_t)json_integer_value(since))
		return;
	if (!json_object_get(iv->failed, object_name(app)))
		json_set(iv->failed, object_name(app), json_object());
	json_set(json_object_get(iv->failed, object_name(app)),
		 json_path_str(iv->inputs, object_name(app), ""), json_true());
}

static bool has_failed(const struct invariants *iv, const char *app)
{
	return json_object_get(json_object_get(iv->failed, app),
			       json_path_str(iv->inputs, app, ""));
}

/* What failed may be another object of the app: then this one is the same in the set that is put
 * back. */
static bool is_effective(const struct invariants *iv, const char *app, const json_t *want)
{
	const json_t *doc = store_doc_get(iv->w->store, "apps", app);
	json_t *o;
	size_t i;

	json_array_foreach(json_path(doc, "effective.objects"), i, o) {
		if (object_kind(o) == KIND_DEPLOYMENT && str_eq(object_name(o), object_name(want)))
			return same_version(o, want);
	}
	return false;
}

/* Once a rollout failed for good, its Deployments stay what they were before until the input
 * changes. */
void rule_failed_input_is_not_retried(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *o = e->event->object, *want;
	const char *app = object_annotation(o, SYNC_ANNOTATION_APP);

	if (e->event->kind == KIND_APP && e->event->type != STORE_DELETED)
		note_failed(iv, o);
	if (e->event->kind != KIND_DEPLOYMENT || !app || !e->old ||
	    e->event->type != STORE_MODIFIED || !has_failed(iv, app))
		return;
	want = desired(iv, app, o);
	if (want && same_version(o, want) && !same_version(e->old, want) &&
	    !is_effective(iv, app, want))
		world_violated(iv->w, "failed_input_is_not_retried",
			       "app %s: Deployment %s is given %s again, which failed before", app,
			       object_name(o),
			       json_path_str(want, "spec.template.spec.containers.[0].image", ""));
}

/* ---- what is kept ---- */

static bool has_config(const json_t *objects, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)objects, i, o) {
		if (object_kind(o) == KIND_CONFIGMAP && str_eq(object_name(o), name))
			return json_object_size(json_object_get(o, "data")) > 0;
	}
	return false;
}

/* Everything needed to put it back: each image by digest, each ConfigMap by content. */
static const char *missing_in(const json_t *objects)
{
	const json_t *o;
	size_t i;

	if (json_array_size(objects) == 0)
		return "objects";
	json_array_foreach((json_t *)(uintptr_t)objects, i, o) {
		const json_t *template = json_path(o, "spec.template");
		const char *digests = object_annotation(template, SYNC_ANNOTATION_DIGESTS);
		const char *config =
			json_path_str(template, "spec.volumes.[0].configMap.name", NULL);

		if (object_kind(o) != KIND_DEPLOYMENT)
			continue;
		if (!digests || !strstr(digests, "sha256:"))
			return "an image digest";
		if (config && !has_config(objects, config))
			return "a ConfigMap";
	}
	return NULL;
}

void rule_held_set_is_complete(struct invariants *iv, const struct invariants_event *e)
{
	const json_t *app = e->event->object, *doc;
	const char *missing;

	if (e->event->kind != KIND_APP || e->event->type == STORE_DELETED ||
	    !str_eq(json_path_str(app, "status.phase", ""), "Held"))
		return;
	doc = store_doc_get(iv->w->store, "apps", object_name(app));
	missing = json_path(doc, "effective") ? missing_in(json_path(doc, "effective.objects"))
					      : NULL;
	if (missing)
		world_violated(iv->w, "held_set_is_complete",
			       "app %s is held, its effective set lacks %s", object_name(app),
			       missing);
}

/* A pod is given what its template was hashed with, whatever its app has applied since or put back.
 */
void rule_config_is_of_the_template(struct invariants *iv, const char *uid, const char *key,
				    const char *text)
{
	const json_t *pod = store_get_uid(iv->w->store, uid);
	const char *want = pod ? object_annotation(pod, SYNC_ANNOTATION_CONFIG) : NULL;
	const char *name = json_path_str(pod, "spec.volumes.[0].configMap.name", "");
	autofree char *object = mem_asprintf("ConfigMap/%s", name);
	autojson *content = json_pack("{s:{s:{s:s}}}", object, "data", key, text);
	char got[80];

	json_digest(got, content);
	if (pod && !str_eq(got, want))
		world_violated(iv->w, "config_is_of_the_template",
			       "pod %s is given '%s' as %s: that is %s, want %s", object_name(pod),
			       text, name, got, want ? want : "none");
}

/* ---- loops ---- */

/* What ends again and again is given more time each time. By the wall clock, when the policy was
 * away: so a clock that was set excuses. */
void rule_restarts_wait(struct invariants *iv, const char *uid, const json_t *c)
{
	int64_t ended = json_path_int(c, "ended_ms", 0);
	int64_t waited = (int64_t)iv->w->now_ms - ended;
	int64_t ran = ended - json_path_int(c, "started_ms", 0);

	if (json_path_int(c, "ends", 0) > 1 && iv->w->wall_jump_ms == 0 && ran < RESET_MS &&
	    waited < RESTART_MS - ROUNDING_MS)
		world_violated(
			iv->w, "restarts_wait",
			"pod %s: a container that ended before is started again after %lld ms, want %d",
			uid, (long long)waited, RESTART_MS);
}

void rule_time_goes_on(struct invariants *iv)
{
	if (iv->here_ms != iv->w->now_ms) {
		iv->here_ms = iv->w->now_ms;
		iv->steps_here = 0;
	}
	if (++iv->steps_here > STEPS_AT_ONCE)
		world_violated(iv->w, "time_goes_on", "%u steps at the same time", iv->steps_here);
}

void rule_work_is_bounded(struct invariants *iv)
{
	struct world *w = iv->w;

	if (w->n_calls - iv->calls_before > CALLS_A_MINUTE ||
	    w->n_commits - iv->commits_before > COMMITS_A_MINUTE)
		world_violated(w, "work_is_bounded", "%u calls, %u commits in %llu ms",
			       w->n_calls - iv->calls_before, w->n_commits - iv->commits_before,
			       (unsigned long long)(w->now_ms - iv->minute_ms));
	if (w->now_ms - iv->minute_ms < MINUTE_MS)
		return;
	iv->minute_ms = w->now_ms;
	iv->calls_before = w->n_calls;
	iv->commits_before = w->n_commits;
}
