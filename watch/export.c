/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of an export: which entries, and what came of it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/worker.h"
#include "watch/revision_priv.h"
#include "watch/source.h"
#include "watch/source_priv.h"
#include "watch/wire_priv.h"

struct watch_export {
	struct worker *worker;
	struct watch_export_spec spec; /* only on_end and data after the start */
	json_t *result;
};

struct watch_export *watch_export_free(struct watch_export *x)
{
	if (!x)
		return NULL;
	worker_free(x->worker);
	json_decref(x->result);
	free(x);
	return NULL;
}

static void on_message(struct worker *w, const struct ipc_msg *m, void *data)
{
	struct watch_export *x = data;
	json_t *j = NULL;

	if (m->type != WATCH_MSG_RESULT)
		return;
	if (json_parse(&j, m->data, m->len, IPC_MAX_BYTES, NULL) < 0) {
		worker_kill(w);
		return;
	}
	json_decref(x->result);
	x->result = j;
}

static void on_end(struct worker *w, int status, void *data)
{
	struct watch_export *x = data;
	struct err err = {0};
	int r = 0;

	if (status != 0 || !x->result)
		r = err_set(&err, ERR_TRANSIENT, status == -ETIMEDOUT ? ETIMEDOUT : EIO,
			    "SourceUnreadable", "recond-git ended with %d: %s", status,
			    worker_stderr(w));
	else if (wire_error(&err, x->result))
		r = err.code;
	x->spec.on_end(x, r, r < 0 ? &err : NULL, x->spec.data);
}

/* As an entry at its real path: that is where it goes. */
static void add(json_t *entries, const struct revision_entry *e)
{
	struct revision_entry at = *e;

	at.path = e->real;
	at.content = NULL;
	json_array_append_new(entries, revision_entry_to_json(&at));
}

static json_t *request_new(const struct revision *rev, const char *subdir)
{
	const char *source = revision_source(rev);
	autofree char *objects = git_is_dir(source) ? mem_asprintf("%s/objects", source)
						    : mem_asprintf("%s/.git/objects", source);
	const struct revision_entry *self = *subdir ? revision_find(rev, subdir) : NULL, *below;
	json_t *j = json_object(), *entries = json_array();
	size_t n;

	if (self)
		add(entries, self);
	below = revision_below(rev, subdir, &n);
	for (size_t i = 0; i < n; i++)
		add(entries, &below[i]);
	json_set(j, "op", json_text("export"));
	json_set(j, "objects", json_text(objects));
	json_set(j, "commit", json_text(revision_id(rev)));
	json_set(j, "entries", entries);
	return j;
}

int watch_export(struct watch_export **ret, sd_event *loop, const struct watch_export_spec *spec,
		 struct err *err)
{
	_cleanup_(watch_export_freep) struct watch_export *x = NULL;
	autojson *request = NULL;
	struct worker_options o = {
		.name = "recond-git",
		.deadline_ms = WATCH_DEADLINE_MS,
		.limit_as_bytes = WATCH_AS_BYTES,
		.limit_cpu_s = WATCH_CPU_S,
		.pass_fd = spec->target_fd,
		.no_network = true,
		.on_message = on_message,
		.on_end = on_end,
	};
	int r;

	assert(revision_get_kind(spec->rev) == REVISION_GIT && spec->target_fd >= 0 &&
	       spec->on_end);
	if (*spec->subdir && !revision_find(spec->rev, spec->subdir))
		return err_invalid(err, "%s is not in revision %s", spec->subdir,
				   revision_id(spec->rev));
	x = NEW(struct watch_export);
	x->spec = *spec;
	o.data = x;
	r = worker_spawn(&x->worker, loop, &o, err);
	if (r < 0)
		return r;
	request = request_new(spec->rev, spec->subdir);
	worker_send_json(x->worker, WATCH_MSG_REQUEST, request);
	*ret = TAKE_PTR(x);
	return 0;
}
