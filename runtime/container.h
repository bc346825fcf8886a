/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container request (runtime/pod.h) and an image's configuration come to: the merge rules of
 * Kubernetes for command, environment, user and confinement, put into a struct spec. Pure; reasons
 * and texts of failures are the kubelet's.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/imageconfig.h"
#include "runtime/spec.h"

/*
 * Fill S (initialised) with everything that needs no look at the root file system: args, env,
 * capabilities, privilege, seccomp, resources, oomScoreAdj, read-only root. HOSTNAME goes into the
 * environment, below the image's. 0, or -EINVAL with ERR (reason CreateContainerConfigError).
 */
int container_spec(struct spec *s, const json_t *request, const struct imageconfig *image,
		   const char *hostname, struct err *err);

/*
 * Whom to run as, in the form of runtime/passwd.h: runAsUser, else the image's USER. Owned by the
 * caller. 0 and *ret, or -EINVAL with ERR when runAsNonRoot already forbids it.
 */
int container_user(char **ret, const json_t *request, const struct imageconfig *image,
		   struct err *err);

/* The last word on runAsNonRoot, once the number is known. 0, or -EINVAL with ERR. */
int container_check_uid(const json_t *request, uid_t uid, struct err *err);

/* runAsGroup, if there is one: true and *ret. */
bool container_group(gid_t *ret, const json_t *request);

/*
 * Add NAME=VALUE to S's environment unless NAME is there already: for HOME and PATH, known only
 * with the root file system at hand.
 */
void container_env_default(struct spec *s, const char *name, const char *value);
