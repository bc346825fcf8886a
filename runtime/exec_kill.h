/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killing a process with all it has started, in whatever pid namespace, when there is no cgroup
 * that holds them and nothing else.
 */
#pragma once

#include <sys/types.h>

/*
 * SIGKILL to every process that descends from ROOT, ROOT itself left out, and to the sessions they
 * have opened; they are stopped first, so that none forks away meanwhile. What left both its
 * parents and its session long ago is not found. Blocking, some milliseconds. Returns how many were
 * killed.
 */
size_t exec_kill_below(pid_t root);
