/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recond --dry-run: what the daemon would do with these sources, printed and not done. Needs no
 * root, writes nothing, and compares with what a daemon on the socket runs, when one answers.
 */
#pragma once

#include "cmd/options.h"

/* Print the plan for OPTIONS. Returns the exit status: 0 nothing to do, 1 changes, 2 errors. */
int dry_run(const struct options *options);
