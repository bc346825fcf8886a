/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ReplicaSets of a Deployment: which are its own, which is the new one (by equality of
 * templates, never by hash), what they are annotated with, and how a new one is made (k8s-semantics
 * 2.2).
 */
#include <assert.h>
#include <string.h>

#include "reconciler/controllers/deployment_priv.h"
#include "reconciler/controllers/deployment_status.h"
#include "reconciler/controllers/revision.h"
#include "reconciler/events.h"

#define HASH_LABEL "pod-template-hash"
#define NAME_MAX_LENGTH 253 /* of a DNS subdomain */

static const char hash_alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

/* ---- observing ---- */

json_t *rollout_template(const json_t *template)
{
	json_t *copy = json_clone(template);

	json_path_del(copy, "metadata.labels.pod-template-hash");
	return copy;
}

/* Are A and B equal but for their member KEY? A missing object is an empty one. */
static bool same_but(const json_t *a, const json_t *b, const char *key)
{
	size_t size_a = json_object_size(a) - (json_object_get(a, key) != NULL);
	size_t size_b = json_object_size(b) - (json_object_get(b, key) != NULL);
	const char *k;
	json_t *value;

	if (size_a != size_b)
		return false;
	json_object_foreach((json_t *)(uintptr_t)a, k, value) {
		if (!str_eq(k, key) && !json_equal(value, json_object_get(b, k)))
			return false;
	}
	return true;
}

bool rollout_same_template(const json_t *rs, const json_t *d)
{
	const json_t *a = json_path(rs, "spec.template"), *b = json_path(d, "spec.template");
	const json_t *meta_a = json_object_get(a, "metadata");
	const json_t *meta_b = json_object_get(b, "metadata");

	return same_but(a, b, "metadata") && same_but(meta_a, meta_b, "labels") &&
	       same_but(json_object_get(meta_a, "labels"), json_object_get(meta_b, "labels"),
			HASH_LABEL);
}

/* Creation times have seconds only: of two sets of one second the lower revision is the older. */
static int compare_age(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(json_path_str(x, "metadata.creationTimestamp", ""),
		       json_path_str(y, "metadata.creationTimestamp", ""));
	int64_t revision_x = revision_of(x), revision_y = revision_of(y);

	if (r)
		return r;
	if (revision_x != revision_y)
		return revision_x < revision_y ? -1 : 1;
	return strcmp(object_name(x), object_name(y));
}

static bool matches(const json_t *d, const json_t *rs)
{
	return object_selector_matches(json_path(d, "spec.selector"),
				       json_path(rs, "metadata.labels"));
}

/* Own RS from here on (BY), or no longer (NULL). */
static void set_owner(struct reconciler *r, const json_t *rs, const json_t *by)
{
	autojson *copy = json_clone(rs);

	if (by)
		object_set_controller(copy, by);
	else
		object_drop_controller(copy);
	(void)store_update_status(r->store, copy);
}

static void adopt_orphans(struct reconciler *r, const json_t *d)
{
	autojson *orphans = store_orphans(r->store, KIND_REPLICASET, object_namespace(d));
	json_t *rs;
	size_t i;

	json_array_foreach(orphans, i, rs) {
		if (matches(d, rs) && !object_deleting(rs))
			set_owner(r, rs, d);
	}
}

static void release_strangers(struct reconciler *r, const json_t *d)
{
	autojson *owned = store_owned(r->store, KIND_REPLICASET, d);
	json_t *rs;
	size_t i;

	json_array_foreach(owned, i, rs) {
		if (!matches(d, rs))
			set_owner(r, rs, NULL);
	}
}

/* Its own ReplicaSets, oldest first. */
static json_t *list_sets(struct reconciler *r, const json_t *d)
{
	autojson *owned = store_owned(r->store, KIND_REPLICASET, d);
	size_t n = json_array_size(owned);
	autofree json_t **sorted = mem_calloc(n + 1, sizeof(*sorted));
	json_t *sets = json_array();

	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(owned, i);
	qsort(sorted, n, sizeof(*sorted), compare_age);
	for (size_t i = 0; i < n; i++)
		json_array_append(sets, sorted[i]);
	return sets;
}

static void observe_sets(struct rollout *o)
{
	json_t *rs;
	size_t i;

	o->seen = store_resource_version(o->r->store);
	json_decref(o->sets);
	json_decref(o->olds);
	o->sets = list_sets(o->r, o->d);
	o->olds = json_array();
	o->new = NULL;
	json_array_foreach(o->sets, i, rs) {
		if (!o->new &&rollout_same_template(rs, o->d))
			o->new = rs;
		else
			json_array_append(o->olds, rs);
	}
}

struct rollout rollout_observe(struct reconciler *r, const json_t *d)
{
	struct rollout o = {.r = r, .d = json_incref((json_t *)(uintptr_t)d)};

	o.replicas = json_path_int(d, "spec.replicas", 1);
	o.limits = rolling_limits(json_path(d, "spec.strategy"), o.replicas);
	o.recreate = str_eq(json_path_str(d, "spec.strategy.type", ""), "Recreate");
	if (!object_deleting(d)) {
		release_strangers(r, d);
		adopt_orphans(r, d);
	}
	observe_sets(&o);
	return o;
}

void rollout_refresh(struct rollout *o)
{
	const json_t *d = store_get_uid(o->r->store, object_uid(o->d));

	assert(d);
	if (o->seen == store_resource_version(o->r->store))
		return; /* nothing was written since */
	json_incref((json_t *)(uintptr_t)d);
	json_decref(o->d);
	o->d = (json_t *)(uintptr_t)d;
	observe_sets(o);
}

void rollout_deinit(struct rollout *o)
{
	json_decref(o->d);
	json_decref(o->sets);
	json_decref(o->olds);
}

/* ---- annotations ---- */

static void set_annotation_int(json_t *object, const char *key, int64_t value)
{
	autofree char *text = mem_asprintf("%lld", (long long)value);

	object_set_annotation(object, key, text);
}

int64_t rollout_annotation_int(const json_t *rs, const char *key)
{
	int64_t value = -1;

	(void)str_parse_i64(&value, object_annotation(rs, key) ?: "", 0, INT32_MAX);
	return value;
}

static bool annotation_is_copied(const char *key)
{
	static const char *const skipped[] = {
		"kubectl.kubernetes.io/last-applied-configuration",
		DEPLOYMENT_REVISION,
		DEPLOYMENT_HISTORY,
		DEPLOYMENT_DESIRED,
		DEPLOYMENT_MAX,
		DEPLOYMENT_ROLLBACK,
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

bool rollout_scale_set(struct rollout *o, const json_t *rs, int64_t size)
{
	int64_t had = json_path_int(rs, "spec.replicas", 0);
	autojson *copy = object_draft(rs);

	assert(size >= 0);
	json_path_set_new(copy, "spec.replicas", json_integer(size));
	set_size_annotations(o, copy);
	(void)store_update(o->r->store, copy);
	if (size == had)
		return false;
	events_normal(o->r, o->d, DEPLOYMENT_COMPONENT, "ScalingReplicaSet",
		      "Scaled %s replica set %s from %lld to %lld", size > had ? "up" : "down",
		      object_name(rs), (long long)had, (long long)size);
	return true;
}

/* The Deployment shows the revision of its new set. REASON, unless NULL, is how it came to it. */
static void show_new(struct rollout *o, const json_t *rs, const char *reason, const char *verb)
{
	const char *revision = object_annotation(rs, DEPLOYMENT_REVISION);
	autofree char *message = NULL;
	autojson *d = NULL;

	if (!reason && str_eq(object_annotation(o->d, DEPLOYMENT_REVISION), revision))
		return;
	d = json_clone(o->d);
	message = mem_asprintf("%s replica set \"%s\"", verb, object_name(rs));
	object_set_annotation(d, DEPLOYMENT_REVISION, revision);
	if (reason && deployment_has_deadline(d)) {
		char now[CLOCK_RFC3339_SIZE];

		reconciler_rfc3339(o->r, now);
		deployment_status_note(d, &(struct deployment_progress){"True", reason, message},
				       now);
	}
	(void)store_update_status(o->r->store, d);
}

void rollout_keep_new(struct rollout *o)
{
	autojson *rs = object_draft(o->new);
	const json_t *progressing = object_condition(o->d, "Progressing");
	bool timed_out =
		str_eq(json_path_str(progressing, "reason", ""), "ProgressDeadlineExceeded");
	bool begins, came_back;

	assert(o->new);
	copy_annotations(rs, o->d);
	revision_raise(rs, revision_max(o->olds) + 1);
	json_path_set_new(rs, "spec.minReadySeconds",
			  json_integer(json_path_int(o->d, "spec.minReadySeconds", 0)));
	/* That another template ran out of time says nothing of one that comes back. */
	came_back = timed_out && revision_of(rs) > revision_of(o->new);
	begins = !progressing || came_back;
	(void)store_update(o->r->store, rs);
	show_new(o, rs, begins ? "FoundNewReplicaSet" : NULL, "Found new");
}

/* ---- making one ---- */

/* FNV-1a of the canonical template (and the collision count), its decimal digits in the vowel-free
 * alphabet. */
static char *template_hash(const json_t *deployment)
{
	autojson *template = rollout_template(json_path(deployment, "spec.template"));
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
	json_t *own = json_clone(rs); /* the parts above are shared with the Deployment */
	int64_t total = deployment_sum(o->sets, "spec.replicas");

	json_decref(rs);
	json_path_set_new(own, "spec.template.metadata.labels.pod-template-hash", json_text(hash));
	json_path_set_new(own, "spec.selector.matchLabels.pod-template-hash", json_text(hash));
	json_path_set_new(own, "metadata.labels",
			  json_clone(json_path(own, "spec.template.metadata.labels")));
	json_path_set_new(
		own, "spec.replicas",
		json_integer(rolling_initial(o->replicas, total, o->limits, o->recreate)));
	json_path_set_new(own, "spec.minReadySeconds",
			  json_integer(json_path_int(o->d, "spec.minReadySeconds", 0)));
	copy_annotations(own, o->d);
	set_size_annotations(o, own);
	revision_raise(own, revision_max(o->olds) + 1);
	return own;
}

/* The name is another's: another one is tried, told apart by a count. */
static void count_collision(struct rollout *o)
{
	autojson *d = json_clone(o->d);

	json_path_set_new(d, "status.collisionCount",
			  json_integer(json_path_int(d, "status.collisionCount", 0) + 1));
	(void)store_update_status(o->r->store, d);
	reconciler_queue_object(o->r, WORK_DEPLOYMENT, o->d);
}

static void refuse(struct rollout *o, const char *name, const char *why)
{
	autofree char *message =
		mem_asprintf("Failed to create new replica set \"%s\": %s", name, why);
	autojson *d = json_clone(o->d);
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(o->r, now);
	if (deployment_has_deadline(d))
		deployment_status_note(
			d, &(struct deployment_progress){"False", "ReplicaSetCreateError", message},
			now);
	if (!json_equal(d, o->d))
		events_warning(o->r, o->d, DEPLOYMENT_COMPONENT, "ReplicaSetCreateError", "%s",
			       message);
	(void)store_update_status(o->r->store, d);
}

static bool namespace_is_going(struct rollout *o)
{
	const json_t *ns = store_get(o->r->store, KIND_NAMESPACE, NULL, object_namespace(o->d));

	return ns && object_deleting(ns);
}

void rollout_create_new(struct rollout *o)
{
	autofree char *hash = template_hash(o->d);
	autojson *rs = new_set_object(o, hash);
	int64_t size = json_path_int(rs, "spec.replicas", 0);
	const json_t *there = NULL;

	if (namespace_is_going(o))
		return; /* it takes the Deployment along: nothing to report */
	if (strlen(object_name(rs)) > NAME_MAX_LENGTH) {
		refuse(o, object_name(rs),
		       "metadata.name: must be no more than 253 characters: give the Deployment a shorter name");
		return;
	}
	if (store_create(o->r->store, rs, &there) == 1) {
		if (!object_is_controlled_by(there, o->d) || !rollout_same_template(there, o->d)) {
			count_collision(o);
			return;
		}
		show_new(o, there, NULL, "");
		return;
	}
	show_new(o, there, "NewReplicaSetCreated", "Created new");
	if (size > 0)
		events_normal(o->r, o->d, DEPLOYMENT_COMPONENT, "ScalingReplicaSet",
			      "Scaled up replica set %s from 0 to %lld", object_name(there),
			      (long long)size);
}
