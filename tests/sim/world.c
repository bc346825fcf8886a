/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated host. Everything it owes the policy is an entry in one list ordered by virtual
 * time.
 */
#include "tests/sim/world.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "reconciler/object.h"

enum answer_type {
	ANSWER_SANDBOX,
	ANSWER_START,
	ANSWER_EXIT,
	ANSWER_GONE,
	ANSWER_IMAGE,
	ANSWER_DECODED,
	ANSWER_PLANNED,
	ANSWER_BUILT,
	ANSWER_CHECK,
};

struct answer {
	uint64_t at_ms;
	uint64_t order;
	enum answer_type type;
	char *id;    /* uid, reference, build, check */
	char *name;  /* container */
	char *extra; /* digest, revision */
	unsigned int attempt;
	int code;
};

struct world {
	uint64_t now_ms;
	uint64_t wake_ms;
	uint64_t random;
	uint64_t order;
	struct answer *answers;
	size_t n_answers, cap_answers;
	json_t *pods;   /* uid -> {"sandbox": bool, "containers": {name: {"attempt", "running",
			   "image", "code"}}} */
	json_t *images; /* reference -> digest */
	json_t *built;  /* build key -> digest */
	json_t *failing_builds;
	json_t *failing_checks; /* "what/check" or "what" -> true */
	json_t *apps;           /* of the newest revision */
	json_t *notices;        /* every event that ports.notify was given */
	unsigned int revision, n_builds, n_starts, n_checks, low_water;
	char *confirmed;
	char *dir;
	char *db;
	struct store *store;
	struct reconciler *r;
};

/* ---- chance and time ---- */

static uint64_t random_next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static uint64_t port_now(void *data)
{
	return ((struct world *)data)->now_ms;
}

static int64_t port_realtime(void *data)
{
	return 1800000000000000000 + (int64_t)((struct world *)data)->now_ms * 1000000;
}

static void port_random(void *data, void *buf, size_t n)
{
	unsigned char *b = buf;

	for (size_t i = 0; i < n; i++)
		b[i] = (unsigned char)(random_next(data) >> 24);
}

static void port_wake(void *data, uint64_t at_ms)
{
	((struct world *)data)->wake_ms = at_ms;
}

static struct answer *owe(struct world *w, enum answer_type type, const char *id, uint64_t delay_ms)
{
	GROW(w->answers, w->cap_answers, w->n_answers + 1);
	w->answers[w->n_answers] = (struct answer){.at_ms = w->now_ms + delay_ms,
						   .order = w->order++,
						   .type = type,
						   .id = mem_strdup(id)};
	return &w->answers[w->n_answers++];
}

static void answer_clear(struct answer *a)
{
	free(a->id);
	free(a->name);
	free(a->extra);
}

static uint64_t some_ms(struct world *w, uint64_t max)
{
	return 1 + random_next(w) % max;
}

/* ---- images and builds ---- */

static void digest_of(char ret[80], const char *text)
{
	digest_bytes(ret, text, strlen(text));
}

static int port_image_resolve(void *data, char *ret, const char *ref)
{
	struct world *w = data;
	autofree char *tagged = strchr(ref, ':') ? mem_strdup(ref) : mem_asprintf("%s:latest", ref);
	const char *digest = json_string_value(json_object_get(w->images, tagged)), *key;
	json_t *value;

	json_object_foreach(w->images, key, value) {
		if (str_eq(ref, json_string_value(value)))
			digest = ref;
	}
	if (!digest)
		return 0;
	(void)snprintf(ret, 80, "%s", digest);
	return 1;
}

static void port_image_get(void *data, const char *ref)
{
	owe(data, ANSWER_IMAGE, ref, some_ms(data, 50));
}

static int port_tree_digest(void *data, char *ret, const char *source UNUSED,
			    const char *revision UNUSED, const char *dir)
{
	(void)data;
	digest_of(ret, dir);
	return 1;
}

static void port_decode(void *data, const char *source, const char *revision)
{
	struct answer *a = owe(data, ANSWER_DECODED, source, some_ms(data, 20));

	a->extra = mem_strdup(revision);
}

/* A build is current when its spec was built before; the spec stands for all that it is made of. */
static char *build_key(const json_t *image)
{
	autofree char *spec = json_canonical(json_object_get(image, "spec"));

	return mem_asprintf("%s:latest %s", json_path_str(image, "metadata.name", ""), spec);
}

static void port_build_plan(void *data, const char *id, const char *source UNUSED,
			    const char *revision UNUSED, const json_t *image)
{
	struct answer *a = owe(data, ANSWER_PLANNED, id, some_ms(data, 20));

	a->name = mem_strdup(json_path_str(image, "spec.buildArgs.BASE", ""));
	a->extra = build_key(image);
}

static void port_build(void *data, const char *id, const char *source UNUSED,
		       const char *revision UNUSED, const json_t *image)
{
	struct world *w = data;
	struct answer *a = owe(w, ANSWER_BUILT, id, some_ms(w, 500));

	a->name = mem_strdup(json_path_str(image, "metadata.name", ""));
	a->extra = build_key(image);
	w->n_builds++;
}

/* ---- pods ---- */

static json_t *pod_of(struct world *w, const char *uid)
{
	json_t *pod = json_object_get(w->pods, uid);

	if (!pod) {
		pod = json_pack("{s:b, s:{}}", "sandbox", 0, "containers");
		json_set(w->pods, uid, pod);
	}
	return pod;
}

static void port_sandbox_up(void *data, const json_t *request)
{
	owe(data, ANSWER_SANDBOX, json_path_str(request, "uid", ""), some_ms(data, 10));
}

static void port_container_start(void *data, const json_t *request)
{
	struct world *w = data;
	struct answer *a =
		owe(w, ANSWER_START, json_path_str(request, "podUid", ""), some_ms(w, 30));

	a->name = mem_strdup(json_path_str(request, "name", ""));
	a->extra = mem_strdup(json_path_str(request, "image", ""));
	a->attempt = (unsigned int)json_path_int(request, "attempt", 0);
}

static void port_container_signal(void *data, const char *uid, const char *name,
				  unsigned int attempt, int signo)
{
	struct world *w = data;
	struct answer *a = owe(w, ANSWER_EXIT, uid, signo == SIGKILL ? 1 : some_ms(w, 200));

	a->name = mem_strdup(name);
	a->attempt = attempt;
	a->code = signo == SIGKILL ? 137 : 0;
}

static void port_pod_down(void *data, const char *uid)
{
	owe(data, ANSWER_GONE, uid, some_ms(data, 10));
}

/* ---- checks ---- */

static void port_check(void *data, const char *id, const json_t *request UNUSED)
{
	struct world *w = data;

	for (size_t i = 0; i < w->n_answers; i++) {
		if (w->answers[i].type == ANSWER_CHECK && str_eq(w->answers[i].id, id))
			return;
	}
	owe(w, ANSWER_CHECK, id, some_ms(w, 20));
	w->n_checks++;
}

static void port_check_cancel(void *data, const char *id)
{
	struct world *w = data;

	for (size_t i = 0; i < w->n_answers; i++) {
		if (w->answers[i].type != ANSWER_CHECK || !str_eq(w->answers[i].id, id))
			continue;
		answer_clear(&w->answers[i]);
		w->answers[i] = w->answers[--w->n_answers];
		return;
	}
}

static void port_notify(void *data, const char *source UNUSED, const json_t *event)
{
	(void)json_array_append_new(((struct world *)data)->notices, json_deep_copy(event));
}

static bool port_container_lives(void *data, const char *uid, const char *name,
				 unsigned int attempt)
{
	struct world *w = data;
	const json_t *c =
		json_object_get(json_object_get(json_object_get(w->pods, uid), "containers"), name);

	return json_path_bool(c, "running", false) &&
	       json_path_int(c, "attempt", 0) == (json_int_t)attempt;
}

static const struct ports ports = {
	.now_ms = port_now,
	.realtime_ns = port_realtime,
	.random = port_random,
	.wake_at = port_wake,
	.image_resolve = port_image_resolve,
	.image_get = port_image_get,
	.decode = port_decode,
	.tree_digest = port_tree_digest,
	.build_plan = port_build_plan,
	.build = port_build,
	.sandbox_up = port_sandbox_up,
	.container_start = port_container_start,
	.container_signal = port_container_signal,
	.pod_down = port_pod_down,
	.container_lives = port_container_lives,
	.notify = port_notify,
	.check = port_check,
	.check_cancel = port_check_cancel,
};

/* ---- answering ---- */

static json_t *started_info(const char *uid)
{
	return json_pack("{s:s, s:i, s:s}", "id", uid, "pid", 42, "started_at",
			 "2027-01-15T08:00:00Z");
}

static json_t *ended_info(int code)
{
	return json_pack("{s:i, s:s, s:s}", "exit_code", code, "started_at", "2027-01-15T08:00:00Z",
			 "finished_at", "2027-01-15T08:00:01Z");
}

static bool image_is_broken(struct world *w, const char *digest)
{
	const char *ref;
	json_t *d;

	json_object_foreach(w->images, ref, d) {
		if (str_eq(json_string_value(d), digest) && strstr(ref, "broken"))
			return true;
	}
	return false;
}

static void answer_start(struct world *w, const struct answer *a)
{
	json_t *containers = json_object_get(pod_of(w, a->id), "containers");
	json_t *old = json_object_get(containers, a->name);
	autojson *info = started_info(a->id);
	struct err err = {0};

	if (!json_path_bool(pod_of(w, a->id), "sandbox", false))
		return; /* taken down meanwhile */
	if (old && json_path_bool(old, "running", false)) {
		assert(json_path_int(old, "attempt", 0) ==
		       (json_int_t)a->attempt); /* never two of one container */
	} else if (image_is_broken(w, a->extra)) {
		(void)err_set(&err, ERR_INVALID, ENOENT, "CreateContainerError",
			      "no such executable");
		reconciler_container_failed(w->r, a->id, a->name, a->attempt, &err);
		return;
	} else {
		json_set(containers, a->name,
			 json_pack("{s:i, s:b, s:s}", "attempt", (int)a->attempt, "running", 1,
				   "image", a->extra));
		w->n_starts++;
	}
	reconciler_container_started(w->r, a->id, a->name, a->attempt, info);
}

static void answer_exit(struct world *w, const struct answer *a)
{
	json_t *c = json_object_get(json_object_get(pod_of(w, a->id), "containers"), a->name);
	autojson *info = ended_info(a->code);

	if (!c || !json_path_bool(c, "running", false) ||
	    json_path_int(c, "attempt", 0) != (json_int_t)a->attempt)
		return;
	json_set(c, "running", json_false());
	json_set(c, "code", json_integer(a->code));
	reconciler_container_exited(w->r, a->id, a->name, a->attempt, info);
}

static void answer_decoded(struct world *w, const struct answer *a)
{
	autojson *list = json_array(), *result = NULL;
	const char *name;
	json_t *app, *object;
	size_t i;

	json_object_foreach(w->apps, name, app) {
		json_t *objects = json_array(), *errors = json_object_get(app, "errors");

		json_array_foreach(json_object_get(app, "objects"), i, object)
			json_array_append_new(objects,
					      json_pack("{s:s, s:i, s:O}", "file", "a.yaml", "line",
							1, "object", object));
		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:[]}", "name", name,
						      "objects", objects, "errors",
						      errors ? json_incref(errors) : json_array(),
						      "notes"));
	}
	result = json_pack("{s:O}", "apps", list);
	reconciler_decoded(w->r, a->id, a->extra, result, NULL);
}

static void answer_built(struct world *w, const struct answer *a)
{
	autofree char *ref = mem_asprintf("%s:latest", a->name);
	struct err err = {0};
	char digest[80];

	if (json_object_get(w->failing_builds, a->name)) {
		(void)err_set(&err, ERR_INVALID, ENOEXEC, "BuildFailed",
			      "Dockerfile:2: exit status 1");
		reconciler_build_done(w->r, a->id, NULL, &err);
		return;
	}
	digest_of(digest, a->extra);
	json_set(w->built, a->extra, json_text(digest));
	json_set(w->images, ref, json_text(digest));
	reconciler_build_done(w->r, a->id, digest, NULL);
}

static void answer_planned(struct world *w, const struct answer *a)
{
	const char *current = json_string_value(json_object_get(w->built, a->extra));
	autojson *plan = json_pack("{s:[], s:s}", "bases", "current", current ? current : "");

	if (*a->name)
		json_array_append_new(json_object_get(plan, "bases"), json_text(a->name));
	reconciler_build_planned(w->r, a->id, plan, NULL);
}

static void answer_image(struct world *w, const struct answer *a)
{
	struct err err = {0};
	char digest[80];

	if (port_image_resolve(w, digest, a->id) == 1) {
		reconciler_image_done(w->r, a->id, digest, NULL);
		return;
	}
	(void)err_set(&err, ERR_INVALID, ENOENT, "ErrImagePull", "not found");
	reconciler_image_done(w->r, a->id, NULL, &err);
}

static bool check_fails(const struct world *w, const char *what, const char *check)
{
	autofree char *both = mem_asprintf("%s/%s", what, check);

	return json_object_get(w->failing_checks, what) || json_object_get(w->failing_checks, both);
}

/* An id is "<uid>/<container>/<attempt>/<check>". */
static void answer_check(struct world *w, const struct answer *a)
{
	autojson *parts = json_array();
	autofree char *id = mem_strdup(a->id);
	const json_t *c;
	const char *uid, *check, *ref;
	json_t *digest;
	bool fails;

	for (char *rest = NULL, *p = strtok_r(id, "/", &rest); p; p = strtok_r(NULL, "/", &rest))
		json_array_append_new(parts, json_text(p));
	uid = json_path_str(parts, "[0]", "");
	check = json_path_str(parts, "[3]", "");
	c = json_object_get(json_object_get(json_object_get(w->pods, uid), "containers"),
			    json_path_str(parts, "[1]", ""));
	fails = check_fails(w, uid, check) || !json_path_bool(c, "running", false);
	json_object_foreach(w->images, ref, digest)
		fails |= str_eq(json_string_value(digest), json_path_str(c, "image", "")) &&
			 check_fails(w, ref, check);
	reconciler_check_done(w->r, a->id, !fails, fails ? "told to fail" : "");
}

static void answer(struct world *w, const struct answer *a)
{
	switch (a->type) {
	case ANSWER_SANDBOX:
		json_set(pod_of(w, a->id), "sandbox", json_true());
		reconciler_sandbox_ready(w->r, a->id, "10.0.0.7");
		break;
	case ANSWER_START:
		answer_start(w, a);
		break;
	case ANSWER_EXIT:
		answer_exit(w, a);
		break;
	case ANSWER_GONE:
		json_object_del(w->pods, a->id);
		reconciler_pod_gone(w->r, a->id);
		break;
	case ANSWER_IMAGE:
		answer_image(w, a);
		break;
	case ANSWER_DECODED:
		answer_decoded(w, a);
		break;
	case ANSWER_PLANNED:
		answer_planned(w, a);
		break;
	case ANSWER_BUILT:
		answer_built(w, a);
		break;
	case ANSWER_CHECK:
		answer_check(w, a);
		break;
	}
}

/* ---- life ---- */

static int64_t env_realtime(void *data)
{
	return port_realtime(data);
}

static void start_policy(struct world *w)
{
	struct store_env env = {.realtime_ns = env_realtime, .random = port_random, .data = w};
	struct reconciler_config config = {.node_name = "node",
					   .host_ip = "192.0.2.1",
					   .confirm_prune = w->confirmed,
					   .node = {1 << 30, 2}};
	struct ports p = ports;
	struct err err = {0};

	p.data = w;
	if (store_open(&w->store, w->db, &env, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
	w->r = reconciler_new(w->store, &p, &config);
}

struct world *world_new(uint64_t seed)
{
	struct world *w = NEW(struct world);
	char dir[] = "/tmp/recond-sim.XXXXXX";

	log_set_level(LOG_LEVEL_ERROR);
	w->random = seed * 2654435761u + 88172645463325252u;
	w->wake_ms = UINT64_MAX;
	w->pods = json_object();
	w->images = json_object();
	w->notices = json_array();
	w->built = json_object();
	w->failing_builds = json_object();
	w->failing_checks = json_object();
	w->apps = json_object();
	if (!mkdtemp(dir))
		abort();
	w->dir = mem_strdup(dir);
	w->db = mem_asprintf("%s/recond.db", dir);
	start_policy(w);
	reconciler_recovered(w->r);
	return w;
}

static void remove_database(const struct world *w)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = mem_asprintf("%s%s", w->db, suffixes[i]);

		(void)unlink(path);
	}
	(void)rmdir(w->dir);
}

struct world *world_free(struct world *w)
{
	reconciler_free(w->r);
	store_free(w->store);
	remove_database(w);
	for (size_t i = 0; i < w->n_answers; i++)
		answer_clear(&w->answers[i]);
	free(w->answers);
	json_decref(w->pods);
	json_decref(w->images);
	json_decref(w->notices);
	json_decref(w->built);
	json_decref(w->failing_builds);
	json_decref(w->failing_checks);
	json_decref(w->apps);
	free(w->confirmed);
	free(w->dir);
	free(w->db);
	free(w);
	return NULL;
}

struct store *world_store(struct world *w)
{
	return w->store;
}

static void announce(struct world *w)
{
	autofree char *revision = mem_asprintf("rev-%u", w->revision);
	autojson *apps = json_object();
	const char *name;
	json_t *app;

	json_object_foreach(w->apps, name, app) {
		char inputs[80];

		json_digest(inputs, app);
		json_set(apps, name, json_pack("{s:s}", "inputs", inputs));
	}
	reconciler_revision(w->r, "source", revision, apps);
}

void world_push(struct world *w, json_t *apps)
{
	json_decref(w->apps);
	w->apps = apps;
	w->revision++;
	announce(w);
}

/* Answers owed to a dead policy are lost; what the runtime had begun is finished all the same. */
static void lose_answers(struct world *w)
{
	for (size_t i = 0; i < w->n_answers; i++) {
		struct answer *a = &w->answers[i];
		json_t *c =
			a->name ? json_object_get(json_object_get(json_object_get(w->pods, a->id),
								  "containers"),
						  a->name)
				: NULL;

		if (a->type == ANSWER_GONE)
			json_object_del(w->pods, a->id);
		else if (a->type == ANSWER_SANDBOX)
			json_set(pod_of(w, a->id), "sandbox", json_true());
		else if (a->type == ANSWER_START && !c && json_object_get(w->pods, a->id) &&
			 !image_is_broken(w, a->extra))
			json_set(json_object_get(pod_of(w, a->id), "containers"), a->name,
				 json_pack("{s:i, s:b, s:s}", "attempt", (int)a->attempt, "running",
					   1, "image", a->extra));
		else if (a->type == ANSWER_EXIT && c)
			json_set(c, "running", json_false());
		answer_clear(a);
	}
	w->n_answers = 0;
}

static void report(struct world *w, const char *uid, const json_t *pod)
{
	const char *name;
	json_t *c;

	if (json_path_bool(pod, "sandbox", false))
		reconciler_sandbox_ready(w->r, uid, "10.0.0.7");
	json_object_foreach(json_object_get(pod, "containers"), name, c) {
		unsigned int attempt = (unsigned int)json_path_int(c, "attempt", 0);
		autojson *started = started_info(uid);
		autojson *ended = ended_info((int)json_path_int(c, "code", 0));

		if (json_path_bool(c, "running", false))
			reconciler_container_started(w->r, uid, name, attempt, started);
		else
			reconciler_container_exited(w->r, uid, name, attempt, ended);
	}
}

void world_crash(struct world *w)
{
	autojson *pods = NULL;
	const char *uid;
	json_t *pod;

	/* A crash loses what was not committed: the store is closed without the policy's last
	 * transaction. */
	store_free(w->store);
	reconciler_abandon(w->r);
	lose_answers(w);
	w->now_ms += some_ms(w, 3000);
	start_policy(w);
	pods = json_copy(w->pods);
	json_object_foreach(pods, uid, pod)
		report(w, uid, pod);
	reconciler_recovered(w->r);
	if (w->revision > 0)
		announce(w);
}

void world_confirm_prune(struct world *w)
{
	free(w->confirmed);
	w->confirmed = mem_asprintf("rev-%u", w->revision);
}

/* ---- invariants ---- */

/* Containers that serve: those of pods on their way out do not count. */
static unsigned int running_total(const struct world *w)
{
	unsigned int n = 0;
	const char *uid, *name;
	json_t *pod, *c;

	json_object_foreach(w->pods, uid, pod) {
		const json_t *object = store_get_uid(w->store, uid);

		if (!object || object_deleting(object))
			continue;
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			n += json_path_bool(c, "running", false);
	}
	return n;
}

static void check(struct world *w)
{
	unsigned int n = running_total(w);

	if (n < w->low_water)
		w->low_water = n;
}

/* ---- stepping ---- */

static size_t next_answer(const struct world *w)
{
	size_t best = 0;

	for (size_t i = 1; i < w->n_answers; i++) {
		const struct answer *a = &w->answers[i], *b = &w->answers[best];

		if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order))
			best = i;
	}
	return best;
}

static void run_policy(struct world *w)
{
	struct err err = {0};

	if (reconciler_run(w->r, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
}

static uint64_t next_time(const struct world *w)
{
	uint64_t at = w->wake_ms;

	if (w->n_answers > 0 && w->answers[next_answer(w)].at_ms < at)
		at = w->answers[next_answer(w)].at_ms;
	return at;
}

bool world_step(struct world *w)
{
	uint64_t at = next_time(w);

	if (at == UINT64_MAX)
		return false;
	if (at > w->now_ms)
		w->now_ms = at;
	if (w->n_answers > 0 && w->answers[next_answer(w)].at_ms <= w->now_ms) {
		size_t i = next_answer(w);
		struct answer a = w->answers[i];

		w->answers[i] = w->answers[--w->n_answers];
		answer(w, &a);
		answer_clear(&a);
	}
	run_policy(w);
	check(w);
	return true;
}

void world_run(struct world *w, uint64_t for_ms)
{
	uint64_t end = w->now_ms + for_ms;

	run_policy(w);
	while (next_time(w) <= end && world_step(w))
		;
	if (w->now_ms < end)
		w->now_ms = end;
}

/* ---- looking ---- */

void world_add_image(struct world *w, const char *ref)
{
	char digest[80];

	digest_of(digest, ref);
	json_set(w->images, ref, json_text(digest));
}

void world_remove_image(struct world *w, const char *ref)
{
	json_object_del(w->images, ref);
}

void world_fail_builds(struct world *w, const char *name, bool fail)
{
	if (fail)
		json_set(w->failing_builds, name, json_true());
	else
		json_object_del(w->failing_builds, name);
}

void world_fail_checks(struct world *w, const char *what, const char *check, bool fail)
{
	autofree char *key = check ? mem_asprintf("%s/%s", what, check) : mem_strdup(what);

	if (fail)
		json_set(w->failing_checks, key, json_true());
	else
		json_object_del(w->failing_checks, key);
}

unsigned int world_checks(const struct world *w)
{
	return w->n_checks;
}

unsigned int world_builds(const struct world *w)
{
	return w->n_builds;
}

unsigned int world_starts(const struct world *w)
{
	return w->n_starts;
}

unsigned int world_low_water(struct world *w)
{
	unsigned int low = w->low_water;

	w->low_water = running_total(w);
	return low;
}

void world_exit_container(struct world *w, const char *uid, int code)
{
	const char *name;
	json_t *c;

	json_object_foreach(json_object_get(pod_of(w, uid), "containers"), name, c) {
		struct answer *a = owe(w, ANSWER_EXIT, uid, 1);

		a->name = mem_strdup(name);
		a->attempt = (unsigned int)json_path_int(c, "attempt", 0);
		a->code = code;
		return;
	}
}

unsigned int world_running(const struct world *w, const char *ref)
{
	const char *digest = json_string_value(json_object_get(w->images, ref)), *uid, *name;
	unsigned int n = 0;
	json_t *pod, *c;

	json_object_foreach(w->pods, uid, pod) {
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			n += json_path_bool(c, "running", false) &&
			     str_eq(json_path_str(c, "image", ""), digest);
	}
	return n;
}

const char *world_app_phase(struct world *w, const char *app)
{
	return json_path_str(store_get(w->store, KIND_APP, NULL, app), "status.phase", "");
}

const char *world_app_reason(struct world *w, const char *app)
{
	return json_path_str(store_get(w->store, KIND_APP, NULL, app), "status.reason", "");
}

json_t *world_deployment(const char *name, const char *image, int replicas)
{
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:{s:{s:s}}, s:{s:{s:{s:s}}, s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", name,
		"namespace", "default", "spec", "replicas", replicas, "selector", "matchLabels",
		"app", name, "template", "metadata", "labels", "app", name, "spec", "restartPolicy",
		"Always", "terminationGracePeriodSeconds", 30, "containers", "name", "main",
		"image", image);
}

const json_t *world_notices(const struct world *w)
{
	return w->notices;
}
