/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Would a rule that is broken be noticed? Functions of the policy are wrapped at link time
 * (-Wl,--wrap), never switched in the policy itself, so that one of them does what it must not;
 * then stories are told until the rule that is for it says so.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/controllers/pod_plan.h"
#include "reconciler/controllers/pod_request.h"
#include "reconciler/controllers/rolling.h"
#include "reconciler/drift.h"
#include "reconciler/effects_priv.h"
#include "reconciler/object.h"
#include "reconciler/sync.h"
#include "tests/sim/disk.h"
#include "tests/sim/story.h"

#define MAX_SEEDS 400

enum breach {
	BREACH_NONE,
	BREACH_SURGE,
	BREACH_FLOOR,
	BREACH_HOLD,
	BREACH_SET,
	BREACH_FOREIGN,
	BREACH_LOOP,
	BREACH_RESTART,
	BREACH_ATTEMPT,
	BREACH_SILENCE,
	BREACH_DISK,
	BREACH_ORPHANS,
	BREACH_DRIFT,
	BREACH_CONFIG,
	BREACH_IN_PLACE,
	BREACH_N_,
};

/* clang-format off */
static const struct {
	const char *name;   /* what the policy does */
	const char *caught; /* the rule that says so */
} breaches[BREACH_N_] = {
	[BREACH_NONE]    = { "nothing",                  "" },
	[BREACH_SURGE]   = { "surge-ignored",            "surge_is_kept" },
	[BREACH_FLOOR]   = { "floor-ignored",            "floor_is_kept" },
	[BREACH_HOLD]    = { "hold-not-remembered",      "failed_input_is_not_retried" },
	[BREACH_SET]     = { "effective-set-incomplete", "held_set_is_complete" },
	[BREACH_FOREIGN] = { "foreign-object-pruned",    "foreign_objects_survive" },
	[BREACH_LOOP]    = { "retry-loop",               "work_is_bounded" },
	[BREACH_RESTART] = { "restart-at-once",          "restarts_wait" },
	[BREACH_ATTEMPT] = { "start-repeated",           "no_attempt_starts_twice" },
	[BREACH_SILENCE] = { "never-asked-again",        "comes_to_rest_where_it_should" },
	[BREACH_DISK]    = { "commit-not-durable",       "acknowledged_is_durable" },
	[BREACH_DRIFT]   = { "drift-kept",               "record_is_what_runs" },
	[BREACH_CONFIG]  = { "newer-config-read",        "config_is_of_the_template" },
	[BREACH_IN_PLACE] = { "changed-in-place",        "memory_is_what_is_on_disk" },
	[BREACH_ORPHANS] = { "orphans-left",             "objects_have_owners" },
};
/* clang-format on */

static enum breach breach;

/* ---- what is wrapped ---- */

struct rolling_limits __real_rolling_limits(const json_t *strategy, int64_t replicas);
struct rolling_limits __wrap_rolling_limits(const json_t *strategy, int64_t replicas);
void __real_store_doc_put(struct store *s, const char *bucket, const char *key, const json_t *doc);
void __wrap_store_doc_put(struct store *s, const char *bucket, const char *key, const json_t *doc);
void __real_reconciler_delete(struct reconciler *r, const json_t *object);
void __wrap_reconciler_delete(struct reconciler *r, const json_t *object);
void __real_reconciler_container_failed(struct reconciler *r, const char *uid, const char *name,
					unsigned int attempt, const struct err *err);
void __wrap_reconciler_container_failed(struct reconciler *r, const char *uid, const char *name,
					unsigned int attempt, const struct err *err);
void __real_pod_plan_backoff(struct container_run *c, uint64_t now_ms, uint64_t age_ms,
			     uint64_t ran_ms);
void __wrap_pod_plan_backoff(struct container_run *c, uint64_t now_ms, uint64_t age_ms,
			     uint64_t ran_ms);
int __real_pod_request_container(json_t **ret, const json_t *pod, const json_t *spec,
				 unsigned int attempt, const char *image_digest,
				 const struct pod_request_env *env, struct err *err);
int __wrap_pod_request_container(json_t **ret, const json_t *pod, const json_t *spec,
				 unsigned int attempt, const char *image_digest,
				 const struct pod_request_env *env, struct err *err);
void __real_effects_ask_again(struct reconciler *r, const char *key);
void __wrap_effects_ask_again(struct reconciler *r, const char *key);
int __real_store_update_status(struct store *s, const json_t *object);
int __wrap_store_update_status(struct store *s, const json_t *object);
void __real_drift_queue(struct reconciler *r, const struct store_event *event);
void __wrap_drift_queue(struct reconciler *r, const struct store_event *event);
void __real_garbage_orphans_reconcile(struct reconciler *r, const char *key);
/* Writes on, in what it has handed over. */
int __wrap_store_update_status(struct store *s, const json_t *object)
{
	static json_int_t n;
	int ret = __real_store_update_status(s, object);

	if (breach == BREACH_IN_PLACE && object_kind(object) == KIND_POD)
		json_path_set_new((json_t *)(uintptr_t)store_get_uid(s, object_uid(object)),
				  "spec.touched", json_integer(++n));
	return ret;
}

void __wrap_garbage_orphans_reconcile(struct reconciler *r, const char *key);
const json_t *__real_sync_pod_set(struct reconciler *r, const json_t *pod);
const json_t *__wrap_sync_pod_set(struct reconciler *r, const json_t *pod);

const json_t *__wrap_sync_pod_set(struct reconciler *r, const json_t *pod)
{
	return breach == BREACH_CONFIG ? NULL : __real_sync_pod_set(r, pod);
}

struct rolling_limits __wrap_rolling_limits(const json_t *strategy, int64_t replicas)
{
	struct rolling_limits l = __real_rolling_limits(strategy, replicas);

	if (breach == BREACH_SURGE)
		l.surge += 2;
	if (breach == BREACH_FLOOR)
		l.unavailable = replicas;
	return l;
}

/* The record without what BREACH forgets. */
static json_t *forgetful(const json_t *doc)
{
	json_t *copy = json_deep_copy(doc), *kept, *o;
	size_t i;

	if (breach == BREACH_HOLD) {
		json_object_del(copy, "held");
		json_object_del(copy, "quarantine");
	}
	if (breach == BREACH_SET && json_path(copy, "effective.objects")) {
		kept = json_array();
		json_array_foreach(json_path(copy, "effective.objects"), i, o) {
			if (object_kind(o) != KIND_CONFIGMAP)
				json_array_append(kept, o);
		}
		json_set(json_object_get(copy, "effective"), "objects", kept);
	}
	return copy;
}

void __wrap_store_doc_put(struct store *s, const char *bucket, const char *key, const json_t *doc)
{
	autojson *copy = forgetful(doc);

	__real_store_doc_put(s, bucket, key, copy);
}

/* Takes along what lies beside it and is nobody's. */
void __wrap_reconciler_delete(struct reconciler *r, const json_t *object)
{
	autojson *beside = breach == BREACH_FOREIGN
				   ? store_list(r->store, KIND_CONFIGMAP, object_namespace(object))
				   : json_array();
	json_t *o;
	size_t i;

	json_array_foreach(beside, i, o) {
		if (!object_annotation(o, SYNC_ANNOTATION_APP))
			__real_reconciler_delete(r, o);
	}
	__real_reconciler_delete(r, object);
}

/* Forgets it at once: what is remembered has its app go back, which ends the loop. */
void __wrap_reconciler_container_failed(struct reconciler *r, const char *uid, const char *name,
					unsigned int attempt, const struct err *err)
{
	struct container_run *c;

	__real_reconciler_container_failed(r, uid, name, attempt, err);
	if (breach != BREACH_LOOP)
		return;
	c = pod_run_container(pods_get(r->pods, uid), name);
	c->retry_ms = 0;
	c->failure = (struct err){0};
}

void __wrap_pod_plan_backoff(struct container_run *c, uint64_t now_ms, uint64_t age_ms,
			     uint64_t ran_ms)
{
	__real_pod_plan_backoff(c, now_ms, age_ms, ran_ms);
	if (breach == BREACH_RESTART)
		c->retry_ms = now_ms;
}

int __wrap_pod_request_container(json_t **ret, const json_t *pod, const json_t *spec,
				 unsigned int attempt, const char *image_digest,
				 const struct pod_request_env *env, struct err *err)
{
	return __real_pod_request_container(ret, pod, spec, breach == BREACH_ATTEMPT ? 0 : attempt,
					    image_digest, env, err);
}

void __wrap_effects_ask_again(struct reconciler *r, const char *key)
{
	if (breach != BREACH_SILENCE)
		__real_effects_ask_again(r, key);
}

void __wrap_drift_queue(struct reconciler *r, const struct store_event *event)
{
	if (breach != BREACH_DRIFT)
		__real_drift_queue(r, event);
}

void __wrap_garbage_orphans_reconcile(struct reconciler *r, const char *key)
{
	if (breach != BREACH_ORPHANS)
		__real_garbage_orphans_reconcile(r, key);
}

/* ---- telling ---- */

static int usage(void)
{
	fprintf(stderr, "usage: sim-broken BREACH\n"
			"Tells stories to a policy that breaks a rule, until that is noticed:\n");
	for (int b = 1; b < BREACH_N_; b++)
		fprintf(stderr, "  %-26s %s\n", breaches[b].name, breaches[b].caught);
	return 2;
}

int main(int argc, char **argv)
{
	for (int b = 1; b < BREACH_N_; b++) {
		if (argc == 2 && str_eq(argv[1], breaches[b].name))
			breach = (enum breach)b;
	}
	if (breach == BREACH_NONE)
		return usage();
	if (breach == BREACH_DISK)
		disk_lie(20);
	for (uint64_t seed = 1; seed <= MAX_SEEDS; seed++) {
		if (!str_eq(story_tell(seed, false), breaches[breach].caught))
			continue;
		printf("%s was caught by %s at seed %llu\n", breaches[breach].name,
		       breaches[breach].caught, (unsigned long long)seed);
		return 0;
	}
	printf("%s was not caught by %s in %d seeds\n", breaches[breach].name,
	       breaches[breach].caught, MAX_SEEDS);
	return 1;
}
