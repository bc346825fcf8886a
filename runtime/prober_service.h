/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common side of the workers that run checks, recond-prober and recond-exec: requests come in
 * on the worker's socket, answers go out by number, and the end of the socket is the end of the
 * worker.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct prober_service_ops {
	/* Begin a check. Answered by prober_service_answer(), at once or later. REQUEST is
	 * borrowed. */
	void (*start)(uint64_t seq, const json_t *request, void *data);
	/* Give it up, if it still runs. */
	void (*cancel)(uint64_t seq, void *data);
};

/*
 * Serve the socket FD on LOOP until it ends. A malformed message ends the loop with a failure: the
 * daemon does not send any. 0, or negative errno with ERR.
 */
int prober_service_run(sd_event *loop, int fd, const struct prober_service_ops *ops, void *data,
		       struct err *err);

/* Answer check SEQ on FD. MESSAGE of N bytes is foreign; it is cut and made valid text. Ends the
 * process when the daemon is gone. */
void prober_service_answer(int fd, uint64_t seq, bool ok, const char *message, size_t n);
