/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration again, on SIGHUP. A configuration with an error changes nothing.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

struct host;
struct reload;

/* Wait for SIGHUP, which the caller has blocked, on H's loop. 0 with *ret (owned by the caller), or
 * negative errno with ERR. */
int reload_new(struct reload **ret, struct host *h, struct err *err);

/* Stop, also a reload that is under way. NULL is fine; returns NULL. */
struct reload *reload_free(struct reload *r);
DEFINE_FREEP(struct reload, reload_free)
