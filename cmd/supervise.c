/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness, counts and signs of life. The counts are made from the store when it has changed, but
 * not at each change: a rollout writes hundreds.
 */
#include "cmd/supervise.h"

#include <assert.h>
#include <ctype.h>
#include <systemd/sd-daemon.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/object.h"

#define STATUS_MS 1000
#define PINGS_PER_PERIOD 4

struct supervise {
	sd_event *loop;
	struct store *store;
	unsigned int watch_id;
	sd_event_source *status_timer, *watchdog_timer;
	uint64_t ping_ms; /* 0: no watchdog */
	char *told;       /* the last line of counts */
	bool is_ready, status_due;
	bool unreadable; /* the store, at the last look */
};

/* Phases in the order they are told in; an App whose phase is none of these is counted in the
 * total alone. */
static const char *const phases[] = {"Verified", "Progressing", "Building",
				     "Waiting",  "Held",        "Invalid"};

struct counts {
	size_t apps, by_phase[ARRAY_SIZE(phases)];
	size_t pods, pods_ready;
};

static void count_app(const json_t *app, void *data)
{
	const char *phase = json_path_str(app, "status.phase", "");
	struct counts *c = data;

	c->apps++;
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		c->by_phase[i] += str_eq(phases[i], phase);
}

static void count_pod(const json_t *pod, void *data)
{
	struct counts *c = data;

	c->pods++;
	c->pods_ready +=
		str_eq(json_path_str(object_condition(pod, "Ready"), "status", ""), "True");
}

static void add_count(struct strbuf *out, size_t n, const char *noun)
{
	strbuf_addf(out, "%zu %s%s", n, noun, n == 1 ? "" : "s");
}

char *supervise_text(const struct store *store)
{
	autostrbuf out = STRBUF_INIT;
	struct counts c = {0};
	const char *before = ": ";

	store_each(store, KIND_APP, NULL, count_app, &c);
	store_each(store, KIND_POD, NULL, count_pod, &c);
	add_count(&out, c.apps, "app");
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (c.by_phase[i] == 0)
			continue;
		strbuf_addf(&out, "%s%zu %c%s", before, c.by_phase[i],
			    tolower((unsigned char)phases[i][0]), phases[i] + 1);
		before = ", ";
	}
	strbuf_adds(&out, "; ");
	add_count(&out, c.pods, "pod");
	if (c.pods > 0)
		strbuf_addf(&out, ": %zu ready", c.pods_ready);
	return strbuf_take(&out);
}

static void tell_status(struct supervise *s)
{
	char *text = supervise_text(s->store);

	s->status_due = false;
	if (!str_eq(text, s->told))
		(void)sd_notifyf(0, "STATUS=%s", text);
	free(s->told);
	s->told = text;
}

static void on_status_timer(void *data)
{
	tell_status(data);
}

static void on_change(const struct store_event *event, void *data)
{
	struct supervise *s = data;

	if (!s->is_ready || s->status_due || (event->kind != KIND_APP && event->kind != KIND_POD))
		return;
	s->status_due = loop_timer(&s->status_timer, s->loop, STATUS_MS, on_status_timer, s) == 0;
}

/* One sign of life, which the loop has turned for. */
static void on_watchdog_timer(void *data)
{
	struct supervise *s = data;
	struct err err = {0};
	bool failed = store_check(s->store, &err) < 0;

	if (!failed)
		(void)sd_notify(0, "WATCHDOG=1");
	else if (!s->unreadable)
		log_error(
			"the store cannot be read; the watchdog will end this process, pods go on",
			LOG_ERR(&err));
	s->unreadable = failed;
	(void)loop_timer(&s->watchdog_timer, s->loop, s->ping_ms, on_watchdog_timer, s);
}

int supervise_new(struct supervise **ret, sd_event *loop, struct store *store, struct err *err)
{
	struct supervise *s;
	uint64_t period_us = 0;
	int r = sd_watchdog_enabled(0, &period_us);

	if (r < 0)
		return err_errno(err, r, "read WATCHDOG_USEC and WATCHDOG_PID");
	s = NEW(struct supervise);
	s->loop = sd_event_ref(loop);
	s->store = store;
	if (r > 0)
		s->ping_ms = period_us / 1000 / PINGS_PER_PERIOD ?: 1;
	s->watch_id = store_watch(store, on_change, s);
	*ret = s;
	return 0;
}

void supervise_ready(struct supervise *s)
{
	assert(!s->is_ready);
	s->is_ready = true;
	tell_status(s);
	(void)sd_notify(0, "READY=1");
	if (s->ping_ms > 0)
		on_watchdog_timer(s);
}

struct supervise *supervise_free(struct supervise *s)
{
	if (!s)
		return NULL;
	(void)sd_notify(0, "STOPPING=1");
	store_unwatch(s->store, s->watch_id);
	sd_event_source_disable_unref(s->status_timer);
	sd_event_source_disable_unref(s->watchdog_timer);
	sd_event_unref(s->loop);
	free(s->told);
	free(s);
	return NULL;
}

int supervise_listen_fd(int *ret, struct err *err)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return err_errno(err, n, "read LISTEN_FDS");
	if (n > 1)
		return err_set(
			err, ERR_FATAL, EINVAL, "Sockets",
			"%d sockets were passed on, but the API has one: leave one ListenStream= in the socket unit",
			n);
	*ret = n == 0 ? 0 : SD_LISTEN_FDS_START;
	return 0;
}
