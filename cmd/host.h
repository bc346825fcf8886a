/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's parts and the wiring between them: reconciler/ports.h implemented with watch,
 * builder and runtime. One struct host owns them all; each port_*.c holds one side of the seam.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "api/server.h"
#include "base/err.h"
#include "cmd/config.h"
#include "cmd/options.h"
#include "cmd/reload.h"
#include "cmd/supervise.h"
#include "reconciler/reconciler.h"
#include "runtime/image.h"
#include "runtime/layer.h"
#include "runtime/pod.h"
#include "watch/source.h"

struct host;
struct decoding;
struct prober;
struct image_job;
struct build_job;
struct collecting;
struct notify_job;

/* A source as watched, and its newest revision. Strings and documents are owned. */
struct host_source {
	struct host *host;
	char *name;
	char *location;
	json_t *policy; /* what its objects may ask for */
	json_t *hooks;  /* whom to tell */
	struct watch_source *watch;
	struct revision *rev; /* referenced; NULL before the first */
	struct decoding *decoding;
	bool decoded; /* one revision at least: the policy knows what is wanted */
};

struct host {
	const struct options *options;
	int argc; /* what the options came from, for a reload */
	char **argv;
	struct config config; /* until the sources are begun with */
	struct reload *reload;
	sd_event *loop;
	sd_event_source *wake; /* the policy's timer */
	struct store *store;
	struct reconciler *reconciler;
	struct image_store *images;
	struct layer_unpacker *layers;
	struct pod_runtime *pods;
	struct prober *prober;
	struct api_server *api;
	struct supervise *supervise;
	struct host_source **sources;
	size_t n_sources, cap_sources;
	struct image_job **image_jobs;
	size_t n_image_jobs, cap_image_jobs;
	struct build_job **build_jobs;
	size_t n_build_jobs, cap_build_jobs;
	struct collecting *collecting;
	struct notify_job **notify_jobs; /* in the order of their events */
	size_t n_notify_jobs, cap_notify_jobs;
	json_t *ready_images; /* digest -> true: every layer is unpacked */
};

/* Run the policy now; a store that fails ends the loop with its error. */
void host_run_policy(struct host *h);

/* port_source.c: sources and decoding. */
/*
 * Watch the sources of CONFIG, and no others: those that were there before go on with what they
 * have, read again. Tells the policy.
 */
void port_source_apply(struct host *h, const struct config *config);
/* The source NAME, borrowed, or NULL. */
struct host_source *port_source_find(struct host *h, const char *name);
void port_source_stop(struct host *h);
void port_source_decode(void *data, const char *source, const char *revision);
int port_source_tree_digest(void *data, char *ret, const char *source, const char *revision,
			    const char *dir);
/* The newest revision of SOURCE if it is REVISION, borrowed, or NULL. */
struct revision *port_source_revision(struct host *h, const char *source, const char *revision);

/* port_image.c: which image is here, and having it here. */
int port_image_resolve(void *data, char *ret, const char *ref);
void port_image_get(void *data, const char *ref);
void port_image_stop(struct host *h);
json_t *port_image_list(void *data);

/* port_collect.c: removing images that nothing needs. port_collect: how it stands, after asking for
 * a collection with BEGIN; owned by the caller. */
void port_collect_start(struct host *h);
void port_collect_stop(struct host *h);
json_t *port_collect(void *data, bool begin, bool all);

/* port_build.c: builds. */
void port_build_plan(void *data, const char *id, const char *source, const char *revision,
		     const json_t *image);
void port_build_run(void *data, const char *id, const char *source, const char *revision,
		    const json_t *image);
void port_build_stop(struct host *h);

/* port_pod.c: pods. */
int port_pod_start(struct host *h, struct err *err);
int port_pod_recover(struct host *h, struct err *err);
void port_pod_sandbox_up(void *data, const json_t *request);
void port_pod_container_start(void *data, const json_t *request);
void port_pod_container_signal(void *data, const char *uid, const char *name, unsigned int attempt,
			       int signo);
void port_pod_down(void *data, const char *uid);
bool port_pod_container_lives(void *data, const char *uid, const char *name, unsigned int attempt);
char *port_pod_log_path(void *data, const char *ns, const char *pod, const char *uid,
			const char *container, bool previous);
