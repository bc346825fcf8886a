/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches. A feed is one client's stream of changes; all feeds of a server hang on one subscription
 * to the store and share the bytes of each event. A feed's queue is bounded: a client that does not
 * keep up is told 410 Gone and has to list again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "api/render_priv.h"
#include "api/selector_priv.h"
#include "api/stream_priv.h"
#include "reconciler/store.h"

#define FEED_MAX_EVENTS 1024
#define FEED_MAX_BYTES (4u << 20)
#define FEED_BOOKMARK_MS 30000

struct feeds;

/* The hub of all feeds of STORE. Owned by the caller; STORE and LOOP outlive it. */
struct feeds *feeds_new(sd_event *loop, struct store *store);

/* Asserts that no feed is left. NULL is fine; returns NULL. */
struct feeds *feeds_free(struct feeds *f);
DEFINE_FREEP(struct feeds, feeds_free)

struct feed_options {
	enum kind kind;
	const char *ns;            /* NULL: all namespaces; copied */
	struct selector *selector; /* taken over, never NULL */
	enum render_form form;
	bool initial; /* begin with an ADDED event for each present object; otherwise with what came
			 after SINCE */
	bool mark_initial;   /* and a bookmark that says that these are over (sendInitialEvents) */
	uint64_t since;      /* resourceVersion */
	bool bookmarks;      /* a BOOKMARK at least every FEED_BOOKMARK_MS */
	uint64_t timeout_ms; /* then the stream ends by itself; 0 = never */
};

/*
 * A new feed. When SINCE is no longer remembered the stream consists of one ERROR event, 410
 * Expired, as Kubernetes has it. Owned by the caller as a stream; freed before the hub.
 */
struct stream *feed_new(struct feeds *hub, const struct feed_options *o);
