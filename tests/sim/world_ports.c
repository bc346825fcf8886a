/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of the simulated host: each call starts something and owes an answer. Calls of a policy
 * that was killed reach nobody.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "reconciler/controllers/pod_env.h"
#include "tests/sim/invariants.h"
#include "tests/sim/world_priv.h"

#define BOOTED_MS 1000 /* what the clock of a host shows when it is up */

/* ---- chance and time ---- */

static uint64_t port_now(void *data)
{
	const struct world *w = data;

	return w->now_ms - w->boot_ms + BOOTED_MS;
}

int64_t world_epoch_ns(int64_t at_ms)
{
	return 1800000000000000000 + at_ms * 1000000;
}

static int64_t port_realtime(void *data)
{
	const struct world *w = data;

	return world_epoch_ns((int64_t)w->now_ms + w->wall_ms);
}

static void port_random(void *data, void *buf, size_t n)
{
	struct world *w = data;
	unsigned char *b = buf;

	for (size_t i = 0; i < n; i++) {
		w->random ^= w->random << 13;
		w->random ^= w->random >> 7;
		w->random ^= w->random << 17;
		b[i] = (unsigned char)(w->random >> 24);
	}
}

static void port_wake(void *data, uint64_t at_ms)
{
	struct world *w = data;

	if (w->dead)
		return;
	if (at_ms == UINT64_MAX)
		w->wake_ms = at_ms;
	else
		w->wake_ms = w->boot_ms + (at_ms > BOOTED_MS ? at_ms - BOOTED_MS : 0);
}

/* An effect is about to happen; false when the policy died before. */
static bool call(struct world *w, const char *what, const char *id)
{
	if (world_dies(w))
		return false;
	w->n_calls++;
	world_trace(w, "%s %s", what, id);
	return true;
}

/* ---- images and builds ---- */

void world_digest_of(char ret[80], const char *text)
{
	digest_bytes(ret, text, strlen(text));
}

int world_image_resolve(void *data, char *ret, const char *ref)
{
	const struct world *w = data;
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

bool world_image_is(const struct world *w, const char *digest, const char *word)
{
	const char *ref;
	json_t *d;

	json_object_foreach(w->images, ref, d) {
		if (str_eq(json_string_value(d), digest) && strstr(ref, word))
			return true;
	}
	return false;
}

static void port_image_get(void *data, const char *ref)
{
	struct world *w = data;

	if (call(w, "image_get", ref) && !world_owed(w, ANSWER_IMAGE, ref, NULL))
		world_owe(w, ANSWER_IMAGE, ref, world_some_ms(w, 50));
}

static int port_tree_digest(void *data UNUSED, char *ret, const char *source UNUSED,
			    const char *revision UNUSED, const char *dir)
{
	world_digest_of(ret, dir);
	return 1;
}

static void port_decode(void *data, const char *source, const char *revision)
{
	struct world *w = data;
	const struct answer *owed = world_owed(w, ANSWER_DECODED, source, NULL);

	if (call(w, "decode", revision) && !(owed && str_eq(owed->extra, revision)))
		world_owe(w, ANSWER_DECODED, source, world_some_ms(w, 20))->extra =
			mem_strdup(revision);
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
	struct world *w = data;
	struct answer *a;

	if (!call(w, "build_plan", id) || world_owed(w, ANSWER_PLANNED, id, NULL))
		return;
	a = world_owe(w, ANSWER_PLANNED, id, world_some_ms(w, 20));
	a->name = mem_strdup(json_path_str(image, "spec.buildArgs.BASE", ""));
	a->extra = build_key(image);
}

static void port_build(void *data, const char *id, const char *source UNUSED,
		       const char *revision UNUSED, const json_t *image)
{
	struct world *w = data;
	struct answer *a;

	if (!call(w, "build", id) || world_owed(w, ANSWER_BUILT, id, NULL))
		return;
	a = world_owe(w, ANSWER_BUILT, id, world_some_ms(w, 500));
	a->name = mem_strdup(json_path_str(image, "metadata.name", ""));
	a->extra = build_key(image);
	w->n_builds++;
}

/* ---- pods ---- */

static void note_read(struct world *w, const char *uid, const char *key, const char *text)
{
	json_set(w->reads, text, json_integer(json_path_int(w->reads, text, 0) + 1));
	invariants_reads(w->invariants, uid, key, text);
}

/* Pods read one ConfigMap of one key, as a volume and as a variable (world_read_config). */
static void note_reads(struct world *w, const char *uid, const json_t *request)
{
	const json_t *item = json_path(request, "volumes.[0].files.items.[0]");
	const char *data = json_path_str(item, "data", NULL);
	autofree char *text = data ? pod_env_unbase64(data) : NULL;
	json_t *variable;
	size_t i;

	if (text)
		note_read(w, uid, json_path_str(item, "path", ""), text);
	json_array_foreach(json_object_get(request, "env"), i, variable) {
		if (str_eq(json_string_value(json_array_get(variable, 0)), WORLD_CONFIG_KEY))
			note_read(w, uid, WORLD_CONFIG_KEY,
				  json_string_value(json_array_get(variable, 1)));
	}
}

static void port_sandbox_up(void *data, const json_t *request)
{
	struct world *w = data;
	const char *uid = json_path_str(request, "uid", "");

	if (!call(w, "sandbox_up", uid))
		return;
	note_reads(w, uid, request);
	if (!world_owed(w, ANSWER_SANDBOX, uid, NULL))
		world_owe(w, ANSWER_SANDBOX, uid, world_some_ms(w, 10));
}

static void port_container_start(void *data, const json_t *request)
{
	struct world *w = data;
	const char *uid = json_path_str(request, "podUid", "");
	const char *name = json_path_str(request, "name", "");
	unsigned int attempt = (unsigned int)json_path_int(request, "attempt", 0);
	struct answer *a = world_owed(w, ANSWER_START, uid, name);

	if (!call(w, "container_start", uid))
		return;
	invariants_start(w->invariants, uid, name, attempt);
	note_reads(w, uid, request);
	if (a && a->attempt == attempt && !a->again)
		return;
	a = world_owe(w, ANSWER_START, uid, world_some_ms(w, 30));
	a->name = mem_strdup(name);
	a->extra = mem_strdup(json_path_str(request, "image", ""));
	a->attempt = attempt;
}

static void port_container_signal(void *data, const char *uid, const char *name,
				  unsigned int attempt, int signo)
{
	struct world *w = data;
	struct answer *a;

	if (!call(w, signo == SIGKILL ? "kill" : "stop", uid) ||
	    world_happens(w, w->faults.lost)) /* nobody got the signal */
		return;
	a = world_owe(w, ANSWER_EXIT, uid, signo == SIGKILL ? 1 : world_some_ms(w, 200));
	a->name = mem_strdup(name);
	a->attempt = attempt;
	a->code = signo == SIGKILL ? 137 : 0;
}

static void port_pod_down(void *data, const char *uid)
{
	struct world *w = data;

	if (call(w, "pod_down", uid) && !world_owed(w, ANSWER_GONE, uid, NULL))
		world_owe(w, ANSWER_GONE, uid, world_some_ms(w, 10));
}

/* ---- checks and notices ---- */

static void port_check(void *data, const char *id, const json_t *request UNUSED)
{
	struct world *w = data;

	if (!call(w, "check", id) || world_owed(w, ANSWER_CHECK, id, NULL))
		return;
	world_owe(w, ANSWER_CHECK, id, world_some_ms(w, 20));
	w->n_checks++;
}

static void port_check_cancel(void *data, const char *id)
{
	struct world *w = data;
	struct answer *a = world_owed(w, ANSWER_CHECK, id, NULL);

	if (!call(w, "check_cancel", id) || !a)
		return;
	world_answer_clear(a);
	*a = w->answers[--w->n_answers];
}

static void port_notify(void *data, const char *source UNUSED, const json_t *event)
{
	struct world *w = data;

	if (call(w, "notify", json_path_str(event, "type", "")))
		(void)json_array_append_new(w->notices, json_deep_copy(event));
}

static bool port_container_lives(void *data, const char *uid, const char *name,
				 unsigned int attempt)
{
	const json_t *c = world_container(data, uid, name);

	return json_path_bool(c, "running", false) &&
	       json_path_int(c, "attempt", 0) == (json_int_t)attempt;
}

const struct ports world_ports = {
	.now_ms = port_now,
	.realtime_ns = port_realtime,
	.random = port_random,
	.wake_at = port_wake,
	.image_resolve = world_image_resolve,
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
