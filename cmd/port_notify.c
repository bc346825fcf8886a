/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries, in the order of their events for each hook; a few at a time, and no more waiting than
 * can be remembered. A webhook that may work later is tried again with back-off.
 */
#include "cmd/port_notify.h"

#include <assert.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "cmd/host.h"
#include "cmd/notify_priv.h"

#define JOBS_MAX 64
#define RUNNING_MAX 4
#define DEADLINE_SLACK_MS                                                                          \
	2000 /* the worker keeps the deadline itself; this is for one that does not */
#define RESULT_MAX_BYTES (64u << 10)

/* Waits before the second try and the later ones. */
static const uint64_t backoff_ms[] = {1000, 5000, 25000};

struct notify_job {
	struct host *host;
	char *source;
	size_t hook; /* index in spec.notify, for messages and for order */
	json_t *request;
	struct worker *worker;  /* while it runs */
	sd_event_source *timer; /* until the next try */
	bool waits;             /* for the timer */
	json_t *result;
	unsigned int failed;
};

static void pump(struct host *h);

static void job_remove(struct notify_job *job)
{
	struct host *h = job->host;
	size_t i = 0;

	while (h->notify_jobs[i] != job)
		i++;
	for (h->n_notify_jobs--; i < h->n_notify_jobs; i++)
		h->notify_jobs[i] = h->notify_jobs[i + 1];
	(void)worker_free(job->worker);
	sd_event_source_disable_unref(job->timer);
	json_decref(job->request);
	json_decref(job->result);
	free(job->source);
	free(job);
}

void port_notify_stop(struct host *h)
{
	while (h->n_notify_jobs > 0)
		job_remove(h->notify_jobs[h->n_notify_jobs - 1]);
	free(h->notify_jobs);
	h->notify_jobs = NULL;
	h->cap_notify_jobs = 0;
}

static void warn(struct host *h, const char *source, const char *reason, const char *message)
{
	log_warn("a notification was not delivered", LOG_KV("source", source),
		 LOG_KV("reason", reason), LOG_KV("error", message));
	reconciler_source_warning(h->reconciler, source, reason, message);
	host_run_policy(h);
}

static void on_retry(void *data)
{
	struct notify_job *job = data;

	job->waits = false;
	pump(job->host);
}

static void give_up(struct notify_job *job, const char *why)
{
	struct host *h = job->host;
	autofree char *message = mem_asprintf("spec.notify[%zu], event %s of app %s: %s", job->hook,
					      json_path_str(job->request, "event.type", ""),
					      json_path_str(job->request, "event.app", ""), why);

	warn(h, job->source, "NotifyFailed", message);
	job_remove(job);
	pump(h);
}

/* One try is over. */
static void conclude(struct notify_job *job, bool ok, bool transient, const char *why)
{
	struct host *h = job->host;

	if (ok) {
		log_debug("notified", LOG_KV("source", job->source));
		job_remove(job);
		pump(h);
		return;
	}
	if (!transient || job->failed == ARRAY_SIZE(backoff_ms)) {
		give_up(job, why);
		return;
	}
	log_info("a notification is tried again", LOG_KV("source", job->source),
		 LOG_KV("error", why));
	job->waits = true;
	if (loop_timer(&job->timer, h->loop, backoff_ms[job->failed++], on_retry, job) < 0)
		give_up(job, why);
	else
		pump(h);
}

static void on_message(struct worker *w, const struct ipc_msg *m, void *data)
{
	struct notify_job *job = data;

	if (m->type != NOTIFY_MSG_RESULT || job->result ||
	    json_parse(&job->result, m->data, m->len, RESULT_MAX_BYTES, NULL) < 0)
		worker_kill(w);
}

static void on_end(struct worker *w, int status, void *data)
{
	struct notify_job *job = data;
	autojson *result = TAKE_PTR(job->result);
	bool webhook = json_path(job->request, "hook.webhook") != NULL;

	job->worker = worker_free(w);
	if (result && status == 0)
		conclude(job, json_path_bool(result, "ok", false),
			 json_path_bool(result, "transient", false),
			 json_path_str(result, "message", ""));
	else
		conclude(job, false, webhook,
			 status == -ETIMEDOUT ? "its worker hung" : "its worker died");
}

static void start(struct notify_job *job)
{
	struct err err = {0};
	const struct worker_options options = {
		.name = "recond-notify",
		.deadline_ms =
			(uint64_t)json_path_int(job->request, "timeoutMs", 0) + DEADLINE_SLACK_MS,
		.pass_fd = -1,
		.on_message = on_message,
		.on_end = on_end,
		.data = job,
	};

	if (worker_spawn(&job->worker, job->host->loop, &options, &err) < 0) {
		conclude(job, false, true, err.message);
		return;
	}
	worker_send_json(job->worker, NOTIFY_MSG_REQUEST, job->request);
	worker_finish_input(job->worker);
}

/* An earlier event of the same hook goes first, also while it waits to be tried again. */
static bool is_first(const struct host *h, size_t at)
{
	const struct notify_job *job = h->notify_jobs[at];

	for (size_t i = 0; i < at; i++)
		if (h->notify_jobs[i]->hook == job->hook &&
		    str_eq(h->notify_jobs[i]->source, job->source))
			return false;
	return true;
}

static void pump(struct host *h)
{
	size_t running = 0;

	for (size_t i = 0; i < h->n_notify_jobs; i++)
		running += h->notify_jobs[i]->worker != NULL;
	for (size_t i = 0; i < h->n_notify_jobs && running < RUNNING_MAX; i++) {
		struct notify_job *job = h->notify_jobs[i];

		if (job->worker || job->waits || !is_first(h, i))
			continue;
		start(job);
		if (i < h->n_notify_jobs && h->notify_jobs[i] == job && job->worker)
			running++;
	}
}

static bool wants(const json_t *hook, const char *type)
{
	const json_t *events = json_object_get(hook, "events"), *e;
	size_t i;

	json_array_foreach(events, i, e) {
		if (str_eq(json_string_value(e), type))
			return true;
	}
	return !events;
}

static void add_job(struct host *h, const struct host_source *s, size_t i, const json_t *event)
{
	const json_t *hook = json_array_get(s->hooks, i);
	struct notify_job *job;

	if (h->n_notify_jobs == JOBS_MAX) {
		warn(h, s->name, "NotifyDropped", "too many notifications wait already");
		return;
	}
	job = NEW(struct notify_job);
	job->host = h;
	job->source = mem_strdup(s->name);
	job->hook = i;
	job->request = json_object();
	json_set(job->request, "hook", json_deep_copy(hook));
	json_set(job->request, "event", json_deep_copy(event));
	json_set(job->request, "timeoutMs",
		 json_integer(1000 * json_path_int(hook, "timeoutSeconds", 10)));
	GROW(h->notify_jobs, h->cap_notify_jobs, h->n_notify_jobs + 1);
	h->notify_jobs[h->n_notify_jobs++] = job;
}

void port_notify(void *data, const char *source, const json_t *event)
{
	struct host *h = data;
	const struct host_source *s = port_source_find(h, source);
	const json_t *hook;
	size_t i;

	assert(json_is_object(event));
	if (!s)
		return;
	json_array_foreach(s->hooks, i, hook) {
		if (wants(hook, json_path_str(event, "type", "")))
			add_job(h, s, i, event);
	}
	pump(h);
}
