/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds as the policy sees them: plan, run, progress, digest. The context of a git revision is
 * written to a directory of its own first, because a repository is never checked out; a folder is
 * read in place, against its digests.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "builder/build.h"
#include "cmd/host.h"
#include "cmd/revision_view.h"

struct build_job {
	struct host *host;
	char *id;
	json_t *image;
	struct revision *rev;
	struct watch_export *export;
	struct build *build;
	char *content_dir; /* made for this job, removed after it; NULL for a folder */
};

/* ---- jobs ---- */

static void remove_content(const struct build_job *job)
{
	autoclose int state = -1;

	if (!job->content_dir)
		return;
	state = fs_open(job->host->options->state_dir, O_PATH | O_DIRECTORY, 0);
	if (state >= 0)
		(void)fs_remove_tree(state,
				     job->content_dir + strlen(job->host->options->state_dir) + 1);
}

static struct build_job *job_free(struct build_job *job)
{
	build_cancel(job->build);
	watch_export_free(job->export);
	remove_content(job);
	revision_unref(job->rev);
	json_decref(job->image);
	free(job->content_dir);
	free(job->id);
	free(job);
	return NULL;
}

static void job_remove(struct build_job *job)
{
	struct host *h = job->host;

	for (size_t i = 0; i < h->n_build_jobs; i++) {
		if (h->build_jobs[i] == job)
			h->build_jobs[i] = h->build_jobs[--h->n_build_jobs];
	}
	job_free(job);
}

/* Two questions of one build differ after '#': the older one is not wanted any more. */
static void cancel_older(struct host *h, const char *id)
{
	size_t n = (size_t)(strrchr(id, '#') - id);

	for (size_t i = h->n_build_jobs; i > 0; i--) {
		struct build_job *job = h->build_jobs[i - 1];

		if (!strncmp(job->id, id, n + 1))
			job_remove(job);
	}
}

/* The same question again: its answer is on the way. */
static bool is_under_way(const struct host *h, const char *id)
{
	for (size_t i = 0; i < h->n_build_jobs; i++) {
		if (str_eq(h->build_jobs[i]->id, id))
			return true;
	}
	return false;
}

static struct build_job *job_new(struct host *h, const char *id, struct revision *rev,
				 const json_t *image)
{
	struct build_job *job = NEW(struct build_job);

	cancel_older(h, id);
	job->host = h;
	job->id = mem_strdup(id);
	job->rev = revision_ref(rev);
	job->image = json_deep_copy(image);
	GROW(h->build_jobs, h->cap_build_jobs, h->n_build_jobs + 1);
	h->build_jobs[h->n_build_jobs++] = job;
	return job;
}

void port_build_stop(struct host *h)
{
	while (h->n_build_jobs > 0)
		job_remove(h->build_jobs[h->n_build_jobs - 1]);
	free(h->build_jobs);
	h->build_jobs = NULL;
	h->cap_build_jobs = 0;
}

static int superseded(struct err *err, const char *revision)
{
	return err_set(err, ERR_TRANSIENT, ECANCELED, "BuildFailed",
		       "revision %s is no longer the newest", revision);
}

/* ---- planning ---- */

/* The builder names each base with its digest; the policy wants the names. */
static json_t *plan_answer(const json_t *answer)
{
	json_t *bases = json_array(), *base;
	size_t i;

	json_array_foreach(json_object_get(answer, "bases"), i, base)
		json_array_append_new(bases, json_text(json_path_str(base, "reference", "")));
	return json_pack("{s:o, s:s}", "bases", bases, "current",
			 json_path_str(answer, "current", ""));
}

static void on_plan(struct build *b UNUSED, const json_t *answer, const struct err *err, void *data)
{
	struct build_job *job = data;
	struct host *h = job->host;
	autojson *plan = answer ? plan_answer(answer) : NULL;

	reconciler_build_planned(h->reconciler, job->id, plan, err);
	job_remove(job);
	host_run_policy(h);
}

void port_build_plan(void *data, const char *id, const char *source, const char *revision,
		     const json_t *image)
{
	struct host *h = data;
	struct revision *rev = port_source_revision(h, source, revision);
	struct build_job *job = NULL;
	autojson *request = NULL;
	struct err err = {0};
	int r = rev ? 0 : superseded(&err, revision);

	if (is_under_way(h, id))
		return;
	if (r == 0)
		r = revision_view_build_request(&request, rev, image, h->options->state_dir,
						revision_content_dir(rev), &err);
	if (r == 0) {
		job = job_new(h, id, rev, image);
		r = build_plan_start(&job->build, h->loop, request, on_plan, job, &err);
	}
	if (r == 0)
		return;
	if (job)
		job_remove(job);
	reconciler_build_planned(h->reconciler, id, NULL, &err);
}

/* ---- building ---- */

static void on_progress(struct build *b UNUSED, const struct build_progress *p, void *data)
{
	const struct build_job *job = data;

	log_debug("build step", LOG_KV("build", job->id), LOG_KV("text", p->text));
	reconciler_build_progress(job->host->reconciler, job->id, (unsigned int)p->step,
				  (unsigned int)p->n_steps, p->text);
	host_run_policy(job->host);
}

static void on_line(struct build *b UNUSED, const char *line, void *data)
{
	const struct build_job *job = data;

	log_info("build output", LOG_KV("build", job->id), LOG_KV("line", line));
}

static void finish(struct build_job *job, const char *digest, const struct err *err)
{
	struct host *h = job->host;

	FAILPOINT("build.ended");
	reconciler_build_done(h->reconciler, job->id, digest, err);
	job_remove(job);
	host_run_policy(h);
}

static void on_end(struct build *b UNUSED, const char *digest, const struct err *err, void *data)
{
	finish(data, digest, err);
}

static int start(struct build_job *job, const char *content_dir, struct err *err)
{
	static const struct build_callbacks callbacks = {
		.progress = on_progress, .log = on_line, .end = on_end};
	autojson *request = NULL;
	int r;

	r = revision_view_build_request(&request, job->rev, job->image,
					job->host->options->state_dir, content_dir, err);
	if (r < 0)
		return r;
	json_set(request, "cgroupRoot", json_text(pod_runtime_cgroup_root(job->host->pods)));
	return build_start(&job->build, job->host->loop, request, &callbacks, job, err);
}

static void on_exported(struct watch_export *x UNUSED, int r, const struct err *err, void *data)
{
	struct build_job *job = data;
	struct err failed = {0};

	job->export = watch_export_free(job->export);
	if (r == 0) {
		r = start(job, job->content_dir, &failed);
		err = &failed;
	}
	if (r < 0)
		finish(job, NULL, err);
}

/* A directory below the state directory for what a git revision holds of the context. */
static int export_content(struct build_job *job, struct err *err)
{
	const char *state_dir = job->host->options->state_dir;
	autofree char *dir = revision_view_context(job->image);
	autoclose int state = -1, target = -1;
	unsigned char random[8];
	char hex[17], name[40];
	struct watch_export_spec spec;
	int r;

	clock_random(random, sizeof(random));
	str_hex(hex, random, sizeof(random));
	(void)snprintf(name, sizeof(name), "build/export/%s", hex);
	state = fs_open(state_dir, O_PATH | O_DIRECTORY, 0);
	if (state < 0)
		return err_errno(err, state, "%s", state_dir);
	r = fs_mkdir_p(state, name, 0700);
	if (r < 0)
		return err_errno(err, r, "%s/%s", state_dir, name);
	job->content_dir = mem_asprintf("%s/%s", state_dir, name);
	target = fs_open_at(state, name, O_RDONLY | O_DIRECTORY, 0);
	if (target < 0)
		return err_errno(err, target, "%s", job->content_dir);
	spec = (struct watch_export_spec){.rev = job->rev,
					  .subdir = dir,
					  .target_fd = target,
					  .on_end = on_exported,
					  .data = job};
	return watch_export(&job->export, job->host->loop, &spec, err);
}

void port_build_run(void *data, const char *id, const char *source, const char *revision,
		    const json_t *image)
{
	struct host *h = data;
	struct revision *rev = port_source_revision(h, source, revision);
	struct build_job *job;
	struct err err = {0};
	int r;

	if (is_under_way(h, id))
		return;
	if (!rev) {
		(void)superseded(&err, revision);
		reconciler_build_done(h->reconciler, id, NULL, &err);
		return;
	}
	job = job_new(h, id, rev, image);
	if (revision_content_dir(rev))
		r = start(job, revision_content_dir(rev), &err);
	else
		r = export_content(job, &err);
	if (r == 0)
		return;
	reconciler_build_done(h->reconciler, id, NULL, &err);
	job_remove(job);
}
