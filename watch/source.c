/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a source: idle → settling → reading → idle. Events only make it look; what it sees
 * decides. See source_priv.h for what folders and git do differently, watch/spec.c for how a SPEC
 * is read.
 */
#include "watch/source_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "watch/spec_priv.h"

#define QUIET_MS 30
#define REMOVAL_MS 100
#define SETTLE_MAX_MS 250
#define POLL_MS 2000
#define RESCAN_MS (10 * 60 * 1000)
#define BUSY_MAX_MS                                                                                \
	10000 /* a first revision waits so long for a manifest that is being written               \
	       */
#define BUSY_RETRY_MS 500
#define CHECKOUT_MAX_MS 5000 /* a lock may also have been left behind */
#define CHECKOUT_RETRY_MS 50
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 60000
#define CONFIRM_MAX 4
#define SAID_MAX 256

/* clang-format off */
static const struct {
	const char *name;
	unsigned next;
} states[SOURCE_STATE_N_] = {
	[SOURCE_IDLE]     = { "idle",     BIT(SOURCE_SETTLING) | BIT(SOURCE_READING) },
	[SOURCE_SETTLING] = { "settling", BIT(SOURCE_READING) },
	[SOURCE_READING]  = { "reading",  BIT(SOURCE_IDLE) | BIT(SOURCE_SETTLING) },
};
/* clang-format on */

static void look(void *data);

static void move(struct watch_source *src, enum source_state to)
{
	assert(states[src->state].next & BIT(to));
	src->state = to;
}

/* --- telling
 * -------------------------------------------------------------------------------------------------
 */

bool source_say(struct watch_source *src, const char *text)
{
	bool freed = false;

	if (strlist_contains(&src->said, text))
		return true;
	if (src->said.n >= SAID_MAX)
		strlist_deinit(&src->said);
	strlist_add(&src->said, text);
	if (!src->cb.on_notice)
		return true;
	src->freed = &freed;
	src->cb.on_notice(src, text, src->data);
	if (!freed)
		src->freed = NULL;
	return !freed;
}

/* ERR NULL ends a problem. False when the callback freed SRC. */
static bool tell_problem(struct watch_source *src, const struct err *err)
{
	bool freed = false;

	if (err ? str_eq(err->message, src->problem.message) : src->problem.code == 0)
		return true;
	src->problem = err ? *err : (struct err){0};
	if (!src->cb.on_problem)
		return true;
	src->freed = &freed;
	src->cb.on_problem(src, err, src->data);
	if (!freed)
		src->freed = NULL;
	return !freed;
}

/* --- timers
 * --------------------------------------------------------------------------------------------------
 */

/* Idle: look again after AFTER_MS at the latest. */
static void rest(struct watch_source *src, uint64_t after_ms)
{
	if (src->o.once)
		return;
	if (src->polling && src->o.poll_ms < after_ms)
		after_ms = src->o.poll_ms;
	(void)loop_timer(&src->later, src->loop, after_ms, look, src);
}

static void settle(struct watch_source *src, uint64_t due_ms)
{
	uint64_t now = clock_boottime_ms();

	if (src->state != SOURCE_SETTLING)
		move(src, SOURCE_SETTLING);
	loop_timer_stop(src->later);
	(void)loop_timer(&src->settle, src->loop, due_ms > now ? due_ms - now : 0, look, src);
}

void source_event(struct watch_source *src, enum debounce_kind kind)
{
	src->n_events++;
	debounce_note(&src->burst, kind, clock_boottime_ms());
	if (src->state != SOURCE_READING)
		settle(src, debounce_due(&src->burst));
}

static void on_inotify(uint32_t mask, const char *name, void *data)
{
	struct watch_source *src = data;
	bool removal =
		mask & (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT);

	if (mask & IN_Q_OVERFLOW)
		src->n_overflows++;
	else if (src->problem.code == 0 && src->kind && !src->kind->concerns(src, mask, name))
		return;
	source_event(src, removal ? DEBOUNCE_REMOVAL : DEBOUNCE_CHANGE);
}

/* --- watching
 * ------------------------------------------------------------------------------------------------
 */

void source_watch(struct watch_source *src, int fd)
{
	if (!src->watch) {
		src->watch_failed = true;
		return;
	}
	/* A directory that is gone already makes its parent tell. */
	if (fd >= 0 && dirwatch_add(src->watch, fd) == -ENOSPC)
		src->watch_failed = true;
}

void source_watch_ancestor(struct watch_source *src, const char *path)
{
	autofree char *at = mem_strdup(path);
	char *slash;

	while ((slash = strrchr(at, '/'))) {
		autoclose int fd = -1;

		*slash = '\0';
		fd = fs_open(*at ? at : "/", O_PATH | O_DIRECTORY, 0);
		if (fd >= 0) {
			source_watch(src, fd);
			return;
		}
	}
}

/* False when the callback freed SRC. */
static bool tell_polling(struct watch_source *src)
{
	if (src->o.once || src->watch_failed == src->polling)
		return true;
	src->polling = src->watch_failed;
	if (!src->polling)
		return source_say(src, "all directories can be watched again; no more polling");
	return source_say(
		src,
		"the limit of inotify watches is reached (fs.inotify.max_user_watches): polling instead");
}

/* --- reading
 * -------------------------------------------------------------------------------------------------
 */

static void on_read(struct reader *rd, int r, const struct err *err, void *data);

int source_read(struct watch_source *src, const char *program, json_t *request, int pass_fd,
		void (*on_dirs)(const json_t *dirs, void *data), struct err *err)
{
	struct reader_spec spec = {
		.program = program,
		.request = request,
		.pass_fd = pass_fd,
		.cache = &src->cache,
		.seen = src->seen,
		.max_entries = src->o.max_entries,
		.on_dirs = on_dirs,
		.on_end = on_read,
		.data = src,
	};

	json_set(request, "haveContent", json_boolean(src->seen != NULL));
	json_set(request, "maxEntries", json_integer((json_int_t)src->o.max_entries));
	return reader_start(&src->reader, src->loop, &spec, err);
}

static void rest_after(struct watch_source *src, uint64_t after_ms)
{
	move(src, SOURCE_IDLE);
	if (src->n_events == src->n_events_at_begin) {
		rest(src, after_ms);
		return;
	}
	/* What came while we read starts a burst of its own. */
	if (!src->burst.pending)
		debounce_note(&src->burst, DEBOUNCE_CHANGE, clock_boottime_ms());
	settle(src, debounce_due(&src->burst));
}

/* Nothing can be read now. What is transient is tried again, what is invalid waits for an event. */
static void fail(struct watch_source *src, const struct err *err)
{
	uint64_t retry_ms = RETRY_MIN_MS << (src->n_failed < 8 ? src->n_failed : 8);
	struct err copy = *err;

	if (src->n_events == src->n_events_at_begin)
		debounce_clear(&src->burst);
	(void)err_reason(&copy, "SourceUnreadable");
	src->n_failed++;
	if (copy.kind == ERR_INVALID)
		rest_after(src, src->o.rescan_ms);
	else
		rest_after(src, retry_ms < RETRY_MAX_MS ? retry_ms : RETRY_MAX_MS);
	/* A crash or a stale cache costs one retry, not a word. */
	if (src->n_failed == 1 && copy.code == -ESTALE && !src->o.once)
		return;
	(void)tell_problem(src, &copy);
}

static void publish(struct watch_source *src, struct revision *rev)
{
	debounce_clear(&src->burst);
	src->candidate = revision_unref(src->candidate);
	src->n_confirm = 0;
	src->busy_since_ms = 0;
	src->checkout_since_ms = 0;
	rest_after(src, src->o.rescan_ms);
	if (!tell_problem(src, NULL))
		return;
	if (src->published && src->kind->same(src->published, rev))
		return;
	revision_unref(src->published);
	src->published = revision_ref(rev);
	if (src->cb.on_revision)
		src->cb.on_revision(src, rev, src->data);
}

/* True when a path of WAS is missing in REV and was not missing in the look before, CANDIDATE. */
static bool lacks_more(const struct revision *was, const struct revision *rev,
		       const struct revision *candidate)
{
	size_t n;
	const struct revision_entry *e = revision_entries(was, &n);

	for (size_t i = 0; i < n; i++)
		if (!revision_find(rev, e[i].path) &&
		    (!candidate || revision_find(candidate, e[i].path)))
			return true;
	return false;
}

/*
 * What began at *SINCE_MS (0: now) is worth waiting for, up to MAX_MS in all: look again after
 * RETRY_MS. False when it took too long.
 */
static bool wait_for(struct watch_source *src, uint64_t *since_ms, uint64_t max_ms,
		     uint64_t retry_ms)
{
	uint64_t now = clock_boottime_ms();

	*since_ms = *since_ms ? *since_ms : now;
	if (now - *since_ms >= max_ms)
		return false;
	debounce_clear(&src->burst);
	rest_after(src, retry_ms);
	return true;
}

/* A read went well: publish it, or look again because it may be half of something. */
static void consider(struct watch_source *src, struct revision *rev, const json_t *result)
{
	bool unsettled = json_path_bool(result, "unsettled", false);
	uint64_t now = clock_boottime_ms();

	if (src->o.once) {
		publish(src, rev);
		return;
	}
	if (unsettled)
		debounce_note(&src->burst, DEBOUNCE_CHANGE, now);
	if ((unsettled || src->n_events != src->n_events_at_begin) &&
	    !debounce_overdue(&src->burst, now)) {
		settle(src, debounce_due(&src->burst));
		return;
	}
	if (!src->published && json_path_int(result, "busyKept", 0) > 0 &&
	    wait_for(src, &src->busy_since_ms, BUSY_MAX_MS, BUSY_RETRY_MS))
		return;
	if (json_path_bool(result, "checkout", false) &&
	    wait_for(src, &src->checkout_since_ms, CHECKOUT_MAX_MS, CHECKOUT_RETRY_MS))
		return;
	if (src->kind->kind == REVISION_FOLDER && src->published && src->n_confirm < CONFIRM_MAX &&
	    lacks_more(src->published, rev, src->candidate)) {
		revision_unref(src->candidate);
		src->candidate = revision_ref(rev);
		src->n_confirm++;
		debounce_clear(&src->burst);
		settle(src, now + REMOVAL_MS);
		return;
	}
	publish(src, rev);
}

static void keep_cache(struct watch_source *src, struct reader *rd)
{
	autofree char *name = NULL;

	if (!reader_take_cache(rd, &src->cache) || src->o.state_dirfd < 0)
		return;
	name = spec_cache_name(src->path);
	/* Losing it costs time only: no fsync, and a reader checks its digest. */
	(void)spec_cache_write(src->o.state_dirfd, name, &src->cache);
}

/* False when a callback freed SRC. */
static bool say_notes(struct watch_source *src, struct reader *rd)
{
	const struct strlist *notes = reader_notes(rd);

	for (size_t i = 0; i < notes->n; i++)
		if (!source_say(src, notes->items[i]))
			return false;
	return true;
}

static void on_read(struct reader *reader, int r, const struct err *failure, void *data)
{
	_cleanup_(reader_freep) struct reader *rd = reader;
	_cleanup_(revision_unrefp) struct revision *rev = NULL;
	struct watch_source *src = data;
	struct err err = failure ? *failure : (struct err){0};

	assert(src->state == SOURCE_READING);
	src->reader = NULL;
	src->n_scans++;
	/* After half a walk the other half is still to be watched: what is wrong may be put right
	 * there. */
	if (src->watch && r >= 0)
		dirwatch_sweep(src->watch);
	if (!tell_polling(src))
		return;
	if (r >= 0)
		r = revision_builder_finish(&rev, reader_builder(rd), src->kind->kind,
					    src->kind->id(src), src->path, &err);
	if (r >= 0 && src->kind->check)
		r = src->kind->check(src, rev, reader_result(rd), &err);
	if (r < 0) {
		if (err.code == -ESTALE)
			strbuf_deinit(&src->cache);
		fail(src, &err);
		return;
	}
	src->n_failed = 0;
	revision_unref(src->seen);
	src->seen = revision_ref(rev);
	keep_cache(src, rd);
	if (say_notes(src, rd))
		consider(src, rev, reader_result(rd));
}

static void look(void *data)
{
	struct watch_source *src = data;
	struct err err = {0};
	int r;

	if (src->state == SOURCE_READING)
		return;
	loop_timer_stop(src->settle);
	loop_timer_stop(src->later);
	move(src, SOURCE_READING);
	src->n_events_at_begin = src->n_events;
	src->watch_failed = false;
	if (src->watch)
		dirwatch_begin(src->watch);
	r = spec_recognise(src, &err);
	if (r >= 0)
		r = src->kind->begin(src, &err);
	if (r == SOURCE_BEGIN_READING)
		return;
	if (src->watch)
		dirwatch_sweep(src->watch);
	if (!tell_polling(src))
		return;
	if (r < 0) {
		fail(src, &err);
		return;
	}
	src->n_failed = 0;
	publish(src, src->published);
}

/* --- public
 * --------------------------------------------------------------------------------------------------
 */

static void defaults(struct watch_options *o)
{
	o->max_entries = o->max_entries && o->max_entries < REVISION_ENTRIES_MAX
				 ? o->max_entries
				 : REVISION_ENTRIES_MAX;
	o->quiet_ms = o->quiet_ms ? o->quiet_ms : QUIET_MS;
	o->settle_max_ms = o->settle_max_ms ? o->settle_max_ms : SETTLE_MAX_MS;
	o->poll_ms = o->poll_ms ? o->poll_ms : POLL_MS;
	o->rescan_ms = o->rescan_ms ? o->rescan_ms : RESCAN_MS;
	if (o->settle_max_ms < o->quiet_ms)
		o->settle_max_ms = o->quiet_ms;
}

int watch_source_new(struct watch_source **ret, sd_event *loop, const char *spec,
		     const struct watch_options *o, const struct watch_callbacks *callbacks,
		     void *data, struct err *err)
{
	_cleanup_(watch_source_freep) struct watch_source *src = NEW(struct watch_source);
	int r;

	src->loop = sd_event_ref(loop);
	src->o = o ? *o : (struct watch_options)WATCH_OPTIONS_INIT;
	defaults(&src->o);
	src->cb = *callbacks;
	src->data = data;
	src->root_fd = -1;
	src->burst.quiet_ms = src->o.quiet_ms;
	src->burst.max_ms = src->o.settle_max_ms;
	src->burst.removal_ms =
		REMOVAL_MS < src->o.settle_max_ms ? REMOVAL_MS : src->o.settle_max_ms;
	r = spec_parse(src, spec, err);
	if (r < 0)
		return r;
	/* Without an inotify instance (max_user_instances) we poll. */
	if (!src->o.once)
		(void)dirwatch_new(&src->watch, loop, src->o.max_watches, on_inotify, src, NULL);
	if (src->o.state_dirfd >= 0) {
		autofree char *name = spec_cache_name(src->path);

		(void)spec_cache_read(&src->cache, src->o.state_dirfd, name);
	}
	r = loop_timer(&src->later, loop, 0, look, src);
	if (r < 0)
		return err_errno(err, r, "%s: timer", spec);
	*ret = TAKE_PTR(src);
	return 0;
}

struct watch_source *watch_source_free(struct watch_source *src)
{
	if (!src)
		return NULL;
	if (src->freed)
		*src->freed = true;
	reader_free(src->reader);
	dirwatch_free(src->watch);
	sd_event_source_disable_unref(src->settle);
	sd_event_source_disable_unref(src->later);
	strbuf_deinit(&src->cache);
	strlist_deinit(&src->said);
	revision_unref(src->published);
	revision_unref(src->seen);
	revision_unref(src->candidate);
	src->root_fd = mem_close(src->root_fd);
	free(src->git_dir);
	free(src->commit);
	free(src->head);
	free(src->spec);
	free(src->path);
	free(src->branch);
	free(src->name);
	sd_event_unref(src->loop);
	free(src);
	return NULL;
}

void watch_source_rescan(struct watch_source *src)
{
	source_event(src, DEBOUNCE_CHANGE);
}

struct revision *watch_source_revision(const struct watch_source *src)
{
	return src->published;
}

const char *watch_source_name(const struct watch_source *src)
{
	return src->name;
}

json_t *watch_source_describe(const struct watch_source *src)
{
	json_t *j = json_object();

	json_set(j, "spec", json_text(src->spec));
	json_set(j, "kind", json_text(src->kind ? revision_kind_name(src->kind->kind) : "unknown"));
	json_set(j, "path", json_text(src->path));
	if (src->branch || src->head)
		json_set(j, "branch", json_text(src->branch ? src->branch : src->head));
	if (src->published)
		json_set(j, "revision", json_text(revision_id(src->published)));
	json_set(j, "state", json_text(states[src->state].name));
	json_set(j, "polling", json_boolean(src->polling));
	json_set(j, "watches",
		 json_integer(src->watch ? (json_int_t)dirwatch_count(src->watch) : 0));
	json_set(j, "scans", json_integer(src->n_scans));
	json_set(j, "overflows", json_integer(src->n_overflows));
	if (src->problem.code)
		json_set(j, "problem", json_text(src->problem.message));
	return j;
}
