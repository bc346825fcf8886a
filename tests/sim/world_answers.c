/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the simulated host: what was asked for happens, then the policy is told; or it does
 * not happen, or nobody is told.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "tests/sim/world_priv.h"

json_t *world_pod(struct world *w, const char *uid)
{
	json_t *pod = json_object_get(w->pods, uid);

	if (!pod) {
		pod = json_pack("{s:b, s:{}}", "sandbox", 0, "containers");
		json_set(w->pods, uid, pod);
	}
	return pod;
}

json_t *world_container(const struct world *w, const char *uid, const char *name)
{
	return json_object_get(json_object_get(json_object_get(w->pods, uid), "containers"), name);
}

/* By the wall clock as it is now, which is what monitors write. */
static void stamp(char ret[CLOCK_RFC3339_SIZE], const struct world *w, int64_t at_ms)
{
	clock_format_rfc3339(ret, world_epoch_ns(at_ms + w->wall_jump_ms));
}

static json_t *started_info(const struct world *w, const char *uid)
{
	char now[CLOCK_RFC3339_SIZE];

	stamp(now, w, (int64_t)w->now_ms);
	return json_pack("{s:s, s:i, s:s}", "id", uid, "pid", 42, "started_at", now);
}

static json_t *ended_info(const struct world *w, const json_t *c)
{
	char started[CLOCK_RFC3339_SIZE], ended[CLOCK_RFC3339_SIZE];
	int code = (int)json_path_int(c, "code", 0);
	json_t *info;

	stamp(started, w, json_path_int(c, "started_ms", 0));
	stamp(ended, w, json_path_int(c, "ended_ms", 0));
	info = json_pack("{s:i, s:s, s:s}", "exit_code", code == WORLD_CODE_UNKNOWN ? 137 : code,
			 "started_at", started, "finished_at", ended);
	if (code == WORLD_CODE_UNKNOWN)
		json_set(info, "reason", json_text("ContainerStatusUnknown"));
	return info;
}

/* The error of a worker that was interrupted or had bad luck. */
static const struct err *hiccup(struct err *err, const char *reason)
{
	*err = (struct err){0};
	(void)err_set(err, ERR_TRANSIENT, EINTR, reason, "told to fail");
	return err;
}

/* ---- pods ---- */

static void answer_sandbox(struct world *w, const struct answer *a)
{
	struct err err;

	if (a->again && !json_object_get(w->pods, a->id))
		return; /* gone meanwhile */
	if (a->fails) {
		if (!w->muted)
			reconciler_sandbox_failed(w->r, a->id,
						  hiccup(&err, "FailedCreatePodSandBox"));
		return;
	}
	if (!a->again)
		json_set(world_pod(w, a->id), "sandbox", json_true());
	if (!w->muted)
		reconciler_sandbox_ready(w->r, a->id, "10.0.0.7");
}

/* A container that ends by itself: because of its image, or by chance. */
static void plan_end(struct world *w, const struct answer *a)
{
	bool crashes = world_image_is(w, a->extra, "crash"),
	     ends = world_image_is(w, a->extra, "ends");
	bool fails = world_image_is(w, a->extra, "fails"), early = crashes || ends || fails;
	struct answer *end;

	if (!early && !world_happens(w, w->faults.exits))
		return;
	end = world_owe(w, ANSWER_EXIT, a->id, world_some_ms(w, early ? 4000 : 60000));
	end->name = mem_strdup(a->name);
	end->attempt = a->attempt;
	end->by_chance = !early;
	end->code = world_happens(w, 500) ? 1 : 137;
	if (ends || fails)
		end->code = fails ? 3 : 0;
}

static void start(struct world *w, const struct answer *a)
{
	json_int_t ends = json_path_int(world_container(w, a->id, a->name), "ends", 0);

	json_set(json_object_get(world_pod(w, a->id), "containers"), a->name,
		 json_pack("{s:i, s:b, s:s, s:I, s:I}", "attempt", (int)a->attempt, "running", 1,
			   "image", a->extra, "started_ms", (json_int_t)w->now_ms, "ends", ends));
	w->n_starts++;
	plan_end(w, a);
}

static void answer_start(struct world *w, const struct answer *a)
{
	const json_t *c = world_container(w, a->id, a->name);
	bool made = c && json_path_int(c, "attempt", 0) >= (json_int_t)a->attempt;
	autojson *info = started_info(w, a->id);
	struct err err = {0};

	if (a->again && !made)
		return; /* taken down meanwhile */
	if (!json_path_bool(json_object_get(w->pods, a->id), "sandbox", false)) {
		(void)err_set(&err, ERR_INVALID, EINVAL, "CreateContainerError",
			      "its pod has no sandbox");
		if (!w->muted)
			reconciler_container_failed(w->r, a->id, a->name, a->attempt, &err);
		return;
	}
	if (a->fails && !made) {
		if (!w->muted)
			reconciler_container_failed(w->r, a->id, a->name, a->attempt,
						    hiccup(&err, "CreateContainerError"));
		return;
	}
	if (!made && world_image_is(w, a->extra, "broken")) {
		(void)err_set(&err, ERR_INVALID, ENOENT, "CreateContainerError",
			      "no such executable");
		if (!w->muted)
			reconciler_container_failed(w->r, a->id, a->name, a->attempt, &err);
		return;
	}
	if (!made)
		start(w, a);
	if (!w->muted)
		reconciler_container_started(w->r, a->id, a->name, a->attempt, info);
}

static void answer_exit(struct world *w, const struct answer *a)
{
	json_t *c = world_container(w, a->id, a->name);
	autojson *info = NULL;

	if (!c || !json_path_bool(c, "running", false) ||
	    json_path_int(c, "attempt", 0) != (json_int_t)a->attempt)
		return;
	world_trace(w, "exit %s attempt %u code %d", a->id, a->attempt, a->code);
	json_set(c, "running", json_false());
	json_set(c, "code", json_integer(a->code));
	json_set(c, "ends", json_integer(json_path_int(c, "ends", 0) + 1));
	json_set(c, "ended_ms", json_integer((json_int_t)w->now_ms));
	info = ended_info(w, c);
	json_set(c, "told", json_boolean(!w->muted));
	if (!w->muted)
		reconciler_container_exited(w->r, a->id, a->name, a->attempt, info);
}

static void answer_gone(struct world *w, const struct answer *a)
{
	json_object_del(w->pods, a->id);
	if (!w->muted)
		reconciler_pod_gone(w->r, a->id);
}

static void report_container(struct world *w, const char *uid, const char *name, json_t *c)
{
	unsigned int attempt = (unsigned int)json_path_int(c, "attempt", 0);
	autojson *started = started_info(w, uid);
	autojson *ended = ended_info(w, c);
	struct err err;

	if (json_path_bool(c, "cut", false)) {
		reconciler_container_failed(w->r, uid, name, attempt,
					    hiccup(&err, "CreateContainerError"));
		return;
	}
	reconciler_container_started(w->r, uid, name, attempt, started);
	if (json_path_bool(c, "running", false))
		return;
	json_set(c, "told", json_true());
	reconciler_container_exited(w->r, uid, name, attempt, ended);
}

/* As pod_runtime_recover does: sandboxes, then containers as started, and as ended where they are.
 */
void world_report(struct world *w)
{
	autojson *pods = json_copy(w->pods);
	const char *uid, *name;
	json_t *pod, *c;
	void *next;
	struct err err;

	json_object_foreach(pods, uid, pod) {
		if (json_path_bool(pod, "sandbox", false))
			reconciler_sandbox_ready(w->r, uid, "10.0.0.7");
		else
			reconciler_sandbox_failed(w->r, uid,
						  hiccup(&err, "FailedCreatePodSandBox"));
		json_object_del(pod, "cut");
		json_object_foreach_safe(json_object_get(pod, "containers"), next, name, c) {
			report_container(w, uid, name, c);
			if (json_path_bool(c, "cut", false))
				json_object_del(json_object_get(pod, "containers"), name);
		}
	}
}

/* ---- images, manifests, builds ---- */

static json_t *decoded(const struct world *w)
{
	json_t *list = json_array(), *app, *object;
	const char *name;
	size_t i;

	json_object_foreach(w->apps, name, app) {
		json_t *objects = json_array(), *errors = json_object_get(app, "errors");

		json_array_foreach(json_object_get(app, "objects"), i, object)
			json_array_append_new(objects,
					      json_pack("{s:s, s:i, s:O}", "file", "a.yaml", "line",
							1, "object", object));
		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:[], s:O}", "name", name, "objects", objects,
				  "errors", errors ? json_incref(errors) : json_array(), "notes",
				  "settings", json_object_get(app, "settings") ?: json_null()));
	}
	return json_pack("{s:o}", "apps", list);
}

static void answer_decoded(struct world *w, const struct answer *a)
{
	autofree char *newest = mem_asprintf("rev-%u", w->revision);
	autojson *result = decoded(w);
	struct err err;

	if (w->muted || !str_eq(a->extra, newest))
		return; /* the port gives up a decoding that nobody waits for */
	if (a->fails)
		reconciler_decoded(w->r, a->id, a->extra, NULL, hiccup(&err, "DecodeFailed"));
	else
		reconciler_decoded(w->r, a->id, a->extra, result, NULL);
}

static void answer_built(struct world *w, const struct answer *a)
{
	autofree char *ref = mem_asprintf("%s:latest", a->name);
	struct err err = {0};
	char digest[80];

	if (a->fails || json_object_get(w->failing_builds, a->name)) {
		if (a->fails)
			(void)hiccup(&err, "BuildFailed");
		else
			(void)err_set(&err, ERR_INVALID, ENOEXEC, "BuildFailed",
				      "Dockerfile:2: exit status 1");
		if (!w->muted)
			reconciler_build_done(w->r, a->id, NULL, &err);
		return;
	}
	world_digest_of(digest, a->extra);
	if (!a->again) {
		json_set(w->built, a->extra, json_text(digest));
		json_set(w->images, ref, json_text(digest));
		json_set(w->images, digest, json_text(digest)); /* also when the name moves on */
	}
	if (!w->muted)
		reconciler_build_done(w->r, a->id, digest, NULL);
}

static void answer_planned(struct world *w, const struct answer *a)
{
	const char *current = json_string_value(json_object_get(w->built, a->extra));
	autojson *plan = json_pack("{s:[], s:s}", "bases", "current", current ? current : "");
	struct err err;

	if (w->muted)
		return;
	if (a->fails) {
		reconciler_build_planned(w->r, a->id, NULL, hiccup(&err, "BuildFailed"));
		return;
	}
	if (*a->name)
		json_array_append_new(json_object_get(plan, "bases"), json_text(a->name));
	reconciler_build_planned(w->r, a->id, plan, NULL);
}

static void answer_image(struct world *w, const struct answer *a)
{
	struct err err = {0};
	char digest[80];

	if (w->muted)
		return;
	if (a->fails) {
		reconciler_image_done(w->r, a->id, NULL, hiccup(&err, "ErrImagePull"));
		return;
	}
	if (world_image_resolve(w, digest, a->id) == 1) {
		reconciler_image_done(w->r, a->id, digest, NULL);
		return;
	}
	(void)err_set(&err, ERR_INVALID, ENOENT, "ErrImagePull", "not found");
	reconciler_image_done(w->r, a->id, NULL, &err);
}

/* ---- checks ---- */

static bool check_fails(const struct world *w, const char *what, const char *check)
{
	autofree char *both = mem_asprintf("%s/%s", what, check);

	return json_object_get(w->failing_checks, what) || json_object_get(w->failing_checks, both);
}

/* An id is "<uid>/<container>/<attempt>/<check>". */
static void answer_check(struct world *w, const struct answer *a)
{
	autostrlist parts = {0};
	const char *ref;
	const json_t *c;
	json_t *digest;
	bool fails;

	if (w->muted)
		return;
	strlist_split(&parts, a->id, '/');
	c = parts.n == 4 ? world_container(w, parts.items[0], parts.items[1]) : NULL;
	fails = a->fails || !c || check_fails(w, parts.items[0], parts.items[3]) ||
		!json_path_bool(c, "running", false);
	json_object_foreach(w->images, ref, digest)
		fails |= c && str_eq(json_string_value(digest), json_path_str(c, "image", "")) &&
			 check_fails(w, ref, parts.items[3]);
	reconciler_check_done(w->r, a->id, !fails, fails ? "told to fail" : "");
}

/* ---- all ---- */

/* clang-format off */
static const struct {
	const char *name;
	void (*answer)(struct world *w, const struct answer *a);
} answers[ANSWER_N_] = {
	[ANSWER_SANDBOX] = { "sandbox", answer_sandbox },
	[ANSWER_START]   = { "started", answer_start },
	[ANSWER_EXIT]    = { "exit",    answer_exit },
	[ANSWER_GONE]    = { "gone",    answer_gone },
	[ANSWER_IMAGE]   = { "image",   answer_image },
	[ANSWER_DECODED] = { "decoded", answer_decoded },
	[ANSWER_PLANNED] = { "planned", answer_planned },
	[ANSWER_BUILT]   = { "built",   answer_built },
	[ANSWER_CHECK]   = { "check",   answer_check },
};
/* clang-format on */

void world_answer(struct world *w, const struct answer *a)
{
	bool was_muted = w->muted;

	world_trace(w, "<- %s %s%s%s%s%s", answers[a->type].name, a->id, a->fails ? " fails" : "",
		    a->lost ? " lost" : "", a->again ? " again" : "", w->muted ? " untold" : "");
	w->muted |= a->lost;
	if (!a->lost || world_happens(w, 500))
		answers[a->type].answer(w, a);
	w->muted = was_muted;
}
