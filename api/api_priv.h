/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of this module share: the store, the feeds, the policy, the host's operations;
 * and the handlers themselves, so that the table of routes can name them.
 */
#pragma once

#include <systemd/sd-event.h>

#include "api/feed_priv.h"
#include "api/reply_priv.h"
#include "api/request_priv.h"
#include "api/server.h"
#include "reconciler/reconciler.h"
#include "reconciler/store.h"

struct api {
	sd_event *loop;
	struct store *store;
	struct reconciler *policy; /* NULL: nothing can be written */
	struct feeds *feeds;
	struct api_host host;
	void *host_data;
	const char *version; /* borrowed from the configuration */
};

/* Handlers, see route.c. */
void discovery_health(struct api *api, const struct request *req, struct reply *ret);
void discovery_ready(struct api *api, const struct request *req, struct reply *ret);
void discovery_version(struct api *api, const struct request *req, struct reply *ret);
void discovery_core_versions(struct api *api, const struct request *req, struct reply *ret);
void discovery_groups(struct api *api, const struct request *req, struct reply *ret);
void discovery_group(struct api *api, const struct request *req, struct reply *ret);
void discovery_resources(struct api *api, const struct request *req, struct reply *ret);
void resource_list(struct api *api, const struct request *req, struct reply *ret);
void resource_get(struct api *api, const struct request *req, struct reply *ret);
void resource_local_images(struct api *api, const struct request *req, struct reply *ret);
void write_create(struct api *api, const struct request *req, struct reply *ret);
void write_change(struct api *api, const struct request *req, struct reply *ret);
void write_delete(struct api *api, const struct request *req, struct reply *ret);
void write_scale_get(struct api *api, const struct request *req, struct reply *ret);
void write_scale(struct api *api, const struct request *req, struct reply *ret);
void resource_prune(struct api *api, const struct request *req, struct reply *ret);
void app_action(struct api *api, const struct request *req, struct reply *ret);
void app_history(struct api *api, const struct request *req, struct reply *ret);
void podlog_get(struct api *api, const struct request *req, struct reply *ret);
