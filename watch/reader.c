/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting what a worker says. The worker reads foreign trees, so nothing of it is believed
 * unchecked.
 */
#include "watch/reader_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/worker.h"
#include "watch/wire_priv.h"

#define NOTES_MAX 64

struct reader {
	struct worker *worker;
	struct reader_spec spec; /* request, cache and pass_fd are not used after the start */
	struct revision *seen;
	struct revision_builder *builder;
	json_t *result;
	struct strlist notes;
	struct strbuf cache;
	bool has_cache;
	struct err err; /* the first thing that went wrong on our side */
};

struct reader *reader_free(struct reader *rd)
{
	if (!rd)
		return NULL;
	worker_free(rd->worker);
	revision_unref(rd->seen);
	revision_builder_free(rd->builder);
	json_decref(rd->result);
	strlist_deinit(&rd->notes);
	strbuf_deinit(&rd->cache);
	free(rd);
	return NULL;
}

/* Text of the kept file E as it was read before: at its path, or wherever the same content was. */
static const char *known_text(const struct revision *seen, const struct revision_entry *e)
{
	const struct revision_entry *old = seen ? revision_find(seen, e->path) : NULL;
	size_t n = 0;

	if (old && old->content && str_eq(old->digest, e->digest))
		return old->content;
	old = seen ? revision_entries(seen, &n) : NULL;
	for (size_t i = 0; i < n; i++)
		if (S_ISREG(old[i].mode) && old[i].content && str_eq(old[i].digest, e->digest))
			return old[i].content;
	return NULL;
}

/* A file that is being written stays what it was; a new one is not there yet. */
static int add_busy(struct reader *rd, const char *path)
{
	const struct revision_entry *old = rd->seen && path ? revision_find(rd->seen, path) : NULL;

	return old && S_ISREG(old->mode) ? revision_builder_add(rd->builder, old, &rd->err) : 0;
}

static int add_entry(struct reader *rd, const json_t *item)
{
	autofree char *decoded = NULL;
	struct revision_entry e;
	int r;

	if (json_path_bool(item, "busy", false))
		return add_busy(rd, json_path_str(item, "path", NULL));
	r = revision_entry_from_json(&e, &decoded, item, &rd->err);
	if (r < 0)
		return r;
	if (json_path_bool(item, "kept", false)) {
		e.content = known_text(rd->seen, &e);
		if (!e.content)
			return err_set(&rd->err, ERR_TRANSIENT, ESTALE, NULL,
				       "%s: its text is not known", e.path);
	}
	return revision_builder_add(rd->builder, &e, &rd->err);
}

static int on_json(struct reader *rd, uint32_t type, const json_t *j)
{
	const json_t *item;
	size_t i;
	int r = 0;

	switch (type) {
	case WATCH_MSG_DIRS:
		if (rd->spec.on_dirs)
			rd->spec.on_dirs(j, rd->spec.data);
		worker_send(rd->worker, WATCH_MSG_GO, "", 0);
		return 0;
	case WATCH_MSG_ENTRIES:
		json_array_foreach(j, i, item) {
			r = add_entry(rd, item);
			if (r < 0)
				return r;
		}
		return 0;
	case WATCH_MSG_NOTE:
		if (rd->notes.n < NOTES_MAX)
			strlist_add(&rd->notes, json_path_str(j, "text", ""));
		return 0;
	case WATCH_MSG_RESULT:
		json_decref(rd->result);
		rd->result = json_incref((json_t *)j);
		return 0;
	default:
		return err_set(&rd->err, ERR_TRANSIENT, EBADMSG, NULL, "unexpected message %u",
			       type);
	}
}

static void on_message(struct worker *w, const struct ipc_msg *m, void *data)
{
	struct reader *rd = data;
	autojson *j = NULL;
	int r;

	if (rd->err.code < 0)
		return;
	if (m->type == WATCH_MSG_CACHE) {
		strbuf_reset(&rd->cache);
		strbuf_add(&rd->cache, m->data, m->len);
		rd->has_cache = true;
		return;
	}
	r = json_parse(&j, m->data, m->len, IPC_MAX_BYTES, &rd->err);
	if (r >= 0)
		r = on_json(rd, m->type, j);
	if (r < 0)
		worker_kill(w);
}

static int verdict(struct reader *rd, int status, struct err *err)
{
	if (rd->err.code < 0) {
		*err = rd->err;
		return err->code;
	}
	if (status == 0 && rd->result)
		return wire_error(err, rd->result) ? err->code : 0;
	if (status == -ETIMEDOUT)
		return err_set(err, ERR_TRANSIENT, ETIMEDOUT, "SourceUnreadable",
			       "%s did not finish in %u s", rd->spec.program,
			       WATCH_DEADLINE_MS / 1000);
	return err_set(err, ERR_TRANSIENT, EIO, "SourceUnreadable", "%s ended with %d: %s",
		       rd->spec.program, status, worker_stderr(rd->worker));
}

static void on_worker_end(struct worker *w UNUSED, int status, void *data)
{
	struct reader *rd = data;
	struct err err = {0};
	int r = verdict(rd, status, &err);

	rd->spec.on_end(rd, r, r < 0 ? &err : NULL, rd->spec.data);
}

int reader_start(struct reader **ret, sd_event *loop, const struct reader_spec *spec,
		 struct err *err)
{
	_cleanup_(reader_freep) struct reader *rd = NEW(struct reader);
	struct worker_options o = {
		.name = spec->program,
		.deadline_ms = WATCH_DEADLINE_MS,
		.limit_as_bytes = WATCH_AS_BYTES,
		.limit_cpu_s = WATCH_CPU_S,
		.pass_fd = spec->pass_fd,
		.no_network = true,
		.on_message = on_message,
		.on_end = on_worker_end,
		.data = rd,
	};
	int r;

	rd->spec = *spec;
	rd->seen = revision_ref(spec->seen);
	rd->builder = revision_builder_new(spec->max_entries);
	r = worker_spawn(&rd->worker, loop, &o, err);
	if (r < 0)
		return r;
	if (spec->cache && spec->cache->len > 0)
		worker_send(rd->worker, WATCH_MSG_CACHE, spec->cache->data, spec->cache->len);
	worker_send_json(rd->worker, WATCH_MSG_REQUEST, spec->request);
	*ret = TAKE_PTR(rd);
	return 0;
}

struct revision_builder *reader_builder(struct reader *rd)
{
	return rd->builder;
}

const json_t *reader_result(const struct reader *rd)
{
	assert(rd->result);
	return rd->result;
}

const struct strlist *reader_notes(const struct reader *rd)
{
	return &rd->notes;
}

bool reader_take_cache(struct reader *rd, struct strbuf *ret)
{
	if (!rd->has_cache)
		return false;
	strbuf_deinit(ret);
	*ret = rd->cache;
	rd->cache = (struct strbuf)STRBUF_INIT;
	rd->has_cache = false;
	return true;
}
