/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision seen with the eyes of the policy and of the builder: its apps, what of it is decoded,
 * and what a build is made of. Pure; shared by the daemon and the dry run, so that both ask the
 * same questions.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/manifest_input.h"
#include "watch/revision.h"

/*
 * {"app": {"inputs": digest}} for reconciler_revision: every top-level directory, and the app named
 * after the source when manifests or a Dockerfile lie at its root. Owned by the caller.
 */
json_t *revision_view_apps(const struct revision *rev);

struct revision_view;

/* The input of decoding REV (referenced while the view lives) under POLICY (copied; as in
 * reconciler/validate.h). Owned by the caller. */
struct revision_view *revision_view_new(struct revision *rev, const json_t *policy);

/* NULL is fine; returns NULL. */
struct revision_view *revision_view_free(struct revision_view *view);
DEFINE_FREEP(struct revision_view, revision_view_free)

/* What manifest_decode and manifest_worker_start take; borrowed from VIEW. */
const struct manifest_input *revision_view_input(const struct revision_view *view);

/*
 * RESULT of decoding REV with what decoding could not see: a manifest that is too large to be kept
 * makes its app invalid, as any other error does, instead of being taken for gone. Owned by the
 * caller.
 */
json_t *revision_view_complete(const json_t *result, const struct revision *rev);

/*
 * The request of builder/build.h for the Image object IMAGE of REV. CONTENT_DIR is where the
 * content lies (NULL when only a plan is wanted and it is not known). 0 with *ret (owned by the
 * caller), or -ENOENT with ERR invalid when the context or the Dockerfile is not in the revision.
 */
int revision_view_build_request(json_t **ret, const struct revision *rev, const json_t *image,
				const char *state_dir, const char *content_dir, struct err *err);

/* The directory of IMAGE's context relative to the source's root, "" for all of it. Owned by the
 * caller. */
char *revision_view_context(const json_t *image);
