/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources as they are configured: plain ones of the options, and the Source files of a
 * directory, which recond-manifest decodes as it does everything in YAML. What is read here is
 * complete and checked; what is wrong is a list of errors with their places.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/options.h"

/* One source; all is owned. */
struct config_source {
	char *name;     /* how apps call it: metadata.name, or the location of one without a file */
	char *location; /* for watch/: PATH or PATH#BRANCH */
	char *place;    /* "FILE:LINE:COLUMN", "" for one without a file */
	json_t *policy; /* for decoding, as in reconciler/validate.h */
	json_t *hooks;  /* spec.notify, complete */
	json_t *shown;  /* the spec without what may be secret, for everybody to see */
};

struct config {
	struct config_source *sources;
	size_t n, cap;
};
#define autoconfig __attribute__((cleanup(config_deinit))) struct config

/* Free what C holds; idempotent. */
void config_deinit(struct config *c);

/* The source NAME, borrowed, or NULL. */
const struct config_source *config_find(const struct config *c, const char *name);

/* What reconciler_sources takes. Owned by the caller. */
json_t *config_announcement(const struct config *c);

struct config_load;

/* What reading a configuration came to. With an error it must not be used. */
struct config_result {
	struct config config;
	struct strlist errors;
	struct strlist warnings;
};

/* Free what R holds; idempotent. */
void config_result_deinit(struct config_result *r);

/*
 * It was read. RESULT may be taken over by moving it out. Called exactly once, never from
 * config_load_start; may free L.
 */
typedef void (*config_load_fn)(struct config_load *l, struct config_result *result, void *data);

/*
 * Read the configuration that O names. 0 with *ret (owned by the caller), or negative errno with
 * ERR when nothing could be begun, and no callback.
 */
int config_load_start(struct config_load **ret, sd_event *loop, const struct options *o,
		      config_load_fn fn, void *data, struct err *err);

/* Stop if it still runs, without a callback, and free. NULL is fine; returns NULL. */
struct config_load *config_load_free(struct config_load *l);
DEFINE_FREEP(struct config_load, config_load_free)

/* The same on a loop of its own, until it is done. Errors are in RET alone. */
void config_load_now(struct config_result *ret, const struct options *o);
