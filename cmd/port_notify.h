/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.notify: events of apps to the hooks of their source's configuration.
 */
#pragma once

#include <jansson.h>

/* As ports.h says; DATA is the struct host. */
void port_notify(void *data, const char *source, const json_t *event);
