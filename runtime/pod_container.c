/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's part of starting a container: image, layers, then the worker.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/pod_priv.h"

static json_t *layer_paths(const struct pod_container *c)
{
	const struct manifest *m = &c->image->manifest;
	json_t *paths = json_array();

	for (size_t i = 0; i < m->n_layers; i++) {
		autofree char *path = layer_path(c->pod->rt->images, m->layers[i].diff_id);

		(void)json_array_append_new(paths, json_text(path));
	}
	return paths;
}

/* The layers are there: hand over to a worker. */
static void go_on(struct pod_container *c)
{
	struct pod_runtime *rt = c->pod->rt;
	autofree char *log = pod_container_log(c);
	json_t *extra;

	extra = json_pack("{s:s, s:s, s:o, s:o, s:O}", "id", c->id, "log", log, "request",
			  c->request, "layers", layer_paths(c), "image", c->image->document);
	c->request = NULL;
	c->image = image_free(c->image);
	c->state = CONTAINER_STARTING;
	c->has_worker = true;
	pod_task_add(rt, POD_VERB_CONTAINER_START, c->pod, c, extra);
}

static void on_layers(struct layer_job *job UNUSED, int r, const struct err *err, void *data)
{
	struct pod_container *c = data;
	struct err copy = {0};

	c->layers = layer_job_free(c->layers);
	if (r == 0) {
		go_on(c);
		return;
	}
	copy = *err;
	(void)err_wrap(&copy, "unpack the image");
	(void)err_reason(&copy, "CreateContainerError");
	pod_start_failed(c, &copy, false);
}

/* Report ERR from the loop: the operation itself went well. */
static void fail_later(struct pod_container *c, const struct err *err)
{
	c->start_error = mem_memdup(err, sizeof(*err));
	c->pod->report_containers = true;
	pod_turn(c->pod->rt);
}

static void begin(struct pod_container *c, const char *image)
{
	struct pod_runtime *rt = c->pod->rt;
	struct err err = {0};
	int r = image_store_load(rt->images, image, &c->image, &err);

	if (r < 0) {
		if (r == -ENOENT)
			(void)err_set(&err, ERR_TRANSIENT, ENOENT, "ErrImagePull",
				      "image %s is not on this host", image);
		fail_later(c, &err);
		return;
	}
	r = layer_ensure(&c->layers, rt->layers, c->image->manifest.layers,
			 c->image->manifest.n_layers, on_layers, c, &err);
	if (r == 1)
		go_on(c);
	else if (r < 0)
		fail_later(c, &err);
}

static int check_request(const json_t *q, struct err *err)
{
	int64_t attempt = json_path_int(q, "attempt", -1);

	if (!pod_uid_valid(json_path_str(q, "podUid", "")) ||
	    !pod_name_valid(json_path_str(q, "name", "")))
		return err_invalid(err, "malformed name of a container");
	if (attempt < 0 || attempt > INT32_MAX)
		return err_invalid(err, "malformed attempt of container '%s'",
				   json_path_str(q, "name", ""));
	if (!digest_valid(json_path_str(q, "image", "")))
		return err_invalid(err, "container '%s': the image is not a digest",
				   json_path_str(q, "name", ""));
	return 0;
}

/* The attempt of container NAME that may still run, or NULL. */
static struct pod_container *find_live(struct pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i]->state != CONTAINER_EXITED &&
		    str_eq(pod->containers[i]->name, name))
			return pod->containers[i];
	return NULL;
}

/* Asked for once more: what is under way is answered anyway, the rest as after a restart. */
static void report_again(struct pod_container *c)
{
	if (c->state != CONTAINER_RUNNING && c->state != CONTAINER_EXITED)
		return;
	c->state = CONTAINER_STARTING;
	c->pod->report_containers = true;
	pod_turn(c->pod->rt);
}

int pod_container_start(struct pod_runtime *rt, const json_t *q, struct err *err)
{
	const char *name = json_path_str(q, "name", "");
	unsigned int attempt = (unsigned int)json_path_int(q, "attempt", 0);
	struct pod_container *c, *live;
	struct pod *pod;
	int r = check_request(q, err);

	if (r < 0)
		return r;
	pod = pod_find(rt, json_path_str(q, "podUid", ""));
	if (!pod || pod->state != POD_READY)
		return err_invalid(err, "container '%s': its pod has no sandbox", name);
	live = find_live(pod, name);
	if (live && live->attempt != attempt)
		return err_set(err, ERR_INVALID, EEXIST, NULL,
			       "container '%s': attempt %u has not ended", name, live->attempt);
	c = pod_container_find(pod, name, attempt);
	if (c) {
		report_again(c);
		return 0;
	}
	c = pod_container_add(pod, name, attempt);
	c->fallback_to_logs = str_eq(json_path_str(q, "terminationMessagePolicy", "File"),
				     "FallbackToLogsOnError");
	c->request = json_deep_copy(q);
	begin(c, json_path_str(q, "image", ""));
	return 0;
}
