/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening unix socket: a path on the file system, never an abstract name that pods on the
 * host's network could reach.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * Bind and listen on PATH with MODE and GROUP ((gid_t)-1: unchanged). A socket that nobody answers
 * on any more is replaced. Returns the fd (owned by the caller, non-blocking) or negative errno
 * with ERR: -EADDRINUSE when somebody answers, -ENAMETOOLONG beyond 107 bytes, -EEXIST when PATH is
 * something else than a socket.
 */
int listener_open(const char *path, mode_t mode, gid_t group, struct err *err);

/*
 * Check FD, a socket inherited from whoever started us (systemd's socket activation): it must
 * listen on PATH. It becomes non-blocking and close-on-exec; FD stays the caller's. 0, or -EINVAL
 * with ERR, which names the path it listens on instead.
 */
int listener_check(int fd, const char *path, struct err *err);

/* Remove the socket PATH that listener_open made. */
void listener_remove(const char *path);
