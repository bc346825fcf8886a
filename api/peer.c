/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials are those of connect(2) time, kept by the kernel: a set-uid program cannot lend its
 * socket more power later, and a process that lost a group since then still counts as it was.
 */
#include "api/peer_priv.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

static bool has_group(int fd, gid_t group)
{
	autofree gid_t *groups = mem_calloc(GROUPS_MAX, sizeof(*groups));
	socklen_t size = GROUPS_MAX * sizeof(*groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

bool peer_is_operator(int fd, gid_t group)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	if (group == (gid_t)-1)
		return false;
	return cred.gid == group || has_group(fd, group);
}
