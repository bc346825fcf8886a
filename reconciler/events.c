/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event recorder. Events are ordinary objects of the store; an index in memory finds the one
 * that a repetition belongs to, and is rebuilt from nothing after a restart (a repetition then
 * starts a new event).
 */
#include "reconciler/events.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/strbuf.h"

#define EVENTS_TTL_MS (3600ull * 1000)
#define EVENTS_MAX 500
#define EVENTS_BURST                                                                               \
	25 /* of one reason and object; then one every so often, as Kubernetes does                \
	    */
#define EVENTS_REFILL_MS (300ull * 1000)
#define BUCKETS_MAX 4096
#define EVENTS_TRIM_EVERY 250 /* new ones between two looks at how many there are */

struct events {
	unsigned int n_new; /* since they were last trimmed */
	json_t *index;      /* "uid|source|type|reason|message" -> "namespace/name" */
	json_t *buckets;    /* "uid|source|reason" -> [how many more may come, since when in ms] */
};

struct events *events_new(void)
{
	struct events *e = NEW(struct events);

	e->index = json_object();
	e->buckets = json_object();
	return e;
}

struct events *events_free(struct events *e)
{
	if (!e)
		return NULL;
	json_decref(e->index);
	json_decref(e->buckets);
	free(e);
	return NULL;
}

static json_t *involved_object(const json_t *object)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "apiVersion",
			 json_path_str(object, "apiVersion", ""), "kind",
			 json_path_str(object, "kind", ""), "namespace", object_namespace(object),
			 "name", object_name(object), "uid", object_uid(object));
}

static json_t *event_object(struct reconciler *r, const json_t *object, const char *source,
			    const char *type, const char *reason, const char *message)
{
	const char *ns = *object_namespace(object) ? object_namespace(object) : "default";
	autofree char *name = mem_asprintf("%.200s.%llx", object_name(object),
					   (unsigned long long)reconciler_realtime_ns(r) +
						   store_resource_version(r->store));
	char now[CLOCK_RFC3339_SIZE];
	json_t *e;

	reconciler_rfc3339(r, now);
	e = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:s, s:s, s:o, s:i, s:s, s:s, s:{s:s}, s:s}",
		      "apiVersion", "v1", "kind", "Event", "metadata", "namespace", ns, "name",
		      name, "involvedObject", involved_object(object), "type", type, "reason",
		      reason, "message", json_text(message), "count", 1, "firstTimestamp", now,
		      "lastTimestamp", now, "source", "component", source, "reportingComponent",
		      source);
	assert(e);
	return e;
}

/* Count a repetition on the event behind KEY; false when that event is gone. */
static bool count_again(struct reconciler *r, const char *key)
{
	const char *where = json_string_value(json_object_get(r->events->index, key));
	const char *slash = where ? strchr(where, '/') : NULL;
	autofree char *ns = slash ? mem_strndup(where, (size_t)(slash - where)) : NULL;
	const json_t *old = slash ? store_get(r->store, KIND_EVENT, ns, slash + 1) : NULL;
	autojson *e = old ? json_clone(old) : NULL;
	char now[CLOCK_RFC3339_SIZE];

	if (!e)
		return false;
	reconciler_rfc3339(r, now);
	json_set(e, "count", json_integer(json_path_int(e, "count", 0) + 1));
	json_set(e, "lastTimestamp", json_text(now));
	(void)store_update_status(r->store, e);
	return true;
}

/* A probe that fails for days must not write to the store each time. */
static bool take_from_bucket(struct reconciler *r, const json_t *object, const char *source,
			     const char *reason)
{
	autofree char *key = mem_asprintf("%s|%s|%s", object_uid(object), source, reason);
	json_t *buckets = r->events->buckets, *bucket = json_object_get(buckets, key);
	uint64_t now = reconciler_now_ms(r), since = now;
	int64_t left = EVENTS_BURST, more;

	if (bucket) {
		since = (uint64_t)json_path_int(bucket, "[1]", 0);
		more = (int64_t)((now - since) / EVENTS_REFILL_MS);
		left = json_path_int(bucket, "[0]", 0) + more;
		since += (uint64_t)more * EVENTS_REFILL_MS;
	} else if (json_object_size(buckets) >= BUCKETS_MAX) {
		json_object_clear(buckets);
	}
	if (left >= EVENTS_BURST) {
		left = EVENTS_BURST;
		since = now;
	}
	if (left > 0)
		json_set(buckets, key,
			 json_pack("[I, I]", (json_int_t)left - 1, (json_int_t)since));
	return left > 0;
}

static void record(struct reconciler *r, const json_t *object, const char *source, const char *type,
		   const char *reason, const char *message)
{
	autofree char *key =
		mem_asprintf("%s|%s|%s|%s|%s", object_uid(object), source, type, reason, message);
	autojson *e = NULL;
	autofree char *where = NULL;

	if (!take_from_bucket(r, object, source, reason) || count_again(r, key))
		return;
	if (json_object_size(r->events->index) >= EVENTS_MAX)
		json_object_clear(r->events->index);
	e = event_object(r, object, source, type, reason, message);
	where = mem_asprintf("%s/%s", object_namespace(e), object_name(e));
	json_set(r->events->index, key, json_text(where));
	(void)store_create(r->store, e, NULL);
	if (++r->events->n_new >= EVENTS_TRIM_EVERY)
		reconciler_queue(r, WORK_EVENTS, "");
	else
		reconciler_queue_after(r, WORK_EVENTS, "", EVENTS_TTL_MS);
}

void events_normal(struct reconciler *r, const json_t *object, const char *source,
		   const char *reason, const char *fmt, ...)
{
	autofree char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = mem_vasprintf(fmt, ap);
	va_end(ap);
	record(r, object, source, "Normal", reason, message);
}

void events_warning(struct reconciler *r, const json_t *object, const char *source,
		    const char *reason, const char *fmt, ...)
{
	autofree char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = mem_vasprintf(fmt, ap);
	va_end(ap);
	record(r, object, source, "Warning", reason, message);
}

static int64_t last_seen_ns(const json_t *event)
{
	int64_t ns = 0;

	(void)clock_parse_rfc3339(&ns, json_path_str(event, "lastTimestamp", ""));
	return ns;
}

struct seen {
	int64_t ns;
	const json_t *event;
};

static int compare_last_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

void events_expire(struct reconciler *r, const char *key UNUSED)
{
	autojson *list = store_list(r->store, KIND_EVENT, NULL);
	size_t n = json_array_size(list), keep = n;
	autofree struct seen *sorted = mem_calloc(n + 1, sizeof(*sorted));
	int64_t oldest = reconciler_realtime_ns(r) - (int64_t)EVENTS_TTL_MS * 1000000;

	for (size_t i = 0; i < n; i++) {
		const json_t *event = json_array_get(list, i);

		sorted[i] = (struct seen){last_seen_ns(event), event};
	}
	r->events->n_new = 0;
	qsort(sorted, n, sizeof(*sorted), compare_last_seen);
	for (size_t i = 0; i < n && (sorted[i].ns <= oldest || keep > EVENTS_MAX); i++, keep--)
		(void)store_delete(r->store, KIND_EVENT, object_namespace(sorted[i].event),
				   object_name(sorted[i].event));
	if (keep > 0)
		reconciler_queue_after(r, WORK_EVENTS, "", EVENTS_TTL_MS / 6);
}
