/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prober.c and its two workers say to each other, as JSON in frames of base/ipc.h. A check is
 * known by a number that is never used again, so that a late answer or cancellation hits nothing
 * else.
 */
#pragma once

/* To the worker: {"seq", "type", "timeoutMs", ...} as ports.check has it, and {"seq"}. */
#define PROBER_MSG_CHECK 1
#define PROBER_MSG_CANCEL 2
/* From the worker: {"seq", "ok", "message"}, once for each check that was not cancelled. */
#define PROBER_MSG_DONE 3

#define PROBER_REQUEST_MAX (1u << 20)
#define PROBER_ANSWER_MAX (256u << 10)

/* Of a body or of a command's output that is kept, as the kubelet does. */
#define PROBER_OUTPUT_MAX (10u << 10)
