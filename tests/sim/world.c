/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the simulated host: virtual time, chance, what is owed to the policy, and how the
 * policy dies and comes back.
 */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/invariants.h"
#include "tests/sim/world_priv.h"

/* ---- chance ---- */

static uint64_t xorshift(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

uint64_t world_chance(struct world *w)
{
	return xorshift(&w->chance) >> 16;
}

uint64_t world_some_ms(struct world *w, uint64_t max)
{
	return 1 + world_chance(w) % max;
}

bool world_happens(struct world *w, unsigned int per_mille)
{
	return per_mille > 0 && world_chance(w) % 1000 < per_mille;
}

void world_trace(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->verbose)
		return;
	printf("%10.3f  ", (double)w->now_ms / 1000);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* ---- what is owed ---- */

static void add_faults(struct world *w, struct answer *a)
{
	const struct world_faults *f = &w->faults;

	if (a->type == ANSWER_EXIT)
		return; /* ends are kept until somebody knows */
	if (world_happens(w, f->slow))
		a->at_ms += world_some_ms(w, world_happens(w, 200) ? 150000 : 15000);
	a->lost = world_happens(w, f->lost);
	a->echo = !a->lost && a->type != ANSWER_CHECK && world_happens(w, f->repeated);
	a->fails = a->type != ANSWER_GONE && world_happens(w, f->failing);
}

struct answer *world_owe(struct world *w, enum answer_type type, const char *id, uint64_t delay_ms)
{
	struct answer *a;

	GROW(w->answers, w->cap_answers, w->n_answers + 1);
	a = &w->answers[w->n_answers++];
	*a = (struct answer){.at_ms = w->now_ms + delay_ms,
			     .order = w->order++,
			     .type = type,
			     .id = mem_strdup(id)};
	add_faults(w, a);
	return a;
}

struct answer *world_owed(struct world *w, enum answer_type type, const char *id, const char *name)
{
	for (size_t i = 0; i < w->n_answers; i++) {
		struct answer *a = &w->answers[i];

		if (a->type == type && str_eq(a->id, id) && (!name || str_eq(a->name, name)))
			return a;
	}
	return NULL;
}

void world_answer_clear(struct answer *a)
{
	free(a->id);
	free(a->name);
	free(a->extra);
}

static void owe_echo(struct world *w, const struct answer *a)
{
	struct answer *copy = world_owe(w, a->type, a->id, world_some_ms(w, 20000));

	copy->name = mem_strdup(a->name);
	copy->extra = mem_strdup(a->extra);
	copy->attempt = a->attempt;
	copy->code = a->code;
	copy->lost = copy->echo = false;
	copy->fails = a->fails;
	copy->again = true;
}

/* ---- life ---- */

bool world_dies(struct world *w)
{
	if (!w->dead && w->die_in > 0 && --w->die_in == 0) {
		world_trace(w, "killed");
		w->dead = true;
	}
	return w->dead;
}

static enum disk_verdict on_commit(void *data)
{
	struct world *w = data;

	w->n_commits++;
	if (world_dies(w))
		return DISK_DROP;
	if (w->fail_commit > 0) {
		w->fail_commit--;
		world_trace(w, "a commit fails");
		return DISK_FAIL;
	}
	return DISK_KEEP;
}

static int64_t env_realtime(void *data)
{
	return world_ports.realtime_ns(data);
}

static void env_random(void *data, void *buf, size_t n)
{
	world_ports.random(data, buf, n);
}

static void start_policy(struct world *w)
{
	struct store_env env = {.realtime_ns = env_realtime, .random = env_random, .data = w};
	struct reconciler_config config = {.node_name = "node",
					   .host_ip = "192.0.2.1",
					   .confirm_prune = w->confirmed,
					   .node = {1 << 30, 2}};
	struct ports p = world_ports;
	struct err err = {0};
	int r;

	p.data = w;
	w->wall_ms = w->wall_jump_ms;
	disk_insert(w->disk);
	r = store_open(&w->store, "recond.db", &env, &err);
	assert(r == 0);
	(void)r;
	invariants_restarted(w->invariants);
	w->r = reconciler_new(w->store, &p, &config);
}

struct world *world_new(uint64_t seed)
{
	struct world *w = NEW(struct world);

	log_set_level(LOG_LEVEL_ERROR);
	w->seed = seed;
	w->random = seed * 2654435761u + 88172645463325252u;
	w->chance = seed * 6364136223846793005u + 1442695040888963407u;
	w->wake_ms = UINT64_MAX;
	w->pods = json_object();
	w->images = json_object();
	w->built = json_object();
	w->notices = json_array();
	w->reads = json_object();
	w->failing_builds = json_object();
	w->failing_checks = json_object();
	w->apps = json_object();
	w->disk = disk_new(on_commit, w);
	w->invariants = invariants_new(w);
	start_policy(w);
	reconciler_recovered(w->r);
	return w;
}

static void clear_answers(struct world *w)
{
	for (size_t i = 0; i < w->n_answers; i++)
		world_answer_clear(&w->answers[i]);
	w->n_answers = 0;
}

struct world *world_free(struct world *w)
{
	reconciler_free(w->r);
	store_free(w->store);
	disk_free(w->disk);
	invariants_free(w->invariants);
	clear_answers(w);
	free(w->answers);
	json_decref(w->pods);
	json_decref(w->images);
	json_decref(w->built);
	json_decref(w->notices);
	json_decref(w->reads);
	json_decref(w->failing_builds);
	json_decref(w->failing_checks);
	json_decref(w->apps);
	free(w->confirmed);
	free(w->violation);
	free(w);
	return NULL;
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
	invariants_pushed(w->invariants, apps);
	json_decref(w->apps);
	w->apps = apps;
	w->revision++;
	announce(w);
}

/* The workers died with the policy: each had just finished, or was interrupted. */
static void interrupt_workers(struct world *w)
{
	w->muted = true;
	for (size_t i = 0; i < w->n_answers; i++) {
		struct answer *a = &w->answers[i];
		bool done = world_happens(w, 500) && !a->fails && !a->lost;
		json_t *pod = json_object_get(w->pods, a->id), *c;

		if (done || a->type == ANSWER_EXIT) {
			world_answer(w, a);
		} else if (a->type == ANSWER_SANDBOX) {
			json_set(world_pod(w, a->id), "cut", json_true());
		} else if (a->type == ANSWER_GONE && pod) {
			json_set(pod, "sandbox", json_false());
			json_set(pod, "cut", json_true());
			json_object_clear(json_object_get(pod, "containers"));
		} else if (a->type == ANSWER_START && pod) {
			c = world_container(w, a->id, a->name);
			if (!c || json_path_int(c, "attempt", 0) < (json_int_t)a->attempt)
				json_set(json_object_get(pod, "containers"), a->name,
					 json_pack("{s:i, s:b, s:s, s:b}", "attempt",
						   (int)a->attempt, "running", 0, "image", a->extra,
						   "cut", 1));
		}
	}
	w->muted = false;
	clear_answers(w);
}

static void restart(struct world *w)
{
	w->now_ms += world_some_ms(w, 3000);
	w->wake_ms = UINT64_MAX;
	w->dead = false;
	w->die_in = 0;
	start_policy(w);
	world_report(w);
	reconciler_recovered(w->r);
	if (w->revision > 0)
		announce(w);
}

static void kill_policy(struct world *w)
{
	invariants_crashed(w->invariants);
	store_free(w->store);
	reconciler_abandon(w->r);
}

void world_crash(struct world *w)
{
	world_trace(w, "crash");
	kill_policy(w);
	interrupt_workers(w);
	restart(w);
}

void world_crash_in(struct world *w, unsigned int n)
{
	w->die_in = n;
}

void world_reboot(struct world *w)
{
	world_trace(w, "reboot");
	kill_policy(w);
	clear_answers(w);
	json_object_clear(w->pods);
	w->now_ms += world_some_ms(w, 60000);
	w->boot_ms = w->now_ms;
	restart(w);
}

void world_jump_clock(struct world *w, int64_t ms)
{
	world_trace(w, "the wall clock jumps by %lld s", (long long)ms / 1000);
	w->wall_jump_ms += ms;
}

void world_fail_commits(struct world *w, unsigned int n)
{
	w->fail_commit = n;
}

void world_set_faults(struct world *w, const struct world_faults *faults)
{
	static const struct world_faults none;

	w->faults = faults ? *faults : none;
}

void world_calm(struct world *w)
{
	world_trace(w, "calm");
	world_set_faults(w, NULL);
	w->die_in = w->fail_commit = 0;
	for (size_t i = w->n_answers; i > 0; i--) {
		struct answer *a = &w->answers[i - 1];

		a->lost = a->fails = a->echo = false;
		if (!a->by_chance)
			continue;
		world_answer_clear(a);
		*a = w->answers[--w->n_answers];
	}
}

void world_confirm_prune(struct world *w)
{
	free(w->confirmed);
	w->confirmed = mem_asprintf("rev-%u", w->revision);
}

void world_violated(struct world *w, const char *rule, const char *fmt, ...)
{
	va_list ap;

	if (w->violation)
		return;
	w->violation = mem_strdup(rule);
	printf("seed %llu, %.3f s: %s: ", (unsigned long long)w->seed, (double)w->now_ms / 1000,
	       rule);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

const char *world_violation(const struct world *w)
{
	return w->violation;
}

void world_tell(struct world *w)
{
	if (getenv("RECOND_SIM_DEBUG"))
		log_set_level(LOG_LEVEL_DEBUG);
	w->verbose = true;
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

/* One of the two kinds of end: a store that failed ends the process, as killing does. */
static void run_policy(struct world *w)
{
	struct err err = {0};
	int r = reconciler_run(w->r, &err);

	if (r < 0 || w->dead)
		world_crash(w);
	world_note_low_water(w);
	invariants_check(w->invariants);
}

uint64_t world_next_ms(const struct world *w)
{
	uint64_t at = w->wake_ms;

	if (w->n_answers > 0 && w->answers[next_answer(w)].at_ms < at)
		at = w->answers[next_answer(w)].at_ms;
	return at;
}

bool world_step(struct world *w)
{
	uint64_t at = world_next_ms(w);

	if (at == UINT64_MAX || w->violation)
		return false;
	if (at > w->now_ms)
		w->now_ms = at;
	if (w->n_answers > 0 && w->answers[next_answer(w)].at_ms <= w->now_ms) {
		size_t i = next_answer(w);
		struct answer a = w->answers[i];

		w->answers[i] = w->answers[--w->n_answers];
		world_answer(w, &a);
		if (a.echo && a.type != ANSWER_GONE)
			owe_echo(w, &a);
		world_answer_clear(&a);
	}
	run_policy(w);
	return true;
}

void world_run(struct world *w, uint64_t for_ms)
{
	uint64_t end = w->now_ms + for_ms;

	run_policy(w);
	while (world_next_ms(w) <= end && world_step(w))
		;
	if (w->now_ms < end)
		w->now_ms = end;
}
