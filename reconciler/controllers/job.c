/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: count what ended, decide (job_plan.c), start and remove pods, write the status once.
 */
#include "reconciler/controllers/job.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/job_plan.h"
#include "reconciler/controllers/job_pods.h"
#include "reconciler/controllers/replicaset.h"
#include "reconciler/controllers/template.h"
#include "reconciler/controllers/victims.h"
#include "reconciler/events.h"
#include "reconciler/jobspec.h"

#define COMPONENT "job-controller"
#define BUCKET "jobs" /* "namespace/name" -> {"done": [digests]} */
#define DONE_MAX 8
#define FIELD_INDEX "metadata.annotations['" JOBSPEC_INDEX "']"

struct job_pass {
	struct reconciler *r;
	json_t *job;  /* a copy; its status is written at the end */
	json_t *pods; /* array: the pods of it, as they are in the store */
	struct job_view v;
	bool *done; /* Indexed: which indexes are complete */
	size_t n_indexes;
	char *policy_message; /* why a rule ended the Job */
};

/* clang-format off */
static const struct {
	const char *reason;
	const char *message;
} causes[JOB_FAILURE_CAUSE_N_] = {
	[JOB_POLICY]   = { "PodFailurePolicy",     "" },
	[JOB_BACKOFF]  = { "BackoffLimitExceeded", "Job has reached the specified backoff limit" },
	[JOB_DEADLINE] = { "DeadlineExceeded",     "Job was active longer than specified deadline" },
};
/* clang-format on */

static void pass_deinit(struct job_pass *p)
{
	json_decref(p->job);
	json_decref(p->pods);
	free(p->done);
	free(p->policy_message);
}

/* ---- conditions ---- */

static bool condition_true(const json_t *job, const char *type)
{
	return str_eq(json_path_str(object_condition(job, type), "status", ""), "True");
}

static bool set_condition(struct job_pass *p, const char *type, bool on, const char *reason,
			  const char *message)
{
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(p->r, now);
	return object_set_condition(p->job, type, on ? "True" : "False", reason, message, now);
}

bool job_complete(const json_t *job)
{
	return condition_true(job, "Complete");
}

bool job_failed(const json_t *job, const char **ret_reason, const char **ret_message)
{
	const json_t *c = object_condition(job, "Failed");

	if (!condition_true(job, "Failed"))
		return false;
	*ret_reason = json_path_str(c, "reason", "");
	*ret_message = json_path_str(c, "message", "");
	return true;
}

/* ---- pods ---- */

/* Give POD the finalizer of job tracking, or take it. */
static void set_tracked(struct reconciler *r, const json_t *pod, bool tracked)
{
	autojson *copy = json_clone(pod), *kept = json_array();
	json_t *f;
	size_t i;

	json_array_foreach(json_path(pod, "metadata.finalizers"), i, f) {
		if (!str_eq(json_string_value(f), JOBSPEC_FINALIZER))
			json_array_append(kept, f);
	}
	if (tracked)
		json_array_append_new(kept, json_text(JOBSPEC_FINALIZER));
	if (json_array_size(kept) > 0)
		json_path_set_new(copy, "metadata.finalizers", json_incref(kept));
	else
		json_path_del(copy, "metadata.finalizers");
	(void)store_update_status(r->store, copy);
}

static void set_owner(struct reconciler *r, const json_t *pod, const json_t *job)
{
	autojson *copy = json_clone(pod);

	if (job)
		object_set_controller(copy, job);
	else
		object_drop_controller(copy);
	(void)store_update_status(r->store, copy);
	set_tracked(r, store_get_uid(r->store, object_uid(pod)), job != NULL);
}

static void add_pod(struct job_pass *p, const json_t *pod)
{
	json_array_append(p->pods,
			  (json_t *)(uintptr_t)store_get_uid(p->r->store, object_uid(pod)));
}

/* The pods of the Job: its own that match; matching orphans become its own, its own that stopped
 * matching are let go. */
static void claim_pods(struct job_pass *p)
{
	autojson *owned = store_owned(p->r->store, KIND_POD, p->job);
	autojson *orphans = store_orphans(p->r->store, KIND_POD, object_namespace(p->job));
	const json_t *selector = json_path(p->job, "spec.selector");
	json_t *pod;
	size_t i;

	json_decref(p->pods);
	p->pods = json_array();
	json_array_foreach(owned, i, pod) {
		if (object_selector_matches(selector, json_path(pod, "metadata.labels")))
			add_pod(p, pod);
		else
			set_owner(p->r, pod, NULL);
	}
	json_array_foreach(orphans, i, pod) {
		if (object_deleting(p->job) || !job_pod_active(pod) ||
		    !object_selector_matches(selector, json_path(pod, "metadata.labels")))
			continue;
		set_owner(p->r, pod, p->job);
		add_pod(p, pod);
	}
}

void job_release_pod(struct reconciler *r, const json_t *pod)
{
	if (job_pod_uncounted(pod))
		set_tracked(r, pod, false);
}

/* Whose Job is gone. */
static bool owner_is_gone(struct reconciler *r, const json_t *pod, const char *name)
{
	const json_t *ref = object_controller_ref(pod);

	return ref && str_eq(json_path_str(ref, "kind", ""), "Job") &&
	       str_eq(json_path_str(ref, "name", ""), name) &&
	       !store_get_uid(r->store, json_path_str(ref, "uid", ""));
}

bool job_leaves_pods(struct reconciler *r, const char *ns, const char *name)
{
	autojson *pods = store_list(r->store, KIND_POD, ns);
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		if (owner_is_gone(r, pod, name))
			return true;
	}
	return false;
}

/* ---- counting ---- */

static int64_t status_int(const struct job_pass *p, const char *name)
{
	return json_path_int(json_object_get(p->job, "status"), name, 0);
}

static json_t *status_of(struct job_pass *p)
{
	if (!json_is_object(json_object_get(p->job, "status")))
		json_set(p->job, "status", json_object());
	return json_object_get(p->job, "status");
}

static void status_add(struct job_pass *p, const char *name)
{
	json_set(status_of(p), name, json_integer(status_int(p, name) + 1));
}

/* Is POD's index one of this Job's? Always, when it has none. */
static bool index_fits(const struct job_pass *p, const json_t *pod)
{
	int64_t index = job_pod_index(pod);

	return !p->done || (index >= 0 && (size_t)index < p->n_indexes);
}

static void count_success(struct job_pass *p, const json_t *pod)
{
	if (!index_fits(p, pod))
		return;
	if (p->done && p->done[job_pod_index(pod)])
		return; /* a second pod of one index changes nothing */
	if (p->done)
		p->done[job_pod_index(pod)] = true;
	status_add(p, "succeeded");
}

static void count_failure(struct job_pass *p, const json_t *pod)
{
	enum job_failure_action action = JOB_COUNT;

	if (!p->policy_message && job_pod_in_phase(pod, "Failed"))
		action = job_pod_failure(json_object_get(p->job, "spec"), pod, &p->policy_message);
	if (action != JOB_IGNORE && index_fits(p, pod))
		status_add(p, "failed");
}

/* Each pod once: the count and the finalizer change in one transaction. */
static void count_pods(struct job_pass *p)
{
	json_t *pod;
	size_t i;

	json_array_foreach(p->pods, i, pod) {
		if (!job_pod_uncounted(pod))
			continue;
		if (job_pod_in_phase(pod, "Succeeded"))
			count_success(p, pod);
		else if (job_pod_failed(pod, p->v.replace_failed_only))
			count_failure(p, pod);
		else
			continue;
		set_tracked(p->r, pod, false);
	}
	claim_pods(p);
}

/* ---- observe ---- */

static void look_at_spec(struct job_pass *p)
{
	const json_t *spec = json_object_get(p->job, "spec");
	struct job_view *v = &p->v;

	v->parallelism = json_path_int(spec, "parallelism", 1);
	v->completions = json_path_int(spec, "completions", JOB_NONE);
	v->backoff_limit = json_path_int(spec, "backoffLimit", 6);
	v->deadline_s = json_path_int(spec, "activeDeadlineSeconds", JOB_NONE);
	v->suspend = json_path_bool(spec, "suspend", false);
	v->on_failure = str_eq(json_path_str(spec, "template.spec.restartPolicy", ""), "OnFailure");
	v->replace_failed_only = str_eq(json_path_str(spec, "podReplacementPolicy", ""), "Failed");
	v->failing = condition_true(p->job, "FailureTarget");
	v->succeeded_enough = condition_true(p->job, "SuccessCriteriaMet");
	v->now_ns = reconciler_realtime_ns(p->r);
	if (!str_eq(json_path_str(spec, "completionMode", ""), "Indexed"))
		return;
	p->n_indexes = (size_t)(v->completions > 0 ? v->completions : 0);
	p->done = mem_calloc(p->n_indexes + 1, sizeof(*p->done));
	job_indexes_parse(p->done, p->n_indexes,
			  json_path_str(p->job, "status.completedIndexes", ""));
}

/* How many have failed since the last success, and when the last of them did. */
static void look_at_failures(struct job_pass *p)
{
	int64_t success_ns = 0, ns;
	json_t *pod;
	size_t i;

	json_array_foreach(p->pods, i, pod) {
		ns = job_pod_finished_ns(pod);
		if (job_pod_in_phase(pod, "Succeeded") && ns > success_ns)
			success_ns = ns;
	}
	json_array_foreach(p->pods, i, pod) {
		ns = job_pod_finished_ns(pod);
		if (!job_pod_failed(pod, p->v.replace_failed_only) || ns <= success_ns)
			continue;
		p->v.recent_failures++;
		if (ns > p->v.last_failure_ns)
			p->v.last_failure_ns = ns;
	}
}

static void look_at_pods(struct job_pass *p)
{
	struct job_view *v = &p->v;
	json_t *pod;
	size_t i;

	v->succeeded = status_int(p, "succeeded");
	v->failed = status_int(p, "failed");
	v->fail_job = p->policy_message != NULL;
	(void)clock_parse_rfc3339(&v->started_ns, json_path_str(p->job, "status.startTime", ""));
	json_array_foreach(p->pods, i, pod) {
		if (job_pod_ended(pod))
			continue;
		v->active += job_pod_active(pod);
		v->terminating += object_deleting(pod);
		v->restarts += job_pod_restarts(pod);
	}
	look_at_failures(p);
}

/* ---- act ---- */

static void add_index_env(json_t *containers)
{
	json_t *c, *env;
	size_t i;

	json_array_foreach(containers, i, c) {
		env = json_object_get(c, "env");
		if (!env) {
			env = json_array();
			json_set(c, "env", env);
		}
		json_array_append_new(env,
				      json_pack("{s:s, s:{s:{s:s, s:s}}}", "name",
						"JOB_COMPLETION_INDEX", "valueFrom", "fieldRef",
						"apiVersion", "v1", "fieldPath", FIELD_INDEX));
	}
}

/* What tells the pod of INDEX: a label, an annotation, its host name, a variable. */
static void set_index(const struct job_pass *p, json_t *pod, size_t index)
{
	autofree char *text = mem_asprintf("%zu", index);
	autofree char *host = mem_asprintf("%s-%zu", object_name(p->job), index);
	autofree char *base = mem_asprintf("%s-", host);

	assert(index < p->n_indexes);
	json_set(json_path(pod, "metadata.labels"), JOBSPEC_INDEX, json_text(text));
	object_set_annotation(pod, JOBSPEC_INDEX, text);
	json_path_set_new(pod, "metadata.generateName", json_text(base));
	if (!json_path(pod, "spec.hostname"))
		json_path_set_new(pod, "spec.hostname", json_text(host));
	add_index_env(json_path(pod, "spec.containers"));
	add_index_env(json_path(pod, "spec.initContainers"));
}

/* The lowest index that is neither complete nor has a pod; n_indexes: there is none. */
static size_t free_index(const struct job_pass *p, const bool *taken)
{
	size_t i = 0;

	while (i < p->n_indexes && (p->done[i] || taken[i]))
		i++;
	return i;
}

static bool *taken_indexes(const struct job_pass *p)
{
	bool *taken = mem_calloc(p->n_indexes + 1, sizeof(*taken));
	json_t *pod;
	size_t i;

	json_array_foreach(p->pods, i, pod) {
		int64_t index = job_pod_index(pod);
		bool counts =
			job_pod_active(pod) || (p->v.replace_failed_only && !job_pod_ended(pod));

		if (index >= 0 && (size_t)index < p->n_indexes && counts)
			taken[index] = true;
	}
	return taken;
}

static void add_finalizer(json_t *pod)
{
	if (!json_path(pod, "metadata.finalizers"))
		json_path_set_new(pod, "metadata.finalizers", json_array());
	json_array_append_new(json_path(pod, "metadata.finalizers"), json_text(JOBSPEC_FINALIZER));
}

static void create_pods(struct job_pass *p, int64_t n)
{
	autofree bool *taken = p->done ? taken_indexes(p) : NULL;
	const json_t *created = NULL;

	for (int64_t i = 0; i < n; i++) {
		autojson *pod = template_pod(p->r, p->job);
		size_t index = taken ? free_index(p, taken) : 0;

		if (taken && index == p->n_indexes)
			return;
		add_finalizer(pod);
		if (taken) {
			taken[index] = true;
			set_index(p, pod, index);
		}
		if (store_create(p->r->store, pod, &created) == 0)
			events_normal(p->r, p->job, COMPONENT, "SuccessfulCreate",
				      "Created pod: %s", object_name(created));
	}
}

/* Delete N active pods, those of least use first; as failures when the Job fails, else uncounted.
 */
static void remove_pods(struct job_pass *p, int64_t n, bool failed)
{
	autojson *active = json_array(), *victims = NULL;
	json_t *pod;
	size_t i;

	if (n == 0)
		return;
	json_array_foreach(p->pods, i, pod) {
		if (job_pod_active(pod))
			json_array_append(active, pod);
	}
	victims = victims_choose(active, (size_t)n, 0, p->v.now_ns);
	json_array_foreach(victims, i, pod) {
		if (failed && job_pod_uncounted(pod))
			status_add(p, "failed");
		set_tracked(p->r, pod, false);
		reconciler_delete(p->r, store_get_uid(p->r->store, object_uid(pod)));
		events_normal(p->r, p->job, COMPONENT, "SuccessfulDelete", "Deleted pod: %s",
			      object_name(pod));
	}
	claim_pods(p);
	p->v.terminating += n;
	p->v.active -= n;
}

/* ---- the end ---- */

static void begin_failure(struct job_pass *p, const struct job_step *s)
{
	const char *message = s->why == JOB_POLICY && p->policy_message ? p->policy_message
									: causes[s->why].message;

	(void)set_condition(p, "FailureTarget", true, causes[s->why].reason, message);
	remove_pods(p, s->remove, true);
	p->v.failing = true;
}

static void begin_success(struct job_pass *p, const struct job_step *s)
{
	(void)set_condition(p, "SuccessCriteriaMet", true, "CompletionsReached",
			    "Reached expected number of succeeded pods");
	remove_pods(p, s->remove, false);
	p->v.succeeded_enough = true;
}

static void end_job(struct job_pass *p)
{
	const json_t *target = object_condition(p->job, "FailureTarget");
	char now[CLOCK_RFC3339_SIZE];

	if (p->v.failing) {
		autofree char *reason = mem_strdup(json_path_str(target, "reason", ""));
		autofree char *message = mem_strdup(json_path_str(target, "message", ""));

		(void)set_condition(p, "Failed", true, reason, message);
		events_warning(p->r, p->job, COMPONENT, reason, "%s", message);
		return;
	}
	reconciler_rfc3339(p->r, now);
	(void)set_condition(p, "Complete", true, "CompletionsReached",
			    "Reached expected number of succeeded pods");
	json_set(status_of(p), "completionTime", json_text(now));
	events_normal(p->r, p->job, COMPONENT, "Completed", "Job completed");
}

/* One decision after the other until one of them has to wait for something. */
static void act(struct job_pass *p)
{
	autofree char *key = mem_asprintf("%s/%s", object_namespace(p->job), object_name(p->job));
	struct job_step s;

	for (;;) {
		s = job_plan(&p->v);
		if (s.verdict == JOB_FAILS)
			begin_failure(p, &s);
		else if (s.verdict == JOB_SUCCEEDS)
			begin_success(p, &s);
		else
			break;
	}
	if (s.verdict == JOB_ENDED) {
		end_job(p);
		reconciler_queue(p->r, WORK_JOB, key); /* for what follows the end */
		return;
	}
	remove_pods(p, s.remove, p->v.failing);
	if (s.create > 0)
		create_pods(p, s.create);
	if (s.again_ms != INT64_MAX)
		reconciler_queue_after(p->r, WORK_JOB, key, (uint64_t)s.again_ms);
}

/* ---- status ---- */

static void note_suspension(struct job_pass *p)
{
	bool was = condition_true(p->job, "Suspended");
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(p->r, now);
	if (p->v.suspend && !was) {
		(void)set_condition(p, "Suspended", true, "JobSuspended", "Job suspended");
		events_normal(p->r, p->job, COMPONENT, "Suspended", "Job suspended");
	} else if (!p->v.suspend && was) {
		(void)set_condition(p, "Suspended", false, "JobResumed", "Job resumed");
		events_normal(p->r, p->job, COMPONENT, "Resumed", "Job resumed");
	}
	if (p->v.suspend)
		(void)json_object_del(status_of(p), "startTime");
	else if (was || !json_object_get(status_of(p), "startTime"))
		json_set(status_of(p), "startTime", json_text(now));
}

static void write_status(struct job_pass *p)
{
	int64_t active = 0, ready = 0, terminating = 0;
	json_t *status = status_of(p), *pod;
	size_t i;

	claim_pods(p);
	json_array_foreach(p->pods, i, pod) {
		active += job_pod_active(pod);
		ready += job_pod_active(pod) && replicaset_pod_ready(pod);
		terminating += !job_pod_ended(pod) && object_deleting(pod);
	}
	if (active > 0)
		json_set(status, "active", json_integer(active));
	else
		(void)json_object_del(status, "active");
	json_set(status, "ready", json_integer(ready));
	json_set(status, "terminating", json_integer(terminating));
	if (p->done) {
		autofree char *text = job_indexes_format(p->done, p->n_indexes);

		json_set(status, "completedIndexes", json_text(text));
	}
	(void)store_update_status(p->r->store, p->job);
}

/* ---- after the end ---- */

static bool has_ended(const json_t *job)
{
	return job_complete(job) || condition_true(job, "Failed");
}

static void after_the_end(struct job_pass *p)
{
	const json_t *c = object_condition(p->job, job_complete(p->job) ? "Complete" : "Failed");
	int64_t ttl_s = json_path_int(p->job, "spec.ttlSecondsAfterFinished", -1), ended_ns = 0;
	int64_t left_ms;
	autofree char *key = NULL;
	json_t *pod;
	size_t i;

	json_array_foreach(p->pods, i, pod) {
		job_release_pod(p->r, pod);
	}
	if (ttl_s < 0 || object_deleting(p->job))
		return;
	(void)clock_parse_rfc3339(&ended_ns, json_path_str(c, "lastTransitionTime", ""));
	left_ms = (ended_ns - p->v.now_ns) / 1000000 + ttl_s * 1000;
	if (left_ms <= 0) {
		job_remember(p->r, p->job);
		reconciler_delete(p->r, p->job);
		return;
	}
	key = mem_asprintf("%s/%s", object_namespace(p->job), object_name(p->job));
	reconciler_queue_after(p->r, WORK_JOB, key, (uint64_t)left_ms);
}

static json_t *record_of(struct reconciler *r, const char *ns, const char *name)
{
	autofree char *key = mem_asprintf("%s/%s", ns, name);
	const json_t *doc = store_doc_get(r->store, BUCKET, key);

	return doc ? json_clone(doc) : json_pack("{s:[]}", "done");
}

static bool record_has(const json_t *record, const char *digest)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(record, "done"), i, entry) {
		if (str_eq(json_string_value(entry), digest))
			return true;
	}
	return false;
}

bool job_was_done(struct reconciler *r, const json_t *wanted)
{
	autojson *record = record_of(r, object_namespace(wanted), object_name(wanted));
	char digest[80];

	if (json_array_size(json_object_get(record, "done")) == 0)
		return false;
	jobspec_digest(digest, wanted);
	return record_has(record, digest);
}

void job_remember(struct reconciler *r, const json_t *job)
{
	autojson *record = record_of(r, object_namespace(job), object_name(job));
	autofree char *key = mem_asprintf("%s/%s", object_namespace(job), object_name(job));
	json_t *done = json_object_get(record, "done");
	char digest[80];

	jobspec_digest(digest, job);
	if (!job_complete(job) || record_has(record, digest))
		return;
	json_array_append_new(done, json_text(digest));
	if (json_array_size(done) > DONE_MAX)
		json_array_remove(done, 0);
	store_doc_put(r->store, BUCKET, key, record);
}

void job_forget(struct reconciler *r, const char *ns, const char *name)
{
	autofree char *key = mem_asprintf("%s/%s", ns, name);

	store_doc_delete(r->store, BUCKET, key);
}

/* ---- one pass ---- */

static void run_pass(struct job_pass *p)
{
	look_at_spec(p);
	claim_pods(p);
	if (has_ended(p->job)) {
		after_the_end(p);
		return;
	}
	count_pods(p);
	if (!p->v.failing && !p->v.succeeded_enough)
		note_suspension(p);
	look_at_pods(p);
	if (!object_deleting(p->job))
		act(p);
	write_status(p);
}

void job_reconcile(struct reconciler *r, const char *key)
{
	const char *slash = strchr(key, '/');
	autofree char *ns = mem_strndup(key, (size_t)(slash - key));
	const json_t *live = store_get(r->store, KIND_JOB, ns, slash + 1);
	struct job_pass p = {.r = r};

	if (!live)
		return; /* its pods are released with the garbage */
	p.job = json_clone(live);
	if (jobspec_generate(p.job))
		(void)store_update_status(r->store, p.job);
	run_pass(&p);
	pass_deinit(&p);
}
