/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a killed worker leaves of the commands it ran in containers. It stops a command's processes
 * before it kills them (exec_kill.h); one that was not yet in the container's cgroup would stay
 * stopped for ever. So the worker first says so in the container's bundle, and who clears the
 * container away looks there.
 */
#pragma once

#include <stddef.h>

/*
 * Say in the bundle BUNDLE_FD that processes of a command in its container are about to be stopped.
 * Stays for the life of the bundle. 0, or negative errno.
 */
int exec_left_note(int bundle_fd);

/*
 * If that was ever said in BUNDLE_FD: SIGKILL to every crun with its state in ROOT that was on its
 * way to run a command in the container ID. Blocking, as long as a look through /proc takes.
 * Returns how many there were.
 */
size_t exec_left_kill(int bundle_fd, const char *root, const char *id);
