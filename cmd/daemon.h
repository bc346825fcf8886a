/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: everything put together, in the foreground, until SIGTERM or SIGINT. Pods go on after
 * it.
 */
#pragma once

#include "cmd/options.h"

/*
 * Run with OPTIONS, which ARGV (of ARGC words) says; a reload parses that again. Returns an exit
 * status: 0 after a signal, 1 when something of the host is wrong (said on stderr), 2 when the
 * configuration is, 75 when another daemon has the state directory.
 */
int daemon_run(const struct options *options, int argc, char **argv);
