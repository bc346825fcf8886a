/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When images are collected: when the file system of the state directory is too full, and when
 * somebody asks. A worker does it, one at a time; one that finds the store in use tries again.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "cmd/host.h"
#include "reconciler/image_use.h"
#include "runtime/collect.h"

#define FIRST_LOOK_MS 10000      /* after the start, which has more to do */
#define LOOK_MS 60000            /* between two looks at the file system */
#define BUSY_RETRY_MS 1000       /* somebody builds or unpacks */
#define DEADLINE_MS (30 * 60000) /* of one collection */
#define RESULT_MAX_BYTES (64u << 10)

struct collecting {
	struct host *host;
	sd_event_source *timer;
	struct worker *worker; /* NULL: none runs */
	json_t *result;        /* of it, when it came */
	json_t *last;          /* of the newest that ended, for people */
	uint64_t asked;        /* number of the newest request */
	uint64_t running;      /* number of the request that runs; 0: for want of space */
	bool waits;            /* a request is not begun yet */
	bool waits_all;
	bool all;       /* of the one that runs */
	bool fruitless; /* the last one for want of space found nothing: said once */
};

static void look(void *data);

static void look_after(struct collecting *c, uint64_t ms)
{
	(void)loop_timer(&c->timer, c->host->loop, ms, look, c);
}

/* ---- the end of one ---- */

static void say_result(struct collecting *c, const json_t *result)
{
	const char *error = json_path_str(result, "error", "");
	int64_t n = json_path_int(result, "images", 0) + json_path_int(result, "blobs", 0) +
		    json_path_int(result, "layers", 0);

	if (*error)
		log_warn("images cannot be collected", LOG_KV("error", error));
	if (n > 0) {
		autofree char *text = json_dumps(result, JSON_COMPACT | JSON_SORT_KEYS);

		log_info("images collected", LOG_KV("result", text));
	}
	if (n == 0 && c->running == 0 && !c->fruitless)
		log_warn("the disk is nearly full, and no image is left that could go",
			 LOG_KV("path", c->host->options->state_dir));
	c->fruitless = n == 0 && c->running == 0;
}

/* The store was in use: what was asked for is still to be done. */
static void try_again(struct collecting *c)
{
	if (c->running > 0) {
		c->waits = true;
		c->waits_all |= c->all;
	}
	look_after(c, BUSY_RETRY_MS);
}

static void on_message(struct worker *w UNUSED, const struct ipc_msg *m, void *data)
{
	struct collecting *c = data;

	if (m->type == COLLECT_MSG_RESULT && !c->result)
		(void)json_parse(&c->result, m->data, m->len, RESULT_MAX_BYTES, NULL);
}

static void on_end(struct worker *w, int status, void *data)
{
	struct collecting *c = data;
	autojson *result = TAKE_PTR(c->result);

	if (!result)
		result = json_pack("{s:o}", "error",
				   json_sprintf("the worker ended with status %d: %s", status,
						worker_stderr(w)));
	c->worker = worker_free(w);
	json_object_clear(c->host->ready_images); /* what is unpacked may have gone */
	if (json_path_bool(result, "busy", false)) {
		try_again(c);
		return;
	}
	say_result(c, result);
	if (c->running > 0) {
		json_set(result, "serial", json_integer((json_int_t)c->running));
		json_decref(c->last);
		c->last = TAKE_PTR(result);
	}
	c->running = 0;
	look_after(c, c->waits ? 0 : LOOK_MS);
}

/* ---- one ---- */

static void start(struct collecting *c, bool all, unsigned int until_percent)
{
	const struct worker_options options = {
		.name = "recond-collect",
		.deadline_ms = DEADLINE_MS,
		.pass_fd = -1,
		.no_network = true,
		.on_message = on_message,
		.on_end = on_end,
		.data = c,
	};
	autojson *request = image_use_collect(c->host->reconciler);
	struct err err = {0};

	assert(!c->worker);
	json_set(request, "stateDir", json_text(c->host->options->state_dir));
	json_set(request, "all", json_boolean(all));
	json_set(request, "untilPercent", json_integer((json_int_t)until_percent));
	c->all = all;
	json_object_clear(c->host->ready_images); /* and asked for anew */
	if (worker_spawn(&c->worker, c->host->loop, &options, &err) < 0) {
		log_error("images cannot be collected", LOG_ERR(&err));
		c->worker = NULL;
		try_again(c);
		return;
	}
	worker_send_json(c->worker, COLLECT_MSG_RUN, request);
	worker_finish_input(c->worker);
}

static void look(void *data)
{
	struct collecting *c = data;
	const struct options *o = c->host->options;
	int used;

	if (c->worker)
		return; /* its end looks again */
	if (c->waits) {
		c->waits = false;
		c->running = c->asked;
		start(c, c->waits_all, 0);
		c->waits_all = false;
		return;
	}
	used = collect_used_percent(image_store_images_fd(c->host->images));
	if (o->image_gc_high < 100 && used >= (int)o->image_gc_high)
		start(c, false, o->image_gc_low);
	else
		look_after(c, LOOK_MS);
}

/* ---- from outside ---- */

void port_collect_start(struct host *h)
{
	struct collecting *c = NEW(struct collecting);

	c->host = h;
	h->collecting = c;
	look_after(c, FIRST_LOOK_MS);
}

void port_collect_stop(struct host *h)
{
	struct collecting *c = h->collecting;

	if (!c)
		return;
	worker_free(c->worker);
	sd_event_source_disable_unref(c->timer);
	json_decref(c->result);
	json_decref(c->last);
	free(c);
	h->collecting = NULL;
}

json_t *port_collect(void *data, bool begin, bool all)
{
	struct host *h = data;
	struct collecting *c = h->collecting;

	if (begin) {
		c->asked++;
		c->waits = true;
		c->waits_all |= all;
		if (!c->worker)
			look_after(c, 0);
	}
	return json_pack("{s:s, s:s, s:I, s:O}", "kind", "ImageCollection", "apiVersion",
			 "recond.dev/v1", "serial", (json_int_t)c->asked, "last",
			 c->last ? c->last : json_null());
}
