/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a build works: <state-dir>/build/tmp/<id>, locked while the build lives, with the overlays
 * of its steps. The mounts are made in the build's own mount namespace and its processes run in its
 * own process namespace, so a killed build leaves a directory and empty control groups and nothing
 * else; the next build removes both. Blocking; for workers, as root.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "runtime/image.h"

#define WORKSPACE_ID_SIZE 17 /* 16 hex digits and NUL */

struct workspace {
	char id[WORKSPACE_ID_SIZE];
	int tmp_fd;                /* <state-dir>/build/tmp */
	int fd;                    /* <state-dir>/build/tmp/<id>, holds the lock */
	char *path;                /* its absolute path */
	unsigned n;                /* of mounts made so far: names are never used twice */
	const char *cgroup_root;   /* borrowed */
	struct image_store *store; /* borrowed */
};

/*
 * Remove what dead builds left below the state directory, then begin a new workspace. CGROUP_ROOT:
 * below which its control group goes, NULL for the top of each hierarchy. 0 or negative errno with
 * ERR.
 */
int workspace_open(struct workspace *ret, struct image_store *store, const char *cgroup_root,
		   struct err *err);

/* Unmount and remove everything. Idempotent. */
void workspace_close(struct workspace *w);

/* A mounted root file system. */
struct workspace_root {
	struct workspace *ws;
	char root[16]; /* names in the workspace; "" when there is none */
	char upper[16];
	char work[16];
	int fd; /* the mounted root (O_PATH) */
};

/*
 * Mount the N LAYERS, lowest first, unpacking those that are not. With WRITABLE a fresh upper
 * directory takes what is written. 0 with *ret (to be released with workspace_unmount), or negative
 * errno with ERR.
 */
int workspace_mount(struct workspace_root *ret, struct workspace *w,
		    const struct manifest_layer *layers, size_t n, bool writable, struct err *err);

/* Unmount; the upper directory stays in the workspace. Idempotent. */
void workspace_unmount(struct workspace_root *r);

/*
 * Make the upper directory of R, which is unmounted by this, a layer: packed, stored, adopted as
 * unpacked. With CLAMP, times newer than *CLAMP (seconds) become that. 0 with *ret, or negative
 * errno.
 */
int workspace_commit(struct manifest_layer *ret, struct workspace_root *r, const int64_t *clamp,
		     struct err *err);

/* This build's control group, the same path in every hierarchy. Owned by the caller. */
char *workspace_cgroup(const struct workspace *w);
