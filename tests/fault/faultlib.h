/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program may say to faultlib.so when it happens to be preloaded. A weak symbol: without the
 * library it is NULL, so call it as `if (faultlib_pause) faultlib_pause(true)`.
 */
#pragma once

#include <stdbool.h>

/* While paused calls are neither counted nor failed: for the part of a program that plays the
 * world. */
void faultlib_pause(bool paused) __attribute__((weak));
