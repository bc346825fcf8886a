/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One subscription to the store, fanned out. An event is turned into bytes at most once per form,
 * however many clients watch. Present objects are rendered only when the client takes them, so that
 * a big list costs no queue.
 */
#include "api/feed_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "reconciler/object.h"

struct feed {
	struct stream stream; /* first: the stream is the feed */
	struct feeds *hub;
	struct feed *prev;
	struct feed *next;
	enum kind kind;
	char *ns;
	struct selector *selector;
	enum render_form form;
	json_t *known; /* set of uids the client has seen; NULL when every object is selected */
	json_t *initial;
	size_t initial_next;
	uint64_t initial_version;
	bool mark_initial;
	bool bookmarks;
	bool columns_sent;
	bool ending; /* nothing more is queued; the stream ends when the queue is empty */
	sd_event_source *deadline;
	struct bytes *current; /* being sent */
	size_t current_offset;
	struct bytes *queue[FEED_MAX_EVENTS]; /* ring */
	size_t queue_head;
	size_t queue_len;
	size_t queue_bytes;
};

struct feeds {
	sd_event *loop;
	struct store *store;
	unsigned int watch;
	struct feed *first;
	sd_event_source *bookmark_timer;
};

/* The bytes of one event, made when the first feed asks for them. */
struct event_bytes {
	enum kind kind;
	const json_t *object;
	struct bytes *made[STORE_EVENT_N_][RENDER_FORM_N_];
};

static const char *const event_names[STORE_EVENT_N_] = {
	[STORE_ADDED] = "ADDED",
	[STORE_MODIFIED] = "MODIFIED",
	[STORE_DELETED] = "DELETED",
};

static void queue_clear(struct feed *f)
{
	while (f->queue_len > 0) {
		bytes_unref(f->queue[f->queue_head]);
		f->queue_head = (f->queue_head + 1) % FEED_MAX_EVENTS;
		f->queue_len--;
	}
	f->queue_bytes = 0;
}

/* Takes over B. */
static void queue_push(struct feed *f, struct bytes *b)
{
	assert(f->queue_len < FEED_MAX_EVENTS);
	f->queue[(f->queue_head + f->queue_len) % FEED_MAX_EVENTS] = b;
	f->queue_len++;
	f->queue_bytes += b->len;
}

/* What is queued is dropped: the client has to list again anyway. */
static void feed_expire(struct feed *f, const char *message)
{
	queue_clear(f);
	f->initial = (json_decref(f->initial), NULL);
	queue_push(f, render_error(410, "Expired", message));
	f->ending = true;
}

static void feed_push(struct feed *f, struct bytes *b)
{
	if (f->queue_len == FEED_MAX_EVENTS || f->queue_bytes + b->len > FEED_MAX_BYTES) {
		bytes_unref(b);
		feed_expire(f, "too slow: the client did not read its events in time");
	} else {
		queue_push(f, b);
	}
	stream_wake(&f->stream);
}

static struct bytes *event_bytes_get(struct event_bytes *e, struct feed *f,
				     enum store_event_type type)
{
	struct bytes **slot = &e->made[type][f->form];

	if (f->form != RENDER_JSON && !f->columns_sent) {
		f->columns_sent = true;
		return render_event(e->kind, f->form, event_names[type], e->object, true);
	}
	if (!*slot)
		*slot = render_event(e->kind, f->form, event_names[type], e->object, false);
	return bytes_ref(*slot);
}

static void event_bytes_deinit(struct event_bytes *e)
{
	for (size_t t = 0; t < STORE_EVENT_N_; t++) {
		for (size_t form = 0; form < RENDER_FORM_N_; form++)
			bytes_unref(e->made[t][form]);
	}
}

/*
 * What a feed with a selector tells of a change: an object that begins to match is added, one that
 * ceases to match is deleted. REPLAYED: the client may have seen the object in a list that we know
 * nothing of, so a deletion is told even if it was not. False when there is nothing to tell.
 */
static bool translate(struct feed *f, const json_t *object, bool replayed,
		      enum store_event_type *type)
{
	const char *uid = object_uid(object);
	bool known;

	if (!f->known)
		return true;
	known = json_object_get(f->known, uid);
	if (*type == STORE_DELETED || !selector_matches(f->selector, object)) {
		(void)json_object_del(f->known, uid);
		*type = STORE_DELETED;
		return known || replayed;
	}
	if (!known) {
		json_set(f->known, uid, json_true());
		*type = replayed ? *type : STORE_ADDED;
	}
	return true;
}

/* The store keeps the last state of a deleted object; its watchers need the version of the
 * deletion. */
static json_t *event_object(const struct store_event *event)
{
	json_t *copy;
	json_t *metadata;

	if (event->type != STORE_DELETED)
		return json_incref((json_t *)event->object);
	copy = json_copy((json_t *)event->object);
	metadata = json_copy(json_object_get(copy, "metadata"));
	json_set(metadata, "resourceVersion", json_sprintf("%" PRIu64, event->resource_version));
	json_set(copy, "metadata", metadata);
	return copy;
}

static void feed_event(struct feed *f, const struct store_event *event, struct event_bytes *bytes,
		       bool replayed)
{
	enum store_event_type type = event->type;

	if (f->ending || event->kind != f->kind)
		return;
	if (f->ns && !str_eq(f->ns, object_namespace(event->object)))
		return;
	if (translate(f, event->object, replayed, &type))
		feed_push(f, event_bytes_get(bytes, f, type));
}

static void on_store_event(const struct store_event *event, void *data)
{
	struct feeds *hub = data;
	struct event_bytes bytes = {.kind = event->kind};
	autojson *object = NULL;

	if (!hub->first)
		return;
	object = event_object(event);
	bytes.object = object;
	for (struct feed *f = hub->first; f; f = f->next)
		feed_event(f, event, &bytes, false);
	event_bytes_deinit(&bytes);
}

static void on_replay(const struct store_event *event, void *data)
{
	struct event_bytes bytes = {.kind = event->kind};
	autojson *object = event_object(event);

	bytes.object = object;
	feed_event(data, event, &bytes, true);
	event_bytes_deinit(&bytes);
}

/* Bookmarks */

static void arm_bookmarks(struct feeds *hub);

static void on_bookmark_timer(void *data)
{
	struct feeds *hub = data;
	uint64_t version = store_resource_version(hub->store);

	for (struct feed *f = hub->first; f; f = f->next) {
		if (f->bookmarks && !f->ending)
			feed_push(f, render_bookmark(f->kind, f->form, version, false));
	}
	arm_bookmarks(hub);
}

/* The timer runs only while somebody wants bookmarks: an idle daemon does not wake. */
static void arm_bookmarks(struct feeds *hub)
{
	for (struct feed *f = hub->first; f; f = f->next) {
		if (!f->bookmarks)
			continue;
		if (!sd_event_source_get_enabled(hub->bookmark_timer, NULL))
			(void)loop_timer(&hub->bookmark_timer, hub->loop, FEED_BOOKMARK_MS,
					 on_bookmark_timer, hub);
		return;
	}
	loop_timer_stop(hub->bookmark_timer);
}

static void on_deadline(void *data)
{
	struct feed *f = data;

	f->ending = true;
	stream_wake(&f->stream);
}

/* Reading */

static struct bytes *next_initial(struct feed *f)
{
	size_t n = json_array_size(f->initial);

	if (f->initial_next < n) {
		bool with_columns = f->form != RENDER_JSON && !f->columns_sent;

		f->columns_sent = true;
		return render_event(f->kind, f->form, "ADDED",
				    json_array_get(f->initial, f->initial_next++), with_columns);
	}
	f->initial = (json_decref(f->initial), NULL);
	if (!f->mark_initial)
		return NULL;
	return render_bookmark(f->kind, f->form, f->initial_version, true);
}

static struct bytes *queue_pop(struct feed *f)
{
	struct bytes *b;

	if (f->queue_len == 0)
		return NULL;
	b = f->queue[f->queue_head];
	f->queue_head = (f->queue_head + 1) % FEED_MAX_EVENTS;
	f->queue_len--;
	f->queue_bytes -= b->len;
	return b;
}

static bool feed_advance(struct feed *f)
{
	if (f->current)
		return true;
	if (f->initial)
		f->current = next_initial(f);
	if (!f->current)
		f->current = queue_pop(f);
	f->current_offset = 0;
	return f->current;
}

static ssize_t feed_read(struct stream *s, char *buf, size_t max)
{
	struct feed *f = (struct feed *)s;
	size_t done = 0;

	while (done < max && feed_advance(f)) {
		size_t n = f->current->len - f->current_offset;

		if (n > max - done)
			n = max - done;
		memcpy(buf + done, f->current->data + f->current_offset, n);
		f->current_offset += n;
		done += n;
		if (f->current_offset == f->current->len)
			f->current = bytes_unref(f->current);
	}
	if (done > 0)
		return (ssize_t)done;
	return f->ending ? STREAM_END : STREAM_IDLE;
}

static void feed_free(struct stream *s)
{
	struct feed *f = (struct feed *)s;

	if (f->prev)
		f->prev->next = f->next;
	else
		f->hub->first = f->next;
	if (f->next)
		f->next->prev = f->prev;
	arm_bookmarks(f->hub);
	sd_event_source_disable_unref(f->deadline);
	queue_clear(f);
	bytes_unref(f->current);
	json_decref(f->initial);
	json_decref(f->known);
	selector_free(f->selector);
	free(f->ns);
	free(f);
}

static const struct stream_ops feed_ops = {feed_read, feed_free};

static void link_feed(struct feeds *hub, struct feed *f)
{
	f->hub = hub;
	f->next = hub->first;
	if (f->next)
		f->next->prev = f;
	hub->first = f;
}

/* Present objects that F selects, and which of them its client will know. */
static json_t *present(struct feed *f)
{
	autojson *all = store_list(f->hub->store, f->kind, f->ns);
	json_t *selected = json_array();
	size_t i;
	json_t *object;

	json_array_foreach(all, i, object) {
		if (!selector_matches(f->selector, object))
			continue;
		(void)json_array_append(selected, object);
		if (f->known)
			json_set(f->known, object_uid(object), json_true());
	}
	return selected;
}

static void feed_begin(struct feed *f, const struct feed_options *o)
{
	json_t *objects;

	if (o->initial) {
		f->initial = present(f);
		f->initial_version = store_resource_version(f->hub->store);
		return;
	}
	if (store_replay(f->hub->store, f->kind, o->since, on_replay, f) != 1) {
		feed_expire(f, "too old resource version");
		return;
	}
	objects = present(f);
	json_decref(objects);
}

struct stream *feed_new(struct feeds *hub, const struct feed_options *o)
{
	struct feed *f = NEW(struct feed);

	assert(o->selector);
	f->stream.ops = &feed_ops;
	f->kind = o->kind;
	f->ns = mem_strdup(o->ns);
	f->selector = o->selector;
	f->form = o->form;
	f->mark_initial = o->mark_initial;
	f->bookmarks = o->bookmarks;
	if (!selector_is_empty(o->selector))
		f->known = json_object();
	link_feed(hub, f);
	feed_begin(f, o);
	arm_bookmarks(hub);
	if (o->timeout_ms > 0)
		(void)loop_timer(&f->deadline, hub->loop, o->timeout_ms, on_deadline, f);
	return &f->stream;
}

struct feeds *feeds_new(sd_event *loop, struct store *store)
{
	struct feeds *hub = NEW(struct feeds);

	hub->loop = sd_event_ref(loop);
	hub->store = store;
	hub->watch = store_watch(store, on_store_event, hub);
	return hub;
}

struct feeds *feeds_free(struct feeds *hub)
{
	if (!hub)
		return NULL;
	assert(!hub->first);
	store_unwatch(hub->store, hub->watch);
	sd_event_source_disable_unref(hub->bookmark_timer);
	sd_event_unref(hub->loop);
	free(hub);
	return NULL;
}
