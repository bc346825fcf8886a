/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers' end of the protocol: batching of entries, notes, the result.
 */
#include "watch/wire_priv.h"

#include <signal.h>
#include <string.h>

#include "base/json.h"
#include "base/worker.h"
#include "watch/revision_priv.h"

#define BATCH_ENTRIES 256
#define BATCH_BYTES (4u << 20)

int wire_begin(struct wire *w, json_t **ret_request, struct cache **ret_cache)
{
	_cleanup_(cache_freep) struct cache *cache = NULL;
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct err err = {0};

	*w = (struct wire){
		.fd = WORKER_FD, .batch = json_array(), .max_entries = REVISION_ENTRIES_MAX};
	/* SIGIO: a lease of ours was broken, see scan_file.c */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGIO, &ignore, NULL);
	for (;;) {
		_cleanup_(ipc_msg_deinit) struct ipc_msg m = {0};
		int r = ipc_recv(w->fd, &m);

		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		if (m.type == WATCH_MSG_CACHE) {
			cache_free(cache);
			cache = cache_load(m.data, m.len);
		} else if (m.type == WATCH_MSG_REQUEST) {
			r = json_parse(ret_request, m.data, m.len, IPC_MAX_BYTES, &err);
			if (r < 0)
				return r;
			*ret_cache = cache ? TAKE_PTR(cache) : cache_load(NULL, 0);
			w->max_entries = (size_t)json_path_int(*ret_request, "maxEntries",
							       REVISION_ENTRIES_MAX);
			return 0;
		} else {
			return -EBADMSG;
		}
	}
}

void wire_deinit(struct wire *w)
{
	json_decref(w->batch);
	w->batch = NULL;
}

static int flush(struct wire *w)
{
	int r;

	if (json_array_size(w->batch) == 0)
		return 0;
	r = ipc_send_json(w->fd, WATCH_MSG_ENTRIES, w->batch);
	json_array_clear(w->batch);
	w->batch_bytes = 0;
	return r;
}

static int append(struct wire *w, json_t *item, size_t bytes)
{
	if (json_array_append_new(w->batch, item) < 0)
		return -ENOMEM;
	w->batch_bytes += bytes;
	return json_array_size(w->batch) >= BATCH_ENTRIES || w->batch_bytes >= BATCH_BYTES
		       ? flush(w)
		       : 0;
}

static int send_entry(struct wire *w, const struct revision_entry *e, bool known, struct err *err)
{
	json_t *j;
	int r;

	if (w->n_entries++ >= w->max_entries)
		return err_set(err, ERR_INVALID, E2BIG, "SourceTooLarge",
			       "more than %zu files and directories in one source", w->max_entries);
	j = revision_entry_to_json(e);
	if (known)
		json_set(j, "kept", json_true());
	r = append(w, j, e->content ? e->size : 0);
	return r < 0 ? err_errno(err, r, "send an entry") : 0;
}

int wire_entry(struct wire *w, const struct revision_entry *e, struct err *err)
{
	return send_entry(w, e, false, err);
}

int wire_entry_known(struct wire *w, const struct revision_entry *e, struct err *err)
{
	return send_entry(w, e, true, err);
}

int wire_busy(struct wire *w, const char *path)
{
	json_t *j = json_object();

	json_set(j, "path", json_text(path));
	json_set(j, "busy", json_true());
	return append(w, j, 0);
}

int wire_note(struct wire *w, const char *text)
{
	autojson *j = json_object();

	json_set(j, "text", json_text(text));
	return ipc_send_json(w->fd, WATCH_MSG_NOTE, j);
}

int wire_dirs(struct wire *w, const struct strlist *dirs)
{
	_cleanup_(ipc_msg_deinit) struct ipc_msg m = {0};
	autojson *j = json_array();
	int r;

	for (size_t i = 0; i < dirs->n; i++)
		json_array_append_new(j, json_text(dirs->items[i]));
	r = ipc_send_json(w->fd, WATCH_MSG_DIRS, j);
	if (r < 0)
		return r;
	r = ipc_recv(w->fd, &m);
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	return m.type == WATCH_MSG_GO ? 0 : -EBADMSG;
}

int wire_finish(struct wire *w, struct cache *cache, json_t *result)
{
	autojson *owned = result;
	autostrbuf bytes = STRBUF_INIT;
	int r;

	r = flush(w);
	if (r >= 0 && cache_save(cache, &bytes))
		r = ipc_send(w->fd, WATCH_MSG_CACHE, bytes.data, bytes.len);
	return r < 0 ? r : ipc_send_json(w->fd, WATCH_MSG_RESULT, owned);
}

int wire_fail(struct wire *w, const struct err *err)
{
	autojson *j = json_object();
	json_t *e = json_object();

	json_set(e, "kind", json_integer(err->kind));
	json_set(e, "code", json_integer(err->code));
	json_set(e, "reason", json_text(err->reason));
	json_set(e, "message", json_text(err->message));
	json_set(j, "error", e);
	return ipc_send_json(w->fd, WATCH_MSG_RESULT, j);
}

bool wire_error(struct err *ret, const json_t *result)
{
	json_t *e = json_object_get(result, "error");
	int64_t kind = json_path_int(e, "kind", ERR_TRANSIENT),
		code = json_path_int(e, "code", -EIO);

	if (!e)
		return false;
	if (kind <= ERR_NONE || kind >= ERR_KIND_N_)
		kind = ERR_TRANSIENT;
	err_set(ret, (enum err_kind)kind, code < 0 && code > -4096 ? (int)code : -EIO,
		json_path_str(e, "reason", NULL), "%s", json_path_str(e, "message", "no message"));
	return true;
}

bool wire_keeps_text(const char *name, const char *text, size_t n)
{
	if (!str_has_suffix(name, ".json"))
		return true;
	return memmem(text, n, "\"apiVersion\"", strlen("\"apiVersion\"")) != NULL;
}
