/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that sync's files share: one per app, build, source and awaited image.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "reconciler/reconciler_priv.h"
#include "reconciler/sync.h"

/* Why an app's desired set is not its effective set. */
enum hold {
	HOLD_NONE,
	HOLD_BUILD,    /* an image cannot be built */
	HOLD_IMAGE,    /* an image cannot be had; tried again with back-off */
	HOLD_ROLLOUT,  /* it was applied and could not come up: the effective set was put back */
	HOLD_PRUNE,    /* it would delete too much */
	HOLD_CONFLICT, /* it asks for what cannot be changed, or what another app owns */
	HOLD_ASK,      /* it failed after a step that cannot be undone: people decide */
	HOLD_UNDO,     /* people asked for an older set */
	HOLD_UNDELETE, /* its source no longer has it, people brought it back */
	HOLD_N_,
};

#define APP_STALE UINT64_MAX

struct app {
	char *name;
	/* From the source, in memory only: the next start reads it again. */
	char *source;
	char *revision;
	char *inputs;      /* digest of the app's files */
	bool present;      /* in the newest revision of its source */
	json_t *decoded;   /* {objects, errors, notes, settings} of `revision`; NULL while it is
			      being decoded */
	json_t *resolved;  /* objects with images pinned and config hashed; NULL until all is there
			    */
	char *resolved_id; /* digest of `resolved` */
	char *key;     /* digest of all inputs of `resolved`: files, contexts and images built from
			  them, configuration that it reads and others have */
	json_t *reads; /* {"Kind/namespace/name": true} of that configuration; NULL: not known */
	uint64_t resolved_serial; /* of builds, when it was resolved; APP_STALE: do it again */
	char *applied_id;         /* the set that this process brought the store to */
	/* For the status: what the newest revision waits for (phase NULL: nothing), and how far
	 * what runs is (NULL: it is up). */
	const char *phase, *phase_reason;
	char *text;
	char *progress;
	char progress_reason[64];
	/*
	 * Persistent, bucket "apps":
	 *   source       whose it is
	 *   ledger       [key of object] everything it ever made and that is not known to be gone
	 *   effective    SET: the last verified one, with "since"; "watch": {"until_ns", "pods"}
	 *                while it may still be found wanting
	 *   rollout      SET on its way: "stage" ("pre-deploy" or ""), "stage_since", "done": [keys
	 *                of ended Jobs]
	 *   held         {kind, key, inputs, revision, reason, message, since, restored}
	 *   restore      true: the effective set has yet to be put back
	 *   stopped      true: what failed was left as it is; nothing is put back or healed
	 *   failed_set   SET that was left so, with `stopped`
	 *   paused       since when
	 *   approved     a revision whose deletions are confirmed
	 *   adopted      {key of object: object} what moved here from other apps, as it ran there;
	 *                what it read there, too
	 *   quarantine   [{key, reason, message, since}] inputs that failed, oldest first
	 *   next         number of the next history entry
	 * SET: {n, id, key, revision, inputs, since, objects, settings}; "irreversible": the name
	 * of a Job of it that ran, and cannot be undone
	 */
	json_t *doc;
	/* Persistent, bucket "history", oldest first: SET with "result", "reason", "message",
	 * "end".
	 */
	json_t *history;
};

enum build_state {
	BUILD_NEW,      /* to be planned */
	BUILD_PLANNING, /* ports.build_plan was asked */
	BUILD_PLANNED,  /* may wait for base images that are built themselves */
	BUILD_RUNNING,
	BUILD_DONE,
	BUILD_FAILED,
	BUILD_STATE_N_,
};

struct app_build {
	char *id; /* "app/Image object" */
	char *app;
	char *source;
	char *revision;
	json_t *image; /* the Image object */
	json_t *bases; /* array of references, from the plan */
	char *inputs;  /* digest of the app's files and the context it was planned for */
	char *digest;  /* of the image built */
	enum build_state state;
	struct err err;
	unsigned int n_failures;
	uint64_t retry_ms;
	uint64_t mark;   /* of the last walk over bases that came by */
	char *asked;     /* id of the question put to the ports */
	uint64_t serial; /* order of planning and of completion, to see a base that is newer than
			    the plan */
};

struct image_wait {
	char *ref;
	bool asked;
	struct err err;
	unsigned int n_failures;
	uint64_t retry_ms;
};

struct source {
	char *name;
	char *revision;
	json_t *apps; /* as given to reconciler_revision */
	bool decoding;
	unsigned int n_failures; /* of decoding, in a row */
};

struct apps {
	struct app **apps;
	size_t n_apps, cap_apps;
	struct app_build **builds;
	size_t n_builds, cap_builds;
	struct image_wait **waits;
	size_t n_waits, cap_waits;
	struct source **sources;
	size_t n_sources, cap_sources;
	uint64_t serial;
};

/* ---- app_record.c ---- */
struct app *app_get(struct apps *a, const char *name);
struct app *app_add(struct apps *a, const char *name);
/* Forget APP, which is freed. What is persistent of it stays. */
void app_remove(struct apps *a, struct app *app);
struct source *source_get(struct apps *a, const char *name);
/* The persistent document of APP was changed: write it. */
void app_save(struct reconciler *r, const struct app *app);
/* "Kind/namespace/name" of O. Owned by the caller. */
char *app_object_key(const json_t *o);
/* The annotation KEY of O, or what the App object of SET's manifests says; NULL when neither does.
 */
const char *app_setting(const json_t *set, const json_t *o, const char *key);
/* A string of APP's newest revision was replaced. VALUE is copied. */
void app_string(char **target, const char *value);

/*
 * What moved here from another app goes on running whatever becomes of the set that asked for it:
 * OBJECT (NULL: unknown), as it was applied there last, is of APP's effective set from now on. /
 * SET, which is to be effective, with all that came since; owned by the caller.
 */
void adopted_add(struct app *app, const char *key, const json_t *object);
json_t *adopted_with(const struct app *app, const json_t *set);

bool app_held_on(const struct app *app, enum hold hold);
/* Hold the newest revision of APP because of ERR; KEY: the inputs that are held. Says nothing when
 * it is held so. */
void app_hold(struct reconciler *r, struct app *app, enum hold hold, const char *key,
	      const struct err *err);
/* The same for SET, one that was tried: the app may have newer inputs, which are still to be. */
void app_hold_set(struct reconciler *r, struct app *app, enum hold hold, const json_t *set,
		  const struct err *err);
void app_release(struct reconciler *r, struct app *app);
/* Tell the people whom the source names: TYPE is "verified", "held" or "released". */
void app_announce(struct reconciler *r, const struct app *app, const char *type);
/* Remove APP from the store's records and from memory; its history stays. */
void app_forget(struct reconciler *r, struct app *app);

/* ---- app_config.c ---- */
/* The ConfigMaps and Secrets that the set of WORKLOAD's template has for it, as APP's: a new array.
 */
json_t *app_config_of(const struct reconciler *r, const struct app *app, const json_t *workload);

/* ---- app_history.c ---- */
/* SET (borrowed) begins to be rolled out: number it and keep it. */
void history_begin(struct reconciler *r, struct app *app, json_t *set);
/* How the try with number N ended: "Verified", "Held", "Superseded". ERR may be NULL. */
void history_end(struct reconciler *r, struct app *app, int64_t n, const char *result,
		 const struct err *err);
/* The entry with number N, or NULL. / The newest that was verified and does not have the id BUT. */
const json_t *history_get(const struct app *app, int64_t n);
const json_t *history_last_good(const struct app *app, const char *but);
void history_load(struct reconciler *r, struct app *app);
/* Everything kept of an app that is gone. */
void history_drop(struct reconciler *r, const char *app);
/* Inputs KEY failed because of ERR. / Why they did, NULL when they did not. / Forget that. */
void quarantine_add(struct reconciler *r, struct app *app, const char *key, const struct err *err);
const json_t *quarantine_get(const struct app *app, const char *key);
void quarantine_drop(struct reconciler *r, struct app *app, const char *key);

/* ---- rollout.c ---- */
/* The set on its way, or NULL. */
const json_t *rollout_of(const struct app *app);
/* Begin with what the newest revision asks for; it may be refused (then APP is held). */
void rollout_start(struct reconciler *r, struct app *app);
/* One step on with the set on its way. */
void rollout_step(struct reconciler *r, struct app *app);
/* Without one: keep the effective set as it was verified. */
void rollout_settle(struct reconciler *r, struct app *app);
/* Give up the set on its way (a newer one is refused or nothing is asked for any more). */
void rollout_drop(struct reconciler *r, struct app *app, const char *result);

/* ---- rollback.c ---- */
/* People say that APP, which was left as it failed, is to go back. */
void rollback_approved(struct reconciler *r, struct app *app);

/* ---- app_action.c ---- */
/* An app that left its source went altogether: keep its record for a while. / Forget KEY's if that
 * is over. / Look after those kept at start. */
void deleted_keep(struct reconciler *r, const struct app *app);
void deleted_expire(struct reconciler *r, const char *key);
void deleted_load(struct reconciler *r);

/* ---- builds.c ---- */
/* One build for each Image object of APP, planned anew where inputs changed. */
void builds_update(struct reconciler *r, struct app *app);
/* Are all builds of APP done? 1: yes. 0: not yet, *ret_what says on what it waits. -1: one failed,
 * *ret_failed. */
int builds_of_app(struct reconciler *r, const struct app *app, const struct app_build **ret_what);
/* The build that makes what REF names, for SOURCE; NULL when none does. */
struct app_build *builds_for_ref(struct reconciler *r, const char *source, const char *ref);
void builds_drop_app(struct reconciler *r, const char *app);
/* Note in INPUTS (object: id to digest text) all that B and the builds it rests on are made of. */
void builds_note_inputs(struct reconciler *r, const struct app_build *b, json_t *inputs);
/* Builds of APP that failed are begun anew. */
void builds_try_again(struct reconciler *r, const char *app);
struct app_build *app_build_free(struct app_build *b);
/* "name:tag" as a manifest's image field means it on this host. Owned by the caller. */
char *builds_familiar(const char *ref);

/* ---- resolve.c ---- */
enum resolve_result {
	RESOLVE_DONE,    /* app->resolved and resolved_id are set */
	RESOLVE_WAITING, /* for an image or a build of another app */
	RESOLVE_FAILED,  /* an image cannot be had: *ret_wait */
};
enum resolve_result resolve_app(struct reconciler *r, struct app *app,
				const struct image_wait **ret_wait, char **ret_what);

/* Does a pod of the workload O read the ConfigMap or Secret CONFIG? */
bool resolve_reads(const json_t *o, const json_t *config);

/* What could not be had for good is asked for once more. */
void images_try_again(struct reconciler *r);

/* ---- apply.c ---- */
/* Does another app, as its source has it now, ask for the object KEY of APP? */
bool apply_elsewhere(struct reconciler *r, const struct app *app, const char *key);
struct apply_request {
	json_t *objects;    /* the whole set */
	const json_t *skip; /* keys (app_object_key) of objects of it that are not written now;
			       NULL: none */
	bool partial;       /* what the set no longer has is left alone */
	bool guard;         /* refuse to delete too much */
};

/*
 * Bring the store to a set of APP (applies in kind order, then prunes what the ledger has beyond
 * it). 0: done. 1: not yet (something has to go first). -1: refused, *err says why; nothing was
 * changed.
 */
int apply_objects(struct reconciler *r, struct app *app, const struct apply_request *request,
		  enum hold *ret_hold, struct err *err);

/* ---- follow.c ---- */
enum follow_result {
	FOLLOW_UP,       /* everything is there and available */
	FOLLOW_PROGRESS, /* on its way; *ret_text says how far, *ret_again_ms when to look again (or
			    UINT64_MAX) */
	FOLLOW_FAILED,   /* err */
};
/* SINCE: the time stamp of when OBJECTS were asked for, which deadlines count from; NULL when they
 * were up already, and have none any more. *ret_text is owned by the caller. */
enum follow_result follow_objects(struct reconciler *r, json_t *objects, const char *since,
				  char **ret_text, uint64_t *ret_again_ms, struct err *err);

/* ---- app_status.c ---- */
void app_status_write(struct reconciler *r, const struct app *app, const char *phase,
		      const char *reason, const char *message);
