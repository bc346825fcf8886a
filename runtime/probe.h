/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks over the network, many at once on one loop: httpGet, tcpSocket and grpc as the kubelet
 * does them, its texts included. For the worker recond-prober: it reads what containers answer.
 * Every check ends within its own timeout, whatever the other side does.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/mem.h"

struct probe_set;

/* Check SEQ has ended. MESSAGE (borrowed, N bytes) is foreign text: the reason, or with OK a
 * warning or nothing. */
typedef void (*probe_done_fn)(uint64_t seq, bool ok, const char *message, size_t n, void *data);

/* An empty set on LOOP. 0 and *ret, or negative errno with ERR. */
int probe_set_new(struct probe_set **ret, sd_event *loop, probe_done_fn done, void *data,
		  struct err *err);

/* Give up whatever runs, without a callback. NULL is fine; returns NULL. */
struct probe_set *probe_set_free(struct probe_set *s);
DEFINE_FREEP(struct probe_set, probe_set_free)

/*
 * Begin a check. REQUEST (borrowed): {"type", "timeoutMs", "host", "port"} and, by type, {"path",
 * "scheme", "headers": [[name, value]..], "userAgent", "anyStatus": any answer is well} or
 * {"service"}. DONE follows once, for a request that makes no sense before this returns.
 */
void probe_set_start(struct probe_set *s, uint64_t seq, const json_t *request);

/* Give up SEQ if it runs: no callback comes any more. */
void probe_set_cancel(struct probe_set *s, uint64_t seq);
