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
	HOLD_N_,
};

struct app {
	char *name;
	/* From the source, in memory only: the next start reads it again. */
	char *source;
	char *revision;
	char *inputs;      /* digest of the app's files */
	bool present;      /* in the newest revision of its source */
	json_t *decoded;   /* {objects, errors, notes} of `revision`; NULL while it is being decoded
			    */
	json_t *resolved;  /* objects with images pinned and config hashed; NULL until all is there
			    */
	char *resolved_id; /* digest of `resolved` */
	uint64_t resolved_serial; /* of builds, when it was resolved */
	char *applied_id;         /* the set that this process brought the store to */
	/* Persistent, bucket "apps": {source, desired{}, effective{}, held{}, ledger[], verified}.
	 */
	json_t *doc;
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

/* ---- sync.c ---- */
struct app *app_get(struct apps *a, const char *name);
struct source *source_get(struct apps *a, const char *name);
/* The persistent document of APP was changed: write it. */
void app_save(struct reconciler *r, const struct app *app);
/* "Kind/namespace/name" of O. Owned by the caller. */
char *app_object_key(const json_t *o);

/* ---- builds.c ---- */
/* One build for each Image object of APP, planned anew where inputs changed. */
void builds_update(struct reconciler *r, struct app *app);
/* Are all builds of APP done? 1: yes. 0: not yet, *ret_what says on what it waits. -1: one failed,
 * *ret_failed. */
int builds_of_app(struct reconciler *r, const struct app *app, const struct app_build **ret_what);
/* The build that makes what REF names, for SOURCE; NULL when none does. */
struct app_build *builds_for_ref(struct reconciler *r, const char *source, const char *ref);
void builds_drop_app(struct reconciler *r, const char *app);
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

/* ---- apply.c ---- */
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
enum follow_result follow_objects(struct reconciler *r, json_t *objects, char **ret_text,
				  uint64_t *ret_again_ms, struct err *err);

/* ---- app_status.c ---- */
void app_status_write(struct reconciler *r, const struct app *app, const char *phase,
		      const char *reason, const char *message);
