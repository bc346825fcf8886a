/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers around sd-event.
 */
#include "base/loop.h"

#include <assert.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"

#define ACCURACY_US 1000

struct timer {
	loop_fn fn;
	void *data;
};

static void timer_destroy(void *data)
{
	free(data);
}

static int on_timer(sd_event_source *s UNUSED, uint64_t usec UNUSED, void *data)
{
	const struct timer *t = data;

	t->fn(t->data);
	return 0;
}

static int timer_rearm(sd_event_source *s, uint64_t after_us)
{
	int r = sd_event_source_set_time_relative(s, after_us);

	if (r < 0)
		return r;
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int loop_timer(sd_event_source **source, sd_event *loop, uint64_t after_ms, loop_fn fn, void *data)
{
	sd_event_source *s = NULL;
	struct timer *t;
	uint64_t after_us;
	int r;

	assert(source && fn);
	if (__builtin_mul_overflow(after_ms, (uint64_t)1000, &after_us))
		return -ERANGE;
	if (*source) {
		t = sd_event_source_get_userdata(*source);
		assert(t->fn == fn && t->data == data);
		return timer_rearm(*source, after_us);
	}
	t = NEW(struct timer);
	*t = (struct timer){fn, data};
	r = sd_event_add_time_relative(loop, &s, CLOCK_BOOTTIME, after_us, ACCURACY_US, on_timer,
				       t);
	if (r < 0) {
		free(t);
		return r;
	}
	(void)sd_event_source_set_destroy_callback(s, timer_destroy);
	*source = s;
	return 0;
}

void loop_timer_stop(sd_event_source *source)
{
	if (source)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int add_signals(sd_event *loop)
{
	static const int ending[] = {SIGTERM, SIGINT};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, normal = {.sa_handler = SIG_DFL};
	sigset_t blocked;
	int r;

	/* An inherited "ignore" of SIGCHLD would have the kernel reap our children before we do. */
	if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigaction(SIGCHLD, &normal, NULL) < 0)
		return -errno;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		(void)sigaddset(&blocked, ending[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		/* Without a callback sd-event ends the loop, with code 0. */
		r = sd_event_add_signal(loop, NULL, ending[i], NULL, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

int loop_new(sd_event **ret, struct err *err)
{
	sd_event *loop = NULL;
	int r;

	r = sd_event_new(&loop);
	if (r < 0)
		return err_errno(err, r, "create event loop");
	r = add_signals(loop);
	if (r < 0) {
		sd_event_unref(loop);
		return err_errno(err, r, "set up signals");
	}
	*ret = loop;
	return 0;
}
