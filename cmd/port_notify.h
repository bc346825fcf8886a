/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.notify: events of apps to the hooks of their source's configuration, each delivered by a
 * worker recond-notify. What fails is logged and becomes an event of the Source, and nothing else.
 */
#pragma once

#include <jansson.h>

struct host;

/* As ports.h says; DATA is the struct host. */
void port_notify(void *data, const char *source, const json_t *event);

/* End deliveries that are under way, forget those that wait. */
void port_notify_stop(struct host *h);
