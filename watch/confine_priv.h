/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker confinement by landlock: the second lock behind fs_open_beneath(). Where the kernel has
 * none (before 5.13, or switched off), nothing happens and the first lock has to do.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * From now on this process can open only what lies beneath DIRFD (read, or also create when WRITE),
 * and read beneath READ_PATH if that is not NULL. No new privileges either. 0, or negative errno
 * with ERR when confinement exists and fails.
 */
int confine_to(int dirfd, const char *read_path, bool write, struct err *err);
