/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations for people, in exactly the steps kubectl prints in its AGE columns.
 */
#pragma once

#include <stdint.h>

#define AGE_SIZE 48
#define AGE_NS_PER_S INT64_C(1000000000)

/*
 * SECONDS as kubectl does: "59s", "4m5s", "90m", "5h3m", "30h", "3d4h", "200d", "3y20d", "9y". Two
 * seconds into the future still count as "0s"; more than that gives "<invalid>".
 */
void age_format(char ret[AGE_SIZE], int64_t seconds);

/* The time from RFC 3339 stamp SINCE to NOW_NS (epoch); "<unknown>" when SINCE is NULL, empty or
 * malformed. */
void age_since(char ret[AGE_SIZE], const char *since, int64_t now_ns);
