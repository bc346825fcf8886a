/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the simulated host share. Everything it owes the policy is an answer in one
 * list ordered by virtual time; what runs is in `pods`.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "reconciler/reconciler.h"
#include "tests/sim/disk.h"
#include "tests/sim/world.h"

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
	ANSWER_N_,
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
	bool fails;     /* with a transient error, nothing done */
	bool lost;      /* done, or not, and never told */
	bool echo;      /* told once more, later */
	bool by_chance; /* an end that nobody asked for and that is not the image's fault */
	bool again;     /* that: nothing is done for it */
};

#define WORLD_CONFIG_KEY "content" /* of the ConfigMaps that pods read */

struct invariants;

struct world {
	uint64_t seed;
	uint64_t now_ms;
	uint64_t boot_ms;     /* when the host was started last */
	int64_t wall_jump_ms; /* how far the wall clock was moved */
	int64_t wall_ms;      /* the same when the policy was started */
	uint64_t wake_ms;
	uint64_t random; /* what the policy gets */
	uint64_t chance; /* delays and faults: a stream of its own */
	uint64_t order;
	struct answer *answers;
	size_t n_answers, cap_answers;
	/*
	 * uid -> {"sandbox": bool, "cut": bool, "containers": {name: {"attempt", "running",
	 * "image", "code", "told", "cut"}}}. "cut": what was to make it was interrupted; "told":
	 * the policy that runs knows of its end.
	 */
	json_t *pods;
	json_t *images; /* reference -> digest */
	json_t *built;  /* build key -> digest */
	json_t *failing_builds;
	json_t *failing_checks; /* "what/check" or "what" -> true */
	json_t *apps;           /* of the newest revision */
	json_t *reads;          /* content of ConfigMaps -> how often it was given */
	json_t *notices;        /* every event that ports.notify was given */
	unsigned int revision, n_builds, n_starts, n_checks, n_calls, n_commits, low_water;
	char *confirmed;
	struct world_faults faults;
	unsigned int die_in;      /* effects and commits until the policy is killed; 0: it is not */
	unsigned int fail_commit; /* commits to fail */
	bool dead;                /* killed: what it does from here on reaches nobody */
	bool muted;               /* answers change the world, but nobody is told */
	bool verbose;
	char *violation; /* the rule that was broken first; NULL: none */
	struct invariants *invariants;
	struct disk *disk;
	struct store *store;
	struct reconciler *r;
};

/* ---- world.c ---- */
uint64_t world_chance(struct world *w);
/* One of 1 to MAX. */
uint64_t world_some_ms(struct world *w, uint64_t max);
/* True PER_MILLE times of 1000. */
bool world_happens(struct world *w, unsigned int per_mille);
/* Owe an answer of TYPE about ID after DELAY_MS; borrowed until the next call. Faults change it. */
struct answer *world_owe(struct world *w, enum answer_type type, const char *id, uint64_t delay_ms);
/* An answer of TYPE about ID, container NAME (or NULL), is owed: borrowed, or NULL. */
struct answer *world_owed(struct world *w, enum answer_type type, const char *id, const char *name);
void world_answer_clear(struct answer *a);
/* The policy dies here, or is dead: an effect must not happen. */
bool world_dies(struct world *w);
/* The pod UID as it runs; made when there is none. Borrowed. */
json_t *world_pod(struct world *w, const char *uid);
/* The container NAME of the pod UID, NULL when there is none. Borrowed. */
json_t *world_container(const struct world *w, const char *uid, const char *name);
/* Say what happens, when asked for the whole story. */
void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- world_look.c ---- */
void world_note_low_water(struct world *w);

/* ---- world_ports.c ---- */
extern const struct ports world_ports;
/* What the wall clock shows at AT_MS, nanoseconds since the epoch. */
int64_t world_epoch_ns(int64_t at_ms);
int world_image_resolve(void *data, char *ret, const char *ref);
void world_digest_of(char ret[80], const char *text);
/* Does a reference of this digest hold WORD in its name? */
bool world_image_is(const struct world *w, const char *digest, const char *word);

/* ---- world_answers.c ---- */
void world_answer(struct world *w, const struct answer *a);
/* Tell a new policy what runs. */
void world_report(struct world *w);
