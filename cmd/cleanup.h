/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending an instance for good, without its daemon: its pods stop, and what it has on the host goes.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "cmd/options.h"

struct cleanup_result {
	size_t pods;  /* that were there and are gone */
	json_t *kept; /* texts: what stays, and why; owned */
};

/*
 * End all pods of the instance that O describes (containers get SIGTERM and GRACE_MS, then SIGKILL)
 * and remove its mounts, namespaces, links, rules and control groups. The caller holds the
 * instance's lock. Blocking, with a loop of its own. 0 with *ret, or negative errno with ERR; then
 * it may be called again for the rest.
 */
int cleanup_host(struct cleanup_result *ret, const struct options *o, uint64_t grace_ms,
		 struct err *err);

/*
 * Remove the instance's files from its run directory and, with PURGE, from its state directory; a
 * directory that is empty then goes too. What is not recond's stays and is added to KEPT: all of a
 * directory that has no boot_id or no recond.db. 0 or negative errno with ERR.
 */
int cleanup_files(const struct options *o, bool purge, json_t *kept, struct err *err);
