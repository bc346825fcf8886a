/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a Deployment's rollout is, in kubectl's words. Pure.
 */
#pragma once

#include <jansson.h>

#include "base/strbuf.h"

enum rollout_state { ROLLOUT_WAITING, ROLLOUT_DONE, ROLLOUT_FAILED, ROLLOUT_STATE_N_ };

/* Append one line (without its end) about DEPLOYMENT; of ROLLOUT_FAILED it is what is wrong. */
enum rollout_state rollout_view_add(struct strbuf *out, const json_t *deployment);
