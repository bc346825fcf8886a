/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes and hooks of containers: the side of reconciler/ports.h that runs them.
 */
#pragma once

#include <jansson.h>

struct host;

/* Before the first check, and after the last; twice is fine. */
void port_check_start(struct host *h);
void port_check_stop(struct host *h);

/* ports.check and ports.check_cancel; DATA is the host. */
void port_check(void *data, const char *id, const json_t *request);
void port_check_cancel(void *data, const char *id);
