/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as the policy sees them: a reference means a digest once every layer of it is unpacked, so
 * that nothing that runs is touched for an image that turns out to be broken.
 */
#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/host.h"

struct image_job {
	struct host *host;
	char *ref;
	char digest[DIGEST_STR_SIZE];
	struct layer_job *layers;
};

static struct image_job *job_free(struct image_job *job)
{
	layer_job_free(job->layers);
	free(job->ref);
	free(job);
	return NULL;
}

static void job_remove(struct image_job *job)
{
	struct host *h = job->host;

	for (size_t i = 0; i < h->n_image_jobs; i++) {
		if (h->image_jobs[i] == job)
			h->image_jobs[i] = h->image_jobs[--h->n_image_jobs];
	}
	job_free(job);
}

void port_image_stop(struct host *h)
{
	for (size_t i = 0; i < h->n_image_jobs; i++)
		job_free(h->image_jobs[i]);
	free(h->image_jobs);
	h->image_jobs = NULL;
	h->n_image_jobs = h->cap_image_jobs = 0;
}

static bool layers_are_here(struct host *h, const struct image *image)
{
	for (size_t i = 0; i < image->manifest.n_layers; i++) {
		if (!layer_exists(h->images, image->manifest.layers[i].diff_id))
			return false;
	}
	return true;
}

/* The digest REF stands for, whether unpacked or not: 1, 0 when unknown here, negative with ERR. */
static int find(struct host *h, const char *ref, char ret[DIGEST_STR_SIZE], struct err *err)
{
	if (!digest_valid(ref))
		return image_store_resolve(h->images, ref, ret, err);
	(void)snprintf(ret, DIGEST_STR_SIZE, "%s", ref);
	return image_store_has(h->images, ref, NULL) ? 1 : 0;
}

int port_image_resolve(void *data, char *ret, const char *ref)
{
	struct host *h = data;
	_cleanup_(image_freep) struct image *image = NULL;
	char digest[DIGEST_STR_SIZE];
	struct err err = {0};

	if (find(h, ref, digest, &err) != 1)
		return 0;
	if (!json_object_get(h->ready_images, digest)) {
		if (image_store_load(h->images, digest, &image, &err) < 0 ||
		    !layers_are_here(h, image))
			return 0;
		json_object_set_new(h->ready_images, digest, json_true());
	}
	memcpy(ret, digest, sizeof(digest));
	return 1;
}

static void on_layers(struct layer_job *job UNUSED, int r, const struct err *err, void *data)
{
	struct image_job *j = data;
	struct host *h = j->host;
	struct err failed = {0};

	if (r == 0) {
		reconciler_image_done(h->reconciler, j->ref, j->digest, NULL);
	} else {
		(void)err_set(&failed, err->kind, err->code, "ErrImagePull", "%s", err->message);
		reconciler_image_done(h->reconciler, j->ref, NULL, &failed);
	}
	job_remove(j);
	host_run_policy(h);
}

static void fail(struct host *h, const char *ref, struct err *err)
{
	if (!str_eq(err->reason, "InvalidImageName") && !str_eq(err->reason, "ErrImagePull"))
		(void)snprintf(err->reason, sizeof(err->reason), "ErrImagePull");
	reconciler_image_done(h->reconciler, ref, NULL, err);
}

static bool is_under_way(const struct host *h, const char *ref)
{
	for (size_t i = 0; i < h->n_image_jobs; i++) {
		if (str_eq(h->image_jobs[i]->ref, ref))
			return true;
	}
	return false;
}

void port_image_get(void *data, const char *ref)
{
	struct host *h = data;
	_cleanup_(image_freep) struct image *image = NULL;
	struct image_job *job = NULL;
	char digest[DIGEST_STR_SIZE];
	struct err err = {0};
	int r;

	if (is_under_way(h, ref))
		return;
	r = find(h, ref, digest, &err);
	if (r == 0)
		r = err_set(
			&err, ERR_INVALID, ENOENT, "ErrImagePull",
			"not found: no image of that name was built or copied into %s/images, and this version "
			"does not pull from registries",
			h->options->state_dir);
	else if (r == 1)
		r = image_store_load(h->images, digest, &image, &err);
	if (r < 0) {
		fail(h, ref, &err);
		return;
	}
	job = NEW(struct image_job);
	*job = (struct image_job){.host = h, .ref = mem_strdup(ref)};
	memcpy(job->digest, digest, sizeof(digest));
	r = layer_ensure(&job->layers, h->layers, image->manifest.layers, image->manifest.n_layers,
			 on_layers, job, &err);
	if (r == 0) {
		GROW(h->image_jobs, h->cap_image_jobs, h->n_image_jobs + 1);
		h->image_jobs[h->n_image_jobs++] = job;
		return;
	}
	job_free(job);
	if (r < 0)
		fail(h, ref, &err);
	else
		reconciler_image_done(h->reconciler, ref, digest, NULL);
}

/* ---- for people ---- */

/* The images that pods run, so that the list can mark them. */
static void add_used(const json_t *pod, void *data)
{
	json_t *status;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(pod, "status"), "containerStatuses"), i,
			   status) {
		const char *id = json_string_value(json_object_get(status, "imageID"));

		if (id && *id)
			strlist_add(data, id);
	}
}

json_t *port_image_list(void *data)
{
	struct host *h = data;
	autostrlist used = {0};
	json_t *list = NULL, *image;
	struct err err = {0};
	size_t i;

	store_each(h->store, KIND_POD, NULL, add_used, &used);
	if (image_store_list(h->images, &used, &list, &err) < 0) {
		log_error("the image store cannot be read", LOG_ERR(&err));
		return json_array();
	}
	json_array_foreach(list, i, image)
		json_object_set(image, "size", json_object_get(image, "sizeBytes") ?: json_null());
	return list;
}
