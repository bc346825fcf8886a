/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a Dockerfile: where each starts from, which ones the target needs, in which order
 * they are read.
 */
#include "builder/plan.h"

#include <assert.h>
#include <strings.h>

#include "base/json.h"
#include "builder/plan_priv.h"
#include "runtime/imageref.h"

/* Raised whenever the same definition would give another layer: old cache records are then not
 * found. */
#define PLAN_SCHEMA "recond.build.1"

static const char *const proxy_names[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
					  "ALL_PROXY"};

#define FAIL(d, line, ...) (diag_error((d), (line), __VA_ARGS__), -EINVAL)

void plan_origin_deinit(struct plan_origin *o)
{
	free(o->reference);
	o->reference = NULL;
}

static void stage_deinit(struct plan_stage *s)
{
	for (size_t i = 0; i < s->n_steps; i++)
		plan_step_deinit(&s->steps[i]);
	for (size_t i = 0; i < s->n_history; i++)
		free(s->history[i].created_by);
	for (size_t i = 0; i < s->n_copies; i++)
		plan_origin_deinit(&s->copies[i]);
	plan_origin_deinit(&s->from);
	scope_deinit(&s->scope);
	free(s->steps);
	free(s->history);
	free(s->copies);
	free(s->name);
}

struct build_plan *build_plan_free(struct build_plan *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n_stages; i++)
		stage_deinit(&p->stages[i]);
	free(p->stages);
	json_decref(p->globals);
	strlist_deinit(&p->proxy_env);
	free(p);
	return NULL;
}

static const char *lookup_global(const char *name, void *data)
{
	return json_string_value(json_object_get(data, name));
}

static struct expand global_expand(const struct build_plan *p, const struct plan_input *in)
{
	return (struct expand){
		.escape = in->file->escape, .lookup = lookup_global, .data = p->globals};
}

/* Cut the file into stages; the instructions before the first FROM are global ARGs. */
static int split_stages(struct build_plan *p, const struct plan_input *in, struct diag *d)
{
	const struct dockerfile *f = in->file;

	for (size_t i = 0; i < f->n; i++) {
		const struct instr *instr = &f->instrs[i];

		if (instr->kind == INSTR_FROM && p->n_stages == PLAN_MAX_STAGES)
			return FAIL(d, instr->line, "more than %d stages", PLAN_MAX_STAGES);
		if (instr->kind == INSTR_FROM) {
			p->stages = mem_realloc(p->stages, p->n_stages + 1, sizeof(*p->stages));
			p->stages[p->n_stages++] = (struct plan_stage){
				.name = instr->args.n == 3 ? mem_strdup(instr->args.items[2])
							   : NULL,
				.line = instr->line,
				.first = i + 1,
			};
		}
		if (p->n_stages)
			p->stages[p->n_stages - 1].last = i + 1;
	}
	assert(p->n_stages);
	return 0;
}

/* The stage called NAME (any case): the last one of several before END. True with *ret. */
static bool find_stage(const struct build_plan *p, const char *name, size_t end, size_t *ret)
{
	for (size_t i = end; i > 0; i--) {
		if (!p->stages[i - 1].name || strcasecmp(p->stages[i - 1].name, name) != 0)
			continue;
		*ret = i - 1;
		return true;
	}
	return false;
}

static int find_target(struct build_plan *p, const struct plan_input *in, struct diag *d)
{
	p->target = p->n_stages - 1;
	if (!in->target || !*in->target)
		return 0;
	if (!find_stage(p, in->target, p->n_stages, &p->target))
		return FAIL(d, 0, "target stage \"%s\" could not be found", in->target);
	return 0;
}

static void set_global(struct build_plan *p, const struct plan_input *in, const char *prefix,
		       const char *name, const char *value)
{
	autofree char *key = mem_asprintf("%s%s", prefix, name);
	const char *given = json_string_value(json_object_get(in->build_args, key));

	json_object_set_new(p->globals, key, json_text(given ? given : value));
}

/* The variables every stage may ask for: platforms, and the name of the target. */
static void set_automatic(struct build_plan *p, const struct plan_input *in)
{
	const char *slash = strchr(in->platform, '/');
	autofree char *os = mem_strndup(in->platform, (size_t)(slash - in->platform));
	autofree char *arch = mem_strndup(slash + 1, strcspn(slash + 1, "/"));
	const char *variant = strchr(slash + 1, '/');
	const char *target = p->stages[p->target].name;

	for (size_t i = 0; i < 2; i++) {
		const char *prefix = i ? "BUILD" : "TARGET";

		set_global(p, in, prefix, "PLATFORM", in->platform);
		set_global(p, in, prefix, "OS", os);
		set_global(p, in, prefix, "ARCH", arch);
		set_global(p, in, prefix, "VARIANT", variant ? variant + 1 : "");
		set_global(p, in, prefix, "OSVERSION", "");
	}
	set_global(p, in, "TARGET", "STAGE", target ? target : "default");
}

static int read_globals(struct build_plan *p, const struct plan_input *in, struct diag *d)
{
	p->globals = json_object();
	set_automatic(p, in);
	for (size_t i = 0; i < p->stages[0].first - 1; i++)
		if (scope_apply_global_arg(p->globals, in->build_args, &in->file->instrs[i],
					   in->file->escape, d) < 0)
			return -EINVAL;
	return 0;
}

static int read_epoch(struct build_plan *p, const struct plan_input *in, struct diag *d)
{
	const char *text = json_string_value(json_object_get(in->build_args, "SOURCE_DATE_EPOCH"));

	if (!text)
		text = lookup_global("SOURCE_DATE_EPOCH", p->globals);
	if (!text || !*text)
		return 0;
	if (str_parse_i64(&p->epoch_s, text, 0, 253402300799) < 0)
		return FAIL(d, 0, "invalid SOURCE_DATE_EPOCH: %s", text);
	p->has_epoch = true;
	return 0;
}

static void read_proxies(struct build_plan *p, const struct plan_input *in)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)in->build_args, name, value) {
		for (size_t i = 0; i < ARRAY_SIZE(proxy_names); i++)
			if (strcasecmp(name, proxy_names[i]) == 0)
				strlist_add_take(
					&p->proxy_env,
					mem_asprintf("%s=%s", name, json_string_value(value)));
	}
}

static int check_platform(const struct build_plan *p, const struct plan_input *in,
			  const struct instr *from, struct diag *d)
{
	const char *flag = instr_flag(from, "platform");
	struct expand x = global_expand(p, in);
	autofree char *value = NULL;
	struct err err = {};

	if (!flag)
		return 0;
	if (expand_word(&value, &x, flag, &err) < 0)
		return FAIL(d, from->line, "FROM: %s", err.message);
	if (!*value)
		return FAIL(d, from->line, "empty platform value from expression %s", flag);
	if (!str_eq(value, in->platform))
		return FAIL(d, from->line, "platform '%s' cannot be built here, only '%s'", value,
			    in->platform);
	return 0;
}

static int check_reference(const char *reference, unsigned line, struct diag *d)
{
	struct imageref ref;
	struct err err = {};

	if (imageref_parse(&ref, reference, &err) < 0)
		return FAIL(d, line, "%s", err.message);
	return 0;
}

/* What the FROM of stage I names: scratch, an earlier stage (byte for byte), else an image. */
static int resolve_from(struct build_plan *p, size_t i, const struct plan_input *in, struct diag *d)
{
	struct plan_stage *s = &p->stages[i];
	const struct instr *from = &in->file->instrs[s->first - 1];
	struct expand x = global_expand(p, in);
	autofree char *name = NULL;
	struct err err = {};

	if (expand_word(&name, &x, from->args.items[0], &err) < 0)
		return FAIL(d, s->line, "FROM: %s", err.message);
	if (!*name)
		return FAIL(d, s->line, "base name (%s) should not be blank", from->args.items[0]);
	if (check_platform(p, in, from, d) < 0)
		return -EINVAL;
	if (str_eq(name, "scratch")) {
		s->from.kind = PLAN_SCRATCH;
		return 0;
	}
	if (find_stage(p, name, i, &s->from.stage) && str_eq(p->stages[s->from.stage].name, name)) {
		s->from.kind = PLAN_STAGE;
		return 0;
	}
	s->from.kind = PLAN_IMAGE;
	s->from.reference = TAKE_PTR(name);
	return check_reference(s->from.reference, s->line, d);
}

/* What --from=NAME of a COPY in stage I names: an index, a stage (any case), else an image. */
static int resolve_copy(struct plan_origin *ret, const struct build_plan *p, size_t i,
			const struct instr *in, struct diag *d)
{
	const char *name = instr_flag(in, "from");
	uint64_t index;

	*ret = (struct plan_origin){.kind = PLAN_CONTEXT};
	if (!name)
		return 0;
	if (strchr(name, '$'))
		return FAIL(
			d, in->line,
			"variable expansion is not supported for --from, define a new stage with FROM using ARG "
			"from global scope as a workaround");
	ret->kind = PLAN_STAGE;
	if (*name && !name[strspn(name, "0123456789")]) {
		if (str_parse_u64(&index, name, 0, p->n_stages - 1) < 0)
			return FAIL(d, in->line, "invalid stage index %s", name);
		ret->stage = index;
	} else if (!find_stage(p, name, p->n_stages, &ret->stage)) {
		if (check_reference(name, in->line, d) < 0)
			return -EINVAL;
		ret->kind = PLAN_IMAGE;
		ret->reference = mem_strdup(name);
		return 0;
	}
	if (ret->stage == i)
		return FAIL(d, in->line, "circular dependency detected on stage: %s", name);
	if (ret->stage > i)
		return FAIL(
			d, in->line,
			"cannot copy from stage \"%s\", it needs to be defined before current stage",
			name);
	return 0;
}

/* Mark stage I and all it starts from or copies from. They are all before it, so this ends. */
static int need_stage(struct build_plan *p, size_t i, const struct plan_input *in, struct diag *d)
{
	struct plan_stage *s = &p->stages[i];
	int failed = 0;

	if (s->needed)
		return 0;
	s->needed = true;
	if (resolve_from(p, i, in, d) < 0)
		return -EINVAL;
	if (s->from.kind == PLAN_STAGE && need_stage(p, s->from.stage, in, d) < 0)
		return -EINVAL;
	for (size_t k = s->first; k < s->last; k++) {
		struct plan_origin origin;

		if (in->file->instrs[k].kind != INSTR_COPY)
			continue;
		s->copies = mem_realloc(s->copies, s->n_copies + 1, sizeof(*s->copies));
		if (resolve_copy(&origin, p, i, &in->file->instrs[k], d) < 0)
			failed = -EINVAL;
		s->copies[s->n_copies++] = origin;
		if (!failed && origin.kind == PLAN_STAGE && need_stage(p, origin.stage, in, d) < 0)
			failed = -EINVAL;
	}
	return failed;
}

/* Everything that needs no base image. */
static int plan_stages(struct build_plan **ret, const struct plan_input *in, struct diag *d)
{
	_cleanup_(build_plan_freep) struct build_plan *p = NEW(struct build_plan);

	assert(in->platform && strchr(in->platform, '/'));
	if (split_stages(p, in, d) < 0 || find_target(p, in, d) < 0 || read_globals(p, in, d) < 0 ||
	    read_epoch(p, in, d) < 0 || need_stage(p, p->target, in, d) < 0)
		return -EINVAL;
	read_proxies(p, in);
	*ret = TAKE_PTR(p);
	return 0;
}

static void add_reference(struct strlist *ret, const struct plan_origin *o)
{
	if (o->kind == PLAN_IMAGE && !strlist_contains(ret, o->reference))
		strlist_add(ret, o->reference);
}

int plan_bases(struct strlist *ret, const struct plan_input *in, struct diag *d)
{
	_cleanup_(build_plan_freep) struct build_plan *p = NULL;
	int r;

	r = plan_stages(&p, in, d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_stages; i++) {
		if (!p->stages[i].needed)
			continue;
		add_reference(ret, &p->stages[i].from);
		for (size_t k = 0; k < p->stages[i].n_copies; k++)
			add_reference(ret, &p->stages[i].copies[k]);
	}
	return 0;
}

static const struct plan_base *find_base(const struct plan_input *in, const char *reference)
{
	for (size_t i = 0; i < in->n_bases; i++)
		if (str_eq(in->bases[i].reference, reference))
			return &in->bases[i];
	assert(!"plan_bases() named every base");
	return NULL;
}

static int begin_scope(struct build_plan *p, struct plan_stage *s, const struct plan_input *in,
		       struct diag *d)
{
	const json_t *document = NULL;

	if (s->from.kind == PLAN_STAGE) {
		scope_init_from(&s->scope, &p->stages[s->from.stage].scope);
		return 0;
	}
	if (s->from.kind == PLAN_IMAGE)
		document = find_base(in, s->from.reference)->document;
	if (json_array_size(json_object_get(json_object_get(document, "config"), "OnBuild")))
		return FAIL(d, s->line,
			    "base image '%s' has ONBUILD triggers, which are not supported yet",
			    s->from.reference);
	scope_init(&s->scope, document, in->file->escape);
	s->scope.build_args = in->build_args;
	s->scope.globals = p->globals;
	return 0;
}

static void hash_text(struct digest_ctx *h, const char *s)
{
	digest_update(h, s, strlen(s) + 1);
}

static void hash_origin(struct digest_ctx *h, const struct plan_origin *o,
			const struct plan_input *in)
{
	autofree char *text = mem_asprintf("%d %zu", (int)o->kind, o->stage);

	hash_text(h, text);
	if (o->kind == PLAN_IMAGE)
		hash_text(h, find_base(in, o->reference)->digest);
}

/* Everything the image depends on: of all needed stages the origin, the steps, history and
 * configuration. */
static void set_key(struct build_plan *p, const struct plan_input *in)
{
	_cleanup_(digest_freep) struct digest_ctx *h = digest_new();
	autofree char *head = mem_asprintf("%s %s %d %lld %zu", PLAN_SCHEMA, in->platform,
					   p->has_epoch, (long long)p->epoch_s, p->target);

	hash_text(h, head);
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct plan_stage *s = &p->stages[i];
		autofree char *config = NULL;

		if (!s->needed)
			continue;
		hash_text(h, "stage");
		hash_origin(h, &s->from, in);
		for (size_t k = 0; k < s->n_copies; k++)
			hash_origin(h, &s->copies[k], in);
		for (size_t k = 0; k < s->n_steps; k++)
			hash_text(h, s->steps[k].definition);
		for (size_t k = 0; k < s->n_history; k++)
			hash_text(h, s->history[k].created_by);
		config = json_canonical(s->scope.config);
		hash_text(h, config);
		hash_text(h, s->scope.author ? s->scope.author : "");
	}
	digest_final(h, p->key);
}

int plan_new(struct build_plan **ret, const struct plan_input *in, struct diag *d)
{
	_cleanup_(build_plan_freep) struct build_plan *p = NULL;
	int r;

	r = plan_stages(&p, in, d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_stages; i++) {
		if (!p->stages[i].needed)
			continue;
		if (begin_scope(p, &p->stages[i], in, d) < 0)
			return -EINVAL;
		(void)plan_stage_read(p, i, in, d);
	}
	if (diag_failed(d))
		return -EINVAL;
	if (plan_count_steps(p) > PLAN_MAX_STEPS)
		return FAIL(d, 0, "more than %d steps", PLAN_MAX_STEPS);
	set_key(p, in);
	*ret = TAKE_PTR(p);
	return 0;
}

size_t plan_count_steps(const struct build_plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_stages; i++)
		n += p->stages[i].n_steps;
	return n;
}

void plan_step_key(char ret[DIGEST_STR_SIZE], const struct plan_step *step, const char *below,
		   const char *content)
{
	_cleanup_(digest_freep) struct digest_ctx *h = digest_new();

	hash_text(h, PLAN_SCHEMA);
	hash_text(h, step->definition);
	hash_text(h, below);
	hash_text(h, content ? content : "");
	digest_final(h, ret);
}

void plan_chain(char ret[DIGEST_STR_SIZE], const char *below, const char *diff_id)
{
	autofree char *both = mem_asprintf("%s %s", below, diff_id);
	autofree char *first = mem_strdup(diff_id);

	/* "ChainID(L0) = DiffID(L0)" */
	if (!*below)
		memcpy(ret, first, strlen(first) + 1);
	else
		digest_bytes(ret, both, strlen(both));
}
