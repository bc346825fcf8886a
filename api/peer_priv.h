/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a unix socket, as the kernel says it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * True when the process that connected FD was root, the user this process runs as, or had GROUP as
 * its primary or one of its supplementary groups ((gid_t)-1: no group). False as well when the
 * kernel does not tell.
 */
bool peer_is_operator(int fd, gid_t group);
