/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: what is wanted, what runs, and the next step between the two. One object that owns
 * the store, the work queue and all controllers; driven by reconciler_run and by the answers of the
 * ports. It never blocks, never reads a clock by itself and knows no file, process or socket.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/ports.h"
#include "reconciler/store.h"

struct reconciler;

struct node_capacity {
	int64_t memory_bytes;
	int64_t cpus;
};

struct reconciler_config {
	const char *node_name; /* shows in pods' spec.nodeName */
	const char *host_ip;   /* status.hostIP of pods */
	struct node_capacity node;
	const char *confirm_prune; /* a revision id whose deletions are confirmed, or NULL */
};

/*
 * A policy over STORE (borrowed, outlives it) and PORTS (copied). Objects left in the store by an
 * earlier run are queued; nothing is called before the first reconciler_run. Strings of CONFIG are
 * copied.
 */
struct reconciler *reconciler_new(struct store *store, const struct ports *ports,
				  const struct reconciler_config *config);
struct reconciler *reconciler_free(struct reconciler *r);
DEFINE_FREEP(struct reconciler, reconciler_free)

/*
 * Free R as a crash would: without committing what its open transaction holds and without touching
 * the store, which may be gone already. For tests of recovery.
 */
void reconciler_abandon(struct reconciler *r);

/*
 * Do everything that is due, in transactions, effects after their commit, and arm wake_at for the
 * rest. 0, or a negative errno with ERR fatal when the store failed: the process has to end and
 * start again.
 */
int reconciler_run(struct reconciler *r, struct err *err);

/*
 * The sources that are configured, all of them, again whenever that changes: {name: {"location":
 * what is watched, "spec": what its Source object shows}}. Apps of a source that is configured no
 * more are left running, belong to nobody, and may be taken over by another source. Borrowed.
 */
void reconciler_sources(struct reconciler *r, const json_t *sources);

/* A newer configuration was given and is not used, because ERR; NULL: what is used is the newest.
 */
void reconciler_configuration_problem(struct reconciler *r, const struct err *err);

/* SOURCE cannot be read, because ERR (its last revision stays); NULL: it can again. */
void reconciler_source_problem(struct reconciler *r, const char *source, const struct err *err);

/* Something to remember about SOURCE that is no problem of reading it: an event on its object. */
void reconciler_source_warning(struct reconciler *r, const char *source, const char *reason,
			       const char *message);

/*
 * A source has the revision REVISION. APPS: {"app": {"inputs": digest}}: which apps it holds and a
 * digest of all files of each. Later revisions replace earlier ones; equal inputs change nothing.
 */
void reconciler_revision(struct reconciler *r, const char *source, const char *revision,
			 const json_t *apps);

/* Answers to ports.decode: the result (borrowed) of manifest.h, or NULL and the reason it could not
 * be made. */
void reconciler_decoded(struct reconciler *r, const char *source, const char *revision,
			const json_t *result, const struct err *err);

/* Answer to ports.image_get. DIGEST on success, else NULL and ERR. */
void reconciler_image_done(struct reconciler *r, const char *ref, const char *digest,
			   const struct err *err);

/*
 * Answers to ports.build_plan and ports.build. PLAN: {"bases": [refs], "current": digest or "",
 * "inputs": digest}. DIGEST on success, else NULL and ERR.
 */
void reconciler_build_planned(struct reconciler *r, const char *id, const json_t *plan,
			      const struct err *err);
void reconciler_build_progress(struct reconciler *r, const char *id, unsigned int step,
			       unsigned int steps, const char *text);
void reconciler_build_done(struct reconciler *r, const char *id, const char *digest,
			   const struct err *err);

/* What the runtime sees of pods, whether asked for or found after a restart. Unknown uids are told
 * to go. */
void reconciler_sandbox_ready(struct reconciler *r, const char *uid, const char *ip);
void reconciler_sandbox_failed(struct reconciler *r, const char *uid, const struct err *err);
void reconciler_container_started(struct reconciler *r, const char *uid, const char *name,
				  unsigned int attempt, const json_t *info);
void reconciler_container_failed(struct reconciler *r, const char *uid, const char *name,
				 unsigned int attempt, const struct err *err);
void reconciler_container_exited(struct reconciler *r, const char *uid, const char *name,
				 unsigned int attempt, const json_t *info);
void reconciler_pod_gone(struct reconciler *r, const char *uid);

/*
 * Answer to ports.check: OK, or not and MESSAGE says why in the kubelet's words ("HTTP probe failed
 * with statuscode: 503").
 */
void reconciler_check_done(struct reconciler *r, const char *id, bool ok, const char *message);

/* The runtime has told everything it found at start; pods not mentioned do not run. No controller
 * works before. */
void reconciler_recovered(struct reconciler *r);

/*
 * What a person asks of APP. ACTION: "retry" (what is held, once more), "pause" and "resume"
 * (following its source), "undo" ({"to": number of a history entry}; without, the last good set
 * before), "approve" ({"revision"}, optional: deletions of a revision, or going back over a step
 * that cannot be undone), "undelete" (an app deleted within the hour). ARGS may be NULL. 0 with
 * *ret {"app", "action", "message"}, owned by the caller, and a reconciler_run due; or negative
 * with ERR invalid: nothing was changed (reason NotFound: no such app).
 */
int reconciler_app_action(struct reconciler *r, const char *app, const char *action,
			  const json_t *args, json_t **ret, struct err *err);

/*
 * The sets of APP that were rolled out, oldest first: [{"n", "revision", "inputs", "since", "end",
 * "result": "Progressing|Verified|Held|Superseded|Undone", "reason", "message", "objects"}]. Owned
 * by the caller; NULL: no such app.
 */
json_t *reconciler_app_history(struct reconciler *r, const char *app);

/* The sources have all been read once; apps of sources that are gone are left alone until told
 * otherwise. */
struct store *reconciler_store(struct reconciler *r);
