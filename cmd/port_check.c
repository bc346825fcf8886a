/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of containers. None can be run by this build: every one is answered as failed.
 */
#include "cmd/port_check.h"

#include "base/mem.h"
#include "cmd/host.h"

void port_check(void *data, const char *id, const json_t *request UNUSED)
{
	struct host *h = data;

	reconciler_check_done(h->reconciler, id, false, "checks cannot be run here");
	host_run_policy(h);
}

void port_check_cancel(void *data UNUSED, const char *id UNUSED)
{
}
