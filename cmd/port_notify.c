/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of events that people may want to hear of.
 */
#include "cmd/port_notify.h"

#include "base/json.h"
#include "base/log.h"

void port_notify(void *data UNUSED, const char *source, const json_t *event)
{
	log_debug("event", LOG_KV("source", source), LOG_KV("app", json_path_str(event, "app", "")),
		  LOG_KV("type", json_path_str(event, "type", "")));
}
