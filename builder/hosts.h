/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/hosts and /etc/resolv.conf of a RUN step: made by us, mounted read-only, never part of the
 * layer. The mount points this needs in the root are taken away again afterwards. Blocking; for
 * workers.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "builder/workspace.h"
#include "runtime/spec.h"

#define HOSTS_N 2

struct hosts {
	const struct workspace_root *root; /* borrowed; NULL when nothing was mounted */
	char *stubs[HOSTS_N];              /* files made in the root, resolved; NULL: was there */
	bool made_etc;
	struct timespec etc_before; /* its time before and after the stubs were made */
	struct timespec etc_after;
};

/*
 * Add the mounts to SPEC. With HOST_NETWORK the host's resolvers are given, else none. A root where
 * one of the files leads nowhere goes without it. 0, or negative errno with ERR.
 */
int hosts_mount(struct hosts *ret, struct spec *spec, const struct workspace_root *root,
		bool host_network, struct err *err);

/* When the step's processes are gone: remove the stubs that are still empty. Idempotent. */
void hosts_unmount(struct hosts *h);
