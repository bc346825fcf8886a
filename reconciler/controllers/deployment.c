/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments: find the ReplicaSets, make the new one, take one rolling step, keep history, write
 * the status. New and old are told by equality of templates, never by hash (k8s-semantics 2.1
 * to 2.9).
 */
#include "reconciler/controllers/deployment.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "reconciler/controllers/deployment_status.h"
#include "reconciler/controllers/pod_status.h"
#include "reconciler/controllers/rolling.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define HASH_LABEL "pod-template-hash"
#define COMPONENT "deployment-controller"
#define WAS_AVAILABLE                                                                              \
	"recond.dev/was-available" /* on a ReplicaSet that once had all its replicas available */

static const char hash_alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

/* What one pass knows of a Deployment. References are into the store and refreshed after writes. */
struct rollout {
	struct reconciler *r;
	json_t *d;
	json_t *sets;      /* array, oldest first: all ReplicaSets of it */
	const json_t *new; /* the one of the current template, or NULL */
	json_t *olds;      /* array: the others, oldest first */
	int64_t replicas;
	struct rolling_limits limits;
	bool recreate;
};

static void rollout_deinit(struct rollout *o)
{
	json_decref(o->d);
	json_decref(o->sets);
	json_decref(o->olds);
}

/* ---- observe ---- */

static json_t *template_without_hash(const json_t *template)
{
	json_t *copy = json_deep_copy(template);

	json_path_del(copy, "metadata.labels.pod-template-hash");
	return copy;
}

static bool same_template(const json_t *rs, const json_t *deployment)
{
	autojson *a = template_without_hash(json_path(rs, "spec.template"));
	autojson *b = template_without_hash(json_path(deployment, "spec.template"));

	return json_equal(a, b);
}

static int compare_age(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(json_path_str(x, "metadata.creationTimestamp", ""),
		       json_path_str(y, "metadata.creationTimestamp", ""));
	int64_t rev_x, rev_y;

	if (r)
		return r;
	rev_x = (int64_t)strtoll(object_annotation(x, DEPLOYMENT_REVISION) ?: "0", NULL, 10);
	rev_y = (int64_t)strtoll(object_annotation(y, DEPLOYMENT_REVISION) ?: "0", NULL, 10);
	if (rev_x != rev_y)
		return rev_x < rev_y ? -1 : 1;
	return strcmp(object_name(x), object_name(y));
}

static void adopt(struct reconciler *r, const json_t *rs, const json_t *d)
{
	autojson *copy = json_deep_copy(rs);

	json_path_set_new(copy, "metadata.ownerReferences", json_pack("[o]", object_owner_ref(d)));
	(void)store_update_status(r->store, copy);
}

/* Its own ReplicaSets, and matching orphans made its own, oldest first. */
static json_t *claim_sets(struct reconciler *r, const json_t *d)
{
	autojson *all = store_list(r->store, KIND_REPLICASET, object_namespace(d));
	size_t n = json_array_size(all), claimed = 0;
	autofree json_t **mine = mem_calloc(n + 1, sizeof(*mine));
	json_t *sets = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *rs = json_array_get(all, i);
		bool matches = object_selector_matches(json_path(d, "spec.selector"),
						       json_path(rs, "metadata.labels"));

		if (!object_controller_ref(rs) && matches && !object_deleting(d))
			adopt(r, rs, d);
		else if (!object_is_controlled_by(rs, d))
			continue;
		mine[claimed++] = (json_t *)(uintptr_t)store_get_uid(r->store, object_uid(rs));
	}
	qsort(mine, claimed, sizeof(*mine), compare_age);
	for (size_t i = 0; i < claimed; i++)
		json_array_append(sets, mine[i]);
	return sets;
}

static void observe_sets(struct rollout *o)
{
	json_t *rs;
	size_t i;

	json_decref(o->sets);
	json_decref(o->olds);
	o->sets = claim_sets(o->r, o->d);
	o->olds = json_array();
	o->new = NULL;
	json_array_foreach(o->sets, i, rs) {
		if (!o->new &&same_template(rs, o->d))
			o->new = rs;
		else
			json_array_append(o->olds, rs);
	}
}

static struct rollout observe(struct reconciler *r, const json_t *d)
{
	struct rollout o = {.r = r, .d = json_incref((json_t *)(uintptr_t)d)};

	o.replicas = json_path_int(d, "spec.replicas", 1);
	o.limits = rolling_limits(json_path(d, "spec.strategy"), o.replicas);
	o.recreate = str_eq(json_path_str(d, "spec.strategy.type", ""), "Recreate");
	observe_sets(&o);
	return o;
}

/* ---- ReplicaSets and their annotations ---- */

static int64_t revision_of(const json_t *object)
{
	uint64_t n = 0;

	(void)str_parse_u64(&n, object_annotation(object, DEPLOYMENT_REVISION) ?: "0", 0,
			    INT64_MAX);
	return (int64_t)n;
}

static int64_t max_old_revision(const struct rollout *o)
{
	int64_t max = 0;
	json_t *rs;
	size_t i;

	json_array_foreach(o->olds, i, rs) {
		if (revision_of(rs) > max)
			max = revision_of(rs);
	}
	return max;
}

static void set_annotation_int(json_t *object, const char *key, int64_t value)
{
	autofree char *text = mem_asprintf("%lld", (long long)value);

	object_set_annotation(object, key, text);
}

static bool annotation_is_copied(const char *key)
{
	static const char *const skipped[] = {
		"kubectl.kubernetes.io/last-applied-configuration",
		DEPLOYMENT_REVISION,
		DEPLOYMENT_HISTORY,
		DEPLOYMENT_DESIRED,
		DEPLOYMENT_MAX,
		"deprecated.deployment.rollback.to",
	};

	for (size_t i = 0; i < ARRAY_SIZE(skipped); i++) {
		if (str_eq(key, skipped[i]))
			return false;
	}
	return str_skip_prefix(key, "recond.dev/") == NULL;
}

static void copy_annotations(json_t *rs, const json_t *deployment)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_path(deployment, "metadata.annotations"), key, value) {
		if (annotation_is_copied(key))
			object_set_annotation(rs, key, json_string_value(value));
	}
}

static void set_size_annotations(const struct rollout *o, json_t *rs)
{
	set_annotation_int(rs, DEPLOYMENT_DESIRED, o->replicas);
	set_annotation_int(rs, DEPLOYMENT_MAX, o->replicas + o->limits.surge);
}

/* The new set carries the highest revision; a set that comes back remembers the numbers it had. */
static void set_revision(json_t *rs, int64_t revision)
{
	const char *had = object_annotation(rs, DEPLOYMENT_REVISION);
	const char *history = object_annotation(rs, DEPLOYMENT_HISTORY);

	if (had && revision_of(rs) >= revision)
		return;
	if (had) {
		autofree char *longer =
			history ? mem_asprintf("%s,%s", history, had) : mem_strdup(had);

		object_set_annotation(rs, DEPLOYMENT_HISTORY, longer);
	}
	set_annotation_int(rs, DEPLOYMENT_REVISION, revision);
}

static void keep_new_annotated(struct rollout *o)
{
	autojson *rs = json_deep_copy(o->new);
	autojson *d = json_deep_copy(o->d);

	copy_annotations(rs, o->d);
	set_size_annotations(o, rs);
	set_revision(rs, max_old_revision(o) + 1);
	json_path_set_new(rs, "spec.minReadySeconds",
			  json_integer(json_path_int(o->d, "spec.minReadySeconds", 0)));
	(void)store_update(o->r->store, rs);
	object_set_annotation(d, DEPLOYMENT_REVISION, object_annotation(rs, DEPLOYMENT_REVISION));
	(void)store_update_status(o->r->store, d);
}

/* FNV-1a of the canonical template (and the collision count), its decimal digits in the vowel-free
 * alphabet. */
static char *template_hash(const json_t *deployment)
{
	autojson *template = template_without_hash(json_path(deployment, "spec.template"));
	autofree char *text = json_canonical(template);
	const json_t *collisions = json_path(deployment, "status.collisionCount");
	uint32_t hash = str_fnv32(STR_FNV32_INIT, text, strlen(text));
	char *out;

	if (collisions) {
		unsigned char count[8] = {0};
		uint32_t n = (uint32_t)json_integer_value(collisions);

		memcpy(count, &n, sizeof(n));
		hash = str_fnv32(hash, count, sizeof(count));
	}
	out = mem_asprintf("%u", hash);
	for (char *c = out; *c; c++)
		*c = hash_alphabet[(unsigned char)*c % (sizeof(hash_alphabet) - 1)];
	return out;
}

static json_t *new_set_object(const struct rollout *o, const char *hash)
{
	autofree char *name = mem_asprintf("%s-%s", object_name(o->d), hash);
	json_t *rs = json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:[o]}, s:{s:O, s:O}}", "apiVersion", "apps/v1", "kind",
		"ReplicaSet", "metadata", "name", name, "namespace", object_namespace(o->d),
		"ownerReferences", object_owner_ref(o->d), "spec", "selector",
		json_path(o->d, "spec.selector"), "template", json_path(o->d, "spec.template"));
	json_t *own = json_deep_copy(rs); /* the parts above are shared with the Deployment */
	int64_t total = deployment_sum(o->sets, "spec.replicas");

	json_decref(rs);
	json_path_set_new(own, "spec.template.metadata.labels.pod-template-hash", json_text(hash));
	json_path_set_new(own, "spec.selector.matchLabels.pod-template-hash", json_text(hash));
	json_path_set_new(own, "metadata.labels",
			  json_deep_copy(json_path(own, "spec.template.metadata.labels")));
	json_path_set_new(
		own, "spec.replicas",
		json_integer(rolling_initial(o->replicas, total, o->limits, o->recreate)));
	json_path_set_new(own, "spec.minReadySeconds",
			  json_integer(json_path_int(o->d, "spec.minReadySeconds", 0)));
	copy_annotations(own, o->d);
	set_size_annotations(o, own);
	set_revision(own, max_old_revision(o) + 1);
	return own;
}

static void write_status_member(struct rollout *o, const char *path, json_t *value)
{
	autojson *d = json_deep_copy(o->d);

	json_path_set_new(d, path, value);
	(void)store_update_status(o->r->store, d);
}

static void create_new_set(struct rollout *o)
{
	autofree char *hash = template_hash(o->d);
	autojson *rs = new_set_object(o, hash);
	const json_t *there = NULL;
	autojson *d = NULL;
	autofree char *message = NULL;
	char now[CLOCK_RFC3339_SIZE];

	if (store_create(o->r->store, rs, &there) ==
	    1) { /* the name is taken by another template */
		write_status_member(
			o, "status.collisionCount",
			json_integer(json_path_int(o->d, "status.collisionCount", 0) + 1));
		reconciler_queue_object(o->r, WORK_DEPLOYMENT, o->d);
		return;
	}
	d = json_deep_copy(o->d);
	object_set_annotation(d, DEPLOYMENT_REVISION,
			      object_annotation(there, DEPLOYMENT_REVISION));
	if (!json_object_get(d, "status"))
		json_set(d, "status", json_object());
	message = mem_asprintf("Created new replica set \"%s\"", object_name(there));
	reconciler_rfc3339(o->r, now);
	if (!json_path(d, "status.conditions"))
		json_path_set_new(d, "status.conditions", json_array());
	deployment_status_progress(json_object_get(d, "status"), "True", "NewReplicaSetCreated",
				   message, now);
	(void)store_update_status(o->r->store, d);
	if (json_path_int(there, "spec.replicas", 0) > 0)
		events_normal(o->r, o->d, COMPONENT, "ScalingReplicaSet",
			      "Scaled up replica set %s from 0 to %lld", object_name(there),
			      (long long)json_path_int(there, "spec.replicas", 0));
}

static void scale_set(struct rollout *o, const json_t *rs, int64_t size)
{
	int64_t had = json_path_int(rs, "spec.replicas", 0);
	autojson *copy = json_deep_copy(rs);

	json_path_set_new(copy, "spec.replicas", json_integer(size));
	set_size_annotations(o, copy);
	(void)store_update(o->r->store, copy);
	if (size != had)
		events_normal(o->r, o->d, COMPONENT, "ScalingReplicaSet",
			      "Scaled %s replica set %s from %lld to %lld",
			      size > had ? "up" : "down", object_name(rs), (long long)had,
			      (long long)size);
}

/* ---- strategies ---- */

static struct rolling_set as_rolling_set(const json_t *rs)
{
	return (struct rolling_set){.spec = json_path_int(rs, "spec.replicas", 0),
				    .available = json_path_int(rs, "status.availableReplicas", 0)};
}

static void roll(struct rollout *o)
{
	size_t n = json_array_size(o->olds);
	autofree struct rolling_set *olds = mem_calloc(n + 1, sizeof(*olds));
	struct rolling_set new = as_rolling_set(o->new);

	for (size_t i = 0; i < n; i++)
		olds[i] = as_rolling_set(json_array_get(o->olds, i));
	if (!rolling_step(&new, olds, n, o->replicas, o->limits))
		return;
	if (new.next != new.spec)
		scale_set(o, o->new, new.next);
	for (size_t i = 0; i < n; i++) {
		if (olds[i].next != olds[i].spec)
			scale_set(o, json_array_get(o->olds, i), olds[i].next);
	}
}

static bool pod_of_olds_left(const struct rollout *o)
{
	autojson *pods = store_list(o->r->store, KIND_POD, object_namespace(o->d));
	json_t *pod, *rs;
	size_t i, k;

	json_array_foreach(pods, i, pod) {
		const char *phase = json_path_str(pod, "status.phase", "Pending");

		if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
			continue;
		json_array_foreach(o->olds, k, rs) {
			if (object_is_controlled_by(pod, rs))
				return true;
		}
	}
	return false;
}

/* All old pods first, terminating ones included; only then the new. */
static void recreate(struct rollout *o)
{
	json_t *rs;
	size_t i;

	json_array_foreach(o->olds, i, rs) {
		if (json_path_int(rs, "spec.replicas", 0) > 0)
			scale_set(o, rs, 0);
	}
	if (pod_of_olds_left(o))
		return;
	if (!o->new)
		create_new_set(o);
	else if (json_path_int(o->new, "spec.replicas", 0) != o->replicas)
		scale_set(o, o->new, o->replicas);
}

/* ---- history ---- */

static int compare_revision(const void *a, const void *b)
{
	int64_t x = revision_of(*(json_t *const *)a), y = revision_of(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

static void trim_history(struct rollout *o)
{
	int64_t limit = json_path_int(o->d, "spec.revisionHistoryLimit", 10);
	size_t n = json_array_size(o->olds);
	autofree json_t **sorted = mem_calloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(o->olds, i);
	qsort(sorted, n, sizeof(*sorted), compare_revision);
	for (size_t i = 0; i < n && (int64_t)(n - i) > limit; i++) {
		const json_t *rs = sorted[i];

		if (json_path_int(rs, "spec.replicas", 0) == 0 &&
		    json_path_int(rs, "status.replicas", 0) == 0)
			reconciler_delete(o->r, rs);
	}
}

/* ---- a new revision that comes up short of its image ---- */

static const char *const image_reasons[] = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull",
					    "InvalidImageName"};

/* The reason (one of the kubelet's about images) that a pod of the new set waits for, or NULL. */
static const char *missing_image(const struct rollout *o, char message[512])
{
	autojson *pods = store_list(o->r->store, KIND_POD, object_namespace(o->d));
	json_t *pod;
	size_t i, k;

	json_array_foreach(pods, i, pod) {
		const char *text = "";
		const char *reason = object_is_controlled_by(pod, o->new)
					     ? pod_status_failure(pod, &text)
					     : NULL;

		for (k = 0; reason && k < ARRAY_SIZE(image_reasons); k++) {
			if (str_eq(reason, image_reasons[k])) {
				(void)snprintf(message, 512, "%s", text);
				return image_reasons[k];
			}
		}
	}
	return NULL;
}

/* The newest old set that was once available as a whole. */
static const json_t *last_available(const struct rollout *o)
{
	const json_t *best = NULL;
	json_t *rs;
	size_t i;

	json_array_foreach(o->olds, i, rs) {
		if (object_annotation(rs, WAS_AVAILABLE) &&
		    (!best || revision_of(rs) > revision_of(best)))
			best = rs;
	}
	return best;
}

/* An app that is being rolled out decides for itself (sync.c): it puts back all of the app, not one
 * Deployment. */
static bool go_back(struct rollout *o)
{
	const json_t *target =
		o->new && !object_annotation(o->new, WAS_AVAILABLE) ? last_available(o) : NULL;
	autojson *d = NULL, *template = NULL;
	const char *reason;
	char message[512];

	if (!target || sync_object_in_rollout(o->r, o->d))
		return false;
	reason = missing_image(o, message);
	if (!reason)
		return false;
	d = json_deep_copy(o->d);
	template = template_without_hash(json_path(target, "spec.template"));
	json_path_set_new(d, "spec.template", json_incref(template));
	(void)store_update(o->r->store, d);
	events_warning(o->r, o->d, COMPONENT, "DeploymentRollback",
		       "Rolled back to revision %lld: the image of revision %lld cannot be had",
		       (long long)revision_of(target), (long long)revision_of(o->new));
	sync_deployment_went_back(o->r, d, reason, message);
	return true;
}

static void remember_available(struct rollout *o)
{
	autojson *rs = NULL;

	if (!o->new || object_annotation(o->new, WAS_AVAILABLE) || o->replicas == 0 ||
	    json_path_int(o->new, "status.availableReplicas", 0) < o->replicas)
		return;
	rs = json_deep_copy(o->new);
	object_set_annotation(rs, WAS_AVAILABLE, "true");
	(void)store_update_status(o->r->store, rs);
}

/* ---- the controller ---- */

bool deployment_complete(const json_t *deployment)
{
	int64_t want = json_path_int(deployment, "spec.replicas", 1);

	return json_path_int(deployment, "status.observedGeneration", 0) >=
		       json_path_int(deployment, "metadata.generation", 0) &&
	       json_path_int(deployment, "status.updatedReplicas", 0) == want &&
	       json_path_int(deployment, "status.replicas", 0) == want &&
	       json_path_int(deployment, "status.availableReplicas", 0) == want;
}

static void refresh(struct rollout *o)
{
	const json_t *d = store_get_uid(o->r->store, object_uid(o->d));

	json_incref((json_t *)(uintptr_t)d);
	json_decref(o->d);
	o->d = (json_t *)(uintptr_t)d;
	observe_sets(o);
}

static void write_status(struct rollout *o)
{
	char now[CLOCK_RFC3339_SIZE];
	struct deployment_view v = {.deployment = o->d,
				    .new_rs = o->new,
				    .all = o->sets,
				    .now = now,
				    .now_ns = reconciler_realtime_ns(o->r)};
	autofree char *key = mem_asprintf("%s/%s", object_namespace(o->d), object_name(o->d));
	autojson *d = json_deep_copy(o->d);
	int64_t deadline_s;

	reconciler_rfc3339(o->r, now);
	json_set(d, "status", deployment_status(&v, &deadline_s));
	(void)store_update_status(o->r->store, d);
	if (deadline_s >= 0)
		reconciler_queue_after(o->r, WORK_DEPLOYMENT, key, (uint64_t)deadline_s * 1000);
}

static void step(struct rollout *o)
{
	if (o->new)
		keep_new_annotated(o);
	refresh(o);
	if (json_path_bool(o->d, "spec.paused", false))
		return;
	if (go_back(o)) {
		refresh(o);
		return;
	}
	if (o->recreate)
		recreate(o);
	else if (!o->new)
		create_new_set(o);
	else
		roll(o);
}

void deployment_reconcile(struct reconciler *r, const char *key)
{
	const char *slash = strchr(key, '/');
	autofree char *ns = mem_strndup(key, (size_t)(slash - key));
	const json_t *d = store_get(r->store, KIND_DEPLOYMENT, ns, slash + 1);
	_cleanup_(rollout_deinit) struct rollout o = {0};

	if (!d)
		return;
	o = observe(r, d);
	if (!object_deleting(d)) {
		step(&o);
		refresh(&o);
		remember_available(&o);
		refresh(&o);
	}
	write_status(&o);
	if (deployment_complete(store_get_uid(r->store, object_uid(o.d))))
		trim_history(&o);
}
