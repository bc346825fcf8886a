/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between plan.c (objects) and plan_effects.c (builds, and what rolls because of them).
 */
#pragma once

#include "reconciler/plan.h"

/* Append a change of object O to APP; its why, diff and object are the caller's to fill. */
struct plan_change *plan_change_add(struct plan_app *app, enum plan_action action, const json_t *o);

/* Add the builds of the decoded app. */
void plan_builds(const struct plan_input *input, struct plan_app *app, const json_t *decoded);

/* Add the workloads that roll although they stay as they are. */
void plan_rolls(struct plan_app *app, const json_t *decoded);
