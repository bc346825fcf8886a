/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reload at a time: options, Source files, then sources, hooks and the log level at once. The
 * service manager hears when it begins and when it is over (sd_notify(3)), the log and the Source
 * objects what was wrong.
 */
#include "cmd/reload.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "cmd/config_report.h"
#include "cmd/host.h"

struct reload {
	struct host *host;
	sd_event_source *hup;
	struct config_load *load; /* under way */
	struct options options;   /* what it began with */
	bool again;               /* another SIGHUP came meanwhile */
};

static void begin(struct reload *r);

/* What only a start can change, and was. */
static void say_unchanged(const struct options *now, const struct options *next)
{
	const struct {
		const char *key, *now, *next;
	} fixed[] = {
		{"state-dir", now->state_dir, next->state_dir},
		{"run-dir", now->run_dir, next->run_dir},
		{"socket", now->socket, next->socket},
		{"socket-group", now->socket_group, next->socket_group},
		{"bridge", now->bridge, next->bridge},
		{"pod-cidr", now->pod_cidr, next->pod_cidr},
		{"cgroup-parent", now->cgroup_parent, next->cgroup_parent},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!str_eq(fixed[i].now, fixed[i].next))
			log_warn("a changed setting needs a restart of recond",
				 LOG_KV("setting", fixed[i].key), LOG_KV("now", fixed[i].now),
				 LOG_KV("then", fixed[i].next));
}

static void end(struct reload *r)
{
	r->load = config_load_free(r->load);
	options_deinit(&r->options);
	(void)sd_notify(0, "READY=1");
	host_run_policy(r->host);
	if (r->again)
		begin(r);
}

static void refuse(struct reload *r, const struct strlist *errors)
{
	struct err err = {};

	for (size_t i = 0; i < errors->n; i++)
		log_error("the new configuration is not used", LOG_KV("error", errors->items[i]));
	(void)err_invalid(&err, "%s%s", errors->items[0],
			  errors->n > 1 ? " (recond --check-config shows all errors)" : "");
	reconciler_configuration_problem(r->host->reconciler, &err);
	end(r);
}

static void on_loaded(struct config_load *l UNUSED, struct config_result *result, void *data)
{
	struct reload *r = data;
	struct host *h = r->host;

	if (result->errors.n > 0) {
		refuse(r, &result->errors);
		return;
	}
	for (size_t i = 0; i < result->warnings.n; i++)
		log_warn("configuration", LOG_KV("warning", result->warnings.items[i]));
	log_set_level(r->options.log_level);
	say_unchanged(h->options, &r->options);
	reconciler_configuration_problem(h->reconciler, NULL);
	port_source_apply(h, &result->config);
	log_info("configuration read again");
	end(r);
}

/* Errors of what comes before the Source files. */
static void refuse_one(struct reload *r, const struct err *err)
{
	autostrlist errors = {};

	strlist_split(&errors, err->message, '\n');
	refuse(r, &errors);
}

static void begin(struct reload *r)
{
	struct host *h = r->host;
	struct err err = {};
	uint64_t usec = 0;

	r->again = false;
	(void)sd_event_now(h->loop, CLOCK_MONOTONIC, &usec);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, usec);
	if (options_parse(&r->options, h->argc, h->argv, &err) < 0 ||
	    config_load_start(&r->load, h->loop, &r->options, on_loaded, r, &err) < 0)
		refuse_one(r, &err);
}

static int on_hup(sd_event_source *s UNUSED, const struct signalfd_siginfo *si UNUSED, void *data)
{
	struct reload *r = data;

	if (r->load)
		r->again = true;
	else
		begin(r);
	return 0;
}

int reload_new(struct reload **ret, struct host *h, struct err *err)
{
	_cleanup_(reload_freep) struct reload *r = NEW(struct reload);
	int e;

	assert(h->loop && h->argc > 0);
	r->host = h;
	e = sd_event_add_signal(h->loop, &r->hup, SIGHUP, on_hup, r);
	if (e < 0)
		return err_errno(err, e, "wait for SIGHUP");
	*ret = TAKE_PTR(r);
	return 0;
}

struct reload *reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	config_load_free(r->load);
	options_deinit(&r->options);
	sd_event_source_disable_unref(r->hup);
	free(r);
	return NULL;
}
