/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the policy: runs what the queue holds in transactions, carries out effects after
 * their commit, and turns changes of objects into keys for the controllers that care. What a
 * controller decides is in its own file.
 */
#include "reconciler/reconciler.h"

#include <assert.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "reconciler/controllers/deployment.h"
#include "reconciler/controllers/garbage.h"
#include "reconciler/controllers/job.h"
#include "reconciler/controllers/pod.h"
#include "reconciler/controllers/pod_check.h"
#include "reconciler/controllers/pod_run.h"
#include "reconciler/controllers/replicaset.h"
#include "reconciler/drift.h"
#include "reconciler/events.h"
#include "reconciler/reconciler_priv.h"
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
	[WORK_EVENTS]     = { "events",     events_expire },
};
/* clang-format on */

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

uint64_t reconciler_now_ms(struct reconciler *r)
{
	return r->ports.now_ms(r->ports.data);
}

int64_t reconciler_realtime_ns(struct reconciler *r)
{
	return r->ports.realtime_ns(r->ports.data);
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
	autofree char *key = mem_asprintf("%s/%s", object_namespace(object), object_name(object));

	reconciler_queue(r, work, key);
}

/* ---- effects ---- */

static struct effect *effect_add(struct reconciler *r, enum effect_type type, const char *id)
{
	GROW(r->effects, r->cap_effects, r->n_effects + 1);
	r->effects[r->n_effects] = (struct effect){.type = type, .id = mem_strdup(id)};
	return &r->effects[r->n_effects++];
}

void effect_sandbox_up(struct reconciler *r, json_t *request_taken)
{
	effect_add(r, EFFECT_SANDBOX_UP, NULL)->doc = request_taken;
}

void effect_container_start(struct reconciler *r, json_t *request_taken)
{
	effect_add(r, EFFECT_CONTAINER_START, NULL)->doc = request_taken;
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
	effect_add_source(r, EFFECT_BUILD_PLAN, id, source, revision)->doc = json_deep_copy(image);
}

void effect_build(struct reconciler *r, const char *id, const char *source, const char *revision,
		  const json_t *image)
{
	effect_add_source(r, EFFECT_BUILD, id, source, revision)->doc = json_deep_copy(image);
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

static void effect_clear(struct effect *e)
{
	json_decref(e->doc);
	free(e->id);
	free(e->name);
	free(e->revision);
}

/* Ports may answer at once, from within; what that queues waits for the next pass. */
static void effects_run(struct reconciler *r)
{
	autofree struct effect *effects = TAKE_PTR(r->effects);
	size_t n = r->n_effects;

	r->n_effects = r->cap_effects = 0;
	for (size_t i = 0; i < n; i++) {
		FAILPOINT("effect.before");
		effect_run(r, &effects[i]);
		effect_clear(&effects[i]);
	}
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
		key = mem_asprintf("%s/%s", object_namespace(o), json_path_str(ref, "name", ""));
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
	default:
		break;
	}
	drift_queue(r, event);
	queue_owners(r, o);
	if (event->type == STORE_DELETED)
		garbage_queue_owner(r, o);
	if (object_deleting(o) && event->kind == KIND_POD)
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
	r->queue = queue_new();
	r->events = events_new();
	r->pods = pods_new();
	r->apps = apps_new();
	r->pass_open = true; /* no wake-up calls while constructing */
	apps_load(r);
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
	for (size_t i = 0; i < r->n_effects; i++)
		effect_clear(&r->effects[i]);
	free(r->effects);
	apps_free(r->apps);
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
	while (n < PASS_MAX_KEYS) {
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
	*ret_more = queue_next_ms(r->queue) <= now;
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
	r->ports.wake_at(r->ports.data, queue_next_ms(r->queue));
	return 0;
}
