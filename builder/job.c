/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds, step by step. What a stage is made of so far is a list of layers; a step looks up the
 * record of its key, or mounts these layers, does its work and adds one.
 */
#include "builder/job.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "builder/cache.h"
#include "builder/copy.h"
#include "builder/document.h"
#include "builder/run.h"
#include "builder/workspace.h"
#include "runtime/collect.h"
#include "runtime/image.h"
#include "runtime/passwd.h"
#include "runtime/rootfs.h"

/* A stage as far as it is built. */
struct job_stage {
	struct manifest_layer layers[MANIFEST_MAX_LAYERS];
	size_t n_layers;
	char chain[DIGEST_STR_SIZE]; /* "" without layers */
	bool known;                  /* plan only: false once a layer is not there yet */
	json_t *history;             /* complete, of this stage */
	size_t n_own;                /* lines at its end that this build made */
	int64_t *step_ns;            /* one per step of the plan */
};

struct job {
	const struct request *rq;
	const struct job_callbacks *cb; /* NULL: plan only */
	struct dockerfile *file;
	struct context *context;
	struct strlist references;
	struct image **images;     /* one per reference; NULL: not here */
	struct image_store *store; /* NULL: there is none (plan only) */
	int hold_fd;               /* against a collection of the store; -1: plan only */
	int cache_fd;              /* -1: there is none (plan only) */
	int content_fd;
	struct build_plan *plan;
	struct job_stage *stages; /* one per stage of the plan */
	struct workspace ws;      /* opened when first needed */
	int64_t now_ns;
	size_t i; /* steps begun */
	size_t n;
	json_t *steps; /* plan only: the answer's "steps" */
};

static void job_deinit(struct job *j)
{
	for (size_t i = 0; j->plan && j->stages && i < j->plan->n_stages; i++) {
		json_decref(j->stages[i].history);
		free(j->stages[i].step_ns);
	}
	free(j->stages);
	for (size_t i = 0; j->images && i < j->references.n; i++)
		image_free(j->images[i]);
	free(j->images);
	workspace_close(&j->ws);
	strlist_deinit(&j->references);
	dockerfile_free(j->file);
	context_free(j->context);
	build_plan_free(j->plan);
	json_decref(j->steps);
	image_store_free(j->store);
	j->hold_fd = mem_close(j->hold_fd);
	j->cache_fd = mem_close(j->cache_fd);
	j->content_fd = mem_close(j->content_fd);
}

static int read_inputs(struct job *j, struct err *err)
{
	const struct request *rq = j->rq;
	_cleanup_(ignore_freep) struct ignore *ignore = NULL;
	autodiag d = {.file = rq->dockerfile};
	autodiag ignore_diag = {.file = rq->dockerignore};
	const char *text = rq->dockerignore_text;

	if (text && ignore_parse(&ignore, text, strlen(text), &ignore_diag) < 0)
		return diag_to_err(&ignore_diag, err);
	if (dockerfile_parse(&j->file, rq->dockerfile_text, strlen(rq->dockerfile_text), &d) < 0)
		return diag_to_err(&d, err);
	return context_new(&j->context, rq->entries, ignore, err);
}

static bool have_state(const char *state_dir)
{
	autofree char *path = mem_asprintf("%s/images", state_dir);
	autoclose int fd = fs_open(path, O_PATH | O_DIRECTORY, 0);

	return fd >= 0;
}

/* The store and the records. To plan, what is not there is taken as empty. */
static int open_state(struct job *j, struct err *err)
{
	const char *state = j->rq->state_dir;
	bool plan_only = !j->cb;
	autoclose int dir = -1;
	int r;

	if (plan_only && !have_state(state))
		return 0;
	r = image_store_open(&j->store, state, err);
	if (r < 0)
		return plan_only ? 0 : r;
	if (!plan_only) {
		j->hold_fd = collect_hold(j->store, err);
		if (j->hold_fd < 0)
			return j->hold_fd;
	}
	dir = fs_open(state, O_RDONLY | O_DIRECTORY, 0);
	if (!plan_only && dir >= 0)
		(void)fs_mkdir_p(dir, "build/cache", 0700);
	j->cache_fd = dir < 0 ? dir : fs_open_at(dir, "build/cache", O_RDONLY | O_DIRECTORY, 0);
	if (j->cache_fd < 0 && !plan_only)
		return err_errno(err, j->cache_fd, "records in '%s'", state);
	return 0;
}

static struct plan_input plan_input(const struct job *j)
{
	return (struct plan_input){
		.file = j->file,
		.context = j->context,
		.target = j->rq->target,
		.build_args = j->rq->build_args,
		.platform = j->rq->platform,
		.host_network = j->rq->host_network,
	};
}

/* Load the images that are here. */
static int find_bases(struct job *j, struct err *err)
{
	struct plan_input in = plan_input(j);
	autodiag d = {.file = j->rq->dockerfile};
	char digest[DIGEST_STR_SIZE];
	int r = 0;

	if (plan_bases(&j->references, &in, &d) < 0)
		return diag_to_err(&d, err);
	j->images = mem_calloc(j->references.n, sizeof(*j->images));
	for (size_t i = 0; j->store && i < j->references.n && r >= 0; i++) {
		r = image_store_resolve(j->store, j->references.items[i], digest, err);
		if (r > 0)
			r = image_store_load(j->store, digest, &j->images[i], err);
		if (r < 0)
			return err_wrap(err, "base image '%s'", j->references.items[i]);
	}
	return 0;
}

static int check_bases(const struct job *j, struct err *err)
{
	for (size_t i = 0; i < j->references.n; i++)
		if (!j->images[i])
			return err_set(err, ERR_TRANSIENT, ENOENT, "ErrImagePull",
				       "base image '%s' is not present", j->references.items[i]);
	return 0;
}

static int make_plan(struct job *j, struct err *err)
{
	struct plan_base *bases = mem_calloc(j->references.n, sizeof(*bases));
	struct plan_input in = plan_input(j);
	autodiag d = {.file = j->rq->dockerfile};
	int r;

	for (size_t i = 0; i < j->references.n; i++)
		bases[i] = (struct plan_base){.reference = j->references.items[i],
					      .digest = j->images[i]->manifest_digest,
					      .document = j->images[i]->document};
	in.bases = bases;
	in.n_bases = j->references.n;
	r = plan_new(&j->plan, &in, &d);
	free(bases);
	if (r < 0)
		return diag_to_err(&d, err);
	j->stages = mem_calloc(j->plan->n_stages, sizeof(*j->stages));
	j->n = plan_count_steps(j->plan);
	return 0;
}

static const struct image *find_image(const struct job *j, const char *reference)
{
	for (size_t i = 0; i < j->references.n; i++)
		if (str_eq(j->references.items[i], reference))
			return j->images[i];
	assert(!"the plan names loaded images only");
	return NULL;
}

static int add_layer(struct job_stage *s, const struct manifest_layer *layer, struct err *err)
{
	if (s->n_layers == MANIFEST_MAX_LAYERS)
		return err_invalid(err, "the image has more than %d layers", MANIFEST_MAX_LAYERS);
	s->layers[s->n_layers++] = *layer;
	plan_chain(s->chain, s->chain, layer->diff_id);
	return 0;
}

/* Start S as the plan's stage PS does: from nothing, from another stage, from an image. */
static int begin_stage(struct job *j, struct job_stage *s, const struct plan_stage *ps,
		       struct err *err)
{
	const struct job_stage *parent;
	const struct image *image;
	int r = 0;

	s->known = true;
	s->step_ns = mem_calloc(ps->n_steps, sizeof(*s->step_ns));
	if (ps->from.kind == PLAN_STAGE) {
		parent = &j->stages[ps->from.stage];
		memcpy(s->layers, parent->layers, sizeof(s->layers));
		memcpy(s->chain, parent->chain, sizeof(s->chain));
		s->n_layers = parent->n_layers;
		s->known = parent->known;
		s->history = json_copy(parent->history);
		s->n_own = parent->n_own;
		return 0;
	}
	s->history = json_array();
	if (ps->from.kind != PLAN_IMAGE)
		return 0;
	image = find_image(j, ps->from.reference);
	if (json_is_array(json_object_get(image->document, "history")))
		(void)json_array_extend(s->history, json_object_get(image->document, "history"));
	for (size_t i = 0; i < image->manifest.n_layers && r >= 0; i++)
		r = add_layer(s, &image->manifest.layers[i], err);
	return r;
}

/* The layers COPY --from takes from; false when they are not known yet. */
static bool origin_layers(const struct job *j, const struct plan_origin *o,
			  const struct manifest_layer **ret, size_t *ret_n)
{
	const struct job_stage *s;
	const struct image *image;

	if (o->kind == PLAN_STAGE) {
		s = &j->stages[o->stage];
		*ret = s->layers;
		*ret_n = s->n_layers;
		return s->known;
	}
	image = find_image(j, o->reference);
	*ret = image->manifest.layers;
	*ret_n = image->manifest.n_layers;
	return true;
}

static int need_workspace(struct job *j, struct err *err)
{
	return j->ws.path ? 0 : workspace_open(&j->ws, j->store, j->rq->cgroup_root, err);
}

/*
 * The digest of what a COPY --from takes. It is the same for the same layers and words, so it is
 * remembered. 1 with RET, 0 when it is not known (plan only), negative errno.
 */
static int copied_content(char ret[DIGEST_STR_SIZE], struct job *j, const struct plan_step *step,
			  struct err *err)
{
	const struct manifest_layer *layers;
	struct workspace_root root;
	autojson *record = NULL;
	char chain[DIGEST_STR_SIZE] = "", key[DIGEST_STR_SIZE];
	const char *known;
	size_t n;
	int r;

	if (!origin_layers(j, &step->from, &layers, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		plan_chain(chain, chain, layers[i].diff_id);
	plan_step_key(key, step, chain, "content");
	if (j->cache_fd >= 0 && cache_get(&record, j->cache_fd, key)) {
		known = json_path_str(record, "content", "");
		if (digest_valid(known)) {
			memcpy(ret, known, DIGEST_STR_SIZE);
			return 1;
		}
	}
	if (!j->cb)
		return 0;
	r = need_workspace(j, err);
	if (r >= 0)
		r = workspace_mount(&root, &j->ws, layers, n, false, err);
	if (r < 0)
		return r;
	r = tree_digest(ret, &(struct tree){.fd = root.fd}, &step->sources, err);
	workspace_unmount(&root);
	if (r < 0)
		return r;
	json_decref(record);
	record = json_pack("{s:s}", "content", ret);
	r = cache_put(j->cache_fd, key, record, err);
	return r < 0 ? r : 1;
}

static int do_copy(struct job *j, const struct workspace_root *root, const struct plan_step *step,
		   struct err *err)
{
	struct tree from = {.context = j->context, .fd = j->content_fd};
	const struct manifest_layer *layers;
	struct workspace_root origin;
	size_t n;
	int r;

	if (step->from.kind == PLAN_CONTEXT && j->content_fd < 0)
		return err_invalid(err, "the content of the build context is not given");
	if (step->from.kind == PLAN_CONTEXT)
		return copy_step(root->fd, step, &from, err);
	(void)origin_layers(j, &step->from, &layers, &n);
	r = workspace_mount(&origin, &j->ws, layers, n, false, err);
	if (r < 0)
		return r;
	from = (struct tree){.fd = origin.fd};
	r = copy_step(root->fd, step, &from, err);
	workspace_unmount(&origin);
	return r;
}

static int do_workdir(const struct workspace_root *root, const struct plan_step *step,
		      struct err *err)
{
	_cleanup_(mem_freep) struct passwd_ids *ids = NEW(struct passwd_ids);
	struct rootfs_owner owner = {0, 0};
	autofree char *path = NULL;

	/* A name that the image does not know owns nothing: only RUN complains about it. */
	if (passwd_resolve(ids, root->fd, step->user, NULL) == 0)
		owner = (struct rootfs_owner){ids->uid, ids->gid};
	return rootfs_cwd(&path, root->fd, step->cwd, owner, err);
}

static int do_op(struct job *j, const struct workspace_root *root, const struct plan_step *step,
		 struct err *err)
{
	struct run_options options = {.proxy_env = &j->plan->proxy_env,
				      .memory_bytes = j->rq->memory_bytes,
				      .line = j->cb->log,
				      .data = j->cb->data};

	switch (step->op) {
	case PLAN_RUN:
		return run_step(root, step, &options, err);
	case PLAN_COPY:
		return do_copy(j, root, step, err);
	case PLAN_WORKDIR:
		return do_workdir(root, step, err);
	case PLAN_OP_N_:
		break;
	}
	assert(!"unreachable");
	return -EINVAL;
}

/* Do the work of STEP on top of S: 0 with its layer, durable. */
static int make_layer(struct cache_layer *ret, struct job *j, const struct job_stage *s,
		      const struct plan_step *step, struct err *err)
{
	const int64_t *clamp = NULL;
	struct workspace_root root;
	int r;

	r = need_workspace(j, err);
	if (r >= 0)
		r = workspace_mount(&root, &j->ws, s->layers, s->n_layers, true, err);
	if (r < 0)
		return r;
	r = do_op(j, &root, step, err);
	if (r < 0) {
		workspace_unmount(&root);
		return r;
	}
	if (step->op == PLAN_WORKDIR && j->plan->has_epoch)
		clamp = &j->plan->epoch_s;
	ret->created_ns = clock_realtime_ns();
	return workspace_commit(&ret->layer, &root, clamp, err);
}

static bool have_layer(const struct job *j, struct cache_layer *ret, const char *key)
{
	uint64_t size;

	return j->cache_fd >= 0 && cache_get_layer(ret, j->cache_fd, key) &&
	       image_store_has(j->store, ret->layer.digest, &size) && size == ret->layer.size_bytes;
}

static int report(struct job *j, const struct plan_step *step, bool cached, struct err *err)
{
	int r;

	j->i++;
	if (j->cb) {
		r = j->cb->progress(j->i, j->n, step, cached, j->cb->data);
		return r < 0 ? err_errno(err, r, "report progress") : 0;
	}
	json_array_append_new(j->steps, json_pack("{s:s, s:i, s:b}", "text", step->text, "line",
						  (int)step->line, "cached", cached));
	return 0;
}

static int do_step(struct job *j, struct job_stage *s, size_t i, const struct plan_step *step,
		   struct err *err)
{
	bool from = step->op == PLAN_COPY && step->from.kind != PLAN_CONTEXT;
	char content[DIGEST_STR_SIZE] = "", key[DIGEST_STR_SIZE] = "";
	struct cache_layer found = {};
	bool cached;
	int r = 1;

	if (from)
		r = copied_content(content, j, step, err);
	if (r < 0)
		return r;
	s->known = s->known && r > 0;
	plan_step_key(key, step, s->chain, from ? content : NULL);
	cached = s->known && have_layer(j, &found, key);
	s->known = cached || j->cb;
	r = report(j, step, cached, err);
	if (r < 0 || !s->known)
		return r;
	if (!cached)
		r = make_layer(&found, j, s, step, err);
	if (r >= 0 && !cached)
		r = cache_put_layer(j->cache_fd, key, &found, err);
	if (r < 0)
		return r;
	s->step_ns[i] = found.created_ns;
	return add_layer(s, &found.layer, err);
}

static int do_stages(struct job *j, struct err *err)
{
	for (size_t i = 0; i < j->plan->n_stages; i++) {
		const struct plan_stage *ps = &j->plan->stages[i];
		struct job_stage *s = &j->stages[i];
		int r;

		if (!ps->needed)
			continue;
		r = begin_stage(j, s, ps, err);
		for (size_t k = 0; k < ps->n_steps && r >= 0; k++) {
			r = do_step(j, s, k, &ps->steps[k], err);
			if (r < 0)
				return err_wrap(err, "%s:%u", j->rq->dockerfile, ps->steps[k].line);
		}
		if (r < 0)
			return err_wrap(err, "%s:%u", j->rq->dockerfile, ps->line);
		document_add_history(s->history, j->plan, ps, s->step_ns, j->now_ns);
		s->n_own += ps->n_history;
	}
	return 0;
}

/* The image that was made for this very plan, if all of it is still stored. True with its digest.
 */
static bool find_current(char ret[DIGEST_STR_SIZE], struct job *j)
{
	_cleanup_(image_freep) struct image *image = NULL;
	autojson *record = NULL;
	const char *digest;

	if (j->cache_fd < 0 || !cache_get(&record, j->cache_fd, j->plan->key))
		return false;
	/* An image that was removed comes back the same. */
	j->now_ns = json_path_int(record, "createdNs", j->now_ns);
	digest = json_path_str(record, "image", "");
	if (!digest_valid(digest) || !image_store_has(j->store, digest, NULL) ||
	    image_store_load(j->store, digest, &image, NULL) < 0)
		return false;
	for (size_t i = 0; i < image->manifest.n_layers; i++)
		if (!image_store_has(j->store, image->manifest.layers[i].digest, NULL))
			return false;
	memcpy(ret, digest, DIGEST_STR_SIZE);
	return true;
}

static int commit_image(char ret[DIGEST_STR_SIZE], struct job *j, struct err *err)
{
	const struct job_stage *s = &j->stages[j->plan->target];
	autojson *doc = document_new(j->plan, j->rq->platform, s->history, s->n_own, j->now_ns);
	struct image_commit c = {.config = doc, .layers = s->layers, .n_layers = s->n_layers};
	autojson *record = NULL;
	int r;

	if (j->rq->names.n)
		c.reference = j->rq->names.items[0];
	r = image_store_commit(j->store, &c, ret, err);
	if (r < 0)
		return r;
	record = json_pack("{s:s, s:I}", "image", ret, "createdNs", (json_int_t)j->now_ns);
	return cache_put(j->cache_fd, j->plan->key, record, err);
}

static int tag_image(const struct job *j, const char *digest, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < j->rq->names.n && r >= 0; i++)
		r = image_store_tag(j->store, j->rq->names.items[i], digest, err);
	return r;
}

static int open_content(struct job *j, struct err *err)
{
	if (!j->rq->context_dir)
		return 0;
	j->content_fd = fs_open(j->rq->context_dir, O_RDONLY | O_DIRECTORY, 0);
	if (j->content_fd < 0)
		return err_errno(err, j->content_fd, "build context '%s'", j->rq->context_dir);
	return 0;
}

static int build(char ret[DIGEST_STR_SIZE], struct job *j, struct err *err)
{
	int r;

	r = check_bases(j, err);
	if (r >= 0)
		r = make_plan(j, err);
	if (r < 0)
		return r;
	if (!find_current(ret, j)) {
		r = open_content(j, err);
		if (r >= 0)
			r = do_stages(j, err);
		if (r >= 0)
			r = commit_image(ret, j, err);
	}
	return r < 0 ? r : tag_image(j, ret, err);
}

int job_build(char ret[DIGEST_STR_SIZE], const struct request *rq, const struct job_callbacks *cb,
	      struct err *err)
{
	_cleanup_(job_deinit) struct job j = {.rq = rq,
					      .cb = cb,
					      .hold_fd = -1,
					      .cache_fd = -1,
					      .content_fd = -1,
					      .now_ns = clock_realtime_ns()};
	int r;

	assert(cb);
	r = read_inputs(&j, err);
	if (r >= 0)
		r = open_state(&j, err);
	if (r >= 0)
		r = find_bases(&j, err);
	if (r >= 0)
		r = build(ret, &j, err);
	return r < 0 ? err_reason(err, "BuildFailed") : 0;
}

static json_t *bases_json(const struct job *j, bool *ret_complete)
{
	json_t *list = json_array();

	*ret_complete = true;
	for (size_t i = 0; i < j->references.n; i++) {
		const char *digest = j->images[i] ? j->images[i]->manifest_digest : "";

		json_array_append_new(list, json_pack("{s:s, s:s}", "reference",
						      j->references.items[i], "digest", digest));
		*ret_complete = *ret_complete && *digest;
	}
	return list;
}

/* All steps of an image that is there already are cached, whatever became of their records. */
static void list_cached(struct job *j)
{
	for (size_t i = 0; i < j->plan->n_stages; i++)
		for (size_t k = 0; k < j->plan->stages[i].n_steps; k++)
			(void)report(j, &j->plan->stages[i].steps[k], true, NULL);
}

static int plan(json_t **ret, struct job *j, struct err *err)
{
	char current[DIGEST_STR_SIZE] = "";
	autojson *answer = json_object();
	bool complete;
	int r;

	j->steps = json_array();
	json_set(answer, "bases", bases_json(j, &complete));
	if (complete) {
		r = make_plan(j, err);
		if (r < 0)
			return r;
		if (find_current(current, j))
			list_cached(j);
		else
			r = do_stages(j, err);
		if (r < 0)
			return r;
	}
	json_set(answer, "key", json_text(complete ? j->plan->key : ""));
	json_set(answer, "current", json_text(current));
	json_set(answer, "steps", json_incref(j->steps));
	*ret = TAKE_PTR(answer);
	return 0;
}

int job_plan(json_t **ret, const struct request *rq, struct err *err)
{
	_cleanup_(job_deinit) struct job j = {.rq = rq,
					      .hold_fd = -1,
					      .cache_fd = -1,
					      .content_fd = -1,
					      .now_ns = clock_realtime_ns()};
	int r;

	r = read_inputs(&j, err);
	if (r >= 0)
		r = open_state(&j, err);
	if (r >= 0)
		r = find_bases(&j, err);
	if (r >= 0)
		r = plan(ret, &j, err);
	return r < 0 ? err_reason(err, "BuildFailed") : 0;
}
