/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of running pods. Bookkeeping only; decisions are in pod_plan.c.
 */
#include "reconciler/controllers/pod_run.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define HICCUPS 3

struct pods {
	struct pod_run **runs;
	size_t n, cap;
};

static void container_run_deinit(struct container_run *c)
{
	free(c->name);
	free(c->image_digest);
	json_decref(c->info);
	json_decref(c->last);
	json_decref(c->previous);
}

static struct pod_run *pod_run_free(struct pod_run *run)
{
	for (size_t i = 0; i < run->n_containers; i++)
		container_run_deinit(&run->containers[i]);
	free(run->containers);
	free(run->uid);
	free(run->ip);
	free(run);
	return NULL;
}

struct pods *pods_new(void)
{
	return NEW(struct pods);
}

struct pods *pods_free(struct pods *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n; i++)
		pod_run_free(p->runs[i]);
	free(p->runs);
	free(p);
	return NULL;
}

/* Index of UID, or where it belongs. */
static size_t find(const struct pods *p, const char *uid, bool *ret_found)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = strcmp(p->runs[middle]->uid, uid);

		if (r == 0) {
			*ret_found = true;
			return middle;
		}
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

struct pod_run *pods_get(struct pods *p, const char *uid)
{
	bool found;
	size_t i = find(p, uid, &found);

	return found ? p->runs[i] : NULL;
}

struct pod_run *pods_add(struct pods *p, const char *uid)
{
	struct pod_run *run;
	bool found;
	size_t i = find(p, uid, &found);

	if (found)
		return p->runs[i];
	run = NEW(struct pod_run);
	run->uid = mem_strdup(uid);
	GROW(p->runs, p->cap, p->n + 1);
	memmove(&p->runs[i + 1], &p->runs[i], (p->n - i) * sizeof(struct pod_run *));
	p->runs[i] = run;
	p->n++;
	return run;
}

void pods_remove(struct pods *p, const char *uid)
{
	bool found;
	size_t i = find(p, uid, &found);

	if (!found)
		return;
	pod_run_free(p->runs[i]);
	memmove(&p->runs[i], &p->runs[i + 1], (p->n - i - 1) * sizeof(struct pod_run *));
	p->n--;
}

void pods_each(struct pods *p, void (*fn)(struct pod_run *run, void *data), void *data)
{
	for (size_t i = p->n; i > 0; i--)
		fn(p->runs[i - 1], data);
}

struct container_run *pod_run_container(struct pod_run *run, const char *name)
{
	for (size_t i = 0; i < run->n_containers; i++) {
		if (str_eq(run->containers[i].name, name))
			return &run->containers[i];
	}
	return NULL;
}

struct container_run *pod_run_add_container(struct pod_run *run, const char *name)
{
	struct container_run *c = pod_run_container(run, name);

	if (c)
		return c;
	run->containers =
		mem_realloc(run->containers, run->n_containers + 1, sizeof(*run->containers));
	c = &run->containers[run->n_containers++];
	*c = (struct container_run){.name = mem_strdup(name)};
	return c;
}

void container_run_ended(struct container_run *c, json_t *info)
{
	const char *id = json_path_str(c->info, "id", NULL);

	assert(info);
	if (id && !json_object_get(info, "id"))
		json_set(info, "id", json_text(id));
	json_decref(c->previous);
	c->previous = c->last;
	c->last = info;
	json_decref(c->info);
	c->info = NULL;
	c->state = CONTAINER_EXITED;
	c->spent = true;
	c->stale = false;
	c->post_start = HOOK_OVER;
	c->stop = (struct container_stop){0};
	memset(c->probes, 0, sizeof(c->probes));
}

bool pod_run_hiccup(const struct err *err, unsigned int n)
{
	static const char *const shown[] = {"FailedMount", "CreateContainerConfigError",
					    "ErrImagePull", "ErrImageNeverPull",
					    "InvalidImageName"};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		if (str_eq(err->reason, shown[i]))
			return false;
	}
	return err->kind == ERR_TRANSIENT && n < HICCUPS;
}

bool pod_run_busy(const struct pod_run *run)
{
	for (size_t i = 0; i < run->n_containers; i++) {
		enum container_state state = run->containers[i].state;

		if (state == CONTAINER_STARTING || state == CONTAINER_RUNNING)
			return true;
	}
	return false;
}

bool container_run_up(const struct container_run *c)
{
	return c->state == CONTAINER_RUNNING && c->post_start == HOOK_OVER;
}

bool container_run_started(const struct container_run *c)
{
	return container_run_up(c) && probes_started(c->probes);
}

bool container_run_ready(const struct container_run *c)
{
	return container_run_up(c) && probes_ready(c->probes);
}
