/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations as people write them on a command line.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * "90s", "5m", "1h30m", "2d": whole numbers with units d, h, m, s, each at most once and falling. 0
 * with *ret_s in seconds (1 to 10 years), or -EINVAL with ERR.
 */
int duration_parse(int64_t *ret_s, const char *text, struct err *err);
