/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a source once, for commands without a daemon: the same source on a loop of its own.
 */
#include <string.h>
#include <systemd/sd-event.h>

#include "watch/source.h"

struct once {
	sd_event *loop;
	struct revision *rev;
	struct err err;
	struct strlist *notices;
};

static void on_revision(struct watch_source *src UNUSED, struct revision *rev, void *data)
{
	struct once *o = data;

	o->rev = revision_ref(rev);
	(void)sd_event_exit(o->loop, 0);
}

static void on_problem(struct watch_source *src UNUSED, const struct err *err, void *data)
{
	struct once *o = data;

	if (!err)
		return;
	o->err = *err;
	(void)sd_event_exit(o->loop, 0);
}

static void on_notice(struct watch_source *src UNUSED, const char *text, void *data)
{
	struct once *o = data;

	if (o->notices)
		strlist_add(o->notices, text);
}

static void once_deinit(struct once *o)
{
	revision_unref(o->rev);
	sd_event_unref(o->loop);
}

int watch_read_once(struct revision **ret, const char *spec, struct strlist *notices,
		    struct err *err)
{
	static const struct watch_callbacks callbacks = {
		.on_revision = on_revision,
		.on_problem = on_problem,
		.on_notice = on_notice,
	};
	struct watch_options options = WATCH_OPTIONS_INIT;
	_cleanup_(once_deinit) struct once o = {.notices = notices};
	_cleanup_(watch_source_freep) struct watch_source *src = NULL;
	int r;

	options.once = true;
	r = sd_event_new(&o.loop);
	if (r < 0)
		return err_errno(err, r, "event loop");
	r = watch_source_new(&src, o.loop, spec, &options, &callbacks, &o, err);
	if (r < 0)
		return r;
	r = sd_event_loop(o.loop);
	if (r < 0)
		return err_errno(err, r, "event loop");
	if (!o.rev)
		return err_set(err, o.err.kind, o.err.code, o.err.reason, "%s", o.err.message);
	*ret = TAKE_PTR(o.rev);
	return 0;
}
