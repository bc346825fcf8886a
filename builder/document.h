/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration document of a built image: configuration, history and times. Pure, and a
 * function of its inputs alone, so that the same layers always give the same image.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "builder/plan.h"

/*
 * Append the history of the stage S to HISTORY: a layer's line carries the time of its step
 * (STEP_NS, one per step), an empty line the time of the next layer of the stage, or else of the
 * last one, or else NOW_NS. Times are clamped to the plan's epoch.
 */
void document_add_history(json_t *history, const struct build_plan *p, const struct plan_stage *s,
			  const int64_t *step_ns, int64_t now_ns);

/*
 * The document of the target for PLATFORM. HISTORY is the whole one, base image included. "created"
 * is the time of the last of the N_OWN history lines this build made, else NOW_NS. Owned by the
 * caller; rootfs is left to image_store_commit().
 */
json_t *document_new(const struct build_plan *p, const char *platform, json_t *history,
		     size_t n_own, int64_t now_ns);
