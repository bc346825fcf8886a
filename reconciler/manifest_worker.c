/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of recond-manifest: send all, receive one answer, believe only its outer shape.
 */
#include "reconciler/manifest_worker.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "base/worker.h"

#define DEADLINE_MS 30000
#define LIMIT_CPU_S 5
#define LIMIT_AS_BYTES (512u << 20)
#define RESULT_MAX_BYTES (64u << 20)

struct manifest_worker {
	struct worker *worker;
	json_t *result;
	struct err err;
	manifest_worker_fn fn;
	void *data;
};

static bool strings_only(const json_t *list)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e) {
		if (!json_is_string(e))
			return false;
	}
	return json_is_array(list);
}

static bool app_has_shape(const json_t *app)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(app, "objects"), i, entry) {
		if (!json_is_string(json_object_get(entry, "file")) ||
		    !json_is_object(json_object_get(entry, "object")))
			return false;
	}
	return json_is_string(json_object_get(app, "name")) &&
	       json_is_array(json_object_get(app, "objects")) &&
	       strings_only(json_object_get(app, "errors")) &&
	       strings_only(json_object_get(app, "notes"));
}

static bool result_has_shape(const json_t *result)
{
	const json_t *app;
	size_t i;

	json_array_foreach(json_object_get(result, "apps"), i, app) {
		if (!app_has_shape(app))
			return false;
	}
	return json_is_array(json_object_get(result, "apps"));
}

static void on_message(struct worker *worker, const struct ipc_msg *m, void *data)
{
	struct manifest_worker *w = data;

	if (m->type != MANIFEST_MSG_RESULT || w->result) {
		worker_kill(worker);
		return;
	}
	if (json_parse(&w->result, m->data, m->len, RESULT_MAX_BYTES, &w->err) < 0)
		w->result = NULL;
	else if (!result_has_shape(w->result)) {
		json_decref(w->result);
		w->result = NULL;
	}
}

static void on_end(struct worker *worker, int status, void *data)
{
	struct manifest_worker *w = data;
	const char *last = worker_stderr(worker);

	if (w->result && status == 0) {
		w->fn(w, w->result, NULL, w->data);
		return;
	}
	if (status == -ETIMEDOUT)
		(void)err_set(&w->err, ERR_TRANSIENT, ETIMEDOUT, "ManifestWorkerFailed",
			      "decoding the manifests took more than %d s", DEADLINE_MS / 1000);
	else if (status > 128)
		(void)err_set(&w->err, ERR_TRANSIENT, EIO, "ManifestWorkerFailed",
			      "decoding the manifests was ended by signal %d%s%s", status - 128,
			      *last ? ": " : "", last);
	else
		(void)err_set(&w->err, ERR_TRANSIENT, EIO, "ManifestWorkerFailed",
			      "decoding the manifests failed with status %d%s%s", status,
			      *last ? ": " : "", last);
	w->fn(w, NULL, &w->err, w->data);
}

static void send_mode(struct worker *worker, const struct manifest_input *input)
{
	autojson *j = json_object();

	json_set(j, "configuration", json_boolean(input->configuration));
	if (input->policy)
		json_set(j, "policy", json_clone(input->policy));
	worker_send_json(worker, MANIFEST_MSG_MODE, j);
}

static void send_app(struct worker *worker, const struct manifest_app *app)
{
	json_t *list = json_array();
	autojson *j = json_object();
	size_t i;

	for (i = 0; app->dockerfiles && app->dockerfiles[i]; i++)
		if (json_array_append_new(list, json_text(app->dockerfiles[i])) < 0)
			abort();
	json_set(j, "name", json_text(app->name));
	json_set(j, "dockerfiles", list);
	worker_send_json(worker, MANIFEST_MSG_APP, j);
	for (i = 0; i < app->n_files; i++) {
		const struct manifest_file *f = &app->files[i];
		autostrbuf frame = STRBUF_INIT;

		strbuf_add(&frame, f->path, strlen(f->path) + 1);
		strbuf_add(&frame, f->content, f->len);
		worker_send(worker, MANIFEST_MSG_FILE, frame.data, frame.len);
	}
}

int manifest_worker_start(struct manifest_worker **ret, sd_event *loop,
			  const struct manifest_input *input, manifest_worker_fn fn, void *data,
			  struct err *err)
{
	struct manifest_worker *w = NEW(struct manifest_worker);
	const struct worker_options options = {
		.name = "recond-manifest",
		.deadline_ms = DEADLINE_MS,
		.limit_as_bytes = LIMIT_AS_BYTES,
		.limit_cpu_s = LIMIT_CPU_S,
		.pass_fd = -1,
		.no_network = true,
		.on_message = on_message,
		.on_end = on_end,
		.data = w,
	};
	int r;

	assert(ret && loop && input && fn);
	w->fn = fn;
	w->data = data;
	r = worker_spawn(&w->worker, loop, &options, err);
	if (r < 0) {
		(void)manifest_worker_free(w);
		return r;
	}
	send_mode(w->worker, input);
	for (size_t a = 0; a < input->n_apps; a++)
		send_app(w->worker, &input->apps[a]);
	worker_send(w->worker, MANIFEST_MSG_DECODE, "", 0);
	*ret = w;
	return 0;
}

struct manifest_worker *manifest_worker_free(struct manifest_worker *w)
{
	if (!w)
		return NULL;
	(void)worker_free(w->worker);
	json_decref(w->result);
	free(w);
	return NULL;
}
