/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting overlays: any number of lower layers up to the kernel's limit, paths of any length,
 * never one upper directory twice (the kernel only warns and corrupts it). Blocking; for workers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OVERLAY_MAX_LOWER 128

struct overlay_spec {
	const int *lower_fds; /* directory fds (O_PATH is fine), TOPMOST FIRST; borrowed */
	size_t n_lower;       /* at least 1 */
	int upper_fd;         /* -1 with work_fd -1: a read-only overlay (needs 2 lower) */
	int work_fd;          /* empty directory on the file system of upper */
	bool is_volatile;     /* no sync at all: for trees that are thrown away after a crash */
};

/*
 * Mount the overlay on the directory TARGET_FD (O_PATH is fine). 0 when it is mounted now, 1 when
 * this very upper directory was mounted there already, -EBUSY when it is mounted elsewhere in this
 * mount namespace, other negative errno with ERR.
 */
int overlay_mount(const struct overlay_spec *spec, int target_fd, struct err *err);

/* Unmount whatever is mounted on NAME in DIRFD, lazily, until nothing is. 0 also when nothing was
 * mounted. */
int overlay_unmount(int dirfd, const char *name, struct err *err);
