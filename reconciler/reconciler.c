/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the policy: runs what the queue holds in transactions, carries out effects after
 * their commit, and turns changes of objects into keys for the controllers that care. What a
 * controller decides is in its own file.
 */
#include "reconciler/reconciler.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "reconciler/controllers/deployment.h"
#include "reconciler/controllers/garbage.h"
#include "reconciler/controllers/job.h"
#include "reconciler/controllers/pod.h"
#include "reconciler/controllers/pod_check.h"
#include "reconciler/controllers/pod_run.h"
#include "reconciler/controllers/replicaset.h"
#include "reconciler/drift.h"
#include "reconciler/effects_priv.h"
#include "reconciler/events.h"
#include "reconciler/reconciler_priv.h"
#include "reconciler/sources.h"
#include "reconciler/sync.h"

#define PASS_MAX_KEYS                                                                              \
	256 /* keys in one transaction, so that a storm still commits and acts now and then */

/* clang-format off */
static const struct {
	const char *name;
	void (*reconcile)(struct reconciler *r, const char *key);
} controllers[WORK_N_] = {
	[WORK_DEPLOYMENT] = { "deployment", deployment_reconcile },
	[WORK_REPLICASET] = { "replicaset", replicaset_reconcile },
	[WORK_JOB]        = { "job",        job_reconcile },
	[WORK_POD]        = { "pod",        pod_reconcile },
	[WORK_PROBE]      = { "probe",      pod_check_reconcile },
	[WORK_NAMESPACE]  = { "namespace",  garbage_namespace_reconcile },
	[WORK_ORPHANS]    = { "orphans",    garbage_orphans_reconcile },
	[WORK_APP]        = { "app",        sync_app_reconcile },
	[WORK_DRIFT]      = { "drift",      drift_reconcile },
	[WORK_BUILD]      = { "build",      sync_build_reconcile },
	[WORK_SOURCE]     = { "source",     sources_reconcile },
	[WORK_EVENTS]     = { "events",     events_expire },
	[WORK_QUESTION]   = { "question",   effects_ask_again },
};
/* clang-format on */

uint64_t reconciler_now_ms(struct reconciler *r)
{
	return r->ports.now_ms(r->ports.data);
}

int64_t reconciler_realtime_ns(struct reconciler *r)
{
	return r->ports.realtime_ns(r->ports.data);
}

int64_t reconciler_stamp_ns(struct reconciler *r, const char *text, int64_t def)
{
	int64_t ns = def;

	(void)clock_parse_rfc3339(&ns, text);
	return ns > reconciler_realtime_ns(r) ? r->started_ns : ns;
}

void reconciler_rfc3339(struct reconciler *r, char ret[CLOCK_RFC3339_SIZE])
{
	clock_format_rfc3339(ret, reconciler_realtime_ns(r));
}

/* Outside of a pass the world has to be told that there is work; inside, the end of the pass does.
 */
void reconciler_queue_after(struct reconciler *r, enum work work, const char *key,
			    uint64_t delay_ms)
{
	queue_add(r->queue, work, key, reconciler_now_ms(r) + delay_ms);
	if (!r->pass_open)
		r->ports.wake_at(r->ports.data, queue_next_ms(r->queue));
}

void reconciler_queue(struct reconciler *r, enum work work, const char *key)
{
	reconciler_queue_after(r, work, key, 0);
}

void reconciler_queue_object(struct reconciler *r, enum work work, const json_t *object)
{
	autofree char *key = str_path(object_namespace(object), object_name(object), NULL);

	reconciler_queue(r, work, key);
}

/* ---- changes of objects become keys ---- */

/* Owners all the way up: a Deployment looks at the pods of its ReplicaSets, too. */
static void queue_owners(struct reconciler *r, const json_t *object)
{
	for (const json_t *o = object; o;) {
		const json_t *ref = object_controller_ref(o);
		const char *kind = ref ? json_path_str(ref, "kind", "") : "";
		autofree char *key = NULL;

		if (!ref)
			return;
		key = str_path(object_namespace(o), json_path_str(ref, "name", ""), NULL);
		if (str_eq(kind, "ReplicaSet"))
			reconciler_queue(r, WORK_REPLICASET, key);
		else if (str_eq(kind, "Deployment"))
			reconciler_queue(r, WORK_DEPLOYMENT, key);
		else if (str_eq(kind, "Job"))
			reconciler_queue(r, WORK_JOB, key);
		o = store_get_uid(r->store, json_path_str(ref, "uid", ""));
	}
}

static bool labels_differ(const json_t *a, const json_t *b)
{
	const json_t *x = json_path(a, "metadata.labels"), *y = json_path(b, "metadata.labels");

	return x && y ? !json_equal(x, y) : x != y;
}

/* Is the object of EVENT new to those who adopt what nobody owns: made, let go or labelled? */
static bool became_orphan(const struct store_event *event)
{
	if (event->type == STORE_DELETED || object_controller_ref(event->object))
		return false;
	if (event->type == STORE_ADDED)
		return true;
	return event->old &&
	       (object_controller_ref(event->old) || labels_differ(event->object, event->old));
}

static void on_change(const struct store_event *event, void *data)
{
	struct reconciler *r = data;
	const json_t *o = event->object;
	const char *app = object_annotation(o, SYNC_ANNOTATION_APP);

	switch (event->kind) {
	case KIND_DEPLOYMENT:
		reconciler_queue_object(r, WORK_DEPLOYMENT, o);
		break;
	case KIND_REPLICASET:
		reconciler_queue_object(r, WORK_REPLICASET, o);
		if (became_orphan(event))
			deployment_queue_matching(r, o);
		break;
	case KIND_JOB:
		reconciler_queue_object(r, WORK_JOB, o);
		break;
	case KIND_POD:
		reconciler_queue(r, WORK_POD, object_uid(o));
		if (became_orphan(event))
			replicaset_queue_matching(r, o);
		break;
	case KIND_NAMESPACE:
		reconciler_queue(r, WORK_NAMESPACE, object_name(o));
		break;
	case KIND_CONFIGMAP:
	case KIND_SECRET:
		sync_config_changed(r, o);
		break;
	case KIND_APP:
		if (event->type != STORE_MODIFIED)
			sources_queue_all(r);
		break;
	default:
		break;
	}
	drift_queue(r, event);
	queue_owners(r, o);
	if (event->type == STORE_DELETED)
		garbage_queue_owner(r, o);
	if (object_deleting(o) && event->kind != KIND_NAMESPACE)
		reconciler_queue(r, WORK_NAMESPACE, object_namespace(o));
	if (app && event->kind != KIND_EVENT)
		reconciler_queue(r, WORK_APP, app);
	if (event->kind == KIND_POD || event->kind == KIND_REPLICASET)
		sync_queue_owner_app(r, o);
}

/* ---- life ---- */

static void queue_existing(const json_t *object, void *data)
{
	struct store_event event = {STORE_MODIFIED, object_kind(object), 0, object, NULL};

	on_change(&event, data);
}

struct reconciler *reconciler_new(struct store *store, const struct ports *ports,
				  const struct reconciler_config *config)
{
	struct reconciler *r = NEW(struct reconciler);

	r->store = store;
	r->ports = *ports;
	r->node_name = mem_strdup(config->node_name);
	r->host_ip = mem_strdup(config->host_ip);
	r->node = config->node;
	r->confirm_prune = mem_strdup(config->confirm_prune);
	r->started_ns = reconciler_realtime_ns(r);
	r->queue = queue_new();
	r->effects = effects_new();
	r->events = events_new();
	r->pods = pods_new();
	r->apps = apps_new();
	r->pass_open = true; /* no wake-up calls while constructing */
	r->sources = sources_new();
	apps_load(r);
	sources_load(r);
	r->watch_id = store_watch(store, on_change, r);
	for (int kind = 0; kind < KIND_N_; kind++)
		store_each(store, (enum kind)kind, NULL, queue_existing, r);
	garbage_queue_all(r);
	r->pass_open = false;
	store_begin(store);
	return r;
}

struct reconciler *reconciler_free(struct reconciler *r)
{
	struct err err = {0};

	if (!r)
		return NULL;
	store_unwatch(r->store, r->watch_id);
	(void)store_commit(r->store,
			   &err); /* what is lost here is derived again at the next start */
	reconciler_abandon(r);
	return NULL;
}

void reconciler_abandon(struct reconciler *r)
{
	effects_free(r->effects);
	apps_free(r->apps);
	sources_free(r->sources);
	pods_free(r->pods);
	events_free(r->events);
	queue_free(r->queue);
	free(r->node_name);
	free(r->host_ip);
	free(r->confirm_prune);
	free(r);
}

struct store *reconciler_store(struct reconciler *r)
{
	return r->store;
}

/*
 * One transaction: it was opened when the last one closed, so that what answers of the ports wrote
 * in between is in it. The effects follow once it is durable.
 */
static int run_pass(struct reconciler *r, bool *ret_more, struct err *err)
{
	uint64_t now = reconciler_now_ms(r);
	unsigned int work = 0, n = 0;
	int ret;

	r->pass_open = true;
	while (r->recovered && n < PASS_MAX_KEYS) { /* what objects say of pods is old before */
		autofree char *key = NULL;

		if (queue_take(r->queue, &work, &key, now) == 0)
			break;
		log_debug("reconcile", LOG_KV("controller", controllers[work].name),
			  LOG_KV("key", key));
		controllers[work].reconcile(r, key);
		n++;
	}
	ret = store_commit(r->store, err);
	r->pass_open = false;
	if (ret < 0)
		return ret;
	store_begin(r->store);
	effects_run(r);
	*ret_more = r->recovered && queue_next_ms(r->queue) <= now;
	return 0;
}

int reconciler_run(struct reconciler *r, struct err *err)
{
	bool more = true;

	while (more) {
		int ret = run_pass(r, &more, err);

		if (ret < 0)
			return ret;
	}
	r->ports.wake_at(r->ports.data, r->recovered ? queue_next_ms(r->queue) : UINT64_MAX);
	return 0;
}
