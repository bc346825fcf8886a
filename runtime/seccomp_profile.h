/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default seccomp profile: what a container may ask the kernel for. Deny by default, as data.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

/*
 * linux.seccomp of config.json for a container with the capabilities CAPS (bits as in
 * runtime/spec.h): some calls are only allowed together with the capability that makes them do
 * something. Owned by the caller.
 */
json_t *seccomp_profile_build(uint64_t caps);
