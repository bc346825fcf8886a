/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources as the policy sees them: a revision arrives, is announced with its apps, and is decoded
 * by the worker when the policy asks for it.
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

static struct host_source *find(struct host *h, const char *spec)
{
	for (size_t i = 0; i < h->n_sources; i++) {
		if (str_eq(h->sources[i].spec, spec))
			return &h->sources[i];
	}
	return NULL;
}

struct revision *port_source_revision(struct host *h, const char *source, const char *revision)
{
	struct host_source *s = find(h, source);

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
	reconciler_decoded(s->host->reconciler, s->spec, d->revision, whole, err);
	s->decoding = decoding_free(d);
	host_run_policy(s->host);
}

static int decoding_start(struct decoding *d, struct err *err)
{
	_cleanup_(revision_view_freep) struct revision_view *view =
		revision_view_new(d->source->rev);

	return manifest_worker_start(&d->worker, d->source->host->loop, revision_view_input(view),
				     on_decoded, d, err);
}

void port_source_decode(void *data, const char *source, const char *revision)
{
	struct host *h = data;
	struct host_source *s = find(h, source);
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

static void on_revision(struct watch_source *src UNUSED, struct revision *rev, void *data)
{
	struct host_source *s = data;
	autojson *apps = revision_view_apps(rev);

	FAILPOINT("source.revision");
	revision_ref(rev);
	revision_unref(s->rev);
	s->rev = rev;
	reconciler_revision(s->host->reconciler, s->spec, revision_id(rev), apps);
	host_run_policy(s->host);
}

static void on_problem(struct watch_source *src UNUSED, const struct err *err, void *data)
{
	const struct host_source *s = data;

	if (err)
		log_error("source cannot be read; what runs goes on", LOG_KV("source", s->spec),
			  LOG_KV("reason", err->reason), LOG_ERR(err));
	else
		log_info("source can be read again", LOG_KV("source", s->spec));
}

static void on_notice(struct watch_source *src UNUSED, const char *text, void *data)
{
	const struct host_source *s = data;

	log_warn("source", LOG_KV("source", s->spec), LOG_KV("notice", text));
}

int port_source_start(struct host *h, struct err *err)
{
	static const struct watch_callbacks callbacks = {on_revision, on_problem, on_notice};
	struct watch_options options = WATCH_OPTIONS_INIT;

	h->n_sources = h->options->sources.n;
	h->sources = mem_calloc(h->n_sources + 1, sizeof(*h->sources));
	for (size_t i = 0; i < h->n_sources; i++) {
		struct host_source *s = &h->sources[i];
		int r;

		s->host = h;
		s->spec = h->options->sources.items[i];
		r = watch_source_new(&s->watch, h->loop, s->spec, &options, &callbacks, s, err);
		if (r < 0)
			return err_wrap(err, "source '%s'", s->spec);
	}
	return 0;
}

void port_source_stop(struct host *h)
{
	for (size_t i = 0; i < h->n_sources; i++) {
		struct host_source *s = &h->sources[i];

		s->decoding = decoding_free(s->decoding);
		s->watch = watch_source_free(s->watch);
		s->rev = revision_unref(s->rev);
	}
	free(h->sources);
	h->sources = NULL;
	h->n_sources = 0;
}
