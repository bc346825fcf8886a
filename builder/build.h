/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building an image from a Dockerfile: the daemon's side. Each call starts one worker
 * (recond-build) and returns; what it says arrives by callbacks from the loop. Two builds may run
 * at once, also of the same thing.
 *
 * A request is a JSON object, copied by the call:
 *
 *   stateDir          absolute; the image store, unpacked layers and build records live below it
 *   name, tags        references the image gets ("web", "web:1"); both may be missing: it stays
 * untagged entries           the context's listing:
 * [{"path","mode","size","digest","real"?,"content"?}], paths relative to the context; "real" is
 * where the bytes lie beneath contextDir when that is another place, the "content" of a symlink is
 * its text (the form of a watch revision, cut to the directory) contextDir        absolute; the
 * directory "real" (or "path") is opened beneath, without following any symlink. Not needed to
 * plan. What is read is compared with the entry's digest dockerfile        its path as messages
 * shall name it (default "Dockerfile") dockerfileText    its content dockerignore      the same for
 * the ignore file (default ".dockerignore") dockerignoreText  its content; missing: nothing is
 * ignored target            a stage name; "" or missing: the last stage buildArgs         an object
 * of strings platform          "linux/amd64"; missing: this host's, the only one that can be built
 *   network           "none" (default) or "host": what RUN steps get
 *   memoryBytes       limit of each RUN step; 0 or missing: none
 *   cgroupRoot        where the control groups of RUN steps go; missing: "/recond-build-<id>"
 *   deadlineMs        of the whole build; 0 or missing: one hour
 *
 * Errors have the reason BuildFailed and name file and line ("web/Dockerfile:3: ..."); kind
 * invalid: the inputs are wrong, transient: the same request may succeed later (a context that
 * changed while it was read, a full disk). A base image that is not in the store is transient with
 * reason ErrImagePull.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

struct build;

/*
 * The plan arrived: ANSWER is {"bases": [{"reference","digest"}], "key", "current", "steps":
 * [{"text","line", "cached"}]}, borrowed; or NULL with ERR. A base whose digest is "" is not in the
 * store: then key, current and steps are empty. "current" is the manifest digest of an image that
 * was built for this very key and is all here, or "": a build would make nothing. Called once; the
 * callback may free B.
 */
typedef void (*build_plan_fn)(struct build *b, const json_t *answer, const struct err *err,
			      void *data);

/*
 * Ask what building REQUEST would do. Needs no root and writes nothing; the state directory need
 * not exist. 0 with *ret, or negative errno with ERR and no callback. No callback runs before this
 * returns.
 */
int build_plan_start(struct build **ret, sd_event *loop, const json_t *request, build_plan_fn fn,
		     void *data, struct err *err);

/* One step that makes a layer. TEXT is the instruction as it is written, borrowed. */
struct build_progress {
	size_t step; /* from 1 */
	size_t n_steps;
	unsigned line;
	const char *text;
	bool cached; /* nothing is done: its layer is there already */
};

struct build_callbacks {
	/* A step begins. May be NULL. */
	void (*progress)(struct build *b, const struct build_progress *p, void *data);
	/* One line of output of a RUN step, escaped for terminals, borrowed. May be NULL. */
	void (*log)(struct build *b, const char *line, void *data);
	/*
	 * The build ended: DIGEST is that of the image's manifest, stored and tagged; or NULL with
	 * ERR. Called once; the callback may free B.
	 */
	void (*end)(struct build *b, const char *digest, const struct err *err, void *data);
};

/* Build REQUEST, as root. CB is copied. Otherwise as build_plan_start. */
int build_start(struct build **ret, sd_event *loop, const json_t *request,
		const struct build_callbacks *cb, void *data, struct err *err);

/*
 * Kill it if it runs (its processes die with it, what it left is removed by the next build),
 * without callback, and free. NULL is fine; returns NULL.
 */
struct build *build_cancel(struct build *b);
DEFINE_FREEP(struct build, build_cancel)
