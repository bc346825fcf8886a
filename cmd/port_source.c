/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources as the policy sees them: a revision arrives, is announced with its apps, and is decoded
 * by the worker when the policy asks for it. Which sources there are is for the configuration to
 * say, also a new one while we run.
 */
#include <assert.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/host.h"
#include "cmd/revision_view.h"
#include "reconciler/manifest_worker.h"

struct decoding {
	struct host_source *source;
	struct manifest_worker *worker;
	char *revision;
	bool again; /* the worker failed once on this input */
};

struct host_source *port_source_find(struct host *h, const char *name)
{
	for (size_t i = 0; i < h->n_sources; i++) {
		if (str_eq(h->sources[i]->name, name))
			return h->sources[i];
	}
	return NULL;
}

struct revision *port_source_revision(struct host *h, const char *source, const char *revision)
{
	struct host_source *s = port_source_find(h, source);

	return s && s->rev && str_eq(revision_id(s->rev), revision) ? s->rev : NULL;
}

int port_source_tree_digest(void *data, char *ret, const char *source, const char *revision,
			    const char *dir)
{
	struct revision *rev = port_source_revision(data, source, revision);
	const char *digest;

	while (*dir == '/')
		dir++;
	digest = rev ? revision_dir_digest(rev, str_eq(dir, ".") ? "" : dir) : NULL;
	if (!digest)
		return 0;
	(void)snprintf(ret, DIGEST_STR_SIZE, "%s", digest);
	return 1;
}

/* ---- decoding ---- */

static struct decoding *decoding_free(struct decoding *d)
{
	if (!d)
		return NULL;
	manifest_worker_free(d->worker);
	free(d->revision);
	free(d);
	return NULL;
}

static int decoding_start(struct decoding *d, struct err *err);

static void on_decoded(struct manifest_worker *w UNUSED, const json_t *result,
		       const struct err *err, void *data)
{
	struct decoding *d = data;
	struct host_source *s = d->source;
	autojson *whole = NULL;
	struct err second = {0};

	if (!result && !d->again) {
		d->again = true;
		d->worker = manifest_worker_free(d->worker);
		if (decoding_start(d, &second) == 0)
			return;
		err = &second;
	}
	FAILPOINT("source.decoded");
	whole = result ? revision_view_complete(result, s->rev) : NULL;
	s->decoded = true;
	reconciler_decoded(s->host->reconciler, s->name, d->revision, whole, err);
	s->decoding = decoding_free(d);
	host_run_policy(s->host);
}

static int decoding_start(struct decoding *d, struct err *err)
{
	_cleanup_(revision_view_freep) struct revision_view *view =
		revision_view_new(d->source->rev, d->source->policy);

	return manifest_worker_start(&d->worker, d->source->host->loop, revision_view_input(view),
				     on_decoded, d, err);
}

void port_source_decode(void *data, const char *source, const char *revision)
{
	struct host *h = data;
	struct host_source *s = port_source_find(h, source);
	struct err err = {0};

	if (!port_source_revision(h, source, revision))
		return; /* a newer one is on its way */
	if (s->decoding && str_eq(s->decoding->revision, revision))
		return;
	decoding_free(s->decoding);
	s->decoding = NEW(struct decoding);
	s->decoding->source = s;
	s->decoding->revision = mem_strdup(revision);
	if (decoding_start(s->decoding, &err) == 0)
		return;
	s->decoding = decoding_free(s->decoding);
	reconciler_decoded(h->reconciler, source, revision, NULL, &err);
}

/* ---- watching ---- */

/* Tell the policy of the newest revision; it asks for its decoding then. */
static void announce(struct host_source *s)
{
	autojson *apps = revision_view_apps(s->rev);

	reconciler_revision(s->host->reconciler, s->name, revision_id(s->rev), apps);
	host_run_policy(s->host);
}

static void on_revision(struct watch_source *src UNUSED, struct revision *rev, void *data)
{
	struct host_source *s = data;

	FAILPOINT("source.revision");
	revision_ref(rev);
	revision_unref(s->rev);
	s->rev = rev;
	announce(s);
}

static void on_problem(struct watch_source *src UNUSED, const struct err *err, void *data)
{
	const struct host_source *s = data;

	if (err)
		log_error("source cannot be read; what runs goes on", LOG_KV("source", s->name),
			  LOG_KV("reason", err->reason), LOG_ERR(err));
	else
		log_info("source can be read again", LOG_KV("source", s->name));
	reconciler_source_problem(s->host->reconciler, s->name, err);
	host_run_policy(s->host);
}

static void on_notice(struct watch_source *src UNUSED, const char *text, void *data)
{
	const struct host_source *s = data;

	log_warn("source", LOG_KV("source", s->name), LOG_KV("notice", text));
}

/* ---- which ones ---- */

static struct host_source *source_free(struct host_source *s)
{
	s->decoding = decoding_free(s->decoding);
	s->watch = watch_source_free(s->watch);
	s->rev = revision_unref(s->rev);
	free(s->name);
	free(s->location);
	json_decref(s->policy);
	json_decref(s->hooks);
	free(s);
	return NULL;
}

static void remove_unwanted(struct host *h, const struct config *config)
{
	for (size_t i = h->n_sources; i > 0; i--) {
		struct host_source *s = h->sources[i - 1];

		if (config_find(config, s->name))
			continue;
		source_free(s);
		h->sources[i - 1] = h->sources[--h->n_sources];
	}
}

/* A new watch of what CONFIG says; until it speaks, the revision of the one before stands. */
static void watch_location(struct host_source *s, const char *location)
{
	static const struct watch_callbacks callbacks = {on_revision, on_problem, on_notice};
	struct watch_options options = WATCH_OPTIONS_INIT;
	struct err err = {0};
	char *copy = mem_strdup(location);

	s->watch = watch_source_free(s->watch);
	free(s->location);
	s->location = copy;
	if (watch_source_new(&s->watch, s->host->loop, location, &options, &callbacks, s, &err) < 0)
		on_problem(NULL, &err, s);
}

static void take_policy(struct host_source *s, const json_t *policy)
{
	bool same = s->policy && json_equal(s->policy, policy);

	json_decref(s->policy);
	s->policy = json_deep_copy(policy);
	if (same || !s->rev)
		return;
	log_info("the policy of a source changed", LOG_KV("source", s->name));
	announce(s);
}

static void take_config(struct host *h, const struct config_source *c)
{
	struct host_source *s = port_source_find(h, c->name);

	if (!s) {
		s = NEW(struct host_source);
		s->host = h;
		s->name = mem_strdup(c->name);
		GROW(h->sources, h->cap_sources, h->n_sources + 1);
		h->sources[h->n_sources++] = s;
	}
	json_decref(s->hooks);
	s->hooks = json_deep_copy(c->hooks);
	take_policy(s, c->policy);
	if (!s->watch || !str_eq(s->location, c->location))
		watch_location(s, c->location);
	else
		watch_source_rescan(s->watch);
}

void port_source_apply(struct host *h, const struct config *config)
{
	autojson *announcement = config_announcement(config);

	reconciler_sources(h->reconciler, announcement);
	remove_unwanted(h, config);
	for (size_t i = 0; i < config->n; i++)
		take_config(h, &config->sources[i]);
	host_run_policy(h);
}

void port_source_stop(struct host *h)
{
	while (h->n_sources > 0)
		source_free(h->sources[--h->n_sources]);
	free(h->sources);
	h->sources = NULL;
	h->cap_sources = 0;
}
