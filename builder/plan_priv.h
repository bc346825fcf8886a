/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the planner share: plan.c knows stages, plan_step.c the instructions of one
 * stage.
 */
#pragma once

#include "builder/plan.h"

/* Read the instructions of the stage I, whose scope is ready, into steps and history. 0 or -EINVAL.
 */
int plan_stage_read(struct build_plan *p, size_t i, const struct plan_input *in, struct diag *d);

void plan_step_deinit(struct plan_step *s);
void plan_origin_deinit(struct plan_origin *o);
