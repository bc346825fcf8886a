/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of the daemon: Kubernetes-shaped resources, watch streams and pod logs on a unix
 * socket. Reads the store, writes through the policy; what lies outside of both (images, log files)
 * comes through api_host.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"
#include "reconciler/reconciler.h"
#include "reconciler/store.h"

#define API_MAX_CONNECTIONS 256
#define API_MAX_BODY_BYTES (3u << 20)    /* of one request, as Kubernetes has it */
#define API_MAX_BODIES_BYTES (48u << 20) /* of all requests that are being received */

struct api_server;

/* What the server asks the rest of the daemon. Every function is quick and may be NULL (then:
 * nothing there). */
struct api_host {
	/*
	 * The images of the local store: an array of {repository, tag, digest, created (RFC 3339),
	 * sizeBytes, inUse}. Owned by the caller.
	 */
	json_t *(*images)(void *data);
	/*
	 * The path of the log file of CONTAINER of pod UID (NS/POD), the running or newest attempt,
	 * or the one before when PREVIOUS. Rotated parts lie beside it as PATH.1 (newest), PATH.2,
	 * ... Owned by the caller; NULL when there is none.
	 */
	char *(*log_path)(void *data, const char *ns, const char *pod, const char *uid,
			  const char *container, bool previous);
	/* True once the daemon has taken over what runs and has seen every source (/readyz). */
	bool (*ready)(void *data);
	/*
	 * How the collection of unneeded images stands: {"serial": of the newest request, "last":
	 * {"serial", "images", "layers", "records", "freedBytes", "error"} or null}. BEGIN asks for
	 * one, of images with a name, too, with ALL. Owned by the caller.
	 */
	json_t *(*collect)(void *data, bool begin, bool all);
	/* Make durable what the policy was just told, and let it act: 0, or negative with ERR, when
	 * the store failed. Answers to writes wait for it. */
	int (*settle)(void *data, struct err *err);
};

struct api_config {
	const char *socket_path; /* absolute; a socket left behind by a dead daemon is replaced */
	mode_t mode;             /* of the socket: 0660, or 0600 without a group */
	gid_t group;             /* whose members may use it besides root; (gid_t)-1: none */
	/*
	 * An inherited socket that listens on socket_path, closed by the server, on failure too.
	 * Its mode and group are its maker's, and its path stays when the server is freed, so that
	 * clients queue for the next one. 0: make one.
	 */
	int listen_fd;
	const char *version;       /* of recond, for /version; borrowed for the server's life */
	struct reconciler *policy; /* takes what is written; NULL: nothing can be */
};

/*
 * Listen and serve on LOOP until freed. STORE and what DATA points to outlive the server. 0 with
 * *ret, or negative errno with ERR (-EADDRINUSE: another process answers on that path; -EINVAL:
 * listen_fd is not a socket that listens there).
 */
int api_server_new(struct api_server **ret, sd_event *loop, const struct api_config *config,
		   struct store *store, const struct api_host *host, void *data, struct err *err);

/* Close every connection, remove the socket unless it was inherited, free. NULL is fine; returns
 * NULL. */
struct api_server *api_server_free(struct api_server *s);
DEFINE_FREEP(struct api_server, api_server_free)

/* Open connections, for metrics and tests. */
unsigned int api_server_connections(const struct api_server *s);
