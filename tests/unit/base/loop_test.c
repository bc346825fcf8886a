/* SPDX-License-Identifier: Apache-2.0 */
/* Timers and the signals of the loop. No test measures how long something took. */
#include "base/loop.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

struct fixture {
	sd_event *loop;
	sd_event_source *timer;
	int fired;
	bool free_self;
};

static void fixture_init(struct fixture *f)
{
	struct err e = {0};

	cr_assert_eq(loop_new(&f->loop, &e), 0, "%s", e.message);
}

static void fixture_deinit(struct fixture *f)
{
	sd_event_source_disable_unref(f->timer);
	sd_event_unref(f->loop);
}

static void fire(void *data)
{
	struct fixture *f = data;

	f->fired++;
	if (f->free_self)
		f->timer = sd_event_source_disable_unref(f->timer);
}

static void end(void *data)
{
	(void)sd_event_exit(data, 5);
}

Test(loop, a_timer_fires_once_and_not_early)
{
	struct fixture f = {0};
	sd_event_source *ender = NULL;
	uint64_t start = clock_boottime_ms();

	fixture_init(&f);
	cr_assert_eq(loop_timer(&f.timer, f.loop, 20, fire, &f), 0);
	cr_assert_eq(loop_timer(&ender, f.loop, 60, end, f.loop), 0);
	cr_expect_eq(sd_event_loop(f.loop), 5);
	cr_expect_eq(f.fired, 1);
	cr_expect_geq(clock_boottime_ms() - start, 60);
	sd_event_source_disable_unref(ender);
	fixture_deinit(&f);
}

Test(loop, arming_again_moves_the_same_timer)
{
	struct fixture f = {0};
	sd_event_source *first;

	fixture_init(&f);
	cr_assert_eq(loop_timer(&f.timer, f.loop, 3600 * 1000, fire, &f), 0);
	first = f.timer;
	cr_assert_eq(loop_timer(&f.timer, f.loop, 1, fire, &f), 0);
	cr_expect_eq(f.timer, first);
	cr_expect_gt(sd_event_run(f.loop, UINT64_MAX), 0);
	cr_expect_eq(f.fired, 1);
	cr_assert_eq(loop_timer(&f.timer, f.loop, 1, fire, &f), 0);
	cr_expect_gt(sd_event_run(f.loop, UINT64_MAX), 0);
	cr_expect_eq(f.fired, 2, "a timer that fired can be armed again");
	fixture_deinit(&f);
}

Test(loop, a_stopped_timer_does_not_fire)
{
	struct fixture f = {0};
	sd_event_source *ender = NULL;

	fixture_init(&f);
	loop_timer_stop(NULL);
	cr_assert_eq(loop_timer(&f.timer, f.loop, 0, fire, &f), 0);
	loop_timer_stop(f.timer);
	cr_assert_eq(loop_timer(&ender, f.loop, 30, end, f.loop), 0);
	cr_expect_eq(sd_event_loop(f.loop), 5);
	cr_expect_eq(f.fired, 0);
	sd_event_source_disable_unref(ender);
	fixture_deinit(&f);
}

Test(loop, a_callback_may_free_its_timer)
{
	struct fixture f = {.free_self = true};

	fixture_init(&f);
	cr_assert_eq(loop_timer(&f.timer, f.loop, 1, fire, &f), 0);
	cr_expect_gt(sd_event_run(f.loop, UINT64_MAX), 0);
	cr_expect_eq(f.fired, 1);
	cr_expect_null(f.timer);
	fixture_deinit(&f);
}

Test(loop, a_delay_beyond_all_clocks_is_refused)
{
	struct fixture f = {0};

	fixture_init(&f);
	cr_expect_lt(loop_timer(&f.timer, f.loop, UINT64_MAX, fire, &f), 0);
	cr_expect_null(f.timer);
	fixture_deinit(&f);
}

Test(loop, sigterm_and_sigint_end_it)
{
	static const int signals[] = {SIGTERM, SIGINT};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct fixture f = {0};

		fixture_init(&f);
		cr_assert_eq(kill(getpid(), signals[i]), 0);
		cr_expect_eq(sd_event_loop(f.loop), 0, "signal %d", signals[i]);
		fixture_deinit(&f);
	}
}
