/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the operator: what stands in them is acted on as root, so nobody else may be able to
 * write them.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Open PATH of type S_IFREG or S_IFDIR and refuse it when others than root and the caller own it,
 * or can write it. MASK: permission bits that nobody else may have, 022 or 077. Fd, or negative
 * errno with ERR (-ENOENT when it is missing), whose message names PATH and the remedy. */
int trusted_open(const char *path, mode_t type, mode_t mask, struct err *err);

/* The content of the file PATH, of MAX bytes at most, checked as trusted_open with MASK. 0 with
 * *ret (NUL-terminated, owned by the caller) and *ret_len, or negative errno with ERR. */
int trusted_read(char **ret, size_t *ret_len, const char *path, mode_t mask, size_t max,
		 struct err *err);
