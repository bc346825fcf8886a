/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing half of COPY: files of a tree go into the mounted root of the stage, by the rules of
 * sections 5.2 and 5.3 of the Dockerfile reference. Nothing is run. The root may be hostile (it
 * came from an image): every path is resolved inside of it. Blocking; for workers, as root.
 */
#pragma once

#include "base/err.h"
#include "builder/plan.h"
#include "builder/tree.h"

/*
 * Copy what STEP names in FROM into the root file system ROOT_FD, verifying contents that have a
 * digest. 0, or negative errno with ERR: kind invalid for what the Dockerfile asks wrongly,
 * transient for a context that changed.
 */
int copy_step(int root_fd, const struct plan_step *step, const struct tree *from, struct err *err);
