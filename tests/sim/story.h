/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A story told by a seed: apps that change, people who interfere, a host that fails; then quiet,
 * and a last revision. However it went, all comes to rest where that revision wants it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Tell the story of SEED; VERBOSE prints all that happens. NULL, or the rule that was broken
 * (borrowed until the next story), which was printed.
 */
const char *story_tell(uint64_t seed, bool verbose);
